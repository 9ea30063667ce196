"""What the commands that measure share: options, folders of images, folders for results, sentences, the bar."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from segmentation.core.micrograph import parse_width, read_bar
from segmentation.core.micrograph.kinds import HEAD_BYTES, SUFFIXES, recognise
from segmentation.core.micrograph.pairing import is_side, pair
from segmentation.core.micrograph.readings import sure_calibration
from segmentation.core.micrograph.types import Calibration, Micrograph, UnreadableImage
from segmentation.core.network.cards import AlteredWeights
from segmentation.core.settings import AnalysisSettings, MeasurementSettings
from segmentation.core.tasks import find
from segmentation.core.tasks.base import Task
from segmentation.core.typed import Setting, analysis_settings, number_of, settings_of_task
from segmentation.services.calibration import with_site_uncertainty

BAD_INPUT = 2
DOUBTFUL = (
    "The bar in the image seems to say {:.4g} nm per pixel: if that is right, give it with --nm-per-pixel, else the"
    " width of the image with --width-nm."
)
JUNK = {"thumbs.db", "desktop.ini", ".ds_store"}
JUNK_FOLDERS = {"__macosx"}


def images_in(folder: Path, *, but: Path) -> tuple[list[Path], list[Path]]:
    """The images in a folder and the folders in it, by name, and the other files; none of `but`, hidden ones or junk.

    An image is told by its content; a file with an image's suffix counts too, so that a broken one is named.
    """
    images, others = [], []
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or _is_junk(path.relative_to(folder)) or path.resolve().is_relative_to(but.resolve()):
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
    paired = pair([image.name, *sorted(by_name)]).images.get(image.name, [])
    return [(name, by_name[name]) for name in paired]


def folders_of(files: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """Each file with its own folder; a second file of one stem gets `<stem>-2`."""
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


def left_out(folder: Path, others: Iterable[Path]) -> str:
    """A line about the files of a folder that are no images, "" when there are none."""
    names = [str(path.relative_to(folder)) for path in others]
    if not names:
        return ""
    what = "1 file is no image and was" if len(names) == 1 else f"{len(names)} files are no images and were"
    return f"{folder}: {what} left out: {', '.join(names)}"


class Typed(NamedTuple):
    """A length in nm, and the text that was typed: its last digit says how well the length is known."""

    nm: float
    text: str


def calibration(options: dict[str, Any], columns: int) -> Calibration | None:
    """What the options say of an image so many pixels wide, None where they say nothing."""
    image: Typed | None = options["width_nm"]
    pixel: Typed | None = options["nm_per_pixel"]
    if image is not None:
        return Calibration.of_width(image.nm, columns, typed=image.text)
    if pixel is not None:
        return Calibration.of_pixel(pixel.nm, typed=pixel.text)
    return None


def with_reading(micrograph: Micrograph, options: dict[str, Any]) -> Micrograph:
    """The micrograph, with what its bar says where neither options nor file tell the scale.

    What is beyond doubt counts; what is not becomes a note.
    """
    if micrograph.calibration.nm_per_pixel or options["width_nm"] or options["nm_per_pixel"]:
        return micrograph
    found = read_bar(micrograph)
    if found is None or found.sure:
        return replace(micrograph, reading=sure_calibration(found and asdict(found)))
    note = DOUBTFUL.format(found.nm_per_pixel)
    return replace(micrograph, notes=(*micrograph.notes, note))


def add_settings(parser: CommandParser, settings: Iterable[Setting]) -> None:
    """A flag for each setting, and unseen ones for its older names; what was typed is read once the task is known."""
    for each in {setting.name: setting for setting in settings}.values():
        how = {"action": "store_const", "const": "on"} if each.is_switch else {"metavar": each.name.upper()}
        takes = "" if each.is_switch or not each.takes else f" ({each.takes})"
        said = f"{each.title}: {each.description}{takes}".replace("%", "%%")
        for name, help_ in ((each.name, said), *((older, argparse.SUPPRESS) for older in each.names[1:])):
            parser.add_argument(f"--{name.replace('_', '-')}", dest=each.name, help=help_, **how)


def settings(task: Task, known: Iterable[Setting], options: dict[str, Any], **values: Any) -> AnalysisSettings:
    """The settings of a command line for one kind of analysis; CommandError with a sentence.

    known: those that the command has flags for, of whatever kind of analysis. values: of other settings.
    """
    own = {each.name: each for each in settings_of_task(task)}
    flag = ""
    try:
        for name in dict.fromkeys(each.name for each in known):
            flag = f"--{name.replace('_', '-')}: "
            if options[name] is not None and name not in own:
                raise ValueError(f"{task.title} have no such setting.")
            if name in own:
                values[name] = own[name].read(options[name] or "")
        flag = ""
        return with_site_uncertainty(analysis_settings(task, **values))
    except ValueError as error:
        raise CommandError(f"{flag}{error}", returncode=BAD_INPUT) from None


def outcome(analysis: Any) -> str:
    """What came of an analysis, in a line."""
    task, statistics = find(analysis.settings.task), analysis.statistics
    if statistics is None:
        return f"{len(analysis.segmentation)} {task.things} found"
    return f"{statistics.n_kept} {task.things} kept, {statistics.n_set_aside} set aside"


def write(analysis: Any, folder: Path, bar: Callable[[str, float], None], *, keep_all: bool) -> None:
    """Write all files that a user takes away, the same in every run, and timings.json, which is not.

    keep_all: whether labels.tif and rois.zip have the particles that were set aside, too.
    """
    from segmentation.core.pipeline import DONE
    from segmentation.core.report.files import write_all
    from segmentation.core.report.wording import write_json

    def told(stage: str, fraction: float) -> None:
        bar(stage, DONE + (1 - DONE) * fraction)

    write_all(analysis, folder, for_the_page=False, keep_all=keep_all, progress=told)
    write_json(analysis.timings, folder / "timings.json", indent=2)
    bar("done", 1.0)


class Pooling:
    """The images of a sample as they come, analysed or failed; analyses are kept only where the sample has a name."""

    def __init__(self, name: str | None, settings: MeasurementSettings) -> None:
        self.name, self.settings = name, settings
        self.members: list[Any] = []
        self.failed: list[tuple[Path, str]] = []

    def run(self, command: BaseCommand, files: Sequence[Path], out: Path, analyse: Callable[[Path, Path], Any]) -> None:
        """Analyse each file into a folder of its own, then write the pooled files into `out`, if the sample has a name.

        A file that cannot be analysed is named with the reason, on the terminal and in the pooled files; at the end the
        command exits with BAD_INPUT.
        """
        from segmentation.core.sample import Member

        for path, folder in folders_of(files, out):
            try:
                analysis = analyse(path, folder)
            except (UnreadableImage, OSError, MemoryError, AlteredWeights) as error:
                reason = sentence(error)
                command.stderr.write(f"{path}: {reason}")
                self.failed.append((path, reason))
                continue
            if self.name:  # what pooling needs of it: its pictures may go
                self.members.append(Member.of(analysis))
        self._finish(out, command.stdout, command.stderr)
        if self.failed:
            sys.exit(BAD_INPUT)

    def _finish(self, out: Path, told: Any, warned: Any) -> None:
        """Write the pooled files into `out`, if the sample has a name."""
        from segmentation.core.report.files import write_all
        from segmentation.core.sample import LeftOut, combine

        if not self.name:
            return
        if not self.members:
            warned.write(f"{self.name}: No image could be measured, so there is nothing to pool.")
            return
        left_out = [LeftOut.failed(path.name, reason, _sha256(path)) for path, reason in self.failed]
        sample = combine(
            self.name,
            self.members,
            edge=self.settings.border_correction,
            filter=self.settings.filter,
            field_spread=self.settings.field_spread / 100,
            left_out=left_out,
        )
        write_all(sample, out)
        for warning in sample.warnings:
            warned.write(f"{self.name}: {warning}")
        count = len(sample.counted)
        images = "1 image" if count == 1 else f"{count} images"
        missing = f", {len(self.failed)} could not be measured" if self.failed else ""
        told.write(f"{self.name} -> {out}: {sample.pooled.n_kept} {sample.task.things} of {images} pooled{missing}")


def sentence(error: BaseException) -> str:
    """What went wrong, in one line."""
    if isinstance(error, FileNotFoundError):
        return "There is no such file."
    if isinstance(error, MemoryError):
        return "The image needs more memory than this machine has; crop it or use a larger machine."
    if isinstance(error, OSError):
        return f"The file cannot be read or written: {os.strerror(error.errno) if error.errno else error}."
    return " ".join(str(error).split())


class Bar:
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


def width(text: str) -> Typed:
    """The width of an image, with or without a unit."""
    try:
        nm = parse_width(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if nm is None:
        raise argparse.ArgumentTypeError("give a width, or leave the option out to measure in pixels")
    return Typed(nm, text.strip())


def pixel_size(text: str) -> Typed:
    """The size of a pixel in nm."""
    return Typed(positive(text), text.strip())


def positive(text: str) -> float:
    """A number that can be a length or a factor."""
    value = number_of(text)
    if not 1e-6 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0.000001 and 1000000")
    return value


def sample_name(text: str) -> str:
    """What a sample may be called."""
    name = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if not name:
        raise argparse.ArgumentTypeError("give the sample a name")
    return name[:150]


def _sha256(path: Path) -> str:
    """Of the file as lower-case hex, "" where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _is_image(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            recognise(file.read(HEAD_BYTES))
    except (UnreadableImage, OSError):
        return False
    return True


def _is_junk(path: Path) -> bool:
    *folders, own = [part.lower() for part in path.parts]
    hidden = any(part.startswith(".") for part in (*folders, own))
    return hidden or own in JUNK or any(folder in JUNK_FOLDERS for folder in folders)
