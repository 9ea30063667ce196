"""Which images of a sample wait for a yes when it is pooled, by the method that it follows."""

from __future__ import annotations

from segmentation.core.sample import SampleAnalysis
from segmentation.models import Job, Sample
from segmentation.presenters.growing import growth_of
from segmentation.services.results import growing


def hold_images(sample: Sample) -> None:
    """Before the pooling: let new images wait that do not fit, or that come after enough is measured."""
    before = growth_of(sample)
    growing.hold_images(sample, is_enough=before is not None and before.is_enough)


def hold_outliers(sample: Sample, combined: SampleAnalysis, jobs: list[Job]) -> bool:
    """After it: let outliers wait; returns whether one does, so that the others are pooled anew. jobs: of the images in
    their order."""
    outliers = {job.pk: image.outlier for job, image in zip(jobs, combined.images, strict=False)}
    return growing.hold_outliers(sample, outliers)
