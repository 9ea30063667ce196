"""The main job from the shell: no database, no broker, no server."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from segmentation.core.micrograph import parse_width, read
from segmentation.core.micrograph.types import Calibration, Micrograph, UnreadableImage
from segmentation.core.network import cards
from segmentation.core.recipe import DEFAULT_MODEL, Recipe

BAD_INPUT = 2


class Command(BaseCommand):
    help = "Outline and measure the particles of micrographs; writes DIR/<stem>/ for each image."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
        size = parser.add_mutually_exclusive_group()
        size.add_argument("--width-nm", type=_width, metavar="W", help='image width: 7520, "7.52 um"')
        size.add_argument("--nm-per-pixel", type=_positive, metavar="P", help="size of a pixel in nm")
        parser.add_argument("--filter", action="store_true", help="set small, unresolved and odd particles aside")
        parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME")
        parser.add_argument("--threshold", type=_share, metavar="T", help="foreground probability, 0 to 1")
        parser.add_argument("--polarity", choices=["auto", "bright", "dark"], default="auto")
        parser.add_argument(
            "--data-bar", type=_rows, default="auto", metavar="ROWS", help="rows it takes at the bottom; 0: none"
        )
        parser.add_argument("--scale", type=_positive, metavar="S", help="working scale; by default chosen")
        parser.add_argument("--all", action="store_true", help="keep set-aside particles in labels.tif too")

    def handle(self, *args: Any, **options: Any) -> None:
        # Before torch is imported: spinning threads stand in the way of whatever else is running.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        try:
            cards.find(options["model"])
            options["out"].mkdir(parents=True, exist_ok=True)
        except (cards.UnknownModel, OSError) as error:
            raise CommandError(_sentence(error), returncode=BAD_INPUT) from error
        bad = 0
        for image, folder in _folders(options["images"], options["out"]):
            try:
                self._one(image, folder, options)
            except (UnreadableImage, OSError, MemoryError, cards.AlteredWeights) as error:
                bad += 1
                self.stderr.write(f"{image}: {_sentence(error)}")
        if bad:
            sys.exit(BAD_INPUT)

    def _one(self, image: Path, folder: Path, options: dict[str, Any]) -> None:
        from segmentation.core.pipeline import analyse

        if image.is_dir():
            raise UnreadableImage("This is a folder; name the image files in it.")
        micrograph = read(image)
        recipe = _recipe(micrograph, options)
        with _Bar(image.name) as bar:
            analysis = analyse(micrograph, recipe, bar)
            bar("drawing the figure", 0.8)
            _write(analysis, folder, keep_all=options["all"])
            bar("done", 1.0)
        kept, apart = analysis.statistics.n_kept, analysis.statistics.n_set_aside
        self.stdout.write(f"{image} -> {folder}: {kept} particles kept, {apart} set aside")


def _recipe(micrograph: Micrograph, options: dict[str, Any]) -> Recipe:
    calibration = None
    if options["width_nm"] is not None:
        calibration = Calibration.of_width(options["width_nm"], micrograph.shape[1])
    elif options["nm_per_pixel"] is not None:
        calibration = Calibration(options["nm_per_pixel"], "typed", "--nm-per-pixel")
    settings = {name: options[name] for name in ("model", "threshold", "polarity", "filter", "data_bar", "scale")}
    return Recipe(**settings, calibration=calibration)


def _write(analysis: Any, folder: Path, *, keep_all: bool) -> None:
    from segmentation.core.report import figure, labels, result, table

    folder.mkdir(parents=True, exist_ok=True)
    figure.save(analysis, folder / "figure.png")
    with (folder / "particles.csv").open("w", encoding="utf-8", newline="") as file:
        table.write_csv(analysis, file)
    labels.write_tiff(analysis, folder / "labels.tif", all=keep_all)
    (folder / "result.json").write_text(
        json.dumps(result.as_dict(analysis), indent=2, ensure_ascii=False), encoding="utf-8"
    )


def _folders(images: list[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """Each image with its own folder; a second image of one stem gets `<stem>-2`."""
    stems = {image.stem for image in images}
    used: Counter[str] = Counter()
    for image in images:
        used[image.stem] += 1
        name = image.stem
        while used[image.stem] > 1 and (name == image.stem or name in stems):
            name = f"{image.stem}-{used[image.stem]}"
            if name in stems:
                used[image.stem] += 1
        yield image, out / name


class _Bar:
    """A progress bar on a terminal, silence elsewhere; callable as the pipeline's `progress`."""

    def __init__(self, name: str) -> None:
        self.bar = tqdm(
            total=100,
            desc=name,
            disable=not sys.stderr.isatty(),
            leave=False,
            bar_format="{desc}: {percentage:3.0f}% |{bar}| {postfix}",
        )

    def __enter__(self) -> Callable[[str, float], None]:
        return self._show

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def _show(self, stage: str, fraction: float) -> None:
        self.bar.set_postfix_str(stage, refresh=False)
        self.bar.update(100 * fraction - self.bar.n)


def _sentence(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "There is no such file."
    if isinstance(error, MemoryError):
        return "The image needs more memory than this machine has; crop it or use a larger machine."
    if isinstance(error, OSError):
        return f"The file cannot be read or written: {os.strerror(error.errno) if error.errno else error}."
    return " ".join(str(error).split())


def _width(text: str) -> float:
    try:
        width = parse_width(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if width is None:
        raise argparse.ArgumentTypeError("give a width, or leave the option out to measure in pixels")
    return width


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 1e-6 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0.000001 and 1000000")
    return value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 1")
    return value


def _rows(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows; write auto, 0 or a number")
    return int(text)
