// The colours of the objects: by neighbours, by shape, by direction, or by a measured number.

import { element } from "./dom.js";
import { COLOURS, neighbourColour } from "./viewer-drawing.js";

// Eight steps of viridis (van der Walt and Smith), dark to bright.
const COLOUR_STEPS = ["#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#7fd34e", "#a0da39", "#fde725"];
const UNKNOWN = "#969696";
const SECTOR_DEGREES = 10; // degrees: directions within such a sector have one colour

export const SHAPES = ["round", "rod", "square", "triangle", "hexagon", "irregular"];

// The colouring by `key`: { of(object): its colour, colours: all of them, legend: [colour, words] for each }.
// scales: key -> { from, step, words: of both ends }; shapes: shape -> number of objects. Both come from the server.
export function colouring(key, { scales, shapes }) {
  if (key === "shape") return ofShapes(shapes);
  if (key === "direction") return ofDirections();
  const scale = scales[key];
  if (!scale) return { of: ({ id }) => neighbourColour({ id }), colours: COLOURS, legend: [] };
  const step = (value) => Math.max(0, Math.min(COLOUR_STEPS.length - 1, Math.floor((value - scale.from) / scale.step)));
  const words = new Map([[0, scale.words[0]], [COLOUR_STEPS.length - 1, scale.words[1]]]);
  return {
    of: (particle) => (Number.isFinite(particle[key]) ? COLOUR_STEPS[step(particle[key])] : UNKNOWN),
    colours: [...COLOUR_STEPS, UNKNOWN],
    legend: COLOUR_STEPS.map((colour, i) => [colour, words.get(i) ?? ""]),
  };
}

// The colour of a direction; 180 degrees go once around the colour wheel, as in colours_by_direction of
// report/figures/picture.py.
const hue = (degrees) => `#${[5, 3, 1].map((n) => (n + degrees / 30) % 6).map((k) => Math.round(242.25 * (1 - 0.75 * Math.max(0, Math.min(k, 4 - k, 1)))).toString(16).padStart(2, "0")).join("")}`;

function ofDirections() {
  const middles = Array.from({ length: 180 / SECTOR_DEGREES }, (_, i) => (i + 0.5) * SECTOR_DEGREES);
  const words = (degrees) => ({ 5: "0° along the rows", 45: "45°", 95: "90° upright", 135: "135°", 175: "180°" })[degrees] ?? "";
  const of = ({ direction }) => (Number.isFinite(direction) ? hue((Math.floor((direction % 180) / SECTOR_DEGREES) + 0.5) * SECTOR_DEGREES) : UNKNOWN);
  return { of, colours: [...middles.map(hue), UNKNOWN], legend: middles.map((degrees) => [hue(degrees), words(degrees)]) };
}

function ofShapes(shapes) {
  const colour = (shape) => COLOURS[SHAPES.indexOf(shape)] ?? UNKNOWN;
  const legend = SHAPES.filter((shape) => shape in shapes).map((shape) => [colour(shape), `${shape} ${shapes[shape]}`]);
  return { of: ({ shape }) => colour(shape), colours: [...COLOURS, UNKNOWN], legend };
}

// Connects the menu of colourings and the legend below the picture. dataNow(): the newest data; tell(key, of) is called
// after each choice. Returns a function that colours again after the data changed.
export function chooseColours(section, drawing, dataNow, tell) {
  const select = section.querySelector("[data-colour-by]");
  if (!select) return () => {};
  for (const option of [...select.options]) {
    if (option.value && !dataNow().particles.some((each) => each[option.value])) option.remove();
  }
  const list = section.querySelector("[data-legend]");
  const layer = section.querySelector('[data-layer="labels"]');
  const explain = () => {
    const { legend } = colouring(select.value, dataNow());
    list.hidden = !legend.length || !layer.checked;
    list.replaceChildren(...legend.map(([colour, words]) => entry(colour, words)));
  };
  const show = () => {
    const { of, colours } = colouring(select.value, dataNow());
    drawing.colourBy(of, colours);
    tell(select.value, of);
    explain();
  };
  layer.addEventListener("change", explain);
  select.addEventListener("change", () => {
    show();
    if (select.value && !layer.checked) layer.click();
  });
  return () => select.value && show();
}

function entry(colour, words) {
  const swatch = '<svg class="swatch" width="14" height="14" aria-hidden="true"><rect width="14" height="14" rx="2"/></svg> ';
  const item = element("li", { innerHTML: swatch }, words);
  item.querySelector("rect").setAttribute("fill", colour);
  return item;
}

// Connects the menu that filters picture and table by shape. shapes: shape -> count, in words. Returns { all(): ends
// the filter, offer(shapes): updates the menu }.
export function chooseShape(listing, shapes, choose) {
  const field = listing.querySelector("[data-shapes]");
  const select = field.querySelector("select");
  const [all] = select.options;
  const offer = (now) => {
    const { value } = select;
    const present = SHAPES.filter((shape) => shape in now);
    select.replaceChildren(all, ...present.map((shape) => new Option(`${shape} (${now[shape]})`, shape, false, shape === value)));
    field.hidden = !present.length;
  };
  offer(shapes);
  select.addEventListener("change", () => {
    const { value } = select;
    choose(value ? (particle) => particle.kept && particle.shape === value : null, value ? `outlines that are ${value}` : "");
    select.value = value;
  });
  return { all: () => (select.value = ""), offer };
}
