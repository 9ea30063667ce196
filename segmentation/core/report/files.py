"""All the files of an analysis or a sample in one folder."""

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
from .exports.base import FIGURE, FIRST, WITH_SUMS, Of
from .exports.figures import figure_named
from .filing import UNFILED, Filing
from .signatures import Signed

Progress = Callable[[str, float], None]


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
    signatures: Sequence[Signed] = (),
    filing: Filing = UNFILED,
    progress: Progress | None = None,
    first_written: Callable[[dict[str, Path]], None] | None = None,
) -> dict[str, Path]:
    """Write every file a user takes away into `folder` (made if need be): file name -> path.

    for_the_page: whether to write the files that only the result page needs.
    keep_all: whether labels.tif and rois.zip include what was left out; README.txt says so.
    only: the names of the files to write, if not all. stored_only: write only the files that are stored with every
    result, and those named in `also`, which may be figures with options. stored: names of files that are in the folder
    already, and stay as they are. beside: names of further such files, which belong into the bundle, with what they
    hold. signatures, filing: for the report.
    progress(stage, fraction): called before each file, fraction being the part of this writing that is done; it may
    raise to stop. first_written: called with what answers the question, the figure among it, as soon as that is
    written. An exception leaves the files written so far; an OSError has the name of the file.
    """
    sample = SampleAnalysis.of(reported) if isinstance(reported, Analysis) else reported
    listed = exports.listed("sample" if sample.analysis is None else "image", sample.task, keep_all=keep_all)
    listed = {name: export for name, export in listed.items() if for_the_page or not export.for_the_page}
    listed = {name: export for name, export in listed.items() if only is None or name in only}
    listed = {name: export for name, export in listed.items() if export.stored or not stored_only or name in also}
    listed |= {name: export for name in also if (export := figure_named(name))}
    written: dict[str, Path] = {}
    folder.mkdir(parents=True, exist_ok=True)
    with _without_collection(), ThreadPoolExecutor(1) as packing:
        context = Context(
            sample, listed, packing, keep_all=keep_all, signatures=signatures, filing=filing, beside=beside
        )
        for name in beside:
            written[name] = folder / name
            context.sums[name] = sha256_of(written[name])
        early = {name: export for name, export in listed.items() if export.turn == FIRST and name not in stored}
        ahead = {
            name: packing.submit(copy_context().run, export.write, context, folder / name)
            for name, export in early.items()
        }
        context.pack_pictures(stored)
        # What is only for the page goes before what has to wait until it is compressed.
        for name, export in sorted(listed.items(), key=lambda entry: (entry[1].turn, not entry[1].for_the_page)):
            if export.turn > FIGURE and first_written is not None:
                first_written(dict(written))
                first_written = None
            if progress is not None:
                stage = "drawing the figure" if name.startswith("figure") else "writing the files"
                progress(stage, (len(written) - len(beside)) / len(listed))
            path = folder / name
            with _naming(path):
                if name in ahead:
                    ahead[name].result()
                elif name not in stored:
                    export.write(context, path)
            written[name] = path
            if name in context.holds:
                context.sums[name] = sha256_of(path)
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
    """Write what somebody chose (`choice.chosen`) into `folder`, made if need be, and give the names; the same bytes as
    among all files.

    What tells of all other files, such as the bundle, needs them all: they are made in a folder that is then removed.
    Otherwise as `write_all`.
    """
    sample = SampleAnalysis.of(reported) if isinstance(reported, Analysis) else reported
    unit: Of = "sample" if sample.analysis is None else "image"
    offered, names = choice.offered(unit, sample.task), choice.chosen(patterns, unit, sample.task)
    write = partial(write_all, sample, for_the_page=False, keep_all=keep_all, filing=filing, progress=progress)
    if len(names) == len(offered) or all(offered[name].turn < WITH_SUMS for name in names):
        return list(write(folder, only=names))
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=folder) as whole:
        files = write(Path(whole))
        for name in names:
            files[name].replace(folder / name)
    return names


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Give an error of the disk the name of the file, which a full disk leaves out."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def _without_collection() -> Iterator[None]:
    """Without the search for unreachable objects, which with the networks in memory takes a tenth of a second each
    time; what it would find waits until the files are written."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
