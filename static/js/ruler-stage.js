// The picture on which the line is drawn: zoom, the two ends, and the glass under which they are set.

const STEP = 60; // CSS pixels by which an arrow key moves the picture
const SLIP = 6; // CSS pixels under which a drag was only a click
const GLASS = 64; // radius of the magnifying glass in CSS pixels
const LINE = "#ffd84d";

const clamp = (value, least, greatest) => Math.min(Math.max(value, least), greatest);

export class Stage {
  // image: { columns, rows, box, name }; changed() is called whenever the line is another one.
  constructor(image, changed) {
    Object.assign(this, { ...image, changed });
    this.picture = null;
    this.view = { x: 0, y: 0, scale: 1 }; // CSS pixels = (upload - (x, y)) * scale
    this.level = false;
    this.settled = false;
    this.pressed = new Map();
    this.dragged = null; // { end, offset, before } while an end is under a pointer
    this.part = 0;
    const [left, top, right, bottom] = image.box ?? [0, 0.9 * image.rows, image.columns, image.rows];
    const [y, ...xs] = [(top + bottom) / 2, 0.35 * right + 0.65 * left, 0.65 * right + 0.35 * left];
    this.line = { ends: xs.map((x) => ({ x, y })), drawn: false, error: 1, length: xs[1] - xs[0] };
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", `${image.name}. Arrow keys move the picture, plus and minus zoom, 0 fits. The two ends of the line follow.`);
    this.context = this.canvas.getContext("2d");
    this.handles = [0, 1].map((end) => this.handle(end));
    this.box = document.createElement("div");
    this.box.className = "ruler-stage";
    this.box.append(this.canvas, ...this.handles);
    this.listen();
  }

  handle(end) {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "end";
    made.dataset.end = end;
    made.addEventListener("keydown", (event) => this.keyOnEnd(event, end));
    return made;
  }

  listen() {
    this.box.addEventListener("pointerdown", (event) => this.down(event));
    this.box.addEventListener("pointermove", (event) => this.moved(event));
    this.box.addEventListener("pointerup", (event) => this.up(event));
    this.box.addEventListener("pointercancel", (event) => this.up(event));
    this.box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("keydown", (event) => this.keyOnPicture(event));
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  async load(address) {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    this.picture = picture;
    this.fit();
    this.settled = true;
    this.box.classList.add("ready");
  }

  // ---- where things are -------------------------------------------------------------------------

  place(event) {
    const box = this.box.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  toUpload({ x, y }) {
    return { x: x / this.view.scale + this.view.x, y: y / this.view.scale + this.view.y };
  }

  toStage({ x, y }) {
    return { x: (x - this.view.x) * this.view.scale, y: (y - this.view.y) * this.view.scale };
  }

  // How well an end can be placed now, in upload pixels: to a point on the screen, and to half a pixel of the picture.
  get error() {
    const coarse = this.picture ? this.columns / this.picture.naturalWidth : 1;
    return Math.max(0.5, 0.5 * coarse, 1 / this.view.scale);
  }

  // ---- the view ---------------------------------------------------------------------------------

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.box;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    if (this.settled) this.show(this.toUpload({ x: clientWidth / 2, y: clientHeight / 2 }), this.view.scale);
    else this.fit();
  }

  get fitScale() {
    return Math.max(1e-6, Math.min(this.box.clientWidth / this.columns, this.box.clientHeight / this.rows));
  }

  fit() {
    this.show({ x: this.columns / 2, y: this.rows / 2 }, this.fitScale);
  }

  // A box large enough to read; where it is too wide for the stage, each call shows its next part.
  lookAt([left, top, right, bottom]) {
    const scale = clamp(this.box.clientHeight / (4 * (bottom - top)), this.fitScale, 12);
    const parts = Math.max(1, Math.ceil((scale * (right - left)) / this.box.clientWidth));
    const x = left + (((this.part % parts) + 0.5) / parts) * (right - left);
    this.part += 1;
    this.show({ x, y: (top + bottom) / 2 }, scale);
  }

  lookAtLine() {
    const [from, to] = this.line.ends;
    const across = Math.max(Math.abs(to.x - from.x) / this.box.clientWidth, Math.abs(to.y - from.y) / this.box.clientHeight);
    this.show({ x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }, 0.75 / Math.max(across, 0.02));
  }

  // Show the picture at a scale, a point of it in the middle.
  show(middle, scale) {
    this.view.scale = clamp(scale, this.fitScale, Math.max(40, this.fitScale));
    this.view.x = middle.x - this.box.clientWidth / 2 / this.view.scale;
    this.view.y = middle.y - this.box.clientHeight / 2 / this.view.scale;
    this.pan(0, 0);
  }

  zoom(factor, at = { x: this.box.clientWidth / 2, y: this.box.clientHeight / 2 }) {
    const fixed = this.toUpload(at);
    const scale = clamp(this.view.scale * factor, this.fitScale, Math.max(40, this.fitScale));
    this.view = { x: fixed.x - at.x / scale, y: fixed.y - at.y / scale, scale };
    this.pan(0, 0);
  }

  // By CSS pixels; the picture stays on the stage and is centred where it is smaller.
  pan(dx, dy) {
    const { view, box } = this;
    view.x = within(view.x + dx / view.scale, this.columns, box.clientWidth / view.scale);
    view.y = within(view.y + dy / view.scale, this.rows, box.clientHeight / view.scale);
    this.draw();
  }

  // ---- the line ---------------------------------------------------------------------------------

  keepLevel(level) {
    this.level = level;
    if (level && this.line.drawn) this.set(1, this.line.ends[1]);
  }

  // Put an end somewhere on the picture; level: at the height of the other.
  set(end, { x, y }, level = this.level) {
    const other = this.line.ends[1 - end];
    this.line.ends[end] = { x: clamp(x, 0, this.columns), y: level ? other.y : clamp(y, 0, this.rows) };
    const [from, to] = this.line.ends;
    Object.assign(this.line, { drawn: true, error: this.error, length: Math.hypot(to.x - from.x, to.y - from.y) });
    this.draw();
    this.changed();
  }

  restore(line) {
    Object.assign(this.line, line);
    this.draw();
    this.changed();
  }

  // ---- pointers ---------------------------------------------------------------------------------

  down(event) {
    if (event.button > 0) return;
    const at = this.place(event);
    this.box.setPointerCapture(event.pointerId);
    this.pressed.set(event.pointerId, at);
    if (this.pressed.size > 1) this.letGo(true);
    else this.grab(at, this.line.drawn ? event.target.closest("[data-end]") : null);
  }

  grab(at, handle) {
    const before = { ...this.line, ends: [...this.line.ends] };
    if (handle) {
      const end = Number(handle.dataset.end);
      const place = this.toStage(this.line.ends[end]);
      this.dragged = { end, offset: { x: place.x - at.x, y: place.y - at.y }, before: null };
      return;
    }
    const start = this.toUpload(at);
    this.line.ends = [start, { ...start }];
    this.dragged = { end: 1, offset: { x: 0, y: 0 }, before };
    this.set(0, start, false);
  }

  moved(event) {
    const before = this.pressed.get(event.pointerId);
    if (!before) return;
    const now = this.place(event);
    if (this.pressed.size === 2) this.pinch(event.pointerId, before, now);
    else if (this.dragged) this.drag(now, event.shiftKey);
    this.pressed.set(event.pointerId, now);
  }

  drag(now, shift) {
    const { end, offset } = this.dragged;
    this.set(end, this.toUpload({ x: now.x + offset.x, y: now.y + offset.y }), shift || this.level);
  }

  pinch(id, before, now) {
    const other = [...this.pressed].find(([key]) => key !== id)[1];
    const spread = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    this.zoom(spread(now) / spread(before), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    this.pan((before.x - now.x) / 2, (before.y - now.y) / 2);
  }

  up(event) {
    this.pressed.delete(event.pointerId);
    if (!this.dragged) return;
    const slipped = this.line.length * this.view.scale < SLIP;
    const { end } = this.dragged;
    this.letGo(slipped);
    if (!slipped) this.handles[end].focus({ preventScroll: true });
  }

  // The line as it was before comes back where a click or a second finger shows that none was meant.
  letGo(undone) {
    const before = this.dragged?.before;
    this.dragged = null;
    if (undone && before) this.restore(before);
    else this.draw();
  }

  wheel(event) {
    event.preventDefault();
    const turn = event.deltaMode === 1 ? event.deltaY * 30 : event.deltaY;
    this.zoom(Math.exp(-turn / 400), this.place(event));
  }

  // ---- keys -------------------------------------------------------------------------------------

  keyOnPicture(event) {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    const move = moves[event.key];
    if (move) this.pan(...move);
    else if (!this.keyOfZoom(event)) return;
    event.preventDefault();
  }

  keyOnEnd(event, end) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    if (move) this.nudge(end, ...move.map((step) => step * (event.shiftKey ? 10 : 1)));
    else if (!this.keyOfZoom(event, this.toStage(this.line.ends[end]))) return;
    event.preventDefault();
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

  keyOfZoom(event, at) {
    const act = { "+": () => this.zoom(1.5, at), "=": () => this.zoom(1.5, at), "-": () => this.zoom(1 / 1.5, at), 0: () => this.fit() }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return false;
    act();
    return true;
  }

  // ---- drawing ----------------------------------------------------------------------------------

  draw() {
    const { context, view } = this;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, -view.x * view.scale * ratio, -view.y * view.scale * ratio);
    this.paint(view.scale);
    if (this.dragged && view.scale < 4) this.glass(ratio);
    this.handles.forEach((handle, end) => this.placeHandle(handle, this.line.ends[end], end));
  }

  // The picture and the line, in upload pixels.
  paint(scale) {
    const { context, line } = this;
    context.imageSmoothingEnabled = scale < 3;
    if (this.picture) context.drawImage(this.picture, 0, 0, this.columns, this.rows);
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
    for (const [colour, width] of [["#000000", 3.5], [LINE, 1.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width / scale;
      context.setLineDash(line.drawn ? [] : [6 / scale, 5 / scale]);
      context.stroke(path);
    }
    context.setLineDash([]);
  }

  // What is under the pointer, enlarged, in the corner that the pointer is not in.
  glass(ratio) {
    const { context, view } = this;
    const end = this.line.ends[this.dragged.end];
    const at = this.toStage(end);
    const middle = { x: at.x < this.box.clientWidth / 2 ? this.box.clientWidth - GLASS - 8 : GLASS + 8, y: GLASS + 8 };
    const scale = Math.max(4, 3 * view.scale);
    context.save();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.beginPath();
    context.arc(middle.x, middle.y, GLASS, 0, 2 * Math.PI);
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
    const at = this.toStage(end);
    handle.style.transform = `translate(${at.x}px, ${at.y}px) translate(-50%, -50%)`;
    const name = number === 0 ? "First" : "Second";
    handle.setAttribute("aria-label", `${name} end of the line: ${end.x.toFixed(1)} px from the left, ${end.y.toFixed(1)} px from the top`);
  }
}

function within(start, length, seen) {
  if (seen >= length) return (length - seen) / 2;
  return clamp(start, 0, length - seen);
}
