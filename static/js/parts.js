// The parts of a page that say something measured: they become what the server has now, in place.

import { settle } from "./settle.js";

export async function fetched(address) {
  const answer = await fetch(address, { cache: "no-store" });
  if (!answer.ok) throw new Error(`The server answered ${answer.status}.`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// What is open stays open.
export function swap(here, page) {
  for (const part of here.querySelectorAll("[data-part]")) {
    const now = page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (now) become(part, now);
    else part.replaceChildren();
  }
  here.dispatchEvent(new Event("settled"));
}

// Only the parts in this HTML.
export function swapSome(here, html) {
  for (const now of new DOMParser().parseFromString(html, "text/html").querySelectorAll("[data-part]")) {
    become(here.querySelector(`[data-part="${now.dataset.part}"]`), now);
  }
  here.dispatchEvent(new Event("settled"));
}

function become(part, now) {
  settle(part, now);
  globalThis.htmx?.process(part);
}

// A part keeps its height while its content is measured, so that nothing below it moves.
export function fit(part, on) {
  if (part) part.style.minHeight = on ? part.style.minHeight || `${part.offsetHeight}px` : "";
}
