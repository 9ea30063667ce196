"""The files of a result that an idle worker writes in advance, before a user asks for them."""

from __future__ import annotations

from segmentation.core.report.exports.base import GROUPS, WITH_SUMS
from segmentation.models import Job, Sample
from segmentation.services.results.exports import files_of_kind

# The page of a result shows these at once. (Files in a closed part of the page are written when
# that part is opened.)
SHOWN_ON_PAGE = {"figure-small.webp", "panel-lengths.png", "panel-rose.png"}


def early_file_names(result: Job | Sample) -> list[str]:
    """The names of the files that are written in advance: files that the page shows, and files that
    most users download. They take about a third of the time of all files."""
    files = files_of_kind(result).items()
    return [
        name
        for name, export in files
        if name in SHOWN_ON_PAGE or (export.group == GROUPS[0] and export.turn < WITH_SUMS)
    ]
