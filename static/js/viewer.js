// The page of a result: one picture, one state. Whatever a person corrects, or how wide the image is, picture, numbers,
// histogram and table follow at once; what only the server measures is not shown until it has measured the same state.

import { Histogram } from "./chart.js";
import { perCent } from "./chart-scale.js";
import { Cuts, listed } from "./cuts.js";
import { bareWhileHeld, sliders } from "./display.js";
import { element, pause } from "./dom.js";
import { Doubt } from "./doubt.js";
import { json } from "./editor/calls.js";
import { asFine, numbersOf } from "./editor/numbers.js";
import { Chips, shownBy } from "./viewer-choice.js";
import { chooseColours, chooseShape } from "./viewer-colours.js";
import { Drawing, tools } from "./viewer-drawing.js";
import { ParticleList, shownLengths } from "./viewer-table.js";
import { ambiguous, digits, lengthOf } from "./width.js";

const section = document.getElementById("viewer");
const listing = document.getElementById("table"); // not where nothing was found, or the image is of another kind
const chart = document.getElementById("histogram"); // not of a few particles
const LENGTHS = ["min_feret", "max_feret", "ecd", "visible_length", "length", "width", "neighbour_distance", "neighbour_gap"];
const AGAIN = 250; // ms between two questions whether a version is measured
const NEXT = "deepsegm-next"; // where a version goes on as the page before it was left
const FAILED = "The zoomable image could not be loaded. Reload the page; the figure and the size file are not affected.";

class ResultPage {
  constructor(data) {
    Object.assign(this, { section, data: { ...data, cuts: listed(data.cuts), regions: JSON.parse(section.dataset.regions) } });
    this.facts = { ...section.dataset, ...section.querySelector("[data-tools]")?.dataset };
    this.automatic = new Map(data.particles.map((each) => [each.id, Object.assign(each, { byHand: each.by_hand })]));
    this.objects = new Map(this.automatic);
    this.cuts = new Cuts(this.data.cuts);
    this.lengths = shownLengths(data);
    this.selected = new Set();
    this.choice = { hidden: new Set(), stands: null, words: "" }; // see shownBy; words: what was chosen
    this.factor = 1; // of lengths, since they were measured
    this.editor = null;
    this.readout = section.querySelector("[data-readout]");
    this.quiet = this.readout.textContent;
    this.told = ""; // what went wrong, or what to do next
    this.canvas = section.querySelector("canvas");
    this.drawing = new Drawing(this.canvas, data, section.dataset.tiles);
    this.drawing.ignore(this.data.regions);
  }

  // Everything that shows the objects.
  start() {
    this.histogram = chart && new Histogram(chart, (stands, words) => this.narrow({ stands, words }), (stands) => this.drawing.light(stands));
    this.list = listing && new ParticleList(listing, this.data, (particle) => this.look(particle));
    this.chips = listing && new Chips(listing, (hidden) => this.narrow({ hidden }));
    this.anyShape = listing ? chooseShape(listing, this.data.particles, (...chosen) => this.choose(...chosen)) : () => {};
    chooseColours(section, this.drawing, () => [...this.objects.values()], this.lengths, (key, of) => this.histogram?.colour(key, of));
    this.point();
    tools(section, [this.drawing]);
    this.lights();
    this.regions();
    section.querySelector("[data-chosen] button").addEventListener("click", () => this.unchoose());
    this.narrow({});
    const strip = section.querySelector("[data-doubt]");
    if (strip) this.doubt = new Doubt(this, strip);
    const box = document.querySelector("[data-extremes]");
    if (box) import("./extremes.js").then(({ Extremes }) => (this.extremes = new Extremes(this, box)));
    this.correcting();
    this.measuring();
  }

  // ---- one state --------------------------------------------------------------------------------

  // Whether what is seen is another state than the one that was measured.
  get moved() {
    return this.factor !== 1 || Boolean(this.editor?.history.length);
  }

  changed() {
    this.numbers();
    this.stands();
    this.drawn();
    this.select([...this.selected].filter((id) => this.objects.has(id)));
    this.editor?.panel.changed();
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      const particles = [...this.objects.values()];
      this.list?.replace(particles);
      this.chips?.count(particles);
      this.histogram?.stale(this.moved);
      this.extremes?.changed();
    });
  }

  // The outlines are others.
  drawn() {
    this.drawing.take([...this.objects.values()]);
    this.drawing.select([...this.selected].map((id) => this.objects.get(id)).filter(Boolean));
  }

  // The numbers that follow at once; those that were measured come back with their state.
  numbers() {
    const { size } = this.facts;
    const { unit } = this.data;
    const { kept, fraction, ...sizes } = numbersOf(this.objects.values(), size, unit);
    const words = Object.fromEntries(Object.entries(sizes).map(([name, value]) => [name, value === null ? "–" : this.lengths.said({ [size]: value }, size)]));
    Object.assign(words, { n_kept: kept, n_set_aside: this.objects.size - kept, fraction_100nm: fraction === null ? "–" : perCent(fraction).replace(" %", "") });
    // Some kinds of analysis have names of their own for a figure of their sizes.
    const names = this.facts.figures.trim().split(" ");
    for (let i = 0; i + 1 < names.length; i += 2) words[names[i]] = words[names[i + 1]];
    for (const box of document.querySelectorAll(".sentence [data-number]")) {
      box.dataset.was ??= box.textContent;
      box.textContent = this.moved ? asFine(words[box.dataset.number] ?? "–", box.dataset.was) : box.dataset.was;
    }
    for (const each of document.querySelectorAll("[data-length-unit]")) each.textContent = this.lengths.unit;
    const things = document.querySelector(".sentence [data-things]");
    if (things) things.textContent = kept === 1 ? this.facts.thing : this.facts.things;
    const few = document.querySelector("[data-few]");
    const counted = few && [...this.objects.values()].filter((each) => each.kept && !each.cut).sort((a, b) => a[size] - b[size]);
    if (few) few.textContent = counted.map((each) => this.lengths.said(each, size)).join(", ");
  }

  // What the numbers are of.
  stands() {
    const strip = document.querySelector("[data-standing]");
    const sentence = document.querySelector(".sentence");
    if (sentence && this.moved) sentence.style.minHeight ||= `${sentence.offsetHeight}px`; // the picture stays where it is
    document.querySelector(".result-page").classList.toggle("moved", this.moved);
    if (!strip) return;
    const words = this.editor?.steps ?? "";
    strip.hidden = !this.moved;
    strip.querySelector("[data-standing-words]").textContent = words;
    strip.querySelector("details").hidden = !words;
    const measured = strip.querySelector("[data-standing-measured]");
    if (!measured || !this.editor) return;
    measured.hidden = this.editor.hasNew; // a version has those that were there before
    strip.querySelector("[data-standing-open]").hidden = !measured.hidden;
    strip.querySelector("button.primary").textContent = measured.hidden ? "Keep this state" : "Show";
  }

  // ---- looking and selecting --------------------------------------------------------------------

  // In the words of the kind of analysis, of what it measured: sizes of particles, the class and area of a region.
  sentence(object) {
    const { min_feret: least, area, confidence } = object;
    const { unit, said } = this.lengths;
    const length = (words, key) => `${words} ${said(object, key)} ${unit}`;
    const facts = Number.isFinite(least) ? [length("minimum Feret", "min_feret"), length("ECD", "ecd")] : [];
    const sizeHead = listing?.querySelector("th[data-own]"); // the size of a kind of analysis that others do not have
    if (sizeHead && Number.isFinite(object[sizeHead.dataset.key])) facts.unshift(length(sizeHead.dataset.own, sizeHead.dataset.key));
    if (!facts.length && Number.isFinite(area)) facts.push(`${length("area", "area")}²`);
    if (Number.isFinite(confidence)) facts.push(`confidence ${confidence.toFixed(2)}`);
    if (object.byHand) facts.push("checked by hand");
    const description = [object.class, ...facts].filter(Boolean).join(", ");
    const thing = this.facts.thing.replace(/^./, (letter) => letter.toUpperCase());
    const meaning = () => this.chips?.chips.find((chip) => chip.dataset.state === object.reason)?.title ?? "";
    return `${thing} ${object.id}: ${description}; ${object.kept ? (object.cut ? "counted, has no size: cut by the edge" : "counted") : `left out: ${object.reason}. ${meaning()}`}`;
  }

  describe() {
    const [first] = this.selected;
    const object = (this.pointed && this.objects.get(this.pointed.id)) ?? (this.selected.size === 1 ? this.objects.get(first) : null);
    const several = this.selected.size > 1 ? `${this.selected.size} ${this.facts.things} are selected.` : "";
    const words = this.told || several || (object ? this.sentence(object) : this.editor?.panel.hint || this.quiet);
    this.readout.textContent = words;
    this.readout.classList.toggle("told", words !== this.quiet);
  }

  say(sentence) {
    this.told = sentence;
    this.describe();
  }

  select(ids, { centre = false } = {}) {
    this.selected = new Set(ids);
    const particles = ids.map((id) => this.objects.get(id)).filter(Boolean);
    this.drawing.select(particles, centre);
    this.list?.select(particles.length === 1 ? particles[0] : null);
    this.told = "";
    this.editor?.panel.selected();
    this.describe();
  }

  look(particle) {
    this.select([particle.id], { centre: true });
    section.scrollIntoView({ block: "nearest" });
  }

  point() {
    const { canvas, drawing } = this;
    drawing.heard = {
      hover: (particle) => {
        drawing.point(particle);
        canvas.classList.toggle("over", particle !== null);
        this.pointed = particle;
        this.histogram?.pointTo(particle);
        this.describe();
      },
      tap: (particle) => this.select(particle ? [particle.id] : []),
      numbers: (written, of) => {
        const note = written < of ? `${written} of ${of} numbers have room here: zoom in for the others.` : this.hint;
        if (note === this.quiet) return;
        this.quiet = note;
        this.describe();
      },
    };
    this.hint = this.quiet;
    canvas.addEventListener("keydown", (event) => event.key === "Escape" && !this.editor?.isOpen && this.select([]));
    canvas.addEventListener("dblclick", (event) => this.editor?.isOpen || drawing.viewport.zoom(2, drawing.viewport.place(event)));
  }

  toggle(layer) {
    section.querySelector(`[data-layer="${layer}"]`)?.click();
  }

  // A reason or a warning elsewhere on the page: the outlines it means, by their reason or their numbers, stand out while
  // it is pointed at, and stay so by a click.
  lights() {
    const { drawing } = this;
    for (const link of document.querySelectorAll("[data-lights]")) {
      const { lights: reason, ids = "" } = link.dataset;
      const meant = new Set(ids.split(",").filter(Boolean).map(Number));
      const stands = (particle) => meant.has(particle.id) || (reason !== "" && particle.reason === reason);
      for (const event of ["pointerenter", "focus"]) link.addEventListener(event, () => drawing.light(stands));
      for (const event of ["pointerleave", "blur"]) link.addEventListener(event, () => drawing.light(null));
      link.addEventListener("click", () => {
        this.choose(stands, reason ? `what is left out: ${reason}` : "what the warning means");
        section.scrollIntoView({ block: "nearest" });
      });
    }
  }

  // The region that a press would count again stands out.
  regions() {
    for (const place of section.querySelectorAll("[data-region]")) {
      for (const event of ["pointerenter", "focusin"]) place.addEventListener(event, () => this.drawing.markRegion(Number(place.dataset.region)));
      for (const event of ["pointerleave", "focusout"]) place.addEventListener(event, () => this.drawing.markRegion(null));
    }
  }

  choose(stands, words) {
    this.unchoose();
    this.narrow({ stands, words });
  }

  unchoose() {
    this.histogram?.pick(null);
    this.anyShape();
    this.narrow({ stands: null, words: "" });
  }

  // Picture and table show what is chosen; what is no longer shown is not selected either.
  narrow(change) {
    const { hidden, stands, words } = Object.assign(this.choice, change);
    const isShown = shownBy({ hidden, stands });
    if ([...this.selected].some((id) => !isShown(this.objects.get(id)))) this.select([]);
    if (this.doubt?.current && !isShown(this.objects.get(this.doubt.current.id))) this.doubt.leave();
    this.drawing.show(hidden, stands);
    this.list?.show(isShown);
    const only = section.querySelector("[data-chosen]");
    only.hidden = stands === null;
    only.querySelector("span").textContent = `Only ${words}.`;
  }

  // ---- correcting -------------------------------------------------------------------------------

  // The corrections of this result, once they are loaded; null where they cannot be.
  correct() {
    this.opening ??= import("./editor/editor.js")
      .then(({ Editor }) => (this.editor = new Editor(this)).start())
      .catch((error) => {
        this.opening = this.editor = null;
        this.say(`The outlines could not be opened. ${error.message}`);
        return null;
      });
    return this.opening;
  }

  correcting() {
    const button = section.querySelector("[data-correct]");
    if (!button) return;
    for (const soon of [button, section.querySelector("[data-doubt]")]) {
      for (const event of ["pointerenter", "focusin"]) soon?.addEventListener(event, () => this.correct(), { once: true });
    }
    const toggle = async (on) => (await this.correct())?.toggle(on);
    button.addEventListener("click", () => toggle());
    if (location.hash === "#correct") toggle(true);
    else if ("corrections" in section.dataset) this.correct(); // its numbers do not have them yet
  }

  // ---- measuring --------------------------------------------------------------------------------

  measuring() {
    const strip = document.querySelector("[data-standing]");
    strip?.addEventListener("submit", (event) => {
      event.preventDefault();
      this.measure();
    });
    // Files and all that is measured belong to a state: it is measured first.
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("#downloads [id]:not(#get-more)");
      if (!link || !this.moved) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      this.measure(link.id);
    }, true);
    document.addEventListener("submit", (event) => {
      const { target: form } = event;
      const width = form.elements.width?.value ?? "";
      if (!form.action.endsWith("/width/") && !form.action.includes("/width/#")) return;
      if (ambiguous(width) || !lengthOf(width)) return; // the server says what is wrong
      event.preventDefault();
      if (!this.moved) return this.rescale(form, lengthOf(width));
      this.say("Keep this state first, then set the scale."); // another scale is that of a state
      strip?.querySelector("button").focus();
    });
  }

  // then: the id of the link that is meant on the page of the measured state.
  async measure(then = "") {
    this.busy(true);
    const address = this.factor === 1 ? await (await this.correct())?.measured() : this.arriving;
    if (address) await this.arrive(address, then);
    else this.busy(false);
  }

  busy(on) {
    const strip = document.querySelector("[data-standing]");
    strip?.toggleAttribute("aria-busy", on);
    for (const button of strip?.querySelectorAll("button") ?? []) button.disabled = on;
    if (!on) this.stands();
    else if (strip) strip.querySelector("button.primary").textContent = "Measuring …";
  }

  // Every length in place, at once; the server measures the same outlines meanwhile.
  async rescale(form, width) {
    const body = new FormData(form);
    this.multiply(width / this.data.width / this.data.pixel_size);
    this.busy(true);
    const answer = await fetch(form.action, { method: "POST", body }).catch(() => null);
    if (answer?.redirected && new URL(answer.url).pathname !== location.pathname) return this.arrive(answer.url.split("#")[0]);
    return HTMLFormElement.prototype.submit.call(form); // its page says what is wrong, or asks
  }

  multiply(factor) {
    for (const each of new Set([...this.objects.values(), ...this.automatic.values()])) {
      for (const name of new Set([...LENGTHS, this.facts.size])) if (name !== "area" && Number.isFinite(each[name])) each[name] *= factor;
      if (Number.isFinite(each.area)) each.area *= factor ** 2;
    }
    Object.assign(this.data, { unit: "nm", pixel_size: this.data.pixel_size * factor });
    this.factor *= factor;
    Object.assign(this.lengths, shownLengths(this.data));
    this.list?.offer(this.data);
    for (const field of document.querySelectorAll("#chart_unit")) field.value = this.lengths.unit === "µm" ? "um" : "nm";
    for (const line of document.querySelectorAll(".scale-banner, #width .wrong-text")) line.hidden = true;
    for (const line of document.querySelectorAll("[data-scale]")) line.textContent = `${digits(this.data.pixel_size)} nm/px`;
    this.changed();
    this.doubt?.changed();
  }

  // A version that measures what is seen: its page once it is there, looking at the same place.
  async arrive(address, then = "") {
    this.arriving = address;
    for (;;) {
      const answer = await fetch(`${address}status/`, { headers: { "HX-Request": "true" }, cache: "no-store" }).catch(() => null);
      if (answer?.headers.has("HX-Refresh")) break;
      await pause(AGAIN);
    }
    const { viewport } = this.drawing;
    const tools = this.editor?.isOpen ? this.editor.name : "";
    const state = { address: new URL(address, location).pathname, view: viewport.fitted ? null : viewport.view, tools, then };
    sessionStorage.setItem(NEXT, JSON.stringify(state));
    location.assign(address); // Back leads to the version before
  }

  // Goes on as the page was left whose state was measured.
  goOn() {
    const state = JSON.parse(sessionStorage.getItem(NEXT) ?? "null");
    sessionStorage.removeItem(NEXT);
    if (state?.address !== location.pathname) return;
    const { viewport } = this.drawing;
    if (state.view) Object.assign(viewport, { view: state.view, fitted: false });
    if (state.tools) {
      this.correct().then((editor) => {
        editor?.toggle(true);
        if (state.tools === "ignore") editor?.use("ignore"); // one region comes after another
      });
    }
    const then = document.getElementById(state.then);
    if (state.then === "get-copy") then?.focus(); // only a press may write to the clipboard
    else then?.click();
  }
}

// What fills the screen is the stage with its tools; where a browser refuses, as on iPhones, it fills the window.
function fullScreen(stage) {
  const button = stage.querySelector("[data-fullscreen]");
  const show = (on) => {
    stage.classList.toggle("whole", on);
    button.setAttribute("aria-pressed", String(on));
  };
  button.addEventListener("click", () => {
    const on = !stage.classList.contains("whole");
    show(on);
    if (on) stage.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) document.exitFullscreen();
  });
  document.addEventListener("fullscreenchange", () => document.fullscreenElement || show(false));
  stage.addEventListener("keydown", (event) => event.key === "Escape" && show(false));
}

async function begin() {
  const data = await json(section.dataset.outlines);
  for (const part of document.querySelectorAll("[data-viewer], [data-chips]")) part.hidden = false;
  const page = new ResultPage(data);
  const { drawing, canvas } = page;
  sliders(section.querySelector("[data-display]"), () => drawing.draw());
  bareWhileHeld(canvas, (on) => drawing.hide(on));
  fullScreen(section.querySelector(".stage-box"));
  drawing.load(section.dataset.image);
  page.start();
  await drawing.loaded;
  page.goOn();
}

// A page that the browser kept as it was left shows corrections that were measured since.
addEventListener("pageshow", ({ persisted }) => persisted && section.querySelector("[data-tools]") && location.reload());

if (section.dataset.image && section.dataset.outlines) begin().catch(() => section.append(element("p", { className: "notice" }, FAILED)));
