"""Makes the study of a method: an analysis of variance, the analysis of some images in changed forms
(such as blurred), and the report."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network.cards import UnknownModel
from segmentation.core.quality.study_report import study_as_dict, study_of, unit_of
from segmentation.core.stages.changed_forms import NotTested, measure_robustness
from segmentation.models import Study
from segmentation.plain import storable
from segmentation.quality.studies.services import images_of
from segmentation.services.ground.refusal import Refused

from ..fetching import load_micrograph
from ..heartbeat import Progress, UrgentWorkWaits, has_more_urgent_work
from .analysing import runtime_now

WRITING = 0.95  # the progress (0 to 1) at which the writing of the report begins


def make_study(study: Study, progress: Progress, folder: Path) -> None:
    """Make the study and its report; raises Refused if its results are not sufficient."""
    from segmentation.core.report.documents.validation_page import write_report

    progress("comparing the conditions", 0.0)
    try:
        result = study_as_dict(study_of(study.names, study.rows), unit_of(study.quantity))
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
    result["robustness"] = _robustness(study, progress, folder)
    progress("writing the report", WRITING)
    study.result = storable(result)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "validation.pdf"
    write_report(study.content, file)
    study.finish(Study.State.DONE, result=study.result, pdf=file.read_bytes(), outcomes={})


def _robustness(study: Study, progress: Progress, folder: Path) -> dict[str, Any]:
    """The entry "robustness" of a study: how its images are analysed in changed forms, as
    `core.quality.study_report` reads it."""
    from segmentation.core.pipeline import analyse

    tested, left_out, jobs = [], [], images_of(study.rows)
    made_before = sum(map(len, study.outcomes.values()))
    for index, job in enumerate(jobs):

        def report(stage: str, done: float, index: int = index) -> None:
            progress(f"analysing image {index + 1} of {len(jobs)} {stage}", WRITING * (index + done) / len(jobs))

        def give_way(stage: str, done: float, report: Progress = report) -> None:
            report(stage, done)
            analyses_made = sum(map(len, study.outcomes.values()))
            if analyses_made > made_before:  # each turn of the sender makes one analysis at least
                study.change(outcomes=study.outcomes)
                if has_more_urgent_work(Study):
                    raise UrgentWorkWaits

        try:
            micrograph = load_micrograph(job.micrograph, folder, partial(report, "again", 0.0))
            outcomes = study.outcomes.setdefault(str(job.pk), {})
            analyse_form = partial(analyse, runtime=runtime_now())
            test = partial(measure_robustness, micrograph, job.get_settings(), study.quantity, analyse_form)
            tested.append(test(give_way, outcomes).as_dict())
        except (NotTested, UnreadableImage, UnknownModel) as problem:
            left_out.append(f"{job.micrograph.name} ({str(problem).rstrip('.')})")
    return {"tested": tested, "left_out": left_out}
