// The page that compares two results: both pictures move and zoom together, and a line of the table highlights its
// objects in both. At first the objects that differ are highlighted.

import { element } from "./dom.js";
import { json } from "./editor/calls.js";
import { lights } from "./lights.js";
import { link } from "./linked.js";
import { Drawing, tools } from "./viewer-drawing.js";

const section = document.getElementById("linked");
const DASHES = [5, 4]; // CSS pixels

async function openSide(box) {
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
  drawing.listeners = { hover: tell, tap: tell };
}

// If both results are of one image, each picture also shows, dashed, the objects that are highlighted in the other.
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

// If both results are of one image, picture B can lie over picture A; a slider moves the line where B begins.
function wireSlider() {
  const [checkBox, slider] = ["over", "at"].map((name) => section.querySelector(`[data-${name}]`));
  const place = () => {
    section.classList.toggle("over", checkBox.checked);
    section.style.setProperty("--at", `${slider.value}%`);
    slider.disabled = !checkBox.checked;
  };
  for (const control of [checkBox, slider]) control?.addEventListener("input", place);
  if (checkBox) place();
}

function showFailure() {
  const sentence = "The pictures could not be loaded. Reload the page; the numbers are not affected.";
  section.replaceChildren(element("p", { className: "notice" }, sentence));
}

async function begin() {
  const sides = await Promise.all([...section.querySelectorAll("[data-side]")].map(openSide));
  sides.forEach(wireReadout);
  link(sides, "same" in section.dataset);
  tools(section, sides.map(({ drawing }) => drawing));
  drawLitOfOther(sides);
  lights(sides, [...document.querySelectorAll("[data-place]")], () => section.scrollIntoView({ block: "nearest" }));
  wireSlider();
}

if (section) begin().catch(showFailure);
