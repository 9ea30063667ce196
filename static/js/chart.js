// The interactive histogram: its controls, what it shows, and which bin is chosen.

import { MOST_TYPED, autoEdges, binOf, histogram, logEdges, logNormal, ratioEdges, typedEdges } from "./chart-bins.js";
import { draw } from "./chart-draw.js";
import { decimalsFor, fixed, perCent } from "./chart-scale.js";

const NANO_NM = 100;
const TALL = 340;
const LOW = 270;
// kind: 1 for a length, 2 for an area, 0 for a number without a unit.
const MEASURES = {
  min_feret: { title: "Minimum Feret diameter", kind: 1 },
  max_feret: { title: "Maximum Feret diameter", kind: 1 },
  ecd: { title: "Equivalent circular diameter", kind: 1 },
  area: { title: "Area", kind: 2 },
  aspect_ratio: { title: "Aspect ratio", kind: 0 },
  circularity: { title: "Circularity", kind: 0 },
};
const WEIGHTS = {
  number: () => 1,
  area: (particle) => particle.area,
  volume: (particle) => particle.ecd ** 3,
};

const within = (title) => title[0].toLowerCase() + title.slice(1);

// section: holds the controls and the svg; choose(ids, words) is told the particles of the chosen bin, or null.
export class Histogram {
  constructor(section, data, choose) {
    Object.assign(this, { section, data, choose });
    this.svg = section.querySelector("svg");
    this.readout = section.querySelector("[data-chart-readout]");
    this.quiet = this.readout.textContent;
    this.problem = section.querySelector("[data-chart-problem]");
    this.controls = section.querySelector("[data-chart]");
    this.chosen = -1;
    this.focused = 0;
    this.offer();
    this.controls.hidden = false;
    this.controls.addEventListener("submit", (event) => event.preventDefault());
    this.controls.addEventListener("input", () => this.changed());
    this.listen();
    new ResizeObserver(() => this.paint()).observe(this.svg.parentElement);
    this.changed();
  }

  // What the stored file does not hold cannot be chosen.
  offer() {
    const [first] = this.data.particles;
    const lacks = (name) => first !== undefined && first[name] === undefined;
    for (const option of this.field("measure").options) option.hidden = option.disabled = lacks(option.value);
    for (const choice of this.controls.querySelectorAll("[name=weighting]")) choice.disabled = choice.value !== "number" && lacks("area");
  }

  field(name) {
    return this.controls.querySelector(`[name=${name}]`);
  }

  get state() {
    const measure = this.field("measure").value;
    const log = this.field("log").checked;
    const micrometres = this.data.unit === "nm" && this.field("unit").value === "um";
    return {
      measure,
      weighting: this.controls.querySelector("[name=weighting]:checked").value,
      factor: micrometres ? 1000 ** MEASURES[measure].kind : 1,
      unit: [["", "", ""], ["nm", "µm", "px"], ["nm²", "µm²", "px²"]][MEASURES[measure].kind][this.data.unit === "px" ? 2 : micrometres ? 1 : 0],
      log,
      typed: this.field("bins").value.trim(),
      all: this.field("all").checked,
      fit: this.field("fit").checked && MEASURES[measure].kind > 0,
      cumulative: this.field("cumulative").checked,
      nano: this.field("nano").checked && this.data.unit === "nm" && MEASURES[measure].kind === 1,
    };
  }

  // ---- from the table to bars -------------------------------------------------------------------

  changed() {
    const state = this.state;
    this.arrange(state);
    this.shown = this.data.particles.filter((particle) => (particle.kept || state.all) && particle[state.measure] > 0);
    const values = this.shown.map((particle) => particle[state.measure]);
    const weigh = WEIGHTS[state.weighting];
    const weights = this.shown.map((particle) => weigh(particle) * (particle.weight ?? 1));
    const edges = values.length ? this.edges(values, state) : null;
    if (edges) this.bins = { state, values, weights, edges, ...histogram(values, weights, edges) };
    else if (!values.length) this.bins = null;
    this.pick(-1);
    this.paint();
  }

  arrange(state) {
    const { kind } = MEASURES[state.measure];
    this.field("unit").closest(".field").hidden = this.data.unit === "px" || kind === 0;
    this.field("fit").closest(".choice").hidden = kind === 0;
    this.field("nano").closest(".choice").hidden = this.data.unit === "px" || kind !== 1;
    const label = this.section.querySelector("[data-bins-label]");
    label.textContent = state.log ? "Bins per decade" : "Bin width";
    this.section.querySelector("[data-bins-unit]").textContent = state.log ? "" : state.unit;
  }

  edges(values, state) {
    const grain = MEASURES[state.measure].kind === 1 ? (this.data.grain ?? Number(this.section.dataset.grain)) : 0;
    this.say("");
    if (state.typed !== "") {
      const typed = Number(state.typed.replace(",", "."));
      if (!(typed > 0)) this.say("Type a number above 0, or leave the field empty.");
      else {
        const edges = state.log ? ratioEdges(values, typed) : typedEdges(values, typed * state.factor);
        if (edges) return edges;
        this.say(`That would be more than ${MOST_TYPED} bars; choose wider ones.`);
      }
    }
    if (!state.log) return autoEdges(values, grain);
    return logEdges(values);
  }

  say(problem) {
    this.problem.textContent = problem;
    this.problem.hidden = problem === "";
    this.field("bins").toggleAttribute("aria-invalid", problem !== "");
    if (problem) this.field("bins").setAttribute("aria-invalid", "true");
  }

  // ---- drawing ----------------------------------------------------------------------------------

  paint() {
    const width = this.svg.parentElement.clientWidth;
    this.section.querySelector("[data-chart-none]").hidden = this.bins !== null;
    this.svg.toggleAttribute("hidden", this.bins === null);
    if (!this.bins || !width) return;
    const height = width < 480 ? LOW : TALL;
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", height);
    this.at = draw(this.svg, this.picture(), width, height);
    this.svg.setAttribute("aria-label", this.title());
    this.focusable(Math.min(this.focused, this.bins.counts.length - 1), false);
  }

  picture() {
    const { state, values, weights, edges, sums, counts, cumulative, total } = this.bins;
    const asShare = state.weighting !== "number";
    const unit = asShare ? total : total / values.length; // edge weights change shares and not the number of particles
    const aside = new Array(sums.length).fill(0);
    this.shown.forEach((particle, i) => {
      if (!particle.kept) aside[binOf(values[i], edges)] += weights[i];
    });
    const { title } = MEASURES[state.measure];
    return {
      edges,
      heights: sums.map((sum) => sum / unit),
      aside: aside.map((sum) => sum / unit),
      kept: sums.map((sum, bin) => (sum - aside[bin]) / unit),
      cumulative: state.cumulative ? cumulative : null,
      fit: state.fit ? logNormal(values, weights) : null,
      fitted: asShare ? 1 : values.length,
      line: state.nano ? { at: NANO_NM, name: "100 nm" } : null,
      log: state.log,
      factor: state.factor,
      xTitle: state.unit ? `${title}, ${state.unit}` : title,
      yTitle: asShare ? `Share by ${state.weighting}, %` : `Number of particles${this.weighs() ? ", edge-weighted" : ""}`,
      asShare,
      labels: counts.map((_, bin) => this.words(bin)),
      chosen: this.chosen,
    };
  }

  // Whether the analysis weighted particles for the frame.
  weighs() {
    return this.data.particles.some((particle) => particle.weight !== undefined);
  }

  title() {
    const { state } = this.bins;
    return `Histogram: ${within(MEASURES[state.measure].title)} of ${this.shown.length} particles, by ${state.weighting}. Arrow keys go from bin to bin, Enter shows its particles.`;
  }

  range(bin) {
    const { edges, state } = this.bins;
    const [from, to] = [edges[bin] / state.factor, edges[bin + 1] / state.factor];
    const decimals = decimalsFor(to - from);
    return `${fixed(from, decimals)} to ${fixed(to, decimals)}${state.unit ? ` ${state.unit}` : ""}`;
  }

  words(bin) {
    const { counts, shares, cumulative, state } = this.bins;
    const particles = counts[bin] === 1 ? "1 particle" : `${counts[bin]} particles`;
    return `${this.range(bin)}: ${particles}, ${perCent(shares[bin])} by ${state.weighting}; ${perCent(cumulative[bin])} up to here`;
  }

  // ---- pointing and choosing --------------------------------------------------------------------

  listen() {
    const { svg } = this;
    const over = (event) => this.at?.(event.clientX - svg.getBoundingClientRect().left) ?? -1;
    svg.addEventListener("pointermove", (event) => this.point(over(event)));
    svg.addEventListener("pointerleave", () => this.point(-1));
    svg.addEventListener("click", (event) => this.toggle(event.detail === 0 ? this.focused : over(event)));
    // On the box around it: listeners for focus would make the svg itself a stop for the Tab key.
    const box = svg.parentElement;
    box.addEventListener("focusin", (event) => this.point(Number(event.target.closest(".bin")?.dataset.bin ?? -1)));
    box.addEventListener("focusout", () => this.point(-1));
    svg.addEventListener("keydown", (event) => this.key(event));
    this.section.querySelector("[data-chart-clear]").addEventListener("click", () => this.pick(-1));
  }

  key(event) {
    const last = this.bins.counts.length - 1;
    const go = { ArrowLeft: this.focused - 1, ArrowRight: this.focused + 1, Home: 0, End: last }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (go !== undefined) this.focusable(Math.min(Math.max(go, 0), last), true);
    else if (event.key === "Enter" || event.key === " ") this.toggle(this.focused);
    else if (event.key === "Escape") this.pick(-1);
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
    const said = bin >= 0 ? bin : this.chosen;
    this.readout.textContent = this.bins && said >= 0 ? this.words(said) : this.quiet;
  }

  toggle(bin) {
    if (bin < 0) return;
    this.focusable(bin, false);
    this.pick(bin === this.chosen ? -1 : bin);
  }

  pick(bin) {
    const before = this.chosen;
    this.chosen = bin;
    this.columns().forEach((column, i) => column.setAttribute("aria-pressed", String(i === bin)));
    this.section.querySelector("[data-chart-clear]").hidden = bin < 0;
    this.point(-1);
    if (bin < 0 && before < 0) return;
    this.choose(bin < 0 ? null : this.inBin(bin), bin < 0 ? "" : `${within(MEASURES[this.bins.state.measure].title)} ${this.range(bin)}`);
  }

  inBin(bin) {
    const { values, edges } = this.bins;
    return new Set(this.shown.filter((_, i) => binOf(values[i], edges) === bin).map((particle) => particle.id));
  }
}

