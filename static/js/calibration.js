// The scale of a result: the ruler, and whether a width that is being typed agrees with what is known.

import { Ruler } from "./ruler.js";

const PAUSE = 300; // ms without typing before the server is asked
let timer = 0;

// What file and bar say of a width that is being typed.
async function review(box, width) {
  const mine = timer;
  const answer = await fetch(`${box.dataset.check}?${new URLSearchParams({ width, source: "typed" })}`).catch(() => null);
  if (!answer?.ok || timer !== mine) return;
  const { warnings } = await answer.json();
  const lines = warnings.map((text) => Object.assign(document.createElement("li"), { textContent: text }));
  box.querySelector("[data-doubts]").replaceChildren(...lines);
}

function rule(button) {
  const { image, tiles, columns, rows, box, name } = button.dataset;
  const form = button.parentElement.querySelector("[data-ruler-form]");
  const picture = {
    address: image,
    tiles,
    columns: Number(columns),
    rows: Number(rows),
    box: box ? box.split(" ").map(Number) : null,
    name,
  };
  new Ruler(picture, (stated) => {
    for (const [field, value] of Object.entries(stated)) form.elements.namedItem(field).value = value;
    form.requestSubmit();
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-ruler]");
  if (button) rule(button);
});
document.addEventListener("input", ({ target }) => {
  const box = document.querySelector("[data-calibrate]");
  if (target.id !== "new_width" || !box) return;
  clearTimeout(timer);
  timer = setTimeout(() => review(box, target.value), PAUSE);
});
