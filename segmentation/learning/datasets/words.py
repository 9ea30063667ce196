"""The content of the page of a dataset: its images, counts, findings of the check, and a chart of sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db.models import Prefetch, prefetch_related_objects

from ...core import tasks
from ...core.measure.quantities import significant
from ...core.tasks.base import Task
from ...models import Dataset, DatasetImage

CHART_WIDTH, CHART_HEIGHT = 320, 96  # of the chart of sizes, in the units of its SVG
IMAGES = Prefetch("images", DatasetImage.objects.select_related("by", "job__micrograph").order_by("-consented", "pk"))


class SizeBar(NamedTuple):
    """A bar of the chart of sizes, in the chart's coordinates. title: the tooltip."""

    x: float
    y: float
    width: float
    height: float
    title: str


class ImageLine(NamedTuple):
    """One image of a dataset. facts: its numbers in words. part: the part whose outlines were checked, in words; ""
    for the whole image."""

    image: DatasetImage
    facts: str
    part: str


class DatasetPage:
    """A dataset in words, numbers and bars. For a list of datasets, prefetch IMAGES of all of them first."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset, self.summary = dataset, dict(dataset.summary)
        self.task = tasks.find(dataset.task)
        prefetch_related_objects([dataset], IMAGES)
        images = dataset.images.all()
        self.images = [ImageLine(image, facts_of(image.summary, self.task), _part(image)) for image in images]
        checked = dataset.is_finished  # while images are copied and checked, nothing is known of them
        self.errors, self.warnings = (findings_of(dataset, error=error) if checked else [] for error in (True, False))

    @property
    def counts_line(self) -> str:
        """The numbers of images, groups and objects: "12 images of 3 specimens or sessions, 1,204 particles"."""
        count, groups = len(self.images), len({line.image.group for line in self.images})
        line = f"{amount(count, 'image')} of {amount(groups, 'specimen or session', 'specimens or sessions')}"
        objects = sum(line.image.summary.get("objects", 0) for line in self.images)
        return line if self.task.semantic else f"{line}, {self.task.count(objects)}"

    @property
    def shares(self) -> list[tuple[str, str]]:
        """The mean share of each class: name and per cent; [] if labels are objects."""
        shares = [line.image.summary["shares"] for line in self.images if "shares" in line.image.summary]
        if not shares:
            return []
        return [
            (name, f"{100 * sum(shares_of_image.get(name, 0) for shares_of_image in shares) / len(shares):.1f} %")
            for name in self.dataset.class_names
        ]

    @property
    def bars(self) -> list[SizeBar]:
        """How many objects have which size in px."""
        sizes = self.summary.get("sizes") or {}
        counts, edges = sizes.get("counts", []), sizes.get("edges", [])
        top, bar_width = max(counts, default=0) or 1, CHART_WIDTH / max(1, len(counts))
        return [
            SizeBar(
                number * bar_width,
                CHART_HEIGHT * (1 - n / top),
                bar_width - 1,
                CHART_HEIGHT * n / top,
                f"{low:g} to {high:g} px: {n:,}",
            )
            for number, (n, low, high) in enumerate(zip(counts, edges, edges[1:], strict=False))
        ]

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Place and text of every fourth edge of the bars."""
        edges = (self.summary.get("sizes") or {}).get("edges", [])
        return [(CHART_WIDTH * i / max(1, len(edges) - 1), f"{edges[i]:g}") for i in range(0, len(edges), 4)]


def findings_of(dataset: Dataset, *, error: bool) -> list[str]:
    """The sentences of the check of a dataset: its errors, or its warnings."""
    return [finding["sentence"] for finding in dataset.summary.get("findings", []) if finding["error"] == error]


def facts_of(summary: Mapping[str, Any], task: Task) -> str:
    """The numbers of an image in words, such as "212 particles, median diameter 31.2 px"."""
    if "shares" in summary:
        return ", ".join(f"{name} {100 * share:.1f} %" for name, share in summary["shares"].items())
    if "objects" not in summary:
        return ""
    median = summary.get("median_px")
    size = f", median diameter {significant(median, 3)} px" if median else ""
    left_out_count = summary.get("left_out")
    left_out = f"; {left_out_count:,} left out: background" if left_out_count else ""
    return f"{task.count(summary['objects'])}{size}{left_out}"


def _part(image: DatasetImage) -> str:
    """The checked part of an image in words; "" for the whole image."""
    if not image.region:
        return ""
    top, left, bottom, right = image.region
    if (top, left, right) == (0, 0, image.width):
        return f"rows 0 to {bottom:,} of {image.height:,}"
    return f"checked from {left:,}, {top:,} to {right:,}, {bottom:,} px"


def amount(count: int, one: str, several: str = "") -> str:
    """A number with its noun, such as "1 image" or "1,204 images". several: the plural, if it is not `one` + "s"."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
