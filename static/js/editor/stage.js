// The picture with the label image over it, and what a tool draws while it is used.

import { opacity } from "../display.js";
import { Picture } from "../picture.js";
import { Viewport } from "../viewport.js";

const MOST = 4e6; // pixels that the labels are drawn with
const ACCENT = "#f0be62";

export class Stage {
  // draw(view): the labels of a view as an ImageBitmap; heard: press, drag, release, cancel, hover with places [x, y] of
  // the image, and the event.
  constructor(canvas, { width, height, rows, tiles, paintLabels, heard }) {
    Object.assign(this, { canvas, width, height, rows, paintLabels, heard });
    this.context = canvas.getContext("2d");
    this.picture = new Picture({ columns: width, rows: height, tiles }, () => this.draw());
    this.layers = { outlines: true, colours: false, image: true };
    this.ready = false; // whether there are labels
    this.bitmap = null; // { bitmap, view }
    this.overlay = null; // draws over the labels, as `preview`
    this.preview = null; // draws with the context in pixels of the image
    this.bare = false; // the picture alone, while H is held
    const passed = (name) => (at, event) => this.heard[name]?.(at && this.point(at), event);
    const pointers = Object.fromEntries(["press", "drag", "hover"].map((name) => [name, passed(name)]));
    this.viewport = new Viewport(canvas, {
      ...{ columns: width, rows: height, draw: () => this.draw(), modal: true },
      ...pointers,
      release: () => this.heard.release?.(),
      cancel: () => this.heard.cancel?.(),
    });
  }

  // [x, y] in pixels of the image, to a hundredth.
  point(at) {
    const { x, y } = this.viewport.toImage(at);
    return [Math.round(x * 100) / 100, Math.round(y * 100) / 100];
  }

  get scale() {
    return this.viewport.view.scale;
  }

  reveal([top, left, bottom, right]) {
    const size = Math.max(bottom - top, right - left, 8);
    const room = Math.min(this.canvas.clientWidth, this.canvas.clientHeight);
    const scale = Math.min(Math.max(this.scale, (0.2 * room) / size), (0.6 * room) / size);
    this.viewport.show({ x: (left + right) / 2, y: (top + bottom) / 2 }, scale);
  }

  // ---- drawing ----------------------------------------------------------------------------------

  // The labels are to be drawn anew.
  changed() {
    this.stale = true;
    this.draw();
  }

  // Whether the picture is seen alone.
  hide(on) {
    this.bare = on;
    this.draw();
  }

  draw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.paint();
    });
  }

  view() {
    const { canvas, viewport } = this;
    const shrink = Math.min(1, Math.sqrt(MOST / (canvas.width * canvas.height)));
    const { x, y, scale } = viewport.view;
    return {
      ...{ x, y, scale: scale * viewport.ratio * shrink },
      ...{ width: Math.max(1, Math.round(canvas.width * shrink)), height: Math.max(1, Math.round(canvas.height * shrink)) },
    };
  }

  paint() {
    const { context, viewport } = this;
    viewport.clear(context);
    if (this.layers.image) this.picture.paint(context, viewport);
    if (this.layers.image && this.rows < this.height) {
      context.fillStyle = "rgb(14 17 19 / 0.6)";
      context.fillRect(0, this.rows, this.width, this.height - this.rows);
    }
    if (this.bare) return;
    this.ask();
    if (this.bitmap) {
      const { bitmap, view } = this.bitmap;
      context.imageSmoothingEnabled = false;
      context.drawImage(bitmap, view.x, view.y, view.width / view.scale, view.height / view.scale);
    }
    this.overlay?.(context, this.scale);
    if (this.preview) {
      context.lineWidth = 1.5 / this.scale;
      context.strokeStyle = context.fillStyle = ACCENT;
      this.preview(context, this.scale);
    }
  }

  // The worker draws one view at a time; meanwhile the last one is shown where it belongs.
  async ask() {
    const view = this.view();
    const layers = { ...this.layers, opacity: opacity() };
    const key = JSON.stringify([view, layers]);
    if (!this.ready || this.asking || (!this.stale && key === this.shown)) return;
    [this.asking, this.stale, this.shown] = [true, false, key];
    const answer = await this.paintLabels({ view, layers, thick: Math.max(1, Math.round(view.scale / this.scale)) });
    this.bitmap?.bitmap.close();
    this.bitmap = answer;
    this.asking = false;
    this.draw();
  }
}
