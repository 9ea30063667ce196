// Replaces the measured parts of a page ([data-part]) in place by their present state on the server.

import { settle } from "./settle.js";

// The page at an address, as a document. Throws if the server refuses.
export async function fetchPage(address) {
  const answer = await fetch(address, { cache: "no-store" });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Replaces all parts of `here` by those of `page`. Open sections (details) stay open.
export function swapParts(here, page) {
  for (const part of here.querySelectorAll("[data-part]")) {
    const now = page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (now) replacePart(part, now);
    else part.replaceChildren();
  }
  here.dispatchEvent(new Event("settled"));
}

// Replaces only the parts that this HTML contains.
export function swapSome(here, html) {
  for (const now of new DOMParser().parseFromString(html, "text/html").querySelectorAll("[data-part]")) {
    replacePart(here.querySelector(`[data-part="${now.dataset.part}"]`), now);
  }
  here.dispatchEvent(new Event("settled"));
}

function replacePart(part, now) {
  settle(part, now);
  globalThis.htmx?.process(part);
}

// While `on`, a part keeps its height, so that nothing below it moves when its content changes.
export function keepHeight(part, on) {
  if (part) part.style.minHeight = on ? part.style.minHeight || `${part.offsetHeight}px` : "";
}
