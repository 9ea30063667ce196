"""The main job from the shell: no database, no broker, no server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from segmentation.core.micrograph import read
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network import cards
from segmentation.core.settings import DEFAULT_MODEL, AnalysisSettings
from segmentation.core.tasks import UnknownTask, every, find
from segmentation.core.tasks.base import NOT_POOLED
from segmentation.core.typed import Setting, settings_of_task

from . import _inputs as inputs


class Command(BaseCommand):
    help = (
        "Segment micrographs and measure what is found; writes DIR/<stem>/ for each image,"
        " and with --sample the pooled files into DIR."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="images, or folders of images")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
        size = parser.add_mutually_exclusive_group()
        size.add_argument("--width-nm", type=inputs.width, metavar="W", help='image width: 7520, "7.52 um"')
        size.add_argument("--nm-per-pixel", type=inputs.pixel_size, metavar="P", help="size of a pixel in nm")
        inputs.add_settings(parser, _settings())
        parser.add_argument("--all", action="store_true", help="set-aside particles in labels.tif and rois.zip, too")
        parser.add_argument("--sample", type=inputs.sample_name, metavar="NAME", help="pool the images as one sample")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            task = find(cards.find(options["model"] or DEFAULT_MODEL).task)
            options["out"].mkdir(parents=True, exist_ok=True)
        except (cards.UnknownModel, UnknownTask, OSError) as error:
            raise CommandError(inputs.sentence(error), returncode=inputs.BAD_INPUT) from error
        if options["sample"] and not task.pools:
            raise CommandError(NOT_POOLED.format(title=task.title), returncode=inputs.BAD_INPUT)
        settings = inputs.settings(task, _settings(), options)
        pooling = inputs.Pooling(options["sample"], settings.measurement)
        pooling.run(self, list(self._images(options)), options["out"], partial(self._one, settings, options))

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

    def _one(self, settings: AnalysisSettings, options: dict[str, Any], image: Path, folder: Path) -> Any:
        from segmentation.core.pipeline import analyse

        micrograph = inputs.with_reading(read(image, side=inputs.beside(image)), options)
        settings = settings.with_(calibration=inputs.calibration(options, micrograph.shape[1]))
        tall, bar_rows = micrograph.shape[0], settings.segmentation.data_bar
        if bar_rows != "auto" and bar_rows >= tall:
            raise UnreadableImage(f"The data bar cannot take {bar_rows} rows: the image has only {tall}.")
        with inputs.Bar(image.name) as bar:
            analysis = analyse(micrograph, settings, bar)
            inputs.write(analysis, folder, bar, keep_all=options["all"])
        self.stdout.write(f"{image} -> {folder}: {inputs.outcome(analysis)}")
        for warning in analysis.warnings:
            self.stdout.write(f"  {warning}")
        return analysis


def _settings() -> list[Setting]:
    """Those of every kind of analysis."""
    return [setting for task in every() for setting in settings_of_task(task)]
