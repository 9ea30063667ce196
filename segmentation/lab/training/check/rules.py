"""What the labelled images of a folder are checked for together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ....core.dataset_files import UNLABELLED
from ....core.settings import DEFAULT_TASK
from ....core.truth import source_of
from ..agreement import SURE, agreement
from ..contract import Field
from ..settings import SIZES
from .findings import CheckedFolder, some_of
from .pairs import FEW_NUMBERS, CheckedPair

SAME = 0.99  # correlation of two thumbnails that show one picture
ASTRAY = "Labels that follow the edges of their image only by chance, as labels of another image would: {names}."
FEW_ASTRAY = 0.25  # share of the images
FEW_IMAGES = 5
PIECES = 5  # of a number in an image, from which it is no single particle
MOST = 0.8  # of the files
CLASSES_FIT = 5.0  # SD, as of `agreement`; classes of another image reach 3.5 on 54 images of three materials
MERGED = 0.2  # share of the labelled area in pieces like several particles that is worth a word
FULL = 0.75  # labelled share of an image from which a mask looks inverted


def _named(counts: dict[str, int]) -> str:
    """Files with the number of something in each, the worst first."""
    worst = sorted(counts, key=lambda name: -counts[name])
    return some_of([f"{name} ({counts[name]})" for name in worst], more="more files")


def another_kind(pairs: Sequence[CheckedPair]) -> str:
    """A sentence where the labels of most files are plainly of another kind of task than outlined particles."""
    if len(pairs) < 2:
        return ""
    if (lines := sum(pair.lines for pair in pairs)) >= MOST * len(pairs):
        return (
            f"{lines} masks are thin connected lines, as grain boundaries are drawn: train"
            ' grains on them (task = "grains"); as particles, what the lines enclose would have to be labelled.'
        )
    uses = Counter(number for pair in pairs for number in pair.numbers)
    common = [number for number, files in uses.items() if files >= MOST * len(pairs)]
    pieces = [pair.pieces / max(1, pair.labels_used) for pair in pairs]
    if len(common) >= 2 and len(uses) <= FEW_NUMBERS and np.median(pieces) >= PIECES:
        numbers = ", ".join(map(str, sorted(uses)))
        return (
            f"The same few numbers in every image ({numbers}), each in many pieces, look like classes: train phases on"
            ' them (task = "phases"), or give each particle a number of its own.'
        )
    return ""


def every_folder(checked: CheckedFolder) -> None:
    """What the images hold or have lost."""
    pairs, warn = checked.pairs, checked.warn
    kind = "" if checked.classes or checked.task not in ("", DEFAULT_TASK) else another_kind(pairs)
    if kind:
        (checked.error if checked.task else warn)(kind)
    for sentence in () if kind else (sentence for pair in pairs for sentence in pair.wrong):
        checked.error(sentence)
    if bars := {pair.name: pair.bar_rows for pair in pairs if pair.bar_rows}:
        warn(f"{len(bars)} images seem to end in a data bar, to be cut off, from labels too, rows: {_named(bars)}.")
    if not kind:
        (_classes if checked.classes else _objects)(checked)


def _classes(checked: CheckedFolder) -> None:
    """Labels of classes that are odd."""
    odd = _exchanged(checked)
    astray = [pair.name for pair in checked.pairs if pair.astray and pair.name not in odd]
    if 0 < len(astray) < FEW_ASTRAY * len(checked.pairs):  # else borders of classes are no edges in such images
        checked.warn(ASTRAY.format(names=some_of(astray)))
    strange: dict[int, dict[str, int]] = {}
    for pair in checked.pairs:
        for value, pixels in pair.strange.items():
            strange.setdefault(value, {})[pair.name] = pixels
    for value, files in sorted(strange.items()):
        usual = value in (0, UNLABELLED)
        (checked.warn if usual else checked.error)(
            f"The number {value} stands for no class; its {sum(files.values())} pixels "
            f"{'count as not labelled' if usual else 'are labelled wrongly, or --classes lacks it'}: {_named(files)}."
        )
    for column, number in enumerate(checked.classes):
        holders = sum(pair.shares[column] > 0 for pair in checked.pairs)
        if checked.pairs and holders < 2:
            checked.warn(
                f"{'Only one image has' if holders else 'No image has'} pixels of class {number}: it cannot be learnt "
                "and validated."
            )


def groups_of_tiles(checked: CheckedFolder) -> None:
    """Tiles and turned or mirrored forms of one image, by their names."""
    groups: dict[str, set[str]] = {}
    for pair in checked.pairs:
        groups.setdefault(source_of(Path(pair.name).stem), set()).add(pair.group)
    if leaks := sorted(source for source, names in groups.items() if len(names) > 1):
        checked.error(
            f"Pieces of {some_of(leaks)} are of several groups, so that one may be trained on and another validated: "
            "give all pieces of an image one group, or leave the groups out."
        )


def _objects(checked: CheckedFolder) -> None:
    """Labels of objects that are odd."""
    pairs, warn, binary = checked.pairs, checked.warn, checked.binary
    odd = _exchanged(checked)
    share = sum(pair.merged_area for pair in pairs) / max(1, sum(pair.labelled_area for pair in pairs))
    if binary and share > MERGED:
        warn(
            f"The masks are binary, and {share:.0%} of their area are pieces shaped like several particles in one: "
            "give each particle a number of its own, or the network learns to merge those that touch."
        )
    full = {pair.name for pair in pairs if pair.labels_used == 1 and pair.labelled > FULL and not pair.wrong}
    if inverted := [pair.name for pair in pairs if pair.gaps or pair.name in full]:
        (checked.error if len(inverted) > len(pairs) / 2 else warn)(
            f"{len(inverted)} masks look inverted: they cover more than {FULL:.0%} of the image, or have the shapes of "
            f"gaps between particles. Background is 0: {some_of(inverted)}."
        )
    empty = [pair.name for pair in pairs if not len(pair.diameters)]
    if 0 < len(empty) < len(pairs):
        warn(f"Images without particles are left out of training: {some_of(empty)}.")
    if astray := [pair.name for pair in pairs if pair.astray and pair.name not in odd]:
        warn(ASTRAY.format(names=some_of(astray)))
    shared = {pair.name: pair.shared for pair in pairs if pair.shared}
    if shared and not binary:
        count = sum(shared.values())
        have = "One label has" if count == 1 else f"{count} labels have"
        warn(f"{have} several separate pieces. Each piece counts as a particle: {_named(shared)}.")
    least = SIZES[0] / 2  # a picture is magnified twice at most
    if small := [f"{pair.name} ({pair.median:.1f} px)" for pair in pairs if 0 < pair.median < least]:
        warn(
            f"In {len(small)} images the median particle is under {least:g} px, too small to be outlined well: "
            f"{some_of(small)}."
        )


def _exchanged(checked: CheckedFolder) -> set[str]:
    """Report labels that do not fit their own image and plainly fit another one; returns the names of the images."""
    astray, groups = [pair for pair in checked.pairs if pair.astray], set()
    for pair in astray:
        others = [other for other in astray if other is not pair and other.shape == pair.shape]
        scores = [fit.score if (fit := agreement(o.small, pair.small_labels)) else 0.0 for o in others]
        if scores and max(scores) >= (CLASSES_FIT if pair.classes else SURE):
            other = others[int(np.argmax(scores))]
            checked.error(f"The labels of {pair.name} fit {other.name}, not their own image: they were exchanged.")
            groups.add(pair.name)
    return groups


def enough_images(checked: CheckedFolder) -> None:
    """Too few images or particles."""
    with_particles = sum(pair.taught for pair in checked.pairs)
    images = with_particles or len(checked.pairs)
    if images < 2:
        checked.error(
            f"{'One image' if images else 'No image'} with {'particles' if with_particles else 'labels'}: a training "
            "needs two at least, one to learn from and one to judge the model on."
        )
    elif images < FEW_IMAGES and with_particles:
        noun = "labels" if checked.classes else "particles"
        checked.warn(
            f"You have only {images} images with {noun}. With 10 to 20 the test of the model is more reliable."
        )
    if checked.classes:
        if images and not with_particles:
            checked.error(f"No image has labelled pixels: no labels hold {', '.join(map(str, checked.classes))}.")
    elif images and not len(checked.diameters):
        checked.error("No image has particles: all labels are background.")


def groups_named(checked: CheckedFolder, group_of: dict[str, str]) -> None:
    unnamed = [p.name for p in checked.pairs if group_of and not {p.name, Path(p.name).stem} & set(group_of)]
    if unnamed:
        checked.warn(f"{checked.entry.groups} does not name {len(unnamed)} images: {some_of(unnamed)}.")
    groups = [pair.group for pair in checked.pairs if pair.taught]
    if len(groups) > 1 and len(set(groups)) == 1:
        checked.error(
            "All images are of one specimen, so none can be kept back to test the model. Add another specimen."
        )


def copies(checked: CheckedFolder) -> None:
    """One picture under two names, turned or mirrored ones too."""
    for one, other in same_pictures([pair.thumbnail for pair in checked.pairs]):
        a, b = checked.pairs[one], checked.pairs[other]
        if a.group == b.group:
            if source_of(Path(a.name).stem) == source_of(Path(b.name).stem):
                continue  # its own turned and mirrored forms
            checked.warn(f"{a.name} and {b.name} show the same picture.")
        else:
            checked.error(
                f"{a.name} and {b.name} show the same picture but are of two groups, so that one may be trained on and "
                "the other validated: drop one, or give both one group (--groups)."
            )


def same_pictures(thumbnails: list[Field]) -> Iterator[tuple[int, int]]:
    """Pairs of (S, S) thumbnails, each of mean 0 and norm 1, that agree in one of the 8 turned or mirrored forms."""
    if not thumbnails:
        return
    stack = np.stack(thumbnails)
    flat = stack.reshape(len(stack), -1)
    best = np.full((len(stack), len(stack)), -1.0, np.float32)
    for mirrored in (stack, stack[:, :, ::-1]):
        for turns in range(4):
            form = np.rot90(mirrored, turns, axes=(1, 2)).reshape(len(stack), -1)
            best = np.maximum(best, flat @ form.T)
    yield from (tuple(pair) for pair in np.argwhere(np.triu(best, 1) > SAME).tolist())
