"""Intervals, chances and recall on kinds of images with truth, most of which no fit has seen.

python -m tests.accuracy unresolved [FOLDER]    how often the intervals of median and fraction hold the truth; each kind
                                                is judged by a fit on the others
python -m tests.accuracy confidence [FOLDER]    what the chance of an outline being right is worth, by bins: the shipped
                                                fit, which was made on EMPS and rendered pictures. Then what a fit of
                                                slope and intercept on the log-odds, to the other kinds, would change
python -m tests.accuracy recall [FOLDER]        recall by size, and kinds of errors

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
from math import exp, hypot, log
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
from scipy.optimize import minimize

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.measure.bins import NANO_NM
from segmentation.core.measure.distribution import WeightedSizes
from segmentation.core.measure.filters import set_aside
from segmentation.core.measure.fractions import with_hidden
from segmentation.core.measure.matching import RIGHT, ErrorKinds, Kind, error_kinds, overlap_of, pairs, without_specks
from segmentation.core.measure.shapes import measure as shapes_of
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import find
from segmentation.core.pipeline import measure, segment
from segmentation.core.tasks import particles
from segmentation.core.truth import Pair
from segmentation.lab.training.data import held_out_pairs, pairs_of
from segmentation.lab.training.instances.counts import COLUMNS, count_by_size
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
WITHIN, FEW_CUTS = (0.01, 0.999), 0.01
SIZES = {"under 12 px": slice(0, 1), "12 to 22 px": slice(1, 3), "from 22 px": slice(3, 6)}  # of counts.EDGES


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
    yield from ((kind, pair) for kind, files in folders.items() for pair in files[:: 4 if kind == PARTED else 1])


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


def _true(case: Known) -> tuple[np.ndarray, np.ndarray]:
    """Labels and minimum Feret diameters in px, (n,) each, of the true particles that an analysis would count."""
    labels = split_pieces(case.truth)
    unknown = np.full(int(labels.max()), np.nan, np.float32)
    table = shapes_of(labels, case.micrograph.pixels, unknown, None, case.segmentation.rows)
    table = set_aside(table, MEASURED.measurement.filter)
    return np.flatnonzero(table.kept) + 1, table.length("min_feret")[table.kept]


def row_of(case: Known, nm: float | None = None) -> Row | None:
    """None for an image with hardly any particles. nm: of a pixel; else the limit of 100 nm lies where SMALL of the
    true particles are smaller."""
    if case.truth.max() < FEWEST or len(case.segmentation) < FEWEST:
        return None
    ids, sizes = _true(case)
    if len(sizes) < FEWEST:
        return None
    nm = nm or 100 / float(np.quantile(sizes, SMALL))
    scale = Calibration(nm, "typed", relative_uncertainty=0.0)
    with patch.object(particles, "_hidden_share", return_value=None):  # it is judged with other constants
        analysis = measure(replace(case.micrograph, calibration=scale), case.segmentation, MEASURED)
    statistics = analysis.statistics
    if statistics.budget is None or None in (statistics.intervals["median"], statistics.intervals["fraction_100nm"]):
        return None
    overlap = overlap_of(without_specks(case.segmentation.dense), without_specks(case.truth))
    missed = ~np.isin(ids, overlap.true_ids[pairs(overlap.iou, RIGHT)[0]])
    answers = statistics.median, statistics.fraction_100nm
    return Row(
        case.kind,
        analysis,
        sum(cut.chance for cut in case.segmentation.cuts) / len(analysis.table),
        answers,
        (float(np.median(sizes)) * nm, float((sizes * nm <= NANO_NM).mean())),
        (statistics.intervals["median"], statistics.intervals["fraction_100nm"]),
        (statistics.budget["median"]["ends"], statistics.budget["fraction_100nm"]["ends"]),
        np.log(sizes[missed] * nm / statistics.median),
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
    logs = [group for group in logs if len(group) > 1]
    size = float(np.mean([group.mean() for group in logs])), float(np.mean([group.std() for group in logs]))
    return Fit(float(steep[order][np.searchsorted(total, LEVEL * total[-1])]), size)


def _with_contacts(row: Row, fit: Fit) -> tuple[list[float], list[float]]:
    """The total uncertainty with unresolved contacts, of both answers."""
    sizes = WeightedSizes.of(row.analysis.table, edge="exclude")
    median, fraction = with_hidden(sizes, fit.of_cuts * row.cuts, fit.relative)
    (low, high), (least, most) = row.ends
    smaller = hypot(log(row.answers[0] / low), log(row.answers[0] / median))
    larger = hypot(most - row.answers[1], fraction - row.answers[1])
    return [row.answers[0] * exp(-smaller), high], [least, min(1.0, row.answers[1] + larger)]


def unresolved_lines(rows: list[Row], constants: Fit | None = None) -> Iterator[str]:
    """In how many images the intervals hold the truth. constants: those to judge by; without, each kind is judged by a
    fit on the others. The outlines of PARTED are parts of the objects: nothing is fitted to them."""
    yield "| kind | images | median: interval | total before | total | fraction: interval | total before | total |"
    yield "|---|---|---|---|---|---|---|---|"
    held: dict[str, np.ndarray] = {}
    for kind in dict.fromkeys(row.kind for row in rows):
        fit = constants or fitted([row for row in rows if row.kind not in (kind, PARTED)])
        selected = [row for row in rows if row.kind == kind]
        ways = [(row.true, (row.intervals, row.ends, _with_contacts(row, fit))) for row in selected]
        held[kind] = np.array(
            [[way[n][0] <= true[n] <= way[n][1] for n in (0, 1) for way in variants] for true, variants in ways]
        )
    pooled = np.concatenate([part for kind, part in held.items() if kind != PARTED])
    for name, hits in {**held, f"all but {PARTED}": pooled}.items():
        yield f"| {name} | {len(hits)} | {' | '.join(map(str, hits.sum(0)))} |"
    best = constants or fitted([row for row in rows if row.kind != PARTED])
    yield f"fitted to all: {best.of_cuts:.1f}; {best.relative[0]:.2f}, {best.relative[1]:.2f}"


class Told(NamedTuple):
    """The outlines of an image. chance, right: (n,). cuts: the sum of the chances of the possible cuts, for each."""

    chance: np.ndarray
    right: np.ndarray
    cuts: float


def confidence_lines(cases: Iterator[Known]) -> Iterator[str]:
    """The mean chance and the share right in bins of the chance, for each kind; and the mean log loss, as shipped and
    with fits on the other kinds."""
    kinds: dict[str, list[Told]] = {}
    for case in cases:
        overlap = overlap_of(without_specks(case.segmentation.dense), without_specks(case.truth))
        right = np.isin(overlap.found_ids, overlap.found_ids[pairs(overlap.iou, RIGHT)[1]])
        chance = case.segmentation.confidence[overlap.found_ids - 1]
        cuts = sum(cut.chance for cut in case.segmentation.cuts) / max(1, len(case.segmentation))
        kinds.setdefault(case.kind, []).append(Told(chance, right, cuts))
    heads = " | ".join(f"{low:.0%} to {min(high, 1):.0%}" for low, high in pairwise(BINS))
    yield f"| kind | outlines | told, right | {heads} |"
    yield "|---" * (2 + len(BINS)) + "|"
    every_other = [image for kind, images in kinds.items() if kind != PARTED for image in images]
    for kind, images in [*kinds.items(), (f"all but {PARTED}", every_other)]:
        chance = np.concatenate([image.chance for image in images])
        right = np.concatenate([image.right for image in images])
        inside = [(chance >= low) & (chance < high) for low, high in pairwise(BINS)]
        cells = [f"{_told_right(chance[mask], right[mask])} ({mask.sum()})" if mask.any() else "–" for mask in inside]
        yield f"| {kind} | {len(chance)} | {_told_right(chance, right)} | {' | '.join(cells)} |"
    yield from ("", "| kind | log loss as shipped | slope and intercept | with the image's possible cuts |")
    yield "|---" * 4 + "|"
    del kinds[PARTED]
    losses = {}
    for kind, images in kinds.items():
        others = [kinds[other] for other in kinds if other != kind]
        losses[kind] = [log_loss(inputs_of(images)[:, 0], images)]
        losses[kind] += [
            log_loss(inputs_of(images, cuts) @ recalibrated(others, cuts), images) for cuts in (False, True)
        ]
    for kind, loss in {**losses, "mean": np.mean(list(losses.values()), 0)}.items():
        yield f"| {kind} | {' | '.join(f'{value:.3f}' for value in loss)} |"


def _told_right(chance: np.ndarray, right: np.ndarray) -> str:
    return f"{chance.mean():.2f}, {right.mean():.2f}"


def inputs_of(images: list[Told], cuts: bool = False) -> np.ndarray:
    """(n, 2 or 3): log-odds of the chance, 1, and the logarithm of the possible cuts of its image."""
    chance = np.clip(np.concatenate([image.chance for image in images]), *WITHIN)
    rate = np.concatenate([np.full(len(image.chance), np.log(image.cuts + FEW_CUTS)) for image in images])
    return np.column_stack([np.log(chance / (1 - chance)), np.ones(len(chance)), *([rate] if cuts else [])])


def recalibrated(kinds: list[list[Told]], cuts: bool) -> np.ndarray:
    """The weights of `inputs_of` with the least log loss, all kinds counting the same."""
    by_kind = [(inputs_of(images, cuts), images) for images in kinds]
    start = np.array([1.0, 0.0, 0.0][: 2 + cuts])
    return minimize(lambda weights: sum(log_loss(inputs @ weights, images) for inputs, images in by_kind), start).x


def log_loss(log_odds: np.ndarray, images: list[Told]) -> float:
    right = np.concatenate([image.right for image in images])
    return float(np.logaddexp(0, np.where(right, -log_odds, log_odds)).mean())


def recall_lines(cases: Iterator[Known]) -> Iterator[str]:
    """By the equal-area diameter in px; the kinds of errors are those of `manage.py evaluate`."""
    sizes: dict[str, list[np.ndarray]] = {}
    kinds: dict[str, list[ErrorKinds]] = {}
    for case in cases:
        overlap = overlap_of(without_specks(case.segmentation.dense), without_specks(case.truth))
        of_sizes = count_by_size(overlap)[:, [COLUMNS.index("true"), COLUMNS.index("right")]]
        sizes.setdefault(case.kind, []).append(of_sizes)
        kinds.setdefault(case.kind, []).append(error_kinds(overlap))
    yield f"| kind | particles | {' | '.join(SIZES)} | {' | '.join(Kind)} |"
    yield "|---" * (2 + len(SIZES) + len(Kind)) + "|"
    for kind, counts in sizes.items():
        total = np.sum(counts, 0)
        parts = (total[part].sum(0) for part in SIZES.values())
        recall = (f"{right / true:.3f} ({true})" if true else "–" for true, right in parts)
        errors = (str(sum(image.count(error) for image in kinds[kind])) for error in Kind)
        yield f"| {kind} | {total[:, 0].sum()} | {' | '.join(recall)} | {' | '.join(errors)} |"


LINES = {"confidence": confidence_lines, "recall": recall_lines}


def main(arguments: list[str]) -> None:
    what, *folder = arguments
    with tempfile.TemporaryDirectory() as other:
        cases = images(Path(folder[0] if folder else other))
        if what == "unresolved":
            print(*unresolved_lines([row for case in cases if (row := row_of(case))]), sep="\n")
        else:
            print(*LINES[what](cases), sep="\n")
