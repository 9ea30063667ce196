import assert from "node:assert/strict";
import { test } from "node:test";

import { Editor } from "../../static/js/editor/editor.js";
import { History, countWords, editsElsewhere, sortUnsent } from "../../static/js/editor/history.js";
import { Sender } from "../../static/js/editor/sending.js";
import { TOOLS, closedLine, thinnedLine } from "../../static/js/editor/tools.js";
import { Waiting, hasUnsent } from "../../static/js/editor/waiting.js";

// What a browser keeps, by its keys.
class Store {
  getItem(key) {
    return this[key] ?? null;
  }

  setItem(key, text) {
    this[key] = text;
  }

  removeItem(key) {
    delete this[key];
  }
}

test("an outline whose end runs over its beginning is cut there", () => {
  const line = [[0, 0], [10, 0], [10, 10], [0, 10], [0.5, -2]];
  assert.deepEqual(closedLine(line), [[10, 0], [10, 10], [0, 10]]);
  assert.deepEqual(closedLine(line.slice(0, 4)), line.slice(0, 4));
});

test("a long stroke is thinned to what a request holds", () => {
  const line = Array.from({ length: 9000 }, (_, i) => [i / 2, Math.sin(i)]);
  assert.ok(thinnedLine(line, 0.1).length <= 2000);
});

test("somebody else is not who corrects in another window", () => {
  const edits = [{ author: "ada", visitor: "1" }, { author: "ada", visitor: "2" }, { author: "", visitor: "2" }];
  assert.equal(editsElsewhere(edits.slice(0, 2), { author: "ada", visitor: "1" }), "You made 2 steps elsewhere meanwhile; they are shown now.");
  assert.equal(editsElsewhere(edits.slice(2), { author: "", visitor: "2" }), "You made 1 step elsewhere meanwhile; it is shown now.");
  assert.equal(editsElsewhere(edits.slice(2), { author: "ada", visitor: "1" }), "Somebody else made 1 step meanwhile; it is shown now.");
});

// ---- sending ------------------------------------------------------------------------------------

function sender(answers, heard = {}, store = new Store()) {
  const asked = [];
  const states = [];
  globalThis.fetch = async (address, { body, headers }) => {
    const sent = JSON.parse(body);
    asked.push({ ...sent, key: headers["Idempotency-Key"] });
    const answer = answers.shift();
    if (answer === "offline") throw new TypeError("no network");
    const [status, said] = typeof answer === "function" ? answer(sent) : answer;
    return { status, headers: new Headers(status === 429 ? { "Retry-After": "1" } : {}), json: async () => said };
  };
  const quiet = { state: (name) => states.push(name), made: () => {}, conflict: async () => {}, refused: async () => {} };
  const waiting = new Waiting("job", store);
  return { asked, states, of: new Sender({ address: "/", token: "", base: 0, waiting, listeners: { ...quiet, ...heard } }) };
}

const stored = ({ base, operations }) => [200, { base: base + operations.length, made: operations.map(() => []) }];
const settled = async (each) => {
  while (!each.settled) await new Promise((resolve) => setTimeout(resolve, 1));
};

test("an undo that came too late is not made again, and is told", async () => {
  const [first, second, words] = [{ op: "delete", ids: [1] }, { op: "fill", ids: [2] }, { thing: "grain" }];
  const undo = (movedCorrection) => ({ operation: { op: "undo" }, movedCorrection });
  assert.deepEqual(sortUnsent([undo(first)], words), { wanted: [], refused: ["deletion of grain 1"] });
  const later = [{ operation: second }, undo(second), { operation: second }];
  assert.deepEqual(sortUnsent([undo(first), ...later], words), { wanted: [later[2]], refused: ["deletion of grain 1"] });
  const said = [];
  const editor = { facts: words, base: 7, steps: new History(), sender: { waiting: [] }, load: async () => {}, showWaiting: () => {}, panel: { notice: (line) => said.push(line) } };
  await Editor.prototype.resend.call(editor, [undo(first), later[0]], "You made 1 step elsewhere meanwhile; it is shown now.");
  assert.deepEqual(editor.sender, { waiting: [later[0]], base: 7, single: true });
  assert.deepEqual(editor.steps.inEffect, [second]);
  assert.match(said[0], /The one of this window follows after that\. Not taken back or made again: deletion of grain 1, because/);
});

test("what was taken back can be made again until something else is done", () => {
  const [add, fill] = [{ op: "add", point: [1, 1] }, { op: "fill", ids: [4] }];
  const history = new History([add]);
  assert.equal(history.push({ op: "redo" }), undefined);
  assert.equal(history.push({ op: "undo" }), add);
  assert.deepEqual([history.inEffect, history.undone], [[], [add]]);
  assert.equal(history.push({ op: "redo" }), add);
  history.push({ op: "undo" });
  history.push(fill);
  assert.deepEqual([history.inEffect, history.undone], [[fill], []]);
});

test("corrections are sent in their order, each with the base it knows", async () => {
  const { asked, states, of } = sender([stored, stored, stored]);
  for (const id of [1, 2, 3]) of.push({ operation: { op: "delete", ids: [id] } });
  await settled(of);
  assert.deepEqual(asked.flatMap((each) => each.operations.map((one) => one.ids[0])), [1, 2, 3]);
  assert.equal(of.base, 3);
  assert.equal(states.at(-1), "saved");
});

test("without a network they wait, say so, and follow under the same key", async () => {
  const { asked, states, of } = sender(["offline", stored]);
  of.push({ operation: { op: "delete", ids: [1] } });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(states.includes("offline"));
  of.wake();
  await settled(of);
  assert.equal(asked[0].key, asked[1].key);
  assert.equal(states.at(-1), "saved");
});

test("what waits outlives its window, and is sent under the same key", async () => {
  const store = new Store();
  const { of } = sender(["offline"], {}, store);
  of.untilRetry = () => new Promise(() => {}); // it never tries again
  const each = { operation: { op: "delete", ids: [1] }, movedCorrection: { op: "delete", ids: [1] } };
  of.push(each);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const other = new Waiting("job", store);
  assert.deepEqual([other.takeOver(), hasUnsent("job", store)], [[], true], "the window lives");
  of.storage.release(); // it is closed
  clearInterval(of.storage.beating);
  const [{ batch, list }] = other.takeOver();
  assert.deepEqual(list, [each]);
  assert.deepEqual([batch.base, batch.operations], [0, [{ op: "delete", ids: [1] }]]);
  assert.deepEqual(other.takeOver(), [], "once");
  const again = sender([stored], {}, store);
  again.of.resent = batch;
  again.of.push(list[0]);
  await settled(again.of);
  assert.equal(again.asked[0].key, batch.key);
  assert.deepEqual(Object.keys(store), []);
});

test("a conflict hands over what was not stored", async () => {
  const told = [];
  const { of } = sender([[409, { base: 4, edits: [{}] }]], { conflict: async (answer, unsent) => told.push(answer.base, unsent.length) });
  of.push({ operation: { op: "delete", ids: [1] } });
  await settled(of);
  assert.deepEqual(told, [4, 1]);
});

test("of several, the impossible one alone is refused", async () => {
  const told = [];
  const refuse = ({ operations }) => (operations.some((each) => each.ids[0] === 2) ? [422, { error: "Operation 1: no" }] : stored({ base: 0, operations }));
  const { of } = sender([refuse, refuse, refuse, refuse, refuse], { refused: async (sentence, unsent) => told.push(unsent.map((each) => each.operation.ids[0])) });
  of.busy = true;
  for (const id of [1, 2, 3]) of.push({ operation: { op: "delete", ids: [id] } });
  of.busy = false;
  await of.run();
  assert.deepEqual(told, [[2, 3]]);
});

test("who is signed out keeps the corrections, and sends them once signed in again", async () => {
  const { asked, states, of } = sender([[403, {}], stored]);
  of.push({ operation: { op: "delete", ids: [1] } });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual([states.at(-1), of.denied !== "", of.settled], ["denied", true, false]);
  of.wake();
  await settled(of);
  assert.equal(asked.length, 2);
  assert.equal(states.at(-1), "saved");
});

test("without the server only what needs no look at the image goes on", async () => {
  const [said, pushed] = [[], []];
  const editor = { steps: new History(), sender: { offline: true, waiting: [], push: (each) => pushed.push(each.operation.op) }, ghost: () => null, showWaiting: () => {}, say: (line) => (said.push(line), null) };
  const run = (operation) => Editor.prototype.run.call(editor, operation);
  assert.equal(await run({ op: "smooth", ids: [1] }), null);
  assert.match(said[0], /needs the server/);
  assert.deepEqual(await run({ op: "delete", ids: [1] }), []);
  assert.deepEqual([pushed, editor.steps.inEffect], [["delete"], [{ op: "delete", ids: [1] }]]);
});

test("a gesture that was given up does nothing, however the pointer goes on", () => {
  const made = [];
  const editor = { drawing: { draw() {}, scale: 1 }, run: (operation) => made.push(operation), target: () => ({}), radius: 3 };
  const brush = new TOOLS.brush(editor);
  const stroke = (giveUp) => {
    brush.press([1, 1], {});
    brush.drag([20, 1], {});
    giveUp();
    brush.drag([40, 1], {});
    brush.release();
  };
  for (const giveUp of [() => brush.cancel(), () => brush.leave()]) stroke(giveUp);
  assert.deepEqual(made, []);
  stroke(() => {});
  assert.equal(made.length, 1);
});

// An editor for the tool that adds: what stands where, and what was asked of it.
function adding({ objects = {}, refuse = false } = {}) {
  const [asked, told] = [[], []];
  const editor = {
    drawing: { draw() {}, scale: 1 },
    facts: { frame: "touches the frame", slip: "a few pixels only", thing: "particle" },
    sender: {},
    panel: { show() {} },
    objects: new Map(Object.entries(objects).map(([id, one]) => [Number(id), { id: Number(id), ...one }])),
    at: ([x]) => (x < 50 ? editor.id : 7),
    run: async (operation) => (asked.push(operation), refuse && asked.length > 1 ? null : [(editor.id = (editor.id ?? 10) + 1)]),
    undo: async () => asked.push("undo"),
    redo: async () => (asked.push("redo"), [(editor.id += 1)]),
    select: (ids) => asked.push({ chosen: ids }),
    say: (sentence) => void told.push(sentence),
  };
  return { asked, told, add: new TOOLS.add(editor) };
}

test("a second click in what was added makes it wider, or leaves that point out", async () => {
  const { asked, add } = adding();
  for (const point of [[20, 20], [22, 20], [35, 20]]) await add.tapped(point);
  const first = { op: "add", point: [20, 20] };
  assert.deepEqual(asked, [first, "undo", { ...first, wider: 1 }, "undo", { ...first, wider: 1, outside: [[35, 20]] }]);
});

test("what gets no wider stays as it was", async () => {
  const { asked, told, add } = adding({ refuse: true });
  for (const point of [[20, 20], [22, 20]]) await add.tapped(point);
  assert.deepEqual(asked.slice(3), ["redo", { chosen: [12] }]);
  assert.match(told.at(-1), /cannot grow/);
});

test("a click on what was left out offers to count it", async () => {
  const { asked, told, add } = adding({ objects: { 7: { kept: false, reason: "faint" } } });
  await add.tapped([60, 20]);
  assert.deepEqual(asked, [{ chosen: [7] }]);
  assert.match(told.at(-1), /left out: faint.*Count it/);
});

test("corrections that find no place wait a second, and nobody is told that the server is away", async () => {
  const { asked, states, of } = sender([[429, { error: "busy" }], [200, { base: 1, made: [[]] }]]);
  of.push({ operation: { op: "delete", ids: [1] } });
  while (!of.settled) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(asked.length, 2);
  assert.equal(asked[0].key, asked[1].key);
  assert.ok(!states.includes("offline"));
});

test("outlines that are right are no corrections", () => {
  const history = [{ op: "delete", ids: [1, 2] }, { op: "reviewed", ids: [3] }, { op: "reviewed", ids: [4, 5] }];
  assert.equal(countWords(history), "1 correction, 3 confirmed");
  assert.equal(countWords(history.slice(1, 2)), "1 confirmed");
  assert.equal(countWords([]), "");
});
