// Scales and ticks of the charts, and the numbers at their axes.

const DIGITS = 6; // significant digits of a tick

// The function that places a value: low lies at `start`, high at `end` (CSS pixels).
export function scale(low, high, start, end, log = false) {
  const turn = log ? Math.log : (value) => value;
  const factor = (end - start) / (turn(high) - turn(low));
  return (value) => start + (turn(value) - turn(low)) * factor;
}

// About `wanted` ticks between low and high, in steps of 1, 2 or 5 times a power of ten.
export function linearTicks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((nice) => nice * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

// Ticks 1, 2, 5, 10, ...; only powers of ten if these would be too many, linear ticks if fewer than three are in range.
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

// The text at a tick. Ticks are round numbers, so DIGITS digits lose nothing.
export function tickText(value) {
  const text = Number(value.toPrecision(DIGITS)).toString();
  return text.includes("e") ? text : grouped(text);
}

function grouped(text) {
  const [whole, part] = text.split(".");
  const parted = whole.replace("-", "").length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, ",") : whole; // as the server does
  return part === undefined ? parted : `${parted}.${part}`;
}
