// The interactive histogram: its controls, the bars that the server sends for them, and the range of sizes that is chosen.
// The server makes every number and every word of a bar (segmentation/presenters/histogram.py says what an answer holds).

import { draw } from "./chart-draw.js";

const HEIGHT = { share: 0.55, least: 190, most: 340 }; // of the width, and in CSS pixels
const PAUSE = 250; // ms without typing before the server is asked
const FAILED = "The histogram could not be made just now. Check the network, then choose again or reload the page.";

const lowered = (title) => title[0].toLowerCase() + title.slice(1);

// What the server is asked: the query for a state of the controls. span: the range of sizes that is chosen, { low, high }
// of whole bars or { from, to } as typed, or null. typedIn: the unit in which the width of a bar was typed.
export function question({ measure, weighting, unit, log, all, typed, typedIn, span }) {
  const width = typed === "" ? {} : { bins: typed, bins_unit: typedIn };
  return new URLSearchParams({ measure, weighting, unit, log: log ? "1" : "", all: all ? "1" : "", ...width, ...span }).toString();
}

// Which particles a range holds: as of a bar its upper end belongs to what follows, that of the last bar to the last.
export function holder({ bounds }, { measure, all }, { low, high }) {
  const last = high >= bounds[bounds.length - 1];
  return (particle) => {
    const size = particle[measure];
    return ((particle.kept && !particle.cut) || all) && size >= low && (size < high || (last && size === high));
  };
}

// section: holds the controls and the svg. Where there are any, choose(holds, words) and light(holds) are told which
// particles the chosen range, and the bar that is pointed at, hold; null for none.
export class Histogram {
  constructor(section, choose, light) {
    Object.assign(this, { section, choose, light, things: section.dataset.things });
    this.svg = section.querySelector("svg");
    this.readout = section.querySelector("[data-chart-readout]");
    this.quiet = this.readout.textContent;
    this.problem = section.querySelector("[data-chart-problem]");
    this.controls = section.querySelector("[data-chart]");
    this.bins = null; // what the server said last
    this.asked = ""; // the question to which that is the answer, or will be
    this.under = null; // what stops the question under way
    this.old = false; // whether the bars are of an earlier state than what is seen
    this.renewing = false; // whether those of a newer state are under way
    this.span = null; // the range of sizes that is chosen, as `question` has it
    this.held = null; // { low, high, ends, words, name } of it, or of the one that is dragged
    this.typedIn = this.field("unit").value;
    this.focused = 0;
    this.lit = -1; // the bar whose objects stand out in the picture
    this.x = null; // where the pointer is over the bars
    this.pressed = null; // the bar where the pointer went down
    this.dragged = null; // the range from there, while it is dragged
    this.controls.addEventListener("submit", (event) => event.preventDefault());
    this.controls.addEventListener("input", ({ target: { name } }) => this.typed(name));
    this.listen();
    new ResizeObserver(() => this.paint()).observe(this.svg.parentElement);
    this.changed();
  }

  // ---- the state that the bars are of -------------------------------------------------------------

  // Whether what is seen is another state than that of the bars: they turn grey and stay where they are.
  stale(on) {
    this.old = on;
    this.section.classList.toggle("stale", this.old || this.renewing);
  }

  // The bars of a newer state, from its address, for the present controls. Until they come the old ones stay, grey.
  renew(address) {
    this.section.dataset.bars = address;
    this.renewing = true;
    this.stale(false);
    this.asked = "";
    this.changed();
  }

  // ---- from the controls to bars ----------------------------------------------------------------

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
    return {
      measure: measure.value,
      title: measure.selectedOptions[0].text,
      weighting: this.controls.querySelector("[name=weighting]:checked").value,
      unit: this.field("unit").value,
      log: this.field("log").checked,
      typed: this.field("bins").value.trim(),
      typedIn: this.typedIn,
      all: this.field("all").checked,
      span: this.dragged ?? this.span,
      fit: this.field("fit").checked,
      cumulative: this.field("cumulative").checked,
      nano: this.field("nano").checked && !this.field("nano").disabled,
    };
  }

  typed(name) {
    const range = ["from", "to"].includes(name);
    if (range) this.typedRange();
    if (name === "bins") this.typedIn = this.field("unit").value;
    if (["measure", "unit"].includes(name)) this.pick(null);
    this.changed(range || name === "bins" ? PAUSE : 0);
  }

  // An empty field is no limit.
  typedRange() {
    const [from, to] = ["from", "to"].map((name) => this.field(name).value.trim());
    this.span = from || to ? { from, to } : null;
    if (this.span) return;
    this.held = null;
    this.tell();
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

  answered(bins) {
    this.offer(bins);
    this.bins = bins;
    this.renewing = false;
    this.stale(this.old);
    if (this.typedIn !== this.field("unit").value) {
      this.field("bins").value = bins.bins;
      this.typedIn = this.field("unit").value;
      this.asked = question(this.chosenState);
    }
    const state = this.chosenState;
    const { range } = bins;
    this.held = range && { ...range, low: range.low ?? -Infinity, high: range.high ?? Infinity };
    this.arrange(state);
    this.say(bins.problem, bins.wrong);
    this.section.querySelector("[data-chart-unfit]").textContent = bins.unfit ?? "";
    this.show(state);
    if (this.span) this.chosen();
  }

  failed() {
    this.asked = "";
    this.controls.hidden = false;
    this.say(FAILED, ["bins"]);
  }

  arrange({ log }) {
    this.section.querySelector("[data-bins-label]").textContent = log ? "Bins per decade" : "Bin width";
    if (!this.bins) return;
    const { unit, pixels, fit, limit } = this.bins;
    this.field("unit").closest(".field").hidden = pixels || !unit;
    this.field("fit").closest(".choice").hidden = !fit;
    const nano = this.field("nano"); // disabled where objects are not screened as nanomaterials
    nano.closest(".choice").hidden = nano.disabled || !limit;
    this.section.querySelector("[data-bins-unit]").textContent = log ? "" : unit;
    this.section.querySelector("[data-range-unit]").textContent = unit;
  }

  say(problem, names) {
    this.problem.textContent = problem;
    this.problem.hidden = problem === "";
    for (const name of ["bins", "from", "to"]) this.field(name).removeAttribute("aria-invalid");
    if (problem) for (const name of names) this.field(name).setAttribute("aria-invalid", "true");
  }

  // ---- drawing ----------------------------------------------------------------------------------

  // The bar that is pointed at says what it is now, and lights what it holds now.
  show(state) {
    this.state = state;
    this.paint();
    const bin = this.lit < 0 ? -1 : this.x === null ? Math.min(this.lit, this.last) : (this.at?.bin(this.x) ?? -1);
    this.lit = null;
    this.over(bin);
  }

  get last() {
    return this.bins.edges.length - 2;
  }

  paint() {
    if (!this.bins || !this.state) return;
    const width = this.svg.parentElement.clientWidth;
    const empty = !this.bins.edges.length;
    this.section.querySelector("[data-chart-none]").hidden = !empty;
    this.svg.toggleAttribute("hidden", empty);
    if (empty || !width) return;
    const height = Math.round(Math.min(Math.max(HEIGHT.share * width, HEIGHT.least), HEIGHT.most));
    const picture = this.picture();
    const painted = JSON.stringify([picture, width, height]);
    if (painted !== this.painted) {
      this.painted = painted;
      const isFocused = this.svg.contains(document.activeElement);
      this.svg.setAttribute("width", width);
      this.svg.setAttribute("height", height);
      this.at = draw(this.svg, picture, width, height);
      this.focusable(Math.min(this.focused, this.last), isFocused);
    }
    const keys = `Arrow keys go from bin to bin${this.choose ? `, Enter shows its ${this.things}` : ""}.`;
    this.svg.setAttribute("aria-label", `${this.bins.title} ${keys}`);
    this.mark();
  }

  picture() {
    const { state, bins } = this;
    const { axis, edges, bounds, heights, aside, doubtful, words } = bins;
    const middles = bounds.slice(1).map((bound, i) => (bounds[i] + bound) / 2);
    return {
      ...{ axis, edges, heights, aside, doubtful },
      kept: heights.map((height, bin) => height - aside[bin]),
      cumulative: state.cumulative ? bins.cumulative : null,
      fit: state.fit ? bins.fit : null,
      line: state.nano ? bins.limit : null,
      log: state.log,
      xTitle: bins.x,
      yTitle: bins.y,
      asShare: state.weighting !== "number",
      labels: words,
      colours: this.coloured?.key === state.measure ? middles.map(this.coloured.of) : null,
    };
  }

  // The bars of a measure take the colours that the picture has by it. of: the colour of an object.
  colour(key, of) {
    this.coloured = { key, of: (value) => of({ [key]: value }) };
    this.paint();
  }

  // The range of whole bars from one to another, before the server has said what it holds.
  spanOf(bin, other) {
    const { edges, bounds, ends, unit } = this.bins;
    const [first, next] = [Math.min(bin, other), Math.max(bin, other) + 1];
    const name = `${ends[first]} to ${ends[next]} ${unit}`.trimEnd();
    return { low: bounds[first], high: bounds[next], from: ends[first], to: ends[next], ends: [edges[first], edges[next]], name, words: `${name} …` };
  }

  // ---- pointing and choosing --------------------------------------------------------------------

  listen() {
    const { svg } = this;
    const along = (event) => event.clientX - svg.getBoundingClientRect().left;
    const over = (event) => this.at?.bin(along(event)) ?? -1;
    svg.addEventListener("pointermove", (event) => {
      this.x = along(event);
      if (this.pressed === null) this.over(over(event));
      else this.drag(this.x);
    });
    svg.addEventListener("pointerleave", () => {
      this.x = null;
      if (this.pressed === null) this.over(-1);
    });
    svg.addEventListener("pointerdown", (event) => {
      this.wasDragged = false;
      this.pressed = event.button === 0 && over(event) >= 0 ? over(event) : null;
      if (this.pressed !== null) svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointerup", () => {
      const { dragged } = this;
      this.pressed = this.dragged = null;
      if (dragged) this.pick(this.held);
    });
    svg.addEventListener("pointercancel", () => {
      const { dragged } = this;
      this.pressed = this.dragged = null;
      if (dragged) this.changed(); // what was chosen before is told again
      this.over(-1);
    });
    // Assistive technology clicks an element, not a place.
    const clicked = ({ target }) => Number(target.closest(".bin")?.dataset.bin ?? this.focused);
    svg.addEventListener("click", (event) => (event.detail && this.wasDragged) || this.toggle(event.detail === 0 ? clicked(event) : over(event)));
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

  // From the bar where the pointer went down to the one where it is, and to the first or the last beyond the ends. The
  // server says what each range holds.
  drag(x) {
    const { edges } = this.bins;
    const bin = x <= this.at.x(edges[0]) ? 0 : x >= this.at.x(edges[edges.length - 1]) ? this.last : this.at.bin(x);
    if (!this.dragged && bin === this.pressed) return;
    const range = this.spanOf(this.pressed, bin);
    if (same(this.dragged, range)) return;
    this.wasDragged = true;
    this.dragged = ends(range);
    this.held = range;
    this.mark();
    this.readout.textContent = range.words;
    this.changed();
  }

  key(event) {
    const { last } = this;
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
    const words = this.bins?.edges.length ? ((this.dragged ? null : this.bins.words[bin]) ?? this.held?.words) : "";
    this.readout.textContent = words || this.quiet;
  }

  over(bin) {
    if (bin === this.lit) return;
    this.lit = bin;
    this.point(bin);
    this.light?.(bin < 0 ? null : holder(this.bins, this.state, this.spanOf(bin, bin)));
  }

  // The bar of a particle that is pointed at in the picture.
  pointTo(particle) {
    const bars = particle && this.bins ? this.bins.edges.slice(1) : [];
    this.point(bars.findIndex((_, bin) => holder(this.bins, this.state, this.spanOf(bin, bin))(particle)));
  }

  toggle(bin) {
    if (bin < 0) return;
    this.focusable(bin, false);
    const range = this.spanOf(bin, bin);
    this.pick(same(this.span, range) ? null : range);
  }

  // A range of whole bars, as `spanOf` has it, or null.
  pick(range) {
    if (!range && !this.span) return;
    this.span = range && ends(range);
    this.held = range;
    ["from", "to"].forEach((name) => (this.field(name).value = range?.[name] ?? ""));
    this.tell();
    this.changed();
  }

  // What is chosen is shown alone, and no longer what was pointed at.
  tell() {
    if (!this.bins) return;
    this.mark();
    this.lit = null;
    this.over(-1);
    this.chosen();
  }

  chosen() {
    if (this.held) this.choose?.(holder(this.bins, this.state, this.held), `${lowered(this.state.title)} ${this.held.name}`);
    else this.choose?.(null, "");
  }

  // Bars and band of the range.
  mark() {
    const band = this.svg.querySelector(".range");
    if (!band) return;
    const { held } = this;
    const { bounds } = this.bins;
    this.columns().forEach((column, i) => column.setAttribute("aria-pressed", String(Boolean(held) && bounds[i] >= held.low && bounds[i + 1] <= held.high)));
    const [left, right] = held ? held.ends.map(this.at.x) : [0, 0];
    band.setAttribute("x", left);
    band.setAttribute("width", Math.max(0, right - left));
  }
}

const ends = ({ low, high }) => ({ low, high });
const same = (one, other) => Boolean(one) && one.low === other.low && one.high === other.high;
