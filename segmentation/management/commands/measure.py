"""Masks that other tools made, measured and reported as our own outlines are: no network, no database."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from segmentation.core.micrograph import read
from segmentation.core.micrograph.types import Micrograph, UnreadableImage
from segmentation.core.settings import DEFAULT_TASK, AnalysisSettings, MeasurementSettings
from segmentation.core.tasks import find
from segmentation.core.typed import settings_of

from . import _inputs as inputs

MASKS = (".tif", ".tiff", ".png", ".bmp", ".npy")


class Command(BaseCommand):
    help = (
        "Measure label images or binary masks made by other tools; writes DIR/<stem>/ for each,"
        " and with --sample the pooled files into DIR."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "labels", nargs="+", type=Path, metavar="LABELS", help="TIFF, PNG or npy, or folders of them"
        )
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
        size = parser.add_mutually_exclusive_group()
        size.add_argument("--nm-per-pixel", type=inputs.pixel_size, metavar="P", help="size of a pixel in nm")
        size.add_argument("--width-nm", type=inputs.width, metavar="W", help='image width: 7520, "7.52 um"')
        parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the micrographs, of the masks' stems")
        inputs.add_settings(parser, settings_of(MeasurementSettings))
        parser.add_argument(
            "--kind",
            choices=["auto", "binary", "labels"],
            default="auto",
            help="binary: each connected piece is a particle; labels: each number; auto tells by the numbers",
        )
        parser.add_argument("--background", type=int, default=0, metavar="V", help="the value between particles")
        parser.add_argument("--all", action="store_true", help="set-aside particles in labels.tif and rois.zip, too")
        parser.add_argument("--sample", type=inputs.sample_name, metavar="NAME", help="pool the masks as one sample")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["images"] is not None and not options["images"].is_dir():
            raise CommandError(f"There is no folder {options['images']}.", returncode=inputs.BAD_INPUT)
        try:
            options["out"].mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(inputs.sentence(error), returncode=inputs.BAD_INPUT) from error
        settings = inputs.settings(find(DEFAULT_TASK), settings_of(MeasurementSettings), options)
        pooling = inputs.Pooling(options["sample"], settings.measurement)
        pooling.run(self, list(self._masks(options)), options["out"], partial(self._one, settings, options))

    def _masks(self, options: dict[str, Any]) -> Iterator[Path]:
        """The masks named, and those in the folders named, told by their suffix."""
        for path in options["labels"]:
            if not path.is_dir():
                yield path
                continue
            images, others = inputs.images_in(path, but=options["out"])
            masks = sorted(file for file in (*images, *others) if file.suffix.lower() in MASKS)
            yield from masks
            rest = [file for file in (*images, *others) if file not in masks]
            said = inputs.left_out(path, rest) if masks else f"{path}: There is no mask in this folder."
            if said:
                self.stderr.write(said)

    def _one(self, settings: AnalysisSettings, options: dict[str, Any], path: Path, folder: Path) -> Any:
        from segmentation.core.labelled import analyse_mask
        from segmentation.core.truth import read_mask

        mask = read_mask(path, kind=options["kind"], background=options["background"])
        settings = settings.with_(calibration=inputs.calibration(options, mask.labels.shape[1]))
        with inputs.Bar(path.name) as bar:
            analysis = analyse_mask(mask, settings, bar, image=_image(path, options["images"]))
            inputs.write(analysis, folder, bar, keep_all=options["all"])
        for note in mask.notes:
            self.stderr.write(f"{path}: {note}")
        self.stdout.write(f"{path} -> {folder}: {inputs.outcome(analysis)}")
        return analysis


def _image(mask: Path, folder: Path | None) -> Micrograph | None:
    """The micrograph to which a mask belongs, see `find_pairs`."""
    from segmentation.core.truth import owner_of

    if folder is None:
        return None
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.resolve() != mask.resolve()]
    image = owner_of(mask, [path for path in files if not inputs.is_side(path.name)])
    if image is None:
        raise UnreadableImage(f"There is no image {mask.stem} in {folder}.")
    return read(image, side=inputs.beside(image))
