"""Draws point patterns with a known arrangement, and counts how the analysis judges them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from segmentation.core.measure.arrangement.neighbours import with_neighbours
from segmentation.core.measure.arrangement.pattern import certain_distances, compare_with_chance, neighbour_distances
from segmentation.core.measure.arrangement.placement import place_rods
from segmentation.core.measure.results import Neighbours
from segmentation.core.measure.table import Table

FRAME = 1000, 750  # width and height
RADIUS = 6.0
Floats = NDArray[np.float64]


def hard_core(rng: np.random.Generator, n: int) -> Floats:
    """Discs of RADIUS placed at random without overlap, also across the frame."""
    wide = np.asarray(FRAME) + 4 * RADIUS
    count = round(n * wide.prod() / np.prod(FRAME))
    placed = place_rods(np.full(count, RADIUS), np.zeros(count), tuple(wide), 1, rng)
    assert placed is not None
    return placed[0] - 2 * RADIUS


def thomas(rng: np.random.Generator, n: int, children: float, sd: float) -> Floats:
    """Discs that do not overlap, around random parents."""
    points: list[Floats] = []
    while len(points) < n:
        parent = rng.uniform(-3 * sd, 3 * sd + np.asarray(FRAME))
        for _ in range(rng.poisson(children)):
            at = parent + rng.normal(0, sd, 2)
            if ((at >= 0) & (at <= FRAME)).all() and all(np.hypot(*(at - other)) >= 2 * RADIUS for other in points):
                points.append(at)
    return np.array(points)


def lattice(rng: np.random.Generator, n: int, jitter: float) -> Floats:
    """A square lattice with normal errors of `jitter` of its period."""
    period = np.sqrt(np.prod(FRAME) / n)
    x, y = np.meshgrid(*(np.arange(period / 2, side, period) for side in FRAME))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    return points + rng.normal(0, jitter * period, points.shape)


PATTERNS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "at random without overlap": hard_core,
    "clusters of 8, SD 40 px": lambda rng, n: thomas(rng, n, 8, 40),
    "clusters of 3, SD 25 px": lambda rng, n: thomas(rng, n, 3, 25),
    "lattice, errors of 10 %": lambda rng, n: lattice(rng, n, 0.1),
    "lattice, errors of 20 %": lambda rng, n: lattice(rng, n, 0.2),
}


def table_of(points: Floats, radius: float = RADIUS, half: float = 0.0) -> Table:
    """The columns of a table that the arrangement uses, for rods around these points. Rods that touch the frame are
    included. radius, half: half width and half length of the straight part, in px."""
    reach = radius + half
    inside = ((points >= -reach) & (points <= np.asarray(FRAME) + reach)).all(1)
    points = points[inside]
    low, high = np.maximum(points - reach, 0), np.minimum(points + reach, FRAME)
    cut = ((points < reach) | (points > np.asarray(FRAME) - reach)).any(1)
    centres = np.where(cut[:, None], (low + high) / 2, points) - 0.5
    n = len(points)
    cells = {
        "kept": ~cut,
        "reason": np.where(cut, "touches the frame", "").astype("U40"),
        "touches_frame": cut,
        "centroid_x_px": centres[:, 0],
        "centroid_y_px": centres[:, 1],
        "area_px2": np.full(n, np.pi * radius**2 + 4 * radius * half),
        "min_feret_px": np.full(n, 2 * radius),
        "max_feret_px": np.full(n, 2 * reach),
        **{f"bbox_{side}_px": end for side, end in zip(("left", "top"), low.T, strict=True)},
        **{f"bbox_{side}_px": end for side, end in zip(("right", "bottom"), high.T, strict=True)},
    }
    return Table(cells)


def lines(trials: int = 40, counts: tuple[int, ...] = (60, 200)) -> Iterator[str]:
    """A table in Markdown: how drawn patterns are judged, and how often the interval of the mean nearest distance
    contains the mean of many frames."""
    yield "| pattern | objects | clustered | even | as by chance | interval holds the mean |"
    yield "|---|---|---|---|---|---|"
    for name, draw in PATTERNS.items():
        for n in counts:
            rng, verdicts, means = np.random.default_rng(n), [], []
            for seed in range(trials):
                table = table_of(draw(rng, n))
                pairs, _ = compare_with_chance(table, FRAME, np.random.default_rng(seed))
                verdicts.append(pairs["ranges"][0]["side"] if pairs and pairs["ranges"] else "")
                measured = with_neighbours(table, drawn(table), FRAME)
                means.append(
                    neighbour_distances([certain_distances(measured, "neighbour_distance", FRAME)], [FRAME], 0.0)
                )
            truth = np.mean([interval["mean"] for interval in means])
            held = np.mean([interval["low"] <= truth <= interval["high"] for interval in means])
            shares = [np.mean([verdict == side for verdict in verdicts]) for side in ("more", "fewer", "")]
            cells = (f"{100 * share:.0f} %" for share in (*shares, held))
            yield f"| {name} | {n} | " + " | ".join(cells) + " |"


def sample_lines(trials: int = 100) -> Iterator[str]:
    """A table in Markdown for samples of images whose numbers of objects differ by chance, or by an SD of 40 %
    more: how often the interval contains the mean of many images."""
    yield "| images | spread of numbers | interval holds the mean |"
    yield "|---|---|---|"
    for images, spread in product((3, 6), (0.0, 0.4)):
        rng = np.random.default_rng(images)

        def mean_of(count: int, rng: np.random.Generator = rng, spread: float = spread) -> Neighbours:
            numbers = rng.poisson(60 * np.exp(rng.normal(0, spread, count)))
            tables = [table_of(hard_core(rng, int(n))) for n in numbers]
            measured = [
                certain_distances(with_neighbours(table, drawn(table), FRAME), "neighbour_distance", FRAME)
                for table in tables
            ]
            return neighbour_distances(measured, [FRAME] * len(measured), 0.0)

        truth, means = mean_of(5 * trials)["mean"], [mean_of(images) for _ in range(trials)]
        held = np.mean([interval["low"] <= truth <= interval["high"] for interval in means])
        yield f"| {images} | {100 * spread:.0f} % | {100 * held:.0f} % |"


def drawn(table: Table) -> NDArray[np.int32]:
    """Labels (H, W) with one pixel for each object, which is enough for distances between centres."""
    labels = np.zeros(FRAME[::-1], np.int32)
    x, y = (table[f"centroid_{axis}_px"].astype(int).clip(0, side - 1) for axis, side in zip("xy", FRAME, strict=True))
    labels[y, x] = np.arange(1, len(table) + 1)
    return labels
