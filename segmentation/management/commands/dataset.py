"""Say what is wrong with a folder of one's own images and labels before any training starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = (
        "`dataset check FOLDER`: what must be mended and what is worth a look in FOLDER/images and FOLDER/labels "
        "(binary or one number per particle; PNG, TIFF, npy). Exit status 1 when something must be mended."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["check"])
        parser.add_argument("folder", type=Path, metavar="FOLDER")
        parser.add_argument("--out", type=Path, metavar="DIR", help="write a contact sheet and a size histogram there")
        parser.add_argument("--images", default="", metavar="NAME", help="the images' folder in FOLDER")
        parser.add_argument("--labels", default="", metavar="NAME", help="the labels' folder in FOLDER")
        parser.add_argument("--groups", default="", metavar="CSV", help="table image,group in FOLDER")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.training.check import inspect
        from segmentation.training.check_pictures import write_pictures

        names = {name: options[name] for name in ("images", "labels", "groups")}
        checked = inspect(options["folder"], **names)
        for finding in checked.findings:
            self.stdout.write(str(finding))
        self.stdout.write(checked.summary)
        try:
            written = write_pictures(checked, options["out"]) if options["out"] else []
        except OSError as error:
            raise CommandError(str(error)) from error
        for file in written:
            self.stdout.write(f"picture: {file}")
        if count := len(checked.to_mend):
            raise CommandError(f"{count} thing{'s' if count > 1 else ''} must be mended before a training.")
