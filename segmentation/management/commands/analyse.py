"""`deepsegm analyse`: segments and measures images from the shell, without database, broker or server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings as configured
from django.core.management.base import CommandError, CommandParser

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.errors import UserError
from segmentation.core.library.calls import analyse_micrograph
from segmentation.core.library.inputs import side_files
from segmentation.core.micrograph.pages import page_name, take_pages, write_page
from segmentation.core.micrograph.reader import read
from segmentation.core.network import cards
from segmentation.core.network.runtime import Runtime
from segmentation.core.quality.method import MethodDescription
from segmentation.core.quality.method_file import WrittenMethod
from segmentation.core.settings import DEFAULT_TASK
from segmentation.core.stages.pace import Progress
from segmentation.core.tasks import UnknownTask, every, find
from segmentation.core.typed import Setting, settings_of_task

from . import _inputs as inputs
from ._measuring import Measuring
from ._processes import Measured, Words


class Command(Measuring):
    help = (
        "Segment micrographs and measure what is found; writes DIR/<stem>/ for each image,"
        " and with --sample the pooled files into DIR."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="images, or folders of images")
        super().add_arguments(parser)
        pages = "of files with several pages: each of these is an image, such as 3, 2-5 or all; kept in DIR/pages"
        parser.add_argument("--pages", default="", metavar="PAGES", help=pages)
        help_ = "the description of a method, downloaded on its page: its settings are used where no option is given"
        parser.add_argument("--method", type=Path, metavar="FILE", help=help_)
        inputs.add_setting_options(parser, every_setting())

    def handle(self, *args: Any, **options: Any) -> None:
        options["method"], method = _read_method(options["method"]) if options["method"] else (None, None)
        try:
            options["model"] = options["model"] or (method.model if method else cards.automatic_name(DEFAULT_TASK))
            task = find(cards.cards_for_name(options["model"])[0].task)
        except (cards.UnknownModel, UnknownTask) as error:
            raise CommandError(inputs.error_sentence(error), returncode=inputs.BAD_INPUT) from error
        self.prepare(options, [task])
        if options["pages"]:
            options["images"] = list(self.pages(options["images"], options["pages"], options["out"]))
        self.measure(options["images"], inputs.analysis_settings(task, every_setting(), options, method), options)

    def pages(self, paths: Iterable[Path], text: str, out: Path) -> Iterator[Path]:
        """The files of the images. A stack is replaced by one file for each requested page, written into out/pages.

        text: the option --pages.
        """
        for path in self.files(paths, out):
            try:
                yield from (file for _, file in take_pages(text, partial(_take_page, path, out / "pages")))
            except (UserError, OSError, MemoryError) as error:
                raise CommandError(f"{path}: {inputs.error_sentence(error)}", returncode=inputs.BAD_INPUT) from error

    def analyse_file(
        self, file: Path, settings: AnalysisSettings, options: dict[str, Any], progress: Progress
    ) -> Measured:
        micrograph = inputs.with_scale_bar(read(file, side=side_files(file)), options)
        settings = settings.replaced(calibration=inputs.typed_calibration(options, micrograph.shape[1]))
        runtime = Runtime(configured.DEEPSEGM_DEVICE, configured.DEEPSEGM_PRECISION)
        analysis = analyse_micrograph(micrograph, settings, runtime=runtime, progress=progress).analysis
        if written := options["method"]:
            analysis = replace(analysis, method=written.record_for(analysis))
        return Measured(analysis, Words(inputs.counts_in_words(analysis), tuple(map(str, analysis.flags))), file)


def _read_method(file: Path) -> tuple[WrittenMethod, MethodDescription]:
    """The version of a method in a file, and its description; raises CommandError with a sentence."""
    try:
        written = WrittenMethod.of_file(file)
        return written, written.read()
    except (OSError, ValueError) as error:
        raise CommandError(f"--method: {inputs.error_sentence(error)}", returncode=inputs.BAD_INPUT) from None


def _take_page(path: Path, folder: Path, page: int) -> tuple[Path, int]:
    """The file with one page of a stack, written into the folder, and the number of pages. A file with a single page is
    returned itself."""
    micrograph, file = read(path, side=side_files(path), page=page), folder / page_name(path.name, page)
    if (pages := micrograph.metadata.get("pages", 1)) == 1:
        return path, 1
    folder.mkdir(exist_ok=True)
    write_page(micrograph, file)
    return file, pages


def every_setting() -> list[Setting]:
    """The settings of all kinds of analysis; a setting of several kinds occurs several times."""
    return [setting for task in every() for setting in settings_of_task(task)]
