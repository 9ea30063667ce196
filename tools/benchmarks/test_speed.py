"""Measures how the time of one job is divided into stages. It prints the times, and asserts nothing about them, because
machines differ.

Run: make benchmarks
"""

import resource
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.particles.options import ParticleOptions
from segmentation.core.labels.particles.outline import particle_labels
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import available, find
from segmentation.core.network.inference import predict
from segmentation.core.network.runtime import Runtime, load_network
from segmentation.core.network.scale_search import as_shown
from segmentation.core.pipeline import Clock, analyse, measure_objects, segment, with_arrangement
from segmentation.core.report.files import write_all
from worker.reading.decoding import read_micrograph

pytestmark = pytest.mark.benchmark
SAMPLE = Path(__file__).resolve().parents[2] / "static" / "sample" / "sem-sample.tif"


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def print_shares(title, seconds):
    total = sum(seconds.values())
    print(f"\n{title}: {total:.2f} s, peak memory {peak_gb():.2f} GB")
    for stage, spent in seconds.items():
        print(f"  {stage:10s} {spent:7.3f} s  {100 * spent / total:5.1f} %")


@pytest.mark.parametrize("card", available(), ids=lambda card: card.name)
def test_shares_of_one_job(tmp_path, card):
    """1024 x 768, from the file to all artifacts, warm."""
    for _ in range(2):
        seconds = {}
        began = time.perf_counter()
        micrograph = read_micrograph(SAMPLE, name=SAMPLE.name)
        seconds["read"] = time.perf_counter() - began
        analysis = analyse(micrograph, AnalysisSettings.of(card.task, model=card.name))
        seconds |= analysis.timings
        began = time.perf_counter()
        write_all(analysis, tmp_path, stored_only=True)
        first = time.perf_counter() - began
        write_all(analysis, tmp_path)
        seconds["report"] = time.perf_counter() - began
    print_shares(f"{card.name}, 1024 x 768", seconds)
    first += sum(seconds.values()) - seconds["report"]
    print(f"  the first answer after {first:.2f} s, all files after {sum(seconds.values()):.2f} s")


class CpuClock(Clock):
    """Seconds of all processors instead of the wall clock's: others use the machine, too."""

    @contextmanager
    def stage(self, name):
        began = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - began


@pytest.mark.parametrize("name", ["sample", "half its size", "its middle, twice as large"])
def test_processor_seconds_of_an_analysis(name):
    """By stage, of the second analysis in a process; rest: whether models of other kinds recognise the picture, and
    specks in one that was read coarsely. ONEDNN_MAX_CPU_ISA=AVX2: as on a processor without bfloat16."""
    sample = read(SAMPLE).pixels[:704]
    grey = {
        "sample": sample,
        "half its size": np.ascontiguousarray(sample[::2, ::2]),
        "its middle, twice as large": np.kron(sample[224:480, 384:640], np.ones((2, 2), np.uint8)),
    }[name]
    micrograph = Micrograph(grey, f"{name}.tif", "0" * 64, Calibration(5.0, "metadata"))
    for _ in range(2):
        clock, began = CpuClock(), time.process_time()
        outlines = segment(micrograph, AnalysisSettings.of(), clock=clock)
        with_arrangement(measure_objects(micrograph, outlines, AnalysisSettings.of(), clock=clock), clock)
        spent = time.process_time() - began
    print_shares(f"{name}, {grey.shape}", clock.seconds | {"rest": spent - sum(clock.seconds.values())})


def test_cost_of_large_images_by_their_pixels():
    """1024 to 8192 px square, network to measures: at most 4 GB, linear in the pixels. What is computed twice, where
    windows overlap, makes network and separation together at most 1.3 times as expensive."""
    tile = read(SAMPLE).pixels[:704]
    pixels, settings = np.tile(tile, (12, 8))[:8192, :8192], AnalysisSettings.of(scale=1.0)
    first: dict[str, float] = {}
    for side in (1024, 2048, 4096, 8192):
        grey = np.ascontiguousarray(pixels[:side, :side])
        micrograph = Micrograph(grey, "large.tif", "0" * 64, Calibration(5.0, "metadata"))
        clock, began = CpuClock(), time.perf_counter()
        outlines = segment(micrograph, settings, clock=clock)
        analysis = with_arrangement(measure_objects(micrograph, outlines, settings, clock=clock), clock)
        wall = time.perf_counter() - began
        costs = {
            stage: spent / grey.size * 1e6 for stage, spent in clock.seconds.items() if stage not in ("load", "search")
        }
        first = first or costs
        print(f"\n{side} x {side}, {len(analysis.table)} particles: {wall:.1f} s, peak memory {peak_gb():.2f} GB")
        for stage, spent in costs.items():
            ratio = spent / first[stage] if first[stage] else 0.0
            print(f"  {stage:10s} {spent:7.3f} s of processor a megapixel, {ratio:.2f} of that of 1024 x 1024")
        pixels_cost = costs["network"] + costs["labels"], first["network"] + first["labels"]
        assert pixels_cost[0] <= 1.3 * pixels_cost[1]
        del analysis


def published_chain(foreground):
    """An independent re-implementation of the published post-processing (SCIENCE.md section 2)."""
    mask = foreground >= 128
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1)
    peaks = peak_local_max(distance, min_distance=9)
    markers = np.zeros(mask.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, markers, mask=mask, watershed_line=True)


def test_separation_against_the_published_chain():
    card, runtime = find("particles"), Runtime()
    options = ParticleOptions.of(card)
    picture = read(SAMPLE).pixels[:704].astype(np.float32) / 255
    maps, grey = predict(load_network(card, runtime, 2), picture), as_shown(picture, "bright")
    spent = {"ours": 0.0, "published": 0.0}
    for _ in range(5):
        began = time.perf_counter()
        particle_labels(maps, grey, 1.0, card.threshold, options)
        spent["ours"] += time.perf_counter() - began
        began = time.perf_counter()
        published_chain(maps[0])
        spent["published"] += time.perf_counter() - began
    print(f"\nseparation: ours takes {spent['ours'] / spent['published']:.2f} of the published chain's time")
