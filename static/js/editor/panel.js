// The tool bar above the picture: tools, their options, actions on selected objects, and whether all corrections are
// saved.

import { button, element } from "../dom.js";
import { Chooser } from "./chooser.js";
import { operationWords } from "./history.js";
import { TOUCH, touchWords } from "./tools.js";

const SAVING_WORDS = {
  saved: "Saved",
  saving: "Saving …",
  denied: (waiting) => `Not saved: ${waiting} step${waiting === 1 ? "" : "s"}`,
  offline: (waiting) => `No connection: ${waiting} step${waiting === 1 ? "" : "s"} will follow`,
};

const NEED_SERVER = ["split", "join", "area", "add", "ignore"].map((tool) => `[data-tool="${tool}"]`).concat(["merge", "smooth", "fill", "redo"].map((act) => `[data-act="${act}"]`)).join();

export class Panel {
  constructor(editor) {
    this.editor = editor;
    this.root = editor.page.section;
    this.bar = this.one("[data-tools]");
    this.chooser = new Chooser(editor, this);
    this.press("[data-tool]", (button) => editor.use(button.dataset.tool));
    this.press("[data-act]", (button) => editor.act(button.dataset.act));
    this.press("[data-region-done]", () => editor.act("right"));
    this.press("[data-region-back], [data-region-count]", () => editor.act("aside"));
    this.press("[data-keys]", () => this.help());
    this.press("[data-dismiss]", () => this.notice(""));
    this.one("[data-reason]")?.addEventListener("keydown", (event) => event.key === "Enter" && editor.act("aside"));
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

  // ---- opening -----------------------------------------------------------------------------------

  started() {
    const { editor } = this;
    this.fillClasses();
    const add = this.one('[data-tool="add"]');
    if (add) add.hidden = !editor.maps.length;
    this.changed();
    this.saving("saved", 0);
    this.bar.classList.add("ready");
  }

  opened(on) {
    this.bar.hidden = !on;
    this.one("[data-correct]").setAttribute("aria-expanded", String(on));
    const { viewport } = this.editor.drawing;
    viewport.inset = on && getComputedStyle(this.bar).position === "absolute" ? 2 * this.bar.offsetLeft + this.bar.offsetWidth : 0;
    if (viewport.fitted) viewport.fit();
    if (on) this.editor.drawing.canvas.focus({ preventScroll: true });
    else delete this.editor.drawing.canvas.dataset.tool;
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

  // For classes of pixels: the class that the brush paints, by id if it has pixels already.
  classTarget() {
    const object = [...this.editor.objects.values()].find((each) => each.class === this.className);
    return object ? { id: object.id } : { class: this.className };
  }

  // Chooses the class of the clicked object to paint with.
  pick([id]) {
    const object = this.editor.objects.get(id);
    if (object) this.one("[data-class]").value = object.class;
  }

  chooseClass(place) {
    this.one("[data-class]").value = this.editor.classes[place];
    this.classChosen();
  }

  classChosen() {
    const { editor } = this;
    if (!editor.semantic && editor.selected.size) editor.run({ op: "class", ids: [...editor.selected], class: this.className });
  }

  // ---- after a correction ------------------------------------------------------------------------

  changed() {
    const { history, undone } = this.editor;
    this.one('[data-act="undo"]').disabled = !history.length;
    this.one('[data-act="redo"]').disabled = !undone.length;
    this.selected();
    this.timeline(history);
  }

  // Lists the corrections, the newest first, each with a button that undoes it and all later ones.
  timeline(history) {
    const list = document.querySelector("[data-steps]");
    const back = (i) => button("back to before this", () => this.editor.backTo(i), { className: "as-link" });
    list.replaceChildren(...history.map((operation, i) => element("li", {}, `${operationWords(operation, this.editor.facts)} `, back(i))).reverse());
  }

  // ---- what is selected --------------------------------------------------------------------------

  selected() {
    const { editor } = this;
    this.chooser.reset();
    const records = [...editor.selected].map((id) => editor.objects.get(id)).filter(Boolean);
    for (const button of this.bar.querySelectorAll("[data-needs]")) button.disabled = records.length < Number(button.dataset.needs) || (button.dataset.most && records.length > Number(button.dataset.most));
    const aside = records.some((each) => !each.kept);
    const [right, count] = ["right", "count"].map((act) => this.one(`[data-tools] [data-act="${act}"]`));
    if (!right) return;
    [right.hidden, count.hidden] = [aside, !aside];
    if (records.length === 1 && records[0].class && !editor.semantic) this.one("[data-class]").value = records[0].class;
  }

  // Leaves out, for the typed reason or the usual one.
  setAside(ids) {
    const { editor } = this;
    const { value, placeholder } = this.one("[data-reason]");
    const reason = (this.one("details:has([data-reason])").open && value.trim()) || placeholder;
    editor.drawing.canvas.focus(); // the keys belong to the picture again
    return editor.run({ op: "set_aside", ids, reason });
  }

  // ---- tools -------------------------------------------------------------------------------------

  used(name) {
    for (const button of this.root.querySelectorAll("button[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
    const brush = name === "brush" || name === "eraser";
    this.one("[data-brush]").hidden = !brush;
    this.one("[data-more]").hidden = name !== "select" && name !== "lasso";
    this.one("[data-over]").hidden = !["brush", "draw", "circle"].includes(name);
    this.editor.drawing.canvas.dataset.tool = name;
    this.editor.say("");
  }

  // Updates the buttons for an ignored region that is being drawn with `count` corners.
  corners(count) {
    this.one("[data-region-options]").hidden = !count; // it lies over the picture
    this.one("[data-region-done]").disabled = count < 3;
  }

  regionChosen(on) {
    this.one("[data-region-count]").hidden = !on;
  }

  // A hint how to use the present tool.
  get hint() {
    const { hint = "", tapHint } = this.one(`[data-tool="${this.editor.name}"]`)?.dataset ?? {};
    return this.editor.isOpen ? (TOUCH && tapHint) || touchWords(hint) : "";
  }

  radius() {
    for (const field of this.root.querySelectorAll("[data-radius]")) field.value = String(this.editor.radius);
    this.one("[data-radius-words]").textContent = `${2 * this.editor.radius} px`;
  }

  typedRadius(field) {
    this.editor.radius = Number(field.value);
    this.radius();
    this.editor.drawing.draw();
  }

  help() {
    const box = this.one("[data-help]");
    if (box.open) box.close();
    else box.showModal();
  }

  // ---- messages ----------------------------------------------------------------------------------

  notice(sentence) {
    const box = this.one("[data-notice]");
    box.hidden = !sentence;
    box.querySelector("span").textContent = sentence;
  }

  // Disables tools and actions that need the server while it does not answer.
  offline(on) {
    for (const button of this.root.querySelectorAll(NEED_SERVER)) {
      button.disabled = on;
      button.toggleAttribute("data-offline", on);
    }
    if (!on) this.selected();
  }

  saving(name, waiting, why) {
    const line = document.querySelector("[data-saved]");
    if (why) this.notice(`${why} What you corrected waits in this window and is sent when that is mended.`);
    else if (line.dataset.saved === "denied") this.notice("");
    if ((line.dataset.saved === "offline" || line.dataset.saved === "denied") !== (name === "offline" || name === "denied")) this.offline(name === "offline" || name === "denied");
    line.dataset.saved = name;
    const words = SAVING_WORDS[name];
    line.textContent = typeof words === "string" ? words : words(waiting);
    if (name === "saved") {
      this.whenSaved?.();
      this.whenSaved = null;
    }
  }
}
