import assert from "node:assert/strict";
import { test } from "node:test";

import { Element } from "./page.mjs";
import { lights } from "../../static/js/lights.js";

function page(count) {
  const line = (place, first, second, objects) => {
    const button = Object.assign(new Element(), { dataset: { first, second }, disabled: true });
    button.getAttribute = (name) => button.attributes[name];
    return { dataset: { place, count: String(objects) }, querySelector: () => button };
  };
  const sides = ["first", "second"].map((side) => ({ box: { dataset: { side } }, drawing: { light(stands) { this.lit = stands; }, draw() {} } }));
  const lines = [line("changed", count ? "5,6" : "", count ? "7" : "", count), line("matched", "1", "2", 1)];
  let looked = 0;
  lights(sides, lines, () => (looked += 1));
  const lit = () => sides.map(({ drawing }) => drawing.lit && [1, 2, 5, 6, 7].filter((id) => drawing.lit({ id, kept: true })));
  return { buttons: lines.map((each) => each.querySelector()), sides, lit, looked: () => looked };
}

test("all outlines that differ are lit on both sides from the start", () => {
  const { buttons, sides, lit, looked } = page(2);
  assert.deepEqual(lit(), [[5, 6], [7]]);
  assert.deepEqual(buttons.map((button) => button.attributes["aria-pressed"]), ["true", "false"]);
  assert.equal(sides[0].drawing.lit({ id: 5, kept: false }), false, "what was left out is not lit");
  assert.equal(looked(), 0, "the page does not move by itself");
});

test("a line lights its own, and pressed again none", () => {
  const { buttons, lit, looked } = page(2);
  buttons[1].fire("click");
  assert.deepEqual(lit(), [[1], [2]]);
  buttons[1].fire("click");
  assert.deepEqual(lit(), [null, null]);
  assert.equal(looked(), 2);
});

test("where nothing differs nothing is lit", () => {
  assert.deepEqual(page(0).lit(), [null, null]);
});
