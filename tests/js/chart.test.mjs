import assert from "node:assert/strict";
import { test } from "node:test";

import { Element } from "./page.mjs";
import { rangeFilter, barsQuery } from "../../static/js/chart.js";
import { draw } from "../../static/js/chart-draw.js";
import { linearTicks, logTicks, scale, tickText } from "../../static/js/chart-scale.js";

test("a scale leads from one end to the other", () => {
  const along = scale(10, 20, 100, 300);
  assert.deepEqual([10, 15, 20].map(along), [100, 200, 300]);
  const down = scale(0, 1, 300, 100);
  assert.equal(down(0.25), 250);
  const decades = scale(1, 100, 0, 80, true);
  assert.ok(Math.abs(decades(10) - 40) < 1e-9);
});

test("ticks are round, inside and about as many as wanted", () => {
  assert.deepEqual(linearTicks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(linearTicks(-3, 47, 5), [0, 10, 20, 30, 40]);
  assert.deepEqual(linearTicks(0, 0.3, 3), [0, 0.1, 0.2, 0.3]);
  for (const [low, high] of [[0, 7.3], [12, 13], [1e-6, 5e-6], [3, 9e8]]) {
    for (const wanted of [2, 5, 11]) {
      const found = linearTicks(low, high, wanted);
      assert.ok(found.length >= 1 && found.length <= wanted + 2, `${low} to ${high}, ${wanted}: ${found}`);
      assert.ok(found.every((tick) => tick >= low - 1e-6 * high && tick <= high * (1 + 1e-6)));
    }
  }
});

test("ticks of a logarithmic axis", () => {
  assert.deepEqual(logTicks(1, 100, 10), [1, 2, 5, 10, 20, 50, 100]);
  assert.deepEqual(logTicks(1, 1e6, 5), [1, 10, 100, 1e3, 1e4, 1e5, 1e6]);
  assert.deepEqual(logTicks(15, 30, 3), [15, 20, 25, 30]); // less than three of 1, 2, 5: even steps
  assert.ok(logTicks(0.02, 0.9, 8).every((tick) => tick >= 0.02 && tick <= 0.9));
});

test("the number at a tick", () => {
  assert.deepEqual([0.3, 1234, 12345.6, 50000].map(tickText), ["0.3", "1234", "12,345.6", "50,000"]);
});

const STATE = { measure: "area", weighting: "number", unit: "nm", log: false, all: false, typed: "", typedIn: "nm", span: null };
const asked = (changes) => Object.fromEntries(new URLSearchParams(barsQuery({ ...STATE, ...changes })));

test("what the server is asked", () => {
  const plain = { measure: "area", weighting: "number", unit: "nm", log: "", all: "" };
  assert.deepEqual(asked({}), plain);
  assert.deepEqual(asked({ weighting: "volume", log: true, all: true, unit: "um" }), { ...plain, weighting: "volume", log: "1", all: "1", unit: "um" });
  assert.deepEqual(asked({ typed: "0,05", unit: "um" }), { ...plain, unit: "um", bins: "0,05", bins_unit: "nm" }); // as it was typed
  assert.deepEqual(asked({ span: { low: 10.1, high: 20.2 } }), { ...plain, low: "10.1", high: "20.2" });
  assert.deepEqual(asked({ span: { from: "12,5", to: "" } }), { ...plain, from: "12,5", to: "" });
  assert.equal(barsQuery(STATE), barsQuery({ ...STATE, fit: true, cumulative: true })); // drawn without asking
});

test("every particle between the edges is in one bar", () => {
  const bounds = [10, 20, 30];
  const bars = [{ low: 10, high: 20 }, { low: 20, high: 30 }].map((span) => rangeFilter({ bounds }, STATE, span));
  const held = (area, kept = true) => bars.map((bar) => bar({ area, kept }));
  assert.deepEqual(held(10), [true, false]);
  assert.deepEqual(held(20), [false, true]);
  assert.deepEqual(held(30), [false, true]);
  for (const outside of [9.99, 30.01, null, undefined, NaN]) assert.deepEqual(held(outside), [false, false]);
  assert.deepEqual(held(15, false), [false, false]);
  assert.equal(rangeFilter({ bounds }, { ...STATE, all: true }, { low: 10, high: 20 })({ area: 15, kept: false }), true);
  assert.equal(rangeFilter({ bounds }, STATE, { low: 12, high: Infinity })({ area: 30, kept: true }), true);
});

const PICTURE = {
  axis: [0, 40.6],
  edges: [10, 20, 30, 40],
  heights: [2, 5, 1],
  kept: [2, 4, 1],
  aside: [0, 1, 0],
  doubtful: [0, 0, 0.5],
  cumulative: [0.25, 0.875, 1],
  fit: [0, 1, 4, 5, 2, 1, 0],
  line: { at: 25, name: "25 nm" },
  log: false,
  xTitle: "Size, nm",
  yTitle: "Number of particles",
  asShare: false,
  labels: ["10 to 20", "20 to 30", "30 to 40"],
};
const classed = (svg, name) => [...svg.all((each) => each.attributes.class?.split(" ").includes(name))];

function drawn(changes = {}) {
  const svg = new Element();
  const { bin: at, x } = draw(svg, { ...PICTURE, ...changes }, 600, 300);
  return { svg, at, x };
}

test("bars stand beside each other, those set aside upon those kept", () => {
  const { svg, at, x } = drawn();
  const [columns, kept, aside] = ["column", "kept", "aside"].map((name) => classed(svg, name).map(({ attributes }) => attributes));
  const number = (each, name) => Number(each[name]);
  assert.equal(columns.length, 3);
  for (const [left, right] of [[0, 1], [1, 2]]) {
    assert.ok(Math.abs(number(columns[left], "x") + number(columns[left], "width") - number(columns[right], "x")) < 1e-9);
  }
  const heights = kept.map((each) => number(each, "height"));
  assert.ok(Math.abs(heights[0] / heights[2] - 2) < 1e-9 && Math.abs(heights[1] / heights[2] - 4) < 1e-9);
  assert.deepEqual(aside.map((each) => number(each, "height") > 0), [false, true, false]);
  assert.ok(Math.abs(number(aside[1], "y") + number(aside[1], "height") - number(kept[1], "y")) < 1e-9);
  const [pale, ...others] = classed(svg, "doubtful").map(({ attributes }) => attributes);
  assert.equal(others.length, 0);
  assert.ok(Math.abs(number(pale, "height") / heights[2] - 0.5) < 1e-9 && number(pale, "y") === number(kept[2], "y"));
  assert.deepEqual(classed(svg, "bin").map(({ attributes }) => attributes["aria-pressed"]), ["false", "false", "false"]);
  const middles = columns.map((each) => number(each, "x") + number(each, "width") / 2);
  assert.deepEqual(middles.map(at), [0, 1, 2]);
  assert.deepEqual([at(0), at(599)], [-1, -1]);
  assert.deepEqual([x(-5), x(20), x(99)], [x(10), number(columns[1], "x"), x(40)]);
});

test("curves and line are drawn where they are wanted", () => {
  const { svg } = drawn();
  assert.deepEqual(["fit", "cumulative", "limit"].map((name) => classed(svg, name).length > 0), [true, true, true]);
  const [path] = classed(svg, "cumulative").filter(({ name }) => name === "path");
  const heights = path.attributes.d.match(/ [0-9.]+/g).map(Number);
  assert.deepEqual(heights, [...heights].sort((a, b) => b - a)); // it only rises
  const without = drawn({ fit: null, cumulative: null, line: null }).svg;
  assert.deepEqual(["fit", "cumulative", "limit"].map((name) => classed(without, name).length), [0, 0, 0]);
  assert.equal(classed(drawn({ line: { at: 400, name: "" } }).svg, "limit").length, 0); // not in sight
});

test("a curve goes from one end of the axis to the other, as high as the bars", () => {
  const { svg } = drawn();
  const [path] = classed(svg, "fit");
  const [xs, ys] = [/[ML]([0-9.]+)/g, / ([0-9.]+)/g].map((of) => [...path.attributes.d.matchAll(of)].map(([, number]) => Number(number)));
  const base = classed(svg, "base")[0].attributes;
  assert.ok(Math.abs(xs[0] - base.x1) < 0.01 && Math.abs(xs.at(-1) - base.x2) < 0.01);
  const top = Math.min(...classed(svg, "aside").map(({ attributes }) => Number(attributes.y)));
  assert.ok(Math.abs(Math.min(...ys) - top) < 0.01); // both are 5
});

test("an axis of small numbers and one in decades", () => {
  const texts = (svg) => [...svg.all((each) => each.name === "text")].map(({ children }) => children[0]);
  assert.ok(texts(drawn({ axis: [0, 0.041], edges: [0.01, 0.02, 0.03, 0.04], fit: null, line: null }).svg).includes("0.02"));
  const log = drawn({ log: true, axis: [1, 1000], edges: [1, 10, 100, 1000] });
  const widths = classed(log.svg, "column").map(({ attributes }) => Number(attributes.width));
  assert.ok(Math.max(...widths) - Math.min(...widths) < 1e-9);
  assert.ok(["1", "10", "100", "1000"].every((text) => texts(log.svg).includes(text)));
  assert.ok(texts(drawn({ asShare: true, heights: [0.3, 0.5, 0.2], fit: null }).svg).includes("40"));
});
