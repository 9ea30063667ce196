"""`coco.json`: what was found as annotations in the format of the COCO data set, for training and annotation tools."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import tasks
from ...analysis import Analysis, Objects
from ..outlines import Ints, Polygon, area
from ..wording import version, write_json
from .base import Export

POSSIBLY_WRONG = "possibly wrong"


def as_dict(analysis: Analysis, shapes: list[list[Polygon]]) -> dict[str, Any]:
    """Plain JSON types in COCO's keys; one image, one annotation per object under its id.

    categories: the classes, and after them "possibly wrong", whatever the class. segmentation: polygons in px along
    pixel edges; of an object with holes run lengths down the columns, since COCO's polygons know no holes. area:
    pixels. bbox: left, top, width, height. Beyond COCO: reason, confidence.
    """
    size = analysis.micrograph.shape
    task = tasks.find(analysis.segmentation.provenance.task)
    objects = Objects.of(analysis)
    categories = [*analysis.segmentation.class_names, POSSIBLY_WRONG]
    annotations = [
        {
            "id": int(objects.ids[i]),
            "image_id": 1,
            "category_id": 1 + categories.index(objects.classes[i]) if objects.kept[i] else len(categories),
            **geometry(shape, size),
            "reason": objects.reasons[i],
            "confidence": objects.confidence[i],
        }
        for i, shape in enumerate(shapes)
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


def geometry(shape: list[Polygon], size: tuple[int, int]) -> dict[str, Any]:
    """Area (of rings, holes negative), box and outline of an object, in COCO's keys. size: of the image (H, W)."""
    rings = [ring for polygon in shape for ring in (polygon.outer, *polygon.holes)]
    corners = np.concatenate([polygon.outer for polygon in shape])
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    outline = _run_lengths(shape, size) if len(rings) > len(shape) else [part.outer.ravel().tolist() for part in shape]
    return {
        "iscrowd": 0,
        "area": round(sum(area(ring) for ring in rings)),
        "bbox": [left, top, right - left, bottom - top],
        "segmentation": outline,
    }


def _run_lengths(shape: list[Polygon], size: tuple[int, int]) -> dict[str, Any]:
    """Lengths of background and object in turn, down one column after another, beginning with background."""
    rows, columns = size
    rings = [ring for polygon in shape for ring in (polygon.outer, *polygon.holes)]
    changes = np.sort(np.concatenate([_changes(ring, rows) for ring in rings]))
    counts = np.diff(np.r_[0, changes, rows * columns])
    return {"size": [rows, columns], "counts": counts.tolist()}


def _changes(ring: Ints, rows: int) -> Ints:
    """Where the lying edges of a ring are, counted down the columns: there a run begins or ends."""
    following = np.roll(ring, -1, axis=0)
    lying = ring[:, 1] == following[:, 1]
    begins, ends = (np.sort(np.c_[ring[lying, 0], following[lying, 0]], axis=1)).T
    long = ends - begins
    within = np.arange(long.sum()) - np.repeat(np.cumsum(long) - long, long)
    column = np.repeat(begins, long) + within
    changes: Ints = column * rows + np.repeat(ring[lying, 1], long)
    return changes


EXPORTS = (
    Export(
        "coco.json",
        "Annotations, COCO JSON",
        place=150,
        write=lambda context, path: write_json(as_dict(context.analysis, context.shapes), path),
        image="the {things} as COCO annotations, for training and annotation tools",
    ),
)
