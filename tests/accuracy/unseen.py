"""Intervals and chances on kinds of images that no fit has seen: each kind is judged by a fit on all the others.

python -m tests.accuracy unresolved [FOLDER]    how often the intervals of median and fraction hold the truth
python -m tests.accuracy confidence [FOLDER]    what the chance of an outline being right is worth, by bins

FOLDER keeps the segmentations between two calls (ten minutes of a processor core); else a temporary folder does. The
kinds are 52 images of EMPS whose publications were held out, the AMPIS powder, silica agglomerates, and renders.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import hypot
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.measure.bins import NANO_NM
from segmentation.core.measure.distribution import WeightedSizes
from segmentation.core.measure.filters import set_aside
from segmentation.core.measure.fractions import with_hidden
from segmentation.core.measure.matching import RIGHT, overlap_of, pairs, without_specks
from segmentation.core.measure.shapes import measure as shapes_of
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import find
from segmentation.core.pipeline import measure, segment
from segmentation.core.tasks import particles
from segmentation.core.truth import Pair
from segmentation.lab.training.data import held_out_pairs, pairs_of
from segmentation.lab.training.settings import FolderEntry, read_recipe
from segmentation.lab.training.settings.recipe import RECIPES
from segmentation.lab.training.synthesis.render import render
from segmentation.lab.training.synthesis.scene import split_pieces

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "particles"
PARTED = "agglomerates"  # whose truth is whole agglomerates
SHAPE, EACH = (384, 512), 7  # px and number of the rendered images of a kind
RENDERED = {  # name: what is fixed, the seed, and the range of diameters in px
    "wide": ({"kind": "sem", "spread": 0.45}, 77, (12.0, 60.0)),
    "sintered": ({"kind": "sem", "family": "sintered", "spread": 0.4}, 500, (14.0, 44.0)),
    "contours": ({"texture": "contours"}, 600, (8.0, 80.0)),
    "transmission": ({"kind": "transmission", "layout": "clustered"}, 800, (10.0, 60.0)),
}
FEWEST = 15  # true particles of an image that has a median worth holding
LEVEL = 0.9  # share of the images in which fewer particles are hidden than the fit says
SMALL = 0.3  # share of the true particles that the limit of the fraction is set to
MEASURED = AnalysisSettings.of("particles", field_spread=0, measure_unlike=True)
BINS = (0.1, 0.5, 0.7, 0.8, 0.9, 0.95, 1.001)


class Known(NamedTuple):
    """An image with truth: its kind, the micrograph, what was found, and the true labels (H, W)."""

    kind: str
    micrograph: Micrograph
    segmentation: Segmentation
    truth: np.ndarray


def _pairs() -> Iterator[tuple[str, Pair]]:
    powder = {"images": "images", "labels": "particle_labels_DERIVED", "only_labelled": True}
    silica = {"images": "images", "labels": "labels_255_is_BACKGROUND", "background": 255}
    held = held_out_pairs(read_recipe(RECIPES / "particles.toml"), ROOT)
    folders = {"EMPS": held} | {
        kind: pairs_of(DATA / name, FolderEntry(path=str(DATA / name), **entries))
        for kind, name, entries in (
            ("powder", "ampis-powder", powder),
            ("agglomerates", "nanocomposite-agglomerates", silica),
        )
    }
    yield from ((kind, pair) for kind, some in folders.items() for pair in some[:: 4 if kind == PARTED else 1])


def _images() -> Iterator[tuple[str, str, Callable[[], tuple[Micrograph, np.ndarray]]]]:
    """Kind and name of each image, and what reads it with its true labels."""
    yield from ((kind, pair.name, pair.load) for kind, pair in _pairs())
    for kind in RENDERED:
        yield from ((kind, str(number), partial(_rendered, kind, number)) for number in range(EACH))


def _rendered(kind: str, number: int) -> tuple[Micrograph, np.ndarray]:
    fixed, seed, diameters = RENDERED[kind]
    grey, labels = render(SHAPE, np.random.default_rng((seed, number)), fixed=fixed, diameters=diameters)
    return Micrograph(grey, str(number), f"{seed:08x}{number:056x}", Calibration.absent()), labels


def images(folder: Path) -> Iterator[Known]:
    """Every image with truth, segmented by the model `particles` once and kept in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "all"
    if not index.exists():
        for kind, name, load in _images():
            file = folder / f"{kind}-{name}.npz"
            if not file.with_suffix(".truth.npz").exists():
                micrograph, truth = load()
                segment(micrograph, MEASURED, card=find("particles")).save(file)
                np.savez_compressed(file.with_suffix(".truth.npz"), truth=truth, grey=micrograph.pixels)
        index.touch()
    for file in sorted(folder.glob("*.truth.npz")):
        name = file.name.removesuffix(".truth.npz")
        segmentation, arrays = Segmentation.load(folder / f"{name}.npz"), np.load(file)
        truth = arrays["truth"].astype(np.int32)
        truth[segmentation.rows :] = 0
        sha256 = segmentation.provenance.micrograph
        micrograph = Micrograph(arrays["grey"], name, sha256, Calibration.absent())
        yield Known(name.partition("-")[0], micrograph, segmentation, split_pieces(truth))


class Row(NamedTuple):
    """An image. cuts: see `fractions.most_hidden`. answers, true: median in nm and fraction. intervals: by
    sampling and scale. ends: the total uncertainty without unresolved contacts. missed: (m,) ln(size / median) of true
    particles without an outline at IoU 0.5."""

    kind: str
    analysis: Analysis
    cuts: float
    answers: tuple[float, float]
    true: tuple[float, float]
    intervals: tuple[list[float], list[float]]
    ends: tuple[list[float], list[float]]
    missed: np.ndarray


def _true(known: Known) -> tuple[np.ndarray, np.ndarray]:
    """Labels and minimum Feret diameters in px, (n,) each, of the true particles that an analysis would count."""
    labels = split_pieces(known.truth)
    unknown = np.full(int(labels.max()), np.nan, np.float32)
    table = shapes_of(labels, known.micrograph.pixels, unknown, None, known.segmentation.rows)
    table = set_aside(table, MEASURED.measurement.filter)
    return np.flatnonzero(table.kept) + 1, table.length("min_feret")[table.kept]


def row_of(known: Known, nm: float | None = None) -> Row | None:
    """None for an image with hardly any particles. nm: of a pixel; else the limit of 100 nm lies where SMALL of the
    true particles are smaller."""
    if known.truth.max() < FEWEST or len(known.segmentation) < FEWEST:
        return None
    ids, sizes = _true(known)
    if len(sizes) < FEWEST:
        return None
    nm = nm or 100 / float(np.quantile(sizes, SMALL))
    scale = Calibration(nm, "typed", relative_uncertainty=0.0)
    with patch.object(particles, "_hidden", return_value=None):  # what its row adds is judged with other constants
        analysis = measure(replace(known.micrograph, calibration=scale), known.segmentation, MEASURED)
    told = analysis.statistics
    if told.budget is None or None in (told.intervals["median"], told.intervals["fraction_100nm"]):
        return None
    overlap = overlap_of(without_specks(known.segmentation.dense), without_specks(known.truth))
    missed = ~np.isin(ids, overlap.true_ids[pairs(overlap.iou, RIGHT)[0]])
    answers = told.median, told.fraction_100nm
    return Row(
        known.kind,
        analysis,
        sum(cut.chance for cut in known.segmentation.cuts) / len(analysis.table),
        answers,
        (float(np.median(sizes)) * nm, float((sizes * nm <= NANO_NM).mean())),
        (told.intervals["median"], told.intervals["fraction_100nm"]),
        (told.budget["median"]["ends"], told.budget["fraction_100nm"]["ends"]),
        np.log(sizes[missed] * nm / told.median),
    )


class Fit(NamedTuple):
    """The constants of `core.measure.fractions`: OF_CUTS and HIDDEN_SIZE."""

    of_cuts: float
    relative: tuple[float, float]


def fitted(rows: list[Row]) -> Fit:
    """All kinds count the same: a quantile regression through the origin of the missed particles for each counted one,
    and the moments of the sizes of these."""
    kinds = Counter(row.kind for row in rows)
    cuts = np.array([max(row.cuts, 1e-9) for row in rows])
    steep = np.array([len(row.missed) / row.analysis.statistics.n_kept for row in rows]) / cuts
    order, weights = np.argsort(steep), cuts / np.array([kinds[row.kind] for row in rows])
    total = np.cumsum(weights[order])
    logs = [np.concatenate([row.missed for row in rows if row.kind == kind]) for kind in kinds]
    logs = [each for each in logs if len(each) > 1]
    size = float(np.mean([each.mean() for each in logs])), float(np.mean([each.std() for each in logs]))
    return Fit(float(steep[order][np.searchsorted(total, LEVEL * total[-1])]), size)


def _with_contacts(row: Row, fit: Fit) -> tuple[list[float], list[float]]:
    """The total uncertainty with unresolved contacts, of both answers."""
    sizes = WeightedSizes.of(row.analysis.table, edge="exclude")
    median, fraction = with_hidden(sizes, fit.of_cuts * row.cuts, fit.relative)
    (low, high), (least, most) = row.ends
    smaller = hypot(row.answers[0] - low, row.answers[0] - median)
    larger = hypot(most - row.answers[1], fraction - row.answers[1])
    return [row.answers[0] - smaller, high], [least, min(1.0, row.answers[1] + larger)]


def unresolved_lines(rows: list[Row], constants: Fit | None = None) -> Iterator[str]:
    """In how many images the intervals hold the truth. constants: those to judge by; without, each kind is judged by a
    fit on the others. The outlines of PARTED are parts of the objects: nothing is fitted to them."""
    yield "| kind | images | median: interval | total before | total | fraction: interval | total before | total |"
    yield "|---|---|---|---|---|---|---|---|"
    held: dict[str, np.ndarray] = {}
    for kind in dict.fromkeys(row.kind for row in rows):
        fit = constants or fitted([row for row in rows if row.kind not in (kind, PARTED)])
        some = [row for row in rows if row.kind == kind]
        ways = [(row.true, (row.intervals, row.ends, _with_contacts(row, fit))) for row in some]
        held[kind] = np.array(
            [[way[n][0] <= true[n] <= way[n][1] for n in (0, 1) for way in each] for true, each in ways]
        )
    every = np.concatenate([each for kind, each in held.items() if kind != PARTED])
    for name, each in {**held, f"all but {PARTED}": every}.items():
        yield f"| {name} | {len(each)} | {' | '.join(map(str, each.sum(0)))} |"
    best = constants or fitted([row for row in rows if row.kind != PARTED])
    yield f"fitted to all: {best.of_cuts:.1f}; {best.relative[0]:.2f}, {best.relative[1]:.2f}"


def confidence_lines(every: Iterator[Known]) -> Iterator[str]:
    """The mean chance and the share right in bins of the chance, for each kind."""
    chances: dict[str, list[np.ndarray]] = {}
    for known in every:
        overlap = overlap_of(without_specks(known.segmentation.dense), without_specks(known.truth))
        right = np.isin(overlap.found_ids, overlap.found_ids[pairs(overlap.iou, RIGHT)[1]])
        chance = known.segmentation.confidence[overlap.found_ids - 1]
        chances.setdefault(known.kind, []).append(np.stack([chance, right]))
    heads = " | ".join(f"{low:.0%} to {min(high, 1):.0%}" for low, high in pairwise(BINS))
    yield f"| kind | outlines | told, right | {heads} |"
    yield "|---" * (2 + len(BINS)) + "|"
    for kind, some in chances.items():
        chance, right = np.concatenate(some, axis=1)
        inside = [(chance >= low) & (chance < high) for low, high in pairwise(BINS)]
        cells = (f"{right[each].mean():.2f} ({each.sum()})" if each.any() else "–" for each in inside)
        yield f"| {kind} | {len(chance)} | {chance.mean():.2f}, {right.mean():.2f} | {' | '.join(cells)} |"


def main(arguments: list[str]) -> None:
    what, *folder = arguments
    with tempfile.TemporaryDirectory() as other:
        every = images(Path(folder[0] if folder else other))
        rows = [] if what == "confidence" else [row for known in every if (row := row_of(known))]
        print(*(confidence_lines(every) if what == "confidence" else unresolved_lines(rows)), sep="\n")
