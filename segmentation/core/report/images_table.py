"""The table of a sample's images as people read it: a row per image, a column per number; for PDF and XLSX.

`exports/images_csv.py` has the same images for programs, with all that is known of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..measure.pooled_fields import reason_and_warning
from ..measure.quantities import Value, number
from ..sample import SampleAnalysis
from .entries import Entry
from .summary import Summary
from .wording import in_hundredths


def columns_of_images(sample: SampleAnalysis, names: Iterable[str]) -> Iterator[tuple[str, list[Entry]]]:
    """The columns that are not empty, each as its head, such as "Bubble area (%)", and one entry per image.
    names: of the numbers to show."""
    images, counts = sample.images, [image.counts for image in sample.images]
    reasons = (reason_and_warning(image.excluded or image.outlier, image.warning) for image in images)
    remarks = (" ".join(filter(None, reason)) for reason in reasons)
    pixels = [image.member.calibration.nm_per_pixel if image.member else None for image in images]
    columns = {"Image": [Entry("", "", text=image.name) for image in images]}
    for head, whole in zip(("Counted", "Left out"), zip(*counts, strict=True), strict=True):
        columns[head] = [Entry("", "", Value(count), kind="integer") for count in whole]
    for name in names:
        title, unit = number(name).title, in_hundredths(name, sample.quantities[name]).unit
        values = (in_hundredths(name, value) for value in sample.by_image(name))
        columns[f"{title} ({unit})" if unit else title] = [Entry("", "", replace(value, unit="")) for value in values]
    columns["nm per pixel"] = [Entry("", "", Value(pixel)) for pixel in pixels]
    columns["Remark"] = [Entry("", "", text=remark) for remark in remarks]
    return ((head, column) for head, column in columns.items() if any(entry.value != "–" for entry in column))


def contents_of_intervals(sample: SampleAnalysis) -> list[str]:
    """What the interval of each image's median includes, as its own page says it, "" of one without an interval; empty
    for kinds whose answer is no median of sizes."""
    if not sample.task.screened:
        return []
    return [
        Summary(image.member.statistics, {}).by_number("median").includes
        if image.member is not None and image.member.statistics is not None and size.reported.low is not None
        else ""
        for image, size in zip(sample.images, sample.by_image("median"), strict=True)
    ]
