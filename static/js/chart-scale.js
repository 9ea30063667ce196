// Scales, ticks and curves of the charts, and the numbers at their axes.

// Where a value lies between `start` and `end`, in CSS pixels.
export function scale(low, high, start, end, log = false) {
  const turn = log ? Math.log : (value) => value;
  const factor = (end - start) / (turn(high) - turn(low));
  return (value) => start + (turn(value) - turn(low)) * factor;
}

// Round steps of 1, 2 or 5: about so many between low and high.
export function linearTicks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((nice) => nice * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

// 1, 2, 5, 10, ...; powers of ten alone where those are enough; even steps where less than three would be in sight.
export function logTicks(low, high, wanted) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const nice of [1, 2, 5]) ticks.push(Number((nice * 10 ** power).toPrecision(12)));
  }
  const inside = ticks.filter((value) => value >= low * 0.9999 && value <= high * 1.0001);
  if (inside.length < 3) return linearTicks(low, high, wanted).filter((value) => value > 0);
  if (inside.length <= wanted * 1.5) return inside;
  return inside.filter((value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9);
}

// The log-normal density by size, which integrates to 1; per unit of ln(size) where `ratio` is set.
export function density(size, { median, gsd }, ratio = false) {
  const spread = Math.log(gsd);
  const off = Math.log(size / median) / spread;
  const height = Math.exp(-(off ** 2) / 2) / (spread * Math.sqrt(2 * Math.PI));
  return ratio ? height : height / size;
}

export function plain(value, digits = 3) {
  if (!Number.isFinite(value)) return "–";
  const text = Number(value.toPrecision(digits)).toString();
  return text.includes("e") ? text : grouped(text);
}

// So many digits with the zeros at their end, as the server writes sizes.
export function significant(value, digits) {
  const rounded = Number(value.toPrecision(digits));
  const decimals = rounded === 0 ? 0 : digits - 1 - Math.floor(Math.log10(Math.abs(rounded)));
  return grouped(rounded.toFixed(Math.min(Math.max(decimals, 0), 20)));
}

// As the server's per_cent: whole per cent, one decimal near the ends.
export function perCent(share) {
  const hundred = 100 * share;
  const nearEnd = (hundred > 0 && hundred < 1) || (hundred > 99 && hundred < 100);
  return `${hundred.toFixed(nearEnd ? 1 : 0)} %`;
}

function grouped(text) {
  const [whole, part] = text.split(".");
  const parted = whole.replace("-", "").length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, ",") : whole; // as the server does
  return part === undefined ? parted : `${parted}.${part}`;
}
