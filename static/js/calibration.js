// Opens the ruler, with which a person draws along the scale bar of a result's image; sends the form with its numbers.

import { Ruler } from "./ruler.js";

function openRuler(button) {
  const { columns, rows, box, ...rest } = button.dataset; // rest: image, tiles, name
  const form = button.parentElement.querySelector("[data-ruler-form]");
  const numbers = { columns: Number(columns), rows: Number(rows), box: box ? box.split(" ").map(Number) : null };
  new Ruler({ ...rest, ...numbers }, (stated) => {
    for (const [field, value] of Object.entries(stated)) form.elements.namedItem(field).value = value;
    form.requestSubmit();
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-ruler]");
  if (button) openRuler(button);
});
