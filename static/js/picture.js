// The micrograph as it is seen: the whole of it coarsely at once, and sharp squares of it as they come into sight.

import { shown } from "./display.js";

const SIDE = 512; // of a tile in its own pixels, as the server cuts them
const WHOLE = 1024; // the most that the whole picture has a side
const ENOUGH = 1.5; // pixels of the screen for one of the whole picture from which on tiles are fetched
const AGAIN = 2000; // ms after which one that is missing is asked for again: of a new result it may not be written yet
const TRIES = 30; // of a picture, for tiles that are missing
const MOST = 120; // tiles kept, a megabyte each

// How many levels of tiles there are: each has half as many pixels a side as the one before.
export function levelsOf(columns, rows) {
  return 1 + Math.max(0, Math.ceil(Math.log2(Math.max(columns, rows) / WHOLE)) - 1);
}

// The level that has a pixel for each one of the screen at a scale, -1 where the whole picture will do.
export function levelAt(scale, columns, rows) {
  const whole = Math.min(1, WHOLE / Math.max(columns, rows));
  if (scale <= ENOUGH * whole) return -1;
  return Math.min(Math.max(0, Math.floor(Math.log2(1 / scale))), levelsOf(columns, rows) - 1);
}

// The tiles of a level that lie in a box: place and size in pixels of the upload, and the end of their address.
export function tilesIn({ left, top, right, bottom }, columns, rows, level) {
  const side = SIDE * 2 ** level;
  const range = (from, to, length) => {
    const last = Math.ceil(length / side) - 1;
    const first = Math.max(0, Math.floor(from / side));
    return Array.from({ length: Math.max(0, Math.min(last, Math.floor(to / side)) - first + 1) }, (_, i) => first + i);
  };
  return range(top, bottom, rows).flatMap((row) =>
    range(left, right, columns).map((column) => ({
      x: column * side,
      y: row * side,
      width: Math.min(side, columns - column * side),
      height: Math.min(side, rows - row * side),
      name: `${level}/${column}-${row}.png`,
    })),
  );
}

export class Picture {
  // tiles: the address of the first one, or "" where there are none; arrived(): there is more to be drawn.
  constructor({ columns, rows, tiles = "" }, arrived) {
    Object.assign(this, { columns, rows, tiles, arrived });
    this.whole = null;
    this.known = new Map(); // by name, the one that was seen last at the end
  }

  async load(address) {
    const whole = new Image();
    whole.src = address;
    await whole.decode();
    this.whole = whole;
  }

  // Pixels of the upload for one that can be seen when looked at closely enough.
  get coarse() {
    return this.tiles || !this.whole ? 1 : this.columns / this.whole.naturalWidth;
  }

  // Into a context in pixels of the upload, as a viewport sees it.
  paint(context, viewport) {
    if (!this.whole) return;
    const scale = viewport.view.scale * viewport.ratio;
    context.imageSmoothingEnabled = scale < 2;
    context.drawImage(shown(this.whole), 0, 0, this.columns, this.rows);
    const level = this.tiles ? levelAt(scale, this.columns, this.rows) : -1;
    if (level < 0) return;
    for (const { x, y, width, height, name } of tilesIn(viewport.seen, this.columns, this.rows, level)) {
      const tile = this.tile(name);
      if (tile) context.drawImage(shown(tile), x, y, width, height);
    }
  }

  // The tile if it is there; else it is fetched. Of many those go that were not seen for longest.
  tile(name) {
    const tile = this.known.get(name) ?? this.fetch(name);
    this.known.delete(name);
    this.known.set(name, tile);
    if (this.known.size > MOST) this.known.delete(this.known.keys().next().value);
    return tile.ready ? tile.image : null;
  }

  fetch(name) {
    const tile = { image: new Image(), ready: false };
    tile.image.src = this.tiles.replace("0/0-0.png", name);
    const there = () => {
      tile.ready = true;
      this.arrived();
    };
    tile.image.decode().then(there, () => setTimeout(() => this.missed(name), AGAIN));
    return tile;
  }

  // Tiles of a fresh result may come a little later than the page.
  missed(name) {
    this.known.delete(name);
    this.tries = (this.tries ?? 0) + 1;
    if (this.tries <= TRIES) this.arrived();
  }
}
