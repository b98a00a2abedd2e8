// Pages work without this. It keeps the parts that refresh themselves out of the way of whoever is using them.
"use strict";

document.querySelector(".errors")?.focus();

// The report form keeps its id where it stands in the history: going back and sending it again is no second report.
const reportId = document.querySelector("[name=report_id]");
if (reportId) {
  reportId.value = history.state?.reportId ?? reportId.value;
  history.replaceState({ reportId: reportId.value }, "");
  // Going back, the browser fills in what was typed; who is on call for that service is to be asked again.
  window.addEventListener("pageshow", () => {
    const service = document.getElementById("service");
    const known = document.querySelector("#oncall .oncall") !== null;
    if (service.value && !known) service.dispatchEvent(new Event("change"));
  });
}

// Nothing is swapped under a hand: not what is being pressed, or holds selected text (somebody copies it).
function isHeld(element) {
  const selection = document.getSelection();
  return element.querySelector(":active") !== null
    || (selection !== null && !selection.isCollapsed && selection.containsNode(element, true));
}

function inUse(element) {
  return element.contains(document.activeElement) || isHeld(element);
}

// Nor what somebody has opened or filled in, even if they look elsewhere for a moment.
const FIELDS = "textarea, form.report input:not([type=hidden])";
function halfDone(element) {
  return element.querySelector("details.menu[open]") !== null || [...element.querySelectorAll(FIELDS)].some(isFilledIn);
}

function isFilledIn(field) {
  return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
}

// A menu that would leave the screen opens the other way.
document.addEventListener("toggle", ({ target }) => {
  if (!target.matches(".actions details.menu[open], .views details.menu[open]")) return;
  target.classList.remove("end");
  const { right } = target.querySelector(":scope > :not(summary)").getBoundingClientRect();
  target.classList.toggle("end", right > document.documentElement.clientWidth);
}, true);

// How to find the same link or button in the page that comes instead.
function sameAs(element) {
  if (element.matches("a[href]")) return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
  if (element.matches("details[id] > summary")) return `#${CSS.escape(element.parentElement.id)} > summary`;
  return element.id ? `#${CSS.escape(element.id)}` : "";
}

let unfolded = [];
let leftOut = false;
let focused = "";
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const { requestConfig, target } = detail;
  if (requestConfig.elt !== target) return;
  leftOut = false;
  const hasFocus = target.contains(document.activeElement);
  focused = hasFocus ? sameAs(document.activeElement) : "";
  // The parts around it are swapped all the same: no page is to look fresh and be old.
  if (isHeld(target) || (hasFocus && !focused)) detail.swapOverride = "none";
  unfolded = [...target.querySelectorAll("details[open][id]")].map((one) => one.id);
});
document.addEventListener("htmx:afterSwap", () => {
  // Else the server, told that we have this version, would not send again what was left out of it.
  if (leftOut) document.getElementById("live")?.removeAttribute("hx-headers");
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
  if (focused && document.activeElement === document.body) {
    document.getElementById("live")?.querySelector(focused)?.focus({ preventScroll: true });
  }
  const icon = document.getElementById("icon");
  const state = document.getElementById("wordmark")?.dataset.state;
  if (icon && state) icon.href = icon.href.replace(/icon-\w+\.svg/, `icon-${state}.svg`);
});

// The status line is spoken by screen readers: replace it only when it says something new.
document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
  const said = detail.fragment.textContent.trim() === detail.target.textContent.trim();
  if (detail.target.getAttribute("role") === "status" && said) detail.shouldSwap = false;
  if (inUse(detail.target) || halfDone(detail.target)) {
    detail.shouldSwap = false;
    leftOut = true;
  }
});

// Whoever is signed out meanwhile is sent to sign in again, but not while they type.
function isSignedOut(xhr) {
  return xhr.getResponseHeader("HX-Refresh") === "true";
}

document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (!isSignedOut(event.detail.xhr) || !halfDone(document.body)) return;
  event.preventDefault();
  document.getElementById("signed-out").hidden = false;
});

// A page that can no longer ask says so, instead of looking fresh. Who has signed in again elsewhere is not signed out.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const banner = document.getElementById("cut-off");
  if (!banner) return;
  banner.hidden = detail.successful || isSignedOut(detail.xhr);
  if (detail.successful) document.getElementById("signed-out").hidden = true;
});
