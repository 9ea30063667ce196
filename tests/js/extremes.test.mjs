import assert from "node:assert/strict";
import { test } from "node:test";

import "./page.mjs";
import { extremes } from "../../static/js/extremes.js";

const particle = (id, size, confidence, changes = {}) => ({ id, min_feret: size, confidence, kept: true, reason: "", ...changes });

test("the smallest, the one nearest to the median, and the largest; of a few each", () => {
  const ten = [50, 20, 90, 40, 31, 41, 42, 43, 30, 29].map((size, i) => particle(i, size, 1));
  const cut = particle(7, 5, 1, { cut: true }); // its size is not known
  const named = (all) => extremes(all, "min_feret", "nm", 0.9).map((each) => each.min_feret);
  assert.deepEqual(named([...ten, cut, particle(8, 3, 1, { kept: false })]), [20, 40, 90]);
  assert.deepEqual(named([...ten.slice(0, 4), cut]), [20, 40, 50, 90]);
  const weighted = ten.map((each) => ({ ...each, weight: each.min_feret === 90 ? 7 : 1 }));
  assert.deepEqual(named(weighted), [20, 42, 90]);
  const [gap, checked] = [particle(11, 2, 0.89), particle(12, 4, 0.13, { byHand: true })];
  assert.deepEqual([named([...ten, gap])[0], named([...ten, gap, checked])[0]], [20, 4]);
  assert.deepEqual(named(ten.map((each) => ({ ...each, confidence: 0.6 }))), []);
  assert.deepEqual(named(ten.map((each) => ({ ...each, confidence: NaN }))), [20, 40, 90]);
  assert.deepEqual(named(ten.map((each) => ({ ...each, confidence: null }))), [20, 40, 90]);
});
