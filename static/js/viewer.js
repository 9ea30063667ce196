// The interactive result: the histogram, the micrograph with its outlines and the table, all of the same particles.

import { Histogram } from "./chart.js";
import { Chips, Choice } from "./viewer-choice.js";
import { Drawing } from "./viewer-drawing.js";
import { ParticleList } from "./viewer-table.js";
import { digits } from "./width.js";

const section = document.getElementById("viewer");
const chart = document.getElementById("histogram");

const picture = (address) =>
  new Promise((resolve, reject) => {
    const image = new Image();
    image.addEventListener("load", () => resolve(image));
    image.addEventListener("error", reject);
    image.src = address;
  });

async function outlines(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`outlines: ${answer.status}`);
  return answer.json();
}

// In the words of the kind of analysis, of what it measured: sizes of particles, the class and area of a region.
function sentence(object, unit) {
  const { min_feret: least, ecd, area } = object;
  const sizes = least === undefined ? [] : [`minimum Feret ${digits(least, 3)} ${unit}`, `ECD ${digits(ecd, 3)} ${unit}`];
  if (!sizes.length && area !== undefined) sizes.push(`area ${digits(area, 3)} ${unit}²`);
  const said = [object.class, ...sizes].filter(Boolean).join(", ");
  const thing = section.dataset.thing ?? "Particle";
  return `${thing} ${object.id}: ${said}; ${object.kept ? "kept" : `set aside: ${object.reason}`}`;
}

function start(image, data, choice, unchoose) {
  const canvas = section.querySelector("canvas");
  const readout = section.querySelector("[data-readout]");
  const quiet = readout.textContent;
  for (const part of section.querySelectorAll("[data-viewer], [data-chips]")) part.hidden = false;

  let selected = null;

  const describe = (particle) => {
    const shown = particle ?? selected;
    readout.textContent = shown ? sentence(shown, data.unit) : quiet;
  };
  const hover = (particle) => {
    drawing.point(particle);
    canvas.classList.toggle("over", particle !== null);
    describe(particle);
  };
  const select = (particle, { centre = false } = {}) => {
    selected = particle;
    drawing.select(particle, centre);
    list.select(particle);
    describe(particle);
  };
  const list = new ParticleList(section, data, (particle) => select(particle, { centre: true }));
  const drawing = new Drawing(canvas, image, data, {
    hover: (at) => hover(drawing.at(at)),
    tap: (at) => select(drawing.at(at)),
  });
  const { viewport } = drawing;
  canvas.addEventListener("dblclick", (event) => viewport.zoom(2, viewport.place(event)));
  canvas.addEventListener("keydown", (event) => event.key === "Escape" && select(null));
  new Chips(section, (hidden) => choice.hide(hidden));
  follow(choice, drawing, list, unchoose);

  for (const box of section.querySelectorAll("[data-layer]")) {
    drawing.layers[box.dataset.layer] = box.checked;
    box.addEventListener("change", () => drawing.layer(box.dataset.layer, box.checked));
  }
  const zoom = { in: () => viewport.closer(), out: () => viewport.farther(), fit: () => viewport.fit() };
  for (const button of section.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", zoom[button.dataset.zoom]);
  }
}

function follow(choice, drawing, list, unchoose) {
  const told = section.querySelector("[data-chosen]");
  const show = () => {
    drawing.show(choice.hidden, choice.stands);
    list.show((particle) => choice.holds(particle));
    told.hidden = choice.stands === null;
    told.querySelector("span").textContent = `Only ${choice.words}.`;
  };
  told.querySelector("button").addEventListener("click", unchoose);
  choice.listener = show;
  show();
}

function failed() {
  const line = document.createElement("p");
  line.className = "notice";
  line.textContent = "The zoomable image could not be loaded. Reload the page; the figure and the size file are not affected.";
  section.append(line);
}

async function begin() {
  const image = picture(section.dataset.image);
  image.catch(() => {}); // told below, after the table of particles has arrived
  const choice = new Choice();
  const histogram = new Histogram(chart, (stands, words) => choice.choose(stands, words));
  const data = await outlines(section.dataset.outlines);
  start(await image, data, choice, () => histogram.pick(-1));
}

if (section.dataset.image && section.dataset.outlines) begin().catch(failed);
