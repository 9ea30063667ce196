"""Measures intervals, probabilities and recall on images with ground truth of several kinds, which no training has
used.

`python -m tools.accuracy` with
contacts FOLDER [--write]   errors and widths of the intervals of median and fraction, for visible particles and
for all;
                            fits the probabilities of cuts (`options.cuts`) and the error of the outlines
                            (`options.outline_error`). With --write the fits are written into the card of `particles`:
                            run it after a change of the weights
confidence [FOLDER]         compares the probability that an outline is right with the share of right outlines, by bins;
                            then with a fit of slope and intercept of the log-odds to the other kinds
recall [FOLDER]             recall by size, and kinds of errors
aside [FOLDER]              right outlines that rules leave out, also of beds of particles without background

FOLDER stores the segmentations between two calls (they take ten minutes of a processor core); without it they are not
kept. The kinds are 52 images of EMPS from held-out publications, the AMPIS powder, silica agglomerates, and
composites of real particles of these publications (composites.py beside this file).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, pairwise
from math import log
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.particles.options import OUTLINE_ERRORS, ParticleOptions
from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.masks.truth import Pair
from segmentation.core.measure.objects.filters import LEAST_CONFIDENCE, Reason, judge
from segmentation.core.measure.objects.matching import (
    RIGHT_IOU,
    ErrorKinds,
    Kind,
    error_kinds,
    overlap_of,
    pairs,
    without_specks,
)
from segmentation.core.measure.results import Other
from segmentation.core.measure.review.possible_pieces import possible_pieces
from segmentation.core.measure.shape.shapes import measure as shapes_of
from segmentation.core.measure.sizes.bins import NANO_NM
from segmentation.core.measure.uncertainty.budget import COVERAGE
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import find
from segmentation.core.pipeline import Clock, measure_objects, segment
from segmentation.lab.training.data import held_out_pairs, pairs_of
from segmentation.lab.training.instances.counts import COLUMNS, count_by_size, mostly_hidden
from segmentation.lab.training.publish import set_entries
from segmentation.lab.training.settings import FolderEntry, read_recipe
from segmentation.lab.training.settings.recipe import RECIPES
from segmentation.lab.training.synthesis.scene import split_pieces

from .composites import Ranges, write_composites

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "particles"
CARDS = ROOT / "segmentation" / "cards"
AGGLOMERATES = "agglomerates"  # a kind whose true outlines are whole agglomerates
COMPOSITES, BEDS, SEED = 16, 6, 4711
FEWEST = 15  # true particles of an image; with fewer its median is too uncertain
HELD_SHARE = 0.9  # share of the images whose interval (total uncertainty) shall contain the true median
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
SMALL_SHARE = 0.3  # true share of particles below the limit of the fraction; the scale of an image is set so
MEASURED = AnalysisSettings.of("particles", measure_unlike=True)
BINS = (0.1, 0.5, 0.7, 0.8, 0.9, 0.95, 1.001)
PROBABILITY_LIMITS, FEW_CUTS = (0.01, 0.999), 0.01
SIZES = {"under 12 px": slice(0, 1), "12 to 22 px": slice(1, 3), "from 22 px": slice(3, 6)}  # of counts.EDGES


class ImageWithTruth(NamedTuple):
    """An image with truth: its kind, the micrograph, what was found, and the true labels (H, W)."""

    kind: str
    micrograph: Micrograph
    segmentation: Segmentation
    truth: np.ndarray


def _held_out() -> set[str]:
    """The names of the images of EMPS that no training of `particles` saw."""
    return {pair.image.name for pair in held_out_pairs(read_recipe(RECIPES / "particles.toml"), ROOT)}


def _pairs(composites: Path) -> Iterator[tuple[str, Pair]]:
    powder = {"images": "images", "labels": "particle_labels_DERIVED", "only_labelled": True}
    silica = {"images": "images", "labels": "labels_255_is_BACKGROUND", "background": 255}
    held = held_out_pairs(read_recipe(RECIPES / "particles.toml"), ROOT)
    folders = {"EMPS": held} | {
        kind: pairs_of(folder, FolderEntry(path=str(folder), **entries))
        for kind, folder, entries in (
            ("powder", DATA / "ampis-powder", powder),
            (AGGLOMERATES, DATA / "nanocomposite-agglomerates", silica),
            ("composites", composites, {"images": "images", "labels": "labels"}),
        )
    }
    yield from ((kind, pair) for kind, files in folders.items() for pair in files[:: 4 if kind == AGGLOMERATES else 1])


def images(folder: Path) -> Iterator[ImageWithTruth]:
    """Every image with truth. Its segmentation by the model `particles` is stored in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    index, composites = folder / "all", folder / "composites"
    if not index.exists():
        if not composites.exists():
            write_composites(DATA / "emps-train", _held_out(), composites, COMPOSITES, SEED)
        for kind, pair in _pairs(composites):
            file = folder / f"{kind}-{pair.name}.npz"
            if not file.with_suffix(".truth.npz").exists():
                micrograph, truth = pair.load()
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
        yield ImageWithTruth(name.partition("-")[0], micrograph, segmentation, split_pieces(truth))


class Row(NamedTuple):
    """The numbers of an image. answers, outlines, true are by question: "seen" (visible particles) or "all".

    answers: the numbers found. outlines: the median of the outlines without possible cuts. true: median in nm and
    fraction. cut_odds: for each possible cut the logit of its probability, and whether it is right.
    """

    kind: str
    answers: dict[str, Other]
    outlines: dict[str, float]
    true: dict[str, tuple[float, float]]
    cut_odds: list[tuple[float, bool]]


def row_of(case: ImageWithTruth, error: Mapping[str, float] | None = None) -> Row | None:
    """The row of an image; None if it has too few particles. Its scale is set so that the share SMALL_SHARE of the true
    particles is below 100 nm. error: `options.outline_error`; by default that of the stored card."""
    labels = case.truth
    if labels.max() < FEWEST or len(case.segmentation) < FEWEST:
        return None
    unknown = np.full(int(labels.max()), np.nan, np.float32)
    table = shapes_of(labels, case.micrograph.pixels, unknown, None, case.segmentation.rows)
    every = judge(table, MEASURED.measurement.filter).kept
    seen = every & ~mostly_hidden(labels, table)
    sizes = table.length("min_feret")
    if seen.sum() < FEWEST:
        return None
    nm = 100 / float(np.quantile(sizes[every], SMALL_SHARE))
    scale = Calibration(nm, "typed", relative_uncertainty=0.0)
    segmentation, micrograph = case.segmentation, replace(case.micrograph, calibration=scale)
    if error is not None:
        card = dict(segmentation.provenance.card)
        card["options"] = {**card.get("options", {}), "outline_error": error}
        segmentation = replace(segmentation, provenance=replace(segmentation.provenance, card=card))
    measured = measure_objects(micrograph, segmentation, MEASURED, clock=Clock())
    found = measured.statistics
    if found is None or found.other is None or found.budget is None or found.budget["median"]["ends"] is None:
        return None
    of_seen = Other(
        n=found.n_kept,
        median=found.median,
        median_ends=found.budget["median"]["ends"],
        fraction_100nm=found.fraction_100nm,
        fraction_ends=found.budget["fraction_100nm"]["ends"],
    )
    outlines = dict.fromkeys(("seen", "all"), found.median)
    true = {
        question: (float(np.median(sizes[some])) * nm, float((sizes[some] * nm <= NANO_NM).mean()))
        for question, some in (("seen", seen), ("all", every))
    }
    return Row(case.kind, {"seen": of_seen, "all": found.other}, outlines, true, cuts_of(case))


def cuts_of(case: ImageWithTruth) -> list[tuple[float, bool]]:
    """For each possible cut with particles on its sides: the logit of its probability, and whether the particles are
    different (the cut is right)."""
    of, cuts = possible_pieces(case.segmentation.dense, case.segmentation.cuts), []
    sides: dict[int, list[int]] = {}
    for piece in of.pieces:
        top, left, bottom, right = piece.box
        inside = case.truth[top:bottom, left:right][piece.mask]
        sides.setdefault(piece.parent, []).append(int(np.bincount(inside).argmax()))
    for parent, particles in sides.items():
        if any(particles):
            cuts.append((float(of.odds[parent]), len(set(particles)) > 1))
    return cuts


def fitted_cuts(rows: list[Row]) -> tuple[float, float, float]:
    """Maximum likelihood fit: intercept and slope of the log-odds, and the SD of the error of an image. Each image
    has one normal error of its log-odds."""
    images = [np.array(row.cut_odds, float).T for row in rows if row.cut_odds]

    def unlikely(weights: np.ndarray) -> float:
        intercept, slope, spread = weights
        total = 0.0
        for odds, right in images:
            logits = intercept + slope * odds[:, None] + abs(spread) * NODES
            logs = -np.logaddexp(0, np.where(right[:, None] > 0, -logits, logits)).sum(0)
            total -= float(logsumexp(logs, b=NODE_WEIGHTS))
        # A weak prior near intercept 0 and slope 1, because there are few cuts.
        return total + 0.5 * float(intercept**2 + (slope - 1) ** 2)

    intercept, slope, spread = minimize(unlikely, [0.0, 1.0, 0.5], method="Nelder-Mead").x
    return float(intercept), float(slope), abs(float(spread))


def fitted_errors(rows: list[Row]) -> dict[str, float]:
    """`options.outline_error`: the least with which the total uncertainty holds HELD_SHARE of the images' true
    medians and shares. rows: measured without an error."""
    errors = {}
    for question in ("seen", "all"):
        medians, shares = [], []
        for row in rows:
            of, (median, share) = row.answers[question], row.true[question]
            end = of["median_ends"][1 if median > of["median"] else 0]
            medians.append(log(median / of["median"]) ** 2 - log(end / of["median"]) ** 2)
            p = (of["fraction_100nm"] * of["n"] + 1) / (of["n"] + 2)
            end = of["fraction_ends"][1 if share > of["fraction_100nm"] else 0]
            beyond = (share - of["fraction_100nm"]) ** 2 - (end - of["fraction_100nm"]) ** 2
            shares.append(beyond / (p * (1 - p)))
        for name, squares in ((question, medians), (f"{question}_share", shares)):
            least = np.sqrt(np.maximum(squares, 0)) / COVERAGE
            errors[name] = round(float(np.quantile(least, HELD_SHARE, method="higher")) + 5e-4, 3)
    return errors


def contact_lines(rows: list[Row]) -> Iterator[str]:
    """Errors, coverage and widths by kind, for both questions."""
    yield "| kind | count | images | median: bias, error | outlines alone | held | half width | share | held |"
    yield "|---" * 9 + "|"
    kinds = {kind: [row for row in rows if row.kind == kind] for kind in dict.fromkeys(row.kind for row in rows)}
    without = [row for row in rows if row.kind != AGGLOMERATES]
    for question in ("seen", "all"):
        for kind, some in {**kinds, f"all but {AGGLOMERATES}": without}.items():
            found, true = [row.answers[question] for row in some], [row.true[question] for row in some]
            off = np.array([of["median"] / median - 1 for of, (median, _) in zip(found, true, strict=True)])
            plain = np.array([row.outlines[question] / row.true[question][0] - 1 for row in some])
            share = np.array([of["fraction_100nm"] - part for of, (_, part) in zip(found, true, strict=True)])
            ends = np.array([[*of["median_ends"], *of["fraction_ends"]] for of in found])
            medians, shares = np.array(true).T
            half = (ends[:, 1] - ends[:, 0]) / 2 / np.array([of["median"] for of in found])
            held = ((ends[:, 0] <= medians) & (medians <= ends[:, 1])).sum()
            share_held = ((ends[:, 2] <= shares) & (shares <= ends[:, 3])).sum()
            yield (
                f"| {kind} | {question} | {len(some)} | {_bias(off)} | {_bias(plain)} | {held} |"
                f" {100 * np.median(half):.0f} % | {_bias(share)} | {share_held} |"
            )


def _bias(off: np.ndarray) -> str:
    return f"{100 * off.mean():+.1f}, {100 * np.abs(off).mean():.1f}"


def contacts(folder: Path, write: bool) -> Iterator[str]:
    """The lines of both fits, and of the numbers with them. write: write the fits into the card."""
    plain = [row for case in images(folder) if (row := row_of(case, dict.fromkeys(OUTLINE_ERRORS, 0.0)))]
    others = [row for row in plain if row.kind != AGGLOMERATES]
    intercept, slope, spread = fitted_cuts(others)
    file = CARDS / "particles.toml"
    old = ParticleOptions.of(find("particles")).cuts
    new = {name: round(slope * value, 3) for name, value in old.items()} | {"spread": round(spread, 3)}
    new["intercept"] = round(slope * old["intercept"] + intercept, 3)
    all_cuts = [cut for row in others for cut in row.cut_odds]
    cut_odds, right = (np.array(values, float) for values in zip(*all_cuts, strict=True))
    means = expit(cut_odds).mean(), expit(intercept + slope * cut_odds).mean(), right.mean()
    yield "{} cuts: told {:.2f}, {:.2f} as fitted, came {:.2f}".format(len(cut_odds), *means)
    error = fitted_errors(others)
    yield f"cuts = {new}, outline_error = {error}"
    if write:
        set_entries(file, {"options": {"cuts": new, "outline_error": error}})
    yield from contact_lines([row for case in images(folder) if (row := row_of(case, error))])


class OutlinesOfImage(NamedTuple):
    """The outlines of an image. probability, right: (n,). cuts: expected number of cuts for each outline."""

    probability: np.ndarray
    right: np.ndarray
    cuts: float


def confidence_lines(cases: Iterator[ImageWithTruth]) -> Iterator[str]:
    """The mean probability and the share right in bins of the probability, for each kind; and the mean log loss, as
    shipped and with fits on the other kinds."""
    kinds: dict[str, list[OutlinesOfImage]] = {}
    for case in cases:
        overlap = overlap_of(without_specks(case.segmentation.dense), without_specks(case.truth))
        right = np.isin(overlap.found_ids, overlap.found_ids[pairs(overlap.iou, RIGHT_IOU)[1]])
        probability = case.segmentation.confidence[overlap.found_ids - 1]
        cuts = sum(cut.probability for cut in case.segmentation.cuts) / max(1, len(case.segmentation))
        kinds.setdefault(case.kind, []).append(OutlinesOfImage(probability, right, cuts))
    heads = " | ".join(f"{low:.0%} to {min(high, 1):.0%}" for low, high in pairwise(BINS))
    yield f"| kind | outlines | told, right | {heads} | wrong from {LEAST_CONFIDENCE:.0%} on |"
    yield "|---" * (3 + len(BINS)) + "|"
    every_other = [image for kind, images in kinds.items() if kind != AGGLOMERATES for image in images]
    for kind, images in [*kinds.items(), (f"all but {AGGLOMERATES}", every_other)]:
        probability = np.concatenate([image.probability for image in images])
        right = np.concatenate([image.right for image in images])
        inside = [(probability >= low) & (probability < high) for low, high in pairwise(BINS)]
        cells = [
            f"{_told_right(probability[mask], right[mask])} ({mask.sum()})" if mask.any() else "–" for mask in inside
        ]
        wrong = 100 * (1 - right[probability >= LEAST_CONFIDENCE].mean())
        both = _told_right(probability, right)
        yield f"| {kind} | {len(probability)} | {both} | {' | '.join(cells)} | {wrong:.1f} % |"
    yield from ("", "| kind | log loss as shipped | slope and intercept | with the image's possible cuts |")
    yield "|---" * 4 + "|"
    del kinds[AGGLOMERATES]
    losses = {}
    for kind, images in kinds.items():
        others = [kinds[other] for other in kinds if other != kind]
        losses[kind] = [log_loss(inputs_of(images)[:, 0], images)]
        losses[kind] += [
            log_loss(inputs_of(images, cuts) @ recalibrated(others, cuts), images) for cuts in (False, True)
        ]
    for kind, loss in {**losses, "mean": np.mean(list(losses.values()), 0)}.items():
        yield f"| {kind} | {' | '.join(f'{value:.3f}' for value in loss)} |"


def _told_right(probability: np.ndarray, right: np.ndarray) -> str:
    return f"{probability.mean():.2f}, {right.mean():.2f}"


def inputs_of(images: list[OutlinesOfImage], cuts: bool = False) -> np.ndarray:
    """(n, 2 or 3): log-odds of the probability, 1, and the logarithm of the possible cuts of its image."""
    probability = np.clip(np.concatenate([image.probability for image in images]), *PROBABILITY_LIMITS)
    rate = np.concatenate([np.full(len(image.probability), np.log(image.cuts + FEW_CUTS)) for image in images])
    return np.column_stack(
        [np.log(probability / (1 - probability)), np.ones(len(probability)), *([rate] if cuts else [])]
    )


def recalibrated(kinds: list[list[OutlinesOfImage]], cuts: bool) -> np.ndarray:
    """The weights of `inputs_of` with the least log loss, all kinds counting the same."""
    by_kind = [(inputs_of(images, cuts), images) for images in kinds]
    start = np.array([1.0, 0.0, 0.0][: 2 + cuts])
    return minimize(lambda weights: sum(log_loss(inputs @ weights, images) for inputs, images in by_kind), start).x


def log_loss(log_odds: np.ndarray, images: list[OutlinesOfImage]) -> float:
    right = np.concatenate([image.right for image in images])
    return float(np.logaddexp(0, np.where(right, -log_odds, log_odds)).mean())


def recall_lines(cases: Iterator[ImageWithTruth]) -> Iterator[str]:
    """A table in Markdown: recall by ECD in px, and numbers of errors by the kinds of `manage.py evaluate`."""
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


def bed_images(folder: Path) -> Iterator[ImageWithTruth]:
    """Composed images of beds without background, from particles of held-out publications; stored in the folder."""
    composed = folder / "beds"
    if not composed.exists():
        ranges = Ranges(bed=2.5, size=(34, 60), spread=(0.12, 0.3))
        write_composites(DATA / "emps-train", _held_out(), composed, BEDS, SEED, ranges)
    for pair in pairs_of(composed, FolderEntry(path=str(composed), images="images", labels="labels")):
        micrograph, truth = pair.load()
        file = folder / f"bed-{pair.name}.bed.npz"
        if not file.exists():
            segment(micrograph, MEASURED, card=find("particles")).save(file)
        yield ImageWithTruth("beds", micrograph, Segmentation.load(file), truth.astype(np.int32))


def aside_lines(cases: Iterator[ImageWithTruth]) -> Iterator[str]:
    """A table in Markdown: right outlines that a rule leaves out (except at the frame), and their share in the
    worst image."""
    kinds: dict[str, list[tuple[int, int]]] = {}
    for case in cases:
        overlap = overlap_of(without_specks(case.segmentation.dense), without_specks(case.truth))
        is_right = np.zeros(len(case.segmentation), bool)
        is_right[overlap.found_ids[pairs(overlap.iou, RIGHT_IOU)[1]] - 1] = True
        table = measure_objects(case.micrograph, case.segmentation, MEASURED, clock=Clock()).table
        lost = is_right & ~table.kept & (table.reasons != Reason.FRAME)
        kinds.setdefault(case.kind, []).append((int(lost.sum()), int(is_right.sum())))
    yield "| kind | pictures | right outlines | left out by rules | worst picture |"
    yield "|---" * 5 + "|"
    for kind, counts in kinds.items():
        lost, right = np.sum(counts, 0)
        worst = max(100 * some / max(all_right, 1) for some, all_right in counts)
        yield f"| {kind} | {len(counts)} | {right} | {lost} ({100 * lost / right:.2f} %) | {worst:.1f} % |"


LINES = {"confidence": confidence_lines, "recall": recall_lines}


def main(arguments: list[str]) -> None:
    table_name, *folder = arguments
    with tempfile.TemporaryDirectory() as other:
        results_folder = Path(folder[0] if folder else other)
        if table_name == "aside":
            print(*aside_lines(chain(images(results_folder), bed_images(results_folder))), sep="\n")
        elif table_name == "contacts":
            print(*contacts(results_folder, "--write" in folder), sep="\n")
        else:
            print(*LINES[table_name](images(results_folder)), sep="\n")
