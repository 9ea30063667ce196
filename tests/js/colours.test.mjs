// The colours of the objects: by number, by shape, by neighbour.

import assert from "node:assert/strict";
import test from "node:test";

import { colouring } from "../../static/js/viewer-colours.js";

const lengths = { unit: "nm", said: (each, key) => String(Math.round(each[key])) };
const particles = [
  { id: 1, kept: true, shape: "round", neighbour_distance: 0 },
  { id: 2, kept: true, shape: "rod", neighbour_distance: 400 },
  { id: 3, kept: false, shape: "", neighbour_distance: null },
];

test("neighbours differ where nothing is chosen", () => {
  const { of, legend } = colouring("", particles, lengths);
  assert.notEqual(of(particles[0]), of(particles[1]));
  assert.deepEqual(legend, []);
});

test("a shape has one colour, and what has none is grey", () => {
  const { of, colours, legend } = colouring("shape", particles, lengths);
  assert.notEqual(of(particles[0]), of(particles[1]));
  assert.equal(of(particles[2]), "#969696");
  assert.ok(particles.every((each) => colours.includes(of(each))));
  assert.deepEqual(legend.map(([, words]) => words), ["round 1", "rod 1"]);
});

test("near neighbours are dark, far ones bright, and a missing number is grey", () => {
  const many = Array.from({ length: 100 }, (_, i) => ({ id: i, kept: true, neighbour_distance: i }));
  const { of, colours, legend } = colouring("neighbour_distance", [...many, particles[2]], lengths);
  assert.equal(of(many[0]), colours[0]);
  assert.equal(of(many[99]), "#fde725");
  assert.equal(of(particles[2]), "#969696");
  assert.equal(legend[0][1], "from 0 nm");
  assert.match(legend.at(-1)[1], /^to 9\d nm$/);
});

test("where nothing is known neighbours differ", () => {
  assert.deepEqual(colouring("local_density", particles, lengths).legend, []);
});

test("colours of a size begin where the sizes do", () => {
  const many = Array.from({ length: 100 }, (_, i) => ({ id: i, kept: true, min_feret: 50 + i }));
  const { of, colours, legend } = colouring("min_feret", many, lengths);
  assert.equal(of({ min_feret: 50 }), colours[0]);
  assert.equal(of({ min_feret: 500 }), "#fde725");
  assert.equal(legend[0][1], "from 52 nm");
});

test("directions have one turn of hues, those of the figure, and begin again where they end", () => {
  const { of, colours, legend } = colouring("direction", [{ id: 1, kept: true, direction: 4 }], lengths);
  assert.equal(of({ direction: 4 }), of({ direction: 184 }));
  assert.notEqual(of({ direction: 4 }), of({ direction: 94 }));
  assert.equal(of({ direction: 95 }), "#3dd4f2"); // hsv_to_rgb(95 / 180, 0.75, 0.95)
  assert.equal(of({ direction: null }), "#969696");
  assert.equal(legend.length, 18);
  assert.ok(legend.every(([colour]) => colours.includes(colour)) && legend[0][1].startsWith("0°"));
});
