// Opens the ruler, with which a person draws along the scale bar of a result's image; sends the form with its numbers.

import { Ruler } from "./ruler.js";

// The numbers of a text such as "10 20 30 40"; null for an empty text.
const numbersIn = (text) => (text ? text.split(" ").map(Number) : null);

function openRuler(button) {
  const { columns, rows, box, ends, ...rest } = button.dataset; // rest: image, tiles, name, length
  const form = button.parentElement.querySelector("[data-ruler-form]");
  const numbers = { columns: Number(columns), rows: Number(rows), box: numbersIn(box), ends: numbersIn(ends) };
  new Ruler({ ...rest, ...numbers }, (stated) => {
    for (const [field, value] of Object.entries(stated)) form.elements.namedItem(field).value = value;
    form.requestSubmit();
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-ruler]");
  if (button) openRuler(button);
});
