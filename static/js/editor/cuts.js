// The possible cuts in the editor: a click with Split accepts one, a button all that are shown.

import { Cuts, control, cutWords } from "../cuts.js";

export class PossibleCuts {
  constructor(editor) {
    this.editor = editor;
    this.every = editor.data.cuts;
    this.cuts = new Cuts(this.every);
    this.box = editor.dialog.querySelector("[data-cuts]");
    if (!this.box || !this.every.length) return;
    this.show = control(this.box, this.cuts, () => editor.stage.draw());
    this.box.querySelector("[data-cuts-all]").addEventListener("click", () => this.all());
    editor.stage.overlay = (context, scale) => this.cuts.paint(context, scale);
  }

  // After a correction: the objects that each line divides now. What is cut is no longer shown.
  async refresh() {
    if (!this.show) return;
    const ids = await this.ids(this.every);
    this.cuts.list = this.every.map((cut, i) => ({ ...cut, id: ids[i] })).filter((cut) => cut.id);
    this.cuts.pointed = null;
    this.show();
  }

  ids(some) {
    return this.editor.worker.call("divided", { sides: some.map((cut) => cut.sides) });
  }

  near([x, y]) {
    return this.cuts.near({ x, y }, this.editor.stage.scale);
  }

  // The line under the pointer stands out and says its chance.
  hover(point) {
    const cut = point ? this.near(point) : null;
    if (cut === this.cuts.pointed) return;
    this.cuts.pointed = cut;
    this.editor.say(cut ? `${cutWords(cut, this.editor.facts.thing)}. Click it to cut.` : "");
    this.editor.stage.draw();
  }

  // Whether a tap meant a line.
  async tapped(point) {
    const cut = this.near(point);
    if (cut) await this.make(this.cuts.chain(cut));
    return cut !== null;
  }

  all() {
    return this.make(this.cuts.shown);
  }

  // Each is a correction of its own, which can be undone.
  async make(some) {
    let made = 0;
    for (const cut of some) {
      const [id] = await this.ids([cut]);
      if (id && (await this.editor.run({ op: "split", id, line: pairs(cut.line) }))) made += 1;
      if (some.length > 1) this.editor.say(`${made} of ${some.length} cuts made.`);
    }
    return made;
  }
}

const pairs = (line) => Array.from({ length: line.length / 2 }, (_, i) => line.slice(2 * i, 2 * i + 2));
