// The strip of doubt: outlines that may be wrong and cuts that may be right in one queue, in the order of the server: those
// first that would probably move the numbers most. A tick takes the program's outline, or makes the cut; a cross leaves
// out, or leaves as it is.

import { takesKeys } from "./dom.js";
import { modified } from "./viewport.js";

const AROUND = 8; // typical widths that are seen around what is asked about, at least
const LARGEST = 0.25; // of the stage
const LEAST = 24; // CSS pixels that it is large, so that it can be judged
const CLOSEST = 6; // CSS pixels for one of the image
const WRONG = "wrong outline";
const ANSWERS = { y: true, n: false }; // keys
const keyOf = ({ id, cut }) => (cut ? `cut ${cut.place}` : `outline ${id}`);

export class Doubt {
  // page: the result's; box: the strip.
  constructor(page, box) {
    Object.assign(this, { page, box, current: null });
    this.skippedKeys = new Set(); // of what was gone by
    this.refused = new Set(); // places of cuts that are none
    this.answered = []; // { asked, before, after }: what was answered, and how many corrections stood before and after it
    for (const [name, act] of Object.entries({ go: (event) => this.go(event), right: () => this.answer(true), wrong: () => this.answer(false), all: () => this.cutAllLikely(), undo: () => this.undo(), end: () => this.end() })) {
      this.part(name).addEventListener("click", act);
    }
    document.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("click", ({ detail }) => detail && page.canvas.focus({ preventScroll: true })); // Enter is Yes again
    page.drawing.overlay = () => page.cuts.paint(page.drawing);
    this.changed();
  }

  part(name) {
    return this.box.querySelector(`[data-doubt-${name}]`);
  }

  get cuts() {
    return this.page.cuts.list.filter(({ id, place }) => id && !this.refused.has(place));
  }

  // The objects are others, or the cuts: what is open now.
  changed() {
    const { doubts, objects } = this.page;
    const cuts = new Map(this.cuts.map((cut) => [cut.place, cut]));
    this.queue = doubts
      .filter(({ id, cut }) => objects.has(id) && (cut === null || cuts.has(cut)))
      .map((doubt) => ({ ...doubt, cut: doubt.cut === null ? undefined : cuts.get(doubt.cut) }));
    // An answer that was taken back is a question once more as soon as the server has taken it back, too.
    const { history = [], sender } = this.page.editor ?? {};
    if (this.answered.length && !sender?.waiting.length && history.length < this.answered.at(-1).after) return this.askAgain();
    this.part("count").textContent = this.queue.length ? `${Math.max(this.queue.length, this.page.doubtCount - this.refused.size)} to check` : "Nothing more to check";
    if (this.current && !this.queue.some((each) => keyOf(each) === keyOf(this.current))) this.go();
    else this.show();
    return null;
  }

  // What comes next: what was not gone by; after the last one from the beginning. After a click the keys belong to the
  // picture, after a key to the answers.
  go(event) {
    if (this.current) this.skippedKeys.add(keyOf(this.current));
    let next = this.queue.find((each) => !this.skippedKeys.has(keyOf(each)));
    if (!next && this.queue.length) {
      this.skippedKeys.clear();
      [next] = this.queue;
    }
    this.open(next ?? null, event);
  }

  open(next, event) {
    this.current = next;
    this.show();
    if (!next) return;
    if (event) (event.detail ? this.page.canvas : this.part("right")).focus({ preventScroll: true });
    this.page.select([next.id]);
    const { drawing, objects } = this.page;
    const withNeighbours = (size, stage) => Math.min((LARGEST * stage) / size, CLOSEST, Math.max(LEAST / size, stage / (AROUND * drawing.widest)));
    drawing.reveal([objects.get(next.id)], withNeighbours);
    this.box.scrollIntoView({ block: "nearest" }); // the answers under the picture
  }

  leave() {
    this.current = null;
    this.show();
  }

  end() {
    this.page.select([]);
    this.page.drawing.viewport.fit(); // as before the first question
    this.leave();
    this.part("go").focus();
  }

  show() {
    const { current, page } = this;
    this.box.hidden = !this.queue.length && !current && !this.answered.length;
    page.cuts.current = current?.cut ?? null;
    page.cuts.shown = page.editor?.isOpen && page.editor.name === "split" ? this.cuts : current ? this.queue.flatMap(({ cut }) => cut ?? []) : [];
    this.part("what").textContent = current ? this.words(current) : "";
    // It has its room from the start: the answers stay under the pointer.
    [this.part("undo").hidden, this.part("undo").disabled] = [!current && !this.answered.length, !this.answered.length];
    for (const name of ["right", "wrong", "end"]) this.part(name).hidden = !current;
    this.part("go").firstChild.textContent = current ? "Unsure " : "Check ";
    this.part("go").querySelector("kbd").hidden = !current;
    this.part("go").hidden = !this.queue.length;
    const likely = this.likely.length;
    const all = this.part("all");
    [all.hidden, all.textContent] = [!current || likely < 2, `Cut all ${likely} ${page.facts.likely}`];
    all.classList.toggle("unseen", !current?.cut); // its room is kept for the next cut
    page.drawing.draw();
  }

  get likely() {
    return this.queue.filter(({ likely }) => likely).map(({ cut }) => cut);
  }

  words({ id, cut, sure }) {
    const { thing, things } = this.page.facts;
    return cut ? `Do two ${things} touch in ${id}? Yes cuts it. The model is ${sure} sure.` : `Is the outline of ${thing} ${id} right? The model is ${sure} sure.`;
  }

  // ---- answers ----------------------------------------------------------------------------------

  async answer(yes) {
    const { current } = this;
    if (!current || this.waiting) return; // one press is one answer, also while the tools are still being loaded
    this.waiting = true;
    const editor = await this.page.correct().finally(() => (this.waiting = false));
    if (!editor) return;
    const ids = [current.id];
    const cuts = current.cut && yes ? editor.cuts.chain(current.cut) : [];
    const answer = { asked: current, before: editor.history.length, after: 0 };
    this.answered.push(answer);
    let made;
    if (!current.cut) made = editor.run(yes ? { op: "reviewed", ids } : { op: "set_aside", ids, reason: WRONG });
    else if (yes) made = editor.cut(cuts);
    else made = this.refuse(current, editor);
    answer.after = editor.history.length;
    // The next question need not wait for the server; the cuts at whose lines this one ends are made with it.
    const settled = new Set([current, ...cuts.map((cut) => ({ cut }))].map(keyOf));
    this.queue = this.queue.filter((each) => !settled.has(keyOf(each)));
    this.go();
    await made;
  }

  // Takes the last answer back; "left as it is" of one cut among several was no correction.
  async undo() {
    const { before, after } = this.answered.at(-1);
    const { editor } = this.page;
    if (after > before) await editor.backTo(before);
    else this.askAgain();
  }

  // An answer was taken back, here or by an undo of the editor: what was asked then is asked once more.
  async askAgain() {
    const { asked } = this.answered.pop();
    if (asked.cut) this.refused.delete(asked.cut.place);
    this.skippedKeys.delete(keyOf(asked));
    this.changed();
    this.open(this.queue.find((each) => keyOf(each) === keyOf(asked)) ?? this.queue[0] ?? null);
  }

  // Where none of its cuts is left somebody has said that it is one.
  refuse({ id, cut }, editor) {
    this.refused.add(cut.place);
    if (this.queue.some((each) => each.cut && each.id === id && !this.refused.has(each.cut.place))) return this.changed();
    return editor.run({ op: "reviewed", ids: [id] });
  }

  async cutAllLikely() {
    const { likely } = this;
    const editor = await this.page.correct();
    return editor?.cut(likely.flatMap((cut) => editor.cuts.chain(cut)));
  }

  // Enter and Delete answer what is asked, as long as it alone is selected. Returns whether they did.
  answersByKey(action) {
    const { selected } = this.page;
    if (!this.current || !this.part("right") || !(action === "right" || action === "delete") || selected.size !== 1 || !selected.has(this.current.id)) return false;
    this.answer(action === "right");
    return true;
  }

  key(event) {
    const { key, target } = event;
    if (event.defaultPrevented || modified(event) || this.box.hidden || takesKeys(target)) return;
    const letter = key.toLowerCase();
    if (letter === "u") this.go();
    if (letter in ANSWERS) this.answer(ANSWERS[letter]);
    const free = target === document.body || target === this.page.drawing.canvas;
    if (key === "Enter" && free) this.answersByKey("right");
    if ((key === "Delete" || key === "Backspace") && (free || this.box.contains(target))) this.answersByKey("delete");
    if (key === "Escape" && this.current && (free || this.box.contains(target))) this.end();
  }
}
