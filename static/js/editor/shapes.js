// Sizes of one object from its pixels, in pixels, by the same definitions as segmentation/core/measure (hulls.py).

// { area, ecd, min_feret, max_feret } of an object of a Labels, or null where nothing of it is left.
export function sizesOf(labels, id) {
  const object = labels.objects.get(id);
  if (!object?.box || !object.area) return null;
  const hull = convex(corners(labels, id, object.box));
  return { area: object.area, ecd: Math.sqrt((4 * object.area) / Math.PI), ...ferets(hull) };
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
  const { width } = labels;
  const ways = new Map(); // from a corner the corners that follow it, the object at the right
  const edge = (from, to) => (ways.has(from) ? ways.get(from).push(to) : ways.set(from, [to]));
  const corner = (row, column) => row * (width + 1) + column;
  labels.scan(object.box, (at, row, column, here) => {
    if (here !== id) return;
    if (labels.at(column, row - 1) !== id) edge(corner(row, column), corner(row, column + 1));
    if (labels.at(column + 1, row) !== id) edge(corner(row, column + 1), corner(row + 1, column + 1));
    if (labels.at(column, row + 1) !== id) edge(corner(row + 1, column + 1), corner(row + 1, column));
    if (labels.at(column - 1, row) !== id) edge(corner(row + 1, column), corner(row, column));
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
