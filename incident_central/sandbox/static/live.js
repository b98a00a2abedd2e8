// Once a second, take over what has changed in the parts marked data-live. Everything works without it.
(() => {
  "use strict";

  const merge = (shown, fresh) => {
    if (shown.isEqualNode(fresh)) return;
    const sameShape = shown.nodeName === fresh.nodeName && shown.childNodes.length === fresh.childNodes.length;
    if (sameShape && shown.nodeType === Node.ELEMENT_NODE) {
      for (const name of fresh.getAttributeNames()) {
        if (shown.getAttribute(name) !== fresh.getAttribute(name)) shown.setAttribute(name, fresh.getAttribute(name));
      }
      for (const name of shown.getAttributeNames()) {
        if (!fresh.hasAttribute(name)) shown.removeAttribute(name);
      }
      const pairs = [...shown.childNodes].map((child, place) => [child, fresh.childNodes[place]]);
      for (const [child, other] of pairs) merge(child, other);
    } else if (!shown.contains(document.activeElement)) {
      // Never under somebody's fingers: what has the focus is taken over when it no longer has it.
      shown.replaceWith(fresh);
    }
  };

  const refresh = async () => {
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
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
