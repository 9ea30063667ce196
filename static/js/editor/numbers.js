// The numbers that corrections move, from the sizes of the objects that count: as segmentation/core/measure has them.

const NANO = 100; // nm
const SAME = 1e-9; // relative; sizes that differ by less are equal
const LEAST_SHARE = 5e-4; // which one decimal of a per cent still shows
const ROUNDING = 1e-6; // of a sum of fractions
const DOUBT = 0.4; // the least chance that an outline is wrong, or a cut right, that is worth a look

// The sizes that count in ascending order, with their weights.
function counted(objects, size) {
  const pairs = [];
  for (const each of objects) {
    if (each.kept && !each.cut && Number.isFinite(each[size])) pairs.push([each[size], each.weight ?? 1]);
  }
  return pairs.sort((a, b) => a[0] - b[0]);
}

// Linear between the places of the sizes; as numpy's where all weights are equal.
function quantile(sizes, at) {
  if (!sizes.length) return null;
  if (sizes.length === 1) return sizes[0][0];
  let sum = 0;
  const places = sizes.map(([, weight]) => (sum += weight) - weight / 2);
  const [first, last] = [places[0], places[places.length - 1]];
  const wanted = first + at * (last - first);
  let i = 0;
  while (i < places.length - 2 && places[i + 1] < wanted) i++;
  const share = (wanted - places[i]) / (places[i + 1] - places[i]);
  return sizes[i][0] + share * (sizes[i + 1][0] - sizes[i][0]);
}

// { kept, median, d10, d90, mean, fraction }: fraction by number from 1 to 100 nm, null in pixels.
export function numbersOf(objects, size, unit) {
  const every = [...objects];
  const sizes = counted(every, size);
  const total = sizes.reduce((sum, [, weight]) => sum + weight, 0);
  const nano = sizes.reduce((sum, [value, weight]) => sum + (isNano(value) ? weight : 0), 0);
  const [d10, median, d90] = [0.1, 0.5, 0.9].map((at) => quantile(sizes, at));
  return {
    ...{ median, d10, d90 },
    kept: every.filter((each) => each.kept).length,
    mean: total ? sizes.reduce((sum, [value, weight]) => sum + value * weight, 0) / total : null,
    fraction: unit === "nm" && total ? nano / total : null,
  };
}

// A number with no more decimals than the one whose place it takes, as long as two digits are left.
export function asFine(number, beside) {
  const places = (beside.split(".")[1] ?? "").length;
  const coarse = Number(number).toFixed(places);
  const isFiner = (String(number).split(".")[1] ?? "").length > places;
  return isFiner && Number.isFinite(Number(beside)) && (places || Number(coarse) >= 10) ? coarse : number;
}

const isNano = (value) => value >= 1 - SAME && value <= NANO * (1 + SAME);

const LEAST = 0.02; // spread, below which a measure is the same for all
const WEIGHTS = [2, 1, 1]; // of size, shape and contrast
const [APART, FEWEST] = [5, 8]; // of two peaks: their distance in spreads, the objects of each

// What is compared of an object: size, shape, contrast. Of one that was drawn only lengths and area are known.
function measuresOf(each, size) {
  const ratio = each.aspect_ratio ?? (each.max_feret ? each.min_feret / each.max_feret : NaN);
  const lengths = [...new Set([size, "area"])].map((name) => (each[name] > 0 ? Math.log(each[name]) : NaN));
  return [lengths, [ratio, each.circularity ?? NaN, each.solidity ?? NaN], [each.relative_contrast ?? NaN]];
}

// Ascending values, parted between two peaks as often as there are two.
function peaks(values) {
  const all = values.length;
  const sum = values.reduce((total, value) => total + value, 0);
  let [at, most, below] = [0, -1, 0];
  values.forEach((value, i) => {
    const between = i * (all - i) * ((sum - below) / (all - i) - below / i) ** 2;
    if (i >= FEWEST && all - i >= FEWEST && between > most) [at, most] = [i, between];
    below += value;
  });
  if (!at) return [values];
  const parts = [values.slice(0, at), values.slice(at)];
  const means = parts.map((part) => part.reduce((total, value) => total + value, 0) / part.length);
  const variances = parts.map((part, i) => part.reduce((total, value) => total + (value - means[i]) ** 2, 0) / part.length);
  const within = Math.max(LEAST, Math.sqrt((variances[0] + variances[1]) / 2));
  return means[1] - means[0] < APART * within ? [values] : parts.flatMap(peaks);
}

// All parts of a whole in per cent, so that they sum to 100: `shares_in_words` of the server.
export function sharesInWords(fractions) {
  const places = Math.min(...fractions.filter(Boolean)) >= LEAST_SHARE ? 1 : 2;
  const exact = fractions.map((fraction) => 10 ** (2 + places) * fraction);
  const whole = exact.map((part) => Math.floor(part + ROUNDING));
  const sum = (parts) => parts.reduce((all, part) => all + part, 0);
  const most = exact.map((part, i) => [part - whole[i], i]).sort(([a], [b]) => b - a).slice(0, Math.round(sum(exact)) - sum(whole)).map(([, i]) => i);
  return whole.map((part, i) => `${((part + most.includes(i)) / 10 ** places).toFixed(places)} %`);
}

// How alike each object is to the nearest of those with these ids, 0 to 1, by its id: segmentation/core/measure/similar.py.
export function alikeTo(objects, ids, size) {
  const every = [...objects].map((each) => [each.id, measuresOf(each, size)]);
  const spread = (group, i) => {
    const values = every.map(([, groups]) => groups[group][i]).filter(Number.isFinite).sort((a, b) => a - b);
    return peaks(values).map((part) => {
      const [low, high] = [0.16, 0.84].map((at) => quantile(part.map((value) => [value, 1]), at));
      return [part[part.length - 1], Math.max(LEAST, (high - low) / 2)];
    });
  };
  const spreads = every[0]?.[1].map((values, group) => values.map((_, i) => spread(group, i)));
  const near = (groups, others) => {
    let [total, weights] = [0, 0];
    groups.forEach((values, group) => {
      const squares = values
        .map((value, i) => ((value - others[group][i]) / spreads[group][i].find(([most]) => others[group][i] <= most)?.[1]) ** 2)
        .filter(Number.isFinite);
      if (!squares.length) return;
      total += (WEIGHTS[group] * squares.reduce((sum, one) => sum + one, 0)) / squares.length;
      weights += WEIGHTS[group];
    });
    return weights ? Math.exp(-total / weights / 2) : 0;
  };
  const chosen = every.filter(([id]) => ids.includes(id)).map(([, groups]) => groups);
  return new Map(every.map(([id, groups]) => [id, Math.max(0, ...chosen.map((other) => near(groups, other)))]));
}

// What waits for a look, as { id, cut, chance }: what would probably move the numbers most comes first. An outline that is
// wrong takes one object away; a cut that is right (cut: of `cuts`, with the sizes of its two pieces) makes two of one,
// and so moves the median further. Not those that somebody has checked, or that are almost certain.
export function doubtsOf(objects, cuts, size, unit) {
  const { median, fraction } = numbersOf(objects.values(), size, unit);
  const side = (value) => (Number.isFinite(value) && median !== null ? Math.sign(median - value) / 2 : 0); // of the median
  const nano = (value) => (fraction === null || !Number.isFinite(value) ? 0 : Number(isNano(value)) - fraction);
  const moved = (gone, made) => {
    const change = (of) => made.reduce((sum, value) => sum + of(value), 0) - of(gone);
    return 1 + Math.abs(change(side)) + Math.abs(change(nano));
  };
  const open = (each) => each && each.kept && !each.byHand;
  const outlines = [...objects.values()].filter((each) => open(each) && !each.cut && Number.isFinite(each.confidence));
  const every = [
    ...outlines.map((each) => ({ id: each.id, chance: 1 - each.confidence, effect: moved(each[size], []) })),
    ...cuts.filter(({ id }) => open(objects.get(id))).map((cut) => ({ id: cut.id, cut, chance: cut.chance, effect: moved(objects.get(cut.id)[size], cut.pieces ?? []) })),
  ];
  return every.filter(({ chance }) => chance >= DOUBT).sort((a, b) => b.chance * b.effect - a.chance * a.effect || a.id - b.id);
}
