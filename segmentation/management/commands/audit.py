"""`audit`: checks logs of corrections and signatures, exports a log, and repeats the corrections in a bundle (a ZIP
file with the outlines before and after, and the log)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from segmentation.models import Job, Study
from segmentation.quality.studies.services import broken_study
from segmentation.services.results.corrections import logs
from segmentation.services.results.corrections.edits import broken_edits
from segmentation.services.results.corrections.signing import broken_signatures

ACTIONS = {  # action -> its help
    "verify": "check logs and signatures, of one JOB or of all: every altered, missing or exchanged edit or signature"
    " is named, and every signed file that was changed; the exit status is then 1",
    "export": "the log of a JOB as JSON or, with --csv, as CSV",
    "replay": "apply the log in a BUNDLE.zip to the outlines before it and compare them with those after it",
}


class Command(BaseCommand):
    help = ". ".join(f"{action}: {words}" for action, words in ACTIONS.items()) + "."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=list(ACTIONS))
        parser.add_argument("what", nargs="?", metavar="JOB or BUNDLE.zip")
        parser.add_argument("--csv", action="store_true", help="export as CSV")
        parser.add_argument("--out", type=Path, metavar="FILE", help="export to a file instead of the screen")

    def handle(self, *args: Any, **options: Any) -> None:
        action, what = options["action"], options["what"]
        if action == "verify":
            self._verify(_job(what) if what else None)
        elif what is None:
            missing = "the JOB whose log is exported: its id is in the address of its page"
            raise CommandError(f"Name {missing if action == 'export' else 'the BUNDLE.zip'}.")
        elif action == "export":
            self._export(_job(what), options)
        else:
            self._replay(Path(what))

    def _verify(self, single_job: Job | None) -> None:
        edited = Q(edit_count__gt=0) | Q(edits__isnull=False)
        signed = ~Q(signature_hash="") | Q(signatures__isnull=False)
        jobs = [single_job] if single_job else Job.objects.filter(edited | signed).distinct().order_by("created")
        checked = edits = signatures = broken = 0
        for job in jobs:
            faults = [*broken_edits(job), *broken_signatures(job)]
            checked, broken = checked + 1, broken + bool(faults)
            edits, signatures = edits + job.edit_count, signatures + job.signatures.count()
            for sentence in faults:
                self.stdout.write(f"{job.pk}: {sentence}")
        self.stdout.write(
            f"{edits:,} edits and {signatures:,} signatures of {checked:,} results were checked, {broken:,} of the"
            " results are broken."
        )
        for study in Study.objects.exclude(signatures=[]) if single_job is None else ():
            for sentence in broken_study(study):
                broken += 1
                self.stdout.write(f"study {study.pk}: {sentence}")
        if broken:
            sys.exit(1)

    def _export(self, job: Job, options: dict[str, Any]) -> None:
        edits = list(job.edits.all())
        text = "".join(logs.edits_as_csv(edits) if options["csv"] else logs.edits_as_json(edits))
        if options["out"] is None:
            self.stdout.write(text, ending="")
            return
        try:
            options["out"].write_text(text, encoding="utf-8", newline="")
        except OSError as problem:
            raise CommandError(f"{options['out']}: {problem.strerror}") from problem

    def _replay(self, bundle: Path) -> None:
        try:
            faults = logs.differences_when_repeated(bundle)
        except logs.NotRepeated as problem:
            raise CommandError(f"{bundle}: {problem}") from problem
        for sentence in faults:
            self.stdout.write(sentence)
        if faults:
            sys.exit(1)
        self.stdout.write("The corrected outlines are equal, bit for bit.")


def _job(pk: str) -> Job:
    try:
        return Job.objects.get(pk=UUID(pk))
    except (Job.DoesNotExist, ValueError):
        raise CommandError(f"There is no result {pk}.") from None
