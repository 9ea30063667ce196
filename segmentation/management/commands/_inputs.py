"""What the commands that measure share: options, folders of images, folders for results, sentences, the bar."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.barreading import read_bar
from segmentation.core.micrograph.barresult import BarReading, repeated
from segmentation.core.micrograph.databar import data_bar
from segmentation.core.micrograph.kinds import HEAD_BYTES, SUFFIXES, recognise, sha256_of
from segmentation.core.micrograph.pairing import is_side, pair
from segmentation.core.micrograph.readings import with_scale_read
from segmentation.core.micrograph.types import Calibration, Micrograph, UnreadableImage
from segmentation.core.micrograph.unpacking import is_junk
from segmentation.core.micrograph.vendors.units import may_be_thousands
from segmentation.core.micrograph.width import parse_width
from segmentation.core.network.cards import AlteredWeights, NoDevice
from segmentation.core.pipeline import DONE
from segmentation.core.report.exports.viewer import thumbnail
from segmentation.core.report.signatures import Filing
from segmentation.core.report.wording import write_json
from segmentation.core.sample import Member, SampleImage
from segmentation.core.settings import MeasurementSettings
from segmentation.core.tasks import find
from segmentation.core.tasks.base import Task
from segmentation.core.typed import BadSetting, Setting, number_of, read_settings, settings_of_task
from segmentation.models import SHOWN_NAME
from segmentation.services.ground.calibration import with_site_uncertainty
from segmentation.services.results.samples import visible_text

BAD_INPUT = 2
RESULTS = ".deepsegm"  # how the folders of results end that `watch` lays beside images
DOUBTFUL = (
    "The bar in the image seems to say {:.4g} nm per pixel: if that is right, give it with --nm-per-pixel, else the"
    " width of the image with --width-nm."
)


def images_in(folder: Path, *, but: Path | None) -> tuple[list[Path], list[Path]]:
    """The images in a folder and the folders in it, by name, and the other files; none of `but`, hidden ones, junk,
    results of `watch` or side files.

    An image is known by its content; a file with an image's suffix counts too, so that a broken one is named.
    """
    images, others = [], []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = is_junk(inside.as_posix()) or any(part[0] == "." or part.endswith(RESULTS) for part in inside.parts)
        if hidden or not path.is_file() or (but is not None and path.resolve().is_relative_to(but.resolve())):
            continue
        if not is_side(path.name):
            (images if _is_image(path) else others).append(path)
    return images, others


def beside(image: Path) -> list[tuple[str, Path]]:
    """The side files of the microscope that lie next to an image, as (name, path)."""
    try:
        near = [path for path in image.parent.iterdir() if is_side(path.name) and path.is_file()]
    except OSError:
        return []
    by_name = {path.name: path for path in near}
    paired = pair([image.name, *sorted(by_name)]).get(image.name, [])
    return [(name, by_name[name]) for name in paired]


def folders_of(files: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """Each file with its own folder; a second file of one stem gets `<stem>-2`, or the next number that is free."""
    stems = {file.stem for file in files}
    used: Counter[str] = Counter()
    for file in files:
        used[file.stem] += 1
        name = file.stem
        while used[file.stem] > 1 and (name == file.stem or name in stems):
            name = f"{file.stem}-{used[file.stem]}"
            if name in stems:
                used[file.stem] += 1
        yield file, out / name


def calibration(options: dict[str, Any], columns: int) -> Calibration | None:
    """What the options say of an image so many pixels wide, None where they say nothing."""
    size: Callable[[int], Calibration] | None = options["size"]
    return size(columns) if size else None


def with_reading(micrograph: Micrograph, options: dict[str, Any]) -> Micrograph:
    """The micrograph, with what its bar says. Where file or options tell the scale, only a data bar is read.

    A sure reading counts, or is compared with the scale of file or options. A doubtful one becomes a note if nothing
    else tells the scale. options: of the run; they keep the readings, because a bar that is the same is not read again.
    """
    size_known, first = options["size"] or micrograph.calibration.nm_per_pixel, data_bar(micrograph)
    if size_known and first == micrograph.shape[0]:
        return micrograph
    known: list[BarReading] = options.setdefault("bars", [])
    reading = repeated(micrograph, first, known)
    if reading is None and (reading := read_bar(micrograph)) is not None:
        known.append(replace(reading, same_as=micrograph.name))
    if reading is None or reading.sure or size_known:
        return with_scale_read(micrograph, reading and asdict(reading))
    note = reading.note or DOUBTFUL.format(reading.nm_per_pixel)
    return replace(micrograph, notes=(*micrograph.notes, note))


def add_settings(parser: CommandParser, settings: Iterable[Setting]) -> None:
    """A flag for each setting; what was typed is read once the task is known."""
    for option in {setting.name: setting for setting in settings}.values():
        how = {"action": "store_const", "const": "on"} if option.is_switch else {"metavar": option.name.upper()}
        how |= {"action": "append"} if option.several else {}
        takes = "" if option.is_switch or not option.takes else f" ({option.takes})"
        help_text = f"{option.title}: {option.description}{takes}".replace("%", "%%")
        parser.add_argument(f"--{option.name.replace('_', '-')}", dest=option.name, help=help_text, **how)


def settings(task: Task, allowed: Iterable[Setting], options: dict[str, Any], **values: Any) -> AnalysisSettings:
    """The settings of a command line for one kind of analysis; CommandError with a sentence.

    allowed: settings that the command has flags for, of any kind of analysis. values: other settings.
    """
    typed = {setting.name: options[setting.name] for setting in allowed if options[setting.name] is not None}
    names = {setting.name for setting in settings_of_task(task)}
    try:
        if other := next((name for name in typed if name not in names), ""):
            raise ValueError(f"--{other.replace('_', '-')}: {task.title} have no such setting.")
        return with_site_uncertainty(read_settings(task, {**typed, **values}))
    except ValueError as error:
        flag = f"--{error.setting.name.replace('_', '-')}: " if isinstance(error, BadSetting) else ""
        raise CommandError(f"{flag}{error}", returncode=BAD_INPUT) from None


def outcome(analysis: Any) -> str:
    """What came of an analysis, in a line."""
    task, statistics = find(analysis.settings.task), analysis.statistics
    if statistics is None or not statistics.screened:
        aside = int((~analysis.table.kept).sum())
        return f"{task.count(len(analysis.segmentation))} found{f', {aside} left out' if aside else ''}"
    return f"{task.count(statistics.n_kept)} counted, {statistics.n_set_aside:,} left out"


def write(analysis: Any, file: Path | None, folder: Path, bar: Callable[[str, float], None], *, keep_all: bool) -> None:
    """Write all files that a user takes away, the same in every run but for the report's date, and timings.json.

    file: of the image. keep_all: whether labels.tif and rois.zip have the particles that were left out, too.
    """
    from segmentation.core.report.files import write_all

    def report(stage: str, fraction: float) -> None:
        bar(stage, DONE + (1 - DONE) * fraction)

    filing = Filing(datetime.now(UTC), image=file)
    write_all(analysis, folder, for_the_page=False, keep_all=keep_all, filing=filing, progress=report)
    write_json(analysis.timings, folder / "timings.json", indent=2)
    bar("done", 1.0)


class Measuring(BaseCommand):
    """A command that measures files, each into a folder of its own, and may pool them. what: one of them."""

    requires_system_checks: list[str] = []
    what = "image"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
        size = parser.add_mutually_exclusive_group()
        size.add_argument("--width-nm", dest="size", type=width, metavar="W", help='image width: 7520, "7.52 um"')
        size.add_argument("--nm-per-pixel", dest="size", type=pixel_size, metavar="P", help="size of a pixel in nm")
        parser.add_argument("--all", action="store_true", help="left out particles in labels.tif and rois.zip, too")
        help_ = f"pool the {self.what}s as one sample"
        parser.add_argument("--sample", type=sample_name, metavar="NAME", help=help_)

    def to_measure(self, files: Sequence[Path], images: Sequence[Path]) -> list[Path]:
        """Those of the files of a folder that are measured; images: those of them that are images."""
        return list(images)

    def analysed(self, file: Path, folder: Path, settings: AnalysisSettings, options: dict[str, Any]) -> Any:
        """The analysis of a file, after its results were written into the folder."""
        raise NotImplementedError

    def files(self, paths: Iterable[Path], out: Path) -> Iterator[Path]:
        """The files named, and those to measure of the folders named; says on the terminal what is left out there."""
        for path in paths:
            if not path.is_dir():
                yield path
                continue
            images, others = images_in(path, but=out)
            names = self.to_measure((*images, *others), images)
            yield from names
            rest = [str(file.relative_to(path)) for file in (*images, *others) if file not in names]
            if not names:
                self.stderr.write(f"{path}: There is no {self.what} in this folder.")
            elif rest:
                some = "1 file is no image and was" if len(rest) == 1 else f"{len(rest)} files are no images and were"
                self.stderr.write(f"{path}: {some} left out: {', '.join(rest)}")

    def measure(self, paths: Iterable[Path], settings: AnalysisSettings, options: dict[str, Any]) -> None:
        """Analyse each file into a folder of its own, then write the pooled files, if the sample has a name.

        A file that cannot be analysed is named with the reason, on the terminal and in the pooled files; at the end the
        command exits with BAD_INPUT.
        """
        members: list[Member] = []
        failed: list[SampleImage] = []
        for path, folder in folders_of(list(self.files(paths, options["out"])), options["out"]):
            try:
                analysis = self.analysed(path, folder, settings, options)
            except (UnreadableImage, OSError, MemoryError, AlteredWeights, NoDevice) as error:
                reason, sha256 = sentence(error), ""
                with suppress(OSError):
                    sha256 = sha256_of(path)
                self.stderr.write(f"{path}: {reason}")
                failed.append(SampleImage.failed(path.name, reason, sha256))
                continue
            if options["sample"]:  # what pooling needs of it: its pictures may go
                members.append(Member.of(analysis, thumbnail(analysis)))
        if options["sample"]:
            self.pool(options["sample"], options["out"], settings.measurement, members, failed)
        if failed:
            sys.exit(BAD_INPUT)

    def pool(self, name: str, out: Path, settings: MeasurementSettings, members: list[Any], failed: list[Any]) -> None:
        """Write the pooled files into `out`."""
        from segmentation.core.combine import combine
        from segmentation.core.report.files import write_all

        if not members:
            self.stderr.write(f"{name}: No image could be measured, so there is nothing to pool.")
            return
        sample = combine(name, members, edge=settings.border_correction, filter=settings.filter, left_out=failed)
        write_all(sample, out, for_the_page=False, filing=Filing(datetime.now(UTC)))
        for warning in sample.flags:
            self.stderr.write(f"{name}: {warning}")
        missing = f", {len(failed)} could not be measured" if failed else ""
        self.stdout.write(f"{name} -> {out}: {sample.extent}, pooled{missing}")


def sentence(error: BaseException) -> str:
    """What went wrong, in one line."""
    if isinstance(error, FileNotFoundError):
        return "There is no such file."
    if isinstance(error, MemoryError):
        return "The image needs more memory than this machine has; crop it or use a larger machine."
    if isinstance(error, OSError):
        return f"The file cannot be read or written: {os.strerror(error.errno) if error.errno else error}."
    return " ".join(str(error).split())


@contextmanager
def progress_bar(name: str) -> Iterator[Callable[[str, float], None]]:
    """A progress bar on a terminal, silence elsewhere; what it gives is the pipeline's `progress`."""
    form = "{desc}: {percentage:3.0f}% |{bar}| {postfix}"
    with tqdm(total=100, desc=name, disable=not sys.stderr.isatty(), leave=False, bar_format=form) as bar:

        def show(stage: str, fraction: float) -> None:
            bar.set_postfix_str(stage, refresh=False)
            bar.update(100 * fraction - bar.n)

        yield show


def width(text: str) -> Callable[[int], Calibration]:
    """The calibration of so many columns, from the width of an image with or without a unit."""
    try:
        nm = parse_width(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if nm is None:
        raise argparse.ArgumentTypeError("give a width, or leave the option out to measure in pixels")
    # The last digit of what was typed says how well the length is known.
    return partial(Calibration.of_width, nm, typed=text.strip())


def pixel_size(text: str) -> Callable[[int], Calibration]:
    """The same from the size of a pixel in nm."""
    nm = number_of(text)
    if not 1e-6 <= nm <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0.000001 and 1000000")
    if may_be_thousands(text.strip()):
        raise argparse.ArgumentTypeError(
            f"{text!r} can mean two sizes, one a thousand times the other: leave the comma out"
        )
    return lambda columns: Calibration.of_pixel(nm, typed=text.strip())


def sample_name(text: str) -> str:
    """A sample's name, in one line and cut to what a name may be."""
    if not (name := visible_text(text)):
        raise argparse.ArgumentTypeError("give the sample a name")
    return name[:SHOWN_NAME]


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            recognise(file.read(HEAD_BYTES))
    except (UnreadableImage, OSError):
        return False
    return True
