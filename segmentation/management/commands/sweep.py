"""Train and score a grid of networks and L2 strengths over folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from ._lab import BASE, LabCommand


class Command(LabCommand):
    help = (
        "Train every network of SWEEP.toml with every L2 strength on every fold, score each on what its fold holds out,"
        " and write runs.csv, table.md and metrics.png to DIR. The same command goes on where it was stopped."
    )
    resumes = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("sweep", type=Path, metavar="SWEEP.toml")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.lab.sweep import run_sweep

        run_sweep(options["sweep"], options["out"], BASE, self.say)
        self.stdout.write((options["out"] / "table.md").read_text())
