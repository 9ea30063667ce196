// Selects many objects at once: all with one reason, all up to a limit of a measure, or all similar to some.

import { PAGE, json } from "./calls.js";
import { button } from "../dom.js";

export class Chooser {
  constructor(editor, panel) {
    Object.assign(this, { editor, panel });
    panel.on("[data-below]", "change", () => this.limits());
    panel.on("[data-limit]", "input", () => this.light());
    panel.press("[data-take]", () => this.take());
    panel.on("[data-alike]", "input", () => this.alike());
    panel.on("[data-rule]", "toggle", (box) => (box.open ? this.fill() : editor.drawing.light(null)));
  }

  // Selects the objects that are similar to the selected ones; the slider sets how similar.
  async like() {
    const { editor } = this;
    const query = new URLSearchParams([...editor.selected].map((id) => ["ids", id]).concat([["alike", 0]]));
    await editor.stored("The outlines are compared once all corrections are saved.");
    const answer = await json(`${editor.facts.similar}?${query}`, { headers: PAGE }).catch((error) => editor.say(error.message));
    if (!answer) return;
    this.likeness = answer.ids.map((id, i) => [id, answer.alike[i]]);
    this.alike();
  }

  alike() {
    const { editor, panel, likeness } = this;
    const least = Number(panel.one("[data-alike]").value);
    panel.one("[data-alike-words]").textContent = `At least ${least} % alike`;
    editor.select(likeness.filter(([id, value]) => 100 * value >= least && editor.objects.has(id)).map(([id]) => id));
    this.likeness = likeness; // kept: selecting has just ended it, see reset
    panel.one("[data-alike-box]").hidden = false;
  }

  // Ends the choice by similarity, after another selection.
  reset() {
    this.likeness = null;
    const box = this.panel.one("[data-alike-box]");
    if (box) box.hidden = true;
  }

  // Fills the box: a button for each reason, and the measures that the objects have.
  fill() {
    const { editor, panel } = this;
    const aside = Object.entries(editor.page.data.states).filter(([reason]) => reason);
    const buttons = aside.map(([reason, count]) => button(`${reason} (${count})`, () => editor.select(this.ids((each) => each.reason === reason))));
    panel.one("[data-reasons]").replaceChildren(...buttons);
    for (const option of panel.one("[data-below]").options) option.hidden = option.disabled = !this.ranked(option.value).length;
    this.limits();
  }

  ids(holds) {
    return [...this.editor.objects.values()].filter(holds).map((each) => each.id);
  }

  // The counted objects that have the measure, the smallest first.
  ranked(measure) {
    return [...this.editor.objects.values()].filter((each) => each.kept && Number.isFinite(each[measure])).sort((a, b) => a[measure] - b[measure]);
  }

  get measure() {
    return this.panel.one("[data-below]").value;
  }

  // The largest object up to the limit, undefined for none. The slider is a rank, so that each step adds about as many.
  get last() {
    const ranked = this.ranked(this.measure);
    const share = Number(this.panel.one("[data-limit]").value) / 1000;
    return share === 0 ? undefined : ranked[Math.min(ranked.length - 1, Math.round(share * share * (ranked.length - 1)))];
  }

  get taken() {
    const { last, measure } = this;
    return last ? this.ranked(measure).filter((each) => each[measure] <= last[measure]).map(({ id }) => id) : [];
  }

  limits() {
    this.panel.one("[data-limit]").value = "0";
    this.light();
  }

  light() {
    const { last, measure, taken } = this;
    const { page, drawing } = this.editor;
    const hasUnit = measure !== "confidence" && measure !== "relative_contrast";
    const unit = hasUnit ? ` ${page.data.length_unit}${measure === "area" ? "²" : ""}` : "";
    this.panel.one("[data-limit-words]").textContent = last ? `${taken.length} up to ${page.valueText(last, measure)}${unit}` : "none";
    this.panel.one("[data-take]").disabled = !taken.length;
    const ids = new Set(taken);
    drawing.light(ids.size ? ({ id }) => ids.has(id) : null);
  }

  take() {
    this.editor.select(this.taken);
    this.panel.one("[data-rule]").open = false;
    this.editor.drawing.canvas.focus();
  }
}
