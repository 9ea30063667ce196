// The tools: what press, drag and tap do with each. A gesture ends in at most one operation, which is one correction.
// Points are [x, y] in pixels of the image.

const SAME_POINT_PX = 10; // CSS pixels: taps nearer than this mean the same point
const TAP_PX = 4; // CSS pixels: a press that moves less is a tap
export const TOUCH = globalThis.matchMedia?.("(hover: none)").matches;
// Words for a touch screen: "tap" instead of "click".
export const touchWords = (words) => (TOUCH ? words.replaceAll("Click", "Tap").replaceAll("click", "tap") : words);
const POINT_SPACING_PX = 1.5; // CSS pixels between the points of a stroke that are sent
const MOST_POINTS = 2000; // of an operation

// The base class. editor offers run(operation), select(ids, add), at(point), drawing, selected, radius, ground (whether
// only free background is painted), say(sentence).
class Gesture {
  constructor(editor) {
    this.editor = editor;
    this.points = [];
  }

  press(point, event) {
    this.points = [point];
    this.add = Boolean(event?.shiftKey) || this.editor.several;
  }

  drag(point, event) {
    if (!this.points.length) return; // the gesture was cancelled by Escape, another tool or a second finger
    const events = event?.getCoalescedEvents?.() ?? [];
    const { drawing } = this.editor;
    this.points.push(...events.slice(0, -1).map((each) => drawing.placed(drawing.viewport.place(each))), point);
    drawing.draw();
  }

  release() {
    const { points } = this;
    this.points = [];
    this.editor.drawing.draw();
    if (!points.length) return;
    const { editor } = this;
    const act = () => (this.isTap(points) ? this.tapped(points[0]) : this.dragged(thinnedLine(points, POINT_SPACING_PX / editor.drawing.scale)));
    editor.gesture = this.draws ? act() : editor.untilAnswered().then(act);
  }

  // Whether the gesture draws a shape: then it need not wait for corrections that change the objects under it.
  get draws() {
    return false;
  }

  cancel() {
    this.points = [];
    this.editor.drawing.draw();
  }

  isTap([first, ...others]) {
    return others.every((point) => Math.hypot(point[0] - first[0], point[1] - first[1]) * this.editor.drawing.scale < TAP_PX);
  }

  tapped() {}

  dragged() {}

  // Another tool is chosen: an unfinished gesture is cancelled.
  leave() {
    this.cancel();
  }

  preview(context) {
    trace(context, this.points);
    context.stroke();
  }
}

function trace(context, points) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
}

// A line drawn by hand as an outline: if its end crosses its beginning, the parts beyond the crossing are removed.
export function closedLine(line) {
  for (let i = 0; i < line.length - 1; i++) {
    for (let j = line.length - 2; j > i + 1; j--) {
      if (cross(line[i], line[i + 1], line[j], line[j + 1])) return line.slice(i + 1, j + 1);
    }
  }
  return line;
}

const side = (a, b, c) => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));

const cross = (a, b, c, d) => side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;

// Points of a gesture that are at least `apart` from each other (image pixels), at most MOST_POINTS.
export function thinnedLine(points, apart) {
  const spaced = points.filter((point, i) => i === 0);
  for (const point of points.slice(1)) {
    const last = spaced[spaced.length - 1];
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) >= apart) spaced.push(point);
  }
  return spaced.length <= MOST_POINTS ? spaced : thinnedLine(points, apart * 1.5);
}

const ends = (points) => [points[0], points[points.length - 1]];

class Select extends Gesture {
  async tapped(point) {
    const id = this.editor.at(point);
    this.editor.select(id ? [id] : [], this.add);
  }

  async dragged(points) {
    const [[x0, y0], [x1, y1]] = ends(points);
    this.editor.select(this.editor.drawing.within([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]), this.add);
  }

  preview(context) {
    if (this.points.length < 2) return;
    const [[x0, y0], [x1, y1]] = ends(this.points);
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
}

class Lasso extends Select {
  async dragged(points) {
    this.editor.select(this.editor.drawing.within(points), this.add);
  }

  preview(context) {
    trace(context, this.points);
    context.closePath();
    context.stroke();
  }
}

class Brush extends Gesture {
  get draws() {
    return true;
  }

  tapped(point) {
    return this.dragged([point]);
  }

  dragged(points) {
    const { editor } = this;
    return editor.run({ op: "paint", points, radius: editor.radius, ...editor.target(), ...(editor.ground ? { ground: true } : {}) }, { select: true });
  }

  hover(point) {
    this.over = point;
    this.editor.drawing.draw();
  }

  leave() {
    this.over = null;
    super.leave();
  }

  preview(context) {
    const [at] = this.points.length ? this.points.slice(-1) : [this.over];
    if (this.points.length > 1) {
      context.save();
      context.globalAlpha = 0.45;
      context.lineWidth = 2 * this.editor.radius;
      context.lineCap = context.lineJoin = "round";
      trace(context, this.points);
      context.stroke();
      context.restore();
    }
    if (!at) return;
    context.beginPath();
    context.arc(at[0], at[1], this.editor.radius, 0, 2 * Math.PI);
    context.stroke();
  }
}

class Eraser extends Brush {
  // Erases from the selected object if the stroke touches it, else from the objects that it touches.
  dragged(points) {
    const { editor } = this;
    const one = editor.selected.size === 1 ? { id: [...editor.selected][0], touching: true } : {};
    return editor.run({ op: "erase", points, radius: editor.radius, ...one });
  }
}

class Draw extends Lasso {
  get draws() {
    return true;
  }

  tapped() {
    this.editor.say(`Hold and draw around the ${this.editor.facts.thing}.`);
  }

  async dragged(points) {
    const { editor } = this;
    const polygon = closedLine(points);
    if (polygon.length < 3) return editor.say(`Draw all around the ${editor.facts.thing}.`);
    const target = editor.redrawing && editor.selected.size === 1 ? { id: [...editor.selected][0], replace: true } : editor.target();
    editor.redrawing = false;
    return editor.run({ op: "draw", polygon, ...target, ...(editor.ground ? { ground: true } : {}) }, { select: true });
  }
}

class Split extends Gesture {
  constructor(editor) {
    super(editor);
    this.first = null; // { point, id } of the first of two taps
  }

  async tapped(point) {
    const { editor } = this;
    const cut = this.first ? null : editor.cuts.near({ x: point[0], y: point[1] }, editor.drawing.scale);
    if (cut) return editor.cut(editor.cuts.chain(cut));
    const id = editor.at(point);
    if (!id) return editor.say(touchWords(`Click a point in the ${editor.facts.thing}, then one in its other part.`));
    if (this.first?.id !== id) {
      this.first = { point, id };
      editor.say(touchWords(`Now click the other part of ${editor.facts.thing} ${id}.`));
      return editor.drawing.draw();
    }
    const points = [this.first.point, point];
    this.first = null;
    return editor.run({ op: "split", id, points, ...editor.boundary }, { select: true });
  }

  dragged(points) {
    return this.editor.run({ op: "split", line: points, ...this.editor.boundary }, { select: !this.editor.boundary.boundary });
  }

  leave() {
    this.first = null;
    super.leave();
  }

  preview(context, scale) {
    super.preview(context);
    if (this.first) dot(context, this.first.point, scale);
  }
}

function dot(context, [x, y], scale) {
  context.beginPath();
  context.arc(x, y, 4 / scale, 0, 2 * Math.PI);
  context.fill();
}

// Removes the boundary between two objects.
class Join extends Gesture {
  tapped(point) {
    return this.dragged([point]);
  }

  dragged(points) {
    return this.editor.run({ op: "merge", points, boundary: true }, { select: true });
  }
}

// A disc, drawn from its centre to its edge; always a new object.
class Circle extends Gesture {
  get draws() {
    return true;
  }

  tapped() {
    this.editor.say("Hold in the middle and draw to the edge.");
  }

  get radius() {
    const [[x, y], [x1, y1]] = ends(this.points);
    return Math.min(500, Math.max(0.5, Math.round(100 * Math.hypot(x1 - x, y1 - y)) / 100));
  }

  release() {
    this.finalRadius = this.points.length ? this.radius : 0; // kept, as `dragged` gets thinned points
    super.release();
  }

  dragged([centre]) {
    const { editor } = this;
    const withClass = editor.classes.length > 1 ? { class: editor.panel.className } : {};
    return editor.run({ op: "paint", points: [centre], radius: this.finalRadius, ...withClass, ...(editor.ground ? { ground: true } : {}) }, { select: true });
  }

  preview(context) {
    if (this.points.length < 2) return;
    context.beginPath();
    context.arc(...this.points[0], this.radius, 0, 2 * Math.PI);
    context.stroke();
  }
}

// For classes of pixels: the connected area under a click gets the chosen class.
class Area extends Gesture {
  async tapped(point) {
    const { editor } = this;
    const name = editor.panel.className;
    if (editor.objects.get(editor.at(point))?.class === name) return editor.say(`This is ${name} already: choose another class.`);
    return editor.run({ op: "area", point, ...editor.target() });
  }
}

// The regions whose objects do not count. A drag draws a rectangle, taps the corners of a polygon. A region that is there
// is chosen by a tap, moved by a drag, and changed by a drag of one of its corners.
class Ignore extends Gesture {
  constructor(editor) {
    super(editor);
    this.corners = [];
    this.chosen = null; // index of the chosen region
    this.held = null; // { place, corner } of what a drag moves; corner -1: the whole region
  }

  get regions() {
    return this.editor.page.data.regions;
  }

  near(point, corner) {
    return corner && Math.hypot(point[0] - corner[0], point[1] - corner[1]) * this.editor.drawing.scale < SAME_POINT_PX;
  }

  press(point, event) {
    super.press(point, event);
    this.held = this.corners.length ? null : this.heldAt(point);
  }

  heldAt(point) {
    const outlines = this.regions.map(outlineOf);
    const withCorner = outlines.findLastIndex((outline) => outline.some((corner) => this.near(point, corner)));
    if (withCorner >= 0) return { place: withCorner, corner: outlines[withCorner].findIndex((corner) => this.near(point, corner)) };
    const place = outlines.findLastIndex((outline) => isInside(point, outline));
    return place < 0 ? null : { place, corner: -1 };
  }

  // The regions after the one that is held has followed the pointer from one point to another.
  moved(from, to) {
    const { place, corner } = this.held;
    return this.regions.map((region, i) => {
      if (i !== place) return region;
      const outline = outlineOf(region);
      if (corner < 0) return region.map(([x, y]) => [x + to[0] - from[0], y + to[1] - from[1]]);
      return region.length === 2 ? [to, outline[(corner + 2) % 4]] : outline.with(corner, to);
    });
  }

  tapped(point) {
    const { corners, held } = this;
    if (held) return this.choose(held.place);
    if (corners.length > 2 && (this.near(point, corners[0]) || this.near(point, corners.at(-1)))) return this.finish(corners);
    if (this.near(point, corners.at(-1))) return null;
    this.choose(null);
    return this.become([...corners, point]);
  }

  dragged(points) {
    if (this.held) return this.store(this.moved(...ends(points)));
    return this.corners.length ? this.tapped(points.at(-1)) : this.finish(ends(points));
  }

  choose(place) {
    this.chosen = place;
    this.editor.drawing.markRegion(place);
    this.editor.panel.regionChosen(place !== null);
    this.editor.say(place === null ? "" : touchWords("Drag the region or one of its corners, or count what lies in it again."));
  }

  become(corners) {
    this.corners = corners;
    this.editor.panel.corners(corners.length);
    if (corners.length) this.editor.say(touchWords(corners.length > 2 ? "Click the first corner again to ignore what lies between." : "Click the next corner."));
    this.editor.drawing.draw();
  }

  finish(corners) {
    this.become([]);
    return this.store([...this.regions, corners]);
  }

  store(regions) {
    const { width, height } = this.editor.page.data;
    this.choose(null);
    return this.editor.ignore(regions.map((region) => region.map(([x, y]) => [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))])));
  }

  // Enter closes the polygon. Delete removes its last corner, or the chosen region. Returns whether the key was used.
  acts(name) {
    const { corners, chosen } = this;
    if (name === "aside" && chosen !== null) return Boolean(this.store(this.regions.toSpliced(chosen, 1)));
    if (!corners.length || !["right", "aside"].includes(name)) return false;
    if (name === "aside") this.become(corners.slice(0, -1));
    else if (corners.length > 2) this.finish(corners);
    return true;
  }

  hover(point) {
    this.over = point;
    if (this.corners.length) this.editor.drawing.draw();
  }

  leave() {
    this.become([]);
    this.choose(null);
    super.leave();
  }

  preview(context, scale) {
    for (const corner of this.regions.flatMap(outlineOf)) dot(context, corner, scale);
    if (this.held && this.points.length > 1) {
      trace(context, outlineOf(this.moved(...ends(this.points))[this.held.place]));
      context.closePath();
      return context.stroke();
    }
    if (!this.corners.length) return this.held || Select.prototype.preview.call(this, context);
    trace(context, [...this.corners, ...(this.over ? [this.over] : [])]);
    context.stroke();
    return dot(context, this.corners[0], scale);
  }
}

// The corners of a region in their order; of a rectangle two opposite ones are stored.
export function outlineOf(region) {
  if (region.length > 2) return region;
  const [[x0, y0], [x1, y1]] = region;
  return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
}

function isInside([x, y], outline) {
  return outline.filter(([x0, y0], i) => {
    const [x1, y1] = outline[(i + 1) % outline.length];
    return y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0);
  }).length % 2 === 1;
}

class Add extends Gesture {
  constructor(editor) {
    super(editor);
    this.last = null; // { operation, id } of the last added object: a further tap in it makes it larger or smaller
  }

  // Taps are handled one after the other: what a tap means depends on the result of the one before.
  tapped(point) {
    return (this.turn = Promise.resolve(this.turn).catch(() => null).then(() => this.handle(point)));
  }

  async handle(point) {
    const { editor } = this;
    const id = editor.at(point);
    if (id && id === this.last?.id) return this.change(point);
    if (id) return this.meet(editor.objects.get(id));
    return this.make({ op: "add", point });
  }

  // A tap on the first point makes the outline larger; a tap elsewhere in it excludes that point. If the server
  // refuses, the outline stays.
  async change(point) {
    const { editor } = this;
    const { operation } = this.last;
    const [dx, dy] = [0, 1].map((axis) => point[axis] - operation.point[axis]);
    const again = Math.hypot(dx, dy) * editor.drawing.scale < SAME_POINT_PX;
    await editor.undo();
    if (await this.make(again ? { ...operation, wider: (operation.wider ?? 0) + 1 } : { ...operation, outside: [...(operation.outside ?? []), point] })) return;
    const [id] = (await editor.redo()) ?? [];
    if (id) this.last = { operation, id };
    if (id) editor.select([id]);
    editor.say(again ? "The outline cannot grow further: draw the rest of it." : "No outline leaves out this point: draw it instead.");
  }

  // A tap on an object that exists: if it is left out, a person may want to count it.
  meet({ id, kept, reason }) {
    const { editor } = this;
    const { frame, slip, ignored, thing } = editor.facts;
    if (kept || [frame, slip, ignored].includes(reason)) return editor.say(`This ${thing} is there already${kept ? "" : `, but ${reason}: it does not count`}.`);
    editor.select([id]);
    return editor.say(`This ${thing} was left out: ${reason}. ${TOUCH ? "Count it?" : "K, or Count it, makes it count."}`);
  }

  async make(operation) {
    const [id] = (await this.editor.run(operation, { select: true })) ?? [];
    this.last = id ? { operation, id } : null;
    if (id) this.editor.say(touchWords("Too small? Click the same point again. Too large? Click what does not belong to it."));
    return id;
  }

  leave() {
    this.last = null;
    super.leave();
  }
}

export const TOOLS = { select: Select, lasso: Lasso, brush: Brush, eraser: Eraser, draw: Draw, split: Split, join: Join, circle: Circle, area: Area, add: Add, ignore: Ignore };
