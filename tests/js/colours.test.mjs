// The colours of the objects: by number, by shape, by neighbour.

import assert from "node:assert/strict";
import test from "node:test";

import { colouring } from "../../static/js/viewer-colours.js";

const particles = [
  { id: 1, kept: true, shape: "round", neighbour_distance: 0 },
  { id: 2, kept: true, shape: "rod", neighbour_distance: 400 },
  { id: 3, kept: false, shape: "", neighbour_distance: null },
];
const DATA = { shapes: { rod: "1", round: "1,200" }, scales: { neighbour_distance: { from: 10, step: 20, words: ["from 10 nm", "to 170 nm"] } } };

test("neighbours differ where nothing is chosen", () => {
  const { of, legend } = colouring("", DATA);
  assert.notEqual(of(particles[0]), of(particles[1]));
  assert.deepEqual(legend, []);
});

test("a shape has one colour, and what has none is grey", () => {
  const { of, colours, legend } = colouring("shape", DATA);
  assert.notEqual(of(particles[0]), of(particles[1]));
  assert.equal(of(particles[2]), "#969696");
  assert.ok(particles.every((each) => colours.includes(of(each))));
  assert.deepEqual(legend.map(([, words]) => words), ["round 1,200", "rod 1"]);
});

test("small numbers are dark, great ones bright, and a missing number is grey; the server says the ends", () => {
  const { of, colours, legend } = colouring("neighbour_distance", DATA);
  const colour = (distance) => of({ neighbour_distance: distance });
  assert.deepEqual([0, 29, 31, 149, 151, 400, null].map(colour), [colours[0], colours[0], colours[1], colours[6], colours[7], colours[7], "#969696"]);
  assert.deepEqual(legend.map(([, words]) => words), ["from 10 nm", "", "", "", "", "", "", "to 170 nm"]);
});

test("where nothing is known neighbours differ", () => {
  assert.deepEqual(colouring("local_density", DATA).legend, []);
});

test("directions have one turn of hues, those of the figure, and begin again where they end", () => {
  const { of, colours, legend } = colouring("direction", DATA);
  assert.equal(of({ direction: 4 }), of({ direction: 184 }));
  assert.notEqual(of({ direction: 4 }), of({ direction: 94 }));
  assert.equal(of({ direction: 95 }), "#3dd4f2"); // hsv_to_rgb(95 / 180, 0.75, 0.95)
  assert.equal(of({ direction: null }), "#969696");
  assert.equal(legend.length, 18);
  assert.ok(legend.every(([colour]) => colours.includes(colour)) && legend[0][1].startsWith("0°"));
});
