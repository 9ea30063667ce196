"""Fitting the model of a particle's confidence, and judging it on other images."""

import numpy as np
import pytest

from segmentation.core.labels.confidence import likely_right
from segmentation.core.network.cards import INTERCEPT, TRAITS
from segmentation.lab.instances.calibrating import TooFew, cross_fitted, fit
from segmentation.lab.publish import amend


def draw(n, seed):
    """Particles whose chance of being right follows a known logistic model."""
    rng = np.random.default_rng(seed)
    values = rng.normal([2.0, 0.7, 0.5, 0.0, 0.5, 2.0], [1.0, 0.2, 0.3, 0.6, 0.6, 0.5], (n, len(TRAITS)))
    chance = 1 / (1 + np.exp(-(1.5 * (values[:, 0] - 2) + 6 * (values[:, 1] - 0.6))))
    return values, chance, rng.random(n) < chance


def test_a_known_model_is_found():
    values, chance, right = draw(20_000, 1)
    weights = fit(values, right)
    assert weights["foreground"] == pytest.approx(1.5, abs=0.1)
    assert weights["peak"] == pytest.approx(6.0, abs=0.4)
    assert abs(weights["others"]) < 0.1
    assert np.abs(likely_right(values, weights) - chance).mean() < 0.01


def test_weights_stay_finite_where_right_and_wrong_fall_apart():
    values = np.zeros((60, len(TRAITS)))
    values[:30, 1] = 1.0
    weights = fit(values, np.arange(60) < 30)
    found = likely_right(values, weights)
    assert np.isfinite(list(weights.values())).all()
    assert found[0] > 0.8 and found[-1] < 0.2


def test_every_particle_is_judged_by_a_model_of_other_groups():
    parts = [draw(80, seed) for seed in range(10)]
    groups = [f"g{n // 2}" for n in range(10)]
    apart = cross_fitted([p[0] for p in parts], [p[2] for p in parts], groups)
    others = fit(np.concatenate([p[0] for p in parts[2:]]), np.concatenate([p[2] for p in parts[2:]]))
    assert apart[:80] == pytest.approx(likely_right(parts[0][0], others))
    assert len(apart) == 800


def test_too_few_are_refused():
    values, _, right = draw(30, 1)
    with pytest.raises(TooFew, match="20 right and 20 wrong"):
        fit(values, right)
    with pytest.raises(TooFew, match="fewer than 5 groups"):
        cross_fitted([values], [right], ["one"])


def test_weights_go_into_the_card_and_again(tmp_path):
    file = tmp_path / "card.toml"
    file.write_text('name = "x"\n\n[training]\nsteps = 3\n')
    weights = dict.fromkeys(TRAITS, 0.5) | {INTERCEPT: -1.0}
    amend(file, {"confidence": weights, "training": {"confidence_data": "held out"}})
    amend(file, {"confidence": weights | {"peak": 2.0}, "training": {"confidence_data": "held out"}})
    text = file.read_text()
    assert text.count("peak = 2.0") == 1 and text.count("[confidence]") == 1
    assert 'confidence_data = "held out"' in text and "steps = 3" in text
