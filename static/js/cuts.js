// Possible cuts: borders within outlines that may be real, as dashed lines over the outlines.

import { trace } from "./viewer-drawing.js";

const COLOUR = "#ffd23e";
const DASH = [4, 4]; // CSS pixels
const REACH = { mouse: 6, finger: 14 }; // CSS pixels from a line that still mean it
const touched = globalThis.matchMedia?.("(hover: none)").matches;

export class Cuts {
  // list: of the result's outlines, the most probable first: { place, id, chance, line, after, sides }.
  constructor(list) {
    Object.assign(this, { list, shown: [], current: null }); // shown: those that are drawn, current: the one that is asked about
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

// Of a result's outlines, where they are columns.
export const listed = (columns = { place: [] }) => columns.place.map((_, i) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i]])));

export function distance(line, x, y) {
  let least = Infinity;
  for (let i = 0; i + 3 < line.length; i += 2) {
    const [x0, y0, dx, dy] = [line[i], line[i + 1], line[i + 2] - line[i], line[i + 3] - line[i + 1]];
    const share = Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy || 1)));
    least = Math.min(least, Math.hypot(x - x0 - share * dx, y - y0 - share * dy));
  }
  return least;
}
