// The keyboard shortcuts of the editor.

import { takesKeys } from "../dom.js";
import { modified } from "../viewport.js";

const TOOLS = { v: "select", l: "lasso", b: "brush", e: "eraser", d: "draw", s: "split", j: "join", o: "circle", a: "add", w: "ignore" };
const ACTIONS = { delete: "aside", backspace: "aside", m: "merge", f: "fill", g: "smooth", r: "redraw", enter: "right", k: "count", i: "alike" };
const REPEATING_KEYS = /^(arrow.*|[[\]zy+=\- ])$/i; // keys that repeat while they are held down; others act once, so that no correction is made twice by accident
const BRUSH_FACTOR = 1.25; // factor by which the brush gets wider
// Controls that need no keys after a click: the focus goes back to the picture.
const CLICK_CONTROLS = "button:not([data-keys]), label.choice, input[type=range]";

export function listen(editor) {
  const { drawing, panel } = editor;
  document.addEventListener("keydown", (event) => pressed(event, editor), true);
  document.addEventListener("keyup", ({ key }) => key === " " && pan(drawing, false));
  panel.bar.addEventListener("click", ({ detail, target }) => detail && target.closest(CLICK_CONTROLS) && drawing.canvas.focus({ preventScroll: true }));
  globalThis.addEventListener("beforeunload", (event) => !editor.settled && event.preventDefault());
}

function pan(drawing, on) {
  drawing.viewport.grabbing = on;
  drawing.canvas.classList.toggle("panning", on);
}

// Keys act while the tools are open and nothing else on the page has the focus; undo and redo act always.
function pressed(event, editor) {
  const { target } = event;
  const control = event.ctrlKey || event.metaKey;
  if (!(editor.isOpen || control) || takesKeys(target)) return;
  if (event.key === "Escape" && editor.page.section.querySelector("details.display[open]")) return; // page.js closes it
  if (!control && target !== document.body && !editor.page.section.contains(target) && !target.closest("#table")) return;
  const act = control ? actionWithControl(event, editor) : actionOf(event, editor);
  if (!act) return;
  event.preventDefault();
  event.stopPropagation();
  if (!event.repeat || REPEATING_KEYS.test(event.key)) act();
}

function actionWithControl({ key, altKey, shiftKey }, editor) {
  if (altKey) return null;
  return { z: () => (shiftKey ? editor.redo() : editor.undo()), y: () => editor.redo() }[key.toLowerCase()];
}

// The function that a key calls, or nothing. Space, Enter and arrows belong to a control that has the focus; Enter in
// the table acts on the selected object.
function actionOf(event, editor) {
  if (modified(event)) return null;
  const { panel, drawing, page } = editor;
  const { viewport } = drawing;
  const key = event.key.toLowerCase();
  const onPicture = event.target === drawing.canvas || event.target === document.body;
  const [chosen] = editor.selected;
  const inTable = key === "enter" && event.target.closest("tr[data-id]")?.dataset.id === String(chosen);
  if (!onPicture && !inTable && (/^(arrow|page)/.test(key) || ((key === " " || key === "enter") && event.target.closest("button, summary, a, input, [tabindex]")))) return null;
  const tool = key === "a" && panel.offers("area") ? "area" : TOOLS[key];
  if (tool) return panel.offers(tool) ? () => editor.use(tool) : null;
  if (/^[1-9]$/.test(key)) return editor.classes?.length >= Math.max(2, Number(key)) ? () => panel.chooseClass(Number(key) - 1) : null;
  if (ACTIONS[key]) return () => (editor.tool?.acts?.(ACTIONS[key]) || page.doubt?.answersByKey(ACTIONS[key]) ? null : editor.act(ACTIONS[key]));
  return {
    " ": () => pan(drawing, true),
    arrowleft: () => editor.step(-1),
    arrowup: () => editor.step(-1),
    arrowright: () => editor.step(1),
    arrowdown: () => editor.step(1),
    pageup: () => editor.visit("before"),
    pagedown: () => editor.visit("after"),
    x: () => page.toggle("outlines"),
    c: () => page.toggle("labels"),
    "[": () => editor.widen(1 / BRUSH_FACTOR),
    "]": () => editor.widen(BRUSH_FACTOR),
    "+": () => viewport.closer(),
    "=": () => viewport.closer(),
    "-": () => viewport.farther(),
    0: () => viewport.fit(),
    "?": () => panel.help(),
    escape: () => editor.escape(),
  }[key];
}
