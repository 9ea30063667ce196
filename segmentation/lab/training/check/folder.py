"""Checks a folder of images and labels before a training starts."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ....core.masks.truth import BadDataset, Pair, find_pairs, groups_in, read_groups
from ....core.stages.pace import reporting_progress
from ..contract import Say
from ..data import pairs_of
from ..files import as_json, from_json
from ..settings import FolderEntry, TrainingRecipe, number_of_classes
from .findings import CheckedFolder
from .pairs import CheckedPair, check_pair
from .rules import check_copies, check_groups, check_labels, check_number_of_images, check_tiles

GROUPS = "groups.csv"
VERSION = 4  # of stored pairs; raise it when `check_pair` gives other findings
DAMAGED = (ValueError, TypeError, LookupError, zlib.error)  # what `read_pair` raises for a damaged file
NOT_CAUGHT = (
    "The check for copies finds the same picture under another name, also turned by 90 degrees or mirrored. It does not"
    " find crops, stretched or distorted copies, or copies with another contrast: list their source in groups.csv."
)


def check_folder(
    folder: Path,
    *,
    images: str = "",
    labels: str = "",
    groups: str = "",
    classes: tuple[int, ...] = (),
    count: int = 0,
    task: str = "",
    say: Say = lambda line: None,
) -> CheckedFolder:
    """The findings for a folder of images and labels.

    images, labels, groups: names of its parts; "": the usual names. classes, count: see `find_pairs`. task: the task
    to train, if it is known. say: gets the progress.
    """
    groups = groups or (GROUPS if (folder / GROUPS).is_file() else "")
    checked = CheckedFolder(FolderEntry(path=str(folder), images=images, labels=labels, groups=groups), classes, task)
    try:
        table = groups_in(folder, groups)
        folder_pairs = find_pairs(folder, images, labels, groups=table, classes=classes, count=count)
        checked.classes = folder_pairs.pairs[0].classes if folder_pairs.pairs else classes
        group_of = read_groups(table) if table else {}
    except BadDataset as error:
        checked.add("unreadable", why=error)
        return checked
    for picture in folder_pairs.unlabelled:
        checked.add("unlabelled", name=picture.name)
    for truth in folder_pairs.unmatched:
        checked.add("stray", name=truth.name)
    for pair in reporting_progress(folder_pairs.pairs, len(folder_pairs.pairs), say):
        _add_pair(checked, pair)
    paired = [file for pair in folder_pairs.pairs for file in pair.files]
    _apply_rules(
        checked, group_of, [file.name for file in (*paired, *folder_pairs.unlabelled, *folder_pairs.unmatched)]
    )
    return checked


def check_pairs(
    pairs: Sequence[CheckedPair], errors: Sequence[str], names: Sequence[str], *, classes: tuple[int, ...], task: str
) -> CheckedFolder:
    """The findings of `check_folder`, from pairs that were checked one by one.

    pairs: each with the group of its image. errors: sentences about pairs that cannot be read. names: of all files.
    classes, task: as in `CheckedFolder`.
    """
    checked = CheckedFolder(FolderEntry(path="", groups=GROUPS), classes, task, list(pairs))
    for error in errors:
        checked.add("unreadable", why=error)
    _apply_rules(checked, {pair.name: pair.group for pair in pairs}, names)
    return checked


def _apply_rules(checked: CheckedFolder, group_of: dict[str, str], names: Sequence[str]) -> None:
    """Add the findings about all pairs together. group_of: the table of groups. names: of all files."""
    for rule in (check_labels, check_number_of_images, check_tiles, check_copies):
        rule(checked)
    check_groups(checked, group_of)
    checked.shorten(names)


def check_sources(recipe: TrainingRecipe, base: Path, say: Say) -> None:
    """Check every folder of a recipe as a training would read it, and print the findings.

    base: the recipe's paths are relative to it. Raises BadDataset if a folder has errors, with the first error and the
    number of errors; BadRecipe if it may not be used.
    """
    paths: set[str] = set()  # a folder may be used twice: as it is, and for composites
    for entry in recipe.sources:
        if isinstance(entry, FolderEntry) and entry.path not in paths:
            paths.add(entry.path)
            checked = inspect_source(entry, base, number_of_classes(recipe.task, recipe.heads), recipe.task)
            for finding in checked.findings:
                say(f"{entry.path}: {finding}")
            checked.refuse(entry.path)


def inspect_source(entry: FolderEntry, base: Path, count: int = 0, task: str = "") -> CheckedFolder:
    """The findings for a folder of a recipe. Too few images are no finding, because the recipe may have other sources.

    Copies, and tiles in several groups, are searched if `use` is "both". Raises BadDataset if the folder cannot be
    read at all, BadRecipe if it may not be used.
    """
    pairs = pairs_of(base / entry.path, entry, count)
    checked = CheckedFolder(entry, pairs[0].classes, task)
    for pair in pairs:
        _add_pair(checked, pair)
    check_labels(checked)
    if entry.use == "both":
        check_tiles(checked)
        check_copies(checked)
    checked.shorten([file.name for pair in pairs for file in pair.files])
    return checked


def _add_pair(checked: CheckedFolder, pair: Pair) -> None:
    """Check a pair, and add it, or the error that it cannot be read."""
    try:
        checked.pairs.append(check_pair(pair))
    except BadDataset as error:
        checked.add("unreadable", why=error)


def mark(*what: Any) -> str:
    """A hash for the name of the file of a stored pair. what: all data on which the findings depend."""
    return hashlib.sha256(json.dumps([VERSION, *what]).encode()).hexdigest()[:16]


def write_pair(pair: CheckedPair, file: Path) -> None:
    """Write a checked pair, with its small pictures only if its labels may belong to another image."""
    pair = pair if pair.astray else replace(pair, small=np.zeros((0, 0), np.uint8), small_labels=np.zeros((0, 0), int))
    file.write_bytes(zlib.compress(as_json(CheckedPair, pair).encode()))


def read_pair(file: Path) -> CheckedPair:
    """A pair that `write_pair` wrote; raises one of DAMAGED if the file is damaged."""
    pair: CheckedPair = from_json(CheckedPair, zlib.decompress(file.read_bytes()))
    return pair
