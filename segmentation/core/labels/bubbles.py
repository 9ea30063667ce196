"""Finds bubbles as circles in a network's map: the Laplacian of Gaussian finds blobs, and a circle is fitted to the
edge of each blob."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from .separate import renumber

Circles = NDArray[np.float64]  # (n, 3): row, column and radius in px; the first pixel's centre is at (0, 0)
Floats = NDArray[np.float64]

RADII = (2.0, 40.0)  # px: the smallest and the largest blob
STEP = 1.15  # ratio of two successive radii
LEAST_RESPONSE = 0.4  # of a blob; a whole disc has 2 / e = 0.74
ANGLES = np.linspace(0, 2 * np.pi, 48, endpoint=False)  # rad, of the rays from a blob's centre to its edge
EDGE_RANGE = (0.7, 1.3)  # the edge is searched between these multiples of a blob's radius
FEWEST_EDGE_POINTS = 10  # edge points of 48; with fewer no circle is fitted, and the blob's centre and radius are used
# A circle with a smaller share of foreground may contain several objects: better filled ones come first.
WELL_FILLED = 0.88
MOST_COVERED = 0.5  # a circle is dropped if circles before it cover a larger share of it


def find_bubbles(levels: NDArray[np.uint8], threshold: float) -> NDArray[np.int32]:
    """(H, W) int32 1..n, 0 background: the circles of `find_circles` as labels."""
    return renumber(discs(find_circles(levels, threshold), levels.shape))


def find_circles(levels: NDArray[np.uint8], threshold: float = 0.5) -> Circles:
    """The circles (n, 3) in a map (H, W) uint8, 0..255 for 0..1; their edges lie where the map crosses the threshold.

    A blob is a maximum of the scale-normalised Laplacian of Gaussian in place and scale; its radius is sigma sqrt 2
    (Lindeberg, Int. J. Comput. Vis. 30, 79, 1998). Its edge points are found along rays with subpixel accuracy.
    They give the least-squares circle (Kasa, IEEE Trans. Instrum. Meas. 25, 8, 1976).
    """
    values = levels.astype(np.float32) / 255
    if not (values >= threshold).any():
        return np.zeros((0, 3))
    # The map is stretched around the threshold, so that it crosses 0.5 where the functions below look for an edge.
    soft = np.clip((values - threshold) / min(threshold, 1 - threshold) / 2 + 0.5, 0, 1).astype(np.float32)
    # Where objects are crowded, some have no blob: the largest circles that fit into the foreground are tried, too.
    fitted = [_fitted_circle(soft, circle) for circle in (*_blobs(soft), *_inscribed_circles(soft))]
    return _separate_circles(
        sorted(fitted, key=lambda circle: _foreground_share(soft, circle) < WELL_FILLED), levels.shape
    )


def _blobs(soft: NDArray[np.float32]) -> Circles:
    """The blobs (n, 3) of a map (H, W) that is 0.5 at the edges of objects; the strongest response first."""
    radii = RADII[0] * STEP ** np.arange(int(np.ceil(np.log(RADII[1] / RADII[0]) / np.log(STEP))) + 1)
    stack = _responses(soft, radii)
    peaks = (stack == ndimage.maximum_filter(stack, 3)) & (stack >= LEAST_RESPONSE) & (soft >= 0.5)
    scale, row, column = np.nonzero(peaks)
    strongest_first = np.argsort(-stack[peaks], kind="stable")
    return np.stack([row, column, radii[scale]], axis=1)[strongest_first].astype(float)


def _inscribed_circles(soft: NDArray[np.float32]) -> Circles:
    """The circles (n, 3) around each maximum of the distance to the foreground's edge (0.5) that fit into it; the
    largest first."""
    depth = ndimage.distance_transform_edt(soft >= 0.5)
    peaks = (depth == ndimage.maximum_filter(depth, 5)) & (depth >= RADII[0])
    largest_first = np.argsort(-depth[peaks], kind="stable")
    return np.stack([*np.nonzero(peaks), depth[peaks]], axis=1)[largest_first].astype(float)


def _responses(soft: NDArray[np.float32], radii: NDArray[np.floating]) -> NDArray[np.float32]:
    """(r, H, W) float32: -sigma^2 times the Laplacian of Gaussian of a map (H, W) for each radius (r,)."""
    margin = round(2 * RADII[1])
    padded = np.pad(soft, margin, mode="edge")
    spectrum = fft.rfft2(padded)
    square = (2 * np.pi) ** 2 * (
        fft.fftfreq(padded.shape[0])[:, None] ** 2 + fft.rfftfreq(padded.shape[1])[None] ** 2
    ).astype(np.float32)
    inner = (slice(margin, -margin), slice(margin, -margin))
    scaled = (np.float32(radius**2 / 2) * square for radius in radii)
    return np.stack([fft.irfft2(spectrum * wave * np.exp(-wave / 2), padded.shape)[inner] for wave in scaled])


def _fitted_circle(soft: NDArray[np.float32], blob: Floats) -> Floats:
    """The circle (3,) through the edge points of a blob (3,); the blob itself if it has too few of them, or if the
    circle is too different."""
    row, column, radius = blob
    steps = np.arange(EDGE_RANGE[0] * radius - 0.5, EDGE_RANGE[1] * radius + 1, 0.5)
    directions = np.stack([np.sin(ANGLES), np.cos(ANGLES)])
    places = np.array([[row], [column]])[..., None] + directions[..., None] * steps
    profiles = ndimage.map_coordinates(soft, places, order=1, mode="constant", cval=1.0)  # no edge beyond the frame
    outside = profiles < 0.5
    crossing = outside.argmax(1)
    has_edge = crossing > 0  # rays that begin outside or run on into a neighbour have no edge
    if has_edge.sum() < FEWEST_EDGE_POINTS:
        return blob
    after, before = profiles[has_edge, crossing[has_edge]], profiles[has_edge, crossing[has_edge] - 1]
    edge = steps[crossing[has_edge] - 1] + 0.5 * (before - 0.5) / (before - after)
    circle = _least_squares_circle(directions[:, has_edge] * edge)  # relative to the blob's centre
    if (
        circle is None
        or not EDGE_RANGE[0] * radius <= circle[2] <= EDGE_RANGE[1] * radius
        or np.hypot(*circle[:2]) > radius / 2
    ):
        return blob
    return np.array([row + circle[0], column + circle[1], circle[2]])


def _least_squares_circle(points: Floats) -> Floats | None:
    """The circle (3,) closest to points (2, n), None if they lie on a line. The equation |p|² = 2 c·p + (r² - |c|²) is
    linear in the centre c and in the bracket (Kasa)."""
    system = np.concatenate([points, np.ones((1, points.shape[1]))]).T
    solution, _, rank, _ = np.linalg.lstsq(system, (points**2).sum(0), rcond=None)
    squared_radius = solution[2] + (solution[:2] ** 2).sum() / 4
    return np.array([*solution[:2] / 2, np.sqrt(squared_radius)]) if rank == 3 and squared_radius > 0 else None


def _foreground_share(soft: NDArray[np.float32], circle: Floats) -> float:
    """The share of a circle's pixels that are foreground in a map (H, W)."""
    box, depth = _depth(circle, soft.shape)
    return float((soft[box] >= 0.5)[depth > 0].mean()) if (depth > 0).any() else 0.0


def _separate_circles(circles: Sequence[Floats], shape: tuple[int, int]) -> Circles:
    """The circles without those that lie in circles before them (MOST_COVERED), sorted by row and column.

    circles: the clearest first. shape: of the map.
    """
    covered = np.zeros(shape, bool)
    separate = []
    for circle in circles:
        box, depth = _depth(circle, shape)
        inside = depth > 0
        if inside.any() and (covered[box] & inside).sum() < MOST_COVERED * inside.sum():
            covered[box] |= inside
            separate.append(circle)
    table = np.array(separate).reshape(-1, 3)
    return table[np.lexsort((table[:, 1], table[:, 0]))]


def _depth(circle: Floats, shape: tuple[int, int]) -> tuple[tuple[slice, slice], Floats]:
    """A window around a circle, and how deep each pixel's centre lies in the circle: 1 in the middle, 0 at the edge."""
    row, column, radius = circle
    corner, last = (int(row - radius), int(column - radius)), (int(row + radius) + 2, int(column + radius) + 2)
    rows, columns = (np.arange(max(0, corner[axis]), min(shape[axis], last[axis])) for axis in (0, 1))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return box, 1 - np.hypot(rows[:, None] - row, columns[None] - column) / radius


def discs(circles: Circles, shape: tuple[int, int]) -> NDArray[np.int32]:
    """(H, W) int32: n if a pixel's centre lies in the n-th circle; 0 outside. In several circles it gets the number of
    the circle in which it lies deepest."""
    labels, deepest = np.zeros(shape, np.int32), np.zeros(shape)
    for number, circle in enumerate(circles, start=1):
        box, depth = _depth(circle, shape)
        deeper = depth > deepest[box]
        labels[box][deeper], deepest[box][deeper] = number, depth[deeper]
    return labels
