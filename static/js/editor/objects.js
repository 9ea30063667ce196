// How objects stand after corrections: the records that picture, numbers, histogram and table work on.

import { COLOURS } from "../viewer-drawing.js";
import { PAGE, json } from "./calls.js";

const LEAST_AREA = 9; // px; see filters.SLIP_PX
const LENGTHS = ["ecd", "min_feret", "max_feret"];
const SAME = 1e-6; // relative, of sizes

// change: what the worker says of an object, { id, data, box, sizes, rings }; page: { automatic, data, facts }. Null where
// it is gone.
export function standing({ id, data, box, sizes, rings, ignored = 0 }, page, classes) {
  if (!data) return null;
  const { automatic, data: result, facts } = page;
  const [place, confidence, byHand, aside] = data;
  const measured = automatic.get(id);
  const named = classes.length > 1 ? { class: classes[place] } : {};
  const common = { place, pixels: (sizes?.area ?? 0) * (1 - ignored), byHand: byHand || aside !== "", ...named };
  if (!byHand && measured) return { ...measured, ...common, ...(aside ? { kept: false, reason: aside } : {}) };
  const screened = "screened" in facts;
  const frame = touchesFrame(box, result);
  const small = screened && (sizes?.area ?? 0) < LEAST_AREA;
  const isIgnored = !("semantic" in facts) && ignored >= Number(facts.inside);
  const reason = aside || (isIgnored ? facts.ignored : "") || (screened && frame ? facts.frame : "") || (small ? facts.slip : "");
  const state = { ...common, id, confidence, reason, kept: reason === "" };
  const now = sizes ? inUnit(sizes, result.pixel_size) : {};
  if (measured && ["area", ...LENGTHS].every((name) => Math.abs(measured[name] - now[name]) <= SAME * now[name])) return { ...measured, ...state };
  const [outline = [], ...others] = rings;
  return {
    ...{ ...state, ...now, outline, rings: others },
    ...("semantic" in facts ? { ...seen(measured), colour: measured?.colour ?? COLOURS[place % COLOURS.length] } : {}),
    ...(frame && !screened ? { cut: true } : {}),
    ...(measured?.[facts.size] !== undefined && !LENGTHS.includes(facts.size) ? { [facts.size]: null } : {}),
    ...(frame || !weighted(automatic) ? {} : { weight: edgeWeight(box, result) }),
  };
}

// Of a class what is seen of it, until its rings come.
const seen = ({ outline, rings, path, box } = {}) => (path ? { outline, rings, path, box } : {});

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

// What stands on the server now: its answer, and the record of each object. The worker has the label image afterwards.
export async function loaded(worker, page) {
  const { facts, data, automatic } = page;
  const answer = await json(`${facts.labels}?format=objects`, { headers: PAGE, cache: "no-store" });
  const { width, height, rows } = data;
  const about = { width, height, rows, address: facts.labels, byClass: "semantic" in facts, regions: data.regions };
  const areas = await worker.call("open", { ...about, objects: answer });
  const corrected = new Set([...answer.by_hand, ...Object.keys(answer.set_aside).map(Number)]);
  const places = new Map(answer.ids.map((id, i) => [id, answer.classes_of[i]]));
  const [objects, touched] = [new Map(), []];
  for (const [id, area] of areas) {
    if (corrected.has(id) || !automatic.has(id)) touched.push(id);
    else objects.set(id, { ...automatic.get(id), pixels: area, place: places.get(id) ?? 0 });
  }
  for (const change of await worker.call("measure", { ids: touched })) objects.set(change.id, standing(change, page, answer.classes));
  return { ...answer, objects, touched, ignored: await worker.call("ignored") };
}
