"""`edit`: corrects a stored segmentation by a list of operations, without a model and without a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from segmentation.core.labels.corrections.operations import OPERATIONS, REDO, UNDO, correct
from segmentation.core.labels.corrections.patches import BadEdit
from segmentation.core.labels.segmentation import Segmentation, UnusableSegmentation

NO_LIST = 'The operations are a JSON list, such as [{"op": "delete", "ids": [7]}].'


class Command(BaseCommand):
    help = (
        "Correct segmentation.npz of a result by the operations in FILE.json, a list such as"
        ' [{"op": "delete", "ids": [7]}, {"op": "split", "id": 9, "line": [[10, 4], [10, 30]]}], and write it to OUT;'
        f" `measure OUT --images DIR` measures it. Operations: {', '.join(OPERATIONS)}, {UNDO}, {REDO}."
        " `ignore` changes no outline: give the regions to `measure`, as --ignore."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("segmentation", type=Path, metavar="FILE.npz")
        parser.add_argument("--operations", type=Path, required=True, metavar="FILE.json")
        parser.add_argument("--out", type=Path, required=True, metavar="OUT.npz")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            segmentation = Segmentation.load(options["segmentation"])
            try:
                operations = json.loads(options["operations"].read_bytes())
            except (ValueError, RecursionError) as problem:
                raise BadEdit(NO_LIST) from problem
            if not isinstance(operations, list):
                raise BadEdit(NO_LIST)
            corrected = correct(segmentation, operations)
            corrected.save(options["out"])
        except (BadEdit, UnusableSegmentation) as problem:
            raise CommandError(str(problem)) from problem
        except OSError as problem:
            raise CommandError(f"{problem.filename}: {problem.strerror}") from problem
        self.stdout.write(
            f"{options['out']}: {len(corrected):,} objects ({len(segmentation):,} before), "
            f"{len(corrected.by_hand):,} by hand"
        )
