// The interactive result: the micrograph with its outlines, and the table of the same particles.

import { Drawing } from "./viewer-drawing.js";
import { Gestures } from "./viewer-gestures.js";
import { ParticleList } from "./viewer-table.js";
import { digits } from "./width.js";

const section = document.getElementById("viewer");

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

function sentence(particle, unit) {
  const size = `minimum Feret ${digits(particle.min_feret, 3)} ${unit}, ECD ${digits(particle.ecd, 3)} ${unit}`;
  return `Particle ${particle.id}: ${size}; ${particle.kept ? "kept" : `set aside: ${particle.reason}`}`;
}

function start(image, data) {
  const canvas = section.querySelector("canvas");
  const readout = section.querySelector("[data-readout]");
  const quiet = readout.textContent;
  section.querySelector("[data-viewer]").hidden = false;

  const drawing = new Drawing(canvas, image, data);
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
  new Gestures(canvas, drawing, { hover, select });

  for (const box of section.querySelectorAll("[data-layer]")) {
    drawing.layers[box.dataset.layer] = box.checked;
    box.addEventListener("change", () => drawing.layer(box.dataset.layer, box.checked));
  }
  const zoom = { in: () => drawing.zoom(1.5), out: () => drawing.zoom(1 / 1.5), fit: () => drawing.fit() };
  for (const button of section.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", zoom[button.dataset.zoom]);
  }
}

function failed() {
  const line = document.createElement("p");
  line.className = "notice";
  line.textContent = "The zoomable image could not be loaded. Reload the page; the figure and the size file are not affected.";
  section.append(line);
}

if (section.dataset.image && section.dataset.outlines) {
  Promise.all([picture(section.dataset.image), outlines(section.dataset.outlines)])
    .then(([image, data]) => start(image, data))
    .catch(failed);
}
