"""The released model of particles on a support, and what its card asks of the scale search and of doubtful outlines."""

import numpy as np
import pytest

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.particles.options import EVEN_PROBABILITY, ParticleOptions
from segmentation.core.labels.particles.outline import outline
from segmentation.core.measure.objects.matching import count_pairs, overlap_of
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network.cards import find
from segmentation.core.network.scale_search import find_view
from segmentation.core.pipeline import segment
from segmentation.lab.training.synthesis.render import random_rendering


@pytest.mark.slow
def test_the_model_for_supports_finds_what_the_usual_one_does_not():
    """Rendered pictures that no training has drawn: recall and precision of outlines at an IoU of 0.5."""
    fixed = {"kind": "supported", "support": "grains", "diameter": 14, "cover": 0.05, "support_grey": 1.5, "dose": 1000}
    fixed |= {"polarity": "bright", "absorption": 1.5, "annotation": "none", "family": "sphere"}
    hits = {"supported": np.zeros(3), "particles": np.zeros(3)}
    for seed in (71_001, 71_002):
        done = random_rendering((384, 384), np.random.default_rng(seed), fixed)
        micrograph = Micrograph(done.grey, "drawn", f"{seed:064x}", Calibration.absent())
        for model, counts in hits.items():
            outlines = segment(micrograph, AnalysisSettings.of("particles", model=model)).dense
            counts += count_pairs(overlap_of(outlines, done.labels).iou, 0.5)
    right, spurious, missed = hits["supported"]
    assert right / (right + missed) > 0.6 and right / (right + spurious) > 0.6, hits
    assert right > 1.3 * hits["particles"][0], hits


@pytest.mark.parametrize(("coarsest", "smallest"), [(0.0, 64), (0.5, 256)])
def test_a_card_may_keep_the_search_from_looking_from_afar(coarsest, smallest):
    seen = []

    def predict(picture):
        seen.append(max(picture.shape))
        return np.zeros((2, *picture.shape), np.uint8)

    blank = np.zeros((512, 512), np.float32)
    find_view(predict, lambda maps: (0.0, None, 0), find("supported"), blank, diameter=14.0, coarsest=coarsest)
    assert min(seen) == smallest


def test_a_card_may_say_when_an_image_is_taken_for_noise():
    """Many faint candidates beside a few sure ones: dropped all, or each by itself."""
    rows, columns = np.mgrid[:200, :200]
    maps, grey = np.zeros((2, 200, 200), np.uint8), np.full((200, 200), 60, np.uint8)
    for centre, value in [((20, 20), 250), *(((20 + 30 * r, 60 + 30 * c), 140) for r in range(5) for c in range(4))]:
        distance = np.clip(1 - np.hypot(rows - centre[0], columns - centre[1]) / 8, 0, 1)
        maps[0] = np.maximum(maps[0], (value * (distance > 0)).astype(np.uint8))
        maps[1] = np.maximum(maps[1], (value * distance).astype(np.uint8))
    weights = {"foreground": 1.0, "intercept": -1.5}
    usual = outline(maps, grey, 1.0, 0.3, ParticleOptions(confidence=weights))
    assert usual.expected < EVEN_PROBABILITY and len(usual.confidence) == 1 and usual.dropped == 20
    lenient = outline(maps, grey, 1.0, 0.3, ParticleOptions(confidence=weights, noise=0.0))
    assert len(lenient.confidence) == 21 and lenient.dropped == 0
