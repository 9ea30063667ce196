// Which part of an image a canvas shows, and how mouse, fingers and keys move it. The stage is the element that holds
// the canvas. Places on the stage are in CSS pixels, points of the image in its own pixels.

const TAP_PX = 5; // CSS pixels that a press may wander and still be a tap
const ARROW_STEP_PX = 60; // CSS pixels by which an arrow key moves the image
const ZOOM_FACTOR = 1.5; // zoom factor of a key or a button
const MOST_ZOOM = 40; // largest zoom in CSS pixels per image pixel, or four times that of the whole image if larger
const WHEEL_PX_PER_E = 400; // pixels of a wheel's turn that magnify by the factor e
const WHEEL_LINE_PX = 30; // pixels of a line, for wheels that count in lines

export const clamp = (value, least, greatest) => Math.min(Math.max(value, least), greatest);

// The start of the view along one axis, limited so that the image fills the stage, or is centred if it is smaller.
// length: of the image, seen: of the view, in image pixels. loose: an edge may come to the middle of the stage, so that
// the point under the pointer stays there when the wheel turns.
export function limitedStart(start, length, seen, loose = false) {
  if (loose) return clamp(start, -seen / 2, length - seen / 2);
  return seen >= length ? (length - seen) / 2 : clamp(start, 0, length - seen);
}

const spread = (a, b) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));

export class Viewport {
  // stage: the element that receives pointer and wheel events. modal: nothing behind the stage scrolls, so it keeps
  // every turn of the wheel. draw() is called when the canvas has to be painted again. listeners, called with place and
  // event: hover(place or null), press, drag (without it a drag moves the image), release, tap (a press that hardly
  // moved), cancel (a second finger touched, or the pointer is lost). The middle and the right button always move the
  // image; so does every button while `grabbing`.
  constructor(canvas, { columns, rows, draw, stage = canvas, modal = false, ...listeners }) {
    Object.assign(this, { canvas, stage, columns, rows, draw, modal, listeners });
    this.view = { x: 0, y: 0, scale: 1 }; // place on the stage = (place in the image - (x, y)) * scale
    this.fitted = true;
    this.inset = 0; // CSS pixels at the left of the stage that tools cover: the whole image stands beside them
    this.ratio = 1; // screen pixels per CSS pixel
    this.centre = { x: 0, y: 0 }; // middle of the stage before it was resized
    this.pressed = new Map(); // pointer id -> its last place
    this.wandered = 0; // CSS pixels that the pointer moved since it was pressed
    this.grabbing = false;
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.moved(event));
    stage.addEventListener("pointerup", (event) => this.up(event));
    stage.addEventListener("pointercancel", (event) => this.up(event, true));
    stage.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.tell("hover", null));
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(stage);
  }

  tell(name, ...values) {
    this.listeners[name]?.(...values);
  }

  // ---- where things are --------------------------------------------------------------------------

  place(event) {
    const box = this.stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  toImage({ x, y }) {
    return { x: x / this.view.scale + this.view.x, y: y / this.view.scale + this.view.y };
  }

  toStage({ x, y }) {
    return { x: (x - this.view.x) * this.view.scale, y: (y - this.view.y) * this.view.scale };
  }

  // The box of the image that is on the stage.
  get seen() {
    const [from, to] = [{ x: 0, y: 0 }, { x: this.stage.clientWidth, y: this.stage.clientHeight }].map((at) => this.toImage(at));
    return { left: from.x, top: from.y, right: to.x, bottom: to.y };
  }

  get middle() {
    return { x: this.stage.clientWidth / 2, y: this.stage.clientHeight / 2 };
  }

  get fitScale() {
    return Math.max(1e-6, Math.min((this.stage.clientWidth - this.inset) / this.columns, this.stage.clientHeight / this.rows));
  }

  // ---- moving ------------------------------------------------------------------------------------

  // Shows a point of the image at a place of the stage; without a place in the middle, if the image's edges allow it.
  show(point, scale, place) {
    const at = place ?? this.middle;
    const least = this.fitScale;
    const used = clamp(scale, least, Math.max(MOST_ZOOM, 4 * least));
    this.fitted = used <= least * 1.001;
    this.view = { x: point.x - at.x / used, y: point.y - at.y / used, scale: used };
    this.hold(place !== undefined);
  }

  fit() {
    this.show({ x: this.columns / 2, y: this.rows / 2 }, this.fitScale);
  }

  zoom(factor, at = this.middle) {
    this.show(this.toImage(at), this.view.scale * factor, at);
  }

  closer(at) {
    this.zoom(ZOOM_FACTOR, at);
  }

  farther(at) {
    this.zoom(1 / ZOOM_FACTOR, at);
  }

  pan(dx, dy) {
    this.view.x += dx / this.view.scale;
    this.view.y += dy / this.view.scale;
    this.hold(true);
  }

  hold(loose) {
    const { view, stage, fitted } = this;
    view.x = limitedStart(view.x, this.columns, stage.clientWidth / view.scale, loose && !fitted);
    if (fitted && this.inset) view.x = Math.min(view.x, -this.inset / view.scale);
    view.y = limitedStart(view.y, this.rows, stage.clientHeight / view.scale, loose && !fitted);
    this.canvas.classList.toggle("zoomed", !this.fitted);
    this.draw();
  }

  // Gives the canvas one pixel per screen pixel; the point in the middle stays there.
  resize() {
    const { canvas, stage } = this;
    const point = this.toImage(this.centre);
    this.centre = this.middle;
    this.ratio = globalThis.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(stage.clientWidth * this.ratio));
    canvas.height = Math.max(1, Math.round(stage.clientHeight * this.ratio));
    if (this.fitted) this.fit();
    else this.show(point, this.view.scale);
  }

  // Empties the canvas, and sets its transform so that drawing is in image pixels.
  clear(context) {
    const { view } = this;
    const scale = view.scale * this.ratio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(scale, 0, 0, scale, -view.x * scale, -view.y * scale);
  }

  // ---- pointers, wheel and keys ------------------------------------------------------------------

  down(event) {
    if (event.button > 2 || (event.pointerType === "touch" && this.pressed.has(this.pen))) return;
    if (event.button === 1) event.preventDefault(); // no scrolling by the wheel's button
    if (event.pointerType === "pen") this.useOnlyPen(event.pointerId);
    this.grabbed = event.button > 0 || this.grabbing;
    const at = this.place(event);
    this.stage.setPointerCapture(event.pointerId);
    this.pressed.set(event.pointerId, at);
    this.canvas.classList.add("held");
    this.wandered = this.pressed.size === 1 ? 0 : Infinity;
    if (this.pressed.size > 1) this.tell("cancel");
    else if (!this.grabbed) this.tell("press", at, event);
  }

  // A pen draws: all other touches are ignored, as they come from the hand that holds it.
  useOnlyPen(pen) {
    this.pen = pen;
    if (!this.pressed.size) return;
    this.pressed.clear();
    this.tell("cancel");
  }

  moved(event) {
    const now = this.place(event);
    const before = this.pressed.get(event.pointerId);
    if (!before) {
      this.tell("hover", now);
      return;
    }
    this.wandered += Math.hypot(now.x - before.x, now.y - before.y);
    if (this.pressed.size === 2) this.pinch(event.pointerId, before, now);
    else if (this.listeners.drag && !this.grabbed) this.listeners.drag(now, event);
    else if (this.wandered > TAP_PX) this.pan(before.x - now.x, before.y - now.y);
    this.pressed.set(event.pointerId, now);
  }

  // Zooms and moves so that the points under two fingers stay under them.
  pinch(id, before, now) {
    const other = [...this.pressed].find(([key]) => key !== id)[1];
    const between = (point) => ({ x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 });
    const scale = this.view.scale * (spread(now, other) / spread(before, other));
    this.show(this.toImage(between(before)), scale, between(now));
  }

  up(event, lost = false) {
    if (!this.pressed.delete(event.pointerId)) return;
    if (this.pressed.size === 0) this.canvas.classList.remove("held");
    if (lost) this.tell("cancel");
    else if (!this.grabbed) this.tell("release");
    if (!lost && !this.grabbed && this.wandered <= TAP_PX) this.tell("tap", this.place(event));
  }

  // If the whole image is seen, zooming out scrolls the page instead, so that the picture does not stop scrolling.
  wheel(event) {
    if (event.deltaY > 0 && this.fitted && !this.modal) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? WHEEL_LINE_PX : 1) / WHEEL_PX_PER_E), this.place(event));
  }

  key(event) {
    const moves = { ArrowLeft: [-ARROW_STEP_PX, 0], ArrowRight: [ARROW_STEP_PX, 0], ArrowUp: [0, -ARROW_STEP_PX], ArrowDown: [0, ARROW_STEP_PX] };
    const move = moves[event.key];
    if (!move) this.keyOfZoom(event);
    else if (!modified(event)) {
      event.preventDefault();
      this.pan(...move);
    }
  }

  keyOfZoom(event, at) {
    const act = { "+": "closer", "=": "closer", "-": "farther", 0: "fit" }[event.key];
    if (!act || modified(event)) return;
    event.preventDefault();
    this[act](at);
  }
}

// Whether a key has Ctrl, Meta or Alt: browsers and screen readers use such keys.
export const modified = (event) => event.ctrlKey || event.metaKey || event.altKey;
