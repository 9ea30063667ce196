// How the picture is looked at: its brightness, contrast and gamma, how strongly colours lie over it, and a key that takes
// everything else away while it is held. No measurement knows of it. The editor goes on with what the viewer has.

import { takesKeys } from "./dom.js";
import { modified } from "./viewport.js";

const AT_FIRST = { brightness: 0, contrast: 0, gamma: 0, opacity: 55 };
const STEEPEST = 98; // of 100, where contrast would be a step
const GAMMA = 4; // the largest; its inverse is the least
const display = { ...AT_FIRST };
const made = new WeakMap(); // by image: { key, canvas }
let table = null; // of the grey values, with its key

export const opacity = () => display.opacity / 100;
const gammaOf = ({ gamma }) => GAMMA ** (gamma / 100);

// What each of the 256 grey values is shown as. brightness, contrast, gamma: from -100 to 100, all 0 for the file's own.
export function greyTable({ brightness, contrast, gamma }) {
  const slope = Math.tan((Math.PI / 4) * (1 + Math.min(contrast, STEEPEST) / 100));
  return Uint8ClampedArray.from({ length: 256 }, (_, grey) => {
    const straight = (grey / 255 - 0.5) * slope + 0.5 + brightness / 100;
    return 255 * Math.min(1, Math.max(0, straight)) ** (1 / gammaOf({ gamma }));
  });
}

// An image, or a canvas with it as it is to be seen: each is changed once for each setting.
export function shown(image) {
  const { brightness, contrast, gamma } = display;
  if (!brightness && !contrast && !gamma) return image;
  const key = `${brightness} ${contrast} ${gamma}`;
  if (table?.key !== key) table = { key, greys: greyTable(display) };
  const before = made.get(image);
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
  made.set(image, { key, canvas });
  return canvas;
}

// The sliders in a box; changed(): the picture is to be drawn anew.
export function sliders(box, changed) {
  const fields = [...(box.closest("[role=toolbar]") ?? box).querySelectorAll("input[type=range]")].filter(({ name }) => name in AT_FIRST);
  const show = () => {
    for (const field of fields) {
      field.value = String(display[field.name]);
      field.nextElementSibling.textContent = field.name === "gamma" ? gammaOf(display).toFixed(2) : `${display[field.name]} %`;
    }
    box.classList.toggle("changed", Object.entries(AT_FIRST).some(([name, value]) => display[name] !== value));
  };
  const set = (values) => {
    Object.assign(display, values);
    show();
    changed();
  };
  for (const field of fields) field.addEventListener("input", () => set({ [field.name]: Number(field.value) }));
  box.querySelector("[data-reset]").addEventListener("click", () => set(AT_FIRST));
  show();
}

// H, held while the pointer or the focus is on the picture: bare(on) shows it alone for so long.
export function bareWhileHeld(canvas, bare) {
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "h" || modified(event) || takesKeys(event.target)) return;
    if (canvas.matches(":hover, :focus")) bare(true);
  });
  document.addEventListener("keyup", ({ key }) => key.toLowerCase() === "h" && bare(false));
  globalThis.addEventListener("blur", () => bare(false)); // the key may be let go elsewhere
}
