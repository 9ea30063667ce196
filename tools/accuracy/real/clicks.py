"""Measures how well clicks split an outline that contains several particles: python -m tools.accuracy clicks
[FOLDER]

The outlines are those of the images of `unseen` that contain the greater parts of two to eight true particles. A
simulated person clicks near the middle of each particle. The table shows the mean IoU of these particles after the
split, and the share of outlines in which all are right (IoU of 0.5), with the network's maps alone and with the edges
of the picture; ms are those of the processor. FOLDER stores the outlines (see `unseen`).
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

from segmentation.core.labels.corrections.edges import EDGES
from segmentation.core.labels.corrections.guided import split_at
from segmentation.core.labels.corrections.patches import BadEdit
from segmentation.core.labels.corrections.working import WorkingLabels
from segmentation.core.measure.objects.matching import RIGHT_IOU

from .unseen import AGGLOMERATES, ImageWithTruth, images

# Greatest distance of a click from the middle, as a share of the way to the rim; random repetitions for each outline.
MOST_OFF_CENTRE, DRAWS, SEED = 0.5, 3, 7
SMALLEST, MOST = 16, 8  # least px of a true particle, and most particles in an outline
HEADS = ("kind", "outlines", "mean IoU", "all right", "ms")


class Joined(NamedTuple):
    """An outline with several particles: its number, its window, the ids of the true particles, and their areas in
    px."""

    number: int
    window: tuple[slice, slice]
    true: list[int]
    areas: list[int]


def joined_in(case: ImageWithTruth) -> Iterator[Joined]:
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


def clicks_on(joined: Joined, case: ImageWithTruth, random: np.random.Generator) -> list[list[float]]:
    """A point (x, y) in the part of each true particle that lies in the outline."""
    points, (rows, columns) = [], joined.window
    outline, truth = case.segmentation.labels[joined.window] == joined.number, case.truth[joined.window]
    for true in joined.true:
        depth = ndimage.distance_transform_edt(np.pad(outline & (truth == true), 1))[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        way, far = random.uniform(0, 2 * np.pi), MOST_OFF_CENTRE * depth.max() * np.sqrt(random.uniform())
        x, y = column + columns.start + 0.5 + far * np.cos(way), row + rows.start + 0.5 + far * np.sin(way)
        points.append([float(x), float(y)])
    return points


def split_quality(
    now: WorkingLabels, joined: Joined, case: ImageWithTruth, points: list[list[float]]
) -> tuple[list[float], float]:
    """The IoU of each true particle after the split, and the processor seconds. A refused split changes nothing."""
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
        if case.kind == AGGLOMERATES:  # whose truth is whole agglomerates
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
                    rows.setdefault((case.kind, name), []).append(split_quality(now, joined, case, points))
    yield f"| {' | '.join(HEADS)} |"
    yield "|---" * len(HEADS) + "|"
    for (kind, name), results in sorted(rows.items()):
        mean = np.mean([iou for ious, _ in results for iou in ious])
        right = np.mean([min(ious) >= RIGHT_IOU for ious, _ in results])
        spent = 1000 * np.median([seconds for _, seconds in results])
        yield f"| {kind}, {name} | {len(results) // DRAWS} | {mean:.3f} | {right:.2f} | {spent:.0f} |"
