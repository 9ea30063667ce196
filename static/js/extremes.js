// The smallest, the median and the largest of what counts, or each of a few, as parts of the one picture of the page.

import { button, element } from "./dom.js";
import { numbersOf } from "./editor/numbers.js";
import { KEPT } from "./viewer-drawing.js";
import { sorted } from "./viewer-table.js";

const ROOM = 1.5; // sides of a crop over those of its outline
const LEAST = 32; // px of the upload that a crop shows
const SAME = 1e-9; // relative; of two as near the smaller one, as in the report
const LINE = 1.5; // CSS pixels
const FEW = 10; // of fewer each is shown
const EXTREMES = ["smallest sure one", "nearest to the median", "largest sure one"];

// Of what counts with its whole size and is surely right, as in the report: the smallest, the one nearest to the median of
// all, and the largest, none of fewer than three; of a few all, by size. least: the confidence of a sure one.
export function extremes(particles, size, unit, least) {
  const counted = sorted(particles.filter((each) => each.kept && !each.cut && Number.isFinite(each[size])), size);
  if (counted.length < FEW) return counted;
  const every = counted.filter((each) => each.byHand || !((each.confidence ?? 1) < least)); // also of unknown confidence
  if (every.length < EXTREMES.length) return [];
  const { median } = numbersOf(counted, size, unit);
  const off = (each) => Math.abs(each[size] - median);
  return [every[0], every.reduce((best, each) => (off(each) < off(best) * (1 - SAME) ? each : best)), every[every.length - 1]];
}

export class Extremes {
  // page: the result's; box: where they stand.
  constructor(page, box) {
    Object.assign(this, { page, box });
    new IntersectionObserver(() => this.draw()).observe(box);
    page.drawing.loaded.then(() => this.draw(), () => {}); // the page says what could not be loaded
    this.changed();
  }

  changed() {
    const { objects, facts, data, lengths } = this.page;
    const chosen = extremes([...objects.values()], facts.size, data.unit, Number(facts.sure));
    const titles = chosen.length === EXTREMES.length ? EXTREMES : chosen.map(({ id }) => `${facts.thing} ${id}`);
    const words = (particle) => `${lengths.said(particle, facts.size)} ${lengths.unit}${facts.size === "area" ? "²" : ""}`;
    this.box.hidden = !chosen.length;
    this.crops = [];
    this.box.replaceChildren(...chosen.map((particle, i) => this.figure(particle, titles[i], words(particle))));
    this.draw();
  }

  // A button with a part of the picture: it shows the particle in the large one.
  figure(particle, title, size) {
    const words = `${title}: ${size}`;
    const crop = button("", () => this.page.look(particle), { className: "crop", title: words, "aria-label": `Show in the image: ${words}` });
    const canvas = element("canvas");
    crop.append(canvas);
    this.crops.push({ canvas, particle });
    return element("figure", {}, crop, element("figcaption", {}, `${title} `, element("b", {}, size)));
  }

  // In a drawer that is closed nothing is drawn, so that no sharp squares are fetched.
  draw() {
    if (!this.box.checkVisibility()) return;
    for (const { canvas, particle } of this.crops) if (canvas.clientWidth && particle.path) this.paint(canvas, particle);
  }

  paint(canvas, { box, path }) {
    const ratio = globalThis.devicePixelRatio || 1;
    canvas.width = canvas.height = Math.round(canvas.clientWidth * ratio);
    const side = Math.max(LEAST, ROOM * Math.max(box.right - box.left, box.bottom - box.top));
    const [left, top] = [(box.left + box.right - side) / 2, (box.top + box.bottom - side) / 2];
    const scale = canvas.width / side;
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
    this.page.drawing.picture.paint(context, { view: { scale }, ratio: 1, seen: { left, top, right: left + side, bottom: top + side } });
    context.strokeStyle = KEPT;
    context.lineWidth = (LINE * ratio) / scale;
    context.stroke(path);
  }
}
