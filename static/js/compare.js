// Two results side by side: both pictures move and zoom together, and a line of the table lights its objects in both.

import { Drawing } from "./viewer-drawing.js";

const section = document.getElementById("linked");

async function opened(box) {
  const answer = await fetch(box.dataset.outlines);
  if (!answer.ok) throw new Error(`outlines: ${answer.status}`);
  const drawing = new Drawing(box.querySelector("canvas"), await answer.json(), box.dataset.tiles);
  drawing.layers.aside = false;
  drawing.load(box.dataset.image);
  return { box, drawing, pixel: Number(box.dataset.pixel) || 0 };
}

// How many pixels of one image are as long as a pixel of the other: of one image one, else by the scale where both have
// one, else by the widths.
export function ratio(from, to, same) {
  if (same && from.drawing.width === to.drawing.width) return 1;
  if (from.pixel && to.pixel) return from.pixel / to.pixel;
  return to.drawing.width / from.drawing.width;
}

// The view of one that shows the same as the other: the same share of the way through the image is in the middle.
export function matching(from, to, same) {
  const { viewport } = from.drawing;
  const middle = viewport.toImage(viewport.middle);
  const other = to.drawing;
  const point = { x: (middle.x / from.drawing.width) * other.width, y: (middle.y / from.drawing.height) * other.height };
  return { point, scale: viewport.view.scale / ratio(from, to, same) };
}

function link(sides, same) {
  let leading = null;
  for (const [from, to] of [sides, [...sides].reverse()]) {
    const { viewport } = from.drawing;
    const draw = viewport.draw;
    viewport.draw = () => {
      draw();
      if (leading) return;
      leading = from;
      if (viewport.fitted) to.drawing.viewport.fit();
      else {
        const { point, scale } = matching(from, to, same);
        to.drawing.viewport.show(point, scale);
      }
      leading = null;
    };
  }
}

function describe({ box, drawing }) {
  const readout = box.querySelector("[data-readout]");
  const tell = (object) => {
    drawing.point(object);
    readout.textContent = object ? `${object.id}${object.kept ? "" : `, set aside: ${object.reason}`}` : "";
  };
  drawing.heard = { hover: tell, tap: tell };
}

function tools(sides) {
  for (const button of section.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => sides[0].drawing.viewport[button.dataset.zoom]());
  }
  for (const layer of section.querySelectorAll("[data-layer]")) {
    layer.addEventListener("change", () => sides.forEach(({ drawing }) => drawing.layer(layer.dataset.layer, layer.checked)));
  }
}

function lights(sides) {
  const buttons = [...document.querySelectorAll("[data-place] button")];
  const light = (chosen) => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button === chosen));
    for (const { box, drawing } of sides) {
      const ids = new Set((chosen?.dataset[box.dataset.side] ?? "").split(",").filter(Boolean).map(Number));
      drawing.light(chosen && ((object) => object.kept && ids.has(object.id)));
    }
    if (chosen) section.scrollIntoView({ block: "nearest" });
  };
  for (const button of buttons) {
    button.disabled = false;
    button.addEventListener("click", () => light(button.getAttribute("aria-pressed") === "true" ? null : button));
  }
}

function failed() {
  const line = document.createElement("p");
  line.className = "notice";
  line.textContent = "The pictures could not be loaded. Reload the page; the numbers are not affected.";
  section.replaceChildren(line);
}

async function begin() {
  const sides = await Promise.all([...section.querySelectorAll("[data-side]")].map(opened));
  sides.forEach(describe);
  link(sides, "same" in section.dataset);
  tools(sides);
  lights(sides);
}

if (section) begin().catch(failed);
