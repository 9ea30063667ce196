"""Tests that a changed form of a picture (such as a blurred one) with the same particles gives the same result, or a
warning:

    python -m tools.accuracy metamorphic [FOLDER] [--images N]

Each picture is analysed as it is and in every form of FORMS, with automatic settings. The table shows for each form the
share of the counted outlines that are counted again (IoU at least 0.5), the change of the median diameter, and how many
pictures keep their result (`same`), get a warning (`warned`), or change without one (`silent`). FOLDER has micrographs;
without it, small rendered pictures are used, as in CI (110 analyses in a minute).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.measure.objects.matching import RIGHT_IOU, overlap_of, pairs
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Calibration, Micrograph, UnreadableImage
from segmentation.core.network.runtime import Runtime
from segmentation.core.pipeline import analyse
from segmentation.core.stages import changed_forms
from segmentation.core.stages.changed_forms import Form
from segmentation.lab.training.synthesis.render import render

Array = NDArray[Any]
# `same`: at least this share of the outlines is counted again, and the median changes by at most this part.
LEAST_COUNTED_AGAIN, MOST_SIZE_CHANGE = 0.85, 0.08
FEWEST = 10  # counted outlines of a picture
SHAPE, SEED = (176, 264), 50_000
DIAMETERS, PARTICLES = (16, 40), (24, 64)  # px; drawn in a picture


FORMS = {
    **changed_forms.FORMS,
    "strong blur": Form(lambda grey: ndimage.gaussian_filter(grey, 2.0)),
    "cropped": Form(lambda grey: grey[grey.shape[0] // 5 :, : -(grey.shape[1] // 5)]),
}


@dataclass(frozen=True)
class Change:
    """The difference between the results of a picture and of its changed form.

    again: share of the counted outlines that is counted again. size: relative change of the median ECD. warned: whether
    only the changed form has a warning.
    """

    again: float
    size: float
    warned: bool

    @property
    def verdict(self) -> str:
        is_same = self.again >= LEAST_COUNTED_AGAIN and abs(self.size) <= MOST_SIZE_CHANGE
        return "same" if is_same else "warned" if self.warned else "silent"


def counted(analysis: Analysis) -> NDArray[np.int32]:
    """(H, W) int32 the labels of the counted objects."""
    keep = np.r_[False, analysis.table.kept]
    return np.where(keep[analysis.segmentation.dense], analysis.segmentation.dense, 0).astype(np.int32)


def compare(first: Analysis, second: Analysis, form: str) -> Change:
    """The difference between the analysis of a picture (first) and of its changed form (second)."""
    before, after = counted(first), FORMS[form].back(counted(second))
    if form == "cropped":
        before = FORMS[form].change(before)
        cut = np.unique(np.concatenate([before[0], before[-1], before[:, 0], before[:, -1]]))
        before = np.where(np.isin(before, cut), 0, before)
    rows, columns = (min(sides) for sides in zip(before.shape, after.shape, strict=True))
    overlap = overlap_of(after[:rows, :columns], before[:rows, :columns])
    share = len(pairs(overlap.iou, RIGHT_IOU)[0]) / max(len(overlap.true_ids), 1)
    areas = [np.median(sides) if len(sides) else np.nan for sides in (overlap.true_area, overlap.found_area)]
    doubts = [any(flag.doubt for flag in made.flags) for made in (first, second)]
    return Change(share, float(np.sqrt(areas[1] / areas[0])) - 1, doubts[1] and not doubts[0])


def pictures(folder: Path | None, most: int) -> Iterator[Micrograph]:
    """At most `most` micrographs of a folder; without a folder, rendered pictures with a suitable number of drawn
    particles."""
    if folder is None:
        drawn = (
            (number, *render(SHAPE, np.random.default_rng((SEED, number)), diameters=DIAMETERS)) for number in count()
        )
        fit = (
            (number, grey)
            for number, grey, labels in drawn
            if PARTICLES[0] <= len(np.unique(labels)) - 1 <= PARTICLES[1]
        )
        for number, grey in islice(fit, most):
            yield Micrograph(grey, f"rendered {number}", f"{number:064x}", Calibration.absent())
        return
    for file in sorted(folder.iterdir())[:most]:
        try:
            yield read(file)
        except UnreadableImage:
            print(f"left out: {file}")


def changes(micrograph: Micrograph, runtime: Runtime, forms: Iterable[str] = FORMS) -> Iterator[tuple[str, Change]]:
    """(form, change) for every form of a picture; nothing if fewer than FEWEST outlines count, whose median is
    uncertain."""
    settings = AnalysisSettings.of(model="particles")
    first = analyse(micrograph, settings, runtime=runtime)
    if first.table.kept.sum() < FEWEST:
        return
    grey = changed_forms.grey_levels(micrograph.pixels)
    for form in forms:
        pixels = changed_forms.in_form(grey, FORMS[form])
        second = analyse(replace(micrograph, pixels=pixels), settings, runtime=runtime)
        yield form, compare(first, second, form)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.accuracy metamorphic", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=10)
    options = parser.parse_args(arguments)
    of_forms: dict[str, list[Change]] = {form: [] for form in FORMS}
    for micrograph in pictures(options.folder, options.images):
        for form, change in changes(micrograph, Runtime()):
            of_forms[form].append(change)
            if change.verdict == "silent":
                print(f"{micrograph.name}, {form}: {change.again:.0%} counted again, median {change.size:+.1%}")
    print("| form | pictures | counted again | median | same | warned | silent |\n|---|---|---|---|---|---|---|")
    for form, several in of_forms.items():
        if several:
            verdicts = [change.verdict for change in several]
            share, size = (np.nanmean([getattr(change, name) for change in several]) for name in ("again", "size"))
            counts = " | ".join(str(verdicts.count(word)) for word in ("same", "warned", "silent"))
            print(f"| {form} | {len(several)} | {share:.1%} | {size:+.1%} | {counts} |")
