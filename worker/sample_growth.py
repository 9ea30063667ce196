"""When a sample that follows a method is pooled: which of its images wait until a person agrees
that they count."""

from __future__ import annotations

from segmentation.core.sample import SampleAnalysis
from segmentation.models import Job, Sample
from segmentation.presenters.growing import growth_of
from segmentation.services.results import growing


def hold_images(sample: Sample) -> None:
    """Before the pooling: let new images wait that do not fit the method, or that came after enough
    was measured."""
    before = growth_of(sample)
    growing.hold_images(sample, is_enough=before is not None and before.is_enough)


def hold_outliers(sample: Sample, combined: SampleAnalysis, jobs: list[Job]) -> bool:
    """After the pooling: let outliers wait; returns whether one waits now, so that the others must
    be pooled again. jobs: those of the images in `combined`, in the same order."""
    outliers = {job.pk: image.outlier for job, image in zip(jobs, combined.images, strict=False)}
    return growing.hold_outliers(sample, outliers)
