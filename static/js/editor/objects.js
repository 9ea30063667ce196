// How an object stands after a correction: the record that numbers, table and review work on.

const LEAST_AREA = 9; // px; see filters.SLIP_PX
const LENGTHS = ["ecd", "min_feret", "max_feret"];

// change: what the worker says of an object, { id, data, box, sizes }. Null where it is gone.
export function standing({ id, data, box, sizes }, { automatic, data: result, classes, facts }) {
  if (!data) return null;
  const [place, confidence, byHand, aside] = data;
  const known = automatic.get(id);
  const named = classes.length > 1 ? { class: classes[place] } : {};
  const common = { box, place, pixels: sizes?.area ?? 0, byHand: byHand || aside !== "", ...named };
  if (!byHand && known) return { ...known, ...common, ...(aside ? { kept: false, reason: aside } : {}) };
  const screened = "screened" in facts;
  const frame = touchesFrame(box, result);
  const small = screened && (sizes?.area ?? 0) < LEAST_AREA;
  const reason = aside || (screened && frame ? facts.frame : "") || (small ? facts.slip : "");
  return {
    ...{ id, ...common, confidence, reason, kept: reason === "" },
    ...(frame && !screened ? { cut: true } : {}),
    ...(sizes ? inUnit(sizes, result.pixel_size) : {}),
    ...(known?.[facts.size] !== undefined && !LENGTHS.includes(facts.size) ? { [facts.size]: null } : {}),
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
