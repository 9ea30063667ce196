"""Fitting the model of a particle's confidence, and judging it on other images."""

import numpy as np
import pytest

from segmentation.core.labels.particles.confidence import likely_right
from segmentation.lab.training.instances.confidence import (
    LabelledParticles,
    TooFew,
    cross_validated_confidence,
    every_nth,
    fit_weights,
)


def draw(n, seed, group=""):
    """Particles whose probability of being right follows a known logistic model."""
    rng = np.random.default_rng(seed)
    values = {"foreground": rng.normal(2.0, 1.0, n), "peak": rng.normal(0.7, 0.2, n), "others": rng.normal(2, 0.5, n)}
    probability = 1 / (1 + np.exp(-(1.5 * (values["foreground"] - 2) + 6 * (values["peak"] - 0.6))))
    return LabelledParticles(values, rng.random(n) < probability, group or str(seed)), probability


def test_a_known_model_is_found():
    images, probabilities = zip(*(draw(50, seed) for seed in range(400)), strict=True)
    weights = fit_weights(images)
    assert weights["foreground"] == pytest.approx(1.5, abs=0.1)
    assert weights["peak"] == pytest.approx(6.0, abs=0.4)
    assert abs(weights["others"]) < 0.1
    assert np.abs(likely_right(images[0].values, weights) - probabilities[0]).mean() < 0.01


def test_weights_stay_finite_where_right_and_wrong_fall_apart():
    first = np.arange(60) < 30
    values = {"foreground": np.zeros(60), "peak": first.astype(float)}
    weights = fit_weights([LabelledParticles(values, first)])
    probabilities = likely_right(values, weights)
    assert np.isfinite(list(weights.values())).all()
    assert probabilities[0] > 0.8 and probabilities[-1] < 0.2


def test_every_particle_is_judged_by_a_model_of_other_groups():
    images = [draw(80, seed, f"g{seed // 2}")[0] for seed in range(10)]
    blank = LabelledParticles(draw(30, 20)[0].values, np.zeros(30, bool))
    apart = cross_validated_confidence(images, [blank])
    others = fit_weights([*images[2:], blank])
    assert apart[:80] == pytest.approx(likely_right(images[0].values, others))
    assert len(apart) == 800


def test_a_crowded_image_counts_no_more_than_others():
    """An image that says the contrary of all others, with as many particles as all of them."""
    images = [draw(50, seed)[0] for seed in range(20)]
    crowded = draw(1000, 30)[0]
    alone = fit_weights(images)
    crowd = fit_weights([*images, crowded._replace(right=~crowded.right)])
    assert crowd["peak"] == pytest.approx(alone["peak"], rel=0.25)


def test_too_few_are_refused():
    image, _ = draw(30, 1)
    with pytest.raises(TooFew, match="20 right and 20 wrong"):
        fit_weights([image])
    with pytest.raises(TooFew, match="fewer than 5 groups"):
        cross_validated_confidence([image])
    assert not every_nth([])
