"""Draws outlines of each class of shape, trains the classifier of shapes with them, and scores it.

python -m tools.accuracy.drawn.outlines                       trains it (a minute on one core) and writes its file
python -m tools.accuracy.drawn.outlines micrographs [FOLDER]  scores it on outlines of EMPS classed by eye
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.draw import polygon

from segmentation.core.masks.label_images import read_numbers
from segmentation.core.measure.pixels.hulls import cross
from segmentation.core.measure.results import SHAPES
from segmentation.core.measure.shape.shape_classes import FILE, classify, fit_templates

Floats = NDArray[np.float64]
POINTS = 240
LOBED_SOLIDITY = 0.92  # a lobed blob is irregular if its solidity is lower
EMPS = Path(__file__).resolve().parents[4] / "shared" / "data" / "particles" / "emps-train"
CLASSES_BY_EYE = Path(__file__).with_name("outline_classes.csv")


def _regular(corners: int, stretch: float) -> Floats:
    turn = 2 * np.pi * (np.arange(corners) + 0.5) / corners
    return np.stack([np.cos(turn), stretch * np.sin(turn)], axis=1)


def _rounded(corners: Floats, share: float, rng: np.random.Generator) -> Floats:
    """The convex polygon with corners rounded by a disc of `share` of its inner radius, as POINTS points."""
    turn = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    way = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    middle = corners.mean(0)
    sides = zip(corners, np.roll(corners, -1, 0), strict=True)
    inner = np.min([abs(cross(b - a, middle - a)) / np.hypot(*(b - a)) for a, b in sides])
    shrunk = middle + (corners - middle) * (1 - share)
    at = shrunk[(way @ shrunk.T).argmax(1)] + share * inner * way
    return _resampled(at)


def _resampled(points: Floats) -> Floats:
    """POINTS points at equal distances along the closed line."""
    closed = np.vstack([points, points[:1]])
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(closed, axis=0).T))]
    at = np.linspace(0, along[-1], POINTS, endpoint=False)
    return np.stack([np.interp(at, along, closed[:, axis]) for axis in (0, 1)], axis=1)


def _ellipse(ratio: float) -> Floats:
    turn = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    return np.stack([ratio * np.cos(turn), np.sin(turn)], axis=1)


def _irregular(rng: np.random.Generator) -> Floats:
    kind = rng.integers(4)
    turn = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    if kind == 0:  # a lobed blob
        radius = 1 + sum(rng.normal(0, 0.45 / k) * np.cos(k * turn + rng.uniform(0, 7)) for k in range(2, 7))
        radius = np.clip(radius, 0.25, None)
        points = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
        return points if _area(points) < LOBED_SOLIDITY * ConvexHull(points).volume else _irregular(rng)
    if kind == 1:  # a splinter: a random convex polygon that is none of the others
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 6)))
        angles += rng.uniform(0, 1)
        corners = np.stack([rng.uniform(1, 1.8) * np.cos(angles), np.sin(angles)], axis=1)
        if np.diff(np.r_[angles, angles[0] + 2 * np.pi]).max() > 2.6 or np.diff(angles).min() < 0.35:
            return _irregular(rng)
        return _rounded(corners, rng.uniform(0, 0.3), rng)
    if kind == 2:  # two or three discs in one outline
        count = rng.integers(2, 4)
        centres = np.cumsum(rng.normal(0, 1, (count, 2)) / 1, axis=0)
        for i in range(1, count):
            step = centres[i] - centres[i - 1]
            centres[i] = centres[i - 1] + step / np.hypot(*step) * rng.uniform(1.3, 1.8)
        grid = np.stack(np.meshgrid(*[np.linspace(-6, 6, 240)] * 2), axis=-1)
        inside = np.min([np.hypot(*(grid - c + centres.mean(0)).transpose(2, 0, 1)) for c in centres], axis=0) < 1
        from skimage.measure import find_contours

        line = max(find_contours(inside.astype(float), 0.5), key=len)
        return _resampled(line)
    # a corner or a crescent
    if rng.random() < 0.5:
        w, a, b = rng.uniform(0.3, 0.5), *rng.uniform(0.8, 1.4, 2)
        return _resampled(np.array([(0, 0), (a, 0), (a, w), (w, w), (w, b), (0, b)]))
    bend = rng.uniform(1.6, 3.4)
    arc, thick = np.linspace(-bend / 2, bend / 2, 60), rng.uniform(0.25, 0.45)
    out = np.stack([np.cos(arc), np.sin(arc)], axis=1)
    return _resampled(np.vstack([out * (1 + thick), out[::-1] * (1 - thick)]))


def _area(points: Floats) -> float:
    x, y = points.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def outline(shape: str, rng: np.random.Generator) -> Floats:
    """(POINTS, 2) a random outline of this class, in any size."""
    if shape == "irregular":
        return _irregular(rng)
    if shape == "round":
        return _ellipse(rng.uniform(1, 1.4))
    if shape == "rod":
        ratio, kind = np.exp(rng.uniform(np.log(1.6), np.log(9))), rng.integers(3)
        if kind == 0:
            return _ellipse(ratio)
        share = rng.uniform(0, 1) if kind == 1 else 0.95  # of the half width, the radius of the corners
        corner = _ellipse(1.0)
        return _resampled(corner * share + np.sign(corner) * (ratio - share, 1 - share))
    if shape == "square":
        return _rounded(_regular(4, 1.0) * (rng.uniform(1, 1.35), 1), rng.uniform(0, 0.45), rng)
    if shape == "triangle":
        return _rounded(_regular(3, rng.uniform(0.85, 1.2)), rng.uniform(0, 0.45), rng)
    return _rounded(_regular(6, rng.uniform(0.9, 1.12)), rng.uniform(0, 0.3), rng)


def drawn(shape: str, width: float, noise: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A mask of a random outline of this class, at a random angle. width: about, in px (ECD, or the width of a
    rod). noise: roughness of the edge in px (SD, smooth over an eighth of the outline or 3 px)."""
    points = outline(shape, rng)
    scale = width / (2 * np.sqrt(_area(points) / np.pi))
    if shape == "rod":
        scale *= np.sqrt(max(1.0, np.ptp(points[:, 0]) / np.ptp(points[:, 1])))
    points = points * scale
    turn = rng.uniform(0, 2 * np.pi)
    points = points @ np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))])
    rough = ndimage.gaussian_filter1d(rng.normal(size=POINTS), POINTS / 30, mode="wrap")
    edge = np.roll(points, -1, 0) - np.roll(points, 1, 0)
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1) / np.maximum(np.hypot(*edge.T), 1e-9)[:, None]
    points = points + normal * (noise * rough / rough.std())[:, None]
    points = points - points.min(0) + 2 + rng.uniform(0, 1, 2)
    side = np.ceil(points.max(0)).astype(int) + 3
    mask = np.zeros(side[::-1], bool)
    mask[polygon(points[:, 1], points[:, 0], mask.shape)] = True
    return mask


def features(masks: list[NDArray[np.bool_]]) -> tuple[Floats, Floats]:
    """The features of the largest piece of each mask, and (n, 2) its width and length in px."""
    rows: list[Floats] = []
    sides = []
    for start in range(0, len(masks), 64):
        part = masks[start : start + 64]
        labels = np.zeros((max(m.shape[0] for m in part), sum(m.shape[1] for m in part)), np.int32)
        left = 0
        for number, mask in enumerate(part, 1):
            pieces, n = ndimage.label(mask)
            largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:]) if n > 1 else mask
            labels[: mask.shape[0], left : left + mask.shape[1]][largest] = number
            left += mask.shape[1]
        fits = fit_templates(labels)
        rows.append(fits.features)
        sides.append(np.stack([fits.width, fits.length], axis=1))
    return np.concatenate(rows), np.concatenate(sides)


def sample(count: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Features and class numbers of `count` outlines of each class, 6 to 150 px wide, with a roughness of up to
    0.6 px or 4 % of the width."""
    masks, truth = [], []
    for number, shape in enumerate(SHAPES):
        for _ in range(count):
            width = float(np.exp(rng.uniform(np.log(6), np.log(150))))
            masks.append(drawn(shape, width, rng.uniform(0, max(0.6, 0.04 * width)), rng))
            truth.append(number)
    return features(masks)[0], np.array(truth)


def teach(count: int = 3000, hidden: int = 16, seed: int = 0) -> None:
    """Train the classifier with `count` outlines of each class, and write its file. hidden: units of its hidden
    layer."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    x, y = sample(count, np.random.default_rng(seed))
    mean, sd = x.mean(0), x.std(0)
    inputs, truth = torch.tensor((x - mean) / sd), torch.tensor(y)
    inputs = torch.hstack([inputs, torch.ones(len(x), 1, dtype=inputs.dtype)])
    first = torch.nn.Parameter(torch.randn(inputs.shape[1], hidden, dtype=inputs.dtype) / 3)
    second = torch.nn.Parameter(torch.randn(hidden + 1, len(SHAPES), dtype=inputs.dtype) / 3)
    ones = torch.ones(len(x), 1, dtype=inputs.dtype)
    optimiser = torch.optim.LBFGS([first, second], max_iter=600, history_size=30, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        score = torch.hstack([torch.tanh(inputs @ first), ones]) @ second
        value = torch.nn.functional.cross_entropy(score, truth) + 1e-5 * ((first**2).sum() + (second**2).sum())
        value.backward()
        return value

    optimiser.step(loss)
    stored = {"mean": mean, "sd": sd, "first": first.detach().numpy(), "second": second.detach().numpy()}
    FILE.write_text(json.dumps({name: np.round(values, 4).tolist() for name, values in stored.items()}) + "\n")
    print(f"cross-entropy {float(loss()):.3f}")


def lines(trials: int = 60, widths: tuple[int, ...] = (8, 12, 20, 40, 100), seed: int = 1) -> Iterator[str]:
    """A table in Markdown: the per cent of new drawn outlines that get the right class."""
    yield "| width (px) | roughness (px) | " + " | ".join(SHAPES) + " |"
    yield "|---|---" + "|---" * len(SHAPES) + "|"
    rng = np.random.default_rng(seed)
    for width in widths:
        roughness = (0.5, 0.03 * width) if width > 20 else (0.0, 0.5)
        rates = [[] for _ in SHAPES]
        for noise in roughness:
            for number, shape in enumerate(SHAPES):
                probabilities = classify(features([drawn(shape, width, noise, rng) for _ in range(trials)])[0])
                rates[number].append(f"{100 * float((probabilities.argmax(1) == number).mean()):.0f}")
        cells = ("; ".join(part) for part in ([f"{noise:g}" for noise in roughness], *rates))
        yield f"| {width} | " + " | ".join(cells) + " |"


def of_micrographs(folder: Path = EMPS) -> tuple[Floats, list[dict[str, str]]]:
    """Features of the true outlines in `folder`/segmaps that were classed by eye, and the rows of CLASSES_BY_EYE
    about them.

    By one observer (an AI model, November 2026) from the outline on the micrograph, before the classifier's class was
    looked at: 200 whole outlines of at least 8 px, at most 5 an image. draw: "any" of all at random, "named" of those
    that the classifier named rods, squares, triangles and hexagons, 25 each. Those that are unclear are left out.
    """
    with CLASSES_BY_EYE.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["class"] in SHAPES]
    of_image = defaultdict(list)
    for row in rows:
        of_image[row["image"]].append(row)
    masks = []
    for image, classed in of_image.items():
        numbers = read_numbers(folder / "segmaps" / image)
        for row in classed:
            y, x = np.nonzero(numbers == int(row["label"]))
            mask = np.zeros((np.ptp(y) + 5, np.ptp(x) + 5), bool)
            mask[y - y.min() + 2, x - x.min() + 2] = True
            masks.append(mask)
    return features(masks)[0], [row for classed in of_image.values() for row in classed]


def micrograph_lines(folder: Path = EMPS) -> Iterator[str]:
    """A table in Markdown: how many outlines of each class by eye got which class; the first number is of those
    drawn from any, the second of those drawn from the named."""
    values, rows = of_micrographs(folder)
    truth = np.array([SHAPES.index(row["class"]) for row in rows])
    counts = np.zeros((2, len(SHAPES), len(SHAPES)), int)
    np.add.at(counts, ([("any", "named").index(row["draw"]) for row in rows], truth, classify(values).argmax(1)), 1)
    yield "| by eye | right | taken for |"
    yield "|---|---|---|"
    for number, shape in enumerate(SHAPES):
        others = zip(SHAPES, *counts[:, number], strict=True)
        wrong = ", ".join(f"{other} {a}; {b}" for other, a, b in others if other != shape and a + b)
        right = (f"{part[number, number]} of {part[number].sum()}" for part in counts)
        yield f"| {shape} | {'; '.join(right)} | {wrong} |"
    right = (f"{np.diag(part).sum()} of {part.sum()}" for part in counts)
    yield f"| all | {'; '.join(right)} | |"


if __name__ == "__main__":
    if sys.argv[1:2] == ["micrographs"]:
        print(*micrograph_lines(*map(Path, sys.argv[2:3])), sep="\n")
    else:
        teach()
        print(*lines(), sep="\n")
