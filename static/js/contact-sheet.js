// The counted outlines that are least certain as small pictures: a tick says that one is right, a cross leaves it out. And
// the smallest, the median and the largest of what counts. All are parts of the one picture that the page has.

import { numbersOf } from "./editor/numbers.js";
import { Sender } from "./editor/sending.js";
import { perCent } from "./chart-scale.js";
import { Picture } from "./picture.js";
import { ASIDE, KEPT } from "./viewer-drawing.js";
import { sorted } from "./viewer-table.js";

const MOST = 24;
const ROOM = 1.5; // sides of a crop over those of its outline
const LEAST = 32; // px of the upload that a crop shows
const LINE = 1.5; // CSS pixels
const EXTREMES = ["smallest", "nearest to the median", "largest"];
const REASON = "wrong outline";
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

// Those that count and that nobody has checked, the least certain first.
export const leastCertain = (particles) =>
  sorted(particles.filter((each) => each.kept && !each.byHand && Number.isFinite(each.confidence)), "confidence").slice(0, MOST);

// Of what counts with its whole size: the smallest, the one nearest to the median, and the largest.
export function extremes(particles, size, unit) {
  const every = sorted(particles.filter((each) => each.kept && !each.cut && Number.isFinite(each[size])), size);
  if (every.length < 3) return [];
  const { median } = numbersOf(every, size, unit);
  const off = (each) => Math.abs(each[size] - median);
  return [every[0], every.reduce((best, each) => (off(each) < off(best) ? each : best)), every[every.length - 1]];
}

// The counts and sizes of the answer as the corrected outlines give them; the intervals wait until they are measured.
export function follow(particles, { unit }, size, lengths) {
  const { kept, median, fraction } = numbersOf(particles, size, unit);
  const length = lengths.said({ [size]: median }, size);
  const numbers = { n_kept: kept, n_set_aside: particles.length - kept, median: length, fraction_100nm: fraction === null ? "–" : perCent(fraction).replace(" %", "") };
  for (const box of document.querySelectorAll(":is(.answer, #table) [data-number]")) {
    box.textContent = numbers[box.dataset.number] ?? box.textContent;
    box.closest(".answer")?.classList.add("corrected");
  }
  count(particles);
  return { kept, words: median === null ? "" : `, median ${length} ${lengths.unit}${size === "area" ? "²" : ""}` };
}

// The states as buttons have the counts of now; what is left out here gets one of its own.
function count(particles) {
  const chips = [...document.querySelectorAll("[data-chips] [data-state]")];
  if (chips.length && particles.some(({ reason }) => reason === REASON) && !chips.some((chip) => chip.dataset.state === REASON)) {
    const chip = chips.at(-1).cloneNode(true);
    chip.dataset.state = REASON;
    chip.title = "Left out by hand.";
    chip.classList.add("aside");
    chip.firstChild.textContent = "Wrong outline ";
    chip.querySelector("b").removeAttribute("data-number");
    chips.at(-1).after(chip);
    chips.push(chip);
  }
  for (const chip of chips) chip.querySelector("b").textContent = particles.filter(({ reason }) => reason === chip.dataset.state).length;
}

export class ContactSheet {
  // section: of the table; drawing: the viewer's; heard: look(particle), changed().
  constructor(section, data, { drawing, lengths, tiles, heard }) {
    Object.assign(this, { section, data, drawing, lengths, heard });
    const { size, thing, things } = section.dataset;
    Object.assign(this, { size, thing, things, crops: [] });
    this.extremes = section.querySelector("[data-extremes]");
    this.sheet = section.querySelector("[data-sheet]");
    // Who may correct marks here, until the corrected outlines are measured.
    this.facts = this.sheet.querySelector("form") && document.getElementById("editor").content.firstElementChild.dataset;
    this.picture = new Picture({ columns: data.width, rows: data.height, tiles }, () => this.draw());
    this.fillExtremes();
    this.fill();
    drawing.loaded.then(() => {
      this.picture.whole = drawing.picture.whole;
      this.draw();
    });
  }

  length(particle) {
    return `${this.lengths.said(particle, this.size)} ${this.lengths.unit}${this.size === "area" ? "²" : ""}`;
  }

  fillExtremes() {
    const objects = extremes(this.data.particles, this.size, this.data.unit);
    this.crops = this.crops.filter(({ canvas }) => !this.extremes.contains(canvas));
    this.extremes.hidden = !objects.length;
    const figures = objects.map((particle, i) => {
      const caption = Object.assign(document.createElement("figcaption"), { textContent: `${EXTREMES[i]} ` });
      caption.append(Object.assign(document.createElement("b"), { textContent: this.length(particle) }));
      const figure = document.createElement("figure");
      figure.append(this.crop(particle, `${EXTREMES[i]}: ${this.length(particle)}`), caption);
      return figure;
    });
    this.extremes.replaceChildren(...figures);
  }

  fill() {
    const doubtful = leastCertain(this.data.particles);
    this.sheet.hidden = !doubtful.length;
    const list = this.sheet.querySelector("ul");
    list.append(...doubtful.map((particle) => this.entry(particle)));
    list.addEventListener("keydown", (event) => this.key(event));
  }

  entry(particle) {
    const item = document.createElement("li");
    const { id, confidence } = particle;
    item.append(this.crop(particle, `${this.thing} ${id}, ${this.length(particle)}, confidence ${confidence.toFixed(2)}`));
    if (!this.facts) return item;
    const marks = [["✓", `${this.thing} ${id} is right`, true], ["✕", `Leave ${this.thing} ${id} out`, false]];
    for (const [text, label, right] of marks) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text, title: label });
      button.setAttribute("aria-label", label);
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => this.mark(particle, right, item));
      item.append(button);
    }
    return item;
  }

  // A button with a part of the picture: it shows the particle in the viewer.
  crop(particle, label) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "crop", title: label });
    button.setAttribute("aria-label", `Show in the image: ${label}`);
    const canvas = document.createElement("canvas");
    button.append(canvas);
    button.addEventListener("click", () => this.heard.look(particle));
    this.crops.push({ canvas, particle });
    return button;
  }

  // Left and right lead to the same button of the crop before or after.
  key(event) {
    const item = event.target.closest("li");
    const next = [...item.parentElement.children].at([...item.parentElement.children].indexOf(item) + (STEPS[event.key] ?? NaN));
    if (!(event.key in STEPS) || !next) return;
    event.preventDefault();
    next.children[[...item.children].indexOf(event.target)].focus();
  }

  // ---- drawing ----------------------------------------------------------------------------------

  draw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = undefined;
      for (const { canvas, particle } of this.crops) this.paint(canvas, particle);
    });
  }

  paint(canvas, { box, path, kept }) {
    const ratio = globalThis.devicePixelRatio || 1;
    canvas.width = canvas.height = Math.round(canvas.clientWidth * ratio);
    const side = Math.max(LEAST, ROOM * Math.max(box.right - box.left, box.bottom - box.top));
    const [left, top] = [(box.left + box.right - side) / 2, (box.top + box.bottom - side) / 2];
    const scale = canvas.width / side;
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
    this.picture.paint(context, { view: { scale }, ratio: 1, seen: { left, top, right: left + side, bottom: top + side } });
    context.strokeStyle = kept ? KEPT : ASIDE;
    context.lineWidth = (LINE * ratio) / scale;
    context.setLineDash(kept ? [] : [5, 4].map((length) => (length * ratio) / scale));
    context.stroke(path);
  }

  // ---- marking ----------------------------------------------------------------------------------

  mark(particle, right, item) {
    Object.assign(particle, { byHand: true, confidence: null, kept: right, reason: right ? "" : REASON });
    const [, tick, cross] = item.children;
    tick.setAttribute("aria-pressed", String(right));
    cross.setAttribute("aria-pressed", String(!right));
    this.now = follow(this.data.particles, this.data, this.size, this.lengths);
    const ids = [particle.id];
    this.sending.push(right ? { op: "reviewed", ids } : { op: "set_aside", ids, reason: REASON });
    this.fillExtremes();
    this.draw();
    this.heard.changed();
  }

  get sending() {
    const { edits: address, token } = this.facts;
    const heard = {
      state: (name, waiting, why) => this.tell(name === "saved", why || (name === "offline" ? "No connection: the marks will follow." : "")),
      conflict: ({ base }, unsent) => {
        this.sender.base = base; // somebody else has corrected: the same marks after that
        for (const { operation } of unsent) this.sender.push(operation);
      },
      refused: (sentence) => this.tell(false, `${sentence} Reload the page.`),
    };
    return (this.sender ??= new Sender({ address, token, base: Number(this.sheet.dataset.base), heard }));
  }

  tell(saved = false, problem = "") {
    const form = this.sheet.querySelector("form");
    form.hidden = false;
    form.querySelector("button").disabled = !saved;
    const { kept, words } = this.now;
    form.querySelector("[data-now]").textContent = problem || `${kept} ${kept === 1 ? this.thing : this.things} counted${words}.`;
  }
}
