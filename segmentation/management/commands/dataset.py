"""Say what is wrong with a folder of one's own images and labels before any training starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ._lab import BASE, LabCommand


class Command(LabCommand):
    help = (
        "`dataset check FOLDER`: errors and warnings on FOLDER/images and FOLDER/labels "
        "(binary or one number per particle; PNG, TIFF, npy). Exit status 1 where there is an error. "
        "`dataset empty FOLDER --out DIR`: cut squares without particles from its images, to score a model on; in "
        "place of FOLDER a training RECIPE.toml means what it holds out. `dataset tiles FOLDER --out DIR --side PX`: "
        "cut images and labels of classes into blocks, with --variants in their eight turned and mirrored forms."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["check", "empty", "tiles"])
        parser.add_argument("folder", type=Path, metavar="FOLDER")
        parser.add_argument("--out", type=Path, metavar="DIR", help="folder of what is written")
        parser.add_argument("--images", default="", metavar="NAME", help="the images' folder in FOLDER")
        parser.add_argument("--labels", default="", metavar="NAME", help="the labels' folder in FOLDER")
        classes = parser.add_argument("--classes", type=int, nargs="*", metavar="N")
        classes.help = "the labels are classes: the numbers that stand for them; without any: all there are but 255"
        parser.add_argument("--groups", default="", metavar="CSV", help="table image,group: in FOLDER, or a path")
        parser.add_argument("--side", type=int, default=128, metavar="PX", help="of the squares (128)")
        parser.add_argument("--variants", action="store_true", help="tiles also turned and mirrored, eight of each")
        parser.add_argument("--n", type=int, default=20, metavar="N", help="number of empty squares (20)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "check":
            self._check(options)
            return
        if options["out"] is None:
            raise CommandError("Say with --out where the squares go.")
        if min(options["side"], options["n"]) < 1:
            raise CommandError("--side and --n are at least 1.")
        (self._empty if options["action"] == "empty" else self._tiles)(options)

    def _tiles(self, options: dict[str, Any]) -> None:
        from segmentation.core.truth import find_pairs
        from segmentation.lab.settings import keep_apart
        from segmentation.lab.tiles import write_tiles

        pairs = find_pairs(options["folder"], options["images"], options["labels"]).complete()
        keep_apart(options["folder"], *(file for pair in pairs for file in pair.files))
        count = write_tiles(pairs, options["out"], options["side"], variants=options["variants"], say=self.say)
        self.stdout.write(f"{count} tiles of {options['side']} px in {options['out'] / 'images'}")

    def _empty(self, options: dict[str, Any]) -> None:
        from segmentation.lab.tiles import write_squares

        count = write_squares(_labelled(options), options["out"], options["side"], options["n"])
        self.stdout.write(f"{count} squares of {options['side']} px without particles in {options['out'] / 'images'}")

    def _check(self, options: dict[str, Any]) -> None:
        from segmentation.core.truth import ANY
        from segmentation.lab.check import NOT_CAUGHT, check_folder
        from segmentation.lab.check.sheets import write_pictures

        names = {name: options[name] for name in ("images", "labels", "groups")}
        said = options["classes"]
        count = ANY if said == [] else 0
        checked = check_folder(options["folder"], **names, classes=tuple(said or ()), count=count, say=self.say)
        for finding in checked.findings:
            self.stdout.write(str(finding))
        self.stdout.write(checked.summary)
        self.stdout.write(NOT_CAUGHT)
        for file in write_pictures(checked, options["out"]) if options["out"] else []:
            self.stdout.write(f"picture: {file}")
        if count := len(checked.errors):
            raise CommandError(f"{count} error{'s' if count > 1 else ''} must be corrected before a training.")


def _labelled(options: dict[str, Any]) -> Any:
    """The micrographs of a folder, or the micrographs that a recipe holds out."""
    from segmentation.lab.data import held_out, load_folder
    from segmentation.lab.settings import FolderEntry, read_recipe

    folder = options["folder"]
    if folder.suffix.lower() == ".toml":
        return held_out(read_recipe(folder), BASE)
    names = {name: options[name] for name in ("images", "labels", "groups")}
    return load_folder(folder, FolderEntry(path=str(folder), **names))
