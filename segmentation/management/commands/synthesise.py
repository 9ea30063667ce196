"""`synthesise`: makes synthetic micrographs with exact labels for trainings and tests, rendered or composed of cut-out
particles."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from segmentation.core.stages.pace import time_left

from ._lab import LabCommand

SIDE_RANGE_PX = (32, 8192)  # side of a picture
NAMED_SETTINGS = ("family", "kind", "polarity")  # settings of a picture with an option of the same name


class Command(LabCommand):
    help = (
        "Render N micrographs into DIR: images/, labels/ (uint16 PNG), depth/ (float TIFF), settings.csv, sheet.png. "
        "Whatever is not given is drawn at random (docs/development/synthesis.md). With --composed: images/, labels/ "
        "and sheet.png of agglomerates that are composed of the particles of a labelled folder."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--n", type=int, default=100, metavar="N", help="number of pictures (100)")
        parser.add_argument("--out", type=Path, metavar="DIR", help="a new or empty folder")
        parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same pictures (0)")
        parser.add_argument("--size", default="512x512", metavar="WxH", help="pixels (512x512)")
        parser.add_argument("--family", help="shape of the particles")
        parser.add_argument("--diameter", metavar="D|LOW:HIGH", help="typical diameter in px, or its range")
        parser.add_argument("--kind", help="sem, powder, transmission, blank, supported or hrtem")
        parser.add_argument("--polarity", help="particles bright or dark")
        parser.add_argument(
            "--set", action="append", default=[], metavar="NAME=VALUE", dest="entries", help="fix a setting; repeatable"
        )
        parser.add_argument("--composed", type=Path, metavar="FOLDER", help="labelled images to take particles from")
        parser.add_argument("--list", action="store_true", help="list every setting with its range, and stop")

    def handle(self, *args: Any, **options: Any) -> None:
        from segmentation.lab.research.rendered import write_composites, write_pictures
        from segmentation.lab.training.synthesis.settings import allowed_values, every_setting

        if options["list"]:
            for name, setting in every_setting().items():
                self.stdout.write(f"{name:18} {setting.description}: {allowed_values(setting)}")
            return
        if options["out"] is None:
            raise CommandError("Name the folder to write to: --out DIR.")
        count, start_time = options["n"], time.monotonic()

        def progress(number: int) -> None:
            if number == count or number % max(1, count // 20) == 0:
                self.say(f"{number} of {count}{time_left(start_time, number, count)}")

        if options["composed"]:
            write_composites(_picture_set(options), options["composed"], options["out"], progress)
        else:
            write_pictures(_picture_set(options), options["out"], progress)
        self.stdout.write(f"{count} pictures in {options['out']}, a contact sheet in sheet.png")


def _picture_set(options: dict[str, Any]) -> Any:
    """The pictures that the options of the command line describe. Raises CommandError and BadSetting."""
    from segmentation.lab.research.rendered import PictureSet
    from segmentation.lab.training.synthesis import composites
    from segmentation.lab.training.synthesis.draw import DIAMETERS
    from segmentation.lab.training.synthesis.settings import checked_value, parse_fixed

    if options["n"] < 1:
        raise CommandError("--n must be at least 1.")
    if options["seed"] < 0:
        raise CommandError("--seed must not be negative.")
    composed = bool(options["composed"])
    rendering_options = [name for name in (*NAMED_SETTINGS, "entries") if options[name]]
    if composed and rendering_options:
        option = rendering_options[0].replace("entries", "set")
        raise CommandError(f"--composed takes no --{option}: only rendered pictures have it.")
    fixed = parse_fixed(options["entries"])
    fixed |= {name: checked_value(name, options[name]) for name in NAMED_SETTINGS if options[name] is not None}
    diameters = composites.DIAMETERS if composed else DIAMETERS
    low, colon, high = (options["diameter"] or "").partition(":")
    if colon:
        diameters = checked_value("diameter", low), checked_value("diameter", high)
        if diameters[0] > diameters[1]:
            raise CommandError(f"--diameter {options['diameter']}: the lower end comes first.")
    elif low:
        fixed["diameter"] = checked_value("diameter", low)
        diameters = (fixed["diameter"], fixed["diameter"]) if composed else DIAMETERS
    width, _, height = options["size"].lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise CommandError(f"--size {options['size']} is not WIDTHxHEIGHT in pixels, such as 1024x768.")
    if not all(SIDE_RANGE_PX[0] <= int(side) <= SIDE_RANGE_PX[1] for side in (width, height)):
        raise CommandError(f"--size {options['size']}: each side may have {SIDE_RANGE_PX[0]} to {SIDE_RANGE_PX[1]} px.")
    return PictureSet(options["n"], (int(height), int(width)), options["seed"], fixed, diameters)
