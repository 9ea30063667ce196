// The page of a result: one picture, one state. The server says every number. After a correction it answers at once with
// the outlines that changed and the first numbers; all others stay, grey, until it has measured the same state.

import { Histogram } from "./chart.js";
import { Cuts, listed } from "./cuts.js";
import { bareWhileHeld, sliders } from "./display.js";
import { element, pause } from "./dom.js";
import { Doubt } from "./doubt.js";
import { json } from "./editor/calls.js";
import { hasUnsent } from "./editor/waiting.js";
import { fetched, fit, swap, swapSome } from "./parts.js";
import { Chips, shownBy } from "./viewer-choice.js";
import { chooseColours, chooseShape } from "./viewer-colours.js";
import { Drawing, tools } from "./viewer-drawing.js";
import { ParticleList } from "./viewer-table.js";
import { ambiguous, lengthOf } from "./width.js";

const section = document.getElementById("viewer");
const listing = document.getElementById("table"); // not where nothing was found, or the image is of another kind
const chart = document.getElementById("histogram"); // not of a few particles
const AGAIN = 100; // ms between two questions whether a state is measured
const REST = 50; // ms without a correction, after which the state is measured
const NEXT = "deepsegm-next"; // where a version goes on as the page before it was left
const FAILED = "The zoomable image could not be loaded. Reload the page; the figure and the size file are not affected.";

class ResultPage {
  constructor(data) {
    this.section = section;
    this.facts = { ...section.dataset, ...section.querySelector("[data-tools]")?.dataset };
    this.cuts = new Cuts([]);
    this.selected = new Set();
    this.choice = { hidden: new Set(), stands: null, words: "" }; // see shownBy; words: what was chosen
    this.editor = null;
    this.take(data, Number(section.dataset.step), JSON.parse(section.dataset.regions));
    this.readout = section.querySelector("[data-readout]");
    this.quiet = this.readout.textContent;
    this.told = ""; // what went wrong, or what to do next
    this.failed = null; // the correction after which nothing could be measured
    this.canvas = section.querySelector("canvas");
    this.drawing = new Drawing(this.canvas, data, section.dataset.tiles);
    this.drawing.ignore(this.data.regions);
  }

  // What the server has measured after so many corrections.
  take(data, step, regions) {
    this.data = { ...data, step, regions };
    this.objects = new Map(data.particles.map((each, place) => [each.id, Object.assign(each, { place, byHand: each.by_hand })]));
    this.cuts.list = listed(data.cuts);
    this.doubts = data.doubts;
    this.doubtCount = data.doubt_count;
    this.base = step; // the correction after which the picture stands
    this.numbersStep = step; // and the one after which the numbers do
  }

  // A number of an object in words: one that a correction changed brings its own.
  said({ cells, place }, key) {
    return (cells ? cells[key] : this.data.cells[key]?.[place]) || "–";
  }

  // Everything that shows the objects.
  start() {
    this.histogram = chart && new Histogram(chart, (stands, words) => this.narrow({ stands, words }), (stands) => this.drawing.light(stands));
    this.list = listing && new ParticleList(listing, this, (particle) => this.look(particle));
    this.chips = listing && new Chips(listing, (hidden) => this.narrow({ hidden }));
    this.shapes = listing && chooseShape(listing, this.data.shapes, (...chosen) => this.choose(...chosen));
    this.colour = chooseColours(section, this.drawing, () => this.data, (key, of) => this.histogram?.colour(key, of));
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

  // Whether the numbers at the sentence are not those of what is seen.
  get stale() {
    return this.unfinished && (this.base !== this.numbersStep || this.waitsToSend);
  }

  // Whether all else that is measured, and the files, are not those of what is seen.
  get unfinished() {
    return this.base !== this.data.step || this.waitsToSend;
  }

  get waitsToSend() {
    return Boolean(this.editor?.sender?.waiting.length);
  }

  // Whether they are not, but will be.
  get unsaid() {
    return this.unfinished && this.failed !== this.base;
  }

  async fresh() {
    while (this.unsaid) {
      this.say("This follows when the numbers are those of what is seen.");
      await pause(AGAIN);
    }
    this.say("");
  }

  // The objects are others, or how they stand.
  changed() {
    this.drawn();
    this.select([...this.selected].filter((id) => this.objects.has(id)));
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      const particles = [...this.objects.values()];
      this.list?.replace(particles);
      this.chips?.count(this.data.states);
    });
  }

  // The outlines are others.
  drawn() {
    this.drawing.take([...this.objects.values()]);
    this.drawing.select([...this.selected].map((id) => this.objects.get(id)).filter(Boolean));
  }

  // What the server answers to corrections, of which the last one has the number `base`.
  stand({ rows, states, numbers, unit, few, cuts, doubts, doubt_count: count, examples }, base) {
    for (const row of rows) {
      if (row.gone) this.objects.delete(row.id);
      else this.objects.set(row.id, { ...row, byHand: row.by_hand });
    }
    this.base = base;
    this.doubts = doubts;
    this.doubtCount = count;
    Object.assign(this.data, { examples, states });
    for (const cut of this.cuts.list) cut.id = cuts[cut.place] ?? 0;
    this.say("");
    this.changed();
    this.firstNumbers(numbers, unit, few);
    this.waits();
    this.doubt?.changed();
    this.extremes?.changed();
  }

  // The numbers that follow at once.
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

  // A number that is known stands out among those that are still measured.
  put(box, words) {
    box.classList.toggle("fresh", words !== undefined);
    if (words !== undefined) box.textContent = words && `${box.dataset.prefix ?? ""}${words}${box.dataset.suffix ?? ""}`;
  }

  // What is not measured yet is grey; it is measured once the hand rests.
  waits() {
    this.greys();
    this.stands();
    if (!this.unfinished) return;
    for (const link of document.querySelectorAll("a[download][href*='/files/']")) link.dataset.further = "";
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.measured(), REST);
  }

  greys() {
    const { stale, unfinished } = this;
    fit(document.querySelector(".answer"), stale); // the picture stays where it is
    const { classList } = document.querySelector(".result-page");
    classList.toggle("stale", stale);
    classList.toggle("unfinished", unfinished);
    this.histogram?.stale(unfinished);
  }

  // How many corrections there are.
  stands() {
    const words = document.querySelector("[data-standing-words]");
    if (words && this.editor?.sender) words.textContent = this.editor.words || words.dataset.none;
  }

  // All numbers of what is seen, once a worker has measured it; whoever corrects meanwhile gets those of the next state.
  async measured() {
    const { base } = this;
    for (;;) {
      if (this.base !== base || this.waitsToSend) return null;
      const answer = await json(`${this.facts.state}?shown=${this.numbersStep}`, { cache: "no-store" }).catch(() => null);
      if (answer?.error) {
        this.failed = base;
        return this.say(answer.error);
      }
      if (answer?.measured && answer.step >= base) break;
      if (answer?.parts && answer.numbers === base && this.base === base && !this.waitsToSend) this.numbersArrived(answer);
      await pause(answer ? AGAIN : 10 * AGAIN);
    }
    const [page, data] = await Promise.all([fetched(location.pathname), json(section.dataset.outlines, { cache: "no-store" })]).catch(() => []);
    if (this.base !== base || this.waitsToSend) return null;
    const step = Number(page?.getElementById("viewer")?.dataset.step);
    if (step !== base) return page && this.measured(); // somebody else corrects, too
    if (Boolean(page.getElementById("histogram")) !== Boolean(chart) || Boolean(page.getElementById("table")) !== Boolean(listing)) return this.reload();
    return this.arrived(page, data, step);
  }

  // The sentence with its intervals, while how the objects lie to each other is measured and files are written.
  numbersArrived({ numbers, parts }) {
    swapSome(document, parts);
    this.numbersStep = numbers;
    this.greys();
  }

  arrived(page, data, step) {
    this.take(data, step, this.data.regions);
    swap(document, page);
    this.histogram?.renew(chart.dataset.bars);
    this.shapes?.offer(data.shapes);
    this.colour();
    this.changed();
    this.waits();
    this.doubt?.changed();
    this.extremes?.changed();
  }

  // ---- looking and selecting --------------------------------------------------------------------

  // In the words of the kind of analysis, of what it measured: sizes of particles, the class and area of a region.
  sentence(object) {
    const { min_feret: least, area, confidence } = object;
    const length = (words, key) => `${words} ${this.said(object, key)} ${this.data.length_unit}`;
    const facts = Number.isFinite(least) ? [length("minimum Feret", "min_feret"), length("ECD", "ecd")] : [];
    const sizeHead = listing?.querySelector("th[data-own]"); // the size of a kind of analysis that others do not have
    if (sizeHead && Number.isFinite(object[sizeHead.dataset.key])) facts.unshift(length(sizeHead.dataset.own, sizeHead.dataset.key));
    if (!facts.length && Number.isFinite(area)) facts.push(`${length("area", "area")}²`);
    if (Number.isFinite(confidence)) facts.push(`confidence ${this.said(object, "confidence")}`);
    if (object.byHand) facts.push("checked by hand");
    if (object.pieces > 1) facts.push(`in ${object.pieces} pieces`);
    const description = [object.class, ...facts].filter(Boolean).join(", ");
    const thing = this.facts.thing.replace(/^./, (letter) => letter.toUpperCase());
    const meaning = () => this.chips?.chips.find((chip) => chip.dataset.state === object.reason)?.title ?? "";
    return `${thing} ${object.id}: ${description}; ${object.kept ? (object.cut ? "counted, has no size: cut by the edge" : "counted") : `left out: ${object.reason}. ${meaning()}`}`;
  }

  describe() {
    const [first] = this.selected;
    const object = (this.pointed && this.objects.get(this.pointed.id)) ?? (this.selected.size === 1 ? this.objects.get(first) : null);
    const several = this.selected.size > 1 ? `${this.selected.size} ${this.facts.things} are selected.` : "";
    const words = this.told || several || (object ? this.sentence(object) : this.quiet);
    this.readout.textContent = words;
    this.readout.classList.toggle("told", words !== this.quiet);
    const hint = section.querySelector("[data-tool-hint]");
    if (hint) hint.textContent = this.editor?.panel.hint ?? "";
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
    const standing = (link) => {
      const { lights: reason, ids = "" } = link.dataset;
      const meant = new Set(ids.split(",").filter(Boolean).map(Number));
      return (particle) => meant.has(particle.id) || (reason !== "" && particle.reason === reason);
    };
    const heard = (event, act) => document.addEventListener(event, ({ target }) => {
      const link = target.closest?.("[data-lights]");
      if (link) act(link);
    });
    for (const event of ["pointerover", "focusin"]) heard(event, (link) => drawing.light(standing(link)));
    for (const event of ["pointerout", "focusout"]) heard(event, () => drawing.light(null));
    heard("click", (link) => {
      const { lights: reason } = link.dataset;
      this.choose(standing(link), reason ? `what is left out: ${reason}` : "what the warning means");
      section.scrollIntoView({ block: "nearest" });
    });
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
    this.shapes?.all();
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
    else if ("unmeasured" in section.dataset || hasUnsent(this.facts.job)) this.correct(); // what is stored, or waits here
  }

  // ---- another scale, other settings ------------------------------------------------------------

  measuring() {
    // Whatever is downloaded or sent is what is seen: what waits is stored first, and before a form it is measured.
    for (const event of ["click", "submit"]) {
      document.addEventListener(event, (happened) => {
        const { target } = happened;
        const takes = event === "submit" || target.closest?.("a[download], #downloads [id]:not(#get-more)");
        const isForm = event === "submit";
        if (!takes || !this.editor || (this.editor.settled && !(isForm && this.unsaid))) return;
        happened.preventDefault();
        happened.stopImmediatePropagation();
        const stored = this.editor.stored("This follows when all corrections are saved.");
        stored.then(() => isForm && this.fresh()).then(() => (isForm ? target.requestSubmit(happened.submitter) : target.click()));
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

  // The same outlines with another scale, on the page of that version.
  async rescale(form) {
    document.querySelector(".result-page").classList.add("stale");
    const answer = await fetch(form.action, { method: "POST", body: new FormData(form) }).catch(() => null);
    if (answer?.redirected && new URL(answer.url).pathname !== location.pathname) return this.arrive(answer.url.split("#")[0]);
    return HTMLFormElement.prototype.submit.call(form); // its page says what is wrong, or asks
  }

  // A version that measures what is seen: its page once it is there, looking at the same place.
  async arrive(address) {
    for (;;) {
      const answer = await fetch(`${address}status/`, { headers: { "HX-Request": "true" }, cache: "no-store" }).catch(() => null);
      if (answer?.headers.has("HX-Refresh")) break;
      await pause(AGAIN);
    }
    this.keepPlace(address);
    location.assign(address); // Back leads to the version before
  }

  // The page anew, where it has other parts now.
  reload() {
    this.keepPlace(location.pathname);
    location.reload();
  }

  keepPlace(address) {
    const { viewport } = this.drawing;
    const tools = this.editor?.isOpen ? this.editor.name : "";
    const state = { address: new URL(address, location).pathname, view: viewport.fitted ? null : viewport.view, tools };
    sessionStorage.setItem(NEXT, JSON.stringify(state));
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
