// The editor of a result's outlines: opened by the page when somebody presses Correct.

import { Calls, PAGE } from "./calls.js";
import { counterparts, meanwhile, paired, renamed, wordsOf } from "./history.js";
import { listen } from "./keys.js";
import { PossibleCuts } from "./cuts.js";
import { union } from "./labels.js";
import { loaded, standing } from "./objects.js";
import { Panel } from "./panel.js";
import { Sender } from "./sending.js";
import { Stage } from "./stage.js";
import { TOOLS, TOUCH } from "./tools.js";

const RADIUS = { first: 6, least: 0.5, most: 500 }; // px of the upload
const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#8dd3c7", "#a6761d", "#b3de69"];
const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

export class Editor {
  // section: the viewer, with the addresses; data: its outlines; dialog: the editor's.
  constructor(section, data, dialog) {
    Object.assign(this, { section, data, dialog, facts: dialog.dataset });
    this.automatic = new Map(data.particles.map((each) => [each.id, each]));
    this.objects = new Map();
    this.selected = new Set();
    this.history = []; // operations that stand, the last one last
    this.undone = []; // operations that can be done again
    this.turn = Promise.resolve();
    this.radius = RADIUS.first;
    this.ground = !this.semantic;
    this.redrawing = false;
    this.panel = new Panel(this);
    this.worker = new Calls(this.facts.worker, (share) => this.panel.loaded(share));
    const canvas = dialog.querySelector("canvas");
    const paintLabels = (view) => this.worker.call("paint", view);
    const heard = Object.fromEntries(["press", "drag", "release", "cancel", "hover"].map((name) => [name, (...values) => this.ready && this.tool[name]?.(...values)]));
    this.stage = new Stage(canvas, { ...data, tiles: section.dataset.tiles, paintLabels, heard });
    Object.assign(this.stage.layers, { outlines: !this.semantic, colours: this.semantic });
    this.cuts = new PossibleCuts(this);
    this.tools = Object.fromEntries(Object.entries(TOOLS).map(([name, Tool]) => [name, new Tool(this)]));
    listen(this);
    this.use(this.semantic ? "brush" : "select");
  }

  get semantic() {
    return "semantic" in this.facts;
  }

  // What merging and splitting have to know where boundaries lie between the objects.
  get boundary() {
    return "bounded" in this.facts ? { boundary: true } : {};
  }

  get size() {
    return this.facts.size;
  }

  get several() {
    return this.panel.one("[data-several]").checked;
  }

  // ---- opening ----------------------------------------------------------------------------------

  async open() {
    this.stage.picture.load(this.section.dataset.image).then(() => this.stage.draw());
    await this.load();
    this.sender = new Sender({
      ...{ address: this.facts.edits, token: this.facts.token, base: this.base },
      heard: {
        state: (...values) => this.panel.saving(...values),
        token: () => this.token(),
        differs: () => this.again([], ""),
        conflict: (answer, unsent) => this.again(unsent, meanwhile(answer.edits, this.facts)),
        refused: (sentence, unsent) => this.refused(sentence, unsent),
      },
    });
    this.ready = this.stage.ready = true;
    this.panel.opened();
    this.stage.changed();
  }

  // What stands on the server now; once more where somebody corrects while it comes.
  async load(tries = 3) {
    try {
      await this.loadNow();
    } catch (error) {
      if (tries <= 1) throw error;
      await this.load(tries - 1);
    }
  }

  async loadNow() {
    const colours = (this.semantic ? this.data.particles.map((each) => each.colour) : COLOURS).map(rgb);
    const { classes, maps, base, operations, objects } = await loaded(this.worker, { ...this, colours });
    Object.assign(this, { classes, maps, base, objects, history: operations, undone: [] });
    this.changed([]);
  }

  // ---- corrections ------------------------------------------------------------------------------

  // Make one correction; returns the ids that it left, or null where it is impossible.
  run(operation, { select = false } = {}) {
    return this.next(async () => {
      const made = await this.perform(operation);
      if (made && select) this.select([operation.id ?? Math.max(...made)]);
      return made;
    });
  }

  // One after another, whatever is pressed meanwhile.
  next(work) {
    this.turn = this.turn.then(work).catch((error) => {
      this.say(error.message);
      return null;
    });
    return this.turn;
  }

  // here: not by the server, which may be waiting for this one.
  async perform(operation, { again = false, here = false } = {}) {
    const local = await this.worker.call("correct", { operation });
    const answer = local ?? (here ? null : await this.remotely(operation));
    if (!answer) return null;
    if (local) this.sender.push(operation, local.check);
    this.history.push(operation);
    if (!again) this.undone = [];
    this.say("");
    this.changed(answer.changed);
    return answer.changed.filter((each) => each.data).map((each) => each.id);
  }

  async remotely(operation) {
    this.panel.busy(true);
    const reply = await this.sender.remote(operation).finally(() => this.panel.busy(false));
    if (!reply) return null;
    const [{ changed }] = await this.worker.call("follow", { patches: reply.patches });
    return { changed };
  }

  undo() {
    return this.next(async () => {
      if (!this.history.length) return this.say("There is nothing to undo.");
      const back = await this.worker.call("back");
      const operation = this.history.at(-1);
      const changed = back ? back.changed : await this.undoRemotely(operation);
      if (!changed) return null;
      if (back) this.sender.push({ op: "undo" }, back.check, operation);
      this.history.pop();
      this.undone.push({ operation, made: changed.filter((each) => !each.data).map((each) => each.id) });
      this.changed(changed);
      return this.say(`Undone: ${wordsOf(operation)}.`);
    });
  }

  async undoRemotely(operation) {
    const reply = await this.sender.remote({ op: "undo" }, operation);
    return reply && (await this.worker.call("retrace", { patches: reply.patches })).changed;
  }

  redo() {
    return this.next(async () => {
      const last = this.undone.pop();
      if (!last) return this.say("There is nothing to do again.");
      const before = new Set(this.objects.keys());
      const changed = (await this.perform(last.operation, { again: true })) ?? [];
      const ids = counterparts(last.made, changed.filter((id) => !before.has(id)));
      this.undone = this.undone.map((each) => ({ ...each, operation: renamed(each.operation, ids) }));
      return changed;
    });
  }

  changed(changes) {
    for (const change of changes) {
      const now = standing(change, this);
      if (now) this.objects.set(change.id, now);
      else this.objects.delete(change.id);
    }
    const left = [...this.selected].filter((id) => this.objects.has(id));
    if (left.length < this.selected.size) this.select(left);
    this.stage.changed();
    this.panel.changed();
    this.cuts.refresh();
  }

  // ---- when the server knows better -------------------------------------------------------------

  // Load what stands, and make what was not stored once more.
  again(unsent, sentence) {
    return this.next(async () => {
      const { wanted, refused } = paired([...unsent, ...this.sender.waiting.splice(0)]);
      await this.load().catch((error) => {
        this.sender.waiting.unshift(...wanted.filter((each) => !each.answered)); // nothing is lost by that
        throw error;
      });
      this.sender.base = this.base;
      const lost = [];
      for (const { operation, answered } of wanted) {
        const made = answered ? null : await this.perform(operation, { here: true }).catch(() => null);
        if (!made) lost.push(wordsOf(operation));
      }
      const mine = wanted.length - lost.length;
      const sentences = [sentence, mine && sentence ? `${mine === 1 ? "The one of this window was" : "Those of this window were"} made after that.` : ""];
      if (lost.length) sentences.push(`Not possible any more: ${lost.join(", ")}.`);
      if (refused.length) {
        sentences.push(`Not undone: ${refused.join(", ")}, because other corrections came after that.`);
        this.say("");
      }
      this.panel.notice(sentences.filter(Boolean).join(" "));
    });
  }

  async refused(sentence, unsent) {
    const [first, ...rest] = unsent;
    if (!first.answered || rest.length) await this.again(rest, "");
    this.say(sentence.replace(/^Operation \d+: /, ""));
  }

  // Of the page as it is now: another one since somebody signed in again.
  async token() {
    const answer = await fetch(location.href, { headers: PAGE, cache: "no-store" }).catch(() => null);
    const page = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    return page?.getElementById("editor")?.content.firstElementChild.dataset.token;
  }

  // ---- choosing ---------------------------------------------------------------------------------

  at([x, y]) {
    return this.worker.call("at", { x, y });
  }

  within(shape) {
    return this.worker.call("within", shape);
  }

  select(ids, add = false) {
    if (this.semantic) return this.panel.pick(ids);
    const chosen = new Set(add ? this.selected : []);
    for (const id of ids) {
      if (add && ids.length === 1 && chosen.has(id)) chosen.delete(id);
      else chosen.add(id);
    }
    this.selected = chosen;
    this.light([]);
    return this.panel.selected();
  }

  // What stands out while somebody chooses.
  light(ids) {
    this.worker.call("show", { selected: [...this.selected], lit: ids });
    this.stage.changed();
  }

  reveal(...ids) {
    const box = ids.map((id) => this.objects.get(id)?.box).reduce((all, one) => union(all, one), null);
    if (box) this.stage.reveal(box);
  }

  // The next object by its number, or the one before.
  step(by) {
    const order = [...this.objects.keys()].sort((a, b) => a - b);
    const [current] = this.selected;
    const at = order.indexOf(current);
    const id = order[(at + by + order.length) % order.length] ?? order[0];
    if (id === undefined) return;
    this.select([id]);
    this.reveal(id);
  }

  // Where brush and outline go: into the one that is chosen, or a new object.
  target() {
    if (this.semantic) return this.panel.classTarget();
    if (this.selected.size === 1) return { id: [...this.selected][0] };
    return this.classes.length > 1 ? { class: this.panel.className } : {};
  }

  // ---- actions ----------------------------------------------------------------------------------

  // A key pressed right after a click means what was clicked.
  async act(name) {
    await this.gesture;
    const ids = [...this.selected];
    if (name === "right" && this.panel.review.heeds(ids)) return null;
    if (!ids.length && name !== "undo" && name !== "redo") return this.say(this.semantic ? "" : "Select an object first.");
    const actions = {
      delete: () => this.run({ op: "delete", ids }).then(() => this.panel.review.after(ids)),
      merge: () => this.run({ op: "merge", ids, ...this.boundary }, { select: false }).then((made) => made && this.select(made)),
      right: () => this.right(ids).then(() => this.panel.review.after(ids)),
      count: () => this.count(ids).then(() => this.panel.review.after(ids)),
      smooth: () => this.run({ op: "smooth", ids }),
      fill: () => this.run({ op: "fill", ids }),
      redraw: () => this.redraw(ids),
      alike: () => this.panel.chooser.like(),
      undo: () => this.undo(),
      redo: () => this.redo(),
    };
    return actions[name]();
  }

  // What counts is right; what is set aside stays so, and what was checked by hand is not corrected once more.
  async right(ids) {
    const counted = ids.filter((id) => this.objects.get(id)?.kept);
    if (!counted.length) return this.say(TOUCH ? "This is left out." : "This is left out: K makes it count.");
    const left = counted.filter((id) => !this.objects.get(id).byHand);
    return left.length ? this.run({ op: "reviewed", ids: left }) : this.say("You have checked this already.");
  }

  async count(ids) {
    const aside = ids.filter((id) => !this.objects.get(id)?.kept);
    return aside.length ? this.run({ op: "restore", ids: aside }) : this.say("This counts already.");
  }

  async setAside(reason) {
    await this.gesture;
    const ids = [...this.selected];
    return this.run({ op: "set_aside", ids, reason }).then(() => this.panel.review.after(ids));
  }

  reclass(name) {
    return this.run({ op: "class", ids: [...this.selected], class: name });
  }

  redraw(ids) {
    if (ids.length !== 1) return this.say("Select one object, then draw it anew.");
    this.use("draw");
    this.redrawing = true;
    return this.say(`Draw around object ${ids[0]}: the new outline takes the place of the old one.`);
  }

  use(name) {
    this.tool?.left();
    this.redrawing = false;
    this.name = name;
    this.tool = this.tools[name];
    this.stage.preview = (context, scale) => this.tool.preview(context, scale);
    this.panel.used(name);
    this.stage.draw();
  }

  widen(factor) {
    this.radius = Math.min(RADIUS.most, Math.max(RADIUS.least, Math[factor > 1 ? "ceil" : "floor"](this.radius * factor * 2) / 2));
    this.panel.radius();
    this.stage.draw();
  }

  say(sentence) {
    this.panel.say(sentence);
    return null;
  }

  // Start the revision that measures what stands; its page follows.
  async finish() {
    if (this.finishing) return;
    this.finishing = true;
    await this.stored("The outlines are measured once all corrections are saved.");
    await this.measure();
    this.finishing = this.leaving;
  }

  // The image before or after this one in its sample, in the editor; its page is open behind it.
  async visit(side) {
    const address = this.facts[side];
    if (!address) return address === undefined ? null : this.say(`This is the ${side === "after" ? "last" : "first"} image of the sample.`);
    if (this.finishing) return null;
    this.finishing = true;
    await this.stored("The other image opens when all corrections are saved.");
    const answer = await fetch(`${address}status/`, { headers: PAGE }).catch(() => null);
    this.finishing = this.leaving = Boolean(answer?.ok);
    return this.leaving ? location.replace(`${address}#correct`) : this.say("The other image cannot be reached now.");
  }

  // Once all is saved; somebody else's corrections may come in between.
  async stored(sentence) {
    await this.turn;
    while (this.sender && !this.sender.settled) {
      this.say(sentence);
      await new Promise((resolve) => (this.panel.whenSaved = resolve));
      await this.turn;
    }
  }

  measure() {
    return this.next(async () => {
      if (!this.history.length) return this.say("Nothing was corrected yet.");
      const headers = { ...PAGE, "X-CSRFToken": this.facts.token, "Content-Type": "application/json" };
      const answer = await fetch(this.facts.revisions, { method: "POST", headers, body: JSON.stringify({ edits: true }) });
      const content = await answer.json().catch(() => ({}));
      if (!answer.ok) return this.say(content.error ?? `The server answered ${answer.status}.`);
      this.leaving = true;
      return location.replace(content.page); // the editor's entry of the history is that of the new page
    });
  }

  // The browser's way back closes the editor first; so Close goes back, too.
  close() {
    history.back();
  }

  closed() {
    if (this.sender && !this.sender.settled && !confirm("Some corrections are not saved yet. Leave them?")) return history.pushState({ editor: true }, "");
    this.leaving = true;
    return location.reload();
  }

  escape() {
    if (this.panel.helpIsOpen) return this.panel.help();
    this.use(this.name);
    return this.select([]);
  }
}

export async function open(section, data, template) {
  const dialog = template.content.firstElementChild.cloneNode(true);
  const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: dialog.dataset.sheet });
  const styled = new Promise((resolve) => (sheet.onload = sheet.onerror = resolve));
  document.head.append(sheet);
  await styled;
  document.body.append(dialog);
  dialog.showModal();
  const editor = new Editor(section, data, dialog);
  if (!history.state?.editor) history.pushState({ editor: true }, "");
  globalThis.addEventListener("popstate", () => editor.closed());
  try {
    await editor.open();
  } catch (error) {
    editor.panel.broken(error.message);
  }
  return editor;
}
