// Two results side by side: both pictures move and zoom together, and a line of the table lights its objects in both; from
// the start all those that differ.

import { element } from "./dom.js";
import { json } from "./editor/calls.js";
import { lights } from "./lights.js";
import { link } from "./linked.js";
import { Drawing, tools } from "./viewer-drawing.js";

const section = document.getElementById("linked");
const DASHES = [5, 4]; // CSS pixels

async function opened(box) {
  const drawing = new Drawing(box.querySelector("canvas"), await json(box.dataset.outlines), box.dataset.tiles);
  drawing.layers.aside = false;
  drawing.load(box.dataset.image);
  return { box, drawing, viewport: drawing.viewport, pixel: Number(box.dataset.pixel) || 0 };
}

function wireReadout({ box, drawing }) {
  const readout = box.querySelector("[data-readout]");
  const tell = (object) => {
    drawing.point(object);
    readout.textContent = object ? `${object.id}${object.kept ? "" : `, left out: ${object.reason}`}` : "";
  };
  drawing.heard = { hover: tell, tap: tell };
}

// Of one image each picture has what is lit in the other, too, dashed: what one side lacks is seen on both.
function drawLitOfOther(sides) {
  const [first, second] = sides;
  if (!("same" in section.dataset) || first.viewport.columns !== second.viewport.columns) return;
  for (const [{ drawing }, other] of [[first, second], [second, first]]) {
    drawing.overlay = () => {
      const { lit, particles } = other.drawing;
      for (const { path } of lit ? particles.filter(lit) : []) {
        drawing.stroke(path, "#000000", 3.5);
        drawing.stroke(path, "#ffffff", 1.5, DASHES);
      }
    };
  }
}

function slide() {
  // Of one image the picture of B lies over that of A, from a line on that a slider moves.
  const [over, at] = ["over", "at"].map((name) => section.querySelector(`[data-${name}]`));
  const place = () => {
    section.classList.toggle("over", over.checked);
    section.style.setProperty("--at", `${at.value}%`);
    at.disabled = !over.checked;
  };
  for (const control of [over, at]) control?.addEventListener("input", place);
  if (over) place();
}

function failed() {
  const sentence = "The pictures could not be loaded. Reload the page; the numbers are not affected.";
  section.replaceChildren(element("p", { className: "notice" }, sentence));
}

async function begin() {
  const sides = await Promise.all([...section.querySelectorAll("[data-side]")].map(opened));
  sides.forEach(wireReadout);
  link(sides, "same" in section.dataset);
  tools(section, sides.map(({ drawing }) => drawing));
  drawLitOfOther(sides);
  lights(sides, [...document.querySelectorAll("[data-place]")], () => section.scrollIntoView({ block: "nearest" }));
  slide();
}

if (section) begin().catch(failed);
