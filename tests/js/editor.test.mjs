import assert from "node:assert/strict";
import { test } from "node:test";

import { Impossible, closed, crossesItself, thinned } from "../../static/js/editor/drawn.js";
import { Editor } from "../../static/js/editor/editor.js";
import { Labels, checksum } from "../../static/js/editor/labels.js";
import { asFine, doubtsOf, numbersOf, sharesInWords } from "../../static/js/editor/numbers.js";
import { beside, piecesOf } from "../../static/js/editor/regions.js";
import { countOf, counterparts, meanwhile, paired, redoable, renamed } from "../../static/js/editor/history.js";
import { Sender } from "../../static/js/editor/sending.js";
import { piecesBy, ringsOf, sizesOf } from "../../static/js/editor/shapes.js";
import { TOOLS } from "../../static/js/editor/tools.js";

// Rows of figures, each an id, as a label image.
function drawn(...rows) {
  const labels = new Labels(rows[0].length, rows.length, rows.length);
  const pairs = rows.flatMap((row) => [...row].flatMap((figure) => [Number(figure), 1]));
  labels.fill(0, Int32Array.from(pairs));
  labels.next = 1 + Math.max(...labels.objects.keys());
  return labels;
}

const rowsOf = ({ cells, width }) => Array.from({ length: cells.length / width }, (_, row) => cells.slice(row * width, (row + 1) * width).join(""));

function made(labels, operation) {
  const patch = labels.make(operation);
  const back = labels.inverse(patch);
  labels.apply(patch);
  return { patch, back };
}

test("shares of classes sum to 100 %, as the page of the server says them", () => {
  assert.deepEqual(sharesInWords([0.71451, 0.16352, 0.0919, 0.03007]), ["71.4 %", "16.4 %", "9.2 %", "3.0 %"]);
  assert.deepEqual(sharesInWords([0.9998, 0.0002, 0]), ["99.98 %", "0.02 %", "0.00 %"]);
});

test("deleted objects become background, and come back to the pixel", () => {
  const labels = drawn("0110", "0112", "3002");
  const before = [rowsOf(labels), structuredClone([...labels.objects])];
  const { patch, back } = made(labels, { op: "delete", ids: [1, 2] });
  assert.deepEqual(rowsOf(labels), ["0000", "0000", "3000"]);
  assert.deepEqual(patch.runs, [1, 2, 0, 5, 3, 0, 11, 1, 0]);
  assert.deepEqual(patch.objects, { 1: null, 2: null });
  labels.apply(back);
  assert.deepEqual([rowsOf(labels), [...labels.objects].sort((a, b) => a[0] - b[0])], before);
});

test("merged objects have the id of the largest, of two as large the lowest", () => {
  const labels = drawn("1122", "1122", "3300");
  made(labels, { op: "merge", ids: [2, 1, 3] });
  assert.deepEqual(rowsOf(labels), ["1111", "1111", "1100"]);
  assert.deepEqual(labels.data(1), [0, null, true, ""]);
  assert.equal(labels.objects.get(1).area, 10);
  assert.deepEqual(labels.objects.get(1).box, [0, 0, 3, 4]);
});

test("merged grains have no boundary between them, and keep the one to others", () => {
  const labels = drawn("1100022", "1100022", "0000000", "0000000", "0000000", "0000000", "0000000", "3333333");
  made(labels, { op: "merge", ids: [1, 2], boundary: true });
  assert.deepEqual(rowsOf(labels).slice(0, 4), ["1111111", "1111111", "0000000", "0000000"]);
});

test("a click gives the area that hangs together another class", () => {
  const labels = Object.assign(drawn("1121", "1221", "2112"), { classes: ["ferrite", "cementite"] });
  made(labels, { op: "area", point: [2.5, 0.5], id: 1 });
  assert.deepEqual(rowsOf(labels), ["1111", "1111", "2112"]);
  made(labels, { op: "area", point: [3.5, 2.5], class: "cementite" });
  assert.deepEqual([rowsOf(labels)[2], labels.data(3)], ["2113", [1, null, true, ""]]);
  assert.throws(() => labels.make({ op: "area", point: [4, 0], id: 1 }), Impossible);
});

test("an object knows of how many pieces it is, and a boundary whom it divides", () => {
  assert.equal(piecesOf(drawn("1010", "0100", "0011"), 1), 4);
  const labels = drawn("1110002220003", "1110002220003");
  assert.deepEqual(beside(labels, [[4.5, 1]]), [1, 2]);
  assert.deepEqual(beside(labels, [[1, 1], [12, 1]]), [1, 2, 3]);
  assert.deepEqual(beside(drawn("1111"), [[2, 0]]), []);
});

test("a stroke over others takes their pixels, on background alone it does not", () => {
  const stroke = { op: "paint", points: [[0.5, 1.5], [3.5, 1.5]], radius: 0.6 };
  const over = drawn("0000", "0220", "0000");
  made(over, stroke);
  assert.deepEqual(rowsOf(over), ["0000", "3333", "0000"]);
  assert.equal(over.objects.has(2), false);
  const beside = drawn("0000", "0220", "0000");
  made(beside, { ...stroke, ground: true });
  assert.deepEqual(rowsOf(beside), ["0000", "3223", "0000"]);
});

test("the eraser takes pixels of the chosen object alone", () => {
  const labels = drawn("1122");
  made(labels, { op: "erase", points: [[2, 0.5]], radius: 1, id: 1 });
  assert.deepEqual(rowsOf(labels), ["1022"]);
  assert.throws(() => labels.make({ op: "erase", points: [[1.5, 0.5]], radius: 0.5, id: 1 }), Impossible);
});

test("what is impossible says why and changes nothing", () => {
  const labels = drawn("12");
  for (const operation of [
    { op: "delete", ids: [7] },
    { op: "merge", ids: [1] },
    { op: "set_aside", ids: [1], reason: " " },
    { op: "draw", polygon: [[0, 0], [2, 1], [2, 0], [0, 1]] },
    { op: "erase", points: [[50, 50]], radius: 1 },
  ]) {
    assert.throws(() => labels.make(operation), Impossible, operation.op);
  }
  assert.deepEqual(rowsOf(labels), ["12"]);
});

test("the server alone makes what needs its maps", () => {
  const labels = drawn("12");
  assert.equal(labels.make({ op: "add", point: [0, 0] }), null);
  assert.equal(labels.make({ op: "restore", ids: [9] }), null);
});

test("the checksum is CRC-32 of 32-bit integers, lowest byte first", () => {
  // zlib.crc32(numpy.array([5, 2, 9], "<i4").tobytes())
  assert.equal(checksum({ runs: [5, 2, 9] }), 3697015176);
  assert.equal(checksum({ runs: [] }), 0);
});

test("an outline whose end runs over its beginning is cut there", () => {
  const line = [[0, 0], [10, 0], [10, 10], [0, 10], [0.5, -2]];
  assert.equal(crossesItself(line), true);
  assert.equal(crossesItself(closed(line)), false);
});

test("a long stroke is thinned to what a request holds", () => {
  const line = Array.from({ length: 9000 }, (_, i) => [i / 2, Math.sin(i)]);
  assert.ok(thinned(line, 0.1).length <= 2000);
});

test("sizes of a rectangle", () => {
  const found = sizesOf(drawn("00000", "01110", "01110", "00000"), 1);
  assert.equal(found.area, 6);
  assert.equal(found.min_feret, 2);
  assert.ok(Math.abs(found.max_feret - Math.sqrt(13)) < 1e-12);
});

const object = (id, size, more = {}) => ({ id, kept: true, min_feret: size, ...more });

test("median and fraction follow the objects that count", () => {
  const objects = [object(1, 50), object(2, 150), object(3, 250), object(4, 5, { kept: false }), object(5, 9, { cut: true })];
  assert.deepEqual(numbersOf(objects, "min_feret", "nm"), { kept: 4, median: 150, d10: 70, d90: 230, mean: 150, fraction: 1 / 3 });
  assert.equal(numbersOf(objects, "min_feret", "px").fraction, null);
  assert.deepEqual(numbersOf([], "min_feret", "nm"), { kept: 0, median: null, d10: null, d90: null, mean: null, fraction: null });
});

test("a cut that makes small ones of a large one comes before an outline and a cut as doubtful", () => {
  const objects = new Map([[1, 50], [2, 100], [3, 300], [4, 60], [5, 70]].map(([id, size]) => [id, object(id, size, { confidence: id === 2 ? 0.35 : 0.95 })]));
  const cuts = [{ place: 0, id: 1, chance: 0.6, pieces: [40, 40] }, { place: 1, id: 3, chance: 0.6, pieces: [20, 30] }, { place: 2, id: 3, chance: 0.1, pieces: [] }];
  const asked = (all) => doubtsOf(all, cuts, "min_feret", "px").map(({ id, cut }) => [id, cut?.place]);
  assert.deepEqual(asked(objects), [[3, 1], [2, undefined], [1, 0]]);
  const checked = new Map([...objects].map(([id, each]) => [id, id === 3 ? { ...each, byHand: true } : each]));
  assert.deepEqual(asked(checked), [[2, undefined], [1, 0]]);
});

test("the pieces of an outline that is cut", () => {
  const [one, two] = piecesBy([0, 0, 8, 0, 8, 4, 0, 4], [6, 0, 6, 4]);
  assert.deepEqual([one.area, one.min_feret, two.area, two.min_feret].sort(), [2, 24, 4, 8].sort());
});

test("the rings of an object run along its pixels, around its holes too", () => {
  const labels = drawn("1110", "1011", "1110");
  assert.deepEqual(ringsOf(labels, 1), [
    [0, 0, 3, 0, 3, 1, 4, 1, 4, 2, 3, 2, 3, 3, 0, 3],
    [2, 1, 1, 1, 1, 2, 2, 2],
  ]);
});

test("somebody else is not who corrects in another window", () => {
  const edits = [{ author: "ada", visitor: "1" }, { author: "ada", visitor: "2" }, { author: "", visitor: "2" }];
  assert.equal(meanwhile(edits.slice(0, 2), { author: "ada", visitor: "1" }), "You made 2 steps elsewhere meanwhile; they are shown now.");
  assert.equal(meanwhile(edits.slice(2), { author: "", visitor: "2" }), "You made 1 step elsewhere meanwhile; it is shown now.");
  assert.equal(meanwhile(edits.slice(2), { author: "ada", visitor: "1" }), "Somebody else made 1 step meanwhile; it is shown now.");
});

// ---- sending ------------------------------------------------------------------------------------

function sender(answers, heard = {}) {
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
  const quiet = { state: (name) => states.push(name), differs: async () => states.push("differs"), conflict: async () => {}, refused: async () => {} };
  return { asked, states, of: new Sender({ address: "/", token: "", base: 0, heard: { ...quiet, ...heard } }) };
}

const stored = ({ base, operations }) => [200, { base: base + operations.length, checks: operations.map(() => 1), made: [] }];
const settled = async (each) => {
  while (!each.settled) await new Promise((resolve) => setTimeout(resolve, 1));
};

test("an undo that came too late is not made again, and is told", async () => {
  const [first, second, words] = [{ op: "delete", ids: [1] }, { op: "fill", ids: [2] }, { thing: "grain" }];
  const undo = (of) => ({ operation: { op: "undo" }, of });
  assert.deepEqual(paired([undo(first)], words), { wanted: [], refused: ["deletion of grain 1"] });
  const later = [{ operation: second }, undo(second), { operation: second }];
  assert.deepEqual(paired([undo(first), ...later], words), { wanted: [later[2]], refused: ["deletion of grain 1"] });
  const [said, made] = [[], []];
  const editor = { facts: words, sender: { waiting: [] }, load: async () => {}, next: (work) => work(), say: (line) => said.push(line), panel: { notice: (line) => said.push(line) } };
  editor.perform = async (operation) => made.push(operation);
  await Editor.prototype.again.call(editor, [undo(first), later[0]], "You made 1 step elsewhere meanwhile; it is shown now.");
  assert.deepEqual(made, [second]);
  assert.equal(said[0], ""); // no longer "Undone"
  assert.match(said[1], /Not undone: deletion of grain 1, because other corrections came after that\.$/);
});

test("what is pressed and waits for its turn is not saved yet, and leaving asks", async () => {
  const [states, asked, replies] = [[], [], []];
  const state = (name) => states.push(name);
  const editor = Object.assign(Object.create(Editor.prototype), { turn: Promise.resolve(), underWay: 0, base: 0, say: () => null, panel: { saving: state } });
  editor.sender = { base: 0, settled: true, tell: (name) => states.push(name) };
  const presses = [1, 2, 3].map((number) => editor.next(() => new Promise((resolve) => replies.push(() => resolve(asked.push(number))))));
  assert.ok(!editor.settled && editor.hasNew);
  for (let number = 1; number <= 3; number++) {
    assert.deepEqual(states, []);
    await new Promise((resolve) => setTimeout(resolve, 1));
    replies.shift()();
  }
  await Promise.all(presses);
  assert.deepEqual([asked, states, editor.settled], [[1, 2, 3], ["saved"], true]);
});

test("what was undone can be made again after the page is loaded anew", () => {
  const [add, fill, erase] = [{ op: "add", point: [1, 1] }, { op: "fill", ids: [4] }, { op: "erase", points: [[1, 1]], radius: 2 }];
  const done = (number, operation, made = []) => ({ number, operation, undoes: null, made });
  const undo = (number, undoes) => ({ number, operation: { op: "undo" }, undoes, made: [] });
  const log = [done(1, add, [4]), done(2, fill), undo(3, 2), undo(4, 1)];
  assert.deepEqual(redoable(log).map(({ operation }) => operation), [fill, add]);
  const again = [...log, done(5, { point: [1, 1], op: "add" }, [5])]; // a database orders entries by their names
  assert.deepEqual(redoable(again), [{ operation: { op: "fill", ids: [5] }, made: [] }]);
  assert.deepEqual(redoable([...log, done(5, erase)]), []);
  assert.deepEqual(redoable([...log, done(5, erase), undo(6, 5)]).map(({ operation }) => operation), [erase]);
  assert.deepEqual(redoable([]), []);
});

test("corrections are sent in their order, each with the base it knows", async () => {
  const { asked, states, of } = sender([stored, stored, stored]);
  for (const id of [1, 2, 3]) of.push({ op: "delete", ids: [id] }, 1);
  await settled(of);
  assert.deepEqual(asked.flatMap((each) => each.operations.map((one) => one.ids[0])), [1, 2, 3]);
  assert.equal(of.base, 3);
  assert.equal(states.at(-1), "saved");
});

test("without a network they wait, say so, and follow under the same key", async () => {
  const { asked, states, of } = sender(["offline", stored]);
  of.push({ op: "delete", ids: [1] }, 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(states.includes("offline"));
  of.wake();
  await settled(of);
  assert.equal(asked[0].key, asked[1].key);
  assert.equal(states.at(-1), "saved");
});

test("a conflict hands over what was not stored", async () => {
  const told = [];
  const { of } = sender([[409, { base: 4, edits: [{}] }]], { conflict: async (answer, unsent) => told.push(answer.base, unsent.length) });
  of.push({ op: "delete", ids: [1] }, 1);
  await settled(of);
  assert.deepEqual(told, [4, 1]);
});

test("of several, the impossible one alone is refused", async () => {
  const told = [];
  const refuse = ({ operations }) => (operations.some((each) => each.ids[0] === 2) ? [200, { error: "Operation 1: no" }] : stored({ base: 0, operations }));
  const { of } = sender([refuse, refuse, refuse, refuse, refuse], { refused: async (sentence, unsent) => told.push(unsent.map((each) => each.operation.ids[0])) });
  of.busy = true;
  for (const id of [1, 2, 3]) of.push({ op: "delete", ids: [id] }, 1);
  of.busy = false;
  await of.run();
  assert.deepEqual(told, [[2, 3]]);
});

test("another checksum than the browser's is told", async () => {
  const { states, of } = sender([stored]);
  of.push({ op: "delete", ids: [1] }, 2);
  await settled(of);
  assert.ok(states.includes("differs"));
});

test("who is signed out keeps the corrections, and sends them once signed in again", async () => {
  const { asked, states, of } = sender([[403, {}], stored]);
  of.push({ op: "delete", ids: [1] }, 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual([states.at(-1), of.denied !== "", of.settled], ["denied", true, false]);
  of.wake();
  await settled(of);
  assert.equal(asked.length, 2);
  assert.equal(states.at(-1), "saved");
});

test("nobody waits without a network for what the server alone makes", async () => {
  const { of } = sender(["offline", stored]);
  await assert.rejects(of.remote({ op: "smooth", ids: [1] }));
  await settled(of);
  of.push({ op: "delete", ids: [1] }, 1);
  await settled(of);
  assert.equal(of.base, 1);
});

test("what is done again means an object by its new id", () => {
  const ids = counterparts([7, 9], [12, 11]);
  assert.deepEqual(renamed({ op: "merge", ids: [9, 7, 3] }, ids), { op: "merge", ids: [12, 11, 3] });
  assert.deepEqual(renamed({ op: "erase", id: 7, points: [] }, ids), { op: "erase", id: 11, points: [] });
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
  for (const giveUp of [() => brush.cancel(), () => brush.left()]) stroke(giveUp);
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
    at: async ([x]) => (x < 50 ? editor.id : 7),
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
  const { asked, states, of } = sender([[429, { error: "busy" }], [200, { base: 1, checks: [null] }]]);
  of.push({ op: "delete", ids: [1] });
  while (!of.settled) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(asked.length, 2);
  assert.equal(asked[0].key, asked[1].key);
  assert.ok(!states.includes("offline"));
});

test("outlines that are right are no corrections", () => {
  const history = [{ op: "delete", ids: [1, 2] }, { op: "reviewed", ids: [3] }, { op: "reviewed", ids: [4, 5] }];
  assert.equal(countOf(history), "1 correction, 3 confirmed");
  assert.equal(countOf(history.slice(1, 2)), "1 confirmed");
  assert.equal(countOf([]), "");
});

test("a number in the place of another has no finer digits", () => {
  assert.deepEqual(["80.1", "0.53", "12", 163, "–"].map((each) => asFine(each, "80")), ["80", "0.53", "12", 163, "–"]);
  assert.deepEqual(["2.64", "0.53"].map((each) => asFine(each, "2.6")), ["2.6", "0.5"]);
  assert.equal(asFine("80.1", "–"), "80.1");
});
