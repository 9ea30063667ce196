// What a width field means, in words: the badge beside it.

const AMBIGUOUS = /^[1-9][0-9]{0,2},[0-9]{3}(?![0-9])/; // 7,520 is 7.52 to some and 7520 to others
const UNITS = { nm: 1, "µm": 1e3, "μm": 1e3, um: 1e3, mm: 1e6 };

// Nanometres, or null where the text is no width; the server has the last word.
export function widthOf(text) {
  const match = /^([0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)\s*(nm|µm|μm|um|mm)?$/.exec(text.trim());
  if (!match) return null;
  const width = Number(match[1].replace(",", ".")) * UNITS[match[2] ?? "nm"];
  return width >= 1 && width <= 1e8 ? width : null;
}

export function digits(value, count = 4) {
  return Number(value.toPrecision(count)).toString();
}

// card: the element of the upload, or null while there is none.
export function badgeFor(text, origin, card) {
  if (text.trim() === "") return { text: "measured in pixels", look: "" };
  if (origin === "file" && card?.dataset.ownBadge) return { text: card.dataset.ownBadge, look: "good" };
  if (AMBIGUOUS.test(text.trim())) return { text: "could be two widths: leave the comma out", look: "bad" };
  const width = widthOf(text);
  if (width === null) return { text: "not a width", look: "bad" };
  const scale = card ? `: ${digits(width / Number(card.dataset.columns))} nm/px` : "";
  if (origin !== "typed") return card ? { text: `default, please check${scale}`, look: "check" } : { text: "", look: "" };
  return { text: `typed${scale}`, look: "" };
}
