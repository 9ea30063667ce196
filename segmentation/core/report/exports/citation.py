"""`citation.bib`: how to cite the software that made a result, for programs of references."""

from __future__ import annotations

from ..wording import BIBTEX
from .base import Export

HOLDS = "how to cite DeepSegm, BibTeX"
EXPORTS = (
    Export(
        "citation.bib",
        "How to cite, BibTeX",
        "application/x-bibtex",
        190,
        lambda _, to: to.write_text(BIBTEX),
        image=HOLDS,
        sample=HOLDS,
    ),
)
