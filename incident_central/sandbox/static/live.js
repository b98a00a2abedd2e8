// Once a second, take over what has changed in the parts marked data-live. Everything works without it.
(() => {
  "use strict";

  // Change only what differs, so that a button keeps its focus and a click meets what was aimed at.
  const merge = (shown, fresh) => {
    if (shown.isEqualNode(fresh)) return;
    if (shown.nodeType !== Node.ELEMENT_NODE || shown.nodeName !== fresh.nodeName || shown.id !== fresh.id) {
      if (!shown.contains(document.activeElement)) shown.replaceWith(fresh);
      return;
    }
    for (const name of fresh.getAttributeNames()) {
      if (shown.getAttribute(name) !== fresh.getAttribute(name)) shown.setAttribute(name, fresh.getAttribute(name));
    }
    for (const name of shown.getAttributeNames()) {
      // What somebody has unfolded stays so.
      if (!fresh.hasAttribute(name) && name !== "open") shown.removeAttribute(name);
    }
    const old = [...shown.childNodes];
    const now = [...fresh.childNodes];
    now.forEach((child, place) => (place < old.length ? merge(old[place], child) : shown.append(child)));
    old.slice(now.length).forEach((child) => child.contains(document.activeElement) || child.remove());
  };

  // The newest channel is shown by itself, but never while somebody writes in another one.
  const address = () => {
    const line = document.getElementById("say");
    const writing = line && (line.value || line === document.activeElement);
    return writing ? `/?channel=${line.form.elements.back.value}` : location.href;
  };

  const refresh = async () => {
    try {
      const answer = await fetch(address(), { cache: "no-store" });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
          const fresh = page.getElementById(part.id);
          if (fresh) merge(part, document.importNode(fresh, true));
        }
      }
    } catch (stopped) {
      // The sandbox has ended or starts again: try on.
    }
    setTimeout(refresh, 1000);
  };

  setTimeout(refresh, 1000);
})();
