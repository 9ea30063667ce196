// What the colours of the objects say: which are neighbours, of what shape they are, or a number of each.

import { element } from "./dom.js";
import { COLOURS, neighbourColour } from "./viewer-drawing.js";

// Eight steps of viridis (van der Walt and Smith), dark to bright.
const STEPS = ["#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#7fd34e", "#a0da39", "#fde725"];
const UNKNOWN = "#969696";
const SECTOR = 10; // degrees of directions with one colour
const MOST = 0.98; // of the objects lie below the last step

export const SHAPES = ["round", "rod", "square", "triangle", "hexagon", "irregular"];

// The colours of a choice: of an object, all there are, and words for each that is shown.
export function colouring(key, particles, { unit, said }) {
  if (key === "shape") return ofShapes(particles);
  if (key === "direction") return ofDirections();
  const values = particles.filter((each) => each.kept).map((each) => each[key]).filter(Number.isFinite).sort((a, b) => a - b);
  if (!key || !values.length) return { of: ({ id }) => neighbourColour({ id }), colours: COLOURS, legend: [] };
  const low = key === "neighbour_distance" ? 0 : values[Math.floor(values.length * (1 - MOST))];
  const width = (values[Math.floor((values.length - 1) * MOST)] - low) / STEPS.length || 1;
  const step = (value) => Math.max(0, Math.min(STEPS.length - 1, Math.floor((value - low) / width)));
  const words = (at) => (key === "local_density" ? ["sparse", "dense"][Number(at > 0)] : `${at ? "to" : "from"} ${said({ at: low + (at + (at > 0)) * width }, "at")} ${unit}`);
  const ends = [0, STEPS.length - 1];
  return {
    of: (particle) => (Number.isFinite(particle[key]) ? STEPS[step(particle[key])] : UNKNOWN),
    colours: [...STEPS, UNKNOWN],
    legend: STEPS.map((colour, i) => [colour, ends.includes(i) ? words(i) : ""]),
  };
}

// A hue for each sector of directions, once around in half a turn: as report/picture.py has them in colours_by_direction.
const hue = (degrees) => `#${[5, 3, 1].map((n) => (n + degrees / 30) % 6).map((k) => Math.round(242.25 * (1 - 0.75 * Math.max(0, Math.min(k, 4 - k, 1)))).toString(16).padStart(2, "0")).join("")}`;

function ofDirections() {
  const middles = Array.from({ length: 180 / SECTOR }, (_, i) => (i + 0.5) * SECTOR);
  const words = (degrees) => ({ 5: "0° along the rows", 45: "45°", 95: "90° upright", 135: "135°", 175: "180°" })[degrees] ?? "";
  const of = ({ direction }) => (Number.isFinite(direction) ? hue((Math.floor((direction % 180) / SECTOR) + 0.5) * SECTOR) : UNKNOWN);
  return { of, colours: [...middles.map(hue), UNKNOWN], legend: middles.map((degrees) => [hue(degrees), words(degrees)]) };
}

function ofShapes(particles) {
  const colour = (shape) => COLOURS[SHAPES.indexOf(shape)] ?? UNKNOWN;
  const count = (shape) => particles.filter((each) => each.kept && each.shape === shape).length;
  const legend = SHAPES.filter(count).map((shape) => [colour(shape), `${shape} ${count(shape)}`]);
  return { of: ({ shape }) => colour(shape), colours: [...COLOURS, UNKNOWN], legend };
}

// A choice of colours, with its legend below the picture; particlesNow(): those there are; tell(key, of) is told of each.
export function chooseColours(section, drawing, particlesNow, lengths, tell) {
  const select = section.querySelector("[data-colour-by]");
  if (!select) return;
  for (const option of [...select.options]) {
    if (option.value && !particlesNow().some((each) => each[option.value])) option.remove();
  }
  const list = section.querySelector("[data-legend]");
  const layer = section.querySelector('[data-layer="labels"]');
  const explain = () => {
    const { legend } = colouring(select.value, particlesNow(), lengths);
    list.hidden = !legend.length || !layer.checked;
    list.replaceChildren(...legend.map(([colour, words]) => entry(colour, words)));
  };
  layer.addEventListener("change", explain);
  select.addEventListener("change", () => {
    const { of, colours } = colouring(select.value, particlesNow(), lengths);
    drawing.colourBy(of, colours);
    tell(select.value, of);
    explain();
    if (select.value && !layer.checked) layer.click();
  });
}

function entry(colour, words) {
  const swatch = '<svg class="swatch" width="14" height="14" aria-hidden="true"><rect width="14" height="14" rx="2"/></svg> ';
  const item = element("li", { innerHTML: swatch }, words);
  item.querySelector("rect").setAttribute("fill", colour);
  return item;
}

// The shapes that there are as a filter of picture and table.
export function chooseShape(listing, particles, choose) {
  const field = listing.querySelector("[data-shapes]");
  const count = (shape) => particles.filter((each) => each.kept && each.shape === shape).length;
  const present = SHAPES.filter(count);
  if (!field || !present.length) return () => {};
  const select = field.querySelector("select");
  for (const shape of present) select.add(new Option(`${shape} (${count(shape)})`, shape));
  field.hidden = false;
  select.addEventListener("change", () => {
    const { value } = select;
    choose(value ? (particle) => particle.kept && particle.shape === value : null, value ? `outlines that are ${value}` : "");
    select.value = value;
  });
  return () => (select.value = "");
}
