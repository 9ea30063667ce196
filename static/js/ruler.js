// A dialog in which a person draws a line along the scale bar of an image and types its length.
// All coordinates are in pixels of the upload, at any zoom.

import { button, element } from "./dom.js";
import { ambiguous, digits, lengthOf, widthQuestion, widthText } from "./width.js";
import { Stage } from "./ruler-stage.js";

const SHORTEST_PX = 5; // px, as on the server
const HALF_WIDTH_95 = 1.96; // half width of a 95 % interval in standard uncertainties
const COARSE_UNCERTAINTY = 0.02; // relative uncertainty from which a closer look is advised

// The scale from a drawn line and the typed length: { pixel: nm, width: nm of the image, relativeUncertainty, stated:
// fields of the form }; if something is missing, { why: a sentence, missing: "line" or "length" }.
export function scaleFromLine(line, text, columns) {
  const across = Number(line.length.toFixed(2));
  const error = Number(Math.max(0.01, line.error).toFixed(2));
  if (!line.drawn || across < SHORTEST_PX) return { why: "Draw a line from one end of the scale bar to the other.", missing: "line" };
  if (ambiguous(text)) return { why: "The length could be two numbers: leave the comma or point out.", missing: "length" };
  const length = lengthOf(text);
  if (length === null) return { why: "Type the length that is written there, such as 200 nm or 1 µm.", missing: "length" };
  const pixel = length / across;
  return {
    pixel,
    width: pixel * columns,
    relativeUncertainty: (Math.SQRT2 * error) / across,
    stated: { width: widthText(pixel * columns), source: "drawn", pixels: across, error, length: text.trim() },
  };
}

// image: { image: its address, columns, rows, box, ends and length that were read, name }; use(stated) is called when the
// user accepts the line.
export class Ruler {
  constructor(image, use) {
    this.image = image;
    this.use = use;
    this.build();
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.stage.load(image.image).then(() => this.stage.line.drawn && this.stage.lookAtLine()).catch(() => this.say("The picture could not be loaded. Close this window and try again.", true));
    this.stage.canvas.focus();
  }

  build() {
    this.stage = new Stage(this.image, () => this.show());
    const typed = { inputMode: "decimal", autocomplete: "off", placeholder: "200 nm" };
    this.length = element("input", { id: "ruler-length", value: this.image.length ?? "", ...typed, "aria-describedby": "ruler-readout" });
    this.length.addEventListener("input", () => this.show());
    this.length.addEventListener("keydown", (event) => this.typed(event));
    this.readout = element("p", { id: "ruler-readout", className: "ruler-readout", "aria-live": "polite" });
    this.dialog = element(
      "dialog",
      { className: "ruler", "aria-labelledby": "ruler-title" },
      element("h2", { id: "ruler-title" }, "Draw on the scale bar"),
      element("p", { className: "hint" }, this.image.ends ? "This line was found in the picture. Use it, or set each end exactly, with the pointer or the arrow keys (Shift: ten pixels)." : "Drag along the scale bar from end to end; Shift keeps the line level. Then set each end exactly, with the pointer or the arrow keys (Shift: ten pixels)."),
      element("div", { className: "stage-box" }, this.tools(), this.stage.box),
      element(
        "div",
        { className: "ruler-foot" },
        element("div", { className: "field" }, element("label", { htmlFor: "ruler-length" }, "Length written there"), this.length),
        this.readout,
        element("p", { className: "actions" }, button("Use this scale", () => this.accept(), { className: "primary" }), button("Cancel", () => this.dialog.close())),
      ),
    );
    this.dialog.addEventListener("close", () => this.dialog.remove());
    this.show();
  }

  tools() {
    const level = element("input", { type: "checkbox" });
    level.addEventListener("change", () => this.stage.keepLevel(level.checked));
    const zooms = element(
      "div",
      { className: "zoom" },
      button("−", () => this.stage.viewport.farther(), { "aria-label": "Zoom out" }),
      button("+", () => this.stage.viewport.closer(), { "aria-label": "Zoom in" }),
      button("Fit", () => this.stage.viewport.fit()),
      button("Line", () => this.stage.lookAtLine()),
    );
    if (this.image.box) zooms.append(button("Scale bar", () => this.stage.lookAt(this.image.box)));
    return element("div", { className: "tools" }, element("div", {}, element("label", { className: "choice" }, level, " Keep it level")), zooms);
  }

  get reckoned() {
    return scaleFromLine(this.stage.line, this.length.value, this.image.columns);
  }

  show() {
    const { why, pixel, width, relativeUncertainty } = this.reckoned;
    const across = this.stage.line.drawn ? `${this.stage.line.length.toFixed(1)} px` : "";
    if (why) this.say(across ? `${across}. ${why}` : why);
    else {
      const concern = widthQuestion(this.length.value);
      const closer = concern ? ` Please check: ${concern}` : relativeUncertainty > COARSE_UNCERTAINTY ? " Zoom in and set the ends again for a smaller uncertainty." : "";
      const length = this.length.value.trim();
      const stated = /[a-zµμÅ]/i.test(length) ? length : `${length} nm`;
      this.say(`${across} = ${stated}: ${digits(pixel)} nm/px (± ${digits(100 * HALF_WIDTH_95 * relativeUncertainty, 2)} %); the whole image is ${digits(width)} nm wide.${closer}`);
    }
  }

  say(text, wrong = false) {
    this.readout.textContent = text;
    this.readout.classList.toggle("wrong-text", wrong);
  }

  // Enter accepts the line. Its default is prevented, or it would also press the focused button and open this dialog
  // again.
  typed(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    this.accept();
  }

  accept() {
    const { why, missing, stated } = this.reckoned;
    if (why) {
      this.say(why, true);
      (missing === "line" ? this.stage.canvas : this.length).focus();
      return;
    }
    this.dialog.close();
    this.use(stated);
  }
}
