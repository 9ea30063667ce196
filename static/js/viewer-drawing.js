// Draws a micrograph and the outlines of its objects on a canvas, and finds the object under a point. "Kept" in names
// is counted, "aside" is left out.

import { before, opacity } from "./display.js";
import { Picture } from "./picture.js";
import { Viewport, clamp } from "./viewport.js";

export const KEPT = "#53d6ee";
export const ASIDE = "#ff6b5e";
const HAND = "#7ee081"; // outlines that somebody checked or drew
const ACCENT = "#f0be62"; // shapes that a tool draws
const SELECTED = "#ffffff";
const CHOSEN = "rgb(83 214 238 / 0.5)";
// The colours of Okabe and Ito without black, and lighter and darker ones: neighbours in the list differ for every eye,
// also for colour-blind people.
export const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#8dd3c7", "#a6761d", "#b3de69"];
const LETTER = 0.6; // width of a digit divided by the height of the type
const TYPE = [6, 12]; // CSS pixels, smallest and largest height of a number
const SQUARE = 3; // CSS pixels, side of a square in LabelSpace
const LINE = [0.9, 1.75]; // CSS pixels, the thinnest and the broadest outline
const EDGE = "rgb(0 0 0 / 0.5)"; // a dark line beside an outline, so that it is seen on bright parts
const VEIL = "rgb(14 17 19 / 0.6)"; // over the data bar and ignored regions
const HATCH = "rgb(214 222 228 / 0.55)"; // lines over ignored regions
const DASHES = [5, 4]; // CSS pixels, of outlines without a size or left out
const FINE = 20; // px of the upload, width assumed for parts of a class
const FILLED = "evenodd"; // fill rule: a ring within another is a hole
const KINDS = ["kept", "keptCut", "hand", "handCut", "aside", "chosenKept", "chosenAside", "whole"]; // kinds of strokes; whole: around what others cover; Cut: touches the frame, so has no size
const SETTLE_MS = 350; // in which a confirmed outline settles
const SETTLE_PX = 8; // CSS pixels by which its line is wider at first
const SIDE = 1024; // px of the upload, side of a square whose outlines are drawn together

export class Drawing {
  // data: the outlines file of the result; tiles: address of the first tile of the picture, if there are tiles.
  constructor(canvas, data, tiles) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.picture = new Picture({ columns: data.width, rows: data.height, tiles }, () => this.draw());
    this.width = data.width;
    this.height = data.height;
    this.rows = data.rows;
    this.colours = [...new Set([...COLOURS, ...data.particles.map((each) => each.colour).filter(Boolean)])];
    this.colourOf = neighbourColour;
    this.layers = { image: true, outlines: true, labels: false, aside: true, numbers: false };
    this.hidden = new Set(); // states that are not drawn: "" is kept, else the reason
    this.chosen = null; // chosen(particle): whether it is highlighted by a choice; null without a choice
    this.bare = false; // whether only the picture is drawn
    this.lit = null; // as `chosen`, but for what is pointed at elsewhere on the page
    this.pointed = null; // the particle under the pointer
    this.selected = []; // particles
    this.preview = null; // draws what a tool does, in pixels of the image
    this.waiting = []; // shapes of corrections that the server has not made yet
    this.gone = new Set(); // ids of objects that such corrections remove
    this.take(data.particles);
    this.widest = typicalWidth(this.particles);
    canvas.style.setProperty("--shape", `${data.width} / ${data.height}`);
    this.overlay = null; // draws over the outlines
    this.regions = []; // paths of what is ignored
    this.marked = null; // index of the highlighted one
    this.listeners = {}; // hover and tap(particle or null, point of the image), numbers(written, in view)
    const tell = (name) => (place) => this.listeners[name]?.(this.at(place), place && this.viewport.toImage(place));
    this.pointers = { hover: tell("hover"), tap: tell("tap") };
    this.viewport = new Viewport(canvas, { columns: data.width, rows: data.height, draw: () => this.draw(), ...this.pointers });
  }

  // Replaces the particles; those that have a path keep it.
  take(particles) {
    this.particles = particles.map((each) => (each.path ? each : prepare(each)));
    this.gather();
    this.pointed = null;
  }

  // Gives the pointer to a tool, which gets points [x, y] of the image; null: a drag moves the picture again.
  hand(tool) {
    const passTo = (name) => (at, event) => tool[name]?.(at && this.placed(at), event);
    const listeners = () => Object.fromEntries(["press", "drag", "release", "cancel"].map((name) => [name, passTo(name)]));
    const hover = (at) => (this.pointers.hover(at), passTo("hover")(at));
    this.viewport.listeners = tool ? { ...listeners(), hover } : this.pointers;
    this.preview = tool && ((context, scale) => tool.preview(context, scale));
    this.draw();
  }

  // [x, y] in pixels of the image, to a hundredth.
  placed(at) {
    const { x, y } = this.viewport.toImage(at);
    return [Math.round(x * 100) / 100, Math.round(y * 100) / 100];
  }

  get scale() {
    return this.viewport.view.scale;
  }

  async load(address) {
    this.loaded = this.picture.load(address);
    await this.loaded;
    this.draw();
  }

  // Joins the outlines into one path for each kind of stroke and each colour, so that drawing needs few calls; these
  // paths are kept by squares of the image, so that only squares in view are drawn.
  gather() {
    this.squares = new Map();
    const highlight = this.lit ?? this.chosen;
    for (const particle of this.particles) {
      if (this.hidden.has(particle.reason) || this.gone.has(particle.id)) continue;
      const isHighlighted = highlight?.(particle);
      const ownKind = particle.kept ? `${particle.byHand ? "hand" : "kept"}${particle.cut ? "Cut" : ""}` : "aside";
      const kind = isHighlighted ? (particle.kept ? "chosenKept" : "chosenAside") : ownKind;
      const { paths, colourPaths } = this.squareOf(particle.box);
      paths[kind].addPath(particle.path);
      if (particle.wholePath && particle.kept) paths.whole.addPath(particle.wholePath);
      if (particle.kept || particle.colour) colourPaths.get(this.colourOf(particle)).addPath(particle.path);
    }
  }

  // The square that contains the middle of a box. Its own box grows to include all boxes in it.
  squareOf(box) {
    const key = [box.left + box.right, box.top + box.bottom].map((twice) => Math.floor(twice / 2 / SIDE)).join();
    if (!this.squares.has(key)) {
      const paths = Object.fromEntries(KINDS.map((name) => [name, new Path2D()]));
      this.squares.set(key, { box: { ...box }, paths, colourPaths: new Map(this.colours.map((colour) => [colour, new Path2D()])) });
    }
    const square = this.squares.get(key);
    const { left, top, right, bottom } = square.box;
    square.box = { left: Math.min(left, box.left), top: Math.min(top, box.top), right: Math.max(right, box.right), bottom: Math.max(bottom, box.bottom) };
    return square;
  }

  get inSight() {
    const { seen } = this.viewport;
    return [...this.squares.values()].filter(({ box }) => overlap(box, seen));
  }

  // Shows corrections that the server has not made yet: each is { hidden: ids }, or { polygon } or { line, radius } of
  // a brush, with erases: whether it is drawn dark.
  ghosts(list) {
    this.waiting = list.filter(({ hidden }) => !hidden);
    this.gone = new Set(list.flatMap(({ hidden }) => hidden ?? []));
    this.gather();
    this.draw();
  }

  // Shows ignored regions: each a list of corners [x, y]; a rectangle has two.
  ignore(regions) {
    this.regions = regions.map((region) => {
      const [[x0, y0], [x1, y1]] = region;
      const path = new Path2D();
      trace(path, region.length > 2 ? region.flat() : [x0, y0, x1, y0, x1, y1, x0, y1]);
      path.closePath();
      return path;
    });
    this.draw();
  }

  markRegion(place) {
    this.marked = place;
    this.draw();
  }

  // hidden: states that are not drawn; chosen(particle): whether it is highlighted, or null.
  show(hidden, chosen) {
    this.hidden = hidden;
    this.chosen = chosen;
    this.gather();
    if (chosen) this.viewport.fit();
    this.draw();
  }

  // of(particle): its colour, one of `colours`.
  colourBy(of, colours) {
    Object.assign(this, { colourOf: of, colours });
    this.gather();
    this.draw();
  }

  // Highlights what is pointed at elsewhere on the page; null ends it.
  light(isLit) {
    this.lit = isLit;
    this.gather();
    this.draw();
  }

  visible(particle) {
    return !this.hidden.has(particle.reason) && !this.gone.has(particle.id) && (particle.kept || this.layers.aside);
  }

  // ---- where things are --------------------------------------------------------------------------

  // The particle at a place of the canvas, or null. place may be null.
  at(place) {
    if (!place) return null;
    return this.under(this.viewport.toImage(place));
  }

  // The particle at a point of the image, or null.
  under({ x, y }) {
    const here = { left: x, right: x, top: y, bottom: y };
    const near = this.particles.filter((particle) => overlap(particle.box, here) && this.visible(particle));
    this.context.setTransform(1, 0, 0, 1, 0, 0); // isPointInPath looks through the current transform
    return near.find((particle) => this.context.isPointInPath(particle.path, x, y, FILLED)) ?? null;
  }

  // The ids of the particles that lie at least partly in a polygon.
  within(polygon) {
    const path = new Path2D();
    trace(path, polygon.flat());
    path.closePath();
    const sides = [0, 1].map((axis) => polygon.map((point) => point[axis]));
    const around = { left: Math.min(...sides[0]), right: Math.max(...sides[0]), top: Math.min(...sides[1]), bottom: Math.max(...sides[1]) };
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    const holds = ({ outline = [], path: own }) => {
      for (let i = 0; i < outline.length; i += 2) if (this.context.isPointInPath(path, outline[i], outline[i + 1])) return true;
      return polygon.some(([x, y]) => this.context.isPointInPath(own, x, y, FILLED));
    };
    return this.particles.filter((particle) => overlap(particle.box, around) && this.visible(particle) && holds(particle)).map(({ id }) => id);
  }

  // Shows particles with their surroundings: small ones magnified, large ones as a whole. scaleOf(size: px of the
  // upload, stage: CSS pixels) gives the scale.
  reveal(particles, scaleOf = (size, stage) => clamp(this.scale, (0.12 * stage) / size, (0.6 * stage) / size)) {
    const side = (name, extreme) => extreme(...particles.map(({ box }) => box[name]));
    const [left, top, right, bottom] = [side("left", Math.min), side("top", Math.min), side("right", Math.max), side("bottom", Math.max)];
    const size = Math.max(right - left, bottom - top, 8);
    const stage = Math.min(this.canvas.clientWidth, this.canvas.clientHeight);
    const middle = { x: (left + right) / 2, y: (top + bottom) / 2 };
    this.viewport.show(middle, scaleOf(size, stage));
  }

  // ---- what is shown -----------------------------------------------------------------------------

  layer(name, on) {
    this.layers[name] = on;
    this.draw();
  }

  hide(on) {
    this.bare = on;
    this.draw();
  }

  point(particle) {
    if (this.pointed === particle) return;
    this.pointed = particle;
    this.draw();
  }

  select(particles, centre) {
    this.selected = particles;
    if (particles.length && centre) this.reveal(particles);
    this.draw();
  }

  draw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = 0;
      this.paint();
    });
  }

  paint() {
    const { context, layers, viewport } = this;
    viewport.clear(context);
    if (layers.image) this.picture.paint(context, viewport);
    if (layers.image && this.rows < this.height) this.veilDataBar();
    if (this.bare) return;
    context.save();
    context.beginPath();
    context.rect(viewport.toImage({ x: before() * viewport.stage.clientWidth, y: 0 }).x, -this.height, 3 * this.width, 3 * this.height);
    context.clip();
    this.paintFound();
    context.restore();
  }

  paintFound() {
    const { context, layers } = this;
    this.hatchRegions();
    if (layers.labels) this.fillLabels();
    context.lineJoin = "round";
    this.strokeAll();
    const numbers = layers.numbers ? this.writeNumbers() : [0, 0];
    this.listeners.numbers?.(...numbers);
    for (const particle of [this.pointed, ...this.selected]) this.emphasise(particle);
    this.overlay?.();
    this.paintSettling();
    this.paintWaiting();
    if (!this.preview) return;
    context.lineWidth = 1.5 / this.scale;
    context.strokeStyle = context.fillStyle = ACCENT;
    this.preview(context, this.scale);
  }

  // If some particles are highlighted, all others are drawn pale.
  strokeAll() {
    const { context, layers, inSight } = this;
    const strokeKind = (kind, ...style) => inSight.forEach(({ paths }) => this.stroke(paths[kind], ...style));
    const width = lineWidth(this.widest * this.viewport.view.scale);
    const some = this.lit ?? this.chosen;
    if (some) context.globalAlpha = 0.2;
    for (const [kind, isShown] of [["kept", layers.outlines], ["keptCut", layers.outlines], ["aside", layers.aside]]) if (isShown) strokeKind(kind, EDGE, width + 1);
    for (const [cut, dash] of layers.outlines ? [["", []], ["Cut", DASHES]] : []) {
      strokeKind(`kept${cut}`, KEPT, width, dash);
      strokeKind(`hand${cut}`, HAND, width + 0.5, dash);
    }
    if (layers.outlines) strokeKind("whole", KEPT, width / 2, DASHES);
    if (layers.aside) strokeKind("aside", ASIDE, width + 0.25, DASHES);
    context.globalAlpha = 1;
    if (!some) return;
    context.fillStyle = CHOSEN;
    for (const kind of ["chosenKept", "chosenAside"]) for (const { paths } of inSight) context.fill(paths[kind], FILLED);
    strokeKind("chosenKept", KEPT, 2.25);
    strokeKind("chosenAside", ASIDE, 2.25, DASHES);
  }

  veilDataBar() {
    this.context.fillStyle = VEIL;
    this.context.fillRect(0, this.rows, this.width, this.height - this.rows);
  }

  // Ignored regions are dimmed and hatched, equally at any zoom.
  hatchRegions() {
    if (!this.regions.length) return;
    const { context, scale } = this;
    this.hatch ??= hatching(context);
    this.hatch.setTransform(new DOMMatrix().scale(1 / scale));
    this.regions.forEach((path, place) => {
      for (const fill of [VEIL, this.hatch]) {
        context.fillStyle = fill;
        context.fill(path, FILLED);
      }
      this.stroke(path, EDGE, place === this.marked ? 6 : 3);
      this.stroke(path, place === this.marked ? SELECTED : HATCH, place === this.marked ? 3 : 1, place === this.marked ? [] : DASHES);
    });
  }

  fillLabels() {
    this.context.globalAlpha = opacity();
    for (const { colourPaths } of this.inSight) {
      for (const [colour, path] of colourPaths) {
        this.context.fillStyle = colour;
        this.context.fill(path, FILLED);
      }
    }
    this.context.globalAlpha = 1;
  }

  // An outline that was just confirmed settles: its wide line becomes as thin as the others.
  settle(particle) {
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.settling = { particle, since: performance.now() };
    this.draw();
  }

  paintSettling() {
    const left = this.settling ? 1 - (performance.now() - this.settling.since) / SETTLE_MS : 0;
    if (left <= 0) return;
    this.stroke(this.settling.particle.path, HAND, 2 + SETTLE_PX * left);
    this.draw();
  }

  paintWaiting() {
    const { context } = this;
    context.save();
    context.lineCap = context.lineJoin = "round";
    for (const { polygon, line, radius, erases } of this.waiting) {
      const path = new Path2D();
      trace(path, (polygon ?? line).flat());
      if (polygon) path.closePath();
      else if (line.length === 1) path.lineTo(...line[0]);
      context.globalAlpha = polygon ? 1 : 0.45;
      context.strokeStyle = erases ? "#000000" : ACCENT;
      context.lineWidth = polygon ? 2 / this.scale : 2 * radius;
      context.stroke(path);
    }
    context.restore();
  }

  // width, dash: CSS pixels at any zoom.
  stroke(path, colour, width, dash = []) {
    const { context } = this;
    const { view } = this.viewport;
    context.strokeStyle = colour;
    context.lineWidth = width / view.scale;
    context.setLineDash(dash.map((length) => length / view.scale));
    context.stroke(path);
    context.setLineDash([]);
  }

  emphasise(particle) {
    if (!particle) return;
    if (particle.colour) {
      this.stroke(particle.path, SELECTED, 1); // a class has many parts: a broad line would hide the small ones
      return;
    }
    this.stroke(particle.path, "#000000", 5);
    this.stroke(particle.path, this.selected.includes(particle) ? SELECTED : particle.kept ? KEPT : ASIDE, 2.5, particle.kept ? [] : DASHES);
  }

  // Writes as many ids as have room, those of large particles first. Returns [written, particles in view].
  writeNumbers() {
    const { context } = this;
    const { view, seen } = this.viewport;
    const inView = this.particles.filter((particle) => this.visible(particle) && overlap(particle.box, seen));
    inView.sort((a, b) => b.box.right - b.box.left - (a.box.right - a.box.left));
    const room = new LabelSpace();
    let written = 0;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.strokeStyle = "#000000";
    context.fillStyle = "#ffffff";
    for (const { id, box } of inView) {
      const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
      const digits = String(id).length;
      const size = numberHeight((box.right - box.left) * view.scale, digits);
      if (!room.take(this.viewport.toStage({ x, y }), LETTER * digits * size, size)) continue;
      context.font = `${size / view.scale}px system-ui, sans-serif`;
      context.lineWidth = size / 4 / view.scale;
      context.strokeText(id, x, y);
      context.fillText(id, x, y);
      written += 1;
    }
    return [written, inView.length];
  }
}

// Connects the zoom buttons and the check boxes of layers with drawings that are moved together.
export function tools(section, drawings) {
  for (const zoom of section.querySelectorAll("[data-zoom]")) {
    zoom.addEventListener("click", () => drawings[0].viewport[zoom.dataset.zoom]());
  }
  for (const box of section.querySelectorAll("[data-layer]")) {
    const show = () => drawings.forEach((drawing) => drawing.layer(box.dataset.layer, box.checked));
    box.addEventListener("change", show);
    show();
  }
}

// Diagonal lines, 10 CSS pixels apart.
function hatching(context) {
  const tile = Object.assign(document.createElement("canvas"), { width: 10, height: 10 });
  const lines = tile.getContext("2d");
  lines.strokeStyle = HATCH;
  for (const shift of [-10, 0, 10]) {
    lines.moveTo(shift - 1, 11);
    lines.lineTo(shift + 11, -1);
  }
  lines.stroke();
  return context.createPattern(tile, "repeat");
}

const overlap = (box, seen) => box.right >= seen.left && box.left <= seen.right && box.bottom >= seen.top && box.top <= seen.bottom;

// The height in CSS pixels of a number with so many digits on a particle of a width.
export const numberHeight = (width, digits) => clamp(width / (LETTER * digits), ...TYPE);

// Remembers which places of the stage are taken, so that no two numbers overlap.
export class LabelSpace {
  constructor() {
    this.taken = new Set();
  }

  // Takes a box around a point. Returns false if it would overlap another.
  take({ x, y }, width, height) {
    const range = (at, length) => [Math.round((at - length / 2) / SQUARE), Math.max(1, Math.round(length / SQUARE))];
    const [[left, columns], [top, rows]] = [range(x, width), range(y, height)];
    const squares = Array.from({ length: columns * rows }, (_, i) => (top + Math.floor(i / columns)) * 1e5 + left + (i % columns));
    if (squares.some((square) => this.taken.has(square))) return false;
    for (const square of squares) this.taken.add(square);
    return true;
  }
}

// Gives a particle its path and its box. An object has one outline; a class has rings for all its parts and holes.
export function prepare(particle) {
  const path = new Path2D();
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const ring of [particle.outline ?? [], ...(particle.rings ?? [])]) {
    trace(path, ring);
    path.closePath();
    for (let i = 0; i < ring.length; i += 2) {
      const [x, y] = [ring[i], ring[i + 1]];
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y);
    }
  }
  const nothing = { left: 0, top: 0, right: 0, bottom: 0 }; // for a particle without an outline yet
  if (particle.whole) {
    particle.wholePath = new Path2D();
    trace(particle.wholePath, particle.whole);
    particle.wholePath.closePath();
  }
  return Object.assign(particle, { path, box: box.left < box.right ? box : nothing });
}

// Adds a line [x, y, x, y, ...] to a path.
export function trace(path, line) {
  for (let i = 0; i < line.length; i += 2) {
    if (i) path.lineTo(line[i], line[i + 1]);
    else path.moveTo(line[i], line[i + 1]);
  }
}

// A class has its colour in the figure; objects with neighbouring ids get different colours.
export const neighbourColour = ({ colour, id }) => colour ?? COLOURS[(id * 7) % COLOURS.length];

// The median of the widths, in pixels of the upload; FINE for classes, whose parts have any width.
function typicalWidth(particles) {
  if (particles.some((each) => each.colour)) return FINE;
  const widths = particles.map(({ box }) => box.right - box.left).sort((a, b) => a - b);
  return widths[Math.floor(widths.length / 2)] ?? FINE;
}

// The width of an outline in CSS pixels: thin for objects that look small, or the lines would hide them.
export const lineWidth = (seen) => clamp(seen / 30, ...LINE);
