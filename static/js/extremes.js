// Examples of counted objects (such as the largest), each as a crop of the picture; the server chooses them.

import { button, element } from "./dom.js";
import { KEPT } from "./viewer-drawing.js";

const CROP_FACTOR = 1.5; // side of a crop divided by the longer side of its outline
const LEAST_CROP_PX = 32; // px of the upload, the smallest side of a crop
const LINE_WIDTH_PX = 1.5; // CSS pixels, width of an outline

export class Extremes {
  // page: a ResultPage (viewer.js); box: the element that holds the examples.
  constructor(page, box) {
    Object.assign(this, { page, box });
    new IntersectionObserver(() => this.draw()).observe(box);
    page.drawing.loaded.then(() => this.draw(), () => {}); // the page says what could not be loaded
    this.changed();
  }

  changed() {
    const { objects, data, facts } = this.page;
    const unit = `${data.length_unit}${facts.size === "area" ? "²" : ""}`;
    const examples = data.examples.filter(({ id }) => objects.has(id));
    this.box.hidden = !examples.length;
    this.crops = [];
    this.box.replaceChildren(...examples.map(({ id, title, size }) => this.figure(objects.get(id), title, `${size} ${unit}`)));
    this.draw();
  }

  // A button with the crop of a particle; a press shows the particle in the large picture.
  figure(particle, title, size) {
    const words = `${title}: ${size}`;
    const cropButton = button("", () => this.page.look(particle), { className: "crop", title: words, "aria-label": `Show in the image: ${words}` });
    const canvas = element("canvas");
    cropButton.append(canvas);
    this.crops.push({ canvas, particle });
    return element("figure", {}, cropButton, element("figcaption", {}, `${title} `, element("b", {}, size)));
  }

  // While the box is folded away nothing is drawn, so that no tiles are fetched.
  draw() {
    if (!this.box.checkVisibility()) return;
    for (const { canvas, particle } of this.crops) if (canvas.clientWidth && particle.path) crop(canvas, particle, this.page.drawing.picture);
  }
}

// Draws the surroundings of an outline, and the outline, into a square canvas.
export function crop(canvas, { box, path }, picture) {
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.width = canvas.height = Math.round(canvas.clientWidth * ratio);
  const side = Math.max(LEAST_CROP_PX, CROP_FACTOR * Math.max(box.right - box.left, box.bottom - box.top));
  const [left, top] = [(box.left + box.right - side) / 2, (box.top + box.bottom - side) / 2];
  const scale = canvas.width / side;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
  picture.paint(context, { view: { scale }, ratio: 1, seen: { left, top, right: left + side, bottom: top + side } });
  context.strokeStyle = KEPT;
  context.lineWidth = (LINE_WIDTH_PX * ratio) / scale;
  context.stroke(path);
}
