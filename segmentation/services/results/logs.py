"""The log of corrections as files, what of it belongs to a corrected result, and its repetition."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from ...core.labels.operations import finished
from ...core.labels.patches import BadEdit
from ...core.labels.segmentation import Segmentation, UnusableSegmentation
from ...core.report.cells import lines, name_cell
from ...core.report.exports.bundle import CHECKSUMS
from ...models import Edit, Job
from ...models import Segmentation as SegmentationRow
from ...models.edits import chain_faults, steps_of
from .publishing import NAME

BEFORE, LOG, LOG_CSV = "uncorrected.npz", "corrections.json", "corrections.csv"
COLUMNS = ("job", "sequence", "author", "visitor", "time", "operation", "patch", "before", "undoes", "previous", "hash")
NO_BUNDLE = "This is no bundle.zip of a corrected result: it needs {missing}."
DAMAGED = "The file cannot be read as a ZIP file with a log of corrections: download it again."


class NotRepeated(ValueError):
    """The file holds nothing that can be repeated; the message is one sentence."""


def as_csv(edits: Iterable[Edit]) -> Iterator[str]:
    """The log as CSV, line by line, in which no cell is a formula to a spreadsheet."""
    yield lines([COLUMNS])
    for edit in edits:
        values = (edit.as_dict()[name] for name in COLUMNS)
        texts = (json.dumps(value) if isinstance(value, dict | list) else value for value in values)
        yield lines([[name_cell("" if text is None else str(text)) for text in texts]])


def as_json(edits: Iterable[Edit]) -> Iterator[str]:
    """The log as a JSON list, row by row."""
    before = "[\n"
    for edit in edits:
        yield f"{before}{json.dumps(edit.as_dict(), indent=1)}"
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def corrected_by(job: Job) -> Job | None:
    """The job that made the outlines of this one by corrections, itself or an earlier one; None of other outlines."""
    if job.segmentation_id is None:
        return None
    return Job.objects.filter(segmentation=job.segmentation_id, corrects__isnull=False).select_related("parent").first()


def corrections_of_result(job: Job) -> tuple[SegmentationRow | None, list[Edit]]:
    """The outlines before the last corrections of which a result consists, and these corrections; none where nobody
    made any, or the result that was corrected is gone."""
    if job.step:
        return job.segmentation, list(job.edits.filter(sequence__lte=job.step))
    maker = corrected_by(job)
    if maker is None or maker.parent is None:
        return None, []
    return maker.parent.segmentation, list(maker.parent.edits.filter(sequence__lte=maker.corrects))


def repeated(bundle: Path) -> list[str]:
    """Apply the log in a bundle to the outlines before it; what differs from the outlines after it, a sentence each.

    The file's own checksums and the chain of the log are checked, too. Raises NotRepeated.
    """
    try:
        with zipfile.ZipFile(bundle) as archive:
            names = set(archive.namelist())
            if missing := [name for name in (BEFORE, NAME, LOG) if name not in names]:
                raise NotRepeated(NO_BUNDLE.format(missing=" and ".join(missing)))
            listed = archive.read(CHECKSUMS).decode().splitlines() if CHECKSUMS in names else []
            sums = [line.partition("  ")[::2] for line in listed]
            wrong = [
                f"{name} is not the file of {CHECKSUMS}."
                for digest, name in sums
                if name not in names or hashlib.sha256(archive.read(name)).hexdigest() != digest
            ]
            before, after = (Segmentation.load(io.BytesIO(archive.read(name))) for name in (BEFORE, NAME))
            payload = json.loads(archive.read(LOG))
            rows = [_row(entry) for entry in (payload if isinstance(payload, list) else [payload])]
    except (UnusableSegmentation, NotRepeated) as error:
        raise NotRepeated(str(error)) from error
    except Exception as error:  # zipfile and its decompressors raise exceptions of many types
        raise NotRepeated(DAMAGED) from error
    wrong += chain_faults(rows, "Edit")
    try:
        replayed = finished(before, steps_of(rows))
    except (BadEdit, KeyError, TypeError, IndexError) as error:
        return [*wrong, f"The log cannot be applied: {error}"]
    return [*wrong, *_differences(replayed, after)]


def _row(payload: dict[str, Any]) -> Edit:
    fields = {name: payload[name] for name in COLUMNS if name not in ("job", "visitor", "time")}
    visitor = UUID(payload["visitor"]) if payload["visitor"] else None
    return Edit(job_id=UUID(payload["job"]), visitor=visitor, created=datetime.fromisoformat(payload["time"]), **fields)


def _differences(replayed: Segmentation, stored: Segmentation) -> Iterator[str]:
    """Where a segmentation differs from the one that it should be."""
    if replayed.labels.shape != stored.labels.shape:
        yield "The outlines are of images of two sizes."
        return
    other = replayed.labels != stored.labels
    if other.any():
        y, x = (int(axis[0]) for axis in np.nonzero(other))
        yield f"The labels differ in {int(other.sum()):,} pixels, the first at x = {x}, y = {y}."
    for name in ("ids", "classes", "confidence"):
        one, two = getattr(replayed, name), getattr(stored, name)
        if not np.array_equal(one, two, equal_nan=name == "confidence"):
            yield f"Not equal: {name} of the objects."
    origin = replace(replayed.provenance, parent=stored.provenance.parent)
    for what, same in {
        "next free id": replayed.next_id == stored.next_id,
        "objects by hand": replayed.by_hand == stored.by_hand,
        "objects set aside": dict(replayed.set_aside) == dict(stored.set_aside),
        "counts of corrections": replayed.used.items() <= stored.used.items(),
        "operations": origin.as_dict() == stored.provenance.as_dict(),
        "rows, names of classes, layers or maps": _rest(replayed) == _rest(stored),
    }.items():
        if not same:
            yield f"Not equal: {what}."


def _rest(segmentation: Segmentation) -> Any:
    images = {**segmentation.layers, **{f"map {name}": pixels for name, pixels in segmentation.maps.items()}}
    return segmentation.rows, segmentation.class_names, {name: pixels.tobytes() for name, pixels in images.items()}
