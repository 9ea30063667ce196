// The editor of a result's outlines. The server makes each correction; until it answers, the shape that the tool drew
// is shown. viewer.js loads this file when somebody is about to correct.

import { PAGE, json } from "./calls.js";
import { History, countWords, editsElsewhere, sortUnsent, operationWords } from "./history.js";
import { listen } from "./keys.js";
import { Offer } from "./offer.js";
import { Panel } from "./panel.js";
import { Sender } from "./sending.js";
import { tokenOf, useToken } from "../token.js";
import { TOOLS, TOUCH } from "./tools.js";
import { Waiting } from "./waiting.js";

const RADIUS = { first: 6, least: 0.5, most: 500 }; // px of the upload
// Operations that can be drawn without the server; they may wait until it answers.
const DRAWN_AT_ONCE = new Set(["delete", "set_aside", "restore", "reviewed", "paint", "erase", "draw", "undo"]);
const NO_SERVER = "This needs the server, which does not answer now. Leave out, confirm, brush, eraser and draw go on.";

export class Editor {
  // page: the ResultPage (viewer.js). This reads its objects, selected, data, cuts, doubt, drawing and facts, and calls
  // select, describe, showAnswer, showCount, awaitNumbers, say and openVersion.
  constructor(page) {
    Object.assign(this, { page, facts: page.facts, drawing: page.drawing, cuts: page.cuts });
    this.semantic = "semantic" in this.facts; // whether outlines are classes of pixels, not objects
    // Added to merge and split for kinds such as grains, whose objects share boundaries.
    this.boundary = "bounded" in this.facts ? { boundary: true } : {};
    this.steps = new History();
    this.radius = RADIUS.first;
    this.ground = !this.semantic; // whether painting leaves other objects as they are
    this.redrawing = false;
    this.isOpen = false; // whether the tools are seen
    this.panel = new Panel(this);
    const offer = this.panel.one("[data-offer]"); // null for classes of pixels
    this.offer = offer && new Offer(this, offer);
    this.tools = Object.fromEntries(Object.entries(TOOLS).map(([name, Tool]) => [name, new Tool(this)]));
  }

  get objects() {
    return this.page.objects;
  }

  get selected() {
    return this.page.selected;
  }

  get history() {
    return this.steps.inEffect;
  }

  get undone() {
    return this.steps.undone;
  }

  // Whether all corrections are saved.
  get settled() {
    return !this.sender || this.sender.settled;
  }

  get words() {
    return countWords(this.history);
  }

  get several() {
    return this.panel.one("[data-several]").checked;
  }

  // ---- opening -----------------------------------------------------------------------------------

  async start() {
    const waiting = new Waiting(this.facts.job, globalThis.localStorage);
    const abandoned = waiting.takeOver();
    await this.load();
    this.sender = new Sender({
      ...{ address: this.facts.edits, token: tokenOf(document), base: this.base, waiting },
      listeners: {
        state: (name, ...values) => this.panel.saving(name, ...values),
        token: () => this.token(),
        made: (batch, answer) => this.made(batch, answer),
        conflict: (answer, unsent) => this.resend(unsent, editsElsewhere(answer.edits, this.facts)),
        refused: (sentence, unsent) => this.refused(sentence, unsent),
      },
    });
    addEventListener("token", ({ detail }) => (this.sender.token = detail));
    this.panel.started();
    listen(this);
    for (const { batch, list } of abandoned) this.inherit(batch, list);
    return this;
  }

  // Sends the corrections of a closed window. If the server has made the first batch already, it knows it by its key.
  inherit(batch, list) {
    if (!this.sender.waiting.length) this.sender.resent = batch;
    for (const { operation, movedCorrection } of list) this.sender.push({ operation, movedCorrection, ghost: this.ghost(operation) });
    for (const { operation } of list) this.steps.push(operation);
    this.panel.changed();
    this.page.showCount();
  }

  // Loads the present state of the corrections from the server.
  async load() {
    const answer = await json(`${this.facts.standing}?since=${this.page.data.step}`, { headers: PAGE, cache: "no-store" });
    Object.assign(this, { classes: answer.classes, maps: answer.maps, base: answer.base });
    this.steps = new History(answer.operations, answer.undone);
    this.page.showAnswer(answer.standing, answer.base);
    this.offer?.changed(answer.standing.offer);
  }

  // Opens or closes the tools; corrections stay.
  toggle(on = !this.isOpen) {
    this.isOpen = on;
    this.panel.opened(on);
    if (on) return this.use(this.semantic ? "brush" : "select");
    this.tool?.leave();
    this.tool = null;
    this.drawing.hand(null);
    return this.page.describe();
  }

  // ---- corrections -------------------------------------------------------------------------------

  // Makes one correction. Returns the ids of the objects that it made or changed, or null if it is impossible.
  async run(operation, { select = false } = {}) {
    if (this.sender.offline && !DRAWN_AT_ONCE.has(operation.op)) return this.say(NO_SERVER);
    const movedCorrection = this.steps.push(operation);
    this.say("");
    const made = await new Promise((answered) => {
      this.sender.push({ operation, movedCorrection, answered, ghost: this.ghost(operation) });
      this.showWaiting();
      if (this.sender.offline) answered([]);
    });
    if (made?.length && select) this.select([Math.max(...made)]);
    return made;
  }

  // Shows corrections that the server has not made yet: their shapes, and how many there are.
  showWaiting() {
    this.drawing.ghosts(this.sender.waiting.flatMap(({ ghost }) => ghost ?? []));
    this.panel.changed();
    this.page.awaitNumbers();
  }

  // What is drawn for an operation until it is made (see `ghosts` of Drawing): { hidden: ids }, { polygon, erases } or
  // { line, radius, erases }.
  ghost({ op, ids, points, polygon, radius }) {
    if (op === "delete" || op === "set_aside") return { hidden: ids };
    if (polygon) return { polygon, erases: op === "erase" };
    if (op === "paint" || op === "erase") return { line: points, radius, erases: op === "erase" };
    return null;
  }

  // The server has made some corrections.
  made(batch, { base, standing }) {
    this.base = base;
    this.page.showAnswer(standing, base);
    this.offer?.changed(standing.offer);
    this.showWaiting();
  }

  async undo() {
    const last = this.sender.waiting.at(-1);
    const undone = this.history.at(-1);
    if (!undone) return this.say("There is nothing to undo.");
    if (this.sender.offline && last && last.operation.op !== "undo" && !this.sender.storage.batch?.operations.includes(last.operation)) {
      this.sender.waiting.pop(); // it was not sent yet
      this.sender.storage.store();
      this.steps.push({ op: "undo" });
      this.showWaiting();
    } else if ((await this.run({ op: "undo" })) === null) return null;
    return this.say(`Undone: ${operationWords(undone, this.facts)}.`);
  }

  // Undoes the correction at a place of the history and all later ones.
  backTo(place) {
    const steps = this.history.length - place;
    return Promise.all(Array.from({ length: steps }, () => this.run({ op: "undo" })));
  }

  redo() {
    return this.undone.length ? this.run({ op: "redo" }, { select: true }) : this.say("There is nothing to do again.");
  }

  // Makes several possible cuts as one correction.
  cut(cuts) {
    return this.run({ op: "split", cuts: cuts.map((cut) => pairs(cut.line)) });
  }

  // ---- when the server refuses -------------------------------------------------------------------

  // Loads the present state, and sends again what was not stored. sentence: tells the person why.
  async resend(unsent, sentence) {
    const { wanted, refused } = sortUnsent([...unsent, ...this.sender.waiting.splice(0)], this.facts);
    for (const each of unsent) if (!wanted.includes(each)) each.answered?.(null);
    await this.load().catch((error) => {
      this.sender.waiting.unshift(...wanted); // so that nothing is lost
      throw error;
    });
    this.sender.base = this.base;
    this.sender.waiting.push(...wanted);
    for (const { operation } of wanted) this.steps.push(operation);
    this.sender.single = true; // one correction a request, to find those that are impossible now
    this.showWaiting();
    const sentences = [sentence, wanted.length && sentence ? `${wanted.length === 1 ? "The one of this window follows" : "Those of this window follow"} after that.` : ""];
    if (refused.length) sentences.push(`Not taken back or made again: ${refused.join(", ")}, because other corrections came after that.`);
    this.panel.notice(sentences.filter(Boolean).join(" "));
  }

  async refused(sentence, unsent) {
    const [impossible, ...rest] = unsent;
    impossible.answered?.(null);
    await this.resend(rest, "");
    this.say(sentence.replace(/^Operation \d+: /, ""));
  }

  // The token of the page as it is on the server: a new one after somebody has signed in again.
  async token() {
    const answer = await fetch(location.href, { headers: PAGE, cache: "no-store" }).catch(() => null);
    const page = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    const token = page && tokenOf(page);
    useToken(token);
    return token;
  }

  // ---- choosing ----------------------------------------------------------------------------------

  // The id of the object at a point of the image, 0 for none.
  at([x, y]) {
    return this.drawing.under({ x, y })?.id ?? 0;
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

  // Selects the next object by id (by = 1), or the one before (by = -1).
  step(by) {
    const order = [...this.objects.keys()].sort((a, b) => a - b);
    const [current] = this.selected;
    const at = order.indexOf(current);
    const id = order[(at + by + order.length) % order.length] ?? order[0];
    if (id === undefined) return;
    this.page.select([id], { centre: true });
  }

  // The object that brush and outline change: the selected one if they touch it, else a new one.
  target() {
    if (this.semantic) return this.panel.classTarget();
    if (this.selected.size === 1) return { id: [...this.selected][0], touching: true };
    return this.classes.length > 1 ? { class: this.panel.className } : {};
  }

  // ---- actions -----------------------------------------------------------------------------------

  // Runs an action by its name. A key right after a click waits for the click, so that it acts on the clicked object.
  async act(name) {
    await this.gesture;
    if (this.tool?.acts?.(name)) return null;
    const ids = [...this.selected];
    if (!ids.length && name !== "undo" && name !== "redo") return this.say(this.semantic ? "" : `Select a ${this.facts.thing} first.`);
    const actions = {
      aside: () => this.panel.setAside(ids),
      merge: () => (ids.length < 2 ? this.say(`Select two ${this.facts.things} to merge.`) : this.run({ op: "merge", ids, ...this.boundary }).then((made) => made && this.select(made))),
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

  // Confirms the counted ones of some objects that are not checked yet.
  async right(ids) {
    const counted = ids.filter((id) => this.objects.get(id)?.kept);
    if (!counted.length) return this.say(TOUCH ? "This is left out." : "This is left out: K makes it count.");
    const unchecked = counted.filter((id) => !this.objects.get(id).byHand);
    return unchecked.length ? this.run({ op: "reviewed", ids: unchecked }) : this.say("You have checked this already.");
  }

  async count(ids) {
    const aside = ids.filter((id) => !this.objects.get(id)?.kept);
    const { ignored, things } = this.facts;
    if (aside.some((id) => this.objects.get(id)?.reason === ignored)) return this.say(`The region of these ${things} is ignored: choose “Ignore a region”, then the region.`);
    return aside.length ? this.run({ op: "restore", ids: aside }) : this.say("This counts already.");
  }

  redraw(ids) {
    if (ids.length !== 1) return this.say(`Select one ${this.facts.thing}, then draw it anew.`);
    this.use("draw");
    this.redrawing = true;
    return this.say(`Draw around ${this.facts.thing} ${ids[0]}: the new outline takes the place of the old one.`);
  }

  use(name) {
    this.tool?.leave();
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

  // These are all regions of the picture that are ignored.
  ignore(regions) {
    this.page.showRegions(regions);
    return this.run({ op: "ignore", regions });
  }

  // Opens the image before or after this one in its sample, with the tools open.
  async visit(side) {
    const address = this.facts[side];
    if (!address) return address === undefined ? null : this.say(`This is the ${side === "after" ? "last" : "first"} image of the sample.`);
    await this.stored("The other image opens when all corrections are saved.");
    return location.assign(`${address}#correct`);
  }

  // Waits until the server has made all corrections, so that a point of the picture means the right object; does not
  // wait while the server does not answer.
  async untilAnswered() {
    while (!this.settled && !this.sender.offline) await new Promise((resolve) => this.sender.idleCallbacks.push(resolve));
  }

  // Waits until all corrections are saved, and shows a sentence meanwhile.
  async stored(sentence) {
    while (!this.settled) {
      this.say(sentence);
      await new Promise((resolve) => (this.panel.whenSaved = resolve));
    }
  }

  escape() {
    if (this.panel.one("[data-help]").open) return this.panel.help();
    this.use(this.name);
    if (this.name === "select" && this.page.doubt?.current) return this.page.doubt.end();
    return this.select([]);
  }
}

// [x, y, x, y, ...] as [[x, y], ...].
const pairs = (line) => Array.from({ length: line.length / 2 }, (_, i) => line.slice(2 * i, 2 * i + 2));
