import assert from "node:assert/strict";
import { test } from "node:test";

import "./page.mjs";
import { extremes, leastCertain } from "../../static/js/contact-sheet.js";

const particle = (id, size, confidence, changes = {}) => ({ id, min_feret: size, confidence, kept: true, reason: "", ...changes });

test("the least certain of what counts and was not checked", () => {
  const others = [particle(1, 10, 0.1, { kept: false }), particle(2, 10, 0.2, { byHand: true }), particle(3, 10, null)];
  const many = Array.from({ length: 30 }, (_, i) => particle(10 + i, 10, (i % 7) / 7 + i / 1000));
  const shown = leastCertain([...others, ...many]);
  assert.equal(shown.length, 24);
  assert.deepEqual(shown.map((each) => each.confidence), many.map((each) => each.confidence).sort((a, b) => a - b).slice(0, 24));
});

test("the smallest, the one nearest to the median, and the largest", () => {
  const five = [50, 20, 90, 40, 31].map((size, i) => particle(i, size, 1));
  const cut = particle(7, 5, 1, { cut: true }); // its size is not known
  const named = (all) => extremes(all, "min_feret", "nm").map((each) => each.min_feret);
  assert.deepEqual(named([...five, cut, particle(8, 3, 1, { kept: false })]), [20, 40, 90]);
  assert.deepEqual(named(five.slice(0, 2)), []);
  const weighted = five.map((each) => ({ ...each, weight: each.min_feret === 90 ? 9 : 1 }));
  assert.deepEqual(named(weighted), [20, 50, 90]);
});
