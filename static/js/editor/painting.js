// Draws the label image as it is seen: outlines a pixel or two of the screen broad, at any zoom, from the pixels themselves.

const NONE = 0;
// Red, green, blue, opacity of what is drawn inside and at the edge of an object, by how it stands.
const STYLES = {
  kept: { edge: [83, 214, 238, 255] },
  hand: { edge: [126, 224, 129, 255], broad: true },
  aside: { edge: [255, 107, 94, 255], dashed: true },
  lit: { edge: [240, 190, 98, 255], inside: [240, 190, 98, 90], broad: true },
  selected: { edge: [255, 255, 255, 255], inside: [83, 214, 238, 36], broad: true },
};
const NAMES = Object.keys(STYLES);
const LOOKED_UP = 1 << 22; // ids below have a place in a list, others in a map
const DASH = 2; // a dash is so many times two pixels of the screen
const packed = ([red, green, blue, opacity]) => ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0;
const EDGES = Uint32Array.from([0, ...NAMES.map((name) => packed(STYLES[name].edge))]);
const INSIDES = Uint32Array.from([0, ...NAMES.map((name) => (STYLES[name].inside ? packed(STYLES[name].inside) : 0))]);
const BROAD = Uint8Array.from([1, ...NAMES.map((name) => (STYLES[name].broad ? 2 : 1))]);
const DASHED = Uint8Array.from([0, ...NAMES.map((name) => Number(Boolean(STYLES[name].dashed)))]);

export class Looks {
  constructor() {
    this.list = new Uint8Array(1024);
    this.others = new Map();
  }

  set(id, name) {
    const style = NAMES.indexOf(name) + 1;
    if (id >= LOOKED_UP) {
      this.others.set(id, style);
      return;
    }
    while (id >= this.list.length) {
      const longer = new Uint8Array(this.list.length * 2);
      longer.set(this.list);
      this.list = longer;
    }
    this.list[id] = style;
  }

  of(id) {
    return id < this.list.length ? this.list[id] : this.others.get(id) ?? NONE;
  }
}

// The ids that a view shows: { x, y, scale, width, height }, place in the image of its corner, pixels of the screen
// for one of the image, and its size on the screen.
function sampled(labels, { x, y, scale, width, height }) {
  const seen = new Int32Array(width * height);
  const columns = Int32Array.from({ length: width }, (_, i) => {
    const column = Math.floor(x + (i + 0.5) / scale);
    return column >= 0 && column < labels.width ? column : -1;
  });
  const from = columns.findIndex((column) => column >= 0);
  const to = columns.findLastIndex((column) => column >= 0) + 1;
  for (let j = 0; j < height; j++) {
    const row = Math.floor(y + (j + 0.5) / scale);
    if (row < 0 || row >= labels.height) continue;
    const start = row * labels.width;
    for (let i = Math.max(0, from), at = j * width + i; i < to; i++, at++) seen[at] = labels.cells[start + columns[i]];
  }
  return seen;
}

// The picture (RGBA) of a view. thick: pixels of the screen. layers: { outlines, colours }. colours: by class or id.
export function painted(labels, looks, view, { layers, thick = 1, colourOf }) {
  const { width, height } = view;
  const seen = sampled(labels, view);
  const image = new ImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  const coloured = new Map();
  const colour = (id) => {
    if (!coloured.has(id)) coloured.set(id, packed(colourOf(id)));
    return coloured.get(id);
  };
  for (let j = 0, at = 0; j < height; j++) {
    for (let i = 0; i < width; i++, at++) {
      const id = seen[at];
      if (!id) continue;
      const style = looks.of(id);
      if (!style) continue;
      const reach = thick * BROAD[style];
      const below = reach * width;
      const edge =
        (i >= reach && seen[at - reach] !== id) ||
        (i + reach < width && seen[at + reach] !== id) ||
        (j >= reach && seen[at - below] !== id) ||
        (j + reach < height && seen[at + below] !== id);
      if (edge && (layers.outlines || INSIDES[style])) {
        if (!DASHED[style] || ((i + j) >> DASH) & 1) out[at] = EDGES[style];
      } else if (INSIDES[style]) out[at] = INSIDES[style];
      else if (layers.colours && !DASHED[style]) out[at] = colour(id);
    }
  }
  return image;
}
