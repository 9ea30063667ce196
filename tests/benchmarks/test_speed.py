"""Where the time of one job goes. Prints; asserts nothing about seconds, since machines are noisy.

Run: make benchmarks
"""

import resource
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from segmentation.core.labels.outline import particles
from segmentation.core.micrograph import read
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import available, find
from segmentation.core.network.inference import predict
from segmentation.core.network.runtime import Runtime, load_network
from segmentation.core.network.scale_search import as_shown
from segmentation.core.pipeline import analyse
from segmentation.core.report.files import write_all
from segmentation.core.settings import AnalysisSettings

pytestmark = pytest.mark.benchmark
SAMPLE = Path(__file__).resolve().parents[2] / "static" / "sample" / "sem-sample.tif"


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def print_shares(title, seconds):
    total = sum(seconds.values())
    print(f"\n{title}: {total:.2f} s, peak memory {peak_gb():.2f} GB")
    for stage, spent in seconds.items():
        print(f"  {stage:10s} {spent:7.3f} s  {100 * spent / total:5.1f} %")


@pytest.mark.parametrize("name", [card.name for card in available()])
def test_shares_of_one_job(tmp_path, name):
    """1024 x 768, from the file to all artifacts, warm."""
    for _ in range(2):
        seconds = {}
        began = time.perf_counter()
        micrograph = read(SAMPLE)
        seconds["read"] = time.perf_counter() - began
        analysis = analyse(micrograph, AnalysisSettings.of(model=name))
        seconds |= analysis.timings
        began = time.perf_counter()
        write_all(analysis, tmp_path)
        seconds["report"] = time.perf_counter() - began
    print_shares(f"{name}, 1024 x 768", seconds)


def test_shares_of_a_large_image():
    """8192 x 8192, network to measures: the memory must stay under 4 GB."""
    tile = read(SAMPLE).pixels[:704]
    pixels = np.tile(tile, (12, 8))[:8192, :8192]
    micrograph = Micrograph(np.ascontiguousarray(pixels), "large.tif", "0" * 64, Calibration(5.0, "metadata"))
    analysis = analyse(micrograph, AnalysisSettings.of(scale=1.0))
    print_shares(f"8192 x 8192, {len(analysis.table)} particles", analysis.timings)


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
    picture = read(SAMPLE).pixels[:704].astype(np.float32) / 255
    maps, grey = predict(load_network(card, runtime, 2), picture, runtime), as_shown(picture, "bright")
    spent = {"ours": 0.0, "published": 0.0}
    for _ in range(5):
        began = time.perf_counter()
        particles(maps, grey, 1.0, card.threshold, card)
        spent["ours"] += time.perf_counter() - began
        began = time.perf_counter()
        published_chain(maps[0])
        spent["published"] += time.perf_counter() - began
    print(f"\nseparation: ours takes {spent['ours'] / spent['published']:.2f} of the published chain's time")
