// Going through what is least certain, and choosing many objects at once.

import { alikeTo, reviewQueue } from "./numbers.js";
import { TOUCH } from "./tools.js";
import { significant } from "../chart-scale.js";

const MOST_ALONE = 200; // requests

export class Review {
  constructor(editor, panel) {
    Object.assign(this, { editor, panel, passed: new Set(), settled: new Set() });
    this.current = null; // { reason, ids } that is asked about
    panel.press("[data-review]", () => this.go());
  }

  get queue() {
    const { size, data, objects } = this.editor;
    return reviewQueue(objects.values(), this.open(objects), size, data.unit).filter(({ reason }) => !this.settled.has(reason));
  }

  // What still waits of what is asked about.
  get left() {
    const { objects } = this.editor;
    const waits = (one) => one && !one.byHand && one.reason === this.current.reason;
    return (this.current?.ids ?? []).filter((id) => waits(objects.get(id)));
  }

  // What waits for a look: no look changes the two reasons.
  open(objects) {
    const { frame, slip } = this.editor.facts;
    return [...objects.values()].filter((each) => !each.byHand && !each.cut && each.reason !== frame && each.reason !== slip);
  }

  get on() {
    return this.current !== null && this.panel.tab === "review";
  }

  // What comes next of the queue: what was not passed by.
  go() {
    if (this.editor.semantic) return;
    if (this.current) this.passed.add(keyOf(this.current));
    const { queue } = this;
    let next = queue.find((each) => !this.passed.has(keyOf(each)));
    if (!next && this.passed.size) {
      this.passed.clear(); // all were seen: once more from the beginning
      [next] = queue;
    }
    this.current = next ?? null;
    if (this.panel.tab === "review") this.show();
    else this.panel.show("review");
  }

  // The keys belong to the picture, whichever way somebody came.
  show() {
    this.editor.stage.canvas.focus();
    if (!this.current) return this.panel.say("Every object is reviewed.");
    const { reason } = this.current;
    const ids = this.left;
    if (!ids.length) return this.go();
    this.editor.select(ids);
    this.editor.reveal(...ids);
    if (reason) return this.panel.say(`Left out: ${reason} (${ids.length}). ${TOUCH ? "Leave them out?" : "Enter: leave them out. K: count them. N: next."}`);
    return this.panel.say(TOUCH ? "Is this outline right?" : "Enter: the outline is right. Delete: it is wrong. N: next.");
  }

  // Enter, or Right. Returns whether the review has done with it: what is set aside stays so.
  heeds(ids) {
    if (!this.on) return false;
    const chosen = ids.map((id) => this.editor.objects.get(id));
    if (chosen.some((one) => one?.kept && !one.byHand)) return false;
    if (this.current.reason && this.left.some((id) => ids.includes(id))) {
      this.settled.add(this.current.reason);
      this.go();
    } else this.show(); // nothing to decide about is chosen: back to what is asked about
    return true;
  }

  // Once all that is asked about is decided, the next one follows; a decision about other objects does not lead away.
  after(ids) {
    if (this.on && this.current.ids.some((id) => ids.includes(id)) && !this.left.length) this.go();
  }

  changed() {
    const counted = (objects) => this.open(objects).filter(({ kept }) => kept).length;
    this.of ??= counted(this.editor.automatic);
    const done = Math.max(0, this.of - counted(this.editor.objects));
    this.panel.one("[data-reviewed]").textContent = `${done} of ${this.of} reviewed or changed${this.moved()}.`;
    const bar = this.panel.one("[data-review-bar]");
    Object.assign(bar, { max: Math.max(1, this.of), value: done });
  }

  moved() {
    const { before, now, lengths } = this.panel;
    const size = (value) => `${significant(lengths.unit === "µm" ? value / 1000 : value, 3)}`;
    if (now.fraction !== null && "screened" in this.editor.facts) {
      const [from, to] = [this.panel.share(before.fraction), this.panel.share(now.fraction)];
      return from === to ? "" : `; the fraction from 1 to 100 nm has moved from ${from} to ${to}`;
    }
    if (now.median === null || before.median === null || size(now.median) === size(before.median)) return "";
    return `; the median has moved from ${size(before.median)} to ${size(now.median)} ${lengths.unit}`;
  }
}

const keyOf = ({ reason, ids: [first] }) => reason || first;

function button(words, heard) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: words });
  made.addEventListener("click", heard);
  return made;
}

export class Chooser {
  constructor(editor, panel) {
    Object.assign(this, { editor, panel });
    panel.on("[data-below]", "change", () => this.limits());
    panel.on("[data-limit]", "input", () => this.light());
    panel.press("[data-take]", () => this.take());
    panel.on("[data-alike]", "input", () => this.alike());
  }

  // All objects like those that are selected now; the slider says how alike.
  like() {
    this.seeds = [...this.editor.selected];
    this.alike();
  }

  alike() {
    const { editor, panel, seeds } = this;
    const least = Number(panel.one("[data-alike]").value);
    const ids = [...alikeTo(editor.objects.values(), seeds, editor.size)].filter(([, value]) => 100 * value >= least).map(([id]) => id);
    panel.one("[data-alike-words]").textContent = `At least ${least} % alike`;
    editor.select(ids);
    this.seeds = seeds; // which another choice ends
    panel.one("[data-alike-box]").hidden = false;
  }

  // Somebody chose something else.
  left() {
    this.seeds = null;
    const box = this.panel.one("[data-alike-box]");
    if (box) box.hidden = true;
  }

  // One button for each reason, one for what was deleted; the measures that the objects have.
  fill() {
    const { editor, panel } = this;
    const counts = new Map();
    for (const each of editor.objects.values()) if (!each.kept) counts.set(each.reason, (counts.get(each.reason) ?? 0) + 1);
    const buttons = [...counts].map(([reason, count]) => button(`${reason} (${count})`, () => editor.select(this.ids((each) => each.reason === reason))));
    const gone = [...editor.automatic.keys()].filter((id) => !editor.objects.has(id));
    if (gone.length) buttons.push(button(`bring back what is gone (${gone.length})`, () => this.restore(gone)));
    panel.one("[data-reasons]").replaceChildren(...buttons);
    for (const option of panel.one("[data-below]").options) option.hidden = option.disabled = !this.values(option.value).length;
    this.limits();
  }

  // Deleted objects come back where nothing else lies. Merged ones lie under what they became: then each is tried alone.
  async restore(gone) {
    const back = (await this.editor.run({ op: "restore", ids: gone })) ?? [];
    if (!back.length) for (const id of gone.slice(0, MOST_ALONE)) if (await this.editor.run({ op: "restore", ids: [id] })) back.push(id);
    this.editor.select(back);
    this.panel.say(`${back.length} of ${gone.length} came back${back.length < gone.length ? "; other objects lie where the others were" : ""}.`);
    this.fill();
  }

  ids(holds) {
    return [...this.editor.objects.values()].filter(holds).map((each) => each.id);
  }

  // Of what counts, in order: nothing else is taken.
  values(measure) {
    return [...this.editor.objects.values()].filter(({ kept }) => kept).map((each) => each[measure]).filter(Number.isFinite).sort((a, b) => a - b);
  }

  get measure() {
    return this.panel.one("[data-below]").value;
  }

  // The slider goes by rank, so that each step takes about as many objects.
  get limit() {
    const values = this.values(this.measure);
    const share = Number(this.panel.one("[data-limit]").value) / 1000;
    return share === 0 || !values.length ? -Infinity : values[Math.min(values.length - 1, Math.round(share * share * (values.length - 1)))];
  }

  get taken() {
    const [limit, measure] = [this.limit, this.measure];
    return this.ids((each) => each.kept && Number.isFinite(each[measure]) && each[measure] <= limit);
  }

  limits() {
    this.panel.one("[data-limit]").value = "0";
    this.light();
  }

  light() {
    const { limit, measure, taken } = this;
    const lengths = this.panel.lengths;
    const unit = `${lengths.unit}${measure === "area" ? "²" : ""}`;
    const value = measure === "confidence" || measure === "relative_contrast" ? significant(limit, 2) : `${lengths.said({ [measure]: limit }, measure)} ${unit}`;
    this.panel.one("[data-limit-words]").textContent = taken.length ? `${taken.length} up to ${value}` : "none";
    this.panel.one("[data-take]").disabled = !taken.length;
    if (this.panel.tab === "choose") this.editor.light(taken);
  }

  take() {
    this.editor.select(this.taken);
    this.panel.show("object");
  }
}
