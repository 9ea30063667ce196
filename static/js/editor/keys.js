// The keys of the editor, and what else its dialog hears.

import { modified } from "../viewport.js";

const TOOLS = { v: "select", l: "lasso", b: "brush", e: "eraser", d: "draw", s: "split", j: "join", o: "circle", a: "add" };
const ACTIONS = { delete: "delete", backspace: "delete", m: "merge", f: "fill", g: "smooth", r: "redraw", enter: "right", k: "count", i: "alike" };
const HELD = /^(arrow.*|[[\]zy+=\- ])$/i; // keys that act again while they are held down; another one by accident is no correction
const STEP = 1.25; // by which the brush widens
// What is pressed with the mouse and needs no further keys: they belong to the picture again.
const PRESSED = "button:not([role=tab], [data-keys]), label.choice, input[type=range]";

export function listen(editor) {
  const { dialog, stage } = editor;
  dialog.addEventListener("keydown", (event) => pressed(event, editor), true);
  dialog.addEventListener("keyup", ({ key }) => (key === " " ? pan(stage, false) : key.toLowerCase() === "h" && stage.hide(false)));
  globalThis.addEventListener("blur", () => stage.hide(false)); // the key may be let go elsewhere
  dialog.addEventListener("click", ({ detail, target }) => detail && target.closest(PRESSED) && stage.canvas.focus());
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  globalThis.addEventListener("beforeunload", (event) => editor.sender && !editor.sender.settled && !editor.leaving && event.preventDefault());
}

function pan(stage, on) {
  stage.viewport.grabbing = on;
  stage.canvas.classList.toggle("panning", on);
}

function pressed(event, editor) {
  if (event.target.closest("input:not([type=checkbox], [type=radio], [type=range]), select, textarea")) return;
  const act = event.ctrlKey || event.metaKey ? withControl(event, editor) : meant(event, editor);
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  if (!event.repeat || HELD.test(event.key)) act();
}

function withControl({ key, altKey, shiftKey }, editor) {
  if (altKey) return null;
  return { z: () => (shiftKey ? editor.redo() : editor.undo()), y: () => editor.redo() }[key.toLowerCase()];
}

// Space, Enter and arrows belong to a control that has the focus; Enter in the table is about the object that is chosen.
function meant(event, editor) {
  if (modified(event)) return null;
  const { panel, stage } = editor;
  const key = event.key.toLowerCase();
  const onPicture = event.target === stage.canvas || event.target === editor.dialog;
  const [chosen] = editor.selected;
  const inTable = key === "enter" && event.target.closest("tr[data-id]")?.dataset.id === String(chosen);
  if (!onPicture && !inTable && (/^(arrow|page)/.test(key) || ((key === " " || key === "enter") && event.target.closest("button, summary, a, input, [tabindex]")))) return null;
  const tool = key === "a" && panel.offers("area") ? "area" : TOOLS[key];
  if (tool) return panel.offers(tool) ? () => editor.use(tool) : null;
  if (/^[1-9]$/.test(key)) return editor.classes?.length >= Math.max(2, Number(key)) ? () => panel.chooseClass(Number(key) - 1) : null;
  if (ACTIONS[key]) return () => editor.act(ACTIONS[key]);
  return {
    " ": () => pan(stage, true),
    arrowleft: () => editor.step(-1),
    arrowup: () => editor.step(-1),
    arrowright: () => editor.step(1),
    arrowdown: () => editor.step(1),
    pageup: () => editor.visit("before"),
    pagedown: () => editor.visit("after"),
    n: () => panel.review.go(),
    h: () => stage.hide(true),
    x: () => panel.toggle("outlines"),
    c: () => panel.toggle("colours"),
    "[": () => editor.widen(1 / STEP),
    "]": () => editor.widen(STEP),
    "+": () => panel.zoom("in"),
    "=": () => panel.zoom("in"),
    "-": () => panel.zoom("out"),
    0: () => panel.zoom("fit"),
    "?": () => panel.help(),
    escape: () => editor.escape(),
  }[key];
}
