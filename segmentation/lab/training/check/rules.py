"""The rules by which all labelled images of a folder are checked. Each function adds its findings to the
CheckedFolder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ....core.learning.dataset_files import UNLABELLED
from ....core.masks.truth import source_of
from ....core.settings import DEFAULT_TASK
from ..agreement import SURE_SCORE, agreement
from ..contract import Field
from ..settings import SIZES
from .findings import CheckedFolder, some_of
from .pairs import FEW_NUMBERS, CheckedPair

SAME_CORRELATION = 0.99  # of two thumbnails that show the same picture
FEW_ASTRAY = 0.25  # share of the images; if the labels of more do not fit, borders of classes show no edges here
FEW_IMAGES = 5  # images; with fewer a warning says that a test is not reliable
PIECES_OF_CLASS = 5  # pieces of one number in an image, from which on the number is a class, not a particle
MOST_FILES = 0.8  # share of the files that is called most
# Score of `agreement` for a sure fit of classes; classes of another image reach 3.5 on 54 images of three materials.
SURE_CLASS_SCORE = 5.0
MERGED_SHARE = 0.2  # of the labelled area in pieces that look like several particles; above it a warning is given
FULL_SHARE = 0.75  # labelled share of an image, above which a mask looks inverted


def _worst(counts: dict[str, int]) -> str:
    """The names of files with their counts, in words, the highest count first."""
    worst = sorted(counts, key=lambda name: -counts[name])
    return some_of([f"{name} ({counts[name]})" for name in worst], more="more files")


def find_other_kind(pairs: Sequence[CheckedPair]) -> tuple[str, dict[str, Any]] | None:
    """(rule of findings.toml, words for its sentence) if the labels of most files are clearly not outlines of
    particles, else None."""
    if len(pairs) < 2:
        return None
    if (lines := sum(pair.lines for pair in pairs)) >= MOST_FILES * len(pairs):
        return "lines", {"count": lines}
    uses = Counter(number for pair in pairs for number in pair.numbers)
    common = [number for number, files in uses.items() if files >= MOST_FILES * len(pairs)]
    pieces = [pair.pieces / max(1, pair.labels_used) for pair in pairs]
    if len(common) >= 2 and len(uses) <= FEW_NUMBERS and np.median(pieces) >= PIECES_OF_CLASS:
        return "few_numbers", {"numbers": ", ".join(map(str, sorted(uses)))}
    return None


def check_labels(checked: CheckedFolder) -> None:
    """Add findings about single pairs, data bars, and labels that are unusual or belong to another kind of task."""
    pairs = checked.pairs
    other_kind = None if checked.classes or checked.task not in ("", DEFAULT_TASK) else find_other_kind(pairs)
    if other_kind:
        checked.add(other_kind[0], bool(checked.task), **other_kind[1])
    else:
        for sentence in (sentence for pair in pairs for sentence in pair.wrong):
            checked.add("pair", what=sentence)
    if bars := {pair.name: pair.bar_rows for pair in pairs if pair.bar_rows}:
        checked.add("data_bars", count=len(bars), files=_worst(bars))
    if not other_kind:
        (_check_classes if checked.classes else _check_objects)(checked)


def _check_classes(checked: CheckedFolder) -> None:
    """Add findings about labels of classes."""
    exchanged = _report_exchanged(checked)
    astray = [pair.name for pair in checked.pairs if pair.astray and pair.name not in exchanged]
    if 0 < len(astray) < FEW_ASTRAY * len(checked.pairs):
        checked.add("astray", files=some_of(astray))
    strange: dict[int, dict[str, int]] = {}
    for pair in checked.pairs:
        for value, pixels in pair.strange.items():
            strange.setdefault(value, {})[pair.name] = pixels
    for value, files in sorted(strange.items()):
        rule = "unlabelled_number" if value in (0, UNLABELLED) else "strange_number"
        checked.add(rule, value=value, pixels=sum(files.values()), files=_worst(files))
    for column, number in enumerate(checked.classes):
        holders = sum(pair.shares[column] > 0 for pair in checked.pairs)
        if checked.pairs and holders < 2:
            checked.add("class_in_one_image" if holders else "class_in_no_image", number=number)


def check_tiles(checked: CheckedFolder) -> None:
    """Add a finding if tiles, or turned or mirrored forms, of one image are in several groups; their names show it."""
    groups: dict[str, set[str]] = {}
    for pair in checked.pairs:
        groups.setdefault(source_of(Path(pair.name).stem), set()).add(pair.group)
    if leaks := sorted(source for source, names in groups.items() if len(names) > 1):
        checked.add("tiles", files=some_of(leaks))


def _check_objects(checked: CheckedFolder) -> None:
    """Add findings about labels of objects."""
    pairs, binary = checked.pairs, checked.binary
    exchanged = _report_exchanged(checked)
    share = sum(pair.merged_area for pair in pairs) / max(1, sum(pair.labelled_area for pair in pairs))
    if binary and share > MERGED_SHARE:
        checked.add("merged", share=share)
    full_images = {
        pair.name for pair in pairs if pair.labels_used == 1 and pair.labelled > FULL_SHARE and not pair.wrong
    }
    if inverted_images := [pair.name for pair in pairs if pair.gaps or pair.name in full_images]:
        is_error = len(inverted_images) > len(pairs) / 2
        checked.add(
            "look_inverted", is_error, count=len(inverted_images), full=FULL_SHARE, files=some_of(inverted_images)
        )
    empty_images = [pair.name for pair in pairs if not len(pair.diameters)]
    if 0 < len(empty_images) < len(pairs):
        checked.add("empty", files=some_of(empty_images))
    if astray := [pair.name for pair in pairs if pair.astray and pair.name not in exchanged]:
        checked.add("astray", files=some_of(astray))
    shared = {pair.name: pair.shared for pair in pairs if pair.shared}
    if shared and not binary:
        count = sum(shared.values())
        checked.add("in_pieces", labels="One label has" if count == 1 else f"{count} labels have", files=_worst(shared))
    least = SIZES[0] / 2  # a training enlarges pictures two times at most
    if small_images := [f"{pair.name} ({pair.median:.1f} px)" for pair in pairs if 0 < pair.median < least]:
        checked.add("small", count=len(small_images), least=least, files=some_of(small_images))


def _report_exchanged(checked: CheckedFolder) -> set[str]:
    """Add findings about labels that do not fit their own image but clearly fit another one; returns the names of the
    images."""
    astray, exchanged = [pair for pair in checked.pairs if pair.astray], set()
    for pair in astray:
        others = [other for other in astray if other is not pair and other.shape == pair.shape]
        scores = [fit.score if (fit := agreement(o.small, pair.small_labels)) else 0.0 for o in others]
        if scores and max(scores) >= (SURE_CLASS_SCORE if pair.classes else SURE_SCORE):
            checked.add("exchanged", name=pair.name, other=others[int(np.argmax(scores))].name)
            exchanged.add(pair.name)
    return exchanged


def check_number_of_images(checked: CheckedFolder) -> None:
    """Add findings about too few images or labels."""
    with_labels = sum(pair.has_labels for pair in checked.pairs)
    images = with_labels or len(checked.pairs)
    if images < 2:
        things = "particles" if with_labels else "labels"
        checked.add("one_image", images="One image" if images else "No image", things=things)
    elif images < FEW_IMAGES and with_labels:
        checked.add("few_images", count=images, things="labels" if checked.classes else "particles")
    if checked.classes:
        if images and not with_labels:
            checked.add("no_pixels", numbers=", ".join(map(str, checked.classes)))
    elif images and not len(checked.diameters):
        checked.add("no_particles")


def check_groups(checked: CheckedFolder, group_of: dict[str, str]) -> None:
    """Add findings about images that the table of groups does not name, and about a single group for all images.

    group_of: the table of groups, by name of a file.
    """
    unnamed = [p.name for p in checked.pairs if group_of and not {p.name, Path(p.name).stem} & set(group_of)]
    if unnamed:
        checked.add("unnamed", table=checked.entry.groups, count=len(unnamed), files=some_of(unnamed))
    groups = [pair.group for pair in checked.pairs if pair.has_labels]
    if len(groups) > 1 and len(set(groups)) == 1:
        checked.add("one_specimen")


def check_copies(checked: CheckedFolder) -> None:
    """Add findings about pictures that occur twice, also turned or mirrored."""
    for first_number, second_number in same_pictures([pair.thumbnail for pair in checked.pairs]):
        first_pair, second_pair = checked.pairs[first_number], checked.pairs[second_number]
        if first_pair.group != second_pair.group:
            checked.add("copy_apart", one=first_pair.name, other=second_pair.name)
            continue
        first_source, second_source = (source_of(Path(pair.name).stem) for pair in (first_pair, second_pair))
        if first_source != second_source:  # equal sources: tiles of one image, or its turned and mirrored forms
            checked.add("copy", one=first_pair.name, other=second_pair.name)


def same_pictures(thumbnails: list[Field]) -> Iterator[tuple[int, int]]:
    """Numbers of two thumbnails (S, S) that show the same picture in one of its 8 turned and mirrored forms.

    thumbnails: each of mean 0 and norm 1.
    """
    if not thumbnails:
        return
    stack = np.stack(thumbnails)
    flat = stack.reshape(len(stack), -1)
    best = np.full((len(stack), len(stack)), -1.0, np.float32)
    for mirrored in (stack, stack[:, :, ::-1]):
        for turns in range(4):
            form = np.rot90(mirrored, turns, axes=(1, 2)).reshape(len(stack), -1)
            best = np.maximum(best, flat @ form.T)
    yield from (tuple(pair) for pair in np.argwhere(np.triu(best, 1) > SAME_CORRELATION).tolist())
