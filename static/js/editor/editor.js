// The corrections of a result's outlines: each is made here and stored at once. The page loads this when somebody is about
// to correct, or where corrections are stored that its numbers do not have yet.

import { Calls, PAGE, json } from "./calls.js";
import { afterRedo, countOf, meanwhile, paired, redoable, wordsOf } from "./history.js";
import { listen } from "./keys.js";
import { loaded, standing } from "./objects.js";
import { Panel } from "./panel.js";
import { Sender } from "./sending.js";
import { take, tokenOf } from "../token.js";
import { TOOLS, TOUCH } from "./tools.js";

const RADIUS = { first: 6, least: 0.5, most: 500 }; // px of the upload

export class Editor {
  // page: the result's, with its objects, its picture and what is selected.
  constructor(page) {
    Object.assign(this, { page, facts: page.facts, drawing: page.drawing, cuts: page.cuts });
    this.semantic = "semantic" in this.facts;
    // What merging and splitting have to know where boundaries lie between the objects.
    this.boundary = "bounded" in this.facts ? { boundary: true } : {};
    this.history = []; // operations that stand, the last one last
    this.undone = []; // operations that can be done again
    this.turn = Promise.resolve();
    this.underWay = 0; // what was pressed and is not made yet
    this.radius = RADIUS.first;
    this.ground = !this.semantic;
    this.redrawing = false;
    this.isOpen = false; // whether the tools are seen
    this.panel = new Panel(this);
    this.worker = new Calls(this.facts.worker, (share) => this.say(share < 1 ? `Loading the outlines: ${Math.round(100 * share)} %` : ""));
    this.tools = Object.fromEntries(Object.entries(TOOLS).map(([name, Tool]) => [name, new Tool(this)]));
  }

  get objects() {
    return this.page.objects;
  }

  get selected() {
    return this.page.selected;
  }

  // Whether corrections were made since the page came.
  get hasNew() {
    return Boolean(this.sender) && (this.sender.base !== this.base || !this.settled);
  }

  // Whether all is saved: what is sent, and what was pressed and waits for its turn.
  get settled() {
    return !this.underWay && (!this.sender || this.sender.settled);
  }

  get steps() {
    return countOf(this.history);
  }

  get several() {
    return this.panel.one("[data-several]").checked;
  }

  // ---- opening ----------------------------------------------------------------------------------

  async start() {
    await this.load();
    this.sender = new Sender({
      ...{ address: this.facts.edits, token: tokenOf(document), base: this.base },
      heard: {
        state: (name, ...values) => this.panel.saving(name === "saved" && this.underWay ? "saving" : name, ...values),
        token: () => this.token(),
        differs: () => this.again([], ""),
        conflict: (answer, unsent) => this.again(unsent, meanwhile(answer.edits, this.facts)),
        refused: (sentence, unsent) => this.refused(sentence, unsent),
      },
    });
    addEventListener("token", ({ detail }) => (this.sender.token = detail));
    this.panel.started();
    listen(this);
    return this;
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
    const { classes, maps, base, operations, undone, objects, touched, ignored } = await loaded(this.worker, this.page);
    Object.assign(this, { classes, maps, base, ignored, history: operations, undone: redoable(undone) });
    this.page.objects = objects;
    if (this.semantic) await this.outline(touched);
    await this.divide();
    this.page.changed();
    this.page.doubt?.changed();
  }

  // The tools are seen, or away; what was corrected stays.
  toggle(on = !this.isOpen) {
    this.isOpen = on;
    this.panel.opened(on);
    if (on) return this.use(this.semantic ? "brush" : "select");
    this.tool?.left();
    this.tool = null;
    return this.drawing.hand(null);
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
    this.underWay += 1;
    const over = () => {
      this.underWay -= 1;
      if (this.sender && this.settled) this.sender.tell("saved");
    };
    const failed = (error) => this.say(error.message);
    this.turn = this.turn.then(work).catch(failed).finally(over);
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
    const busy = (on) => this.page.section.toggleAttribute("aria-busy", on);
    busy(true);
    const reply = await this.sender.remote(operation).finally(() => busy(false));
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
      return this.say(`Undone: ${wordsOf(operation, this.facts)}.`);
    });
  }

  // To before the correction at a place of the history.
  async backTo(place) {
    while (this.history.length > place) {
      const { length } = this.history;
      await this.undo();
      if (this.history.length === length) return;
    }
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
      this.undone = afterRedo(this.undone, last.made, changed.filter((id) => !before.has(id)));
      return changed;
    });
  }

  changed(changes) {
    for (const change of changes) {
      const now = standing(change, this.page, this.classes);
      if (now) this.objects.set(change.id, now);
      else this.objects.delete(change.id);
    }
    this.page.changed();
    if (this.semantic) this.outline(changes.map(({ id }) => id)).then(() => this.page.drawn());
    this.divide().then(() => this.page.doubt?.changed());
  }

  // The outlines of classes are long: they follow once they are traced.
  async outline(ids) {
    for (const [id, [outline = [], ...rings]] of await this.worker.call("rings", { ids })) {
      const object = this.objects.get(id);
      if (object) this.objects.set(id, { ...object, outline, rings, path: null });
    }
  }

  // Which object each possible cut divides now: what is cut, or gone, is none any more.
  async divide() {
    const every = this.page.data.cuts;
    if (!every.length) return;
    const ids = await this.worker.call("divided", { sides: every.map((cut) => cut.sides) });
    this.cuts.list = every.map((cut, i) => ({ ...cut, id: ids[i] })).filter((cut) => cut.id);
  }

  // Makes cuts one after another: each is a correction of its own, which can be undone.
  async cut(some) {
    let made = 0;
    for (const cut of some) {
      const [id] = await this.worker.call("divided", { sides: [cut.sides] });
      if (id && (await this.run({ op: "split", id, line: pairs(cut.line) }))) made += 1;
      if (some.length > 1) this.say(`${made} of ${some.length} cuts made.`);
    }
    return made;
  }

  // ---- when the server knows better -------------------------------------------------------------

  // Load what stands, and make what was not stored once more.
  again(unsent, sentence) {
    return this.next(async () => {
      const { wanted, refused } = paired([...unsent, ...this.sender.waiting.splice(0)], this.facts);
      await this.load().catch((error) => {
        this.sender.waiting.unshift(...wanted.filter((each) => !each.answered)); // nothing is lost by that
        throw error;
      });
      this.sender.base = this.base;
      const lost = [];
      for (const { operation, answered } of wanted) {
        const made = answered ? null : await this.perform(operation, { here: true }).catch(() => null);
        if (!made) lost.push(wordsOf(operation, this.facts));
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
    const token = page && tokenOf(page);
    take(token);
    return token;
  }

  // ---- choosing ---------------------------------------------------------------------------------

  at([x, y]) {
    return this.worker.call("at", { x, y });
  }

  select(ids, add = false) {
    if (this.semantic) return this.panel.pick(ids);
    const chosen = new Set(add ? this.selected : []);
    for (const id of ids) {
      if (add && ids.length === 1 && chosen.has(id)) chosen.delete(id);
      else chosen.add(id);
    }
    return this.page.select([...chosen]);
  }

  // The next object by its number, or the one before.
  step(by) {
    const order = [...this.objects.keys()].sort((a, b) => a - b);
    const [current] = this.selected;
    const at = order.indexOf(current);
    const id = order[(at + by + order.length) % order.length] ?? order[0];
    if (id === undefined) return;
    this.page.select([id], { centre: true });
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
    if (this.tool?.acts?.(name)) return null;
    const ids = [...this.selected];
    if (!ids.length && name !== "undo" && name !== "redo") return this.say(this.semantic ? "" : `Select a ${this.facts.thing} first.`);
    const actions = {
      delete: () => this.run({ op: "delete", ids }),
      merge: () => this.run({ op: "merge", ids, ...this.boundary }, { select: false }).then((made) => made && this.select(made)),
      right: () => this.right(ids),
      count: () => this.count(ids),
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
    const { ignored, things } = this.facts;
    if (aside.some((id) => this.objects.get(id)?.reason === ignored)) return this.say(`${this.page.data.regions.length === 1 ? "The region is" : "The regions are"} ignored: count ${things} in it again below the picture.`);
    return aside.length ? this.run({ op: "restore", ids: aside }) : this.say("This counts already.");
  }

  redraw(ids) {
    if (ids.length !== 1) return this.say(`Select one ${this.facts.thing}, then draw it anew.`);
    this.use("draw");
    this.redrawing = true;
    return this.say(`Draw around ${this.facts.thing} ${ids[0]}: the new outline takes the place of the old one.`);
  }

  use(name) {
    this.tool?.left();
    this.redrawing = false;
    this.name = name;
    this.tool = this.tools[name];
    this.drawing.hand(this.tool);
    this.panel.used(name);
    this.page.doubt?.show();
  }

  widen(factor) {
    this.radius = Math.min(RADIUS.most, Math.max(RADIUS.least, Math[factor > 1 ? "ceil" : "floor"](this.radius * factor * 2) / 2));
    this.panel.radius();
    this.drawing.draw();
  }

  say(sentence) {
    this.page.say(sentence);
    return null;
  }

  // The state of now, measured: the page of that version. settings: those that change.
  async measured(settings = {}) {
    await this.stored("The outlines are measured once all corrections are saved.");
    return this.next(async () => {
      const edits = this.history.length > 0;
      if (!edits && !Object.keys(settings).length) return this.say("Nothing was corrected yet.");
      const headers = { ...PAGE, "X-CSRFToken": tokenOf(document), "Content-Type": "application/json" };
      return (await json(this.facts.revisions, { method: "POST", headers, body: JSON.stringify({ edits, ...settings }) })).page;
    });
  }

  // What stands, measured without one more region of the picture.
  async ignore(region) {
    const { regions } = this.page.data;
    this.drawing.ignore([...regions, region]);
    this.say("Measuring without this region …");
    const page = await this.measured({ ignore: [...regions, region] });
    if (page) return this.page.arrive(page);
    return this.drawing.ignore(regions);
  }

  // The image before or after this one in its sample, with the tools open.
  async visit(side) {
    const address = this.facts[side];
    if (!address) return address === undefined ? null : this.say(`This is the ${side === "after" ? "last" : "first"} image of the sample.`);
    await this.stored("The other image opens when all corrections are saved.");
    return location.assign(`${address}#correct`);
  }

  // Once all is saved; somebody else's corrections may come in between.
  async stored(sentence) {
    await this.turn;
    while (!this.settled) {
      this.say(sentence);
      await new Promise((resolve) => (this.panel.whenSaved = resolve));
      await this.turn;
    }
  }

  escape() {
    if (this.panel.one("[data-help]").open) return this.panel.help();
    this.use(this.name);
    if (this.name === "select" && this.page.doubt?.current) return this.page.doubt.end();
    return this.select([]);
  }
}

const pairs = (line) => Array.from({ length: line.length / 2 }, (_, i) => line.slice(2 * i, 2 * i + 2));
