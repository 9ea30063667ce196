// Shapes drawn by hand as pixels: polygons and strokes of a brush, by the rules of segmentation/core/labels/drawn.py.

const SMALLEST_RADIUS = 0.5;
export const MOST_POINTS = 2000;

// What an operation would do is impossible; the message is the sentence for the user.
export class Impossible extends Error {}

// A shape is { box: [top, left, bottom, right], inside(row, column) }.

// Pixels whose centres lie in a closed polygon (even-odd).
export function polygonShape(polygon) {
  if (polygon.length < 3 || polygon.length > MOST_POINTS) throw new Impossible(`It takes 3 to ${MOST_POINTS} points.`);
  if (crossesItself(polygon)) throw new Impossible("The outline crosses itself: draw it without a loop.");
  return { box: around(polygon), inside: insideOf(polygon) };
}

// Whether the centre of a pixel lies in a polygon, also in one that crosses itself.
export function insideOf(polygon) {
  const columns = new Map(); // of a row: where it enters and leaves, in order
  const crossings = (row) => {
    if (!columns.has(row)) columns.set(row, edgesIn(polygon, row + 0.5));
    return columns.get(row);
  };
  return (row, column) => crossings(row).filter((edge) => edge <= column).length % 2 === 1;
}

// The first columns whose centres lie right of each edge that a row of centres crosses.
function edgesIn(polygon, centre) {
  const crossings = [];
  polygon.forEach(([x0, y0], i) => {
    const [x1, y1] = polygon[(i + 1) % polygon.length];
    if (centre >= Math.min(y0, y1) && centre < Math.max(y0, y1)) crossings.push(Math.ceil(x0 + ((centre - y0) * (x1 - x0)) / (y1 - y0) - 0.5));
  });
  return crossings;
}

// Pixels whose centres lie within a radius of a line of points.
export function brushShape(points, radius) {
  if (!points.length || points.length > MOST_POINTS || radius < SMALLEST_RADIUS) throw new Impossible(`A stroke has 1 to ${MOST_POINTS} points.`);
  const box = around(points, radius);
  const width = box[3] - box[1];
  const reached = new Uint8Array(Math.max(0, (box[2] - box[0]) * width));
  const pairs = points.length > 1 ? points.slice(1).map((point, i) => [points[i], point]) : [[points[0], points[0]]];
  for (const [a, b] of pairs) reach(reached, box, width, a, b, radius);
  return { box, inside: (row, column) => reached[(row - box[0]) * width + column - box[1]] === 1 };
}

function reach(reached, box, width, a, b, radius) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = dx * dx + dy * dy;
  const [top, left, bottom, right] = around([a, b], radius);
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const [x, y] = [column + 0.5, row + 0.5];
      const t = length > 0 ? Math.min(1, Math.max(0, ((x - a[0]) * dx + (y - a[1]) * dy) / length)) : 0;
      const [ex, ey] = [x - (a[0] + t * dx), y - (a[1] + t * dy)];
      if (ex * ex + ey * ey <= radius * radius) reached[(row - box[0]) * width + column - box[1]] = 1;
    }
  }
}

// The box of whole pixels around points.
export function around(points, margin = 0) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
  }
  return [Math.floor(top - margin), Math.floor(left - margin), Math.ceil(bottom + margin), Math.ceil(right + margin)];
}

const side = (a, b, c) => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));

// Whether two lines cross in their insides.
const cross = (a, b, c, d) => side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;

export function crossesItself(polygon) {
  const ring = [...polygon, polygon[0]];
  return closed(ring) !== ring;
}

// A line drawn by hand as an outline: where its end runs over its beginning, what hangs over is cut off.
export function closed(line) {
  for (let i = 0; i < line.length - 1; i++) {
    for (let j = line.length - 2; j > i + 1; j--) {
      if (cross(line[i], line[i + 1], line[j], line[j + 1])) return line.slice(i + 1, j + 1);
    }
  }
  return line;
}

// Points at least so far apart, and not more than a request may hold.
export function thinned(points, apart) {
  const spaced = points.filter((point, i) => i === 0);
  for (const point of points.slice(1)) {
    const last = spaced[spaced.length - 1];
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) >= apart) spaced.push(point);
  }
  return spaced.length <= MOST_POINTS ? spaced : thinned(points, apart * 1.5);
}
