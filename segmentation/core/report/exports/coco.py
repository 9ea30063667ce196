"""`coco.json`: what was found as annotations in the format of the COCO data set, for training and annotation tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import tasks
from ...analysis import Analysis
from ..cracks import Ints
from ..rings import Polygon, area
from ..wording import version, write_json
from .base import Export

if TYPE_CHECKING:
    from ..context import Context


def as_dict(analysis: Analysis, shapes: list[list[Polygon]]) -> dict[str, Any]:
    """Plain JSON types in COCO's keys; one image, one annotation per object under its id.

    categories: the classes, and after them "possibly wrong", whatever the class. segmentation: polygons in px along
    pixel edges; of an object with holes run lengths down the columns, since COCO's polygons know no holes. area:
    pixels. bbox: left, top, width, height. Beyond COCO: reason, confidence.
    """
    rows, columns = analysis.micrograph.shape
    task = tasks.find(analysis.segmentation.provenance.task)
    categories = [*analysis.segmentation.class_names, "possibly wrong"]
    return {
        "info": {
            "description": f"{task.things.capitalize()} of one micrograph",
            "version": version(),
            "sha256": analysis.micrograph.sha256,
        },
        "licenses": [],
        "images": [{"id": 1, "file_name": analysis.micrograph.name, "width": columns, "height": rows}],
        "categories": [{"id": i, "name": name, "supercategory": task.thing} for i, name in enumerate(categories, 1)],
        "annotations": [_annotation(analysis, i, shape) for i, shape in enumerate(shapes)],
    }


def _annotation(analysis: Analysis, i: int, shape: list[Polygon]) -> dict[str, Any]:
    table, used = analysis.table, analysis.segmentation
    left, top, right, bottom = (int(table[f"bbox_{side}_px"][i]) for side in ("left", "top", "right", "bottom"))
    confidence = float(table["confidence"][i])
    holes = any(polygon.holes for polygon in shape)
    size = analysis.micrograph.shape
    return {
        "id": int(table["label"][i]),
        "image_id": 1,
        "category_id": 1 + (int(used.classes[i]) if table.kept[i] else len(used.class_names)),
        "iscrowd": 0,
        "area": round(sum(area(ring) for polygon in shape for ring in (polygon.outer, *polygon.holes))),
        "bbox": [left, top, right - left, bottom - top],
        "segmentation": _run_lengths(shape, size) if holes else [polygon.outer.ravel().tolist() for polygon in shape],
        "reason": str(table.reasons[i]),
        "confidence": round(confidence, 4) if np.isfinite(confidence) else None,
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


def _write(context: Context, path: Path) -> None:
    write_json(as_dict(context.analysis, context.shapes), path)


EXPORTS = (
    Export(
        "coco.json",
        "Annotations, COCO JSON",
        "application/json",
        150,
        _write,
        image="the {things} as COCO annotations, for training and annotation tools",
    ),
)
