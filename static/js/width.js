// What a width field means, in words: the badge beside it.

// 7,520 is 7.52 to some and 7520 to others; so is 7.520 in nanometres.
const AMBIGUOUS = /^[1-9][0-9]{0,2}(,[0-9]{3}(?![0-9])|\.[0-9]{3}\s*(nm)?$)/;
// Sources of an image's own scale, and those that its user accepted; as in core/micrograph/crosscheck.py.
export const OWN = ["", "metadata", "side file", "read"];
const ACCEPTED = {
  "data bar": "read from the image, confirmed",
  metadata: "from the file, confirmed",
  "side file": "from the file beside it, confirmed",
  drawn: "drawn on the scale bar",
};
const STATED = ["source", "pixels", "error", "length"]; // beside each width: its source, and the line of a drawn one
const VERY_WIDE = 1e6; // nm
const COARSE = 2; // per cent of a width, half of its last digit
const UNITS = { pm: 1e-3, "Å": 0.1, "\u212b": 0.1, nm: 1, "µm": 1e3, "μm": 1e3, um: 1e3, mm: 1e6 };

// Nanometres, or null where the text is no length; the server has the last word.
export function lengthOf(text) {
  const match = /^([0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)\s*([^\s0-9]+)?$/.exec(text.trim());
  const length = match ? Number(match[1].replace(",", ".")) * (UNITS[match[2] ?? "nm"] ?? 0) : 0;
  return length > 0 ? length : null;
}

export function widthOf(text) {
  const width = lengthOf(text);
  return width >= 1 && width <= 1e8 ? width : null;
}

// A width as it stands in the field: plain digits, at most two decimals.
export function widthText(width) {
  return width.toFixed(2).replace(/\.?0+$/, "");
}

export function ambiguous(text) {
  return AMBIGUOUS.test(text.trim());
}

export function digits(value, count = 4) {
  return Number(value.toPrecision(count)).toString();
}

// A length of millimetres, which no electron micrograph is likely to have: "" for any other.
export function question(text) {
  if (!(lengthOf(text) >= VERY_WIDE)) return "";
  const [, number, unit] = /^\s*([0-9.,]+)\s*(\S*)/.exec(text);
  return unit === "mm" ? `did you mean ${number} µm?` : `that is ${digits(lengthOf(text) / 1e6)} mm, is it right?`;
}

// A width whose last digit leaves much open, such as "2 µm": "" for any other. The server takes it as rounded, too.
function coarse(text) {
  const half = 50 / Number(/^[0-9.,]+/.exec(text.trim())[0].replace(/[.,]/g, ""));
  return half >= COARSE ? `taken as rounded to ± ${digits(half, 2)} %, so type all digits` : "";
}

// card: the element of the upload, or null while there is none. An empty field leaves the scale to the image.
export function badgeFor(text, source, card) {
  const isOwn = text.trim() === "" || (source !== "" && OWN.includes(source));
  if (isOwn && card?.dataset.ownBadge) return { text: card.dataset.ownBadge, status: "good" };
  if (text.trim() === "") {
    const now = card && "reading" in card.dataset ? "still being read from the image" : "not set: sizes in pixels";
    return card ? { text: now, status: "check" } : { text: "", status: "" };
  }
  if (ambiguous(text)) return { text: "could be two widths: leave the comma or point out", status: "bad" };
  const width = widthOf(text);
  if (width === null) return { text: "not a width", status: "bad" };
  const scale = card ? `: ${digits(width / Number(card.dataset.columns))} nm/px` : "";
  const accepted = ACCEPTED[source];
  if (accepted) return { text: `${accepted}${scale}`, status: "good" };
  const concern = question(text) || coarse(text);
  return concern ? { text: `typed${scale}; ${concern}`, status: "check" } : { text: `typed${scale}`, status: "" };
}

// The fields that state a scale. box: a form, or the card of one of its images with a suffix of their names.
export function fieldsIn(box, suffix = "") {
  const named = (name) => box.querySelector(`[name="${name}${suffix}"]`);
  return Object.fromEntries([["input", named("width")], ...STATED.map((name) => [name, named(name)])]);
}

// stated: { width, source, pixels, error, length }; what is not there is empty.
export function state(fields, { width = "", ...stated }) {
  fields.input.value = width;
  for (const name of STATED) fields[name].value = stated[name] ?? "";
}

export function statedIn(fields) {
  return Object.fromEntries([["width", fields.input.value], ...STATED.map((name) => [name, fields[name].value])]);
}
