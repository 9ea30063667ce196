import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Element } from "./page.mjs";
import { link, pixelRatio } from "../../static/js/linked.js";
import { Viewport } from "../../static/js/viewport.js";

let sides;

function side(columns, rows, pixel = 0) {
  const canvas = new Element({ width: 400, height: 400, left: 0, top: 0 });
  const made = { canvas, pixel, drawn: 0 };
  made.viewport = new Viewport(canvas, { columns, rows, draw: () => (made.drawn += 1) });
  canvas.resized();
  return made;
}

const middle = ({ viewport }) => viewport.toImage(viewport.middle);
const near = (found, expected) => assert.ok(Math.abs(found - expected) < 1e-6, `${found}, not ${expected}`);

beforeEach(() => {
  sides = [side(1000, 500), side(1000, 500)];
  link(sides, true);
});

test("what is zoomed and moved in one is so in the other", () => {
  sides[0].viewport.show({ x: 300, y: 200 }, 3);
  near(middle(sides[1]).x, 300);
  near(middle(sides[1]).y, 200);
  near(sides[1].viewport.view.scale, 3);
  sides[1].viewport.pan(60, 0);
  near(middle(sides[0]).x, 320);
});

test("to fit one is to fit both", () => {
  sides[0].viewport.show({ x: 300, y: 200 }, 3);
  sides[1].viewport.fit();
  assert.ok(sides.every(({ viewport }) => viewport.fitted));
});

test("both are painted, and neither answers the other without end", () => {
  sides.forEach((each) => (each.drawn = 0));
  sides[0].viewport.show({ x: 300, y: 200 }, 3);
  assert.deepEqual(sides.map(({ drawn }) => drawn), [1, 1]);
});

test("images of two scales are shown at one magnification", () => {
  const two = [side(1000, 500, 2), side(800, 800, 4)];
  link(two, false);
  two[0].viewport.show({ x: 500, y: 250 }, 2);
  near(two[1].viewport.view.scale, 4); // twice as long a pixel is twice as large
  near(middle(two[1]).x, 400);
});

test("without a scale the widths count", () => {
  assert.equal(pixelRatio(side(1000, 500), side(500, 500), false), 0.5);
});
