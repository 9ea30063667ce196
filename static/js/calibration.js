// Suggestions from the data bar, the ruler, and whether a width that is being typed agrees with what is known.

import { Ruler } from "./ruler.js";
import { OWN, badgeFor, fieldsIn, state, statedIn } from "./width.js";

const PAUSE = 300; // ms without typing before the server is asked

const cards = () => [...document.querySelectorAll("[data-upload]")].filter((card) => card.querySelector("[data-calibrate]"));

// The fields that hold the width of a card: the main ones, too, where the card stands alone.
function fieldsOf(card) {
  const id = card.dataset.upload;
  const fields = { ...fieldsIn(card, `_${id}`), badge: card.querySelector("[data-badge]") };
  if (!card.classList.contains("alone")) return [fields];
  return [{ ...fieldsIn(card.closest("form")), badge: document.getElementById("width_badge") }, fields];
}

// A width that is not typed: the page's own script hears of the change and then learns where it comes from.
function fill(card, stated) {
  const fields = fieldsOf(card);
  fields[0].input.value = stated.width;
  fields[0].input.dispatchEvent(new Event("input", { bubbles: true }));
  fields.forEach((each) => state(each, stated));
  const { text, status } = badgeFor(stated.width, stated.source, card);
  Object.assign(fields[0].badge, { textContent: text, className: `badge ${status}`, hidden: false });
  review(card);
}

function review(card) {
  const [fields] = fieldsOf(card);
  for (const button of card.querySelectorAll("[data-accept]")) {
    const used = fields.source.value === button.dataset.source;
    button.setAttribute("aria-pressed", String(used));
  }
  ask(card.querySelector("[data-calibrate]"), statedIn(fields));
}

const timers = new WeakMap(); // the question under way for each box
const last = new WeakMap(); // what was last asked about

// A card comes with the server's answer for a width that nobody has touched.
function ask(box, stated) {
  const now = String(new URLSearchParams(stated));
  const untouched = stated.source ? OWN.includes(stated.source) : !stated.width;
  const answered = last.get(box) ?? (untouched ? now : null);
  last.set(box, now);
  if (answered === now) return;
  clearTimeout(timers.get(box));
  const timer = setTimeout(async () => {
    const answer = await fetch(`${box.dataset.check}?${now}`).catch(() => null);
    if (!answer?.ok || timers.get(box) !== timer || box.closest(".card")?.querySelector("[data-sure]")) return;
    const { warnings } = await answer.json();
    const lines = warnings.map((text) => Object.assign(document.createElement("li"), { textContent: text }));
    box.querySelector("[data-doubts]").replaceChildren(...lines);
  }, PAUSE);
  timers.set(box, timer);
}

function rule(button) {
  const { image, tiles, columns, rows, box, name } = button.dataset;
  const picture = {
    address: image,
    tiles,
    columns: Number(columns),
    rows: Number(rows),
    box: box ? box.split(" ").map(Number) : null,
    name,
  };
  const form = button.parentElement.querySelector("[data-ruler-form]");
  const card = button.closest("[data-upload]");
  const use = (stated) => {
    // The card may have been replaced since, by one with what was read in the image.
    if (!form) return fill(document.querySelector(`[data-upload="${card.dataset.upload}"]`) ?? card, stated);
    state(fieldsIn(form), stated);
    return form.requestSubmit();
  };
  new Ruler(picture, use);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if ("ruler" in button.dataset) rule(button);
  if ("accept" in button.dataset) fill(button.closest("[data-upload]"), { width: button.dataset.width, source: button.dataset.source });
});

document.addEventListener("input", ({ target }) => {
  const box = document.querySelector("[data-calibrate]");
  if (target.id === "new_width" && box) ask(box, { width: target.value, source: "typed" });
  if (!/^width/.test(target.name ?? "") || target.id === "new_width") return;
  const card = target.closest("[data-upload]");
  for (const each of card ? [card] : cards()) if (each.querySelector("[data-calibrate]")) review(each);
});

const list = document.getElementById("cards");
if (list) {
  // Only what is new, and a card left alone: each review asks the server, and a sample may bring 200 cards.
  new MutationObserver((changes) => {
    const fresh = new Set(changes.flatMap((change) => [...change.addedNodes]));
    const all = cards();
    all.filter((card) => fresh.has(card) || all.length === 1).forEach(review);
  }).observe(list, { childList: true });
  cards().forEach(review);
}
