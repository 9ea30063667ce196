"""Exports for records, regulators and papers: the report with and without its annex, the report
form of OECD TG 125, the endpoint record (a property as chemical registrations state it, here the
distribution of sizes), and the citation of this software.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..file_options import ANNEX, FORM, REPORT
from ..wording import BIBTEX, write_json
from .base import FIGURE, WITH_SUMS, Export
from .result import json_value

if TYPE_CHECKING:
    from ..context import Context


def _write_report(context: Context, path: Path, annex: bool = False) -> None:
    from ..documents.pages import write_report

    write_report(context, path, annex=annex)


def _write_form(context: Context, path: Path) -> None:
    from ..documents.guideline import as_dict, form_of

    form = form_of(context.sample.in_readable_unit(), context.filing, context.signatures)
    write_json(as_dict(form), path, indent=2)


def _write_record(context: Context, path: Path) -> None:
    from ..documents.endpoint import record

    write_json(json_value(record(context.sample, context.filing)), path, indent=2)


# `Export.with_words` fills in the words in braces; some of them end with a comma.
EXPORTS = (
    Export(
        REPORT,
        "Report, PDF",
        place=10,
        write=_write_report,
        image="two pages: picture, numbers, {chart}; method, settings, {uncertainty}signature",
        sample="two pages: numbers, {chart}; method, settings, {uncertainty}signature",
        turn=FIGURE,
    ),
    Export(
        ANNEX,
        "Report with annexes, PDF",
        place=15,
        write=partial(_write_report, annex=True),
        image="the report with {points}all settings, model card, checksums",
        sample="the report with every image, {points}model card, checksums",
        turn=WITH_SUMS,
    ),
    Export(
        FORM,
        "OECD TG 125 form, JSON",
        place=182,
        write=_write_form,
        both="the report form of OECD TG 125, also in the report with annexes",
        granulometry=True,
    ),
    Export(
        "endpoint-record.json",
        "Endpoint record, JSON",
        place=184,
        write=_write_record,
        both="the granulometry study as AMBIT, eNanoMapper and pyambit read it",
        granulometry=True,
    ),
    Export(
        "citation.bib",
        "How to cite, BibTeX",
        place=190,
        write=lambda _, path: path.write_text(BIBTEX),
        both="how to cite DeepSegm, BibTeX",
    ),
)
