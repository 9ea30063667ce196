// For tests/web/test_editor.py: makes operations with the editor's own scripts, and measures what they leave.
// stdin: { width, height, rows, next, classes, pairs: [id, count, ...], operations, objects }, the last for the numbers.
// stdout: { steps, pairs, sizes, numbers, alike: [id, how alike to 1 and 5], ... }.

import { Impossible } from "../../static/js/editor/drawn.js";
import { Labels, checksum } from "../../static/js/editor/labels.js";
import { alikeTo, numbersOf } from "../../static/js/editor/numbers.js";
import { sizesOf } from "../../static/js/editor/shapes.js";

let text = "";
for await (const part of process.stdin) text += part;
const { width, height, rows, next, classes, pairs, operations, objects = [] } = JSON.parse(text);
const labels = Object.assign(new Labels(width, height, rows), { next, classes });
labels.fill(0, Int32Array.from(pairs));
const backs = [];

function made(operation) {
  const patch = operation.op === "undo" ? backs.pop() : labels.make(operation);
  if (!patch) return null;
  if (operation.op !== "undo") backs.push(labels.inverse(patch));
  labels.apply(patch);
  return { check: checksum(patch), objects: patch.objects, next: patch.next };
}

const steps = operations.map((operation) => {
  try {
    return made(operation);
  } catch (error) {
    if (error instanceof Impossible) return { impossible: error.message };
    throw error;
  }
});
const left = [];
for (const id of labels.cells) {
  if (left.length && left[left.length - 2] === id) left[left.length - 1] += 1;
  else left.push(id, 1);
}
const sizes = Object.fromEntries([...labels.objects.keys()].map((id) => [id, sizesOf(labels, id)]));
process.stdout.write(JSON.stringify({ steps, pairs: left, sizes, numbers: numbersOf(objects, "min_feret", "nm"), alike: [...alikeTo(objects, [1, 5], "min_feret")] }));
