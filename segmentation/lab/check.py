"""What is wrong with a folder of a user's own images and masks, before any training starts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.pace import followed
from ..core.settings import DEFAULT_TASK
from ..core.truth import UNLABELLED, BadDataset, Pair, find_pairs, groups_in, read_groups, source_of
from .agreement import SURE, agreement
from .data import pairs_of
from .look import FEW_NUMBERS, Looked, look_at
from .settings import SIZES, FolderEntry, TrainingRecipe, number_of_classes, read_toml

GROUPS = "groups.csv"
RECIPES = Path(__file__).parent / "recipes"
SAME = 0.99  # correlation of two thumbnails that show one picture
ALIKE = 9  # findings that differ only in names and numbers; of more the first stands for all
ASTRAY = "{number} labels follow the edges of their image only by chance, as labels of another image would: {names}."
FEW_ASTRAY = 0.25  # share of the images
NOT_CAUGHT = (
    "The check for copies finds the same picture under another name, also turned by 90 degrees or mirrored. It does not"
    " find crops, stretched or distorted copies, or copies with another contrast: list their source in groups.csv."
)
FEW_IMAGES = 5
PIECES = 5  # of a number in an image, from which it is no single particle
MOST = 0.8  # of the files
CLASSES_FIT = 5.0  # SD, as of `agreement`; classes of another image reach 3.5 on 54 images of three materials
MERGED = 0.2  # share of the labelled area in pieces like several particles that is worth a word
FULL = 0.75  # labelled share of an image from which a mask looks inverted


@dataclass(frozen=True)
class Finding:
    """One sentence; `mend`: no training should start before it is put right, otherwise it is worth a look."""

    mend: bool
    sentence: str

    def __str__(self) -> str:
        return f"{'mend' if self.mend else 'look'}: {self.sentence}"


@dataclass
class Checked:
    """The result of a check.

    entry: how to read the folder. classes: see `Pair`. task: the task to train, if it is known. pairs: all readable
    pairs. findings: in file order.
    """

    entry: FolderEntry
    classes: tuple[int, ...] = ()
    task: str = ""
    pairs: list[Looked] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def to_mend(self) -> list[str]:
        return [finding.sentence for finding in self.findings if finding.mend]

    @property
    def diameters(self) -> NDArray[np.float64]:
        """ECD in px of all particles."""
        return np.concatenate([np.zeros(0), *(pair.diameters for pair in self.pairs)])

    @property
    def summary(self) -> str:
        """One line: how much there is."""
        if self.classes:
            told = f"{len(self.pairs)} images with labels ({len(self.classes)} classes)."
            return "\n".join([told, *self.table])
        kind = "binary masks" if is_binary(self) else "one number per particle"
        middle = f", median diameter {np.median(self.diameters):.1f} px" if len(self.diameters) else ""
        return f"{len(self.pairs)} images with labels ({kind}), {len(self.diameters)} particles{middle}."

    @property
    def table(self) -> list[str]:
        """Lines on how much of the labelled area each class has, and by the number in the files which."""
        shares = np.array([pair.shares for pair in self.pairs], float).reshape(-1, len(self.classes))
        if not len(shares):
            return []
        figures = zip(self.classes, shares.mean(0), shares.min(0), shares.max(0), (shares > 0).sum(0), strict=True)
        rows = [
            f"{place:5d} {number:6d} {mean:8.2%} {low:8.2%} {high:8.2%} {images:6d}"
            for place, (number, mean, low, high, images) in enumerate(figures)
        ]
        return ["class number     mean   lowest  highest images", *rows]

    def refuse(self, where: str, advice: str = "") -> None:
        """Raise BadDataset when there is something to mend: the first sentence, how many more, and the advice."""
        if wrong := self.to_mend:
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise BadDataset(f"{where}: {wrong[0].rstrip('.')}{more}{advice}.")

    def mend(self, sentence: str) -> None:
        self.findings.append(Finding(True, sentence))

    def look(self, sentence: str) -> None:
        self.findings.append(Finding(False, sentence))

    def shorten(self, names: Iterable[str]) -> None:
        """Let one finding stand for all that differ from it only in names of files and in numbers."""
        known = re.compile("|".join([*map(re.escape, sorted(set(names), key=len, reverse=True)), r"\d+(?:\.\d+)?"]))
        alike: dict[tuple[bool, str], list[Finding]] = {}
        for finding in self.findings:
            alike.setdefault((finding.mend, known.sub("#", finding.sentence)), []).append(finding)
        self.findings = []
        for some in alike.values():
            self.findings += some if len(some) <= ALIKE else some[:1]
            if len(some) > ALIKE:
                files = [match[0] for each in some[1:] if (match := known.search(each.sentence))]
                more = f"The same is true {len(some) - 1} more times: {_some(files)}."
                self.findings[-1] = replace(some[0], sentence=f"{some[0].sentence} {more}")


def inspect(
    folder: Path,
    *,
    images: str = "",
    labels: str = "",
    groups: str = "",
    classes: tuple[int, ...] = (),
    count: int = 0,
    task: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Checked:
    """Check a folder. The names of its parts are found out where they are not given.

    classes, count: see `find_pairs`. task: the task to train, if it is known. say: gets the progress.
    """
    groups = groups or (GROUPS if (folder / GROUPS).is_file() else "")
    checked = Checked(FolderEntry(path=str(folder), images=images, labels=labels, groups=groups), classes, task)
    try:
        table = groups_in(folder, groups)
        found = find_pairs(folder, images, labels, groups=table, classes=classes, count=count)
        checked.classes = found.pairs[0].classes if found.pairs else classes
        group_of = read_groups(table) if table else {}
    except BadDataset as error:
        checked.mend(str(error))
        return checked
    for picture in found.unlabelled:
        checked.mend(f"{picture.name} has no labels.")
    for truth in found.strays:
        checked.mend(f"{truth.name} are labels without an image.")
    for pair in followed(found.pairs, len(found.pairs), say):
        _look_at_pair(checked, pair)
    for rule in (_of_every_folder, _numbers, _groups_of_tiles, _same_pictures):
        rule(checked)
    _groups(checked, group_of)
    checked.shorten(
        [file.name for file in (*(f for p in found.pairs for f in p.files), *found.unlabelled, *found.strays)]
    )
    return checked


def check_sources(recipe: TrainingRecipe, base: Path, say: Callable[[str], None]) -> None:
    """Look at every folder of a recipe as a training would read it, and say what is odd.

    base: the recipe's paths are relative to it. Raises BadDataset where a folder is not fit to train on, with the first
    error and the number of errors; BadRecipe where it may not be used.
    """
    for entry in recipe.sources:
        if isinstance(entry, FolderEntry):
            checked = inspect_source(entry, base, number_of_classes(recipe.task, recipe.heads), recipe.task)
            for finding in checked.findings:
                say(f"{entry.path}: {finding}")
            checked.refuse(entry.path)


def copied(recipe: TrainingRecipe) -> str:
    """Such as "title and limits": what a recipe of another name that comes with the software says in the same words."""
    others = [read_toml(file) for file in sorted(RECIPES.glob("*.toml"))]
    same = [
        entry
        for entry in ("title", "summary", "limits")
        if (own := getattr(recipe, entry))
        and any(other.get(entry) == own and other.get("name") != recipe.name for other in others)
        and not any(other.get(entry) == own and other.get("name") == recipe.name for other in others)
    ]
    return " and ".join(same).capitalize()


def inspect_source(entry: FolderEntry, base: Path, count: int = 0, task: str = "") -> Checked:
    """What `inspect` says of a folder of a recipe; whether it is enough depends on the recipe's other sources.

    Raises BadDataset when it cannot be read at all, BadRecipe when it may not be used.
    """
    pairs = pairs_of(base / entry.path, entry, count)
    checked = Checked(entry, pairs[0].classes, task)
    for pair in pairs:
        _look_at_pair(checked, pair)
    _of_every_folder(checked)
    if entry.use == "both":
        _groups_of_tiles(checked)
        _same_pictures(checked)
    checked.shorten([file.name for pair in pairs for file in pair.files])
    return checked


def _look_at_pair(checked: Checked, pair: Pair) -> None:
    try:
        looked = look_at(pair)
    except BadDataset as error:
        checked.mend(str(error))
        return
    checked.pairs.append(looked)


def is_binary(checked: Checked) -> bool:
    """Whether no labels file knows more than one kind of particle pixel."""
    return bool(checked.pairs) and all(pair.labels_used <= 1 for pair in checked.pairs)


def _some(names: Sequence[str], most: int = 3, more: str = "more") -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} {more}" if len(names) > most else "")


def _named(counts: dict[str, int]) -> str:
    """Files with the number of something in each, the worst first."""
    worst = sorted(counts, key=lambda name: -counts[name])
    return _some([f"{name} ({counts[name]})" for name in worst], more="more files")


def another_kind(pairs: Sequence[Looked]) -> str:
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
    each = [pair.pieces / max(1, pair.labels_used) for pair in pairs]
    if len(common) >= 2 and len(uses) <= FEW_NUMBERS and np.median(each) >= PIECES:
        numbers = ", ".join(map(str, sorted(uses)))
        return (
            f"The same few numbers in every image ({numbers}), each in many pieces, look like classes: train phases on"
            ' them (task = "phases"), or give each particle a number of its own.'
        )
    return ""


def _of_every_folder(checked: Checked) -> None:
    """What the images hold or have lost."""
    pairs, look = checked.pairs, checked.look
    kind = "" if checked.classes or checked.task not in ("", DEFAULT_TASK) else another_kind(pairs)
    if kind:
        (checked.mend if checked.task else look)(kind)
    for sentence in () if kind else (sentence for pair in pairs for sentence in pair.wrong):
        checked.mend(sentence)
    if bars := {pair.name: pair.bar_rows for pair in pairs if pair.bar_rows}:
        look(f"{len(bars)} images seem to end in a data bar, to be cut off, from labels too, rows: {_named(bars)}.")
    if not kind:
        (_classes if checked.classes else _objects)(checked)


def _classes(checked: Checked) -> None:
    """Labels of classes that are odd."""
    odd = _exchanged(checked)
    astray = [pair.name for pair in checked.pairs if pair.astray and pair.name not in odd]
    if 0 < len(astray) < FEW_ASTRAY * len(checked.pairs):  # else borders of classes are no edges in such images
        checked.look(ASTRAY.format(number=len(astray), names=_some(astray)))
    strange: dict[int, dict[str, int]] = {}
    for pair in checked.pairs:
        for value, pixels in pair.strange.items():
            strange.setdefault(value, {})[pair.name] = pixels
    for value, files in sorted(strange.items()):
        usual = value in (0, UNLABELLED)
        (checked.look if usual else checked.mend)(
            f"The number {value} stands for no class; its {sum(files.values())} pixels "
            f"{'count as not labelled' if usual else 'are labelled wrongly, or --classes lacks it'}: {_named(files)}."
        )
    for place, number in enumerate(checked.classes):
        holders = sum(pair.shares[place] > 0 for pair in checked.pairs)
        if checked.pairs and holders < 2:
            checked.look(
                f"{'Only one image has' if holders else 'No image has'} pixels of class {number}: it cannot be learnt "
                "and validated."
            )


def _groups_of_tiles(checked: Checked) -> None:
    """Tiles and turned or mirrored forms of one image, by their names."""
    groups: dict[str, set[str]] = {}
    for pair in checked.pairs:
        groups.setdefault(source_of(Path(pair.name).stem), set()).add(pair.group)
    if leaks := sorted(source for source, names in groups.items() if len(names) > 1):
        checked.mend(
            f"Pieces of {_some(leaks)} are of several groups, so that one may be trained on and another validated: "
            "give all pieces of an image one group, or leave the groups out."
        )


def _objects(checked: Checked) -> None:
    """Labels of objects that are odd."""
    pairs, look, binary = checked.pairs, checked.look, is_binary(checked)
    odd = _exchanged(checked)
    share = sum(pair.merged_area for pair in pairs) / max(1, sum(pair.labelled_area for pair in pairs))
    if binary and share > MERGED:
        look(
            f"The masks are binary, and {share:.0%} of their area are pieces shaped like several particles in one: "
            "give each particle a number of its own, or the network learns to merge those that touch."
        )
    full = {pair.name for pair in pairs if pair.labels_used == 1 and pair.labelled > FULL and not pair.wrong}
    if inverted := [pair.name for pair in pairs if pair.gaps or pair.name in full]:
        (checked.mend if len(inverted) > len(pairs) / 2 else look)(
            f"{len(inverted)} masks look inverted: they cover more than {FULL:.0%} of the image, or have the shapes of "
            f"gaps between particles. Background is 0: {_some(inverted)}."
        )
    empty = [pair.name for pair in pairs if not len(pair.diameters)]
    if 0 < len(empty) < len(pairs):
        look(f"{len(empty)} images have no particles and are left out of training: {_some(empty)}.")
    if astray := [pair.name for pair in pairs if pair.astray and pair.name not in odd]:
        look(ASTRAY.format(number=len(astray), names=_some(astray)))
    shared = {pair.name: pair.shared for pair in pairs if pair.shared}
    if shared and not binary:
        count = sum(shared.values())
        look(f"{count} numbers belong to several separate pieces, each taken as a particle: {_named(shared)}.")
    least = SIZES[0] / 2  # a picture is magnified twice at most
    if small := [f"{pair.name} ({pair.median:.1f} px)" for pair in pairs if 0 < pair.median < least]:
        look(
            f"In {len(small)} images the median particle is under {least:g} px, too small to be outlined well: "
            f"{_some(small)}."
        )


def _exchanged(checked: Checked) -> set[str]:
    """Report labels that do not fit their own image and plainly fit another one; returns the names of the images."""
    astray, found = [pair for pair in checked.pairs if pair.astray], set()
    for pair in astray:
        others = [other for other in astray if other is not pair and other.shape == pair.shape]
        scores = [fit.score if (fit := agreement(o.small, pair.small_labels)) else 0.0 for o in others]
        if scores and max(scores) >= (CLASSES_FIT if pair.classes else SURE):
            other = others[int(np.argmax(scores))]
            checked.mend(f"The labels of {pair.name} fit {other.name}, not their own image: they were exchanged.")
            found.add(pair.name)
    return found


def _numbers(checked: Checked) -> None:
    """Too few images or particles."""
    with_particles = sum(pair.taught for pair in checked.pairs)
    images = with_particles or len(checked.pairs)
    if images < 2:
        checked.mend(
            f"{'One image' if images else 'No image'} with {'particles' if with_particles else 'labels'}: a training "
            "needs two at least, one to train on and one to validate on."
        )
    elif images < FEW_IMAGES:
        shown = "labels" if checked.classes else "particles"
        checked.look(f"{images} images with {shown} are few: with 10 to 20 the validation says more.")
    if checked.classes:
        if images and not with_particles:
            checked.mend(f"No image has labelled pixels: no labels hold {', '.join(map(str, checked.classes))}.")
    elif images and not len(checked.diameters):
        checked.mend("No image has particles: all labels are background.")


def _groups(checked: Checked, group_of: dict[str, str]) -> None:
    unnamed = [p.name for p in checked.pairs if group_of and not {p.name, Path(p.name).stem} & set(group_of)]
    if unnamed:
        checked.look(f"{checked.entry.groups} does not name {len(unnamed)} images: {_some(unnamed)}.")
    groups = [pair.group for pair in checked.pairs if pair.taught]
    if len(groups) > 1 and len(set(groups)) == 1:
        checked.mend("All images with particles are of one group: none can be held out for validation.")


def _same_pictures(checked: Checked) -> None:
    """One picture under two names, turned or mirrored ones too."""
    for one, other in same_pictures([pair.thumbnail for pair in checked.pairs]):
        a, b = checked.pairs[one], checked.pairs[other]
        if a.group == b.group:
            if source_of(Path(a.name).stem) == source_of(Path(b.name).stem):
                continue  # its own turned and mirrored forms
            checked.look(f"{a.name} and {b.name} show the same picture.")
        else:
            checked.mend(
                f"{a.name} and {b.name} show the same picture but are of two groups, so that one may be trained on and "
                "the other validated: drop one, or give both one group (--groups)."
            )


def same_pictures(thumbnails: list[NDArray[np.float32]]) -> Iterator[tuple[int, int]]:
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
