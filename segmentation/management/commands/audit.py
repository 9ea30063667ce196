"""Checks and exports the log of corrections."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from segmentation.core.report.cells import lines, name_cell
from segmentation.models import Job
from segmentation.services import broken_edits

COLUMNS = ("job", "sequence", "author", "visitor", "time", "operation", "patch", "before", "undoes", "previous", "hash")


class Command(BaseCommand):
    help = (
        "verify: check the log of corrections, of one JOB or of all; every altered, missing or exchanged edit is named,"
        " and the exit status is 1. export: the log of a JOB as JSON or, with --csv, as CSV."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["verify", "export"])
        parser.add_argument("job", nargs="?", metavar="JOB", type=UUID)
        parser.add_argument("--csv", action="store_true", help="export as CSV")
        parser.add_argument("--out", type=Path, metavar="FILE", help="export to a file instead of the screen")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "verify":
            self._verify(options["job"])
        elif options["job"] is None:
            raise CommandError("Name the JOB whose log is exported: its id is in the address of its page.")
        else:
            self._export(_job(options["job"]), options)

    def _verify(self, pk: UUID | None) -> None:
        corrected = Job.objects.filter(Q(edit_count__gt=0) | Q(edits__isnull=False)).distinct().order_by("created")
        checked = edits = broken = 0
        for job in [_job(pk)] if pk else corrected:
            found = broken_edits(job)
            checked, edits, broken = checked + 1, edits + job.edit_count, broken + bool(found)
            for sentence in found:
                self.stdout.write(f"{job.pk}: {sentence}")
        self.stdout.write(f"{edits:,} edits of {checked:,} results were checked, {broken:,} of the results are broken.")
        if broken:
            sys.exit(1)

    def _export(self, job: Job, options: dict[str, Any]) -> None:
        rows = [each.as_dict() for each in job.edits.all()]
        if options["csv"]:
            text = lines([COLUMNS, *([_cell(row[name]) for name in COLUMNS] for row in rows)])
        else:
            text = json.dumps(rows, indent=1) + "\n"
        if options["out"] is None:
            self.stdout.write(text, ending="")
            return
        try:
            options["out"].write_text(text, encoding="utf-8", newline="")
        except OSError as problem:
            raise CommandError(f"{options['out']}: {problem.strerror}") from problem


def _cell(value: Any) -> str:
    """No spreadsheet takes it for a formula."""
    return name_cell(json.dumps(value) if isinstance(value, dict | list) else str("" if value is None else value))


def _job(pk: UUID) -> Job:
    try:
        return Job.objects.get(pk=pk)
    except Job.DoesNotExist:
        raise CommandError(f"There is no result {pk}.") from None
