// The scale of a result: the ruler.

import { Ruler } from "./ruler.js";

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
