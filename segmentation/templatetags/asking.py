"""Template tags that query what a fragment of a page needs, so that any page can include the fragment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template

from ..core import tasks
from ..core.network import cards
from ..forms.laboratory import has_quality
from ..learning.datasets.pages import NEW
from ..learning.datasets.services import default_group, groups_of
from ..models import Dataset, Job, Method, Micrograph, Sample
from ..presenters.sample import ImageRow
from ..quality.methods.services import groups_of_account
from ..quality.methods.words import MethodLine, method_line
from ..services.access.links import is_open
from ..services.ground import callers
from ..views.job import calibration

register = template.Library()
register.simple_tag(calibration.suggestion)
register.simple_tag(calibration.file_suggestion)
register.simple_tag(calibration.question, name="scale_question")
register.filter(cards.is_for_comparison)
register.filter(callers.may_train)


@register.simple_tag
def calibration_warnings(job: Job, warnings: Any = ()) -> list[str]:
    """Sentences about calibrations that disagree, except sentences that the page already has."""
    scale = job.scale
    sentences, texts = scale.disagreements(), {scale.question, *map(str, warnings or ())}
    return [sentence for sentence in sentences if sentence not in texts]


@register.simple_tag
def ruler_box(micrograph: Micrograph) -> str:
    """Where the page's ruler looks for the scale bar: "left top right bottom" in px of the upload, the place of the
    reading or the data bar; "" if not known."""
    box = calibration.box_of(micrograph)
    if box is None and micrograph.data_bar is not None:
        box = (0, micrograph.data_bar, micrograph.width, micrograph.height)
    return " ".join(f"{edge:g}" for edge in box or ())


register.simple_tag(calibration.length_of, name="ruler_length")


@register.simple_tag
def ruler_ends(micrograph: Micrograph) -> str:
    """The ends of the line that the page's ruler proposes, as "x y x y" in px of the upload; "" if not known."""
    return " ".join(f"{end:g}" for end in calibration.ends_of(micrograph))


@register.simple_tag(takes_context=True)
def quality(context: dict[str, Any]) -> bool:
    """Whether the page offers what `has_quality` says."""
    return "request" in context and has_quality(context["request"])


@register.simple_tag(takes_context=True)
def method_of(context: dict[str, Any], row: Job | Sample) -> MethodLine | None:
    """What the page of a result says of the method that it follows; None without one."""
    return method_line(row.stored.method, row.method, context["request"].user)


@register.simple_tag(takes_context=True)
def saving_as_method(context: dict[str, Any], job: Job) -> dict[str, Any] | None:
    """The choices of the form that saves a result as a method: "methods" of the same kind of analysis, which can get a
    new version, and "groups" of the account; None if the result cannot be saved as a method."""
    request = context["request"]
    if not request.user.is_authenticated or not is_open(job, request.user, request.visitor) or not has_quality(request):
        return None
    if job.stored.used.imported:  # its outlines are those of another tool
        return None
    methods = Method.objects.visible_to(request.user).filter(versions__description__task=job.stored.task)
    return {"methods": methods.distinct(), "groups": groups_of_account(request.user)}


@register.simple_tag(takes_context=True)
def training_data(context: dict[str, Any], row: Job | Sample, images: Iterable[ImageRow] = ()) -> dict[str, Any] | None:
    """The choices of the form that adds a result, or the images of a sample, to a dataset; None if nobody may or can.

    images: those of the sample. The result has "unclaimed" if the account must first take the result over; otherwise
    "datasets" of the account, "there": the datasets that have it already, "task", "new": the value for a new dataset,
    "name" for it, and "group", or for a sample "groups": each image with outlines and its proposed group.
    """
    user, visitor = context["request"].user, context["request"].visitor
    jobs = [row] if isinstance(row, Job) else [image.job for image in images if image.job]
    jobs = [job for job in jobs if job.is_done and job.segmentation_id is not None]
    if not callers.may_train(user) or not jobs:
        return None
    if row.owner_id != user.pk:
        return {"unclaimed": True} if row.owner_id is None and row.visitor == visitor else None
    task = tasks.find(row.settings["task"])
    datasets = list(Dataset.objects.filter(owner=user, task=task.name))
    name = f"My {task.things} {len(datasets) + 1 if datasets else ''}".strip()
    datasets_with_it = Dataset.objects.filter(images__job__in=jobs).distinct()
    choices = {"datasets": datasets, "there": list(datasets_with_it), "task": task, "new": NEW, "name": name}
    if isinstance(row, Job):
        return {**choices, "group": default_group(row)}
    groups = groups_of(row)
    return {**choices, "groups": [(image, groups[image.job.micrograph_id]) for image in images if image.job in jobs]}
