"""Shared by the commands analyse, measure and watch: options, input files, folders of results, sentences."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.library.inputs import LEAST_NM, MOST_NM, with_bar_scale
from segmentation.core.micrograph import formats
from segmentation.core.micrograph.calibration.width import parse_width
from segmentation.core.micrograph.kinds import HEAD_BYTES, recognise
from segmentation.core.micrograph.pairing import is_side_file
from segmentation.core.micrograph.scale_bar.barresult import BarReading
from segmentation.core.micrograph.types import Calibration, Micrograph, UnreadableImage
from segmentation.core.micrograph.unpacking import is_junk
from segmentation.core.micrograph.vendors.units import may_be_thousands
from segmentation.core.names import clean_text
from segmentation.core.report.choice import UnknownFile, offered_exports, read_choice, usual_file_names
from segmentation.core.report.exports.base import Subject
from segmentation.core.settings import DEFAULT_TASK
from segmentation.core.tasks import find
from segmentation.core.tasks.base import Task
from segmentation.core.typed import BadSetting, Setting, number_of, read_settings, settings_of_task
from segmentation.models import SHOWN_NAME
from segmentation.services.ground.requested import with_site_uncertainty

from ._processes import DIED

if TYPE_CHECKING:
    from segmentation.core.quality.method import MethodDescription

BAD_INPUT = 2  # exit status for input that cannot be used
RESULTS_SUFFIX = ".deepsegm"  # of the names of the folders in which `watch` puts results beside images
DOUBTFUL_BAR = (
    "The bar in the image seems to say {:.4g} nm per pixel: if that is right, give it with --nm-per-pixel, else the"
    " width of the image with --width-nm."
)


def images_in(folder: Path, *, excluded: Path | None) -> tuple[list[Path], list[Path]]:
    """The images, and the other files, in a folder and its subfolders, sorted by name.

    Left out are: the folder `excluded`, hidden files, system files such as Thumbs.db, results of `watch`, side files.
    Images are recognised by their content. A file with an image's suffix is also listed as an image, so that
    a damaged image is reported.
    """
    images, others = [], []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        ignored = is_junk(inside.as_posix()) or any(
            part[0] == "." or part.endswith(RESULTS_SUFFIX) for part in inside.parts
        )
        is_excluded = excluded is not None and path.resolve().is_relative_to(excluded.resolve())
        if ignored or not path.is_file() or is_excluded:
            continue
        if not is_side_file(path.name):
            (images if _is_image(path) else others).append(path)
    return images, others


def with_result_folders(files: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """(file, folder of its results in `out`) for each file; the folder has the name of the file's stem. For a second
    file with the same stem it is `<stem>-2`, or the next free number."""
    stems = {file.stem for file in files}
    numbers: Counter[str] = Counter()
    for file in files:
        numbers[file.stem] += 1
        name = file.stem
        while numbers[file.stem] > 1 and (name == file.stem or name in stems):
            name = f"{file.stem}-{numbers[file.stem]}"
            if name in stems:
                numbers[file.stem] += 1
        yield file, out / name


def typed_calibration(options: dict[str, Any], columns: int) -> Calibration | None:
    """The calibration that the options give for an image with this number of columns; None without such an option."""
    size: Callable[[int], Calibration] | None = options["size"]
    return size(columns) if size else None


def with_scale_bar(micrograph: Micrograph, options: dict[str, Any]) -> Micrograph:
    """The micrograph with the scale that its scale bar gives (`with_bar_scale`).

    options: of the run; their entry "bars" collects the readings, so that the same bar is read only once.
    """
    known: list[BarReading] = options.setdefault("bars", [])
    return with_bar_scale(micrograph, is_scale_known=bool(options["size"]), doubtful=DOUBTFUL_BAR, known=known)


def add_setting_options(parser: CommandParser, settings: Iterable[Setting]) -> None:
    """Add an option for each setting; `analysis_settings` reads the typed texts."""
    for option in {setting.name: setting for setting in settings}.values():
        extra = {"action": "store_const", "const": "on"} if option.is_switch else {"metavar": option.name.upper()}
        extra |= {"action": "append"} if option.is_regions else {}
        takes = "" if option.is_switch or not option.takes else f" ({option.takes})"
        help_text = f"{option.title}: {option.description}{takes}".replace("%", "%%")
        parser.add_argument(f"--{option.name.replace('_', '-')}", dest=option.name, help=help_text, **extra)


def analysis_settings(
    task: Task,
    allowed: Iterable[Setting],
    options: dict[str, Any],
    method: MethodDescription | None = None,
    **values: Any,
) -> AnalysisSettings:
    """The settings of a command line for one kind of analysis; raises CommandError with a sentence.

    allowed: settings for which the command has options, of all kinds of analysis. method: its settings are used where
    no option is typed; then the site's uncertainty of the scale is not added. values: further settings.
    """
    typed = {setting.name: options[setting.name] for setting in allowed if options[setting.name] is not None}
    names = {setting.name for setting in settings_of_task(task)}
    try:
        if other := next((name for name in typed if name not in names), ""):
            raise ValueError(f"--{other.replace('_', '-')}: {task.title} have no such setting.")
        base = {} if method is None or method.task != task.name else method.analysis.as_dict()
        return with_site_uncertainty(read_settings(task, {**base, **typed, **values}), by_method=method is not None)
    except ValueError as error:
        flag = f"--{error.setting.name.replace('_', '-')}: " if isinstance(error, BadSetting) else ""
        raise CommandError(f"{flag}{error}", returncode=BAD_INPUT) from None


def add_files_option(parser: CommandParser) -> None:
    """Add the option --files, which says which files are written; `file_patterns` reads it."""
    task = find(DEFAULT_TASK)
    names = ", ".join(usual_file_names("image", task)), ", ".join(usual_file_names("sample", task))
    help_ = (
        "which files are written: all, or names and patterns separated by commas, such as report.pdf,*.svg; without"
        " it {} of an image and {} of a sample (particles is objects or classes in other kinds of analysis)"
    ).format(*names)
    parser.add_argument("--files", default="", metavar="NAMES", help=help_)


def file_patterns(text: str, tasks: Iterable[Task], *, pooled: bool) -> tuple[str, ...]:
    """The patterns in the text of --files; raises CommandError for a pattern that matches no file of these
    kinds of analysis.

    pooled: whether files of a sample are also written.
    """
    kinds: tuple[Subject, ...] = ("image", "sample") if pooled else ("image",)
    names = [name for task in tasks for subject in kinds for name in offered_exports(subject, task)]
    try:
        return read_choice(text, names)
    except UnknownFile as error:
        raise CommandError(f"--files: {error}", returncode=BAD_INPUT) from None


def counts_in_words(analysis: Any) -> str:
    """The counts of an analysis, in a line."""
    task, statistics = find(analysis.settings.task), analysis.statistics
    if statistics is None or not statistics.screened:
        left_out = int((~analysis.table.kept).sum())
        return f"{task.count(len(analysis.segmentation))} found{f', {left_out} left out' if left_out else ''}"
    return f"{task.count(statistics.n_kept)} counted, {statistics.n_set_aside:,} left out"


def error_sentence(error: BaseException) -> str:
    """An error as a sentence on one line."""
    if isinstance(error, FileNotFoundError):
        return "There is no such file."
    if isinstance(error, BrokenProcessPool):
        return DIED
    if isinstance(error, MemoryError):
        return "The image needs more memory than this machine has; crop it or use a larger machine."
    if isinstance(error, OSError):
        file = f"The file {error.filename}" if error.filename else "The file"
        return f"{file} cannot be read or written: {os.strerror(error.errno) if error.errno else error}."
    return " ".join(str(error).split())


def calibration_from_width(text: str) -> Callable[[int], Calibration]:
    """A function that gives the calibration of an image from its number of columns. text: the width of the image, with
    or without a unit."""
    try:
        nm = parse_width(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if nm is None:
        raise argparse.ArgumentTypeError("give a width, or leave the option out to measure in pixels")
    # The last digit of the typed text says how exactly the length is known.
    return partial(Calibration.of_width, nm, typed=text.strip())


def calibration_from_pixel_size(text: str) -> Callable[[int], Calibration]:
    """The same function as `calibration_from_width` gives, from the size of a pixel in nm."""
    nm = number_of(text)
    if not LEAST_NM <= nm <= MOST_NM:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0.000001 and 1000000")
    if may_be_thousands(text.strip()):
        raise argparse.ArgumentTypeError(
            f"{text!r} can mean two sizes, one a thousand times the other: leave the comma out"
        )
    return lambda columns: Calibration.of_pixel(nm, typed=text.strip())


def sample_name(text: str) -> str:
    """The name of a sample, on one line and cut to the allowed length."""
    if not (name := clean_text(text, SHOWN_NAME)):
        raise argparse.ArgumentTypeError("give the sample a name")
    return name


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in formats.format_by_suffix():
        return True
    try:
        with path.open("rb") as file:
            recognise(file.read(HEAD_BYTES))
    except (UnreadableImage, OSError):
        return False
    return True
