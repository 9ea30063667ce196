// The strip that asks about doubts, one after the other: outlines that may be wrong and possible cuts that may be
// right. The server orders them: first those that would probably change the numbers most. Yes confirms the outline, or
// makes the cut; No leaves the outline out, or leaves it uncut.

import { takesKeys } from "./dom.js";
import { modified } from "./viewport.js";

const OBJECTS_AROUND = 8; // typical widths of objects that are seen around the object in question, at least
const MOST_STAGE_SHARE = 0.25; // share of the stage that the object takes at most
const LEAST_SIZE_PX = 24; // CSS pixels that the object is large at least, so that it can be judged
const MOST_ZOOM = 6; // CSS pixels per image pixel at most
const WRONG = "wrong outline"; // reason that is stored for an outline that is left out
const ANSWERS = { y: true, n: false }; // keys
const shownNumber = () => document.querySelector(".sentence [data-number=median]")?.textContent;
const keyOf = ({ id, cut }) => (cut ? `cut ${cut.place}` : `outline ${id}`);

export class Doubt {
  // page: a ResultPage (viewer.js); box: the element of the strip.
  constructor(page, box) {
    Object.assign(this, { page, box, current: null });
    this.skippedKeys = new Set(); // keys of questions that were skipped
    this.refused = new Set(); // places of cuts to which the answer was No
    this.medianBefore = shownNumber();
    this.answered = []; // { asked: the question, before, after: number of corrections in effect before and after the answer }
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

  // Objects or cuts have changed: makes the queue of open questions again.
  changed() {
    const { doubts, objects } = this.page;
    const cuts = new Map(this.cuts.map((cut) => [cut.place, cut]));
    this.queue = doubts
      .filter(({ id, cut }) => objects.has(id) && (cut === null || cuts.has(cut)))
      .map((doubt) => ({ ...doubt, cut: doubt.cut === null ? undefined : cuts.get(doubt.cut) }));
    // If an undo took back the last answer, its question is asked again, but only after the server has made the undo.
    const { history = [], sender } = this.page.editor ?? {};
    if (this.answered.length && !sender?.waiting.length && history.length < this.answered.at(-1).after) return this.askAgain();
    this.part("count").textContent = this.queue.length ? `${Math.max(this.queue.length, this.page.doubtCount - this.refused.size)} to check` : this.done;
    if (this.current && !this.queue.some((each) => keyOf(each) === keyOf(this.current))) this.go();
    else this.show();
    return null;
  }

  // What all answers together changed.
  get done() {
    const [count, before, now] = [this.answered.length, this.medianBefore, shownNumber()];
    if (!count) return "Nothing more to check";
    if (!before || !now) return `${count} checked`;
    const unit = document.querySelector(".sentence [data-length-unit]").textContent;
    return `${count} checked: the median ${before === now ? `is still ${now}` : `moved from ${before} to ${now}`} ${unit}`;
  }

  // Opens the next question that was not skipped; after the last one, the first again. After a click the focus goes to
  // the picture, after a key to the answers.
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
    const withNeighbours = (size, stage) => Math.min((MOST_STAGE_SHARE * stage) / size, MOST_ZOOM, Math.max(LEAST_SIZE_PX / size, stage / (OBJECTS_AROUND * drawing.widest)));
    drawing.reveal([objects.get(next.id)], withNeighbours);
    this.box.scrollIntoView({ block: "nearest" }); // the answers under the picture
  }

  leave() {
    this.current = null;
    this.show();
  }

  end() {
    this.page.select([]);
    this.page.drawing.viewport.fit(); // the whole image, as before the first question
    this.leave();
    this.part("go").focus();
  }

  show() {
    const { current, page } = this;
    this.box.hidden = !this.queue.length && !current && !this.answered.length;
    page.cuts.current = current?.cut ?? null;
    page.cuts.shown = page.editor?.isOpen && page.editor.name === "split" ? this.cuts : current ? this.queue.flatMap(({ cut }) => cut ?? []) : [];
    this.part("what").textContent = current ? this.words(current) : "";
    // Undo takes its room from the start, so that the other buttons do not move.
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

  // The question in words. sure: the probability in words.
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
    if (yes && !current.cut) this.page.drawing.settle(this.page.objects.get(current.id));
    let made;
    if (!current.cut) made = editor.run(yes ? { op: "reviewed", ids } : { op: "set_aside", ids, reason: WRONG });
    else if (yes) made = editor.cut(cuts);
    else made = this.refuse(current, editor);
    answer.after = editor.history.length;
    // The next question does not wait for the server. The cuts at whose lines this cut ends are made with it.
    const settled = new Set([current, ...cuts.map((cut) => ({ cut }))].map(keyOf));
    this.queue = this.queue.filter((each) => !settled.has(keyOf(each)));
    this.go();
    await made;
  }

  // Takes the last answer back. No to one of several cuts made no correction: then only the question is asked again.
  async undo() {
    const { before, after } = this.answered.at(-1);
    const { editor } = this.page;
    if (after > before) await editor.backTo(before);
    else this.askAgain();
  }

  // After an answer was taken back, here or in the editor: asks its question again.
  async askAgain() {
    const { asked } = this.answered.pop();
    if (asked.cut) this.refused.delete(asked.cut.place);
    this.skippedKeys.delete(keyOf(asked));
    this.changed();
    this.open(this.queue.find((each) => keyOf(each) === keyOf(asked)) ?? this.queue[0] ?? null);
  }

  // No to a cut. If that was the last possible cut of the object, its outline is confirmed.
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

  // Enter and Delete answer the question while only its object is selected. Returns whether they did.
  answersByKey(action) {
    const { selected } = this.page;
    if (!this.current || !this.part("right") || !(action === "right" || action === "aside") || selected.size !== 1 || !selected.has(this.current.id)) return false;
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
    if ((key === "Delete" || key === "Backspace") && (free || this.box.contains(target))) this.answersByKey("aside");
    if (key === "Escape" && this.current && (free || this.box.contains(target))) this.end();
  }
}
