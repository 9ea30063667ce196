import assert from "node:assert/strict";
import { test } from "node:test";

import { Cuts, control, distance, listed } from "../../static/js/cuts.js";

const LIST = listed({
  place: [0, 1, 4],
  id: [7, 7, 9],
  chance: [0.6, 0.52, 0.2],
  line: [[0, 0, 10, 0], [5, 0, 5, 10], [20, 0, 20, 10]],
  after: [[], [0], [3]],
  sides: [[5, 1, 5, -1], [4, 5, 6, 5], [19, 5, 21, 5]],
});

// What `control` finds in the page.
function box() {
  const parts = {};
  const make = (name) => (parts[name] ??= { listeners: {}, addEventListener(event, heard) { this.listeners[event] = heard; } });
  return { parts, querySelector: (name) => make(/data-cuts-(\w+)/.exec(name)[1]) };
}

test("a result of an earlier version has no cuts", () => assert.deepEqual(listed(undefined), []));

test("the likely cuts are shown first, and the slider shows the others", () => {
  const cuts = new Cuts(LIST);
  const page = box();
  control(page, cuts, () => {});
  const { on, least, right, all } = page.parts;
  assert.deepEqual([cuts.shown.length, all.disabled], [0, true]);
  on.checked = true;
  on.listeners.change();
  assert.deepEqual([cuts.shown.map(({ place }) => place), right.textContent, least.min], [[0, 1], "1 of 2 are probably right", 20]);
  least.value = "20";
  least.listeners.input();
  assert.deepEqual([cuts.shown.length, all.disabled], [3, false]);
  assert.equal(cuts.near({ x: 6, y: 5 }, 2).place, 1);
  assert.equal(cuts.near({ x: 12, y: 5 }, 2), null);
});

test("a cut comes after those at whose lines it ends, where these still stand", () => {
  const cuts = new Cuts(LIST);
  assert.deepEqual(cuts.chain(LIST[1]), [LIST[0], LIST[1]]);
  assert.deepEqual(cuts.chain(LIST[2]), [LIST[2]]);
  assert.equal(distance([0, 0, 10, 0], 13, 4), 5);
});
