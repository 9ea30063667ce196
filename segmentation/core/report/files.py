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
    added_names: Collection[str] = (),
    existing_names: Collection[str] = (),
    extra_files: Mapping[str, str] = MappingProxyType({}),
    signatures: Sequence[PrintedSignature] = (),
    filing: Filing = UNFILED,
    progress: Progress | None = None,
    on_first_files: Callable[[dict[str, Path]], None] | None = None,
) -> dict[str, Path]:
    """Write all files of a result into `folder`, which is made if it does not exist. Returns file
    name -> path.

    Which files: for_the_page: also those that only the page of the result needs. only: if given, no
    other names than these. stored_only: only the files that are stored with every result, and the
    names in `added_names`, which may be figures with options (`file_options`). existing_names:
    files of this result that are in the folder already; they stay as they are. extra_files: further
    files in the folder that the bundle includes, as name -> one line on their content.

    Their content: keep_all: labels.tif and rois.zip include left out objects. signatures, filing:
    for the reports.

    progress(stage, fraction) is called before each file; fraction is the part of the files that is
    written. It may raise an exception to stop. on_first_files(files) is called once with the files
    that a person wants first (turns FIRST and FIGURE), as soon as they are written. After an
    exception the files that were written before it stay; an OSError has the name of the file.
    """
    sample = SampleAnalysis.of(reported) if isinstance(reported, Analysis) else reported
    subject: Subject = "sample" if sample.analysis is None else "image"
    has_specification = filing.specification is not None
    exports_to_write = {
        name: export
        for name, export in exports.by_file_name(
            subject, sample.task, keep_all=keep_all, judged=has_specification
        ).items()
        if (for_the_page or not export.for_the_page)
        and (only is None or name in only)
        and (not stored_only or export.stored or name in added_names)
    }
    exports_to_write |= {name: export for name in added_names if (export := figure_named(name))}
    written: dict[str, Path] = {}
    folder.mkdir(parents=True, exist_ok=True)
    with _garbage_collection_off(), ThreadPoolExecutor(1) as compressor:
        context = Context(
            sample,
            exports_to_write,
            compressor,
            keep_all=keep_all,
            signatures=signatures,
            filing=filing,
            extra_files=extra_files,
        )
        for name in extra_files:
            written[name] = folder / name
            context.checksums[name] = sha256_of(written[name])
        first_files = {
            name: export
            for name, export in exports_to_write.items()
            if export.turn == FIRST and name not in existing_names
        }
        in_thread = {
            name: compressor.submit(copy_context().run, export.write, context, folder / name)
            for name, export in first_files.items()
        }
        context.compress_pictures(existing_names)
        # In a turn the files for the page come first: others may have to wait for the compression of pictures.
        for name, export in sorted(
            exports_to_write.items(), key=lambda entry: (entry[1].turn, not entry[1].for_the_page)
        ):
            if export.turn > FIGURE and on_first_files is not None:
                on_first_files(dict(written))
                on_first_files = None
            if progress is not None:
                stage = "drawing the figure" if name.startswith("figure") else "writing the files"
                progress(stage, (len(written) - len(extra_files)) / len(exports_to_write))
            path = folder / name
            with _with_file_name(path):
                if name in in_thread:
                    in_thread[name].result()
                elif name not in existing_names:
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

    Returns their names. They have the same bytes as if all files were written: for a
    file with checksums of the others, such as the bundle, all files are written to a temporary
    folder first. Other arguments are as in `write_all`.
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
def _with_file_name(path: Path) -> Iterator[None]:
    """Add the file's name to an OSError that has none, as the OSError of a full disk."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def _garbage_collection_off() -> Iterator[None]:
    """Switch Python's garbage collection off within the block: with networks in memory each
    collection takes 0.1 s."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
