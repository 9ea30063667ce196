// Possible cuts: borders within outlines that may be real, as dashed lines to look at and to accept.

const COLOUR = "#ffd23e";
const DASH = [4, 4]; // CSS pixels
const REACH = { mouse: 6, finger: 14 }; // CSS pixels from a line that still mean it
const EVEN = 0.5;
const seen = { on: false, least: null }; // the editor goes on with what the viewer has
const touched = globalThis.matchMedia?.("(hover: none)").matches;
const percent = (chance) => `${Math.round(100 * chance)} %`;

export class Cuts {
  // list: of the result's outlines, the most probable first: { place, id, chance, line, after, sides }.
  constructor(list) {
    this.list = list;
    this.pointed = null;
    const likely = list.filter(({ chance }) => chance >= EVEN);
    seen.least ??= (likely.length ? likely : list).reduce((least, { chance }) => Math.min(least, chance), 1);
  }

  get shown() {
    return seen.on ? this.list.filter(({ chance }) => chance >= seen.least) : [];
  }

  // A cut, and before it those at whose lines it ends.
  chain(cut) {
    const earlier = cut.after.flatMap((place) => this.list.filter((each) => each.place === place).flatMap((each) => this.chain(each)));
    return [...new Set([...earlier, cut])];
  }

  // Of the shown ones the nearest to a point of the image, null where none is near. scale: CSS pixels for one of the image.
  near({ x, y }, scale) {
    const reach = (touched ? REACH.finger : REACH.mouse) / scale;
    let [found, least] = [null, reach];
    for (const cut of this.shown) {
      const far = distance(cut.line, x, y);
      if (far < least) [found, least] = [cut, far];
    }
    return found;
  }

  paint(context, scale) {
    for (const cut of this.shown) {
      trace(context, cut.line);
      context.setLineDash([]);
      stroke(context, "rgb(0 0 0 / 0.6)", (cut === this.pointed ? 5 : 3) / scale);
      context.setLineDash(DASH.map((length) => length / scale));
      stroke(context, COLOUR, (cut === this.pointed ? 3 : 1.75) / scale);
    }
    context.setLineDash([]);
  }
}

// Of a result's outlines, where they are columns.
export const listed = (columns = { place: [] }) => columns.place.map((_, i) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i]])));

export const cutWords = (cut, thing) => `Possible cut of ${thing} ${cut.id}: a chance of ${percent(cut.chance)} that two touch there`;

// The switch, the slider and the words beside them in a box; changed(): the lines are to be drawn anew.
export function control(box, cuts, changed) {
  const one = (name) => box.querySelector(`[data-cuts-${name}]`);
  const [toggle, least] = [one("on"), one("least")];
  const steps = [...new Set(cuts.list.map(({ chance }) => Math.floor(100 * chance)))].sort((a, b) => a - b);
  const show = () => {
    const { shown } = cuts;
    one("count").textContent = String(cuts.list.filter(({ chance }) => chance >= seen.least).length);
    one("more").hidden = !seen.on;
    one("words").textContent = percent(seen.least);
    one("right").textContent = `${Math.round(shown.reduce((sum, { chance }) => sum + chance, 0))} of ${shown.length} are probably right`;
    if (one("all")) one("all").disabled = !shown.length;
    changed();
  };
  [least.min, least.max] = [steps[0], steps[steps.length - 1]];
  least.value = String(Math.floor(100 * seen.least));
  seen.least = Number(least.value) / 100;
  toggle.checked = seen.on;
  box.hidden = false;
  toggle.addEventListener("change", () => {
    seen.on = toggle.checked;
    show();
  });
  least.addEventListener("input", () => {
    seen.least = Number(least.value) / 100;
    show();
  });
  show();
  return show;
}

function stroke(context, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

function trace(context, line) {
  context.beginPath();
  for (let i = 0; i < line.length; i += 2) {
    if (i) context.lineTo(line[i], line[i + 1]);
    else context.moveTo(line[i], line[i + 1]);
  }
}

export function distance(line, x, y) {
  let least = Infinity;
  for (let i = 0; i + 3 < line.length; i += 2) {
    const [x0, y0, dx, dy] = [line[i], line[i + 1], line[i + 2] - line[i], line[i + 3] - line[i + 1]];
    const share = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
    least = Math.min(least, Math.hypot(x - x0 - share * dx, y - y0 - share * dy));
  }
  return least;
}
