// Mouse, touch and keys on the canvas: pan, zoom, point, select.

const STILL = 5; // CSS pixels that a press may wander and still be a click
const STEP = 60;

export class Gestures {
  constructor(canvas, drawing, { hover, select }) {
    Object.assign(this, { canvas, drawing, hover, select });
    this.pressed = new Map();
    this.wandered = 0;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.pressed.delete(event.pointerId));
    canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.hover(null));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("dblclick", (event) => this.drawing.zoom(2, event.offsetX, event.offsetY));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  down(event) {
    if (event.button > 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pressed.set(event.pointerId, this.place(event));
    if (this.pressed.size === 1) this.wandered = 0;
    else this.wandered = Infinity;
    this.canvas.classList.add("held");
  }

  moved(event) {
    const now = this.place(event);
    const before = this.pressed.get(event.pointerId);
    if (!before) {
      this.hover(this.drawing.at(now.x, now.y));
      return;
    }
    if (this.pressed.size === 2) this.pinch(event.pointerId, before, now);
    else this.pan(before, now);
    this.pressed.set(event.pointerId, now);
  }

  pan(before, now) {
    this.wandered += Math.hypot(now.x - before.x, now.y - before.y);
    if (this.wandered > STILL) this.drawing.move(before.x - now.x, before.y - now.y);
  }

  pinch(id, before, now) {
    const other = [...this.pressed].find(([key]) => key !== id)[1];
    const spread = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    this.drawing.zoom(spread(now) / spread(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    this.drawing.move((before.x - now.x) / 2, (before.y - now.y) / 2);
  }

  up(event) {
    const place = this.place(event);
    this.pressed.delete(event.pointerId);
    if (this.pressed.size === 0) this.canvas.classList.remove("held");
    if (this.wandered <= STILL && event.button === 0) this.select(this.drawing.at(place.x, place.y));
  }

  // At full view a wheel turned away goes on scrolling the page, so that nobody is caught in the picture.
  wheel(event) {
    if (event.deltaY > 0 && this.drawing.fitted) return;
    event.preventDefault();
    const turn = event.deltaMode === 1 ? event.deltaY * 30 : event.deltaY;
    const { x, y } = this.place(event);
    this.drawing.zoom(Math.exp(-turn / 400), x, y);
  }

  key(event) {
    const act = {
      ArrowLeft: () => this.drawing.move(-STEP, 0),
      ArrowRight: () => this.drawing.move(STEP, 0),
      ArrowUp: () => this.drawing.move(0, -STEP),
      ArrowDown: () => this.drawing.move(0, STEP),
      "+": () => this.drawing.zoom(1.5),
      "=": () => this.drawing.zoom(1.5),
      "-": () => this.drawing.zoom(1 / 1.5),
      0: () => this.drawing.fit(),
      Escape: () => this.select(null),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }
}
