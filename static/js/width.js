// Reads and writes lengths as people type them.

// Texts with two meanings: 7,520 is 7.52 for some readers and 7520 for others, and so is 7.520 nm.
const AMBIGUOUS = /^[1-9][0-9]{0,2}(,[0-9]{3}(?![0-9])|\.[0-9]{3}\s*(nm)?$)/;
const VERY_WIDE = 1e6; // nm
const UNITS = { pm: 1e-3, "å": 0.1, nm: 1, "µm": 1e3, "μm": 1e3, um: 1e3, micron: 1e3, microns: 1e3, mm: 1e6, cm: 1e7 };
const NUMBER = /^([0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)((?:e[+-]?[0-9]+)?)\s*([^\s0-9]+)?$/i;

// The text without invisible characters, which a pasted text may have.
const cleaned = (text) => text.replace(/\p{Cf}/gu, "").trim();

// The length in nanometres, or null if the text is no length. The server checks again.
export function lengthOf(text) {
  const match = NUMBER.exec(cleaned(text));
  const length = match ? Number(match[1].replace(",", ".") + match[2]) * (UNITS[(match[3] ?? "nm").toLowerCase()] ?? 0) : 0;
  return length > 0 ? length : null;
}

// A width as text for the field, with at most two decimals.
export function widthText(width) {
  return width.toFixed(2).replace(/\.?0+$/, "");
}

export function ambiguous(text) {
  return AMBIGUOUS.test(cleaned(text));
}

export function digits(value, count = 4) {
  return Number(value.toPrecision(count)).toString();
}

// A question about a width of a millimetre or more, which is unlikely in electron microscopy; "" for others.
export function widthQuestion(text) {
  if (!(lengthOf(text) >= VERY_WIDE)) return "";
  const [, number, unit] = /^([0-9.,]+)\s*(\S*)/.exec(cleaned(text));
  return unit === "mm" ? `did you mean ${number} µm?` : `that is ${digits(lengthOf(text) / 1e6)} mm, is it right?`;
}
