"""Reads outlines from a COCO file: polygons, and run lengths, which are a list of numbers or packed into a text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..micrograph.types import UnreadableImage
from .shapes import LONGEST_REASON, Frame, Outline, OutlineFacts, outline_of

NO_COCO = "This JSON file is no COCO file of outlines: it needs a list of annotations with a segmentation each."
DAMAGED = "The annotation {number} of the COCO file is damaged: export the file again."
SEVERAL = "The COCO file contains {count} images, and not exactly one has the name of this one: export only this image."


def read_coco(path: Path, frame: Frame, name: str) -> Iterator[Outline]:
    """The outlines of one image in a COCO file; raises UnreadableImage.

    frame: size of the image. name: of the image's file; it is looked for if the COCO file has several images.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
        annotations = content["annotations"]
        images = {image["id"]: image for image in content.get("images", [])}
        classes = {category["id"]: str(category["name"]) for category in content.get("categories", [])}
        if not isinstance(annotations, list):
            raise TypeError("annotations is no list")
        image_id = _image_id(images, name)
        is_stored = _is_stored(images.get(image_id, {}), frame)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        if isinstance(error, UnreadableImage):
            raise
        raise UnreadableImage(NO_COCO) from error
    for number, annotation in enumerate(annotations, 1):
        try:
            if image_id is None or annotation["image_id"] == image_id:
                yield _outline(annotation, frame, classes, is_stored)
        except UnreadableImage:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise UnreadableImage(DAMAGED.format(number=number)) from error


def _image_id(images: dict[Any, Any], name: str) -> Any:
    """The id of the image in the file: the image of this name, or the only one; None if the file lists no images."""
    if not images:
        return None
    stems = {key: PurePosixPath(str(image.get("file_name", ""))).stem for key, image in images.items()}
    matches = [key for key in images if stems[key] == PurePosixPath(name).stem] or list(images)
    if len(matches) != 1:
        raise UnreadableImage(SEVERAL.format(count=len(images)))
    return matches[0]


def _is_stored(image: dict[str, Any], frame: Frame) -> bool:
    """Whether the outlines are in the pixels of the image's file, before these were made square (`Frame.stored`).

    Raises UnreadableImage for an image of another size.
    """
    if image.get("height") is None or image.get("width") is None:
        return False
    rows, columns = int(image["height"]), int(image["width"])
    is_stored = frame.is_stored(rows, columns)
    if not is_stored:
        frame.check(rows, columns)
    return is_stored


def _outline(annotation: dict[str, Any], frame: Frame, classes: dict[Any, str], is_stored: bool) -> Outline:
    """The outline of one annotation. classes: id of the category -> its name. is_stored: see `_is_stored`."""
    number, reason = annotation.get("id", 0), annotation.get("reason", "")
    facts = OutlineFacts(
        number if type(number) is int else 0,
        reason[:LONGEST_REASON] if isinstance(reason, str) else "",
        classes.get(annotation.get("category_id"), ""),
    )
    shape = annotation["segmentation"]
    if isinstance(shape, dict):
        return _outline_of_runs(shape, frame, facts)
    rings = [np.array(ring, np.float64).reshape(-1, 2) for ring in shape]
    if is_stored:
        rings = [ring * (frame.columns / frame.stored[1], frame.height / frame.stored[0]) for ring in rings]
    return outline_of(rings, frame.canvas, facts, joined=True)


def _outline_of_runs(runs: dict[str, Any], frame: Frame, facts: OutlineFacts) -> Outline:
    """The outline in COCO's run lengths. The pixels are counted down one column after the other; the lengths are those
    of background and object in turn."""
    rows, columns = map(int, runs["size"])
    is_stored = frame.is_stored(rows, columns)
    if not is_stored:
        frame.check(rows, columns)
    counts = np.array(_run_lengths(runs["counts"]) if isinstance(runs["counts"], str) else runs["counts"], np.int64)
    if counts.ndim != 1 or (counts < 0).any() or counts.sum() != rows * columns:
        raise ValueError("the run lengths do not fill the image")
    ends = np.cumsum(counts)
    begins, ends = (ends - counts)[1::2], ends[1::2]
    begins, ends = begins[ends > begins], ends[ends > begins]
    if not len(begins):
        return Outline((0, 0, 0, 0), np.zeros((0, 0), bool), facts)
    left, right = int(begins[0] // rows), int((ends[-1] - 1) // rows) + 1
    flat = np.zeros((right - left) * rows + 1, np.int8)
    np.add.at(flat, begins - left * rows, 1)
    np.add.at(flat, ends - left * rows, -1)
    inside = np.cumsum(flat[:-1], dtype=np.int8).astype(bool).reshape(right - left, rows).T
    if is_stored:
        whole = np.zeros((rows, columns), bool)
        whole[:, left:right] = inside
        whole = frame.fit(whole)[: frame.rows]
        return Outline((0, 0, *whole.shape), whole, facts)
    inside = inside[: frame.rows]
    return Outline((0, left, len(inside), right), inside, facts)


def _run_lengths(text: str) -> list[int]:
    """The numbers in COCO's packed run lengths (after pycocotools, `rleFrString`).

    A character holds six bits: five of a number, and whether the number goes on. From the fourth number on the text
    has the difference from the number two places before.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("no packed run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts
