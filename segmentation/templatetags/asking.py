"""What fragments of pages ask by themselves, so that any page may include them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template

from ..core import tasks
from ..core.network import cards
from ..models import Dataset, Job, Method, Micrograph, Sample
from ..presenters.methods import MethodLine, method_line
from ..presenters.sample import ImageRow
from ..services.access.links import is_open
from ..services.ground import callers
from ..services.learning.datasets import default_group, groups_of
from ..services.results.methods import own_groups
from ..views import calibration
from ..views.datasets import NEW

register = template.Library()
register.simple_tag(calibration.suggestion)
register.simple_tag(calibration.filed)
register.filter(cards.for_comparison)
register.filter(callers.may_train)


@register.simple_tag
def calibration_warnings(job: Job, warnings: Any = ()) -> list[str]:
    """Sentences about calibrations that disagree, except sentences that the page already has."""
    sentences = job.scale.disagreements()
    texts = {str(warning) for warning in warnings or ()}
    return [sentence for sentence in sentences if sentence not in texts]


@register.simple_tag
def ruler_box(micrograph: Micrograph) -> str:
    """Where the scale bar should be looked for: left, top, right and bottom in px of the upload; "" if unknown."""
    box = calibration.box_of(micrograph)
    if box is None and micrograph.data_bar is not None:
        box = (0, micrograph.data_bar, micrograph.width, micrograph.height)
    return " ".join(f"{edge:g}" for edge in box or ())


@register.simple_tag(takes_context=True)
def method_of(context: dict[str, Any], row: Job | Sample) -> MethodLine | None:
    """What a result says of the method that it follows; None without one."""
    stored = row.summary if isinstance(row, Job) else row.pooled
    return method_line(stored.get("method"), row.method, context["request"].user)


@register.simple_tag(takes_context=True)
def saving_as_method(context: dict[str, Any], job: Job) -> dict[str, Any] | None:
    """What the form offers that saves a result as a method: the methods of its kind of analysis that get a version, and
    the groups of the account; None where it cannot be saved."""
    request = context["request"]
    if not request.user.is_authenticated or not is_open(job, request.user, request.visitor):
        return None
    if job.summary["used"].get("imported"):
        return None
    of_kind = Method.objects.visible_to(request.user).filter(versions__description__task=job.summary["task"])
    return {"methods": of_kind.distinct(), "groups": own_groups(request.user)}


@register.simple_tag(takes_context=True)
def training_data(context: dict[str, Any], row: Job | Sample, images: Iterable[ImageRow] = ()) -> dict[str, Any] | None:
    """What the form offers that makes a result, or the images of a sample, training data; "unclaimed" where the account
    must first take it; else None. images: of the sample; "groups" has those with outlines, and their specimens."""
    user, visitor = context["request"].user, context["request"].visitor
    jobs = [row] if isinstance(row, Job) else [image.job for image in images if image.job]
    jobs = [job for job in jobs if job.is_done and job.segmentation_id is not None]
    if not callers.may_train(user) or not jobs:
        return None
    if row.owner_id != user.pk:
        return {"unclaimed": True} if row.owner_id is None and row.visitor == visitor else None
    task = tasks.find(row.settings["task"])
    mine = list(Dataset.objects.filter(owner=user, task=task.name))
    name = f"My {task.things} {len(mine) + 1 if mine else ''}".strip()
    there = Dataset.objects.filter(images__job__in=jobs).distinct()
    offered = {"datasets": mine, "there": list(there), "task": task, "new": NEW, "name": name}
    if isinstance(row, Job):
        return {**offered, "group": default_group(row)}
    groups = groups_of(row)
    return {**offered, "groups": [(image, groups[image.job.micrograph_id]) for image in images if image.job in jobs]}
