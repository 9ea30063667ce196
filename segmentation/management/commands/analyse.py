"""The main job from the shell: no database, no broker, no server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from segmentation.core.micrograph import read
from segmentation.core.micrograph.types import Micrograph, UnreadableImage
from segmentation.core.network import cards
from segmentation.core.settings import DEFAULT_MODEL, AnalysisSettings

from . import _inputs as inputs


class Command(BaseCommand):
    help = (
        "Outline and measure the particles of micrographs; writes DIR/<stem>/ for each image,"
        " and with --sample the pooled files into DIR."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="images, or folders of images")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
        size = parser.add_mutually_exclusive_group()
        size.add_argument("--width-nm", type=inputs.width, metavar="W", help='image width: 7520, "7.52 um"')
        size.add_argument("--nm-per-pixel", type=inputs.pixel_size, metavar="P", help="size of a pixel in nm")
        parser.add_argument("--filter", action="store_true", help="set small, unresolved and odd particles aside")
        parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME")
        parser.add_argument("--threshold", type=inputs.share, metavar="T", help="foreground probability, 0 to 1")
        parser.add_argument("--polarity", choices=["auto", "bright", "dark"], default="auto")
        parser.add_argument(
            "--data-bar", type=inputs.rows, default="auto", metavar="ROWS", help="rows it takes at the bottom; 0: none"
        )
        parser.add_argument("--scale", type=inputs.scale, metavar="S", help="working scale; by default chosen")
        parser.add_argument("--flips", action="store_true", help="average over mirrored images: four times the time")
        parser.add_argument("--edge", choices=["exclude", "weight"], default="exclude", help=inputs.EDGE)
        parser.add_argument("--all", action="store_true", help="set-aside particles in labels.tif and rois.zip, too")
        parser.add_argument("--sample", type=inputs.sample_name, metavar="NAME", help="pool the images as one sample")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            cards.find(options["model"])
            options["out"].mkdir(parents=True, exist_ok=True)
        except (cards.UnknownModel, OSError) as error:
            raise CommandError(inputs.sentence(error), returncode=inputs.BAD_INPUT) from error
        pooling = inputs.Pooling(options["sample"], options["edge"], options["filter"])
        for image, folder in inputs.folders_of(list(self._images(options)), options["out"]):
            try:
                pooling.add(self._one(image, folder, options))
            except (UnreadableImage, OSError, MemoryError, cards.AlteredWeights) as error:
                reason = inputs.sentence(error)
                self.stderr.write(f"{image}: {reason}")
                pooling.fail(image, reason)
        pooling.finish(options["out"], self.stdout, self.stderr)
        if pooling.failed:
            sys.exit(inputs.BAD_INPUT)

    def _images(self, options: dict[str, Any]) -> Iterator[Path]:
        """The images named, and those in the folders named."""
        for path in options["images"]:
            if not path.is_dir():
                yield path
                continue
            images, others = inputs.images_in(path, but=options["out"])
            yield from images
            said = inputs.left_out(path, others) if images else f"{path}: There is no image in this folder."
            if said:
                self.stderr.write(said)

    def _one(self, image: Path, folder: Path, options: dict[str, Any]) -> Any:
        from segmentation.core.pipeline import analyse

        micrograph = read(image, side=inputs.beside(image))
        recipe = _recipe(micrograph, options)
        tall = micrograph.shape[0]
        if recipe.segmentation.data_bar != "auto" and recipe.segmentation.data_bar >= tall:
            raise UnreadableImage(
                f"The data bar cannot take {recipe.segmentation.data_bar} rows: the image has only {tall}."
            )
        with inputs.Bar(image.name) as bar:
            analysis = analyse(micrograph, recipe, bar)
            inputs.write(analysis, folder, bar, keep_all=options["all"])
        kept, apart = analysis.statistics.n_kept, analysis.statistics.n_set_aside
        self.stdout.write(f"{image} -> {folder}: {kept} particles kept, {apart} set aside")
        for warning in analysis.warnings:
            self.stdout.write(f"  {warning}")
        return analysis


def _recipe(micrograph: Micrograph, options: dict[str, Any]) -> AnalysisSettings:
    names = ("model", "threshold", "polarity", "filter", "data_bar", "scale", "flips", "edge")
    calibration = inputs.calibration(options, micrograph.shape[1])
    return AnalysisSettings.of(**{name: options[name] for name in names}, calibration=calibration)
