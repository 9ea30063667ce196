"""`measure`: measures masks of other tools, and stored segmentations, without a model and without a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.imported.labelled import analyse_mask, mask_of_outlines
from segmentation.core.labels.segmentation import Segmentation, UnusableSegmentation
from segmentation.core.library.inputs import side_files
from segmentation.core.masks.label_images import read_mask
from segmentation.core.masks.truth import owner_of
from segmentation.core.micrograph.kinds import sha256_of
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Micrograph, UnreadableImage
from segmentation.core.pipeline import measure
from segmentation.core.settings import DEFAULT_TASK, MeasurementSettings, SegmentationSettings
from segmentation.core.stages.pace import Progress
from segmentation.core.tasks import every, find
from segmentation.core.typed import Setting, settings_of

from . import _inputs as inputs
from ._measuring import Measuring
from ._processes import Measured, Words

STORED_SUFFIX = ".npz"  # suffix of a stored segmentation
OUTLINE_SUFFIXES = (".roi", ".zip", ".json")  # not read from folders, which may hold other files with these suffixes
MASK_SUFFIXES = (".tif", ".tiff", ".png", ".bmp", ".npy", STORED_SUFFIX)
NO_IMAGE = "This file holds outlines without their image: give the folder of the image with --images."
OTHER_IMAGES = "No image in {folder} is the one with these outlines (SHA-256 {sha256}…)."


class Command(Measuring):
    help = (
        "Measure label images or binary masks made by other tools, ImageJ ROI ZIPs and COCO JSON (each named, with"
        " --images), or segmentation.npz of a result; writes DIR/<stem>/ for each, and with --sample the pooled files"
        " into DIR."
    )

    what = "mask"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "labels", nargs="+", type=Path, metavar="LABELS", help="TIFF, PNG, npy or npz, or folders of them"
        )
        super().add_arguments(parser)
        objects = [task.name for task in every() if not task.semantic]
        parser.add_argument("--task", choices=objects, default=DEFAULT_TASK, help="what the masks show")
        parser.add_argument("--images", type=Path, metavar="DIR", help="folder of the micrographs, of the masks' stems")
        inputs.add_setting_options(parser, _measurement_settings())
        kind = parser.add_argument("--kind", choices=["auto", "binary", "labels"], default="auto")
        kind.help = "binary: each connected piece is a particle; labels: each number; auto tells by the numbers"
        parser.add_argument("--background", type=int, default=0, metavar="V", help="the value between particles")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["images"] is not None and not options["images"].is_dir():
            raise CommandError(f"There is no folder {options['images']}.", returncode=inputs.BAD_INPUT)
        task = find(options["task"])
        has_stored = any(path.is_dir() or path.suffix.lower() == STORED_SUFFIX for path in options["labels"])
        self.prepare(options, every() if has_stored else [task])  # stored segmentations are of any kind
        settings = inputs.analysis_settings(task, _measurement_settings(), options)
        self.measure(options["labels"], settings, options)

    def measurable_files(self, files: Sequence[Path], images: Sequence[Path]) -> list[Path]:
        return sorted(file for file in files if file.suffix.lower() in MASK_SUFFIXES)

    def analyse_file(
        self, file: Path, settings: AnalysisSettings, options: dict[str, Any], progress: Progress
    ) -> Measured:
        if file.suffix.lower() == STORED_SUFFIX:
            return _measure_stored(file, settings, options, progress)
        image = _image_by_name(file, options)
        if file.suffix.lower() in OUTLINE_SUFFIXES:
            if image is None:
                raise UnreadableImage(NO_IMAGE)
            mask = mask_of_outlines(file, image, settings)
        else:
            corners = find(settings.task).corners
            mask = read_mask(file, kind=options["kind"], background=options["background"], corners=corners)
        settings = settings.replaced(calibration=inputs.typed_calibration(options, mask.labels.shape[1]))
        analysis = analyse_mask(mask, settings, progress, image=image)
        return Measured(analysis, Words(inputs.counts_in_words(analysis), notes=tuple(mask.notes)))


def _measure_stored(file: Path, settings: AnalysisSettings, options: dict[str, Any], progress: Progress) -> Measured:
    """Measure a stored segmentation, which holds its kind of analysis and the settings of finding objects."""
    try:
        segmentation = Segmentation.load(file)
    except UnusableSegmentation as error:
        raise UnreadableImage(str(error)) from error
    micrograph = _image_by_checksum(segmentation.provenance.micrograph, options)
    origin = segmentation.provenance
    requested = AnalysisSettings.of(origin.task, **origin.settings)
    requested = replace(requested, measurement=settings.measurement)
    requested = requested.replaced(calibration=inputs.typed_calibration(options, micrograph.shape[1]))
    analysis = measure(micrograph, segmentation, requested, progress)
    return Measured(analysis, Words(inputs.counts_in_words(analysis)))


def _image_by_checksum(sha256: str, options: dict[str, Any]) -> Micrograph:
    """The micrograph with this checksum in the folder --images."""
    folder: Path | None = options["images"]
    if folder is None:
        raise UnreadableImage(NO_IMAGE)
    for path in sorted(folder.iterdir()):
        if path.is_file() and sha256_of(path) == sha256:
            return inputs.with_scale_bar(read(path, side=side_files(path)), options)
    raise UnreadableImage(OTHER_IMAGES.format(folder=folder, sha256=sha256[:12]))


def _measurement_settings() -> list[Setting]:
    """The settings that this command takes: those of measuring, and the data bar, below which no outline is counted."""
    bar = (setting for setting in settings_of(SegmentationSettings) if setting.name == "data_bar")
    # measure_unlike compares an image with the training images of a model; a mask has no model.
    return [*bar, *(setting for setting in settings_of(MeasurementSettings) if setting.name != "measure_unlike")]


def _image_by_name(mask: Path, options: dict[str, Any]) -> Micrograph | None:
    """The micrograph in the folder --images to which a mask belongs by its name (`truth.owner_of`)."""
    folder: Path | None = options["images"]
    if folder is None:
        return None
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.resolve() != mask.resolve()]
    image = owner_of(mask, [path for path in files if not inputs.is_side_file(path.name)])
    if image is None:
        raise UnreadableImage(f"There is no image {mask.stem} in {folder}.")
    return inputs.with_scale_bar(read(image, side=side_files(image)), options)
