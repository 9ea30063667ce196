"""`manage.py purge_jobs --older-than 30d`: deletes old results, to free space on the disk."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta
from typing import Any

from django.core.management import BaseCommand
from django.template.defaultfilters import filesizeformat, pluralize

from segmentation.services.upkeep import upkeep

UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def age(text: str) -> timedelta:
    """An age such as 30d, 12h or 4w."""
    match = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; write it as 30d, 12h or 4w.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


class Command(BaseCommand):
    help = "Delete finished jobs, with their files, and uploads that no job uses. Signed results stay."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--older-than", type=age, required=True, help="age such as 30d, 12h or 4w")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")

    def handle(self, *, older_than: timedelta, dry_run: bool, **options: Any) -> None:
        removed = upkeep.purge(older_than=older_than, dry_run=dry_run)
        verb = "Would delete" if dry_run else "Deleted"
        size = filesizeformat(removed.bytes).replace("\xa0", " ")
        uploads = f"{removed.uploads} micrograph{pluralize(removed.uploads)}"
        self.stdout.write(f"{verb} {removed.jobs} job{pluralize(removed.jobs)} and {uploads}, {size}.")
