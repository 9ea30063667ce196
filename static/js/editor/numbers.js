// The numbers that corrections move, from the sizes of the objects that count: as segmentation/core/measure has them.

const NANO = 100; // nm
const SAME = 1e-9; // relative; sizes that differ by less are equal

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

// { kept, median, fraction }: fraction by number from 1 to 100 nm, null in pixels.
export function numbersOf(objects, size, unit) {
  const every = [...objects];
  const sizes = counted(every, size);
  const total = sizes.reduce((sum, [, weight]) => sum + weight, 0);
  const nano = sizes.reduce((sum, [value, weight]) => sum + (isNano(value) ? weight : 0), 0);
  return {
    kept: every.filter((each) => each.kept).length,
    median: quantile(sizes, 0.5),
    fraction: unit === "nm" && total ? nano / total : null,
  };
}

const isNano = (value) => value >= 1 - SAME && value <= NANO * (1 + SAME);

// Share of the analysed pixels of each class, by its place.
export function fractionsOf(objects, pixels) {
  const shares = new Map();
  for (const { place, area } of objects) shares.set(place, (shares.get(place) ?? 0) + area / pixels);
  return shares;
}

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

// How many sizes each bin holds; sizes beyond the edges make further bins of the same width.
export function binned(objects, size, edges) {
  const width = edges[1] - edges[0];
  const sizes = counted(objects, size);
  const wider = [...edges];
  const most = sizes[sizes.length - 1]?.[0] ?? 0;
  while (most > wider[wider.length - 1] && wider.length < 500) wider.push(wider[wider.length - 1] + width);
  while (sizes.length && sizes[0][0] < wider[0] && wider.length < 500) wider.unshift(wider[0] - width);
  const heights = new Array(wider.length - 1).fill(0);
  for (const [value, weight] of sizes) {
    const bin = wider.findIndex((edge) => value < edge) - 1;
    heights[bin >= 0 ? bin : heights.length - 1] += weight;
  }
  return { edges: wider, heights };
}

// What waits for a look, as { reason, ids }: each object that counts alone, the one first whose outline is least certain
// and moves the reported number most; then what was set aside, all of one reason together. objects: all of them; open:
// those that wait.
export function reviewQueue(objects, open, size, unit) {
  const { fraction } = numbersOf(objects, size, unit);
  const effect = (each) => (fraction === null || !Number.isFinite(each[size]) ? 1 : Math.abs(Number(isNano(each[size])) - fraction));
  const wrong = ({ confidence }) => 1 - (Number.isFinite(confidence) ? confidence : 0.5);
  const counted = open.filter(({ kept }) => kept).map((each) => [wrong(each) * effect(each), wrong(each), each.id]);
  counted.sort((a, b) => b[0] - a[0] || b[1] - a[1] || a[2] - b[2]);
  const aside = new Map();
  for (const { kept, reason, id } of open) if (!kept) aside.set(reason, [...(aside.get(reason) ?? []), id]);
  return [...counted.map(([, , id]) => ({ reason: "", ids: [id] })), ...[...aside].map(([reason, ids]) => ({ reason, ids }))];
}
