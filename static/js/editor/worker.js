// Holds the label image away from the page: decodes it, corrects it, measures and outlines what was touched.

import { Labels, checksum } from "./labels.js";
import { PAGE } from "./calls.js";
import { around, insideOf } from "./drawn.js";
import { beside, crossed, piecesOf } from "./regions.js";
import { ringsOf, sizesOf } from "./shapes.js";

const ROWS = 1024; // of the image that are asked for at once
const HEAD = 6; // numbers before the runs: width, height, top, bottom, number of the last edit, next id

let labels = null;
let byClass = false; // the outline of a class is long: it comes when it is asked for
let ignored = null; // 1 for each cell in a region to ignore, null without regions
let steps = []; // corrections in their order: { patch, back }

const answers = {
  // address: of the labels; objects: what the server says of each.
  async open({ address, width, height, rows, objects, ...kind }) {
    labels = new Labels(width, height, rows);
    byClass = kind.byClass;
    ignored = kind.regions.length ? maskOf(kind.regions) : null;
    await load(address, objects.base);
    labels.classes = objects.classes;
    labels.next = objects.next;
    const byHand = new Set(objects.by_hand);
    objects.ids.forEach((id, i) => {
      const data = [objects.classes_of[i], objects.confidence[i], byHand.has(id), objects.set_aside[id] ?? ""];
      labels.decide(id, data);
    });
    steps = [];
    return [...labels.objects].map(([id, { area }]) => [id, byClass ? area * (1 - shareIgnored(id)) : area]);
  },

  // How many analysed pixels lie in regions to ignore.
  ignored: () => ignored?.subarray(0, labels.rows * labels.width).reduce((sum, inside) => sum + inside, 0) ?? 0,

  rings: ({ ids }) => ids.map((id) => [id, ringsOf(labels, id)]),

  measure: ({ ids }) => ids.map((id) => described(id)),

  // One correction made here: null where only the server can; else its checksum and what changed.
  correct({ operation }) {
    const patch = labels.make(operation);
    return patch && { check: checksum(patch), changed: applied(patch) };
  },

  // Patches of the server, in their order.
  follow: ({ patches }) => patches.map((patch) => ({ changed: applied(flat(patch)) })),

  // Patches of the server that take back a step from before this visit.
  retrace: ({ patches }) => ({ changed: patches.flatMap((patch) => changes(labels.apply(flat(patch)), patch)) }),

  // Takes back the last step of this visit, null where there is none.
  back() {
    const step = steps.pop();
    return step ? { check: checksum(step.back), changed: changes(labels.apply(step.back), step.back) } : null;
  },

  at: ({ x, y }) => labels.at(x, y),

  // Two objects that a line runs between or across, or more; see regions.js.
  beside: ({ points }) => beside(labels, points),

  pieces: ({ id }) => piecesOf(labels, id),

  // The object on both sides of each line, 0 where there is none: the line is cut, or its object is gone.
  divided: ({ sides }) => sides.map(([x0, y0, x1, y1]) => (labels.at(x0, y0) === labels.at(x1, y1) ? labels.at(x0, y0) : 0)),

  // The object that most of a line lies in, 0 where it crosses none.
  crossed: ({ points }) => crossed(labels, points),

  // Whose pixel lies within a shape: ids in the box between two corners, or in a polygon.
  within({ corners, polygon }) {
    const ids = new Set();
    const inside = polygon ? insideOf(polygon) : () => true;
    labels.scan(around(polygon ?? corners), (at, row, column, id) => id && !ids.has(id) && inside(row, column) && ids.add(id));
    return [...ids];
  },
};

async function load(address, base) {
  for (let top = 0; top < labels.height; top += ROWS) {
    const bottom = Math.min(labels.height, top + ROWS);
    const answer = await fetch(`${address}?format=runs&top=${top}&bottom=${bottom}`, { headers: PAGE, credentials: "same-origin" });
    if (!answer.ok) throw new Error(`labels: ${answer.status}`);
    const numbers = new Int32Array(await answer.arrayBuffer());
    if (numbers[4] !== base) throw new Error("labels: changed while they came");
    labels.fill(top * labels.width, numbers.subarray(HEAD));
    postMessage({ loaded: bottom / labels.height });
  }
}

// The cells whose centres lie in a region: two corners are those of a rectangle.
function maskOf(regions) {
  const mask = new Uint8Array(labels.width * labels.height);
  for (const region of regions) {
    const [[x0, y0], [x1, y1]] = region;
    const polygon = region.length > 2 ? region : [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
    const inside = insideOf(polygon);
    labels.scan(around(polygon), (at, row, column) => inside(row, column) && (mask[at] = 1));
  }
  return mask;
}

// The share of an object's pixels that lies in regions to ignore.
function shareIgnored(id) {
  const object = labels.objects.get(id);
  if (!ignored || !object?.area) return 0;
  let count = 0;
  labels.scan(object.box, (at, row, column, here) => here === id && (count += ignored[at]));
  return count / object.area;
}

function applied(patch) {
  const back = labels.inverse(patch);
  const touched = labels.apply(patch);
  steps.push({ patch, back });
  return changes(touched, patch);
}

const flat = (patch) => ({ ...patch, runs: patch.runs.flat() });

function changes(touched, { objects }) {
  const ids = new Set([...touched, ...Object.keys(objects).map(Number)]);
  return [...ids].map(described);
}

// What the page knows of an object; null data where it is gone.
function described(id) {
  const object = labels.objects.get(id);
  const rings = object && !byClass ? ringsOf(labels, id) : [];
  return { id, data: labels.data(id), box: object?.box ?? null, sizes: object ? sizesOf(labels, id) : null, rings, ignored: shareIgnored(id) };
}

self.onmessage = async ({ data: { call, said }, ports: [port] }) => {
  try {
    port.postMessage({ value: await answers[call](said ?? {}) });
  } catch (error) {
    port.postMessage({ problem: error.message });
  }
};
