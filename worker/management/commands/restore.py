"""`manage.py restore FILE`: restores a backup into an empty site of the same or a later version,
with SQLite or PostgreSQL."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import DatabaseError

from segmentation.services.ground.refusal import Refused
from worker.backup import restore_backup
from worker.processes import data_directory


class Command(BaseCommand):
    help = (
        "Restore FILE, which `backup` wrote, into an empty database and data folder; the site must not run."
        " FILE is checked first: nothing is touched if it is damaged. What was running then waits in the queue."
    )
    requires_system_checks = []  # there may be no database yet

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")

    def handle(self, *, file: Path, **options: Any) -> None:
        try:
            data_directory.prepare(settings.DEEPSEGM_DATA)
            with data_directory.lock(settings.DEEPSEGM_DATA):
                counted = restore_backup(file, self.stdout.write)
        except (Refused, data_directory.UnusableFolder) as refusal:
            raise CommandError(str(refusal)) from None
        except (OSError, DatabaseError) as error:
            raise CommandError(f"The backup could not be restored ({error}): empty the site and try again.") from error
        self.stdout.write(f"{counted.rows:,} rows and {counted.files:,} files are restored: start the site.")
