"""Measures how well one or three clicks find all outlines of a sort: python -m tools.accuracy alike [FOLDER]

The sort are the satellites of metal powder (AMPIS), among all particles as people drew them, and among the outlines of
the model `particles`. The outlines are ranked by their similarity to the clicked ones, in the same image or in another
one. Further measures are tried in place of the contact. Then the offers after three corrections
(`core.report.corrected.offers`) are counted: how often there is an offer, and its precision and recall.

With --evaluate the same is done with the TiO2 images (only for evaluation: nothing may be fitted to them or chosen by
them), for outlines that lie on no particle, and for possible cuts as probable as three right cuts. FOLDER stores the
outlines of the model between two calls.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage

from segmentation.core.labels.particles.contrast import contrasts
from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.measure.pixels.contacts import longest_contacts
from segmentation.core.measure.review.similarity import CONTACT, CONTRAST, SHAPES, similarity, similarity_to_all
from segmentation.core.measure.shape.shapes import measure
from segmentation.core.micrograph.reader import read
from segmentation.core.network.cards import find
from segmentation.core.pipeline import segment
from segmentation.core.report.corrected.offers import FEWEST, LEAST_IN_SORT, LEAST_OFFERED

from .reference import MASKS
from .unseen import DATA, MEASURED

POWDER = DATA / "ampis-powder"
SIZE, DRAWS, ACROSS, SEED = "min_feret", 60, 15, 7
SATELLITE_IOU = 0.4  # IoU from which on an outline is a satellite
FEWEST_OF_SORT = FEWEST + 2  # objects of the sort, below which an image says nothing
NONE = "none"
Columns = dict[str, np.ndarray]
Rank = Callable[[Columns, list[int], str], np.ndarray]


class Case(NamedTuple):
    """Objects (n,) of an image: their columns, further measures by name, and which are of the sort."""

    columns: Columns
    further: Columns
    is_of_sort: np.ndarray


def segmented(image: Path, folder: Path) -> tuple[np.ndarray, Segmentation]:
    """The grey levels of an image, and its segmentation, which is stored in the folder."""
    micrograph, file = read(image), folder / f"{image.stem}.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        segment(micrograph, MEASURED, card=find("particles")).save(file)
    return micrograph.pixels, Segmentation.load(file)


def case_of(labels: np.ndarray, grey: np.ndarray, found: Segmentation, is_of_sort: np.ndarray) -> Case:
    """The objects of a label image as a `Case`. labels: (H, W) with 1..n. grey: (H, W). is_of_sort: (n,)."""
    count = int(labels.max())
    table = measure(labels, grey, np.full(count, np.nan, np.float32), None, found.rows)
    columns = {name: table.length(name) for name in (SIZE, "area")} | {name: table[name] for name in SHAPES}
    columns[CONTRAST] = contrasts(grey, labels).relative
    further = {NONE: np.full(count, np.nan), CONTACT: longest_contacts(labels)}
    for name, values in found.maps.items():
        further[f"mean of the map {name}"] = ndimage.mean(values, labels, np.arange(1, count + 1)) / 255
    return Case(columns, further, is_of_sort)


def powder_cases(folder: Path) -> Iterator[tuple[Case, Case]]:
    """For each image of the powder a case of the particles as people drew them, and a case of the found outlines."""
    for file in sorted(POWDER.glob("particle_labels_DERIVED/*/*.png")):
        particles = np.asarray(Image.open(file)).astype(np.int32)
        satellites = np.asarray(Image.open(POWDER / "satellite_labels_DERIVED" / file.parent.name / file.name))
        grey, found = segmented(POWDER / "images" / file.name, folder)
        drawn = np.where(satellites > 0, satellites + particles.max(), particles)
        ids, dense = np.unique(drawn, return_inverse=True)
        labels = dense.reshape(drawn.shape).astype(np.int32)
        yield (
            case_of(labels, grey, found, ids[1:] > particles.max()),
            case_of(found.dense, grey, found, _overlaps(found.dense, satellites.astype(np.int32)) >= SATELLITE_IOU),
        )


def _overlaps(labels: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) for each object of labels (H, W) its largest IoU with an object of the truth (H, W)."""
    areas, true_areas, best = np.bincount(labels.ravel()), np.bincount(truth.ravel()), np.zeros(labels.max() + 1)
    both = (labels > 0) & (truth > 0)
    pairs, counts = np.unique(np.stack([labels[both], truth[both]]), axis=1, return_counts=True)
    np.maximum.at(best, pairs[0], counts / (areas[pairs[0]] + true_areas[pairs[1]] - counts))
    return best[1:]


def average_precision(value: np.ndarray, is_of_sort: np.ndarray) -> float:
    ranked = is_of_sort[np.argsort(-value, kind="stable")]
    return float((np.cumsum(ranked) / np.arange(1, len(ranked) + 1))[ranked].mean())


def likeness(clicked: Case, shown: Case, places: np.ndarray, name: str, rank: Rank) -> np.ndarray:
    """(n,) the similarity of the objects of an image (shown) to the clicked objects of an image. places: their indices.
    name: of the further measure in place of the contact."""
    count = len(shown.is_of_sort)
    columns = {each: np.r_[values, clicked.columns[each][places]] for each, values in shown.columns.items()}
    columns[CONTACT] = np.r_[shown.further[name], clicked.further[name][places]]
    return rank(columns, [*range(count, count + len(places))], SIZE)[:count]


def score(cases: list[Case], name: str, rank: Rank, clicks: int, across: bool = False) -> float:
    """The mean average precision of several draws of clicked objects. across: in another image than the clicked one."""
    scores = []
    for i, clicked in enumerate(cases):
        for j, shown in enumerate(cases):
            if (i != j) != across:
                continue
            random, left = np.random.default_rng((SEED, i, j)), np.ones(len(shown.is_of_sort), bool)
            for _ in range(ACROSS if across else DRAWS):
                places = random.choice(np.flatnonzero(clicked.is_of_sort), clicks, replace=False)
                left[:] = True
                left[places if not across else []] = False
                value = likeness(clicked, shown, places, name, rank)
                scores.append(average_precision(value[left], shown.is_of_sort[left]))
    return float(np.mean(scores))


def offer_words(cases: list[Case], at_random: bool = False) -> str:
    """In words: how often three corrections cause an offer, and the precision and recall of the offers."""
    offers, draws = [], 0
    for i, case in enumerate(cases):
        random, every = np.random.default_rng((SEED, i)), np.arange(len(case.is_of_sort))
        for _ in range(DRAWS):
            draws += 1
            places = random.choice(every if at_random else np.flatnonzero(case.is_of_sort), FEWEST, replace=False)
            to_newest = likeness(case, case, places[:1], CONTACT, similarity_to_all)[places]
            is_like = likeness(case, case, places, CONTACT, similarity_to_all) >= LEAST_OFFERED
            is_like[places] = False
            if (to_newest >= LEAST_IN_SORT).all() and is_like.any():
                left = case.is_of_sort.sum() - case.is_of_sort[places].sum()
                hits = (is_like & case.is_of_sort).sum()
                offers.append((hits / is_like.sum(), hits / max(left, 1)))
    shares = "" if at_random else ", precision {:.2f}, recall {:.2f}".format(*np.mean(offers, axis=0))
    return f"{len(offers) / draws:.0%} offered{shares}"


def rows_of(kind: str, cases: list[Case]) -> Iterator[str]:
    counts = f"{sum(int(case.is_of_sort.sum()) for case in cases)} of {sum(len(case.is_of_sort) for case in cases)}"
    for name in cases[0].further:
        ways = (
            (similarity, 1, False),
            (similarity, 3, False),
            (similarity_to_all, 3, False),
            (similarity_to_all, 3, True),
        )
        scores = " | ".join(f"{score(cases, name, *way):.3f}" for way in ways)
        yield f"| {kind} ({counts}), {name} | {scores} |"
    words = f"{offer_words(cases)}; {offer_words(cases, at_random=True)}"
    yield f"| {kind}: three of the sort; three by chance | {words} | | | |"


HEADS = ("objects (of the sort), further measure", "one click", "three, the nearest", "three, all", "in another image")


def tio2_lines(folder: Path) -> Iterator[str]:
    """The lines for the TiO2 images: for outlines on no particle, and for cuts as probable as three right cuts."""
    gaps, cuts = list[Case](), list[tuple[np.ndarray, np.ndarray]]()
    for file in sorted((MASKS.parent / "images").glob("*.tif")):
        grey, found = segmented(file, folder)
        mask = tifffile.imread(MASKS / f"{file.stem}_m.tif") > 0
        share = ndimage.mean(mask[: found.rows], found.dense[: found.rows], np.arange(1, len(found) + 1))
        gaps.append(case_of(found.dense, grey, found, share < 0.5))
        truth = ndimage.label(mask)[0]
        nearest = truth[tuple(ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True))]
        ends = np.array([cut.sides for cut in found.cuts], int).reshape(-1, 4)
        is_right = nearest[ends[:, 1], ends[:, 0]] != nearest[ends[:, 3], ends[:, 2]]
        cuts.append((np.array([cut.probability for cut in found.cuts]), is_right))
    yield f"gaps in {len(gaps)} images: {[int(case.is_of_sort.sum()) for case in gaps]}"
    if many := [case for case in gaps if case.is_of_sort.sum() >= FEWEST_OF_SORT]:
        yield from rows_of("TiO2, on no particle", many)
    yield from cut_lines(cuts)


def cut_lines(images: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[str]:
    """Precision and recall of cuts as probable as three right ones. images: for each image the probabilities of
    its cuts, and which are right."""
    here, elsewhere = list[tuple[float, float]](), list[tuple[float, float]]()
    for i, (probability, is_right) in enumerate(images):
        random = np.random.default_rng((SEED, i))
        for _ in range(DRAWS if is_right.sum() > FEWEST else 0):
            made = random.choice(np.flatnonzero(is_right), FEWEST, replace=False)
            for j, (probabilities, right) in enumerate(images):
                wanted = probabilities >= probability[made].min()
                if i == j:
                    wanted[made] = False
                left = right.sum() - (FEWEST if i == j else 0)
                if wanted.any() and left:
                    hits = (wanted & right).sum()
                    (here if i == j else elsewhere).append((hits / wanted.sum(), hits / left))
    total = [
        sum(int(count) for count in counts) for counts in zip(*((len(r), r.sum()) for _, r in images), strict=True)
    ]
    yield f"cuts: {total[1]} of {total[0]} right"
    for name, shares in (("in the same image", here), ("in another image", elsewhere)):
        yield "cuts, {}: precision {:.2f}, recall {:.2f}".format(name, *np.mean(shares, axis=0))


def lines(folder: Path) -> Iterator[str]:
    yield f"| {' | '.join(HEADS)} |"
    yield "|---" * len(HEADS) + "|"
    if "--evaluate" in sys.argv:
        yield from tio2_lines(folder)
        return
    drawn, found = (list(cases) for cases in zip(*powder_cases(folder), strict=True))
    yield from rows_of("as people drew them", drawn)
    yield from rows_of("as the model finds them", found)
