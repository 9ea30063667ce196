// The interactive histogram: its controls, the bars that the server sends for them, and the range of sizes that is chosen.

import { draw } from "./chart-draw.js";
import { decimalsFor, fixed, perCent, plain } from "./chart-scale.js";
import { recounted } from "./editor/numbers.js";

const NANO_NM = 100;
const HEIGHT = { share: 0.55, least: 190, most: 340 }; // of the width, and in CSS pixels
const PAUSE = 250; // ms without typing before the server is asked
const NO_RANGE = "Type two numbers, the smaller one first, or leave a field empty.";
const FAILED = "The histogram could not be made just now. Check the network, then choose again or reload the page.";
// By the power of a length that a measure is: a number, a length, an area.
const UNITS = { nm: ["", "nm", "nm²"], um: ["", "µm", "µm²"], px: ["", "px", "px²"] };

const lowered = (title) => title[0].toLowerCase() + title.slice(1);

const numberOf = (text) => Number(text.replace(/\s/g, "").replace(",", "."));

// What the server is asked: the query for a state of the controls. span: [from, to] of the sizes that are chosen, or null.
export function question({ measure, weighting, log, all, typed, factor, span }) {
  const bins = typed === "" ? "" : String(numberOf(typed) * (log ? 1 : factor));
  const range = span ? { from: span[0], to: span[1] } : {};
  return new URLSearchParams({ measure, weighting, log: log ? "1" : "", all: all ? "1" : "", bins, ...range }).toString();
}

// Which particles a range holds: as of a bar its upper end belongs to what follows, that of the last bar to the last.
export function holder({ edges }, { measure, all }, [from, to]) {
  const last = to >= edges[edges.length - 1];
  return (particle) => {
    const size = particle[measure];
    return ((particle.kept && !particle.cut) || all) && size >= from && (size < to || (last && size === to));
  };
}

// How many there are from one size to another, and which share: the sum of whole bars, else what the server counted.
export function within({ edges, counts, shares, range }, [from, to]) {
  const [first, last] = [edges.indexOf(from), edges.indexOf(to)];
  const sum = (values) => values.slice(first, last).reduce((total, value) => total + value, 0);
  return first < 0 || last < 0 ? range : { count: sum(counts), share: sum(shares) };
}

// section: holds the controls and the svg. Where there are any, choose(holds, words) and light(holds) are told which
// particles the chosen range, and the bar that is pointed at, hold; null for none.
export class Histogram {
  constructor(section, choose, light) {
    const { thing, things } = section.dataset;
    Object.assign(this, { section, choose, light, thing, things });
    this.svg = section.querySelector("svg");
    this.readout = section.querySelector("[data-chart-readout]");
    this.quiet = this.readout.textContent;
    this.problem = section.querySelector("[data-chart-problem]");
    this.controls = section.querySelector("[data-chart]");
    this.bins = null; // what the server said last, or these bars of the objects as they are now
    this.live = null; // { objects, factor, unit }: objects that the server has not measured, lengths times a factor
    this.asked = ""; // the question to which that is the answer, or will be
    this.under = null; // what stops the question under way
    this.span = null; // [from, to] of the sizes that are chosen, in the unit of the bins
    this.focused = 0;
    this.lit = -1; // the bar whose objects stand out in the picture
    this.pressed = null; // the bar where the pointer went down
    this.dragged = null; // the range from there, while it is dragged
    this.controls.addEventListener("submit", (event) => event.preventDefault());
    this.controls.addEventListener("input", ({ target: { name } }) => this.typed(name));
    this.listen();
    new ResizeObserver(() => this.paint()).observe(this.svg.parentElement);
    this.changed();
  }

  // What the stored file does not hold cannot be chosen.
  offer({ measures, weightings }) {
    for (const option of this.field("measure").options) option.hidden = option.disabled = !measures.includes(option.value);
    for (const choice of this.controls.querySelectorAll("[name=weighting]")) choice.disabled = !weightings.includes(choice.value);
    this.controls.hidden = false;
  }

  field(name) {
    return this.controls.querySelector(`[name=${name}]`);
  }

  get chosenState() {
    const measure = this.field("measure");
    const { text: title, dataset } = measure.selectedOptions[0];
    const power = Number(dataset.power);
    const unit = this.bins?.unit === "px" ? "px" : this.field("unit").value;
    return {
      measure: measure.value,
      title,
      power,
      weighting: this.controls.querySelector("[name=weighting]:checked").value,
      factor: unit === "um" ? 1000 ** power : 1,
      unit: UNITS[unit][power],
      log: this.field("log").checked,
      typed: this.field("bins").value.trim(),
      all: this.field("all").checked,
      span: this.span,
      fit: this.field("fit").checked && power > 0,
      cumulative: this.field("cumulative").checked,
      nano: this.field("nano").checked && unit !== "px" && power === 1,
    };
  }

  // ---- from the controls to bars ----------------------------------------------------------------

  typed(name) {
    const range = ["from", "to"].includes(name);
    if (range && !this.typedRange()) return;
    if (["measure", "unit"].includes(name)) this.pick(null);
    if (name === "unit") this.convert();
    this.changed(range || name === "bins" ? PAUSE : 0);
  }

  // The typed width of a bar stays as long as it was.
  convert() {
    const { power, log, unit, typed } = this.chosenState;
    const width = Number(typed) * (unit.startsWith("nm") ? 1000 : 0.001) ** power;
    if (!log && typed && Number.isFinite(width)) this.field("bins").value = Number(width.toPrecision(6));
  }

  // An empty field is no limit. Returns whether the fields hold a range, or nothing.
  typedRange() {
    const { factor } = this.chosenState;
    const [from, to] = ["from", "to"].map((name) => this.field(name).value.trim());
    const span = [from === "" ? -Infinity : numberOf(from) * factor, to === "" ? Infinity : numberOf(to) * factor];
    const wrong = !(span[0] < span[1]);
    this.span = wrong || (from === "" && to === "") ? null : span;
    this.say(wrong ? NO_RANGE : "", ["from", "to"]);
    if (!this.span) this.tell();
    return !wrong;
  }

  changed(pause = 0) {
    const state = this.chosenState;
    this.arrange(state);
    const query = question(state);
    if (query !== this.asked) this.ask(query, pause);
    else if (!this.under) this.show(state);
  }

  // Only the answer to the last question counts.
  async ask(query, pause) {
    this.under?.abort();
    const under = (this.under = new AbortController());
    this.asked = query;
    this.section.setAttribute("aria-busy", "true");
    if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
    if (under.signal.aborted) return;
    const answer = await fetch(`${this.section.dataset.bars}?${query}`, { signal: under.signal }).catch(() => null);
    const bins = answer?.ok ? await answer.json().catch(() => null) : null;
    if (under.signal.aborted) return;
    this.under = null;
    this.section.removeAttribute("aria-busy");
    if (bins) this.answered(bins);
    else this.failed();
  }

  // Bars of these objects from now on, in place of those that the server measured; null goes back to those.
  follow(live) {
    this.live = live;
    if (this.served && !this.under) this.answered(this.served);
  }

  answered(served) {
    const first = this.bins === null;
    this.served = served;
    const { live } = this;
    const bins = live ? { ...recounted(served, live.objects(), this.chosenState, live.factor), unit: live.unit } : served;
    this.bins = bins;
    if (this.span && !within(bins, this.span)) this.pick(null); // of other controls than those that were asked about
    if (first) this.offer(bins);
    const state = this.chosenState;
    this.arrange(state);
    this.say(bins.problem);
    this.section.querySelector("[data-chart-unfit]").textContent = (!state.all && bins.unfit) || "";
    this.show(state);
  }

  failed() {
    this.asked = "";
    this.controls.hidden = false;
    this.say(FAILED);
  }

  arrange({ power, log, unit }) {
    const pixels = this.bins?.unit === "px";
    this.field("unit").closest(".field").hidden = pixels || power === 0;
    this.field("fit").closest(".choice").hidden = !this.bins?.fit;
    const nano = this.field("nano"); // disabled where objects are not screened as nanomaterials
    nano.closest(".choice").hidden = nano.disabled || pixels || power !== 1;
    this.section.querySelector("[data-bins-label]").textContent = log ? "Bins per decade" : "Bin width";
    this.section.querySelector("[data-bins-unit]").textContent = log ? "" : unit;
    this.section.querySelector("[data-range-unit]").textContent = unit;
  }

  say(problem, names = ["bins"]) {
    this.problem.textContent = problem;
    this.problem.hidden = problem === "";
    for (const name of ["bins", "from", "to"]) this.field(name).removeAttribute("aria-invalid");
    if (problem) for (const name of names) this.field(name).setAttribute("aria-invalid", "true");
  }

  // ---- drawing ----------------------------------------------------------------------------------

  show(state) {
    this.state = state;
    this.paint();
    if (this.span) this.tell();
  }

  paint() {
    if (!this.bins) return;
    const width = this.svg.parentElement.clientWidth;
    const empty = this.bins.n === 0;
    this.section.querySelector("[data-chart-none]").hidden = !empty;
    this.svg.toggleAttribute("hidden", empty);
    if (empty || !width) return;
    const height = Math.round(Math.min(Math.max(HEIGHT.share * width, HEIGHT.least), HEIGHT.most));
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", height);
    this.at = draw(this.svg, this.picture(), width, height);
    this.svg.setAttribute("aria-label", this.title());
    this.focusable(Math.min(this.focused, this.bins.counts.length - 1), false);
    this.mark(this.span);
  }

  picture() {
    const { state, bins } = this;
    const asShare = state.weighting !== "number";
    return {
      edges: bins.edges,
      heights: bins.heights,
      aside: bins.aside,
      kept: bins.heights.map((height, bin) => height - bins.aside[bin]),
      cumulative: state.cumulative ? bins.cumulative : null,
      fit: state.fit ? bins.fit : null,
      fitted: asShare ? 1 : bins.n,
      line: state.nano ? { at: NANO_NM, name: "100 nm" } : null,
      log: state.log,
      factor: state.factor,
      xTitle: state.unit ? `${state.title}, ${state.unit}` : state.title,
      yTitle: asShare ? `Share by ${state.weighting}, %` : `Number of ${this.things}${bins.weighted ? ", edge-weighted" : ""}`,
      asShare,
      labels: bins.counts.map((_, bin) => this.words(bin)),
      colours: this.coloured?.key === state.measure ? this.coloured.of : null,
    };
  }

  // The bars of a measure take the colours that the picture has by it. of: the colour of an object.
  colour(key, of) {
    this.coloured = { key, of: (value) => of({ [key]: value }) };
    this.paint();
  }

  title() {
    const { title, weighting } = this.state;
    return `Histogram: ${lowered(title)} of ${this.bins.n} ${this.things}, by ${weighting}. Arrow keys go from bin to bin${this.choose ? `, Enter shows its ${this.things}` : ""}.`;
  }

  // The ends of a range: those of whole bars with the decimals that tell one edge from the next, others as they were
  // typed; what has no end is "".
  ends(span) {
    const { factor } = this.state;
    const { edges } = this.bins;
    const [first, last] = span.map((end) => edges.indexOf(end));
    const write = first < 0 || last < 0 ? (end) => plain(end, 6) : (end) => fixed(end, decimalsFor((edges[first + 1] - edges[first]) / factor));
    return span.map((end) => (Number.isFinite(end) ? write(end / factor) : ""));
  }

  range(span) {
    const [from, to] = this.ends(span);
    const words = from && to ? `${from} to ${to}` : from ? `from ${from}` : `below ${to}`;
    return this.state.unit ? `${words} ${this.state.unit}` : words;
  }

  told(span) {
    const { count, share } = within(this.bins, span) ?? {};
    if (count === undefined) return `${this.range(span)} …`;
    return `${this.range(span)}: ${count} ${count === 1 ? this.thing : this.things}, ${perCent(share)} by ${this.state.weighting}`;
  }

  words(bin) {
    return `${this.told(this.spanOf(bin, bin))}; ${perCent(this.bins.cumulative[bin])} up to here`;
  }

  spanOf(bin, other) {
    const { edges } = this.bins;
    return [edges[Math.min(bin, other)], edges[Math.max(bin, other) + 1]];
  }

  // ---- pointing and choosing --------------------------------------------------------------------

  listen() {
    const { svg } = this;
    const along = (event) => event.clientX - svg.getBoundingClientRect().left;
    const over = (event) => this.at?.bin(along(event)) ?? -1;
    svg.addEventListener("pointermove", (event) => (this.pressed === null ? this.over(over(event)) : this.drag(along(event))));
    svg.addEventListener("pointerleave", () => this.pressed === null && this.over(-1));
    svg.addEventListener("pointerdown", (event) => {
      this.dragged = null;
      this.pressed = event.button === 0 && over(event) >= 0 ? over(event) : null;
      if (this.pressed !== null) svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointerup", () => {
      if (this.dragged) this.pick(this.dragged);
      this.pressed = null;
    });
    svg.addEventListener("pointercancel", () => {
      this.pressed = this.dragged = null;
      this.mark(this.span);
      this.over(-1);
    });
    // Assistive technology clicks an element, not a place.
    const clicked = ({ target }) => Number(target.closest(".bin")?.dataset.bin ?? this.focused);
    svg.addEventListener("click", (event) => (event.detail && this.dragged) || this.toggle(event.detail === 0 ? clicked(event) : over(event)));
    // On the box around it: listeners for focus would make the svg itself a stop for the Tab key.
    const box = svg.parentElement;
    box.addEventListener("focusin", (event) => {
      const bin = Number(event.target.closest(".bin")?.dataset.bin ?? -1);
      if (bin >= 0) this.focusable(bin, false);
      this.over(bin);
    });
    box.addEventListener("focusout", () => this.over(-1));
    svg.addEventListener("keydown", (event) => this.key(event));
  }

  // From the bar where the pointer went down to the one where it is, and to the first or the last beyond the ends.
  drag(x) {
    const { edges } = this.bins;
    const bin = x <= this.at.x(edges[0]) ? 0 : x >= this.at.x(edges[edges.length - 1]) ? edges.length - 2 : this.at.bin(x);
    if (!this.dragged && bin === this.pressed) return;
    this.dragged = this.spanOf(this.pressed, bin);
    this.mark(this.dragged);
    this.readout.textContent = this.told(this.dragged);
  }

  key(event) {
    const last = this.bins.counts.length - 1;
    const go = { ArrowLeft: this.focused - 1, ArrowRight: this.focused + 1, Home: 0, End: last }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (go !== undefined) this.focusable(Math.min(Math.max(go, 0), last), true);
    else if (event.key === "Enter" || event.key === " ") this.toggle(this.focused);
    else if (event.key === "Escape") this.pick(null);
    else return;
    event.preventDefault();
  }

  focusable(bin, move) {
    const columns = this.columns();
    columns[this.focused]?.setAttribute("tabindex", "-1");
    this.focused = bin;
    columns[bin]?.setAttribute("tabindex", "0");
    if (move) columns[bin]?.focus();
  }

  columns() {
    return this.svg.querySelectorAll(".bin");
  }

  point(bin) {
    this.svg.querySelector(".pointed")?.classList.remove("pointed");
    this.columns()[bin]?.classList.add("pointed");
    this.readout.textContent = !this.bins?.n ? this.quiet : bin >= 0 ? this.words(bin) : this.span ? this.told(this.span) : this.quiet;
  }

  over(bin) {
    if (bin === this.lit) return;
    this.lit = bin;
    this.point(bin);
    this.light?.(bin < 0 ? null : holder(this.bins, this.state, this.spanOf(bin, bin)));
  }

  // The bar of a particle that is pointed at in the picture.
  pointTo(particle) {
    this.point(particle && this.bins ? this.bins.counts.findIndex((_, bin) => holder(this.bins, this.state, this.spanOf(bin, bin))(particle)) : -1);
  }

  toggle(bin) {
    if (bin < 0) return;
    this.focusable(bin, false);
    const span = this.spanOf(bin, bin);
    this.pick(this.span?.join() === span.join() ? null : span);
  }

  // A range of whole bars or null: nothing needs to be asked, unless another choice does.
  pick(span) {
    if (!span && !this.span) return;
    const isAnswered = this.asked === question(this.chosenState);
    this.span = span;
    if (isAnswered) this.asked = question(this.chosenState);
    const ends = span ? this.ends(span) : ["", ""];
    ["from", "to"].forEach((name, i) => (this.field(name).value = ends[i]));
    this.tell();
  }

  tell() {
    if (!this.bins) return;
    this.mark(this.span);
    this.lit = null; // what is chosen is shown alone, and no longer what was pointed at
    this.over(-1);
    if (this.span) this.choose?.(holder(this.bins, this.state, this.span), `${lowered(this.state.title)} ${this.range(this.span)}`);
    else this.choose?.(null, "");
  }

  // Bars and band of a range.
  mark(span) {
    const band = this.svg.querySelector(".range");
    if (!band) return;
    const { edges } = this.bins;
    this.columns().forEach((column, i) => column.setAttribute("aria-pressed", String(Boolean(span) && edges[i] >= span[0] && edges[i + 1] <= span[1])));
    const [left, right] = span ? span.map(this.at.x) : [0, 0];
    band.setAttribute("x", left);
    band.setAttribute("width", Math.max(0, right - left));
  }
}
