// The label image in the browser: what stands where, and the corrections that need no network's map.
// The same rules as segmentation/core/labels (patches.py, edits.py, geometry.py), which decide in the end: the
// server's checksum of each patch is compared with `checksum`. Places are [x, y] in pixels of the upload.

import { Impossible, brushShape, polygonShape } from "./drawn.js";
import { between, connected } from "./regions.js";

export class Labels {
  // rows: how many of the image's rows were analysed.
  constructor(width, height, rows) {
    Object.assign(this, { width, height, rows, next: 1, classes: [] });
    this.cells = new Int32Array(width * height);
    this.objects = new Map(); // id: { place, confidence, byHand, aside, area, box: [top, left, bottom, right] }
  }

  // pairs: Int32Array of (id, count), row by row from a place of the image on.
  fill(start, pairs) {
    const { cells, width } = this;
    let at = start;
    for (let i = 0; i < pairs.length; i += 2) {
      const [id, count] = [pairs[i], pairs[i + 1]];
      if (id > 0) {
        cells.fill(id, at, at + count);
        this.seen(id, at, count);
      }
      at += count;
    }
  }

  seen(id, start, count) {
    let object = this.objects.get(id);
    if (!object) this.objects.set(id, (object = { place: 0, confidence: null, byHand: false, aside: "", area: 0, box: null }));
    object.area += count;
    object.box = union(object.box, boxOf(start, count, this.width));
  }

  at(x, y) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    return column >= 0 && row >= 0 && column < this.width && row < this.height ? this.cells[row * this.width + column] : 0;
  }

  // ---- patches ----------------------------------------------------------------------------------

  // A patch is { runs: [start, count, id, ...] of changed pixels in order, objects: { id: data or null }, next }.
  // data: of the objects that the operation decides; others that it touches are by hand, too, or gone.
  patch(runs, data = {}) {
    const change = new Map(); // id: pixels gained or lost
    const objects = { ...data };
    for (let i = 0; i < runs.length; i += 3) {
      const [start, count, id] = [runs[i], runs[i + 1], runs[i + 2]];
      if (id) change.set(id, (change.get(id) ?? 0) + count);
      for (let at = start; at < start + count; at++) {
        const old = this.cells[at];
        if (old) change.set(old, (change.get(old) ?? 0) - 1);
      }
    }
    for (const [id, gained] of change) {
      if (id in objects) continue;
      const left = (this.objects.get(id)?.area ?? 0) + gained;
      objects[id] = left > 0 ? [this.objects.get(id)?.place ?? 0, null, true, this.objects.get(id)?.aside ?? ""] : null;
    }
    const highest = Object.keys(objects).reduce((most, id) => Math.max(most, Number(id)), 0);
    return { runs, objects, next: Math.max(this.next, highest + 1) };
  }

  // As the server writes it: class, confidence, whether by hand, the person's reason.
  data(id) {
    const object = this.objects.get(id);
    return object ? [object.place, object.confidence, object.byHand, object.aside] : null;
  }

  placeOf(name) {
    return name === undefined ? 0 : Math.max(0, this.classes.indexOf(name));
  }

  confirmed(id) {
    return [this.objects.get(id)?.place ?? 0, null, true, ""];
  }

  // The patch that takes a patch back.
  inverse({ runs, objects, next }) {
    const back = [];
    for (let i = 0; i < runs.length; i += 3) {
      const end = runs[i] + runs[i + 1];
      for (let at = runs[i]; at < end; ) {
        const [start, id] = [at, this.cells[at]];
        while (at < end && this.cells[at] === id) at++;
        back.push([start, at - start, id]);
      }
    }
    const before = Object.fromEntries(Object.keys(objects).map((id) => [id, this.data(Number(id))]));
    return { runs: joined(back, this.width), objects: before, next };
  }

  // Returns the ids whose pixels changed.
  apply({ runs, objects, next }) {
    const touched = new Set();
    for (let i = 0; i < runs.length; i += 3) {
      const [start, count, id] = [runs[i], runs[i + 1], runs[i + 2]];
      for (let at = start; at < start + count; at++) {
        const old = this.cells[at];
        if (!old) continue;
        touched.add(old);
        const object = this.objects.get(old);
        if (object) object.area -= 1;
      }
      this.cells.fill(id, start, start + count);
      if (!id) continue;
      touched.add(id);
      this.seen(id, start, count);
    }
    for (const [id, data] of Object.entries(objects)) this.decide(Number(id), data);
    this.next = Math.max(this.next, next);
    for (const id of touched) this.shrink(id);
    return touched;
  }

  decide(id, data) {
    if (data === null) {
      this.objects.delete(id);
      return;
    }
    const [place, confidence, byHand, aside] = data;
    const object = this.objects.get(id) ?? { area: 0, box: null };
    this.objects.set(id, Object.assign(object, { place, confidence, byHand, aside }));
  }

  // The box of an object that may have lost pixels.
  shrink(id) {
    const object = this.objects.get(id);
    if (!object?.box) return;
    let box = null;
    this.scan(object.box, (at, row, column, here) => {
      if (here === id) box = union(box, [row, column, row + 1, column + 1]);
    });
    object.box = box;
  }

  // Each pixel of a box that lies in the analysed part of the image.
  scan(box, visit) {
    const [top, left, bottom, right] = [Math.max(0, box[0]), Math.max(0, box[1]), Math.min(this.rows, box[2]), Math.min(this.width, box[3])];
    for (let row = top; row < bottom; row++) {
      for (let column = left, at = row * this.width + left; column < right; column++, at++) visit(at, row, column, this.cells[at]);
    }
  }

  // ---- operations -------------------------------------------------------------------------------

  // The patch of an operation, or null where only the server can make it. Throws Impossible.
  make(operation) {
    return OPERATIONS[operation.op]?.(this, operation) ?? null;
  }

  check(ids) {
    if (!ids.length) throw new Impossible("Choose at least one object.");
    for (const id of ids) {
      if (!this.objects.has(id)) throw new Impossible(`There is no object ${id}: it was deleted, or never there.`);
    }
    return ids;
  }

  // The runs that give the pixels of some objects another id, beside those that there are already.
  recoloured(ids, to, runs = new Runs()) {
    const chosen = new Set(ids);
    for (const id of chosen) {
      this.scan(this.objects.get(id).box, (at, row, column, here) => here === id && to !== id && runs.add(at, to));
    }
    return runs.sorted(this.width);
  }

  // The runs that give the pixels inside a shape another id, beside those that there are already; takes(id): whether a
  // pixel of that object may be taken.
  painted({ box, inside }, to, takes, runs = new Runs()) {
    let held = 0;
    this.scan(box, (at, row, column, here) => {
      if (!takes(here) || !inside(row, column)) return;
      held += 1;
      if (here !== to) runs.add(at, to);
    });
    return { runs: runs.sorted(this.width), held };
  }

  // replace: the object has the pixels inside the shape alone.
  paint(shape, { id, ground, replace, class: place }) {
    if (id !== undefined) this.check([id]);
    const left = replace ? this.outside(shape, id) : new Runs();
    const number = id ?? this.next;
    const { runs, held } = this.painted(shape, number, (here) => !ground || here === 0 || (replace && here === id), left);
    if (!held) throw new Impossible("The outline contains no pixel that can be taken: draw it larger, or over other objects.");
    if (replace && !runs.length) throw new Impossible("The outline is the same as before.");
    return this.patch(runs, { [number]: id === undefined ? [place ?? 0, null, true, ""] : this.confirmed(number) });
  }

  // The runs that take away what an object has beside a shape.
  outside(shape, id) {
    const runs = new Runs();
    const [top, from, bottom, to] = shape.box;
    this.scan(this.objects.get(id).box, (at, row, column, here) => {
      const inside = row >= top && row < bottom && column >= from && column < to && shape.inside(row, column);
      if (here === id && !inside) runs.add(at, 0);
    });
    return runs;
  }

  erase(shape, { id }) {
    if (id !== undefined) this.check([id]);
    const { runs } = this.painted(shape, 0, (here) => here !== 0 && (id === undefined || here === id));
    if (!runs.length) throw new Impossible("There is nothing to erase there.");
    return this.patch(runs);
  }

  decided(ids, decide) {
    this.check(ids);
    return this.patch([], Object.fromEntries(ids.map((id) => [id, decide(id)])));
  }
}

const OPERATIONS = {
  delete: (labels, { ids }) => labels.patch(labels.recoloured(labels.check(ids), 0)),
  merge(labels, { ids, boundary }) {
    if (new Set(labels.check(ids)).size < 2) throw new Impossible("Choose at least two objects to merge.");
    const area = (id) => labels.objects.get(id).area;
    const largest = [...ids].sort((a, b) => area(b) - area(a) || a - b)[0];
    const runs = new Runs();
    for (const at of boundary ? between(labels, new Set(ids)) : []) runs.add(at, largest);
    return labels.patch(labels.recoloured(ids.filter((id) => id !== largest), largest, runs), { [largest]: labels.confirmed(largest) });
  },
  // What was deleted only the server brings back.
  restore: (labels, { ids }) => (ids.every((id) => labels.objects.has(id)) ? labels.decided(ids, (id) => labels.confirmed(id)) : null),
  reviewed: (labels, { ids }) => labels.decided(ids, (id) => labels.confirmed(id)),
  set_aside(labels, { ids, reason }) {
    const words = reason.trim();
    if (!words || words.length > 40) throw new Impossible("A reason has 1 to 40 characters.");
    return labels.decided(ids, (id) => [...labels.data(id).slice(0, 3), words]);
  },
  class: (labels, { ids, class: name }) => labels.decided(ids, (id) => [labels.placeOf(name), null, true, labels.data(id)[3]]),
  draw: (labels, { polygon, class: name, ...rest }) => labels.paint(polygonShape(polygon), { ...rest, class: labels.placeOf(name) }),
  paint: (labels, { points, radius, class: name, ...rest }) => labels.paint(brushShape(points, radius), { ...rest, class: labels.placeOf(name) }),
  area: (labels, { point, id, class: name }) => labels.paint(connected(labels, point), { id, class: labels.placeOf(name) }),
  erase: (labels, { polygon, points, radius, id }) => labels.erase(polygon ? polygonShape(polygon) : brushShape(points, radius), { id }),
};

// Changed pixels as [start, count, id, ...], each run within a row and as long as it can be.
export class Runs {
  constructor() {
    this.list = []; // of [start, count, id]
  }

  add(at, id) {
    const last = this.list[this.list.length - 1];
    if (last && last[2] === id && last[0] + last[1] === at) last[1] += 1;
    else this.list.push([at, 1, id]);
  }

  sorted(width) {
    return joined(this.list.flatMap((run) => rowsOf(run, width)).sort((a, b) => a[0] - b[0]), width);
  }
}

// Runs in order, those of one id that follow each other in a row as one.
function joined(runs, width) {
  const merged = [];
  for (const [start, count, id] of runs) {
    const end = merged.length;
    const follows = end && merged[end - 1] === id && merged[end - 3] + merged[end - 2] === start && start % width !== 0;
    if (follows) merged[end - 2] += count;
    else merged.push(start, count, id);
  }
  return merged;
}

function rowsOf([start, count, id], width) {
  const pieces = [];
  for (let from = start; from < start + count; ) {
    const to = Math.min(start + count, (Math.floor(from / width) + 1) * width);
    pieces.push([from, to - from, id]);
    from = to;
  }
  return pieces;
}

function union(one, two) {
  if (!one) return two;
  return [Math.min(one[0], two[0]), Math.min(one[1], two[1]), Math.max(one[2], two[2]), Math.max(one[3], two[3])];
}

function boxOf(start, count, width) {
  const [top, last] = [Math.floor(start / width), start + count - 1];
  const bottom = Math.floor(last / width);
  return top === bottom ? [top, start % width, bottom + 1, (last % width) + 1] : [top, 0, bottom + 1, width];
}

// The checksum that the server sends of each patch: CRC-32 of its runs as 32-bit integers.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

export function checksum({ runs }) {
  let value = 0xffffffff;
  for (const number of runs) {
    for (let shift = 0; shift < 32; shift += 8) value = TABLE[(value ^ (number >>> shift)) & 255] ^ (value >>> 8);
  }
  return (value ^ 0xffffffff) >>> 0;
}
