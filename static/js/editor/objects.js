// How objects stand after corrections: the records that numbers, table, review and the page's viewer work on.

import { Calls, json } from "./calls.js";

const LEAST_AREA = 9; // px; see filters.SLIP_PX
const LENGTHS = ["ecd", "min_feret", "max_feret"];

// change: what the worker says of an object, { id, data, box, sizes }. Null where it is gone.
export function standing({ id, data, box, sizes }, { automatic, data: result, classes, facts }) {
  if (!data) return null;
  const [place, confidence, byHand, aside] = data;
  const measured = automatic.get(id);
  const named = classes.length > 1 ? { class: classes[place] } : {};
  const common = { box, place, pixels: sizes?.area ?? 0, byHand: byHand || aside !== "", ...named };
  if (!byHand && measured) return { ...measured, ...common, ...(aside ? { kept: false, reason: aside } : {}) };
  const screened = "screened" in facts;
  const frame = touchesFrame(box, result);
  const small = screened && (sizes?.area ?? 0) < LEAST_AREA;
  const reason = aside || (screened && frame ? facts.frame : "") || (small ? facts.slip : "");
  return {
    ...{ id, ...common, confidence, reason, kept: reason === "" },
    ...(frame && !screened ? { cut: true } : {}),
    ...(sizes ? inUnit(sizes, result.pixel_size) : {}),
    ...(measured?.[facts.size] !== undefined && !LENGTHS.includes(facts.size) ? { [facts.size]: null } : {}),
    ...(frame || !weighted(automatic) ? {} : { weight: edgeWeight(box, result) }),
  };
}

const touchesFrame = (box, { width, rows }) => Boolean(box) && (box[0] <= 0 || box[1] <= 0 || box[2] >= rows || box[3] >= width);

function inUnit(sizes, pixel) {
  const lengths = Object.fromEntries(LENGTHS.map((name) => [name, sizes[name] * pixel]));
  return { ...lengths, area: sizes.area * pixel * pixel };
}

const weighted = (automatic) => [...automatic.values()].some((each) => Number.isFinite(each.weight));

// The inverse of the chance that an object of this size touches no edge (Miles 1974, Lantuéjoul 1978).
function edgeWeight([top, left, bottom, right], { width, rows }) {
  return (rows * width) / ((rows - 1 - (bottom - top)) * (width - 1 - (right - left)));
}

// What stands on the server now: its answer, the record of each object, and the ids of those that somebody touched. The
// worker has the label image afterwards.
export async function loaded(worker, { facts, data, automatic, colours }) {
  const answer = await json(`${facts.labels}?format=objects`);
  const { width, height, rows, particles } = data;
  const aside = particles.filter((each) => !each.kept).map((each) => each.id);
  const frame = { width, height, rows, address: facts.labels, byClass: "semantic" in facts, screened: "screened" in facts };
  const boxes = await worker.call("open", { ...frame, objects: answer, aside, colours });
  const corrected = new Set([...answer.by_hand, ...Object.keys(answer.set_aside).map(Number)]);
  const places = new Map(answer.ids.map((id, i) => [id, answer.classes_of[i]]));
  const [objects, touched] = [new Map(), []];
  for (const [id, box, area] of boxes) {
    if (corrected.has(id) || !automatic.has(id)) touched.push(id);
    else objects.set(id, { ...automatic.get(id), box, pixels: area, place: places.get(id) ?? 0 });
  }
  for (const change of await worker.call("measure", { ids: touched })) objects.set(change.id, standing(change, { automatic, data, classes: answer.classes, facts }));
  return { ...answer, objects, touched };
}

// The outlines of a result with the corrections so far, as its viewer takes them. facts: of the editor.
export async function asTheyStand(facts, data) {
  const automatic = new Map(data.particles.map((each) => [each.id, each]));
  const worker = new Calls(facts.worker, () => {});
  try {
    const { objects, touched } = await loaded(worker, { facts, data, automatic, colours: [] });
    const rings = new Map(await worker.call("rings", { ids: touched }));
    const particles = [...objects.values()].map((record) => {
      if (!rings.has(record.id)) return record;
      const [outline = [], ...others] = rings.get(record.id);
      const before = automatic.get(record.id);
      return { ...(before?.colour ? { ...before, area: record.area } : record), outline, rings: others };
    });
    const ids = await worker.call("divided", { sides: data.cuts.map((cut) => cut.sides) });
    return { ...data, particles, cuts: data.cuts.map((cut, i) => ({ ...cut, id: ids[i] })).filter((cut) => cut.id) };
  } finally {
    worker.worker.terminate();
  }
}
