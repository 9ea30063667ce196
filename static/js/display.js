// How the picture is displayed: brightness, contrast, gamma, the opacity of the colours over it, and a key that hides
// the outlines while it is held. None of this changes a measurement. Viewer and editor share these values.

import { takesKeys } from "./dom.js";
import { modified } from "./viewport.js";

const DEFAULTS = { before: 0, brightness: 0, contrast: 0, gamma: 0, opacity: 55 };
const MOST_CONTRAST = 98; // the largest contrast used: at 100 the curve would be a step
const MOST_GAMMA = 4; // the largest gamma; the smallest is 1 / MOST_GAMMA
const display = { ...DEFAULTS };
const adjustedImages = new WeakMap(); // image -> { key: the settings, canvas }
let table = null; // { key: the settings, greys: what greyTable returns }

export const opacity = () => display.opacity / 100;
export const before = () => display.before / 100; // share of the stage, from its left, that shows the picture alone
const gammaOf = ({ gamma }) => MOST_GAMMA ** (gamma / 100);

// The displayed grey of each of the 256 grey values. brightness, contrast, gamma: -100 to 100; 0 changes nothing.
export function greyTable({ brightness, contrast, gamma }) {
  const slope = Math.tan((Math.PI / 4) * (1 + Math.min(contrast, MOST_CONTRAST) / 100));
  return Uint8ClampedArray.from({ length: 256 }, (_, grey) => {
    const straight = (grey / 255 - 0.5) * slope + 0.5 + brightness / 100;
    return 255 * Math.min(1, Math.max(0, straight)) ** (1 / gammaOf({ gamma }));
  });
}

// The image itself, or a canvas with its adjusted greys; each image is computed once for each setting.
export function adjusted(image) {
  const { brightness, contrast, gamma } = display;
  if (!brightness && !contrast && !gamma) return image;
  const key = `${brightness} ${contrast} ${gamma}`;
  if (table?.key !== key) table = { key, greys: greyTable(display) };
  const before = adjustedImages.get(image);
  if (before?.key === key) return before.canvas;
  const canvas = before?.canvas ?? Object.assign(document.createElement("canvas"), { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  const { data } = pixels;
  for (let at = 0; at < data.length; at += 4) {
    for (let channel = at; channel < at + 3; channel++) data[channel] = table.greys[data[channel]];
  }
  context.putImageData(pixels, 0, 0);
  adjustedImages.set(image, { key, canvas });
  return canvas;
}

// Connects the sliders of the menu `box`; calls changed() when the picture has to be drawn again.
export function connectSliders(box, changed) {
  const fields = [...(box.closest("[role=toolbar]") ?? box).querySelectorAll("input[type=range]")].filter(({ name }) => name in DEFAULTS);
  const show = () => {
    for (const field of fields) {
      field.value = String(display[field.name]);
      field.nextElementSibling.textContent = field.name === "gamma" ? gammaOf(display).toFixed(2) : `${display[field.name]} %`;
    }
    box.classList.toggle("changed", Object.entries(DEFAULTS).some(([name, value]) => display[name] !== value));
  };
  const set = (values) => {
    Object.assign(display, values);
    show();
    changed();
  };
  for (const field of fields) field.addEventListener("input", () => set({ [field.name]: Number(field.value) }));
  box.querySelector("[data-reset]").addEventListener("click", () => set(DEFAULTS));
  show();
}

// While H is held, with the pointer or the focus on the picture, bare(true) shows the picture alone.
export function hideWhileHeld(canvas, bare) {
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "h" || modified(event) || takesKeys(event.target)) return;
    if (canvas.matches(":hover, :focus")) bare(true);
  });
  document.addEventListener("keyup", ({ key }) => key.toLowerCase() === "h" && bare(false));
  globalThis.addEventListener("blur", () => bare(false)); // the key may be let go elsewhere
}
