"""Which image to correct next: what is expected wrong, and whether the order finds errors sooner than chance."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.learning.suggesting import ExpectedErrors, distance, expected_wrong, rank_images, texture


def outlines(confidence):
    return [{"kept": True, "confidence": probability} for probability in confidence]


def test_expected_wrong_is_the_sum_of_the_probabilities():
    assert expected_wrong(outlines([0.9, 0.5, None, 1.0])) == ExpectedErrors(pytest.approx(0.6), 3)
    assert expected_wrong(outlines([None])) is None
    assert expected_wrong([]) is None


def test_classes_have_a_share_of_the_area():
    classes = [{"area_fraction": 0.7, "certainty": 0.9}, {"area_fraction": 0.3, "certainty": 0.8}]
    assert expected_wrong(classes) == ExpectedErrors(pytest.approx(0.13), 2, share=True)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (ExpectedErrors(11.6, 230), "about 12 of 230 outlines are probably wrong"),
        (ExpectedErrors(1.2, 5), "about 1 of 5 outlines is probably wrong"),
        (ExpectedErrors(0.13, 2, share=True), "about 13 % of the area is probably in the wrong class"),
    ],
)
def test_words(wrong, words):
    assert wrong.words == words


def test_texture_tells_kinds_of_pictures_apart_and_takes_any():
    rng = np.random.default_rng(0)
    fine = [rng.integers(0, 256, (120, 160), dtype=np.uint8) for _ in range(2)]
    coarse = np.kron(rng.integers(0, 256, (8, 10), dtype=np.uint8), np.ones((16, 16), np.uint8))
    descriptor, other, blocks = (texture(picture) for picture in (*fine, coarse))
    assert distance(descriptor, [other]) < 0.2 < 1 < distance(descriptor, [blocks])
    assert np.isfinite(texture(np.zeros((1, 1), np.uint8))).all()
    assert np.isfinite(texture(rng.integers(0, 256, (1, 9), dtype=np.uint8))).all()
    assert distance(descriptor, []) == np.inf


def test_twins_are_not_suggested_one_after_the_other():
    here, there = np.zeros(6), np.full(6, 2.0)
    assert [index for index, _ in rank_images([10, 9, 7], [here, here, there], [])] == [0, 2, 1]
    assert [index for index, _ in rank_images([10, 9], [here, there], [here])] == [1, 0]


def test_the_suggested_order_finds_errors_sooner_than_a_random_one():
    """Forty images whose outlines are right with the probability that their confidence says: the first five suggested
    hold more errors than five drawn by lot, in each of twenty draws of the whole."""
    gains = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sure = [rng.beta(rng.uniform(1, 12), 1.5, rng.integers(20, 300)) for _ in range(40)]
        errors = np.array([(rng.random(len(probabilities)) > probabilities).sum() for probabilities in sure])
        expected = [expected_wrong(outlines(probabilities)).expected for probabilities in sure]
        textures = list(rng.normal(0, 0.5, (40, 6)))
        first = [index for index, _ in rank_images(expected, textures, textures[:3])][:5]
        gains.append(errors[first].sum() / (5 * errors.mean()))
        assert np.corrcoef(expected, errors)[0, 1] > 0.9
    assert min(gains) > 1.3
