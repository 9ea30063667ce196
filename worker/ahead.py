"""Which further files of a result are written before anybody asks."""

from __future__ import annotations

from segmentation.core.report.exports.base import GROUPS, WITH_SUMS
from segmentation.models import Job, Sample
from segmentation.services.results.exports import listed

# On the page of a result, at once; what is in a closed part of it is asked for when that is opened.
SHOWN = {"figure-small.webp", "panel-lengths.png", "panel-rose.png"}


def names_ahead(result: Job | Sample) -> list[str]:
    """The names of the files that are written before anybody asks: pages show them, or most people take them. They are
    about a third of the work of all."""
    files = listed(result).items()
    return [name for name, export in files if name in SHOWN or (export.group == GROUPS[0] and export.turn < WITH_SUMS)]
