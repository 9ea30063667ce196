"""Writes the files of an analysis or a sample into a folder."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from ..analysis import Analysis
from ..micrograph.kinds import sha256_of
from ..sample import SampleAnalysis
from . import choice, exports
from .context import Context
from .exports.base import FIGURE, FIRST, WITH_SUMS, Subject
from .exports.figures import figure_named
from .filing import UNFILED, Filing
from .signatures import PrintedSignature

Progress = Callable[[str, float], None]  # (stage, fraction that is done)


def write_all(
    reported: Analysis | SampleAnalysis,
    folder: Path,
    *,
    for_the_page: bool = True,
    keep_all: bool = False,
    only: Collection[str] | None = None,
    stored_only: bool = False,
    also: Collection[str] = (),
    stored: Collection[str] = (),
    beside: Mapping[str, str] = MappingProxyType({}),
    signatures: Sequence[PrintedSignature] = (),
    filing: Filing = UNFILED,
    progress: Progress | None = None,
    first_written: Callable[[dict[str, Path]], None] | None = None,
) -> dict[str, Path]:
    """Write all files of a result into `folder`, which is made if it does not exist. Returns file
    name -> path.

    Which files: for_the_page: also those that only the page of the result needs. only: if given, no
    other names than these. stored_only: only the files that are stored with every result, and the
    names in `also`, which may be figures with options (`looks`). stored: names of files of this
    result that are in the folder already; they stay as they are. beside: further files in the
    folder that belong into the bundle, as name -> one line on what they hold.

    What is in them: keep_all: labels.tif and rois.zip include left out objects; README.txt says so.
    signatures, filing: for the reports.

    progress(stage, fraction) is called before each file; fraction is the part of the files that is
    written. It may raise an exception to stop. first_written is called with the files that a person
    wants first (`base.FIRST` and `base.FIGURE`), as soon as they are written. An exception leaves
    the files that are written so far; an OSError has the name of the file.
    """
    sample = SampleAnalysis.of(reported) if isinstance(reported, Analysis) else reported
    subject: Subject = "sample" if sample.analysis is None else "image"
    exports_to_write = exports.listed(subject, sample.task, keep_all=keep_all, judged=filing.specification is not None)
    exports_to_write = {
        name: export for name, export in exports_to_write.items() if for_the_page or not export.for_the_page
    }
    exports_to_write = {name: export for name, export in exports_to_write.items() if only is None or name in only}
    exports_to_write = {
        name: export for name, export in exports_to_write.items() if export.stored or not stored_only or name in also
    }
    exports_to_write |= {name: export for name in also if (export := figure_named(name))}
    written: dict[str, Path] = {}
    folder.mkdir(parents=True, exist_ok=True)
    with _without_collection(), ThreadPoolExecutor(1) as packing:
        context = Context(
            sample, exports_to_write, packing, keep_all=keep_all, signatures=signatures, filing=filing, beside=beside
        )
        for name in beside:
            written[name] = folder / name
            context.checksums[name] = sha256_of(written[name])
        first_files = {
            name: export for name, export in exports_to_write.items() if export.turn == FIRST and name not in stored
        }
        in_thread = {
            name: packing.submit(copy_context().run, export.write, context, folder / name)
            for name, export in first_files.items()
        }
        context.pack_pictures(stored)
        # In a turn the files for the page come first: others may have to wait for the compression of pictures.
        for name, export in sorted(
            exports_to_write.items(), key=lambda entry: (entry[1].turn, not entry[1].for_the_page)
        ):
            if export.turn > FIGURE and first_written is not None:
                first_written(dict(written))
                first_written = None
            if progress is not None:
                stage = "drawing the figure" if name.startswith("figure") else "writing the files"
                progress(stage, (len(written) - len(beside)) / len(exports_to_write))
            path = folder / name
            with _naming(path):
                if name in in_thread:
                    in_thread[name].result()
                elif name not in stored:
                    export.write(context, path)
            written[name] = path
            if name in context.contents:
                context.checksums[name] = sha256_of(path)
    return written


def write_chosen(
    reported: Analysis | SampleAnalysis,
    folder: Path,
    patterns: Sequence[str],
    *,
    keep_all: bool = False,
    filing: Filing = UNFILED,
    progress: Progress | None = None,
) -> list[str]:
    """Write the files that fit the patterns (`choice.chosen_names`) into `folder`, which is made if
    it does not exist.

    Returns their names. They have the same bytes as if all files were written: a file with
    checksums of the others, such as the bundle, is made together with all others in a temporary
    folder. Other arguments are as in `write_all`.
    """
    sample = SampleAnalysis.of(reported) if isinstance(reported, Analysis) else reported
    subject: Subject = "sample" if sample.analysis is None else "image"
    offered, names = choice.offered_exports(subject, sample.task), choice.chosen_names(patterns, subject, sample.task)
    write = partial(write_all, sample, for_the_page=False, keep_all=keep_all, filing=filing, progress=progress)
    if len(names) == len(offered) or all(offered[name].turn < WITH_SUMS for name in names):
        return list(write(folder, only=names))
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=folder) as temporary_folder:
        files = write(Path(temporary_folder))
        for name in names:
            files[name].replace(folder / name)
    return names


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Add the name of the file to an OSError that has none, such as that of a full disk."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def _without_collection() -> Iterator[None]:
    """Switch Python's garbage collection off meanwhile: with networks in memory each run of it
    takes 0.1 s."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
