"""How far a sample is that grows until the stopping rule of its method is met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.measure.quantities import Value
from ..core.quality.stopping import sample_progress
from ..models import Sample
from ..services.results.growing import close_sample, description_of
from .sample import PooledResult


@dataclass(frozen=True)
class Growth:
    """How far a sample is. sentence: for people, with the interval of the method's number and what is still needed.
    is_enough: whether the method's stopping rule and least numbers are met. more: about how many more images are
    needed, None if not known. waiting: how many images count only after a person agrees. rule: the stopping rule in
    words."""

    sentence: str
    is_enough: bool
    more: int | None
    waiting: int
    rule: str


def growth_of(sample: Sample) -> Growth | None:
    """How far a sample is by its method, or was when it was closed; None without a method, or if this release cannot
    read the method."""
    waiting = sample.members.exclude(waits="").count()
    if sample.closed and sample.history:
        end = sample.history[-1]
        return Growth(end["sentence"], end["is_enough"], 0, waiting, "")
    method = description_of(sample)
    if method is None:
        return None
    pooled = PooledResult(sample)
    rule, least = method.stopping, (method.least_images, method.least_particles)
    value = sample.stored.value(rule.quantity) if rule else Value(None)
    statistics, task = pooled.statistics, pooled.task
    particles = None if task.semantic else pooled.kept
    doubt = statistics.relative_uncertainty if statistics else pooled.scale_doubt
    names = (task.thing, task.things)
    remedy = pooled.better_than_images(rule.half_width) if rule and rule.quantity == "median" else ""
    so_far = sample_progress(rule, value, pooled.images_pooled, particles, least, doubt, names, remedy)
    conditions = [rule.words] if rule else []
    conditions += [
        f"at least {number:,} {things}"
        for number, things in zip(least, ("images", names[1]), strict=True)
        if number > 1
    ]
    words = ", ".join(conditions) or "one image"
    return Growth(so_far.sentence, so_far.is_enough, so_far.more, waiting, words)


def close_by_method(sample: Sample, account: Any, reason: str) -> None:
    """Close a sample as far as it is by its method (`growing.close_sample`); raises Refused."""
    growth = growth_of(sample)
    so_far = {"is_enough": growth.is_enough, "sentence": growth.sentence} if growth else {"is_enough": False}
    close_sample(sample=sample, account=account, reason=reason, **so_far)
