"""Measures the processor seconds (of all threads) for writing each file of an image. It prints them, and asserts that
files take no longer than the analysis.

Run: ONEDNN_MAX_CPU_ISA=AVX2 make benchmarks ARGS=tools/benchmarks/test_files.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.micrograph.reader import read
from segmentation.core.pipeline import analyse
from segmentation.core.report import exports, files
from segmentation.core.report.context import Context

pytestmark = pytest.mark.benchmark
SAMPLE = Path(__file__).resolve().parents[2] / "static" / "sample" / "sem-sample.tif"
USUAL = ("result.json", "particles.csv", "particles.xlsx", "labels.tif", "rois.zip", "figure.png")
PICTURES = "(pictures)"  # the figure and its panels, drawn and compressed before the files that hold them
Seconds = dict[str, float]


class AtOnce(Executor):
    """An executor that works in the calling thread, so that the time is counted for the file that needs the work."""

    def __init__(self, workers: int) -> None:
        pass

    def submit(self, work: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **options))
        return done


def seconds_of(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


@pytest.fixture
def written(monkeypatch, tmp_path):
    """A function of an analysis and patterns: writes the files that match, and returns the seconds of each, and of all
    as ""."""
    every = exports.by_file_name
    monkeypatch.setattr(files, "ThreadPoolExecutor", AtOnce)

    def write(analysis: Analysis, *patterns: str) -> Seconds:
        spent: Seconds = {}

        def timed(name: str, work: Callable[..., object]) -> Callable[..., None]:
            def do(*args: Any) -> None:
                spent[name] = seconds_of(lambda: work(*args))

            return do

        def listed(*args: Any, **options: Any) -> dict[str, Any]:
            return {
                name: replace(export, write=timed(name, export.write))
                for name, export in every(*args, **options).items()
                if any(fnmatch(name, pattern) for pattern in patterns)
            }

        with monkeypatch.context() as patched:
            patched.setattr(exports, "by_file_name", listed)
            patched.setattr(Context, "compress_pictures", timed(PICTURES, Context.compress_pictures))
            whole = seconds_of(lambda: files.write_all(analysis, tmp_path))
        return {**spent, "": whole}

    return write


def test_cost_of_each_file(written):
    """1024 x 768 px: all files together for the first and for the second image of a process, and each file alone."""
    micrograph = read(SAMPLE)
    analyse(micrograph, AnalysisSettings.of())
    began = time.process_time()
    analysis = analyse(micrograph, AnalysisSettings.of())
    analysed = time.process_time() - began
    first, warm = written(analysis, "*"), written(analysis, "*")
    alone = {name: min(written(analysis, name)[""] for _ in range(2)) for name in warm if name not in ("", PICTURES)}
    usual = min(written(analysis, *USUAL)[""] for _ in range(2))
    print(f"\nanalysis {analysed:.2f} s; processor seconds of its files:")
    print(f"{'':28}   first  second   alone")
    for name in sorted(warm, key=lambda name: -alone.get(name, 100.0)):
        by_itself = f"{alone[name]:8.2f}" if name in alone else ""
        print(f"{name or 'all files':28}{first[name]:8.2f}{warm[name]:8.2f}{by_itself}")
    print(f"{'the usual six files':44}{usual:8.2f}")
    print(f"of the analysis: all files {warm[''] / analysed:.2f}, the usual six {usual / analysed:.2f}")
    assert warm[""] <= analysed
    assert usual <= 0.3 * analysed
