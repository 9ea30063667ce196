// The picture of the ruler's dialog: zoom, the line with its two ends, and a magnifying glass while an end is dragged.

import { element } from "./dom.js";
import { Picture } from "./picture.js";
import { Viewport, clamp, modified } from "./viewport.js";

const CLICK_PX = 6; // CSS pixels: a shorter drag was only a click
const GLASS_RADIUS_PX = 64; // radius of the magnifying glass in CSS pixels
const LINE_COLOUR = "#ffd84d";

export class Stage {
  // image: { columns, rows, tiles, box: [left, top, right, bottom] of the reading or the data bar, ends: [x, y, x, y] of
  // the line that was found, name }; changed() is called after each change of the line.
  constructor(image, changed) {
    Object.assign(this, { ...image, changed });
    this.picture = new Picture(image, () => this.draw());
    this.level = false; // whether the line is kept horizontal
    this.dragged = null; // { end, offset, before } while an end is under a pointer
    const [left, top, right, bottom] = image.box ?? [0, 0.9 * image.rows, image.columns, image.rows];
    const [y, ...xs] = [(top + bottom) / 2, 0.35 * right + 0.65 * left, 0.65 * right + 0.35 * left];
    const [x0, y0, x1, y1] = image.ends ?? [xs[0], y, xs[1], y];
    this.line = { ends: [{ x: x0, y: y0 }, { x: x1, y: y1 }], drawn: Boolean(image.ends), error: 1, length: Math.hypot(x1 - x0, y1 - y0) };
    const words = `${image.name}. Arrow keys move the picture, plus and minus zoom, 0 fits. The two ends of the line follow.`;
    this.canvas = element("canvas", { tabIndex: 0, role: "application", "aria-label": words });
    this.context = this.canvas.getContext("2d");
    const onKeyOf = (end) => (event) => this.keyOnEnd(event, end);
    this.handles = [0, 1].map((end) => element("button", { type: "button", className: "end", "data-end": end, onkeydown: onKeyOf(end) }));
    this.box = element("div", { className: "ruler-stage" }, this.canvas, ...this.handles);
    this.box.style.setProperty("--shape", `${image.columns} / ${image.rows}`);
    this.viewport = new Viewport(this.canvas, {
      stage: this.box,
      modal: true,
      columns: image.columns,
      rows: image.rows,
      draw: () => this.draw(),
      press: (at, event) => this.grab(at, this.line.drawn ? event.target.closest("[data-end]") : null),
      drag: (at, event) => this.drag(at, event.shiftKey),
      release: () => this.release(),
      cancel: () => this.letGo(true),
    });
  }

  async load(address) {
    await this.picture.load(address);
    this.draw();
    this.box.classList.add("ready");
  }

  // How exactly an end can be placed now, in upload pixels: to one CSS pixel, and to half a pixel of the picture.
  get error() {
    return Math.max(0.5, 0.5 * this.picture.coarse, 1 / this.viewport.view.scale);
  }

  // ---- the view ---------------------------------------------------------------------------------

  // Zooms in on a box, as far as all of it is seen.
  lookAt([left, top, right, bottom]) {
    const scale = Math.min(this.box.clientHeight / (4 * (bottom - top)), this.box.clientWidth / (1.1 * (right - left)));
    this.viewport.show({ x: (left + right) / 2, y: (top + bottom) / 2 }, clamp(scale, this.viewport.fitScale, 12));
  }

  lookAtLine() {
    const [from, to] = this.line.ends;
    const across = Math.max(Math.abs(to.x - from.x) / this.box.clientWidth, Math.abs(to.y - from.y) / this.box.clientHeight);
    this.viewport.show({ x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }, 0.75 / Math.max(across, 0.02));
  }

  // ---- the line ---------------------------------------------------------------------------------

  keepLevel(level) {
    this.level = level;
    if (level && this.line.drawn) this.set(1, this.line.ends[1]);
  }

  // Moves an end of the line to a point; level: to the height of the other end.
  set(end, { x, y }, level = this.level) {
    const other = this.line.ends[1 - end];
    this.line.ends[end] = { x: clamp(x, 0, this.columns), y: level ? other.y : clamp(y, 0, this.rows) };
    const [from, to] = this.line.ends;
    Object.assign(this.line, { drawn: true, error: this.error, length: Math.hypot(to.x - from.x, to.y - from.y) });
    this.draw();
    this.changed();
  }

  // ---- pointers ---------------------------------------------------------------------------------

  grab(at, handle) {
    const before = { ...this.line, ends: [...this.line.ends] };
    if (handle) {
      const end = Number(handle.dataset.end);
      const point = this.viewport.toStage(this.line.ends[end]);
      this.dragged = { end, offset: { x: point.x - at.x, y: point.y - at.y }, before: null };
      return;
    }
    const start = this.viewport.toImage(at);
    this.line.ends = [start, { ...start }];
    this.dragged = { end: 1, offset: { x: 0, y: 0 }, before };
    this.set(0, start, false);
  }

  drag(now, shift) {
    if (!this.dragged) return;
    const { end, offset } = this.dragged;
    this.set(end, this.viewport.toImage({ x: now.x + offset.x, y: now.y + offset.y }), shift || this.level);
  }

  release() {
    if (!this.dragged) return;
    const slipped = this.line.length * this.viewport.view.scale < CLICK_PX;
    const { end } = this.dragged;
    this.letGo(slipped);
    if (!slipped) this.handles[end].focus({ preventScroll: true });
  }

  // Ends a drag. undone: a click or a second finger showed that no line was meant, so the line before comes back.
  letGo(undone) {
    const before = this.dragged?.before;
    this.dragged = null;
    if (undone && before) {
      Object.assign(this.line, before);
      this.changed();
    }
    this.draw();
  }

  // ---- keys -------------------------------------------------------------------------------------

  keyOnEnd(event, end) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (!move) this.viewport.keyOfZoom(event, this.viewport.toStage(this.line.ends[end]));
    else if (!modified(event)) {
      event.preventDefault();
      this.nudge(end, ...move.map((step) => step * (event.shiftKey ? 10 : 1)));
    }
  }

  // A level line moves up and down as a whole.
  nudge(end, dx, dy) {
    const { x, y } = this.line.ends[end];
    if (this.level && dy) {
      const other = this.line.ends[1 - end];
      other.y = clamp(other.y + dy, 0, this.rows);
    }
    this.set(end, { x: x + dx, y: y + dy });
  }

  // ---- drawing ----------------------------------------------------------------------------------

  draw() {
    const { scale } = this.viewport.view;
    this.viewport.clear(this.context);
    this.paint(scale);
    if (this.dragged && scale < 4) this.glass();
    this.handles.forEach((handle, end) => this.placeHandle(handle, this.line.ends[end], end));
  }

  // The picture and the line, in upload pixels.
  paint(scale) {
    const { context, line } = this;
    this.picture.paint(context, this.viewport);
    this.box.classList.toggle("drawn", line.drawn);
    if (!line.drawn) return;
    const [from, to] = line.ends;
    const along = Math.hypot(to.x - from.x, to.y - from.y) || 1;
    const cross = { x: (-(to.y - from.y) / along) * (9 / scale), y: ((to.x - from.x) / along) * (9 / scale) };
    const path = new Path2D();
    path.moveTo(from.x, from.y);
    path.lineTo(to.x, to.y);
    for (const end of [from, to]) {
      path.moveTo(end.x - cross.x, end.y - cross.y);
      path.lineTo(end.x + cross.x, end.y + cross.y);
    }
    for (const [colour, width] of [["#000000", 3.5], [LINE_COLOUR, 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width / scale;
      context.stroke(path);
    }
  }

  // The magnifying glass: the dragged end, enlarged, in the upper corner away from the pointer.
  glass() {
    const { context } = this;
    const { ratio, view } = this.viewport;
    const end = this.line.ends[this.dragged.end];
    const at = this.viewport.toStage(end);
    const middle = { x: at.x < this.box.clientWidth / 2 ? this.box.clientWidth - GLASS_RADIUS_PX - 8 : GLASS_RADIUS_PX + 8, y: GLASS_RADIUS_PX + 8 };
    const scale = Math.max(4, 3 * view.scale);
    context.save();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.beginPath();
    context.arc(middle.x, middle.y, GLASS_RADIUS_PX, 0, 2 * Math.PI);
    context.fillStyle = "#0e1113";
    context.fill();
    context.strokeStyle = "#e8ebed";
    context.lineWidth = 2;
    context.stroke();
    context.clip();
    context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * (middle.x - end.x * scale), ratio * (middle.y - end.y * scale));
    this.paint(scale);
    context.restore();
  }

  placeHandle(handle, end, number) {
    const at = this.viewport.toStage(end);
    handle.style.transform = `translate(${at.x}px, ${at.y}px) translate(-50%, -50%)`;
    const name = number === 0 ? "First" : "Second";
    handle.setAttribute("aria-label", `${name} end of the line: ${end.x.toFixed(1)} px from the left, ${end.y.toFixed(1)} px from the top`);
  }
}
