"""Reads a file of outlines from another tool as labels of a result's image, or as ground truth of a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from ..labels.segmentation import MASKS, MOST_IDS, Provenance, Segmentation
from ..learning.dataset_files import UNLABELLED
from ..masks.label_images import as_labels, calibration_in_file, read_array, read_numbers
from ..measure.objects.filters import Reason
from ..micrograph.types import UnreadableImage
from ..report.figures.picture import COLOURS
from ..tasks.base import Task
from . import coco
from .imagej import read_rois
from .kinds import COCO, HEAD_BYTES, IMAGES, ROI, suffix_and_kind
from .shapes import MANY, MOST_OUTLINES, Frame, Outline, PaintedLabels, paint

NOT_ANALYSED = 255  # the value of pixels without a class, also in our own labels.tif
SCALE_TOLERANCE = 0.01  # relative difference of two scales that are taken as equal
# Sentences for the user.
OTHER_NUMBER = "The file holds the number {found}, but here the classes are {classes}, and 255 is none of them."
OTHER_COLOUR = (
    "The file contains a colour that is none of the classes {classes}: save one number for each class, or their"
    " colours in the figure."
)
NOTHING = "The file holds no outline in this image: choose another file, or export it again."
ALL_OUTSIDE = "All {count:,} outlines of the file lie outside the analysed part of this image: is it another image?"
OTHER_SCALE = (
    "The file says {own:.4g} nm per pixel and this result {here:.4g} nm: set the width of this result first, or save"
    " the outlines without a scale."
)
NO_CLASSES = "A set of ROIs names no classes: send a label image with the classes {names}, or COCO JSON."
NO_CLASS = "The category {name!r} of the file is none of the classes {names}."


@dataclass(frozen=True, eq=False, config=ConfigDict(arbitrary_types_allowed=True))
class Outlines:
    """The outlines that a file holds.

    labels: (H, W) int32, ids of the outlines; `_outlines_of_objects` and `_outlines_of_classes` give only the
    analysed rows. classes: id -> index of the class. reasons: id -> why the outline was left out. format: of the
    file, in words. overlapping: number of outlines that lie on earlier ones. notes: sentences for the user.
    """

    labels: Annotated[NDArray[np.int32], Field(exclude=True)]
    classes: Mapping[int, int]
    reasons: Mapping[int, str]
    format: str
    overlapping: int = 0
    notes: tuple[str, ...] = ()

    def segmentation(
        self, parent: Segmentation, *, name: str, sha256: str, version: str, parent_id: str = "", semantic: bool = False
    ) -> Segmentation:
        """A segmentation with these outlines, which replaces `parent`, another segmentation of the same image.

        The outlines count as made by hand. There is one exception: an outline that DeepSegm had left out in
        `parent` and that is unchanged here is judged again.

        name, sha256: of the file. version: of DeepSegm. parent_id: id of the parent. semantic: `Task.semantic`.
        The values that describe the network's work are dropped. Its maps stay, because people need them to add missed
        objects and to split joined ones.
        """
        ids = np.array(sorted(self.classes), np.int32)
        left_out_by_us = {number for number, why in self.reasons.items() if why in list(Reason)}
        # An outline also counts as unchanged if its only lost pixels belong to another outline now.
        grown = self.labels[(self.labels != parent.labels) & np.isin(self.labels, list(left_out_by_us))]
        shrunk = parent.labels[(self.labels == 0) & np.isin(parent.labels, list(left_out_by_us))]
        unchanged = (
            (left_out_by_us & set(np.unique(parent.labels).tolist())) - set(grown.tolist()) - set(shrunk.tolist())
        )
        confidence = dict(zip(parent.ids.tolist(), parent.confidence.tolist(), strict=True))
        origin = parent.provenance
        source = {"outlines": len(ids), "file": name, "format": self.format, "sha256": sha256}
        # The options of the model's card say, for the kind layers, which class is the layer.
        card = {"name": MASKS, "sha256": sha256, **({"options": origin.card.get("options", {})} if semantic else {})}
        return Segmentation(
            self.labels,
            ids,
            np.array([self.classes[number] for number in ids.tolist()], np.int32),
            parent.class_names,
            np.array([confidence[number] if number in unchanged else np.nan for number in ids.tolist()], np.float32),
            parent.rows,
            Provenance(origin.micrograph, origin.task, origin.settings, card, version, parent_id),
            {"imported": {**source, "overlapping": self.overlapping, "notes": list(self.notes)}},
            maps=parent.maps,
            by_hand=frozenset(ids.tolist()) - unchanged,
            set_aside={number: why for number, why in self.reasons.items() if number not in left_out_by_us - unchanged},
        )


OUTLINES_JSON = TypeAdapter(Outlines)  # writes all fields but the labels as JSON


def read_outlines(
    path: Path, frame: Frame, task: Task, names: Sequence[str], *, image: str = "", nm_per_pixel: float | None = None
) -> Outlines:
    """The outlines in a file, for an image of the size `frame`. Raises UnreadableImage, one sentence for the user.

    names: of the classes. image: name of the micrograph's file. nm_per_pixel: of the result, None where not known.
    """
    with path.open("rb") as file:
        _, kind = suffix_and_kind(file.read(HEAD_BYTES))
    if kind == IMAGES:
        stated = calibration_in_file(path).nm_per_pixel
        if stated and nm_per_pixel and abs(stated - nm_per_pixel) > SCALE_TOLERANCE * nm_per_pixel:
            raise UnreadableImage(OTHER_SCALE.format(own=stated, here=nm_per_pixel))
    reader = _outlines_of_classes if task.semantic else _outlines_of_objects
    outlines = reader(path, frame, kind, task, names, image)
    if not outlines.classes:
        raise UnreadableImage(NOTHING)
    whole = np.zeros((frame.height, frame.columns), np.int32)
    whole[: frame.rows] = outlines.labels
    return replace(outlines, labels=whole)


def read_truth(
    path: Path, frame: Frame, task: Task, names: Sequence[str], image: str, *, exported: bool = False
) -> NDArray[np.int32]:
    """The ground truth (H, W) int32 in a file: ids of objects, 0 between them; or the class of each pixel from 0 on, or
    UNLABELLED. A file without any object is allowed. Raises UnreadableImage.

    frame: size of the image, without a data bar. names, image: as in `read_outlines`. exported: whether the file comes
    from a dataset that DeepSegm exported.
    """
    with path.open("rb") as file:
        _, kind = suffix_and_kind(file.read(HEAD_BYTES))
    if task.semantic:
        classes = _outlines_of_classes(path, frame, kind, task, names, image, exported=exported).labels
        return np.where(classes > 0, classes - 1, UNLABELLED).astype(np.int32)
    if kind != IMAGES:
        return paint(_file_outlines(path, frame, kind, image, []), frame.canvas).labels
    numbers = frame.fit(read_numbers(path))
    if numbers.max(initial=0) >= MOST_IDS:
        return as_labels(numbers)[0]
    labels: NDArray[np.int32] = np.maximum(numbers, 0).astype(np.int32)
    return labels


def _outlines_of_objects(path: Path, frame: Frame, kind: str, task: Task, names: Sequence[str], image: str) -> Outlines:
    """The outlines of objects in a file. If objects have classes (`names`), their names in the file tell the class."""
    if kind == IMAGES:
        labels, changes = read_objects(path, frame, corners=task.corners)
        ids = np.unique(labels[labels > 0]).tolist()
        return Outlines(labels, dict.fromkeys(ids, 0), {}, _format(path, kind), 0, tuple(changes))
    left_out: list[str] = []
    painted = paint(_file_outlines(path, frame, kind, image, left_out), frame.canvas)
    visible = np.unique(painted.labels[painted.labels > 0]).tolist()
    if not visible and painted.outside:
        raise UnreadableImage(ALL_OUTSIDE.format(count=painted.outside))
    numbers = {name: number for number, name in enumerate(names)}
    classes = {number: numbers.get(painted.facts[number].class_name, 0) for number in visible}
    reasons = {number: painted.facts[number].reason for number in visible if painted.facts[number].reason}
    notes = tuple(_notes(painted, len(painted.facts) - len(visible), len(left_out)))
    return Outlines(painted.labels, classes, reasons, _format(path, kind), painted.overlapping, notes)


def _outlines_of_classes(
    path: Path, frame: Frame, kind: str, task: Task, names: Sequence[str], image: str, *, exported: bool = False
) -> Outlines:
    """The classes of the pixels in a file. A label image has their numbers, COCO their names; ImageJ has no classes."""
    if kind == IMAGES:
        labels = read_classes(path, frame, names, exported=exported)
        overlapping = 0
    elif kind == COCO:
        numbers_of_names = {name: number for number, name in enumerate(names, 1)}
        painted = paint(_file_outlines(path, frame, kind, image, []), frame.canvas)
        if unknown := {facts.class_name for facts in painted.facts.values()} - numbers_of_names.keys():
            raise UnreadableImage(NO_CLASS.format(name=min(unknown), names=", ".join(names)))
        numbers = np.zeros(max(painted.facts, default=0) + 1, np.int32)
        for number, facts in painted.facts.items():
            numbers[number] = numbers_of_names[facts.class_name]
        labels, overlapping = numbers[painted.labels], painted.overlapping
    else:
        raise UnreadableImage(NO_CLASSES.format(names=", ".join(names)))
    present = np.unique(labels[labels > 0]).tolist()
    return Outlines(labels, {number: number - 1 for number in present}, {}, _format(path, kind), overlapping)


def _file_outlines(path: Path, frame: Frame, kind: str, image: str, left_out: list[str]) -> Iterator[Outline]:
    if kind == COCO:
        return coco.read_coco(path, frame, image)
    return read_rois(path, frame.canvas, left_out)


def _format(path: Path, kind: str) -> str:
    if kind == IMAGES:
        return f"{path.suffix[1:].upper().replace('TIF', 'TIFF').replace('NPY', 'npy')} labels"
    return "ImageJ" if kind == ROI else kind


def _notes(painted: PaintedLabels, hidden: int, left_out: int) -> Iterator[str]:
    for count, sentence in (
        (painted.overlapping, "Outlines of the file that lie on an earlier one: {:,}. There the later one counts."),
        (hidden, "Outlines of the file that later ones cover completely: {:,}. They are left out."),
        (painted.outside, "Outlines of the file outside the analysed part of the image: {:,}. They are left out."),
        (left_out, "Lines, points and texts of the file: {:,}. They have no area and are left out."),
    ):
        if count:
            yield sentence.format(count)


def read_objects(path: Path, frame: Frame, *, corners: bool) -> tuple[NDArray[np.int32], list[str]]:
    """The labels (rows, W) int32 of objects in a label image, and sentences about changes. Raises UnreadableImage.

    A mask without numbers is divided into its connected pieces. corners: whether pixels that share only a corner are
    connected.
    """
    numbers = frame.fit(read_numbers(path))[: frame.rows]
    present = np.unique(numbers)
    present = present[present > 0]
    if len(present) > MOST_OUTLINES:
        raise UnreadableImage(MANY)
    if len(present) > 1 and present[-1] < MOST_IDS:
        return np.where(numbers > 0, numbers, 0).astype(np.int32), []
    labels, notes = as_labels(numbers, corners=corners)
    if labels.max(initial=0) > MOST_OUTLINES:
        raise UnreadableImage(MANY)
    return labels, list(notes)


def read_classes(path: Path, frame: Frame, names: Sequence[str], *, exported: bool = False) -> NDArray[np.int32]:
    """1 + the class of each pixel (rows, W) int32, 0 where it has none; raises UnreadableImage.

    The file holds the numbers of the classes from 0 on and 255 for no class, or it holds the colours that the figure
    gives to the classes and black for no class. If there are two classes, a mask from
    another tool with only 0 and 255 gives both of them; in our own files (exported) 255 means no class even then.
    """
    values = read_array(path)
    if values.ndim == 3 and values.shape[2] in (3, 4) and (values[..., :3] != values[..., :1]).any():
        return _classes_of_colours(values[..., :3], frame, names)
    numbers = frame.fit(read_numbers(path))[: frame.rows]
    present = set(np.unique(numbers).tolist())
    if len(names) == 2 and present == {0, NOT_ANALYSED} and not exported:
        return np.where(numbers == 0, 1, 2).astype(np.int32)
    if wrong := sorted(present - {*range(len(names)), NOT_ANALYSED}):
        raise UnreadableImage(OTHER_NUMBER.format(found=wrong[0], classes=_numbered_list(names)))
    return np.where(numbers == NOT_ANALYSED, 0, numbers.astype(np.int64) + 1).astype(np.int32)


def _classes_of_colours(values: NDArray[Any], frame: Frame, names: Sequence[str]) -> NDArray[np.int32]:
    """1 + the class of each pixel (rows, W), as from `read_classes`, from an image (H, W, 3) in the figure's
    colours."""
    values = frame.fit(values)[: frame.rows]
    labels = np.zeros(values.shape[:2], np.int32)
    classified = (values == 0).all(2)
    for number, colour in enumerate(COLOURS[: len(names)]):
        of_class = (values == colour).all(2)
        labels[of_class & ~classified] = number + 1
        classified |= of_class
    if not classified.all():
        raise UnreadableImage(OTHER_COLOUR.format(classes=_numbered_list(names)))
    return labels


def _numbered_list(names: Sequence[str]) -> str:
    return ", ".join(f"{number} ({name})" for number, name in enumerate(names))
