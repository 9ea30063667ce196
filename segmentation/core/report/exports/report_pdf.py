"""`report.pdf`: what was found, for filing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .base import WITH_SUMS, Export

if TYPE_CHECKING:
    from ..context import Context


def _write(context: Context, path: Path) -> None:
    from ..pages import write_report

    write_report(context, path)


EXPORTS = (
    Export(
        "report.pdf",
        "Report, PDF",
        "application/pdf",
        10,
        _write,
        image="report of some five pages, for filing",
        sample="report on the sample, for filing",
        turn=WITH_SUMS,
    ),
)
