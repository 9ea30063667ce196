import assert from "node:assert/strict";
import { test } from "node:test";

import { particleFilter } from "../../static/js/viewer-choice.js";
import { rowsInView, sorted, countLine } from "../../static/js/viewer-table.js";

const ROWS = [
  { id: 1, min_feret: 30, confidence: 0.9, reason: "" },
  { id: 2, min_feret: 10, confidence: null, reason: "touches the frame" },
  { id: 3, min_feret: 10, confidence: 0.2, reason: "" },
  { id: 4, min_feret: 100, confidence: 0.5, reason: "a few pixels only" },
];
const ids = (rows) => rows.map(({ id }) => id);

test("numbers sort as numbers, equal ones by their number either way", () => {
  assert.deepEqual(ids(sorted(ROWS, "min_feret", false)), [2, 3, 1, 4]);
  assert.deepEqual(ids(sorted(ROWS, "min_feret", true)), [4, 1, 2, 3]);
  assert.deepEqual(ids(sorted([...ROWS].reverse(), "min_feret", false)), [2, 3, 1, 4]);
  assert.deepEqual(ids(ROWS), [1, 2, 3, 4]); // the rows themselves keep their order
});

test("what is unknown comes before all that is known", () => {
  assert.deepEqual(ids(sorted(ROWS, "confidence", false)), [2, 3, 4, 1]);
  assert.deepEqual(ids(sorted(ROWS, "confidence", true)), [1, 4, 3, 2]);
});

test("states sort by their words, kept first", () => {
  assert.deepEqual(ids(sorted(ROWS, "state", false)), [1, 3, 4, 2]);
  assert.deepEqual(ids(sorted(ROWS, "state", true)), [2, 4, 1, 3]);
});

test("only the rows in sight and some to spare are built", () => {
  assert.deepEqual(rowsInView(0, 330, 33, 20000, 25), { from: 0, to: 36 });
  assert.deepEqual(rowsInView(33 * 1000, 330, 33, 20000, 25), { from: 975, to: 1036 });
  assert.deepEqual(rowsInView(33 * 19990, 330, 33, 20000, 25), { from: 19965, to: 20000 });
  assert.deepEqual(rowsInView(33 * 19990, 330, 33, 5, 25), { from: 5, to: 5 }); // scrolled far, then filtered
  assert.deepEqual(rowsInView(0, 330, 33, 0, 25), { from: 0, to: 0 });
});

test("how many are shown, in words", () => {
  assert.equal(countLine(3, 4), "3 of 4 rows");
  assert.equal(countLine(0, 4), "None of 4 rows matches.");
  assert.equal(countLine(0, 0, "layer"), "No layer was found.");
});

test("states and the chosen bar filter together", () => {
  const [frame, kept] = [new Set(["touches the frame"]), new Set([""])];
  const isSmall = ({ min_feret }) => min_feret < 50;
  const shown = (hidden, isChosen) => ids(ROWS.filter(particleFilter({ hidden, isChosen })));
  assert.deepEqual(shown(new Set(), null), [1, 2, 3, 4]);
  assert.deepEqual(shown(frame, null), [1, 3, 4]);
  assert.deepEqual(shown(frame, isSmall), [1, 3]);
  assert.deepEqual(shown(kept, isSmall), [2]);
  assert.deepEqual(shown(kept, null), [2, 4]);
});
