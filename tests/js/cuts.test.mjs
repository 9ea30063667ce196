import assert from "node:assert/strict";
import { test } from "node:test";

import { Cuts, distance, cutsFromColumns } from "../../static/js/cuts.js";

const LIST = cutsFromColumns({
  place: [0, 1, 4],
  id: [7, 7, 9],
  chance: [0.6, 0.52, 0.2],
  line: [[0, 0, 10, 0], [5, 0, 5, 10], [20, 0, 20, 10]],
  after: [[], [0], [3]],
  sides: [[5, 1, 5, -1], [4, 5, 6, 5], [19, 5, 21, 5]],
});

test("a result of an earlier version has no cuts", () => assert.deepEqual(cutsFromColumns(undefined), []));

test("the nearest of the cuts that are shown is meant", () => {
  const cuts = new Cuts(LIST);
  assert.equal(cuts.near({ x: 6, y: 5 }, 2), null);
  cuts.shown = LIST;
  assert.equal(cuts.near({ x: 6, y: 5 }, 2).place, 1);
  assert.equal(cuts.near({ x: 12, y: 5 }, 2), null);
});

test("a cut comes after those at whose lines it ends, where these still stand", () => {
  const cuts = new Cuts(LIST);
  assert.deepEqual(cuts.chain(LIST[1]), [LIST[0], LIST[1]]);
  assert.deepEqual(cuts.chain(LIST[2]), [LIST[2]]);
  assert.equal(distance([0, 0, 10, 0], 13, 4), 5);
});
