"""The log of corrections: writes it as CSV or JSON, finds the part of it that belongs to a result, and
repeats it from a downloaded archive as a check."""

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

from ....core.labels.corrections.operations import replay_steps
from ....core.labels.corrections.patches import BadEdit
from ....core.labels.segmentation import Segmentation, UnusableSegmentation
from ....core.report.exports.bundle import CHECKSUMS
from ....core.report.tables.cells import csv_text, name_cell
from ....models import Edit, Job
from ....models import Segmentation as SegmentationRow
from ....models.edits import chain_faults, steps_of
from ..publishing import SEGMENTATION_FILE

BEFORE = "uncorrected.npz"  # in bundle.zip: the outlines before the corrections
LOG, LOG_CSV = "corrections.json", "corrections.csv"
COLUMNS = ("job", "sequence", "author", "visitor", "time", "operation", "patch", "before", "undoes", "previous", "hash")
NO_BUNDLE = "This is no bundle.zip of a corrected result: it needs {missing}."
DAMAGED = "The file cannot be read as a ZIP file with a log of corrections: download it again."


class NotRepeated(ValueError):
    """The file contains no log that can be repeated; the message is one sentence."""


def edits_as_csv(edits: Iterable[Edit]) -> Iterator[str]:
    """The log as CSV, line by line. Cells are escaped, so that a spreadsheet takes none for a formula."""
    yield csv_text([COLUMNS])
    for edit in edits:
        values = (edit.as_dict()[name] for name in COLUMNS)
        texts = (json.dumps(value) if isinstance(value, dict | list) else value for value in values)
        yield csv_text([[name_cell("" if text is None else str(text)) for text in texts]])


def edits_as_json(edits: Iterable[Edit]) -> Iterator[str]:
    """The log as a JSON list, row by row."""
    before = "[\n"
    for edit in edits:
        yield f"{before}{json.dumps(edit.as_dict(), indent=1)}"
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def correcting_job(job: Job) -> Job | None:
    """The job that stored the corrected outlines of `job`: `job` itself or an earlier job. None for
    uncorrected outlines."""
    if job.segmentation_id is None:
        return None
    return Job.objects.filter(segmentation=job.segmentation_id, corrects__isnull=False).select_related("parent").first()


def corrections_of_result(job: Job) -> tuple[SegmentationRow | None, list[Edit]]:
    """The outlines of a result before its corrections, and the edits. (None, []) for uncorrected
    outlines, and if the job that was corrected is deleted."""
    if job.step:
        return job.segmentation, list(job.edits.filter(sequence__lte=job.step))
    maker = correcting_job(job)
    if maker is None or maker.parent is None:
        return None, []
    return maker.parent.segmentation, list(maker.parent.edits.filter(sequence__lte=maker.corrects))


def differences_when_repeated(bundle: Path) -> list[str]:
    """Repeat the corrections in a bundle.zip and compare the outlines with the stored ones; returns a
    sentence for each difference.

    Checksums of the files and hashes of the log are checked, too. Raises NotRepeated.
    """
    try:
        with zipfile.ZipFile(bundle) as archive:
            names = set(archive.namelist())
            if missing := [name for name in (BEFORE, SEGMENTATION_FILE, LOG) if name not in names]:
                raise NotRepeated(NO_BUNDLE.format(missing=" and ".join(missing)))
            checksum_lines = archive.read(CHECKSUMS).decode().splitlines() if CHECKSUMS in names else []
            sums = [line.partition("  ")[::2] for line in checksum_lines]
            faults = [
                f"{name} is not the file of {CHECKSUMS}."
                for digest, name in sums
                if name not in names or hashlib.sha256(archive.read(name)).hexdigest() != digest
            ]
            before, after = (Segmentation.load(io.BytesIO(archive.read(name))) for name in (BEFORE, SEGMENTATION_FILE))
            payload = json.loads(archive.read(LOG))
            rows = [_row(entry) for entry in (payload if isinstance(payload, list) else [payload])]
    except (UnusableSegmentation, NotRepeated) as error:
        raise NotRepeated(str(error)) from error
    except Exception as error:  # zipfile and its decompressors raise exceptions of many types
        raise NotRepeated(DAMAGED) from error
    faults += chain_faults(rows, "Edit")
    try:
        replayed = replay_steps(before, steps_of(rows))
    except (BadEdit, KeyError, TypeError, IndexError) as error:
        return [*faults, f"The log cannot be applied: {error}"]
    return [*faults, *_differences(replayed, after)]


def _row(payload: dict[str, Any]) -> Edit:
    """An edit from its JSON in LOG; it is not stored."""
    fields = {name: payload[name] for name in COLUMNS if name not in ("job", "visitor", "time")}
    visitor = UUID(payload["visitor"]) if payload["visitor"] else None
    return Edit(job_id=UUID(payload["job"]), visitor=visitor, created=datetime.fromisoformat(payload["time"]), **fields)


def _differences(replayed: Segmentation, stored: Segmentation) -> Iterator[str]:
    """A sentence for each difference of a repeated segmentation from the stored one."""
    if replayed.labels.shape != stored.labels.shape:
        yield "The outlines are of images of two sizes."
        return
    is_different = replayed.labels != stored.labels
    if is_different.any():
        y, x = (int(axis[0]) for axis in np.nonzero(is_different))
        yield f"The labels differ in {int(is_different.sum()):,} pixels, the first at x = {x}, y = {y}."
    for name in ("ids", "classes", "confidence"):
        values, stored_values = getattr(replayed, name), getattr(stored, name)
        if not np.array_equal(values, stored_values, equal_nan=name == "confidence"):
            yield f"Not equal: {name} of the objects."
    origin = replace(replayed.provenance, parent=stored.provenance.parent)
    for part, is_equal in {
        "next free id": replayed.next_id == stored.next_id,
        "objects by hand": replayed.by_hand == stored.by_hand,
        "objects set aside": dict(replayed.set_aside) == dict(stored.set_aside),
        "counts of corrections": replayed.used.items() <= stored.used.items(),
        "operations": origin.as_dict() == stored.provenance.as_dict(),
        "rows, names of classes, layers or maps": _other_parts(replayed) == _other_parts(stored),
    }.items():
        if not is_equal:
            yield f"Not equal: {part}."


def _other_parts(segmentation: Segmentation) -> Any:
    """Rows, names of classes and all images of a segmentation, to be compared."""
    images = {**segmentation.layers, **{f"map {name}": pixels for name, pixels in segmentation.maps.items()}}
    return segmentation.rows, segmentation.class_names, {name: pixels.tobytes() for name, pixels in images.items()}
