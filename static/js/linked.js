// Two viewports that move and zoom together. A side is { viewport, pixel: length of a pixel, 0 if not known }.
// same: whether both sides show one image.

// How many pixels of `to` are as long as one pixel of `from`: 1 for one image, else by the two scales, and if one is
// unknown by the widths in pixels.
export function pixelRatio(from, to, same) {
  if (same && from.viewport.columns === to.viewport.columns) return 1;
  if (from.pixel && to.pixel) return from.pixel / to.pixel;
  return to.viewport.columns / from.viewport.columns;
}

// The point and scale at which `to` shows the same part as `from`: the middle lies at the same share of the image.
export function matchingView(from, to, same) {
  const { viewport } = from;
  const middle = viewport.toImage(viewport.middle);
  const { columns, rows } = to.viewport;
  const point = { x: (middle.x / viewport.columns) * columns, y: (middle.y / viewport.rows) * rows };
  return { point, scale: viewport.view.scale / pixelRatio(from, to, same) };
}

export function link(sides, same) {
  let leading = null;
  for (const [from, to] of [sides, [...sides].reverse()]) {
    const { viewport } = from;
    const draw = viewport.draw;
    // Each draw moves the other viewport; `leading` stops that one from moving this one back.
    viewport.draw = () => {
      draw();
      if (leading) return;
      leading = from;
      if (viewport.fitted) to.viewport.fit();
      else {
        const { point, scale } = matchingView(from, to, same);
        to.viewport.show(point, scale, to.viewport.middle); // as far beyond the edge as the other
      }
      leading = null;
    };
  }
}
