"""The export `conformity.pdf`: one page for a supplier or a customer, with the decision on a
specification."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..file_options import CONFORMITY
from .base import FIGURE, Export

if TYPE_CHECKING:
    from ..context import Context


def _write(context: Context, path: Path) -> None:
    from ..documents.conformity_page import write_page

    write_page(context, path)


EXPORTS = (
    Export(
        CONFORMITY,
        "Conformity with the specification, PDF",
        place=17,
        write=_write,
        both="one page: the decision, limits, numbers with intervals, signature; only of a result that has limits",
        judged=True,
        turn=FIGURE,
    ),
)
