// The form "Use as training data": a person draws the rectangle of the picture that was checked.

const form = document.querySelector("#training-data form");

// The rectangle in pixels of the image. start, end: points of the window; box: the picture in the window, size: its px.
function rectangleOf(start, end, box, size) {
  const at = (value, low, length, px) => Math.round((Math.min(Math.max(value - low, 0), length) / length) * px);
  const x = [start, end].map((each) => at(each.x, box.left, box.width, size.width));
  const y = [start, end].map((each) => at(each.y, box.top, box.height, size.height));
  return { left: Math.min(...x), top: Math.min(...y), right: Math.max(...x), bottom: Math.max(...y) };
}

if (form) {
  const picture = form.querySelector(".marked");
  const size = { width: Number(picture.dataset.width), height: Number(picture.dataset.height) };
  const frame = picture.querySelector("i");
  const sides = ["left", "top", "right", "bottom"].map((name) => form.elements[name]);
  let start = null;

  const show = () => {
    const part = form.elements.extent.value === "part";
    for (const side of sides) side.required = part;
    const [left, top, right, bottom] = sides.map((side) => Number(side.value));
    frame.hidden = !(right > left && bottom > top);
    const percent = (value, whole) => `${(100 * value) / whole}%`;
    frame.style.left = percent(left, size.width);
    frame.style.top = percent(top, size.height);
    frame.style.width = percent(right - left, size.width);
    frame.style.height = percent(bottom - top, size.height);
  };

  const draw = (event) => {
    if (!start) return;
    const box = rectangleOf(start, event, picture.getBoundingClientRect(), size);
    for (const side of sides) side.value = box[side.name];
    show();
  };

  picture.addEventListener("pointerdown", (event) => {
    start = { x: event.clientX, y: event.clientY };
    picture.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  picture.addEventListener("pointermove", draw);
  picture.addEventListener("pointerup", (event) => {
    draw(event);
    start = null;
  });
  form.addEventListener("input", show);
  show();
}
