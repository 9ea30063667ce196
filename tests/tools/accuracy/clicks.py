"""How well two clicks part particles in one outline: python -m tests.tools.accuracy clicks [FOLDER]

The outlines of the pictures of `unseen` that hold the greater parts of two to eight true particles. A person clicks
somewhere about the middle of each. Said are the mean IoU of these particles after the split, and in how many outlines
all of them are right (IoU of 0.5): by the network's maps alone, and with the edges of the picture. The milliseconds are
of the processor. FOLDER keeps the outlines (see `unseen`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from segmentation.core.labels.edges import EDGES
from segmentation.core.labels.guided import split_at
from segmentation.core.labels.patches import BadEdit
from segmentation.core.labels.working import WorkingLabels
from segmentation.core.measure.matching import RIGHT_IOU

from .unseen import PARTED, Known, images

OFF, DRAWS, SEED = 0.5, 3, 7  # of the way to the rim, that a click is off the middle at most; clicks on each outline
SMALLEST, MOST = 16, 8  # px of a true particle, and particles in an outline
HEADS = ("kind", "outlines", "mean IoU", "all right", "ms")


class Joined(NamedTuple):
    """An outline: its number, where it lies, and the true particles that it holds, with their pixels."""

    number: int
    window: tuple[slice, slice]
    true: list[int]
    areas: list[int]


def joined_in(case: Known) -> Iterator[Joined]:
    labels, truth = case.segmentation.labels, case.truth
    areas, both = np.bincount(truth.ravel()), (truth > 0) & (labels > 0)
    common: dict[int, list[int]] = {}
    pairs, counts = np.unique(np.stack([labels[both], truth[both]]), axis=1, return_counts=True)
    for (number, true), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        if areas[true] >= SMALLEST and 2 * count > areas[true]:
            common.setdefault(number, []).append(true)
    windows = ndimage.find_objects(labels)
    for number, true in common.items():
        if 2 <= len(true) <= MOST:
            yield Joined(number, windows[number - 1], true, areas[true].tolist())


def clicks_on(joined: Joined, case: Known, random: np.random.Generator) -> list[list[float]]:
    """A point (x, y) in each true particle, as far as it lies in the outline."""
    points, (rows, columns) = [], joined.window
    outline, truth = case.segmentation.labels[joined.window] == joined.number, case.truth[joined.window]
    for true in joined.true:
        depth = ndimage.distance_transform_edt(np.pad(outline & (truth == true), 1))[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        way, far = random.uniform(0, 2 * np.pi), OFF * depth.max() * np.sqrt(random.uniform())
        x, y = column + columns.start + 0.5 + far * np.cos(way), row + rows.start + 0.5 + far * np.sin(way)
        points.append([float(x), float(y)])
    return points


def parted(now: WorkingLabels, joined: Joined, case: Known, points: list[list[float]]) -> tuple[list[float], float]:
    """The IoU of each true particle, and the seconds of the processor; of a refused split those as it was."""
    begin, after = time.process_time(), now
    with suppress(BadEdit):
        after = now.after([split_at(now, joined.number, points)])
    seconds = time.process_time() - begin
    rows, columns = joined.window
    labels, truth = after.crop((rows.start, columns.start, rows.stop, columns.stop)), case.truth[joined.window]
    ious = []
    for (x, y), true, area in zip(points, joined.true, joined.areas, strict=True):
        part = labels == labels[int(y) - rows.start, int(x) - columns.start]
        hit = int((part & (truth == true)).sum())
        ious.append(hit / (int(part.sum()) + area - hit))
    return ious, seconds


def lines(folder: Path) -> Iterator[str]:
    rows: dict[tuple[str, str], list[tuple[list[float], float]]] = {}
    for case in images(folder):
        if case.kind == PARTED:  # whose truth is whole agglomerates
            continue
        alone = {name: values for name, values in case.segmentation.maps.items() if name != EDGES}
        known = {
            name: WorkingLabels.of(replace(case.segmentation, maps=evidence))
            for name, evidence in (("maps alone", alone), ("with edges", case.segmentation.maps))
        }
        for joined in joined_in(case):
            random = np.random.default_rng((SEED, joined.number))
            for points in (clicks_on(joined, case, random) for _ in range(DRAWS)):
                for name, now in known.items():
                    rows.setdefault((case.kind, name), []).append(parted(now, joined, case, points))
    yield f"| {' | '.join(HEADS)} |"
    yield "|---" * len(HEADS) + "|"
    for (kind, name), results in sorted(rows.items()):
        mean = np.mean([iou for ious, _ in results for iou in ious])
        right = np.mean([min(ious) >= RIGHT_IOU for ious, _ in results])
        spent = 1000 * np.median([seconds for _, seconds in results])
        yield f"| {kind}, {name} | {len(results) // DRAWS} | {mean:.3f} | {right:.2f} | {spent:.0f} |"
