// Sizes of one object from its pixels, in pixels, by the same definitions as segmentation/core/measure (hulls.py).

// { area, ecd, min_feret, max_feret } of an object of a Labels, or null where nothing of it is left.
export function sizesOf(labels, id) {
  const object = labels.objects.get(id);
  if (!object?.box || !object.area) return null;
  return sizesBy(object.area, corners(labels, id, object.box));
}

const sizesBy = (area, points) => ({ area, ecd: Math.sqrt((4 * area) / Math.PI), ...ferets(convex(points)) });

// About the same of the two pieces into which a line cuts an outline, both as [x, y, x, y, ...].
export function piecesBy(outline, line) {
  const [x0, y0, x1, y1] = [...line.slice(0, 2), ...line.slice(-2)];
  const sides = [[], []];
  for (let i = 0; i < outline.length; i += 2) {
    const [x, y] = [outline[i], outline[i + 1]];
    sides[(x1 - x0) * (y - y0) > (y1 - y0) * (x - x0) ? 0 : 1].push([x, y]);
  }
  return sides.filter((points) => points.length > 1).map((points) => {
    const hull = convex([...points, [x0, y0], [x1, y1]]);
    const area = hull.reduce((sum, [x, y], i) => sum + (x * hull[(i + 1) % hull.length][1] - hull[(i + 1) % hull.length][0] * y) / 2, 0);
    return sizesBy(Math.abs(area), hull);
  });
}

// The outermost corners of each row of its pixels.
function corners(labels, id, [top, left, bottom, right]) {
  const points = [];
  for (let row = top; row < bottom; row++) {
    const start = row * labels.width;
    let [first, last] = [left, right - 1];
    while (first < right && labels.cells[start + first] !== id) first++;
    if (first === right) continue;
    while (labels.cells[start + last] !== id) last--;
    points.push([first, row], [last + 1, row], [first, row + 1], [last + 1, row + 1]);
  }
  return points;
}

// Andrew's monotone chain (1979): the corners of the convex hull in their order around.
function convex(points) {
  points.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (ordered) => {
    const chain = [];
    for (const point of ordered) {
      while (chain.length > 1 && turn(chain[chain.length - 2], chain[chain.length - 1], point) <= 0) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return [...half(points), ...half(points.reverse())];
}

const turn = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);

// The least width lies across an edge of the hull, the greatest distance between two corners.
function ferets(hull) {
  let [least, most] = [Infinity, 0];
  hull.forEach((from, i) => {
    const to = hull[(i + 1) % hull.length];
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const [nx, ny] = [(from[1] - to[1]) / length, (to[0] - from[0]) / length];
    let [low, high] = [Infinity, -Infinity];
    for (const [x, y] of hull) {
      const across = nx * x + ny * y;
      [low, high] = [Math.min(low, across), Math.max(high, across)];
      most = Math.max(most, (x - from[0]) ** 2 + (y - from[1]) ** 2);
    }
    least = Math.min(least, high - low);
  });
  return { min_feret: least, max_feret: Math.sqrt(most) };
}

// The rings around the pixels of an object, along their edges, the first one of its uppermost pixel: [x, y, x, y, ...] of
// their corners. A ring within another is a hole.
export function ringsOf(labels, id) {
  const object = labels.objects.get(id);
  if (!object?.box) return [];
  const { width, rows, cells } = labels;
  const ways = new Map(); // from a corner the corners that follow it, the object at the right
  const edge = (from, to) => (ways.has(from) ? ways.get(from).push(to) : ways.set(from, [to]));
  labels.scan(object.box, (at, row, column, here) => {
    if (here !== id) return;
    const corner = at + row; // of a grid that is one wider
    const below = corner + width + 1;
    if (row === 0 || cells[at - width] !== id) edge(corner, corner + 1);
    if (column === width - 1 || cells[at + 1] !== id) edge(corner + 1, below + 1);
    if (row === rows - 1 || cells[at + width] !== id) edge(below + 1, below);
    if (column === 0 || cells[at - 1] !== id) edge(below, corner);
  });
  const rings = [];
  for (const [start] of ways) {
    while (ways.get(start).length) rings.push(ringFrom(start, ways, width + 1));
  }
  return rings;
}

function ringFrom(start, ways, columns) {
  const ring = [];
  let [at, step] = [start, 0];
  do {
    const to = ways.get(at).pop();
    if (to - at !== step) ring.push(at % columns, Math.floor(at / columns));
    [at, step] = [to, to - at];
  } while (at !== start);
  return ring;
}
