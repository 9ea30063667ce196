"""Holds images of a sample out of its pooling, until a person agrees that they count.
`samples.pool_sample` calls this."""

from __future__ import annotations

from segmentation.core.sample import SampleAnalysis
from segmentation.models import Job, Sample
from segmentation.presenters.growing import growth_of
from segmentation.services.results import growing


def hold_images(sample: Sample) -> None:
    """Before the pooling: let images wait whose numbers must not be used, that do not fit the method, or
    that came after enough was measured."""
    before = growth_of(sample)
    growing.hold_images(sample, is_enough=before is not None and before.is_enough)


def hold_outliers(sample: Sample, combined: SampleAnalysis, jobs: list[Job]) -> bool:
    """After the pooling: let outliers wait; returns whether a further image waits now, because then the
    others must be pooled again. jobs: the jobs of the images in `combined`, in the same order."""
    outliers = {job.pk: image.outlier for job, image in zip(jobs, combined.images, strict=False)}
    return growing.hold_outliers(sample, outliers)
