"""`report.pdf`: what was found, for filing, on two pages; `report-annex.pdf`: the same with all behind it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..looks import ANNEX, REPORT
from .base import FIGURE, WITH_SUMS, Export

if TYPE_CHECKING:
    from ..context import Context


def _write(context: Context, path: Path, annex: bool = False) -> None:
    from ..pages import write_report

    write_report(context, path, annex=annex)


EXPORTS = (
    Export(
        REPORT,
        "Report, PDF",
        10,
        _write,
        image="two pages: picture, numbers, {chart}; method, settings, {uncertainty}signature",
        sample="two pages: numbers, {chart}; method, settings, {uncertainty}signature",
        turn=FIGURE,
    ),
    Export(
        ANNEX,
        "Report with annexes, PDF",
        15,
        partial(_write, annex=True),
        image="the report with {points}all settings, model card, checksums",
        sample="the report with every image, {points}model card, checksums",
        turn=WITH_SUMS,
    ),
)
