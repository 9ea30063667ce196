"""The revisions of a result: all analyses of its image as a list, each with its changes in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ...core.analysis import AnalysisSettings
from ...core.report.wording import calibration_words, capital, corrected_words
from ...core.stored import StoredResult
from ...core.typed import changed_settings
from ...models import Job, Micrograph, Sample
from ...presenters.sample import neighbours
from ...presenters.stored import count_words, headline, numbers_of
from ...services.access.links import is_open
from ...services.results import samples
from ...services.results.models_offered import title_of


@dataclass(frozen=True)
class Revision:
    """One line of the list. number: from 1 on. changes: what it changed, in words. outcome: the number of objects, or
    the state. is_shown: whether the page shows this revision. is_newest: whether it is the last one. before: the result
    to compare it with; None if either is not done."""

    number: int
    job: Job
    changes: str
    outcome: str
    main_number: str
    is_shown: bool
    is_newest: bool
    before: Job | None = None


def revisions(job: Job, user: Any, visitor: UUID | None) -> list[Revision]:
    """The analyses of a job's image, the oldest first: those of the caller, this one, and the one it was made from.

    A caller who only has the link of a result does not see other people's results of the same image.
    """
    family = {member.pk: member for member in _family(job, user, visitor)}
    jobs = sorted(family.values(), key=lambda job: (job.created, str(job.pk)))
    return [_revision(number, jobs, family, job) for number in range(1, len(jobs) + 1)]


def sample_with_other_result(job: Job, user: Any, visitor: UUID | None) -> Sample | None:
    """The sample that counts another result of the job's image, and can count this job instead; None without one."""
    if job.sample_id or job.state != Job.State.DONE:
        return None
    sample = Sample.objects.filter(jobs__micrograph=job.micrograph_id).first()
    if sample is not None and sample.settings["task"] != job.get_settings().task:
        return None
    is_of_same_maker = sample is not None and (sample.owner_id, sample.visitor) == (job.owner_id, job.visitor)
    return sample if is_of_same_maker and sample.is_changeable_by(user, visitor) else None


def sample_context(job: Job, user: Any, visitor: UUID | None) -> dict[str, Any]:
    """Context of the page of a result, about the sample of its image. sample: see `sample_with_other_result`.
    neighbours: the images before and after. ignoring: the sample, if the result ignores regions that other images of
    the sample could ignore, too; same_size: the number of these images."""
    other = sample_with_other_result(job, user, visitor)
    sample = job.sample or other
    context: dict[str, Any] = {"sample": other, "neighbours": neighbours(job, sample) if sample else None}
    if sample and job.is_changeable_by(user, visitor) and job.get_settings().measurement.ignore:
        context |= {"ignoring": sample, "same_size": len(samples.others_of_this_size(sample, job))}
    return context


def _family(job: Job, user: Any, visitor: UUID | None) -> list[Job]:
    """The analyses of the job's image that the caller may see, with the job itself, in no order."""
    results = Job.objects.filter(micrograph=job.micrograph_id)
    if job.staff_may(user, "view"):
        family = list(results.filter(owner=job.owner_id))
    else:
        family = list(results.visible_to(user, visitor))
    if job.parent and job.parent.micrograph_id == job.micrograph_id and is_open(job.parent, user, visitor):
        family.append(job.parent)
    return [*family, job]


def _revision(number: int, jobs: list[Job], family: dict[UUID, Job], page_job: Job) -> Revision:
    """The line with a number from 1 on. It is compared with the result that it was made from, else with the one before.
    page_job: the job whose page shows the list."""
    job = jobs[number - 1]
    before = family.get(job.parent_id) or (jobs[number - 2] if number > 1 else None)
    is_done = job.is_done
    numbers = numbers_of(job.stored if is_done else StoredResult.read({}))
    # "Under way" is enough here: the page of that job shows its state, and updates it every second.
    outcome = capital(job.get_state_display()) if job.is_finished else "Under way"
    return Revision(
        number,
        job,
        capital(_change_words(job, before, page_job.micrograph)),
        count_words(numbers) or outcome,
        headline(numbers),
        job.pk == page_job.pk,
        number == len(jobs),
        before if is_done and before is not None and before.is_done else None,
    )


def _change_words(job: Job, before: Job | None, micrograph: Micrograph) -> str:
    """What a job changed against `before`, in words; without `before`, the scale and the corrections."""
    settings, scale = job.get_settings(), micrograph.scale
    calibration = settings.measurement.scaled(scale).in_use
    words = corrected_words(job.stored.used)
    corrected = [f"outlines: {words}"] if words else ["corrected outlines"] if job.corrects is not None else []
    if before is None:
        return "; ".join([*corrected, calibration_words(calibration, detail=False)])
    old = before.get_settings()
    corrected += [f"outlines from {job.outlines['name']}"] if job.outlines else []
    is_rescaled = calibration != old.measurement.scaled(scale).in_use
    changes = [calibration_words(calibration, detail=False)] if is_rescaled else []
    return "; ".join([*corrected, *changes, *setting_changes(settings, old)]) or "the same settings once more"


def setting_changes(settings: AnalysisSettings, old: AnalysisSettings) -> list[str]:
    """The settings in which two analyses differ, in words, without the calibration."""
    return [
        f"model {title_of(value)}" if setting.name == "model" else setting.change_words(value)
        for setting, value, _ in changed_settings(settings, old)
    ]
