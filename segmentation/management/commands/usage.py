"""`manage.py usage [--since 2026-01-01]`: writes a CSV with the numbers of images and the storage of each account."""

from __future__ import annotations

import csv
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, datetime, time
from typing import Any

from django.core.management import BaseCommand
from django.utils import timezone

from segmentation.services.results.usage import Usage, usage


def day(text: str) -> datetime:
    """The beginning of a day such as 2026-01-31."""
    try:
        return timezone.make_aware(datetime.combine(date.fromisoformat(text), time()))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day; write it as 2026-01-31.") from None


class Command(BaseCommand):
    help = "Write what each account used as CSV: images and work of finished analyses, and what is stored now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=day, metavar="DAY", help="count the analyses from this day on")

    def handle(self, *, since: datetime | None, **options: Any) -> None:
        writer = csv.writer(sys.stdout if self.stdout is None else self.stdout)
        writer.writerows([Usage._fields, *usage(since)])
