"""Writes the files that prove how a corrected or signed result was made: its log of corrections and
its signatures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from segmentation.models import Job, Signature
from segmentation.services.results import logs
from segmentation.services.results.publishing import SEGMENTATION_FILE as SEGMENTATION
from segmentation.services.results.signing import SIGNATURES


def write_evidence(job: Job, signatures: Sequence[Signature], out: Path) -> dict[str, str]:
    """Write the log of corrections and the signatures of a result to the folder `out`. Returns the
    content of each written file, and of the file of the outlines, in words by its name; {} without
    corrections and signatures."""
    before, log = logs.corrections_of_result(job)
    files = {}
    if not log and not signatures:
        return {}
    if before is not None and log:
        with before.file.open("rb") as file, (out / logs.BEFORE).open("wb") as copy:
            shutil.copyfileobj(file, copy)
        (out / logs.LOG).write_text("".join(logs.edits_as_json(log)))
        (out / logs.LOG_CSV).write_text("".join(logs.edits_as_csv(log)), encoding="utf-8", newline="")
        files = {
            logs.BEFORE: "the outlines before the corrections",
            logs.LOG: "the log of the corrections; `deepsegm audit replay` repeats them",
            logs.LOG_CSV: "the same as CSV",
        }
    if signatures:
        (out / SIGNATURES).write_text(json.dumps([signature.as_dict() for signature in signatures], indent=1) + "\n")
        files[SIGNATURES] = "the signatures under this result, with the SHA-256 of what was signed"
    return {SEGMENTATION: "the outlines as they were measured", **files}
