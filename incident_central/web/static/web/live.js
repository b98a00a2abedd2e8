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

// Nothing is swapped under a hand: not what has focus, is being pressed, or holds selected text (somebody copies it).
function inUse(element) {
  const selection = document.getSelection();
  return element.contains(document.activeElement)
    || element.querySelector(":active") !== null
    || (selection !== null && !selection.isCollapsed && selection.containsNode(element, true));
}

// Nor what somebody has opened or typed into, even if they look elsewhere for a moment.
function halfDone(element) {
  return element.querySelector("details.menu[open]") !== null
    || [...element.querySelectorAll("textarea")].some((one) => one.value !== one.defaultValue);
}

// A menu that would leave the screen opens the other way.
document.addEventListener("toggle", ({ target }) => {
  if (!target.matches(".actions details.menu[open]")) return;
  target.classList.remove("end");
  const { right } = target.querySelector(":scope > :not(summary)").getBoundingClientRect();
  target.classList.toggle("end", right > document.documentElement.clientWidth);
}, true);

let unfolded = [];
let leftOut = false;
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.requestConfig.elt !== detail.target) return;
  leftOut = false;
  if (inUse(detail.target)) detail.shouldSwap = false;
  unfolded = [...detail.target.querySelectorAll("details[open][id]")].map((one) => one.id);
});
document.addEventListener("htmx:afterSwap", () => {
  // Else the server, told that we have this version, would not send again what was left out of it.
  if (leftOut) document.getElementById("live")?.removeAttribute("hx-headers");
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
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

// A page that can no longer ask says so, instead of looking fresh.
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const banner = document.getElementById("cut-off");
  if (banner) banner.hidden = detail.successful;
});
