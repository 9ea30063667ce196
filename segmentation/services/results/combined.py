"""The objects of many results in one table, and the outlines of all images of a sample in one file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ...core.flags import from_json, short_forms
from ...core.report.cells import BYTE_ORDER_MARK, comment, lines, name_cell
from ...core.tasks import UnknownTask, find
from ...models import Artifact, Job, Sample
from ..ground import bundles

FIRST = ("image", "result", "corrected_by_hand", "warning")
COCO_FILE = "coco.json"


class _Table(NamedTuple):
    """The table of one result; marked: whether it begins with a byte order mark."""

    job: Job
    artifact: Artifact
    columns: list[str]
    marked: bool


def combined_table(jobs: Iterable[Job]) -> Iterator[str]:
    """CSV of all objects of finished results, piece by piece; empty without any.

    A row names its image, its result (the id), how many outlines of the result were corrected by hand, and its warnings
    in short. Columns that a result does not have stay empty; lengths in nm and in pixels are columns of their own.
    Results without a table that can be read are named in lines that begin with "#".
    """
    tables, missing = [], []
    for job in jobs:
        table = _table_of(job)
        (tables if table else missing).append(table or job)
    if not tables:
        return
    columns = list(dict.fromkeys(name for table in tables for name in table.columns))
    yield BYTE_ORDER_MARK if any(table.marked for table in tables) else ""
    yield from (f"# not included: {comment(job.micrograph.name)}\n" for job in missing)
    yield lines([(*FIRST, *columns)])
    for table in tables:
        yield lines(_aligned_rows(table, columns))


def _table_of(job: Job) -> _Table | None:
    try:
        name = f"{find(job.settings['task']).table}.csv".replace(" ", "-")
    except UnknownTask:
        return None
    artifact = job.artifact(name) if job.is_done else None
    if artifact is None:
        return None
    try:
        text = _read(artifact)
    except (OSError, ValueError):
        return None
    return _Table(job, artifact, next(_rows_in(text), []), text.startswith(BYTE_ORDER_MARK))


def _read(artifact: Artifact) -> str:
    with bundles.opened(artifact) as file:
        return file.read().decode()


def _rows_in(text: str) -> Iterator[list[str]]:
    """The head and the rows, without the lines of the summary: those begin with "#", and a row with a number."""
    file = io.StringIO(text.removeprefix(BYTE_ORDER_MARK), newline="")
    return csv.reader(line for line in file if not line.startswith("#"))


def _aligned_rows(table: _Table, columns: Sequence[str]) -> Iterator[list[str]]:
    """The rows of a table with these columns. A column that the table lacks is empty."""
    rows, job = _rows_in(_read(table.artifact)), table.job
    index = {name: column for column, name in enumerate(next(rows, []))}
    corrected = str(job.summary["used"].get("corrected", 0))
    warning = "; ".join(short_forms(from_json(job.summary)))
    head = [name_cell(job.micrograph.name), str(job.pk), corrected, warning]
    for row in rows:
        yield [*head, *(row[index[name]] if name in index else "" for name in columns)]


def pooled_coco(sample: Sample) -> Iterator[str]:
    """COCO annotations of the pooled images as JSON text, piece by piece: one image is in memory at a time.

    Numbered anew over all images; beyond COCO an annotation has `label`, its number in the files of its image. An image
    whose own annotations cannot be read is not among the images.
    """
    pooled = sample.pooled.get("of", [])
    # Two images may have one name; the sample tells them apart.
    names = dict(zip(pooled, (image["name"] for image in sample.pooled.get("images", [])), strict=False))
    artifacts = sorted(
        Artifact.objects.filter(job__in=pooled, name=COCO_FILE), key=lambda artifact: pooled.index(str(artifact.job_id))
    )
    images: list[dict[str, Any]] = []
    categories: dict[str, dict[str, Any]] = {}
    count = 0
    yield '{"annotations": ['
    for artifact in artifacts:
        try:
            with bundles.opened(artifact) as file:
                payload = json.load(file)
            numbers = {}  # of the categories in this file -> among those of all images
            for category in payload["categories"]:
                entry = categories.setdefault(category["name"], {**category, "id": len(categories) + 1})
                numbers[category["id"]] = int(entry["id"])
            image = {**payload["images"][0], "id": len(images) + 1, "sha256": payload.get("info", {}).get("sha256", "")}
            image["file_name"] = names.get(str(artifact.job_id), image["file_name"])
            annotations = [
                {
                    **annotation,
                    "id": at,
                    "label": annotation["id"],
                    "image_id": image["id"],
                    "category_id": numbers[annotation["category_id"]],
                }
                for at, annotation in enumerate(payload["annotations"], count + 1)
            ]
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            continue
        images.append(image)
        yield ("," if count and annotations else "") + ",".join(map(json.dumps, annotations))
        count += len(annotations)
    info = {"description": f"Sample {sample.name}"}
    closing = {"images": images, "categories": list(categories.values()), "info": info, "licenses": []}
    yield "]," + json.dumps(closing)[1:]
