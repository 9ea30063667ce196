"""Prints the processor seconds of each stage of a warm analysis with one thread, the best of three, as a table in
Markdown, for pictures of four kinds:

    OMP_NUM_THREADS=1 [ONEDNN_MAX_CPU_ISA=AVX2] python -m tools.benchmarks.stages
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.types import ABSENT, Micrograph
from segmentation.core.network.runtime import Runtime
from segmentation.core.pipeline import segment
from segmentation.core.stages.measuring import measure_objects, with_arrangement
from segmentation.core.stages.pace import STAGE_BEGINS, Clock, quiet
from tools.accuracy.drawn.overlaps import heap

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FOLDERS = {
    "EMPS": "particles/emps-train/images",
    "TiO2": "evaluation-only/tio2-sem/images",
    "powder": "particles/ampis-powder/images",
}
PICTURES, TIMES = 3, 3  # of each kind, from its first files; of each picture


class ProcessorClock(Clock):
    """A clock of the processor's seconds."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began


def pictures() -> Iterator[tuple[str, np.ndarray]]:
    """Kind and grey (H, W) of each picture; kinds whose folder is missing are left out."""
    for kind, folder in FOLDERS.items():
        for file in sorted((DATA / folder).glob("*.*"))[:PICTURES]:
            yield kind, np.array(Image.open(file).convert("L"))[:768, :1024]
    for seed in range(PICTURES):
        yield "heap", np.tile(heap("discs", seed)[0], (2, 2))[:768, :1024]


def seconds_of(grey: np.ndarray, runtime: Runtime) -> dict[str, float]:
    """The processor seconds by stage, and of all."""
    micrograph, settings, runs = Micrograph(grey, "a.png", "0" * 64, ABSENT), AnalysisSettings.of(), []
    for _ in range(TIMES):
        clock, began = ProcessorClock(), time.process_time()
        segmentation = segment(micrograph, settings, runtime=runtime, clock=clock)
        with_arrangement(measure_objects(micrograph, segmentation, settings, quiet, clock=clock), clock)
        runs.append(clock.seconds | {"all": time.process_time() - began})
    return min(runs, key=lambda run: run["all"])


def lines() -> Iterator[str]:
    """The table: the mean of the pictures of each kind."""
    runtime, by_kind = Runtime(), dict[str, list[dict[str, float]]]()
    for kind, grey in pictures():
        by_kind.setdefault(kind, []).append(seconds_of(grey, runtime))
    yield f"| | {' | '.join(by_kind)} |"
    yield "|---" * (len(by_kind) + 1) + "|"
    for stage in ("prepare", *list(STAGE_BEGINS)[:-1], "all"):
        means = [np.mean([run.get(stage, 0.0) for run in runs]) for runs in by_kind.values()]
        yield f"| {stage} | {' | '.join(f'{mean:.2f}' for mean in means)} |"


if __name__ == "__main__":
    print(*lines(), sep="\n")
