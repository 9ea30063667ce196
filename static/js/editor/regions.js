// Pixels that hang together, and those between objects: the same rules as edits.py and geometry.py of
// segmentation/core/labels, to the pixel.

import { Impossible } from "./drawn.js";

const BOUNDARY = 5; // px between grains
const GAP = BOUNDARY + 2; // px that a ragged boundary may be wide
const REACH = 9; // px from a click to the objects on both sides of a boundary

// How many steps each pixel of a box is from a mask, through sides and corners; more than `most` are most + 1.
function stepsFrom(mask, [top, left, bottom, right], most) {
  const [tall, wide] = [bottom - top, right - left];
  const steps = Int8Array.from(mask, (inside) => (inside ? 0 : most + 1));
  const reach = (row, column, others) => {
    const at = row * wide + column;
    for (const [down, along] of others) {
      const [i, j] = [row + down, column + along];
      if (i >= 0 && i < tall && j >= 0 && j < wide) steps[at] = Math.min(steps[at], steps[i * wide + j] + 1);
    }
  };
  const before = [[-1, -1], [-1, 0], [-1, 1], [0, -1]];
  const after = before.map((step) => step.map((by) => -by));
  for (let row = 0; row < tall; row++) for (let column = 0; column < wide; column++) reach(row, column, before);
  for (let row = tall - 1; row >= 0; row--) for (let column = wide - 1; column >= 0; column--) reach(row, column, after);
  return steps;
}

// The background between each two of some objects, in order: the steps to both are GAP + 1 at most, and those to any
// other object more than a boundary.
export function between(labels, ids) {
  const border = new Set();
  const { rows, width } = labels;
  const every = [...ids].map((id) => [id, labels.objects.get(id).box]);
  every.forEach(([one, a], i) => {
    for (const [other, b] of every.slice(i + 1)) {
      const [top, left] = [0, 1].map((side) => Math.max(a[side], b[side]) - GAP);
      const [bottom, right] = [2, 3].map((side) => Math.min(a[side], b[side]) + GAP);
      if (top >= bottom || left >= right) continue;
      const box = [Math.max(0, top - GAP), Math.max(0, left - GAP), Math.min(rows, bottom + GAP), Math.min(width, right + GAP)];
      const cells = [];
      labels.scan(box, (at, row, column, here) => cells.push(here));
      const [ones, others] = [one, other].map((id) => stepsFrom(cells.map((here) => here === id), box, GAP));
      const strangers = stepsFrom(cells.map((here) => here !== 0 && !ids.has(here)), box, BOUNDARY);
      let i = 0;
      labels.scan(box, (at, row, column, here) => {
        if (here === 0 && ones[i] + others[i] <= GAP + 1 && strangers[i] > BOUNDARY) border.add(at);
        i += 1;
      });
    }
  });
  return [...border].sort((a, b) => a - b);
}

// The pixels of one object, or of the background, that hang together around a point through sides, as a shape.
export function connected(labels, [x, y]) {
  const { width, rows, cells } = labels;
  const [column, row] = [Math.floor(x), Math.floor(y)];
  if (!(column >= 0 && row >= 0 && column < width && row < rows)) throw new Impossible("The point lies outside the image.");
  const taken = pool(cells, row * width + column, [0, 0, rows, width], width);
  return { box: taken.box, inside: (i, j) => taken.has[i * width + j] === 1 };
}

// Floods the cells of one value from a place on, within a box.
function pool(cells, from, [top, left, bottom, right], width, has = new Uint8Array(bottom * width)) {
  const value = cells[from];
  const box = [Infinity, Infinity, 0, 0];
  const waiting = [from];
  has[from] = 1;
  const visit = (at) => {
    if (cells[at] !== value || has[at]) return;
    has[at] = 1;
    waiting.push(at);
  };
  while (waiting.length) {
    const at = waiting.pop();
    const [row, column] = [Math.floor(at / width), at % width];
    [box[0], box[1], box[2], box[3]] = [Math.min(box[0], row), Math.min(box[1], column), Math.max(box[2], row + 1), Math.max(box[3], column + 1)];
    if (column > left) visit(at - 1);
    if (column < right - 1) visit(at + 1);
    if (row > top) visit(at - width);
    if (row < bottom - 1) visit(at + width);
  }
  return { has, box };
}

// Of how many pieces an object is; pixels of one piece share sides.
export function piecesOf(labels, id) {
  const box = labels.objects.get(id)?.box;
  if (!box) return 0;
  const has = new Uint8Array(box[2] * labels.width);
  let count = 0;
  labels.scan(box, (at, row, column, here) => {
    if (here !== id || has[at]) return;
    count += 1;
    pool(labels.cells, at, box, labels.width, has);
  });
  return count;
}

// The objects on both sides of the boundaries that a line crosses or follows; of a click one point. A boundary that it
// only brushes against does not count.
export function beside(labels, points) {
  const counts = new Map(); // of a pair
  for (const [x, y] of stepped(points)) {
    const nearest = new Map(); // id: square of its distance
    const [row, column] = [Math.floor(y), Math.floor(x)];
    const box = [row - REACH, column - REACH, row + REACH + 1, column + REACH + 1];
    labels.scan(box, (at, i, j, here) => here && nearest.set(here, Math.min(nearest.get(here) ?? Infinity, (i - row) ** 2 + (j - column) ** 2)));
    const [one, other] = [...nearest].sort((a, b) => a[1] - b[1] || a[0] - b[0]);
    if (!other || other[1] > REACH ** 2) continue;
    const pair = [one[0], other[0]].sort((a, b) => a - b).join();
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  const most = Math.max(0, ...counts.values());
  return [...new Set([...counts].filter(([, count]) => 2 * count >= most).flatMap(([pair]) => pair.split(",").map(Number)))];
}

// The object that most of a line lies in, 0 where it crosses none.
export function crossed(labels, points) {
  const counts = new Map();
  for (const [x, y] of stepped(points)) {
    const id = labels.at(x, y);
    if (id) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
}

// Points on a line, a pixel apart at most.
function stepped(points) {
  const all = [points[0]];
  points.slice(1).forEach(([x, y], i) => {
    const [x0, y0] = points[i];
    const count = Math.ceil(Math.max(1, Math.hypot(x - x0, y - y0)));
    for (let step = 1; step <= count; step++) all.push([x0 + (step * (x - x0)) / count, y0 + (step * (y - y0)) / count]);
  });
  return all;
}
