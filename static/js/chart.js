// The interactive histogram: its controls, the bars that the server sends for them, and which of these is chosen.

import { draw } from "./chart-draw.js";
import { decimalsFor, fixed, perCent } from "./chart-scale.js";

const NANO_NM = 100;
const HEIGHT = { share: 0.55, least: 190, most: 340 }; // of the width, and in CSS pixels
const PAUSE = 250; // ms without typing before the server is asked
const FAILED = "The histogram could not be made just now. Check the network, then choose again or reload the page.";
// By the power of a length that a measure is: a number, a length, an area.
const UNITS = { nm: ["", "nm", "nm²"], um: ["", "µm", "µm²"], px: ["", "px", "px²"] };

const within = (title) => title[0].toLowerCase() + title.slice(1);

// What the server is asked: the query for a state of the controls.
export function question({ measure, weighting, log, all, typed, factor }) {
  const bins = typed === "" ? "" : String(Number(typed.replace(",", ".")) * (log ? 1 : factor));
  return new URLSearchParams({ measure, weighting, log: log ? "1" : "", all: all ? "1" : "", bins }).toString();
}

// Which particles a bar holds: an upper edge belongs to the next bar, that of the last to the last.
export function holder({ edges }, { measure, all }, bin) {
  const [from, to, last] = [edges[bin], edges[bin + 1], bin === edges.length - 2];
  return (particle) => {
    const size = particle[measure];
    return ((particle.kept && !particle.cut) || all) && size >= from && (size < to || (last && size === to));
  };
}

// section: holds the controls and the svg; choose(holds, words) is told which particles the chosen bar holds, or null;
// without it nothing can be chosen.
export class Histogram {
  constructor(section, choose) {
    const { thing, things } = section.dataset;
    Object.assign(this, { section, choose, thing, things });
    this.svg = section.querySelector("svg");
    this.readout = section.querySelector("[data-chart-readout]");
    this.quiet = this.readout.textContent;
    this.problem = section.querySelector("[data-chart-problem]");
    this.controls = section.querySelector("[data-chart]");
    this.bins = null; // what the server said last
    this.asked = ""; // the question to which that is the answer, or will be
    this.under = null; // what stops the question under way
    this.chosen = -1;
    this.focused = 0;
    this.controls.addEventListener("submit", (event) => event.preventDefault());
    this.controls.addEventListener("input", (event) => this.changed(event.target.name === "bins" ? PAUSE : 0));
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
      fit: this.field("fit").checked && power > 0,
      cumulative: this.field("cumulative").checked,
      nano: this.field("nano").checked && unit !== "px" && power === 1,
    };
  }

  // ---- from the controls to bars ----------------------------------------------------------------

  changed(pause = 0) {
    const state = this.chosenState;
    this.arrange(state);
    const asked = question(state);
    if (asked !== this.asked) this.ask(asked, pause);
    else if (!this.under) this.show(state);
  }

  // Only the answer to the last question counts.
  async ask(asked, pause) {
    this.under?.abort();
    const under = (this.under = new AbortController());
    this.asked = asked;
    this.section.setAttribute("aria-busy", "true");
    if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
    if (under.signal.aborted) return;
    const answer = await fetch(`${this.section.dataset.bars}?${asked}`, { signal: under.signal }).catch(() => null);
    const bins = answer?.ok ? await answer.json().catch(() => null) : null;
    if (under.signal.aborted) return;
    this.under = null;
    this.section.removeAttribute("aria-busy");
    if (bins) this.answered(bins);
    else this.failed();
  }

  answered(bins) {
    const first = this.bins === null;
    this.pick(-1);
    this.bins = bins;
    if (first) this.offer(bins);
    this.tickFit(Boolean(bins.fit));
    const state = this.chosenState;
    this.arrange(state);
    this.say(bins.problem);
    this.section.querySelector("[data-chart-unfit]").textContent = bins.unfit ?? "";
    this.show(state);
  }

  // Where there is no curve its box is empty and cannot be ticked; where there is one again it is as it was before.
  tickFit(possible) {
    const box = this.field("fit");
    if (possible === !box.disabled) return;
    if (!possible) this.fitWanted = box.checked;
    box.checked = possible && this.fitWanted;
    box.disabled = !possible;
  }

  failed() {
    this.asked = "";
    this.controls.hidden = false;
    this.say(FAILED);
  }

  arrange({ power, log, unit }) {
    const pixels = this.bins?.unit === "px";
    this.field("unit").closest(".field").hidden = pixels || power === 0;
    this.field("fit").closest(".choice").hidden = power === 0;
    const nano = this.field("nano"); // disabled where objects are not screened as nanomaterials
    nano.closest(".choice").hidden = nano.disabled || pixels || power !== 1;
    this.section.querySelector("[data-bins-label]").textContent = log ? "Bins per decade" : "Bin width";
    this.section.querySelector("[data-bins-unit]").textContent = log ? "" : unit;
  }

  say(problem) {
    this.problem.textContent = problem;
    this.problem.hidden = problem === "";
    this.field("bins").toggleAttribute("aria-invalid", problem !== "");
    if (problem) this.field("bins").setAttribute("aria-invalid", "true");
  }

  // ---- drawing ----------------------------------------------------------------------------------

  show(state) {
    this.state = state;
    this.paint();
    this.pick(this.chosen);
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
      chosen: this.chosen,
    };
  }

  // The bars of a measure take the colours that the picture has by it. of: the colour of an object.
  colour(key, of) {
    this.coloured = { key, of: (value) => of({ [key]: value }) };
    this.paint();
  }

  title() {
    const { title, weighting } = this.state;
    return `Histogram: ${within(title)} of ${this.bins.n} ${this.things}, by ${weighting}. Arrow keys go from bin to bin${this.choose ? `, Enter shows its ${this.things}` : ""}.`;
  }

  range(bin) {
    const { edges } = this.bins;
    const { factor, unit } = this.state;
    const [from, to] = [edges[bin] / factor, edges[bin + 1] / factor];
    const decimals = decimalsFor(to - from);
    return `${fixed(from, decimals)} to ${fixed(to, decimals)}${unit ? ` ${unit}` : ""}`;
  }

  words(bin) {
    const { counts, shares, cumulative } = this.bins;
    const found = `${counts[bin]} ${counts[bin] === 1 ? this.thing : this.things}`;
    return `${this.range(bin)}: ${found}, ${perCent(shares[bin])} by ${this.state.weighting}; ${perCent(cumulative[bin])} up to here`;
  }

  // ---- pointing and choosing --------------------------------------------------------------------

  listen() {
    const { svg } = this;
    const over = (event) => this.at?.(event.clientX - svg.getBoundingClientRect().left) ?? -1;
    svg.addEventListener("pointermove", (event) => this.point(over(event)));
    svg.addEventListener("pointerleave", () => this.point(-1));
    // Assistive technology clicks an element, not a place.
    const clicked = ({ target }) => Number(target.closest(".bin")?.dataset.bin ?? this.focused);
    svg.addEventListener("click", (event) => this.toggle(event.detail === 0 ? clicked(event) : over(event)));
    // On the box around it: listeners for focus would make the svg itself a stop for the Tab key.
    const box = svg.parentElement;
    box.addEventListener("focusin", (event) => {
      const bin = Number(event.target.closest(".bin")?.dataset.bin ?? -1);
      if (bin >= 0) this.focusable(bin, false);
      this.point(bin);
    });
    box.addEventListener("focusout", () => this.point(-1));
    svg.addEventListener("keydown", (event) => this.key(event));
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
    if (this.choose) this.pick(bin === this.chosen ? -1 : bin);
  }

  pick(bin) {
    const before = this.chosen;
    this.chosen = bin;
    this.columns().forEach((column, i) => column.setAttribute("aria-pressed", String(i === bin)));
    this.point(-1);
    if (bin < 0 && before < 0) return;
    if (bin < 0) this.choose(null, "");
    else this.choose(holder(this.bins, this.state, bin), `${within(this.state.title)} ${this.range(bin)}`);
  }
}

