"""The export `coco.json`: objects as annotations in the format of the COCO dataset, for training
and annotation tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ... import tasks
from ...analysis import Analysis, ExportedObjects
from ..outlines import NO_WHOLES, Ints, Points, Polygon, signed_area
from ..wording import version, write_json
from .base import Export

POSSIBLY_WRONG = "possibly wrong"  # category of left out objects


def as_dict(
    analysis: Analysis, object_polygons: list[list[Polygon]], wholes: Mapping[int, Points] = NO_WHOLES
) -> dict[str, Any]:
    """The content of coco.json in plain JSON types: one image, and one annotation per object under
    its id.

    object_polygons: the polygons of each object. wholes: the outlines of completed objects by their index.
    "categories" are the classes, then POSSIBLY_WRONG for left out objects of any class. "segmentation" has polygons in
    px along pixel edges; an object with holes has run lengths down the columns instead, because a polygon of COCO
    cannot have holes. "area" is in pixels, "bbox" is left, top, width, height. "whole" is the outline of a completed
    object, with what others cover. "reason", "confidence" and "whole" are not part of COCO.
    """
    size = analysis.micrograph.shape
    task = tasks.find(analysis.segmentation.provenance.task)
    objects = ExportedObjects.of(analysis)
    categories = [*analysis.segmentation.class_names, POSSIBLY_WRONG]
    annotations = [
        {
            "id": int(objects.ids[i]),
            "image_id": 1,
            "category_id": 1 + categories.index(objects.classes[i]) if objects.kept[i] else len(categories),
            **geometry(polygons, size),
            "reason": objects.reasons[i],
            "confidence": objects.confidence[i],
            **({"whole": [wholes[i].round(2).ravel().tolist()]} if i in wholes else {}),
        }
        for i, polygons in enumerate(object_polygons)
    ]
    return {
        "info": {
            "description": f"{task.things.capitalize()} of one micrograph",
            "version": version(),
            "sha256": analysis.micrograph.shown_file[1],
        },
        "licenses": [],
        "images": [{"id": 1, "file_name": analysis.micrograph.shown_file[0], "width": size[1], "height": size[0]}],
        "categories": [{"id": i, "name": name, "supercategory": task.thing} for i, name in enumerate(categories, 1)],
        "annotations": annotations,
    }


def geometry(polygons: list[Polygon], size: tuple[int, int]) -> dict[str, Any]:
    """The entries of an annotation that describe the pixels of an object: its area, box and
    outline.

    polygons: of the object. size: of the image (H, W).
    """
    rings = [ring for polygon in polygons for ring in (polygon.outer, *polygon.holes)]
    corners = np.concatenate([polygon.outer for polygon in polygons])
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    outline = (
        _run_lengths(polygons, size)
        if len(rings) > len(polygons)
        else [part.outer.ravel().tolist() for part in polygons]
    )
    return {
        "iscrowd": 0,
        "area": round(sum(signed_area(ring) for ring in rings)),
        "bbox": [left, top, right - left, bottom - top],
        "segmentation": outline,
    }


def _run_lengths(polygons: list[Polygon], size: tuple[int, int]) -> dict[str, Any]:
    """The object as COCO's run lengths: the numbers of pixels of background, object, background and
    so on, counted down the columns."""
    rows, columns = size
    rings = [ring for polygon in polygons for ring in (polygon.outer, *polygon.holes)]
    changes = np.sort(np.concatenate([_changes(ring, rows) for ring in rings]))
    counts = np.diff(np.r_[0, changes, rows * columns])
    return {"size": [rows, columns], "counts": counts.tolist()}


def _changes(ring: Ints, rows: int) -> Ints:
    """The indices of the pixels below each horizontal edge of a ring, counted down the columns: a
    run begins or ends there."""
    following = np.roll(ring, -1, axis=0)
    is_horizontal = ring[:, 1] == following[:, 1]
    begins, ends = (np.sort(np.c_[ring[is_horizontal, 0], following[is_horizontal, 0]], axis=1)).T
    lengths = ends - begins
    offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    columns = np.repeat(begins, lengths) + offsets
    changes: Ints = columns * rows + np.repeat(ring[is_horizontal, 1], lengths)
    return changes


EXPORTS = (
    Export(
        "coco.json",
        "Annotations, COCO JSON",
        place=150,
        write=lambda context, path: write_json(
            as_dict(context.analysis, context.object_polygons, context.wholes), path
        ),
        image="the {things} as COCO annotations, for training and annotation tools",
    ),
)
