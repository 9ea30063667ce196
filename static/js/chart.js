// The interactive histogram: its controls, the bars that the server sends for them, and the chosen range of sizes. The
// server makes every number and every word of a bar (segmentation/presenters/histogram.py says what an answer holds).

import { draw } from "./chart-draw.js";

const TYPING_PAUSE_MS = 250; // ms without typing before the server is asked
const FAILED = "The histogram could not be made just now. Check the network, then choose again or reload the page.";

const withSmallInitial = (title) => title[0].toLowerCase() + title.slice(1);

// The query to the server for a state of the controls. span: the chosen range of sizes, { low, high } for whole bars or
// { from, to } as typed, or null. typed: the width of a bar as typed, typedIn: its unit.
export function barsQuery({ measure, weighting, unit, log, all, typed, typedIn, span }) {
  const width = typed === "" ? {} : { bins: typed, bins_unit: typedIn };
  return new URLSearchParams({ measure, weighting, unit, log: log ? "1" : "", all: all ? "1" : "", ...width, ...span }).toString();
}

// The function that says whether a range holds a particle. The upper end of a range belongs to the next bar, except for
// the last bar, which includes its upper end.
export function rangeFilter({ bounds }, { measure, all }, { low, high }) {
  const last = high >= bounds[bounds.length - 1];
  return (particle) => {
    const size = particle[measure];
    return ((particle.kept && !particle.cut) || all) && size >= low && (size < high || (last && size === high));
  };
}

// section: the element with the controls and the svg. Optional: choose(holds, words) is called for the chosen range,
// and light(holds) for the bar under the pointer; holds(particle) says whether it is in there, null for no range.
export class Histogram {
  constructor(section, choose, light) {
    Object.assign(this, { section, choose, light, things: section.dataset.things });
    this.places = null; // { bin(x), x(size) } of the bars that are drawn, see `draw`
    this.svg = section.querySelector("svg");
    this.readout = section.querySelector("[data-chart-readout]");
    this.problem = section.querySelector("[data-chart-problem]");
    this.controls = section.querySelector("[data-chart]");
    this.bins = null; // the last answer of the server
    this.lastQuery = ""; // the query of that answer, or of the request under way
    this.request = null; // the AbortController of the request under way
    this.isOld = false; // whether the bars are older than the outlines in the picture
    this.isRenewing = false; // whether newer bars are being fetched
    this.span = null; // the chosen range of sizes, see `barsQuery`
    this.shownRange = null; // the chosen or dragged range: { low, high, ends, words, name }
    this.typedIn = this.field("unit").value;
    this.focused = 0; // the bar that the Tab key reaches
    this.litBin = -1; // the bar whose objects are highlighted in the picture, -1 for none
    this.pointerX = null; // place of the pointer over the bars in CSS pixels, or null
    this.pressed = null; // the bar where the pointer went down
    this.dragged = null; // { low, high } from there to the pointer, while dragging
    this.controls.addEventListener("submit", (event) => event.preventDefault());
    this.controls.addEventListener("input", ({ target: { name } }) => this.onInput(name));
    this.listen();
    new ResizeObserver(() => this.paint()).observe(this.svg.parentElement);
    this.changed();
  }

  // ---- newer bars after corrections --------------------------------------------------------------

  // on: the outlines have changed since the bars were made. Such bars are grey.
  stale(on) {
    this.isOld = on;
    this.section.classList.toggle("stale", this.isOld || this.isRenewing);
  }

  // Fetches newer bars from an address for the present controls. Until they arrive the old ones stay, grey.
  renew(address) {
    this.section.dataset.bars = address;
    this.isRenewing = true;
    this.stale(false);
    this.lastQuery = "";
    this.changed();
  }

  // ---- from the controls to bars -----------------------------------------------------------------

  // Disables measures and weightings that the stored result does not have.
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

  onInput(name) {
    const range = ["from", "to"].includes(name);
    if (range) this.typedRange();
    if (name === "bins") this.typedIn = this.field("unit").value;
    if (["measure", "unit"].includes(name)) this.pick(null);
    this.changed(range || name === "bins" ? TYPING_PAUSE_MS : 0);
  }

  // An empty field is no limit.
  typedRange() {
    const [from, to] = ["from", "to"].map((name) => this.field(name).value.trim());
    this.span = from || to ? { from, to } : null;
    if (this.span) return;
    this.shownRange = null;
    this.tell();
  }

  changed(pause = 0) {
    const state = this.chosenState;
    this.arrange(state);
    const query = barsQuery(state);
    if (query !== this.lastQuery) this.ask(query, pause);
    else if (!this.request) this.show(state);
  }

  // Asks the server after `pause` ms. A newer request aborts this one.
  async ask(query, pause) {
    this.request?.abort();
    const request = (this.request = new AbortController());
    this.lastQuery = query;
    this.section.setAttribute("aria-busy", "true");
    if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
    if (request.signal.aborted) return;
    const answer = await fetch(`${this.section.dataset.bars}?${query}`, { signal: request.signal }).catch(() => null);
    const bins = answer?.ok ? await answer.json().catch(() => null) : null;
    if (request.signal.aborted) return;
    this.request = null;
    this.section.removeAttribute("aria-busy");
    if (bins) this.answered(bins);
    else this.failed();
  }

  answered(bins) {
    this.offer(bins);
    this.bins = bins;
    this.isRenewing = false;
    this.stale(this.isOld);
    if (this.typedIn !== this.field("unit").value) {
      this.field("bins").value = bins.bins;
      this.typedIn = this.field("unit").value;
      this.lastQuery = barsQuery(this.chosenState);
    }
    const state = this.chosenState;
    const { range } = bins;
    this.shownRange = range && { ...range, low: range.low ?? -Infinity, high: range.high ?? Infinity };
    this.arrange(state);
    this.say(bins.problem, bins.wrong);
    this.section.querySelector("[data-chart-unfit]").textContent = bins.unfit ?? "";
    this.show(state);
    if (this.span) this.tellChoice();
  }

  failed() {
    this.lastQuery = "";
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

  // ---- drawing -----------------------------------------------------------------------------------

  // Draws a new state, and renews text and highlight of the bar under the pointer.
  show(state) {
    this.state = state;
    this.paint();
    const bin = this.litBin < 0 ? -1 : this.pointerX === null ? Math.min(this.litBin, this.last) : (this.places?.bin(this.pointerX) ?? -1);
    this.litBin = null;
    this.over(bin);
  }

  get last() {
    return this.bins.edges.length - 2;
  }

  paint() {
    if (!this.bins || !this.state) return;
    const { clientWidth: width, clientHeight: height } = this.svg.parentElement;
    const empty = !this.bins.edges.length;
    this.section.querySelector("[data-chart-none]").hidden = !empty;
    this.svg.toggleAttribute("hidden", empty);
    if (empty || !width) return;
    const picture = this.picture();
    const painted = JSON.stringify([picture, width, height]);
    if (painted !== this.painted) {
      this.painted = painted;
      const isFocused = this.svg.contains(document.activeElement);
      this.svg.setAttribute("width", width);
      this.svg.setAttribute("height", height);
      this.places = draw(this.svg, picture, width, height);
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
      xTitle: bins.unit || bins.x,
      yTitle: bins.y,
      asShare: state.weighting !== "number",
      labels: words,
      colours: this.coloured?.key === state.measure ? middles.map(this.coloured.of) : null,
    };
  }

  // Colours the bars of a measure as the picture is coloured by it. of(object): its colour.
  colour(key, of) {
    this.coloured = { key, of: (value) => of({ [key]: value }) };
    this.paint();
  }

  // The range of whole bars from one bar to another. Its words end with "…" until the server has sent the counts.
  spanOf(bin, other) {
    const { edges, bounds, ends, unit } = this.bins;
    const [first, next] = [Math.min(bin, other), Math.max(bin, other) + 1];
    const name = `${ends[first]} to ${ends[next]} ${unit}`.trimEnd();
    return { low: bounds[first], high: bounds[next], from: ends[first], to: ends[next], ends: [edges[first], edges[next]], name, words: `${name} …` };
  }

  // ---- pointing and choosing ---------------------------------------------------------------------

  listen() {
    const { svg } = this;
    const along = (event) => event.clientX - svg.getBoundingClientRect().left;
    const over = (event) => this.places?.bin(along(event)) ?? -1;
    svg.addEventListener("pointermove", (event) => {
      this.pointerX = along(event);
      if (this.pressed === null) this.over(over(event));
      else this.drag(this.pointerX);
    });
    svg.addEventListener("pointerleave", () => {
      this.pointerX = null;
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
      if (dragged) this.pick(this.shownRange);
    });
    svg.addEventListener("pointercancel", () => {
      const { dragged } = this;
      this.pressed = this.dragged = null;
      if (dragged) this.changed(); // the range that was chosen before is shown again
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

  // The range from the bar where the pointer went down to the bar under it; beyond the ends the first or last bar
  // counts. The server says what each range holds.
  drag(x) {
    const { edges } = this.bins;
    const bin = x <= this.places.x(edges[0]) ? 0 : x >= this.places.x(edges[edges.length - 1]) ? this.last : this.places.bin(x);
    if (!this.dragged && bin === this.pressed) return;
    const range = this.spanOf(this.pressed, bin);
    if (same(this.dragged, range)) return;
    this.wasDragged = true;
    this.dragged = ends(range);
    this.shownRange = range;
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
    const words = this.bins?.edges.length ? ((this.dragged ? null : this.bins.words[bin]) ?? this.shownRange?.words) : "";
    this.readout.textContent = words;
  }

  over(bin) {
    if (bin === this.litBin) return;
    this.litBin = bin;
    this.point(bin);
    this.light?.(bin < 0 ? null : rangeFilter(this.bins, this.state, this.spanOf(bin, bin)));
  }

  // Points to the bar of the particle under the pointer in the picture.
  pointTo(particle) {
    const bars = particle && this.bins ? this.bins.edges.slice(1) : [];
    this.point(bars.findIndex((_, bin) => rangeFilter(this.bins, this.state, this.spanOf(bin, bin))(particle)));
  }

  toggle(bin) {
    if (bin < 0) return;
    this.focusable(bin, false);
    const range = this.spanOf(bin, bin);
    this.pick(same(this.span, range) ? null : range);
  }

  // Chooses a range of whole bars (see `spanOf`), or none with null.
  pick(range) {
    if (!range && !this.span) return;
    this.span = range && ends(range);
    this.shownRange = range;
    ["from", "to"].forEach((name) => (this.field(name).value = range?.[name] ?? ""));
    this.tell();
    this.changed();
  }

  // After a choice: only it is shown, and the highlight of the pointer ends.
  tell() {
    if (!this.bins) return;
    this.mark();
    this.litBin = null;
    this.over(-1);
    this.tellChoice();
  }

  tellChoice() {
    if (this.shownRange) this.choose?.(rangeFilter(this.bins, this.state, this.shownRange), `${withSmallInitial(this.state.title)} ${this.shownRange.name}`);
    else this.choose?.(null, "");
  }

  // Marks the bars of the range and places the band over them.
  mark() {
    const band = this.svg.querySelector(".range");
    if (!band) return;
    const { shownRange } = this;
    const { bounds } = this.bins;
    this.columns().forEach((column, i) => column.setAttribute("aria-pressed", String(Boolean(shownRange) && bounds[i] >= shownRange.low && bounds[i + 1] <= shownRange.high)));
    const [left, right] = shownRange ? shownRange.ends.map(this.places.x) : [0, 0];
    band.setAttribute("x", left);
    band.setAttribute("width", Math.max(0, right - left));
  }
}

const ends = ({ low, high }) => ({ low, high });
const same = (one, other) => Boolean(one) && one.low === other.low && one.high === other.high;
