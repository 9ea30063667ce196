// The micrograph in the viewer: first the whole image at low resolution, then sharp tiles for the part in view.

import { adjusted } from "./display.js";

const TILE_PX = 512; // px, width and height of a tile, as the server cuts them
const WHOLE_IMAGE_PX = 1024; // px, the longer side of the low-resolution picture at most
const MOST_ENLARGEMENT = 1.5; // screen pixels per pixel of the low-resolution picture; above this, tiles are fetched
const RETRY_MS = 2000; // ms until a missing tile is requested again: for a new result it may not be written yet
const MOST_RETRIES = 30; // repeated requests for missing tiles, per picture
const MOST_TILES = 120; // tiles in memory, about one megabyte each

// How many levels of tiles an image has. Each level has half the resolution of the level before.
export function levelsOf(columns, rows) {
  return 1 + Math.max(0, Math.ceil(Math.log2(Math.max(columns, rows) / WHOLE_IMAGE_PX)) - 1);
}

// The level with at least one pixel per screen pixel at a scale; -1 if the low-resolution picture is enough.
export function levelAt(scale, columns, rows) {
  const whole = Math.min(1, WHOLE_IMAGE_PX / Math.max(columns, rows));
  if (scale <= MOST_ENLARGEMENT * whole) return -1;
  return Math.min(Math.max(0, Math.floor(Math.log2(1 / scale))), levelsOf(columns, rows) - 1);
}

// The tiles of a level that lie in a box: place and size in pixels of the upload, and the end of their address.
export function tilesIn({ left, top, right, bottom }, columns, rows, level) {
  const side = TILE_PX * 2 ** level;
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
  // tiles: the address of the first tile, or "" without tiles; arrived() is called when more can be drawn.
  constructor({ columns, rows, tiles = "" }, arrived) {
    Object.assign(this, { columns, rows, tiles, arrived });
    this.whole = null;
    this.known = new Map(); // name -> tile, the most recently used last
  }

  async load(address) {
    const whole = new Image();
    whole.src = address;
    await whole.decode();
    this.whole = whole;
  }

  // Pixels of the upload per pixel of the sharpest picture that there is.
  get coarse() {
    return this.tiles || !this.whole ? 1 : this.columns / this.whole.naturalWidth;
  }

  // Draws the part that a viewport shows; the unit of the context is a pixel of the upload.
  paint(context, viewport) {
    if (!this.whole) return;
    const scale = viewport.view.scale * viewport.ratio;
    context.imageSmoothingEnabled = scale < 2;
    context.drawImage(adjusted(this.whole), 0, 0, this.columns, this.rows);
    const level = this.tiles ? levelAt(scale, this.columns, this.rows) : -1;
    if (level < 0) return;
    for (const { x, y, width, height, name } of tilesIn(viewport.seen, this.columns, this.rows, level)) {
      const tile = this.tile(name);
      if (tile) context.drawImage(adjusted(tile), x, y, width, height);
    }
  }

  // The image of a tile, or null while it is being fetched. The least recently used tiles are forgotten.
  tile(name) {
    const tile = this.known.get(name) ?? this.fetch(name);
    this.known.delete(name);
    this.known.set(name, tile);
    if (this.known.size > MOST_TILES) this.known.delete(this.known.keys().next().value);
    return tile.ready ? tile.image : null;
  }

  fetch(name) {
    const tile = { image: new Image(), ready: false };
    tile.image.src = this.tiles.replace("0/0-0.png", name);
    const loaded = () => {
      tile.ready = true;
      this.arrived();
    };
    tile.image.decode().then(loaded, () => setTimeout(() => this.missed(name), RETRY_MS));
    return tile;
  }

  // A tile was missing: the next drawing requests it again, at most MOST_RETRIES times.
  missed(name) {
    this.known.delete(name);
    this.tries = (this.tries ?? 0) + 1;
    if (this.tries <= MOST_RETRIES) this.arrived();
  }
}
