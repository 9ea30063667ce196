// Lengths as people type them.

// 7,520 is 7.52 to some and 7520 to others; so is 7.520 in nanometres.
const AMBIGUOUS = /^[1-9][0-9]{0,2}(,[0-9]{3}(?![0-9])|\.[0-9]{3}\s*(nm)?$)/;
const VERY_WIDE = 1e6; // nm
const UNITS = { pm: 1e-3, "å": 0.1, nm: 1, "µm": 1e3, "μm": 1e3, um: 1e3, micron: 1e3, microns: 1e3, mm: 1e6, cm: 1e7 };
const NUMBER = /^([0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)((?:e[+-]?[0-9]+)?)\s*([^\s0-9]+)?$/i;

// Without marks that nobody sees, which a pasted text may have.
const plain = (text) => text.replace(/\p{Cf}/gu, "").trim();

// Nanometres, or null where the text is no length; the server has the last word.
export function lengthOf(text) {
  const match = NUMBER.exec(plain(text));
  const length = match ? Number(match[1].replace(",", ".") + match[2]) * (UNITS[(match[3] ?? "nm").toLowerCase()] ?? 0) : 0;
  return length > 0 ? length : null;
}

// A width as it stands in the field: plain digits, at most two decimals.
export function widthText(width) {
  return width.toFixed(2).replace(/\.?0+$/, "");
}

export function ambiguous(text) {
  return AMBIGUOUS.test(plain(text));
}

export function digits(value, count = 4) {
  return Number(value.toPrecision(count)).toString();
}

// A length of millimetres, which no electron micrograph is likely to have: "" for any other.
export function question(text) {
  if (!(lengthOf(text) >= VERY_WIDE)) return "";
  const [, number, unit] = /^([0-9.,]+)\s*(\S*)/.exec(plain(text));
  return unit === "mm" ? `did you mean ${number} µm?` : `that is ${digits(lengthOf(text) / 1e6)} mm, is it right?`;
}
