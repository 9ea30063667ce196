"""`manage.py backup FILE`: writes the whole site into one archive, while it runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError

from segmentation.services.ground.refusal import Refused
from worker.backup import write_backup


class Command(BaseCommand):
    help = (
        "Write the rows, the stored files, your own models and the secret key to FILE, a ZIP; the site may run. Keep"
        " FILE as safe as the site itself: it holds the key and everybody's results."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")

    def handle(self, *, file: Path, **options: Any) -> None:
        try:
            counted = write_backup(file, self.stdout.write)
        except Refused as refusal:
            raise CommandError(refusal.sentence) from None
        except (OSError, DatabaseError) as error:
            raise CommandError(f"{file} cannot be written ({error}).") from error
        self.stdout.write(f"{file}: {counted.rows:,} rows and {counted.files:,} files.")
