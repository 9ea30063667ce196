// Everything of the editor beside the picture: numbers, histogram, what is chosen, review, table, and what is said.

import { draw } from "../chart-draw.js";
import { sliders } from "../display.js";
import { significant } from "../chart-scale.js";
import { ParticleList, shownLengths } from "../viewer-table.js";
import { binned, fractionsOf, numbersOf } from "./numbers.js";
import { Chooser, Review } from "./review.js";
import { TOUCH } from "./tools.js";

const share = (value) => (value === null ? "–" : `${significant(100 * value, 3)} %`);
const CHART = 150; // CSS pixels
const SAID = {
  saved: "Saved",
  saving: "Saving …",
  denied: (waiting) => `Not saved: ${waiting} correction${waiting === 1 ? "" : "s"}`,
  offline: (waiting) => `No connection: ${waiting} correction${waiting === 1 ? "" : "s"} will follow`,
};

export class Panel {
  constructor(editor) {
    this.editor = editor;
    this.root = editor.dialog;
    this.lengths = shownLengths(editor.data);
    this.share = share;
    this.review = new Review(editor, this);
    this.chooser = new Chooser(editor, this);
    this.press("[data-tool]", (button) => editor.use(button.dataset.tool));
    this.press("[data-act]", (button) => editor.act(button.dataset.act));
    this.press("[data-tab]", (button) => this.show(button.dataset.tab));
    this.press("[data-image]", (button) => editor.visit(button.dataset.image));
    this.press("[data-zoom]", (button) => this.zoom(button.dataset.zoom));
    this.press("[data-layer]", (box) => this.layer(box.dataset.layer, box.checked));
    sliders(this.one("[data-display]"), () => editor.stage.draw());
    this.press("[data-finish]", () => editor.finish());
    this.press("[data-close]", () => editor.close());
    this.press("[data-keys]", () => this.help());
    this.press("[data-set-aside]", () => this.setAside());
    this.press("[data-dismiss]", () => this.notice(""));
    this.one("[data-reason]")?.addEventListener("keydown", (event) => event.key === "Enter" && editor.selected.size && this.setAside());
    this.on("[data-radius]", "input", (field) => this.typedRadius(field));
    this.on("[data-ground]", "change", (field) => (editor.ground = field.checked));
    this.on("[data-class]", "change", (field) => this.classChosen(field));
    this.one("[data-ground]").checked = editor.ground;
    this.radius();
  }

  one(name) {
    return this.root.querySelector(name);
  }

  on(name, event, listener) {
    for (const each of this.root.querySelectorAll(name)) each.addEventListener(event, () => listener(each));
  }

  press(name, listener) {
    this.on(name, "click", listener);
  }

  offers(tool) {
    return this.one(`button[data-tool="${tool}"]:not([hidden])`) !== null;
  }

  // ---- opening ----------------------------------------------------------------------------------

  loaded(share) {
    this.say(share < 1 ? `Loading the outlines: ${Math.round(100 * share)} %` : "");
  }

  opened() {
    const { editor } = this;
    this.before = numbersOf(editor.automatic.values(), editor.size, editor.data.unit);
    this.fillClasses();
    const add = this.one('[data-tool="add"]');
    if (add) add.hidden = !editor.maps.length;
    if (!editor.semantic && editor.data.particles.length) this.table();
    this.edges();
    this.changed();
    this.selected();
    this.saving("saved", 0);
    this.root.classList.add("ready");
    editor.stage.canvas.focus();
  }

  broken(sentence) {
    this.notice(`The outlines could not be opened. ${sentence}`);
  }

  fillClasses() {
    const { classes, semantic } = this.editor;
    const box = this.one("[data-classes]");
    box.hidden = classes.length < 2;
    for (const field of this.root.querySelectorAll("[data-class]")) field.replaceChildren(...classes.map((name, place) => new Option(place < 9 && !TOUCH ? `${place + 1}: ${name}` : name, name)));
    this.one("[data-class-label]").textContent = semantic ? "Paint with" : "Class";
  }

  get className() {
    return this.one("[data-class]").value;
  }

  // Of classes of pixels the brush paints with one of them; it has an id once it has pixels.
  classTarget() {
    const { objects, classes } = this.editor;
    const number = classes.indexOf(this.className);
    const object = [...objects.values()].find((each) => each.place === number);
    return object ? { id: object.id } : { class: this.className };
  }

  // The class of what was clicked is painted with.
  pick([id]) {
    const object = this.editor.objects.get(id);
    if (object) this.one("[data-class]").value = this.editor.classes[object.place];
  }

  chooseClass(place) {
    this.one("[data-class]").value = this.editor.classes[place];
    this.classChosen();
  }

  classChosen() {
    const { editor } = this;
    if (!editor.semantic && editor.selected.size) editor.reclass(this.className);
  }

  // ---- numbers ----------------------------------------------------------------------------------

  changed() {
    if (!this.before) return;
    const { editor } = this;
    this.now = numbersOf(editor.objects.values(), editor.size, editor.data.unit);
    if (editor.semantic) this.fractions();
    else this.numbers();
    this.chart();
    this.review.changed();
    this.rows();
    this.one("[data-finish]").disabled = !editor.history.length;
    this.one('[data-act="undo"]').disabled = !editor.history.length;
    this.one('[data-act="redo"]').disabled = !editor.undone.length;
    if (editor.selected.size) this.selected();
  }

  numbers() {
    const { now, before } = this;
    const length = (value) => (value === null ? "–" : `${this.lengths.said({ size: value }, "size")} ${this.lengths.unit}`);
    this.number("kept", now.kept, before.kept, String);
    this.number("median", now.median, before.median, length);
    this.number("fraction", now.fraction, before.fraction, share);
    this.one('[data-number="fraction"]').hidden = now.fraction === null || !("screened" in this.editor.facts);
  }

  number(name, now, before, words) {
    const box = this.one(`[data-number="${name}"]`);
    box.querySelector("b").textContent = words(now);
    box.querySelector("[data-before]").textContent = words(now) === words(before) ? "" : `was ${words(before)}`;
  }

  fractions() {
    const { editor } = this;
    const { width, rows, particles } = editor.data;
    const now = fractionsOf([...editor.objects.values()].map(({ place, pixels }) => ({ place, area: pixels })), width * rows);
    this.first ??= now;
    this.one("[data-fractions]").replaceChildren(
      ...editor.classes.map((name, place) => {
        const row = document.createElement("div");
        const [title, value] = [document.createElement("dt"), document.createElement("dd")];
        title.textContent = name;
        const [is, was] = [now, this.first].map((each) => share(each.get(place) ?? 0));
        value.textContent = is === was ? is : `${is}, was ${was}`;
        value.style.setProperty("--swatch", particles[place]?.colour ?? "transparent");
        row.append(title, value);
        return row;
      }),
    );
  }

  // The bins of the page, so that both histograms show the same.
  async edges() {
    const bars = document.getElementById("histogram")?.dataset.bars;
    if (!bars || this.editor.semantic) return;
    const answer = await fetch(`${bars}?measure=${this.editor.size}&weighting=number&log=&all=&bins=`).catch(() => null);
    const content = answer?.ok ? await answer.json() : null;
    if (!content?.edges?.length) return;
    this.bins = content.edges;
    this.chart();
  }

  chart() {
    const svg = this.one("[data-chart]");
    const width = svg.parentElement.clientWidth;
    if (!this.bins || !width) return;
    svg.hidden = false;
    svg.removeAttribute("hidden");
    const { editor, lengths } = this;
    const { edges, heights } = binned(editor.objects.values(), editor.size, this.bins);
    const none = heights.map(() => 0);
    const factor = lengths.unit === "µm" ? 1000 : 1;
    svg.setAttribute("width", width);
    svg.setAttribute("height", CHART);
    draw(
      svg,
      {
        ...{ edges, heights, kept: heights, aside: none, cumulative: null, fit: null, fitted: 0, log: false, factor },
        line: editor.data.unit === "nm" && "screened" in editor.facts ? { at: 100, name: "100 nm" } : null,
        xTitle: `${editor.facts.sizeTitle}, ${lengths.unit}`,
        yTitle: "Number",
        asShare: false,
        labels: heights.map(String),
        chosen: -1,
      },
      width,
      CHART,
    );
  }

  // ---- what is chosen ---------------------------------------------------------------------------

  selected() {
    const { editor } = this;
    this.chooser.left();
    const ids = [...editor.selected];
    const records = ids.map((id) => editor.objects.get(id)).filter(Boolean);
    for (const line of this.root.querySelectorAll("[data-chosen]")) line.textContent = this.wordsOf(records);
    for (const button of this.root.querySelectorAll("[data-needs]")) button.disabled = records.length < Number(button.dataset.needs) || (button.dataset.most && records.length > Number(button.dataset.most));
    const aside = records.some((each) => !each.kept);
    for (const button of this.root.querySelectorAll('[data-act="count"]')) button.hidden = !aside;
    for (const button of this.root.querySelectorAll('[data-page="object"] [data-act="right"]')) button.hidden = aside;
    if (records.length === 1 && records[0].class && !editor.semantic) this.one("[data-class]").value = records[0].class;
    this.list?.select(records.length === 1 ? records[0] : null);
    if (records.length === 1 && !editor.semantic) this.inPieces(ids[0]);
  }

  async inPieces(id) {
    const count = await this.editor.worker.call("pieces", { id });
    if (count < 2 || this.editor.selected.size !== 1 || !this.editor.selected.has(id)) return;
    for (const line of this.root.querySelectorAll("[data-chosen]")) line.textContent = `${this.wordsOf([this.editor.objects.get(id)])}; in ${count} pieces`;
  }

  wordsOf(records) {
    const { thing, things } = this.editor.facts;
    if (!records.length) return `No ${thing} is selected.`;
    if (records.length > 1) return `${records.length} ${things} are selected.`;
    const [one] = records;
    const size = this.editor.size;
    const facts = [one.class, Number.isFinite(one[size]) ? `${this.lengths.said(one, size)} ${this.lengths.unit}` : "", Number.isFinite(one.confidence) ? `confidence ${one.confidence.toFixed(2)}` : "", one.byHand ? "checked by hand" : ""];
    return `${thing} ${one.id}: ${facts.filter(Boolean).join(", ")}; ${one.kept ? "counts" : `left out: ${one.reason}`}`.replace(/^./, (letter) => letter.toUpperCase());
  }

  setAside() {
    const field = this.one("[data-reason]");
    this.editor.stage.canvas.focus(); // the keys belong to the picture again
    return this.editor.setAside(field.value.trim() || field.placeholder);
  }

  // ---- table ------------------------------------------------------------------------------------

  table() {
    const section = this.one('[data-page="table"]');
    this.list = new ParticleList(section, this.editor.data, (record) => {
      this.editor.select([record.id]);
      this.editor.reveal(record.id);
    });
  }

  rows() {
    if (!this.list || this.tab !== "table") return;
    this.list.replace([...this.editor.objects.values()]);
  }

  show(tab) {
    const came = tab === "review" && this.tab !== tab;
    this.tab = tab;
    for (const button of this.root.querySelectorAll("[data-tab]")) button.setAttribute("aria-selected", String(button.dataset.tab === tab));
    for (const page of this.root.querySelectorAll("[data-page]")) page.hidden = page.dataset.page !== tab;
    if (tab === "choose") this.chooser.fill();
    else this.editor.light([]);
    this.rows();
    if (came && this.review.current) this.review.show();
    else if (came) this.review.go();
  }

  // ---- tools ------------------------------------------------------------------------------------

  used(name) {
    for (const button of this.root.querySelectorAll("button[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    const brush = name === "brush" || name === "eraser";
    this.one("[data-brush]").hidden = !brush;
    this.one("[data-more]").hidden = name !== "select" && name !== "lasso";
    this.one("[data-over]").hidden = !["brush", "draw", "circle"].includes(name);
    this.one("canvas").dataset.tool = name;
    this.say("");
  }

  radius() {
    for (const field of this.root.querySelectorAll("[data-radius]")) field.value = String(this.editor.radius);
    this.one("[data-radius-words]").textContent = `${2 * this.editor.radius} px`;
  }

  typedRadius(field) {
    this.editor.radius = Number(field.value);
    this.radius();
    this.editor.stage.draw();
  }

  layer(name, on) {
    this.editor.stage.layers[name] = on;
    this.editor.stage.changed();
  }

  toggle(name) {
    const box = this.one(`[data-layer="${name}"]`);
    if (!box) return;
    box.checked = !box.checked;
    this.layer(name, box.checked);
  }

  zoom(way) {
    const { viewport } = this.editor.stage;
    ({ in: () => viewport.closer(), out: () => viewport.farther(), fit: () => viewport.fit() })[way]();
  }

  get helpIsOpen() {
    return !this.one("[data-help]").hidden;
  }

  help() {
    const box = this.one("[data-help]");
    box.hidden = !box.hidden;
    if (!box.hidden) box.focus();
    else this.editor.stage.canvas.focus();
  }

  // ---- what is said -----------------------------------------------------------------------------

  // What went wrong or what to do next; without a sentence the hint of the tool.
  say(sentence) {
    const line = this.one("[data-said]");
    const { hint = "", tapHint = hint } = this.one(`[data-tool="${this.editor.name}"]`)?.dataset ?? {};
    line.textContent = sentence || (TOUCH ? tapHint : hint);
    line.classList.toggle("told", Boolean(sentence));
  }

  notice(sentence) {
    const box = this.one("[data-notice]");
    box.hidden = !sentence;
    box.querySelector("span").textContent = sentence;
  }

  saving(name, waiting, why) {
    const line = this.one("[data-saved]");
    if (why) this.notice(`${why} What you corrected waits in this window and is sent when that is mended.`);
    else if (line.dataset.saved === "denied") this.notice("");
    line.dataset.saved = name;
    const words = SAID[name];
    line.textContent = typeof words === "string" ? words : words(waiting);
    if (name === "saved") {
      this.whenSaved?.();
      this.whenSaved = null;
    }
  }

  busy(on) {
    this.root.toggleAttribute("aria-busy", on);
  }
}
