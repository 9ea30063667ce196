// The page of a result: picture, table, histogram and corrections. All numbers come from the server. To a correction it
// answers at once with the changed outlines and the first numbers. All other numbers stay, grey, until they are
// measured.

import { Histogram } from "./chart.js";
import { Cuts, cutsFromColumns } from "./cuts.js";
import { hideWhileHeld, connectSliders } from "./display.js";
import { element, pause } from "./dom.js";
import { Doubt } from "./doubt.js";
import { json } from "./editor/calls.js";
import { hasUnsent } from "./editor/waiting.js";
import { fetchPage, keepHeight, swapParts, swapSome } from "./parts.js";
import { Chips, particleFilter } from "./viewer-choice.js";
import { chooseColours, chooseShape } from "./viewer-colours.js";
import { Drawing, tools } from "./viewer-drawing.js";
import { ParticleList } from "./viewer-table.js";
import { ambiguous, lengthOf } from "./width.js";

const section = document.getElementById("viewer");
const listing = document.getElementById("table"); // null if nothing was found
const chart = document.getElementById("histogram"); // null for very few particles
const RETRY_MS = 100; // ms between two requests that ask whether the numbers are measured
const IDLE_MS = 50; // ms without a correction, after which the new numbers are requested
const NEXT_PAGE_KEY = "deepsegm-next"; // key in sessionStorage: view and tools that the next page takes over
const FAILED = "The zoomable image could not be loaded. Reload the page; the figure and the size file are not affected.";

class ResultPage {
  constructor(data) {
    this.section = section;
    this.facts = { ...section.dataset, ...section.querySelector("[data-tools]")?.dataset };
    this.cuts = new Cuts([]);
    this.selected = new Set();
    this.choice = { hidden: new Set(), isChosen: null, words: "" }; // see particleFilter; words: the choice in words
    this.editor = null;
    this.take(data, Number(section.dataset.step), JSON.parse(section.dataset.regions));
    this.readout = section.querySelector("[data-readout]");
    this.defaultText = this.readout.textContent;
    this.message = ""; // a sentence that says what went wrong, or what to do next
    this.failed = null; // number of the correction after which measuring failed
    this.canvas = section.querySelector("canvas");
    this.drawing = new Drawing(this.canvas, data, section.dataset.tiles);
    this.drawing.ignore(this.data.regions);
  }

  // Takes measured data. step: number of the last correction that they include; regions: ignored regions.
  take(data, step, regions) {
    this.data = { ...data, step, regions };
    this.objects = new Map(data.particles.map((each, place) => [each.id, Object.assign(each, { place, byHand: each.by_hand })]));
    this.cuts.list = cutsFromColumns(data.cuts);
    this.doubts = data.doubts;
    this.doubtCount = data.doubt_count;
    this.base = step; // number of the last correction in the picture
    this.numbersStep = step; // number of the last correction in the first numbers
  }

  // A measured value of an object as text. An object that a correction changed has its own cells.
  valueText({ cells, place }, key) {
    return (cells ? cells[key] : this.data.cells[key]?.[place]) || "–";
  }

  // Makes and connects everything that shows the objects.
  start() {
    this.histogram = chart && new Histogram(chart, (isChosen, words) => this.narrow({ isChosen, words }), (isLit) => this.drawing.light(isLit));
    this.list = listing && new ParticleList(listing, this, (particle) => this.look(particle));
    this.chips = listing && new Chips(listing, (hidden) => this.narrow({ hidden }));
    this.shapes = listing && chooseShape(listing, this.data.shapes, (...chosen) => this.choose(...chosen));
    this.colour = chooseColours(section, this.drawing, () => this.data, (key, of) => this.histogram?.colour(key, of));
    this.wirePointer();
    tools(section, [this.drawing]);
    this.wireLights();
    section.querySelector("[data-chosen] button").addEventListener("click", () => this.unchoose());
    this.narrow({});
    const strip = section.querySelector("[data-doubt]");
    if (strip) this.doubt = new Doubt(this, strip);
    const box = document.querySelector("[data-extremes]");
    if (box) import("./extremes.js").then(({ Extremes }) => (this.extremes = new Extremes(this, box)));
    this.wireCorrecting();
    this.wireForms();
  }

  // ---- numbers after corrections -----------------------------------------------------------------

  // Whether the first numbers (in the sentence) are older than the picture.
  get stale() {
    return this.unfinished && (this.base !== this.numbersStep || this.waitsToSend);
  }

  // Whether other numbers or the files are older than the picture.
  get unfinished() {
    return this.base !== this.data.step || this.waitsToSend;
  }

  get waitsToSend() {
    return Boolean(this.editor?.sender?.waiting.length);
  }

  // Whether the numbers are older than the picture, but are being measured.
  get awaitsNumbers() {
    return this.unfinished && this.failed !== this.base;
  }

  // Waits until the numbers are those of the picture.
  async untilMeasured() {
    while (this.awaitsNumbers) {
      this.say("This follows when the numbers are those of what is seen.");
      await pause(RETRY_MS);
    }
    this.say("");
  }

  // Objects, or their states, have changed: draws them, and updates table and states.
  changed() {
    this.redraw();
    this.select([...this.selected].filter((id) => this.objects.has(id)));
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      const particles = [...this.objects.values()];
      this.list?.replace(particles);
      this.chips?.count(this.data.states);
    });
  }

  // Draws the present outlines and the selection.
  redraw() {
    this.drawing.take([...this.objects.values()]);
    this.drawing.select([...this.selected].map((id) => this.objects.get(id)).filter(Boolean));
  }

  // Shows the server's answer to corrections. base: number of the last of them.
  showAnswer({ rows, states, numbers, unit, few, cuts, doubts, doubt_count: count, examples, regions }, base) {
    for (const row of rows) {
      if (row.gone) this.objects.delete(row.id);
      else this.objects.set(row.id, { ...row, byHand: row.by_hand });
    }
    this.base = base;
    this.doubts = doubts;
    this.doubtCount = count;
    Object.assign(this.data, { examples, states });
    this.showRegions(regions);
    for (const cut of this.cuts.list) cut.id = cuts[cut.place] ?? 0;
    this.say("");
    this.changed();
    this.firstNumbers(numbers, unit, few);
    this.awaitNumbers();
    this.doubt?.changed();
    this.extremes?.changed();
  }

  // Shows the numbers that the server sends at once after a correction.
  firstNumbers(numbers, unit, few) {
    for (const box of document.querySelectorAll(".sentence [data-number], .shares [data-number]")) this.put(box, numbers[box.dataset.number]);
    for (const line of document.querySelectorAll(".shares li")) {
      const share = numbers[line.querySelector("[data-number]").dataset.number];
      if (share) line.querySelector(".fraction rect[fill]").setAttribute("width", `${share}%`);
    }
    for (const each of document.querySelectorAll("[data-length-unit]")) if (unit) each.textContent = unit;
    const things = document.querySelector(".sentence [data-things]");
    if (things && numbers.n_kept) things.textContent = numbers.n_kept === "1" ? this.facts.thing : this.facts.things;
    const list = document.querySelector("[data-few]");
    if (list && few.length) list.textContent = few.join(", ");
  }

  // Writes a number, and marks it as new if it is known already.
  put(box, words) {
    box.classList.toggle("fresh", words !== undefined);
    if (words !== undefined) box.textContent = words && `${box.dataset.prefix ?? ""}${words}${box.dataset.suffix ?? ""}`;
  }

  // Makes old numbers grey, and requests the new ones once no correction has come for IDLE_MS ms.
  awaitNumbers() {
    this.updateGrey();
    this.showCount();
    if (!this.unfinished) return;
    for (const link of document.querySelectorAll("a[download][href*='/files/']")) link.dataset.further = "";
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.fetchNumbers(), IDLE_MS);
  }

  updateGrey() {
    const { stale, unfinished } = this;
    keepHeight(document.querySelector(".answer"), stale); // so that the picture below does not move
    const { classList } = document.querySelector(".result-page");
    classList.toggle("stale", stale);
    classList.toggle("unfinished", unfinished);
    this.histogram?.stale(unfinished);
  }

  // Shows how many corrections are in effect.
  showCount() {
    const words = document.querySelector("[data-standing-words]");
    if (words && this.editor?.sender) words.textContent = this.editor.words || words.dataset.none;
  }

  // Waits until a worker has measured the present corrections, then shows all numbers. A correction made meanwhile ends
  // this: another call waits for its numbers.
  async fetchNumbers() {
    const { base } = this;
    for (;;) {
      if (this.base !== base || this.waitsToSend) return null;
      const answer = await json(`${this.facts.state}?shown=${this.numbersStep}`, { cache: "no-store" }).catch(() => null);
      if (answer?.error) {
        this.failed = base;
        return this.say(answer.error);
      }
      if (answer?.measured && answer.step >= base) break;
      if (answer?.parts && answer.numbers === base && this.base === base && !this.waitsToSend) this.showFirstParts(answer);
      await pause(answer ? RETRY_MS : 10 * RETRY_MS);
    }
    const [page, data] = await Promise.all([fetchPage(location.pathname), json(section.dataset.outlines, { cache: "no-store" })]).catch(() => []);
    if (this.base !== base || this.waitsToSend) return null;
    const step = Number(page?.getElementById("viewer")?.dataset.step);
    if (step !== base) return page && this.fetchNumbers(); // somebody else corrects, too
    if (Boolean(page.getElementById("histogram")) !== Boolean(chart) || Boolean(page.getElementById("table")) !== Boolean(listing)) return this.reload();
    return this.showMeasured(page, data, step);
  }

  // Shows the first numbers with their intervals; the others are still measured, and the files written.
  showFirstParts({ numbers, parts }) {
    swapSome(document, parts);
    this.numbersStep = numbers;
    this.updateGrey();
  }

  // Shows a newly measured state: the parts of its page, and its data.
  showMeasured(page, data, step) {
    this.take(data, step, this.data.regions);
    swapParts(document, page);
    this.histogram?.renew(chart.dataset.bars);
    this.shapes?.offer(data.shapes);
    this.colour();
    this.changed();
    this.awaitNumbers();
    this.doubt?.changed();
    this.extremes?.changed();
  }

  // ---- looking and selecting ---------------------------------------------------------------------

  // An object in one sentence: its class, the sizes that this kind of analysis measures, and whether it counts.
  sentence(object) {
    const { min_feret: least, area, confidence } = object;
    const length = (words, key) => `${words} ${this.valueText(object, key)} ${this.data.length_unit}`;
    const values = Number.isFinite(least) ? [length("minimum Feret", "min_feret"), length("ECD", "ecd")] : [];
    const sizeHead = listing?.querySelector("th[data-own]"); // a size that only this kind of analysis has
    if (sizeHead && Number.isFinite(object[sizeHead.dataset.key])) values.unshift(length(sizeHead.dataset.own, sizeHead.dataset.key));
    if (!values.length && Number.isFinite(area)) values.push(`${length("area", "area")}²`);
    if (Number.isFinite(confidence)) values.push(`confidence ${this.valueText(object, "confidence")}`);
    if (object.byHand) values.push("checked by hand");
    if (object.pieces > 1) values.push(`in ${object.pieces} pieces`);
    const description = [object.class, ...values].filter(Boolean).join(", ");
    const thing = this.facts.thing.replace(/^./, (letter) => letter.toUpperCase());
    const meaning = () => this.chips?.chips.find((chip) => chip.dataset.state === object.reason)?.title ?? "";
    return `${thing} ${object.id}: ${description}; ${object.kept ? (object.cut ? "counted, has no size: cut by the edge" : "counted") : `left out: ${object.reason}. ${meaning()}`}`;
  }

  // Shows in the line below the picture: a message, what is selected, or the object under the pointer.
  describe() {
    const [first] = this.selected;
    const object = (this.pointed && this.objects.get(this.pointed.id)) ?? (this.selected.size === 1 ? this.objects.get(first) : null);
    const several = this.selected.size > 1 ? `${this.selected.size} ${this.facts.things} are selected.` : "";
    const words = this.message || several || (object ? this.sentence(object) : this.defaultText);
    this.readout.textContent = words;
    this.readout.classList.toggle("told", words !== this.defaultText);
    const hint = section.querySelector("[data-tool-hint]");
    if (hint) hint.textContent = this.editor?.panel.hint ?? "";
  }

  say(sentence) {
    this.message = sentence;
    this.describe();
  }

  select(ids, { centre = false } = {}) {
    this.selected = new Set(ids);
    const particles = ids.map((id) => this.objects.get(id)).filter(Boolean);
    this.drawing.select(particles, centre);
    this.list?.select(particles.length === 1 ? particles[0] : null);
    this.message = "";
    this.editor?.panel.selected();
    this.describe();
  }

  look(particle) {
    this.select([particle.id], { centre: true });
    this.canvas.scrollIntoView({ block: "nearest" });
  }

  // Connects pointer and keys on the picture.
  wirePointer() {
    const { canvas, drawing } = this;
    drawing.listeners = {
      hover: (particle) => {
        drawing.point(particle);
        canvas.classList.toggle("over", particle !== null);
        this.pointed = particle;
        this.histogram?.pointTo(particle);
        this.describe();
      },
      tap: (particle) => this.select(particle ? [particle.id] : []),
      numbers: (written, inView) => {
        const note = written < inView ? `${written} of ${inView} numbers have room here: zoom in for the others.` : this.hint;
        if (note === this.defaultText) return;
        this.defaultText = note;
        this.describe();
      },
    };
    this.hint = this.defaultText;
    canvas.addEventListener("keydown", (event) => event.key === "Escape" && !this.editor?.isOpen && this.select([]));
    canvas.addEventListener("dblclick", (event) => this.editor?.isOpen || drawing.viewport.zoom(2, drawing.viewport.place(event)));
  }

  toggle(layer) {
    section.querySelector(`[data-layer="${layer}"]`)?.click();
  }

  // Elements with data-lights mean outlines, by their reason or by their ids. These are highlighted while the element
  // is pointed at; a click chooses them.
  wireLights() {
    const { drawing } = this;
    const isMeantBy = (link) => {
      const { lights: reason, ids = "" } = link.dataset;
      const meant = new Set(ids.split(",").filter(Boolean).map(Number));
      return (particle) => meant.has(particle.id) || (reason !== "" && particle.reason === reason);
    };
    const listen = (event, act) => document.addEventListener(event, ({ target }) => {
      const link = target.closest?.("[data-lights]");
      if (link) act(link);
    });
    for (const event of ["pointerover", "focusin"]) listen(event, (link) => drawing.light(isMeantBy(link)));
    for (const event of ["pointerout", "focusout"]) listen(event, () => drawing.light(null));
    listen("click", (link) => {
      const { lights: reason } = link.dataset;
      this.choose(isMeantBy(link), reason ? `what is left out: ${reason}` : "what the warning means");
      this.canvas.scrollIntoView({ block: "nearest" });
    });
  }

  showRegions(regions) {
    this.data.regions = regions;
    this.drawing.ignore(regions);
  }

  // Shows only some objects. isChosen(object): which; words: the choice in words.
  choose(isChosen, words) {
    this.unchoose();
    this.narrow({ isChosen, words });
  }

  unchoose() {
    this.histogram?.pick(null);
    this.shapes?.all();
    this.narrow({ isChosen: null, words: "" });
  }

  // Changes what picture and table show; objects that are no longer shown are no longer selected.
  narrow(change) {
    const { hidden, isChosen, words } = Object.assign(this.choice, change);
    const isShown = particleFilter({ hidden, isChosen });
    if ([...this.selected].some((id) => !isShown(this.objects.get(id)))) this.select([]);
    if (this.doubt?.current && !isShown(this.objects.get(this.doubt.current.id))) this.doubt.leave();
    this.drawing.show(hidden, isChosen);
    this.list?.show(isShown);
    const only = section.querySelector("[data-chosen]");
    only.hidden = isChosen === null;
    only.querySelector("span").textContent = `Only ${words}.`;
  }

  // ---- correcting --------------------------------------------------------------------------------

  // Loads the editor on the first call. Returns it, or null if it cannot be loaded.
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

  wireCorrecting() {
    const button = section.querySelector("[data-correct]");
    if (!button) return;
    for (const soon of [button, section.querySelector("[data-doubt]")]) {
      for (const event of ["pointerenter", "focusin"]) soon?.addEventListener(event, () => this.correct(), { once: true });
    }
    const toggle = async (on) => (await this.correct())?.toggle(on);
    button.addEventListener("click", () => toggle());
    if (location.hash === "#correct") toggle(true);
    else if ("unmeasured" in section.dataset || hasUnsent(this.facts.job)) this.correct(); // to show corrections that are not measured, or not sent
  }

  // ---- another scale, other settings -------------------------------------------------------------

  wireForms() {
    // Downloads and forms use the picture as it is seen: waiting corrections are stored first, and before a form is
    // sent they are measured, too.
    for (const event of ["click", "submit"]) {
      document.addEventListener(event, (happened) => {
        const { target } = happened;
        const takes = event === "submit" || target.closest?.("a[download], #downloads [id]:not(#get-more)");
        const isForm = event === "submit";
        if (!takes || !this.editor || (this.editor.settled && !(isForm && this.awaitsNumbers))) return;
        happened.preventDefault();
        happened.stopImmediatePropagation();
        const stored = this.editor.stored("This follows when all corrections are saved.");
        stored.then(() => isForm && this.untilMeasured()).then(() => (isForm ? target.requestSubmit(happened.submitter) : target.click()));
      }, true);
    }
    document.addEventListener("submit", (event) => {
      const { target: form } = event;
      const width = form.elements.width?.value ?? "";
      if (!form.action.endsWith("/width/") && !form.action.includes("/width/#")) return;
      if (ambiguous(width) || !lengthOf(width)) return; // the server says what is wrong
      event.preventDefault();
      this.rescale(form);
    });
  }

  // Sends a form with another width, and opens the page of the version that this makes.
  async rescale(form) {
    document.querySelector(".result-page").classList.add("stale");
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) }).catch(() => null);
    if (answer?.redirected && new URL(answer.url).pathname !== location.pathname) return this.openVersion(answer.url.split("#")[0]);
    return HTMLFormElement.prototype.submit.call(form); // the page that answers says what is wrong, or asks
  }

  // Opens the page of a new version as soon as it is measured, with the same part of the picture in view.
  async openVersion(address) {
    for (;;) {
      const answer = await fetch(`${address}status/`, { headers: { "HX-Request": "true" }, cache: "no-store" }).catch(() => null);
      if (answer?.headers.has("HX-Refresh")) break;
      await pause(RETRY_MS);
    }
    this.keepPlace(address);
    location.assign(address); // Back leads to the version before
  }

  // Reloads the page, with the same part of the picture in view.
  reload() {
    this.keepPlace(location.pathname);
    location.reload();
  }

  keepPlace(address) {
    const { viewport } = this.drawing;
    const tools = this.editor?.isOpen ? this.editor.name : "";
    const state = { address: new URL(address, location).pathname, view: viewport.fitted ? null : viewport.view, tools };
    sessionStorage.setItem(NEXT_PAGE_KEY, JSON.stringify(state));
  }

  // Restores the view and the tools that keepPlace stored.
  restorePlace() {
    const state = JSON.parse(sessionStorage.getItem(NEXT_PAGE_KEY) ?? "null");
    sessionStorage.removeItem(NEXT_PAGE_KEY);
    if (state?.address !== location.pathname) return;
    const { viewport } = this.drawing;
    if (state.view) Object.assign(viewport, { view: state.view, fitted: false });
    if (!state.tools) return;
    this.correct().then((editor) => {
      editor?.toggle(true);
      editor?.use(state.tools);
    });
  }
}

// The full-screen button: the stage with its tools, and the strip of questions, fill the screen, or the window if the
// browser refuses (iPhones).
function fullScreen() {
  const button = section.querySelector("[data-fullscreen]");
  const show = (on) => {
    section.classList.toggle("whole", on);
    button.setAttribute("aria-pressed", String(on));
  };
  button.addEventListener("click", () => {
    const on = !section.classList.contains("whole");
    show(on);
    if (on) section.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) document.exitFullscreen();
  });
  document.addEventListener("fullscreenchange", () => document.fullscreenElement || show(false));
  section.addEventListener("keydown", (event) => event.key === "Escape" && show(false));
}

async function begin() {
  const data = await json(section.dataset.outlines);
  for (const part of document.querySelectorAll("[data-viewer], [data-chips]")) part.hidden = false;
  const page = new ResultPage(data);
  const { drawing, canvas } = page;
  connectSliders(section.querySelector("[data-display]"), () => drawing.draw());
  hideWhileHeld(canvas, (on) => drawing.hide(on));
  fullScreen();
  drawing.load(section.dataset.image);
  page.start();
  await drawing.loaded;
  page.restorePlace();
}

// A page from the browser's cache is reloaded: its numbers may be older than the corrections.
addEventListener("pageshow", ({ persisted }) => persisted && section.querySelector("[data-tools]") && location.reload());

if (section.dataset.image && section.dataset.outlines) begin().catch(() => section.append(element("p", { className: "notice" }, FAILED)));
