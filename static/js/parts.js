// The parts of a page that say something measured: they become what the server has now, in place.

import { settle } from "./settle.js";

export async function fetched(address) {
  const answer = await fetch(address, { cache: "no-store" });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// What is open stays open.
export function swap(here, page, parts = "[data-part]") {
  for (const part of here.querySelectorAll(parts)) {
    const now = page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (now) settle(part, now);
    else part.replaceChildren();
    globalThis.htmx?.process(part);
  }
  here.dispatchEvent(new Event("settled"));
}

// A part keeps its height while its content is measured, so that nothing below it moves.
export function fit(part, on) {
  if (part) part.style.minHeight = on ? part.style.minHeight || `${part.offsetHeight}px` : "";
}
