// What a press, a drag and a tap do with each tool. A tool's gesture ends in one operation, which is one correction.

import { closed, thinned } from "./drawn.js";

const STILL = 4; // CSS pixels that a press may wander and still be a tap
export const TOUCH = globalThis.matchMedia?.("(hover: none)").matches;
const APART = 1.5; // CSS pixels between points that are kept of a stroke

// editor: run(operation), select(ids, add), at(point), within(shape), selected, radius, ground, say(sentence).
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
    if (!this.points.length) return; // the gesture was given up: by Escape, another tool, a second finger
    const events = event?.getCoalescedEvents?.() ?? [];
    const box = this.editor.stage.canvas.getBoundingClientRect();
    for (const each of events.slice(0, -1)) this.points.push(this.editor.stage.point({ x: each.clientX - box.left, y: each.clientY - box.top }));
    this.points.push(point);
    this.editor.stage.draw();
  }

  release() {
    const { points } = this;
    this.points = [];
    this.editor.stage.draw();
    if (!points.length) return;
    const { editor } = this;
    editor.gesture = this.isTap(points) ? this.tapped(points[0]) : this.dragged(thinned(points, APART / editor.stage.scale));
  }

  cancel() {
    this.points = [];
    this.editor.stage.draw();
  }

  isTap([first, ...others]) {
    return others.every((point) => Math.hypot(point[0] - first[0], point[1] - first[1]) * this.editor.stage.scale < STILL);
  }

  tapped() {}

  dragged() {}

  // Nothing of an unfinished gesture stays when the tool is left.
  left() {
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

const boxOf = ([[x0, y0], [x1, y1]]) => [Math.floor(Math.min(y0, y1)), Math.floor(Math.min(x0, x1)), Math.ceil(Math.max(y0, y1)), Math.ceil(Math.max(x0, x1))];
const ends = (points) => [points[0], points[points.length - 1]];

class Select extends Gesture {
  async tapped(point) {
    const id = await this.editor.at(point);
    this.editor.select(id ? [id] : [], this.add);
  }

  async dragged(points) {
    this.editor.select(await this.editor.within({ box: boxOf(ends(points)) }), this.add);
  }

  preview(context) {
    if (this.points.length < 2) return;
    const [[x0, y0], [x1, y1]] = ends(this.points);
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
}

class Lasso extends Select {
  async dragged(points) {
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    const box = boxOf([[Math.min(...xs), Math.min(...ys)], [Math.max(...xs), Math.max(...ys)]]);
    this.editor.select(await this.editor.within({ box, polygon: points }), this.add);
  }

  preview(context) {
    trace(context, this.points);
    context.closePath();
    context.stroke();
  }
}

class Brush extends Gesture {
  tapped(point) {
    return this.dragged([point]);
  }

  dragged(points) {
    const { editor } = this;
    return editor.run({ op: "paint", points, radius: editor.radius, ...editor.target(), ...(editor.ground ? { ground: true } : {}) }, { select: true });
  }

  hover(point) {
    this.over = point;
    this.editor.stage.draw();
  }

  left() {
    this.over = null;
    super.left();
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
  dragged(points) {
    const [id, ...others] = this.editor.selected;
    const only = id !== undefined && !others.length ? { id } : {};
    return this.editor.run({ op: "erase", points, radius: this.editor.radius, ...only });
  }
}

class Draw extends Lasso {
  tapped() {
    this.editor.say("Hold and draw around the object.");
  }

  dragged(points) {
    const { editor } = this;
    const polygon = closed(points);
    if (polygon.length < 3) return editor.say("Draw all around the object.");
    const replace = editor.redrawing && editor.selected.size === 1 ? { replace: true } : {};
    editor.redrawing = false;
    return editor.run({ op: "draw", polygon, ...editor.target(), ...replace, ...(editor.ground ? { ground: true } : {}) }, { select: true });
  }
}

class Split extends Gesture {
  constructor(editor) {
    super(editor);
    this.first = null; // { point, id } of the first of two taps
  }

  hover(point) {
    this.editor.cuts.hover(point);
  }

  async tapped(point) {
    const { editor } = this;
    if (!this.first && (await editor.cuts.tapped(point))) return null;
    const id = await editor.at(point);
    if (!id) return editor.say(`${TOUCH ? "Tap" : "Click"} a point in the object, then one in its other part.`);
    if (this.first?.id !== id) {
      this.first = { point, id };
      editor.say(`Now ${TOUCH ? "tap" : "click"} the other part of object ${id}.`);
      return editor.stage.draw();
    }
    const points = [this.first.point, point];
    this.first = null;
    return editor.run({ op: "split", id, points }, { select: true });
  }

  async dragged(points) {
    const id = await this.crossed(points);
    if (id) return this.editor.run({ op: "split", id, line: points }, { select: true });
    return this.editor.say("Draw the line across one object, from edge to edge.");
  }

  // The object with most points of the line in it.
  async crossed(points) {
    const held = new Map();
    const count = Math.min(60, 2 + points.length * 4);
    for (let i = 0; i <= count; i++) {
      const id = await this.editor.at(along(points, i / count));
      if (id) held.set(id, (held.get(id) ?? 0) + 1);
    }
    return [...held].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
  }

  left() {
    this.first = null;
    super.left();
  }

  preview(context, scale) {
    super.preview(context);
    if (this.first) dot(context, this.first.point, scale);
  }
}

function along(points, share) {
  const place = share * (points.length - 1);
  const i = Math.min(points.length - 2, Math.floor(place));
  const [[x0, y0], [x1, y1]] = [points[i], points[i + 1]];
  return [x0 + (place - i) * (x1 - x0), y0 + (place - i) * (y1 - y0)];
}

function dot(context, [x, y], scale) {
  context.beginPath();
  context.arc(x, y, 4 / scale, 0, 2 * Math.PI);
  context.fill();
}

class Add extends Gesture {
  constructor(editor) {
    super(editor);
    this.last = null; // { operation, id }: what the next tap in it makes smaller
  }

  async tapped(point) {
    const { editor } = this;
    const id = await editor.at(point);
    if (id && id === this.last?.id) {
      const operation = { ...this.last.operation, outside: [...(this.last.operation.outside ?? []), point] };
      await editor.undo();
      return this.make(operation);
    }
    if (id) return editor.say(`Object ${id} is there already.`);
    return this.make({ op: "add", point });
  }

  async make(operation) {
    const [id] = (await this.editor.run(operation, { select: true })) ?? [];
    this.last = id ? { operation, id } : null;
    if (id) this.editor.say(`Too large? ${TOUCH ? "Tap" : "Click"} a point in it that does not belong to it.`);
  }

  left() {
    this.last = null;
    super.left();
  }
}

export const TOOLS = { select: Select, lasso: Lasso, brush: Brush, eraser: Eraser, draw: Draw, split: Split, add: Add };
