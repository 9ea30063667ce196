"""Render the sample image and the examples of the upload page again (their files are in static/sample)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Render the sample image and the examples, the same bytes each time, and small pictures of their results."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        default = Path(settings.BASE_DIR) / "static" / "sample"
        parser.add_argument("--out", type=Path, default=default, metavar="DIR")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.lab.research.examples import write_examples

        for file in write_examples(options["out"]):
            self.stdout.write(str(file))
