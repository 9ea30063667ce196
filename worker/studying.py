"""The study of a method: an analysis of variance of stored numbers, and its report; no image is opened."""

from __future__ import annotations

from pathlib import Path

from segmentation.core.quality.validated import as_dict, studied, unit_of
from segmentation.models import Study
from segmentation.plain import storable
from segmentation.services.ground.refusal import Refused

from .heartbeat import Progress


def make_study(study: Study, progress: Progress, folder: Path) -> None:
    """Make the study and its report; raises Refused where nothing follows from the results."""
    from segmentation.core.report.validation_page import write_report

    progress("comparing the conditions", 0.2)
    try:
        result = as_dict(studied(study.names, study.rows), unit_of(study.quantity))
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
    progress("writing the report", 0.6)
    study.result = storable(result)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "validation.pdf"
    write_report(study.content, file)
    study.finish(Study.State.DONE, result=study.result, pdf=file.read_bytes())
