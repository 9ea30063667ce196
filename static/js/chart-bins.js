// The numbers behind the histogram. Edges and shares follow segmentation/core/measure/bins.py to the last digit:
// tests/e2e/test_charts.py computes both from the same table.

const FEWEST = 8;
const MOST = 60;
export const MOST_TYPED = 500; // bars; narrower ones could not be told apart

// Half to even, as Python rounds.
function rounded(value) {
  const down = Math.floor(value);
  if (value - down !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}

// numpy's percentile of sorted values, by linear interpolation.
export function percentile(sorted, percent) {
  const place = (sorted.length - 1) * (percent / 100);
  const below = Math.floor(place);
  const [low, high] = [sorted[below], sorted[Math.min(below + 1, sorted.length - 1)]];
  const part = place - below;
  return part < 0.5 ? low + (high - low) * part : high - (high - low) * (1 - part);
}

// count + 1 edges from low to high.
function evenly(low, high, count) {
  const step = (high - low) / count;
  return Array.from({ length: count + 1 }, (_, i) => (i === count ? high : i * step + low));
}

// Edges of 8 to 60 equal bins, as wide as Freedman and Diaconis ask to the nearest whole `grain`: widths of particles
// are mostly whole pixels, and bins of other widths would show a comb that is not there. grain 0: no such steps.
export function autoEdges(values, grain) {
  const sorted = Float64Array.from(values).sort();
  const [low, high] = [sorted[0], sorted[sorted.length - 1]];
  if (high - low < 1e-9 * Math.max(high, 1)) return evenly(low * 0.9, high * 1.1 + 1e-12, FEWEST);
  const asked = (2 * (percentile(sorted, 75) - percentile(sorted, 25))) / Math.cbrt(sorted.length);
  if (!grain) {
    const count = asked > 0 ? Math.ceil((high - low) / asked) : FEWEST;
    return evenly(low, high, Math.min(Math.max(count, FEWEST), MOST));
  }
  const span = high - low + grain;
  const width = grain * Math.max(rounded(asked / grain), Math.ceil(span / grain / MOST), 1);
  const bins = Math.ceil(span / width);
  if (bins < FEWEST) return evenly(low, high, FEWEST);
  return Array.from({ length: bins + 1 }, (_, i) => low - grain / 2 + width * i);
}

// Edges at whole multiples of a typed width; null where that would be too many bars.
export function typedEdges(values, width) {
  const [low, high] = extent(values);
  const [first, last] = [Math.floor(low / width), Math.floor(high / width) + 1];
  if (!(width > 0) || last - first > MOST_TYPED) return null;
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * width);
}

// Edges of equal ratio, so many to a decade, at whole fractions of decades.
export function ratioEdges(values, perDecade) {
  const [low, high] = extent(values);
  const place = (value) => Math.log10(value) * perDecade;
  const [first, last] = [Math.floor(place(low) + 1e-9), Math.floor(place(high) + 1e-9) + 1];
  if (!(perDecade > 0) || last - first > MOST_TYPED) return null;
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** ((first + i) / perDecade));
}

// The automatic bins of the logarithms; the outer edges as exact as the sizes, or rounding would lose the largest.
export function logEdges(values) {
  const edges = autoEdges(values.map(Math.log10), 0).map((place) => 10 ** place);
  const [low, high] = extent(values);
  edges[0] = Math.min(edges[0], low);
  edges[edges.length - 1] = Math.max(edges[edges.length - 1], high);
  return edges;
}

export function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// The bin of a value, the upper edge belonging to the next bin but for the last one, as numpy counts; -1 outside.
export function binOf(value, edges) {
  const last = edges.length - 1;
  if (!(value >= edges[0] && value <= edges[last])) return -1;
  let [low, high] = [0, last];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (value >= edges[middle]) low = middle;
    else high = middle;
  }
  return low;
}

// counts: particles by bin; sums: their weights; total: of all weights; shares and cumulative: of the total.
export function histogram(values, weights, edges) {
  const counts = new Array(edges.length - 1).fill(0);
  const sums = new Array(edges.length - 1).fill(0);
  let total = 0;
  values.forEach((value, i) => {
    const bin = binOf(value, edges);
    total += weights[i];
    if (bin < 0) return;
    counts[bin] += 1;
    sums[bin] += weights[i];
  });
  const shares = sums.map((sum) => (total > 0 ? sum / total : 0));
  let run = 0;
  const cumulative = shares.map((share) => (run += share));
  return { counts, sums, total, shares, cumulative };
}

// Geometric mean and standard deviation of the values: the log-normal of greatest likelihood, null for equal values.
export function logNormal(values, weights) {
  let [total, sum] = [0, 0];
  values.forEach((value, i) => {
    if (!(value > 0)) return;
    total += weights[i];
    sum += weights[i] * Math.log(value);
  });
  const mean = sum / total;
  let squares = 0;
  values.forEach((value, i) => value > 0 && (squares += weights[i] * (Math.log(value) - mean) ** 2));
  const spread = Math.sqrt(squares / total);
  return spread > 1e-9 ? { median: Math.exp(mean), gsd: Math.exp(spread) } : null;
}

// Density by size, which integrates to 1; per unit of ln(size) where `ratio` is set.
export function density(size, { median, gsd }, ratio = false) {
  const spread = Math.log(gsd);
  const off = Math.log(size / median) / spread;
  const height = Math.exp(-(off ** 2) / 2) / (spread * Math.sqrt(2 * Math.PI));
  return ratio ? height : height / size;
}
