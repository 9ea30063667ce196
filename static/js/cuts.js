// Possible cuts (lines that would divide an outline in two), drawn as dashed lines over the outlines.

import { trace } from "./viewer-drawing.js";

const COLOUR = "#ffd23e";
const DASH = [4, 4]; // CSS pixels
const REACH = { mouse: 6, finger: 14 }; // CSS pixels: a click nearer to a line than this means that cut
const touched = globalThis.matchMedia?.("(hover: none)").matches;

export class Cuts {
  // list: the possible cuts, the most probable first: { place: number of the cut, id of its object, chance:
  // probability, line: [x, y, x, y, ...], after: places of the cuts at whose lines it ends, sides }.
  constructor(list) {
    Object.assign(this, { list, shown: [], current: null }); // shown: cuts that are drawn; current: the cut of the open question
  }

  // A cut, preceded by the cuts at whose lines it ends: these must be made first.
  chain(cut) {
    const earlier = cut.after.flatMap((place) => this.list.filter((each) => each.place === place).flatMap((each) => this.chain(each)));
    return [...new Set([...earlier, cut])];
  }

  // The shown cut that is nearest to a point of the image, or null. scale: CSS pixels per pixel of the image.
  near({ x, y }, scale) {
    const reach = (touched ? REACH.finger : REACH.mouse) / scale;
    let [nearest, least] = [null, reach];
    for (const cut of this.shown) {
      const far = distance(cut.line, x, y);
      if (far < least) [nearest, least] = [cut, far];
    }
    return nearest;
  }

  paint(drawing) {
    for (const cut of this.shown) {
      const here = cut.place === this.current?.place;
      const path = new Path2D();
      trace(path, cut.line);
      drawing.stroke(path, "rgb(0 0 0 / 0.7)", here ? 7 : 3.5);
      drawing.stroke(path, COLOUR, here ? 4 : 2, here ? [] : DASH);
    }
  }
}

// The cuts of a result as objects; the outlines file stores them as columns ({ place: [...], id: [...], ... }).
export const cutsFromColumns = (columns = { place: [] }) => columns.place.map((_, i) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i]])));

// The distance from a point to a line of several segments, in pixels of the image.
export function distance(line, x, y) {
  let least = Infinity;
  for (let i = 0; i + 3 < line.length; i += 2) {
    const [x0, y0, dx, dy] = [line[i], line[i + 1], line[i + 2] - line[i], line[i + 3] - line[i + 1]];
    const share = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
    least = Math.min(least, Math.hypot(x - x0 - share * dx, y - y0 - share * dy));
  }
  return least;
}
