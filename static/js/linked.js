// Two viewports that move and zoom together. A side is { viewport, pixel }: the length of a pixel, 0 where not known.
// same: whether both sides show one image.

// How many pixels of one image are as long as a pixel of the other: of one image one, else by the scale where both have
// one, else by the widths.
export function ratio(from, to, same) {
  if (same && from.viewport.columns === to.viewport.columns) return 1;
  if (from.pixel && to.pixel) return from.pixel / to.pixel;
  return to.viewport.columns / from.viewport.columns;
}

// The view of the other side that shows the same as one side: the middle is as far through the image.
export function matching(from, to, same) {
  const { viewport } = from;
  const middle = viewport.toImage(viewport.middle);
  const { columns, rows } = to.viewport;
  const point = { x: (middle.x / viewport.columns) * columns, y: (middle.y / viewport.rows) * rows };
  return { point, scale: viewport.view.scale / ratio(from, to, same) };
}

export function link(sides, same) {
  let leading = null;
  for (const [from, to] of [sides, [...sides].reverse()]) {
    const { viewport } = from;
    const draw = viewport.draw;
    viewport.draw = () => {
      draw();
      if (leading) return;
      leading = from;
      if (viewport.fitted) to.viewport.fit();
      else {
        const { point, scale } = matching(from, to, same);
        to.viewport.show(point, scale, to.viewport.middle); // as far beyond the edge as the other
      }
      leading = null;
    };
  }
}
