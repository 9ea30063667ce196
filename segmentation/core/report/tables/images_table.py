"""The table of a sample's images in PDF and XLSX: a row per image, a column per number.

`exports/images_csv.py` writes a similar table with more columns for programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ...measure.quantities import Value, number
from ...measure.uncertainty.pooled_fields import reason_and_warning
from ...sample import SampleAnalysis
from ..entries import Entry
from ..summary import Summary
from ..wording import in_per_cent


def columns_of_images(sample: SampleAnalysis, names: Iterable[str]) -> Iterator[tuple[str, list[Entry]]]:
    """The columns that are not empty: the head of each, such as "Bubble area (%)", and one entry
    per image.

    names: the numbers to show.
    """
    images, counts = sample.images, [image.counts for image in sample.images]
    reasons = (reason_and_warning(image.excluded or image.outlier, image.warning) for image in images)
    remarks = (" ".join(filter(None, (*reason, image.choice))) for reason, image in zip(reasons, images, strict=True))
    pixels = [image.member.calibration.nm_per_pixel if image.member else None for image in images]
    columns = {"Image": [Entry("", "", text=image.name) for image in images]}
    for head, image_counts in zip(("Counted", "Left out"), zip(*counts, strict=True), strict=True):
        columns[head] = [Entry("", "", Value(count), kind="integer") for count in image_counts]
    for name in names:
        title, unit = number(name).title, in_per_cent(name, sample.quantities[name]).unit
        values = (in_per_cent(name, value) for value in sample.by_image(name))
        columns[f"{title} ({unit})" if unit else title] = [Entry("", "", replace(value, unit="")) for value in values]
    columns["nm per pixel"] = [Entry("", "", Value(pixel)) for pixel in pixels]
    columns["Remark"] = [Entry("", "", text=remark) for remark in remarks]
    return ((head, column) for head, column in columns.items() if any(entry.value != "–" for entry in column))


def contents_of_intervals(sample: SampleAnalysis) -> list[str]:
    """For each image in words what the 95 % interval of its median includes; "" if it has no
    interval.

    The list is empty for kinds of analysis whose main number is not the median size.
    """
    if not sample.task.screened:
        return []
    return [
        Summary(image.member.statistics, {}).by_number("median").includes
        if image.member is not None and image.member.statistics is not None and size.reported.low is not None
        else ""
        for image, size in zip(sample.images, sample.by_image("median"), strict=True)
    ]
