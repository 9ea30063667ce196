"""How likely a particle is right: what is read off the maps, and what is made of it."""

import numpy as np
import pytest

from segmentation.core.labels.particles.confidence import confidence, likely_right, outline_features
from segmentation.core.labels.particles.options import INTERCEPT, OUTLINE_FEATURES, ParticleOptions
from segmentation.core.labels.particles.outline import outline
from segmentation.core.labels.separate import mean_over_labels
from segmentation.core.network.inference import predict_augmented
from segmentation.core.network.resample import resize, resize_map

LABELS = np.zeros((40, 60), np.int32)
LABELS[5:15, 5:15] = 1
LABELS[20:24, 30:34] = 2
FOREGROUND = np.where(LABELS == 1, 250, np.where(LABELS == 2, 140, 5)).astype(np.uint8)
DISTANCE = np.where(LABELS == 1, 204, np.where(LABELS == 2, 51, 0)).astype(np.uint8)
MAPS = np.stack([FOREGROUND, DISTANCE])


GREY = np.where(LABELS > 0, 180, 60).astype(np.uint8)


def test_what_is_read_off_the_maps():
    values = outline_features(MAPS, GREY, LABELS, 1.0, 10.0)
    assert tuple(values) == OUTLINE_FEATURES and {len(column) for column in values.values()} == {2}
    assert values["peak"] == pytest.approx([0.8, 0.2])
    assert values["sure"] == pytest.approx([1.0, 0.0])
    mean = np.array([250, 140]) / 255
    assert values["foreground"] == pytest.approx(np.log(mean / (1 - mean)), rel=1e-3)
    assert values["size"] == pytest.approx(np.log(np.sqrt(4 * np.array([100, 16]) / np.pi) / 10))
    assert values["others"] == pytest.approx(np.average(values["foreground"], weights=[100, 16]))


def test_no_particles_have_no_features():
    none = outline_features(MAPS, GREY, np.zeros_like(LABELS), 1.0, 10.0)
    assert tuple(none) == OUTLINE_FEATURES and {len(column) for column in none.values()} == {0}


def test_the_logistic_model():
    weights = {"peak": 10.0, INTERCEPT: -5.0}  # a card names what it uses
    probabilities = likely_right(outline_features(MAPS, GREY, LABELS, 1.0, 10.0), weights)
    assert probabilities == pytest.approx([1 / (1 + np.exp(-3)), 1 / (1 + np.exp(3))], rel=1e-5)


def test_without_calibration_it_is_the_mean_probability():
    assert confidence(MAPS, GREY, LABELS, 1.0, ParticleOptions()) == pytest.approx(mean_over_labels(FOREGROUND, LABELS))


def test_size_is_told_in_the_pixels_that_the_network_saw():
    options = ParticleOptions(confidence=dict.fromkeys(OUTLINE_FEATURES, 0.0) | {"size": 1.0, INTERCEPT: 0.0})
    whole, half = confidence(MAPS, GREY, LABELS, 1.0, options), confidence(MAPS, GREY, LABELS, 0.5, options)
    odds = [np.log(c / (1 - c)) for c in (whole, half)]
    assert odds[0] - odds[1] == pytest.approx([np.log(2)] * 2, rel=1e-4)


def ground(contrast, noise=4.0, seed=0):
    """A bright disc and a small one that is `contrast` SD of the noise brighter than the ground; their labels."""
    rows, columns = np.mgrid[:120, :160]
    labels = np.where(np.hypot(rows - 60, columns - 50) < 25, 1, 0)
    labels[np.hypot(rows - 60, columns - 120) < 8] = 2
    grey = np.array([60, 160, 60 + contrast * noise])[labels]
    grey = grey + np.random.default_rng(seed).normal(0, noise, labels.shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), labels.astype(np.int32)


@pytest.mark.parametrize(("contrast", "expected"), [(0.0, 0.0), (2.0, 2.0), (20.0, 4.0), (-9.0, -1.0)])
def test_contrast_is_told_in_units_of_the_ground_nearby(contrast, expected):
    grey, labels = ground(contrast)
    maps = np.stack([np.where(labels > 0, 240, 5), np.where(labels > 0, 150, 0)]).astype(np.uint8)
    ratios = outline_features(maps, grey, labels, 1.0, 36.0)["contrast"]
    assert ratios == pytest.approx([4.0, expected], abs=0.25)


def test_a_particle_brighter_than_the_others_glares():
    grey, labels = ground(0.0)
    maps = np.stack([np.where(labels > 0, 240, 5), np.where(labels > 0, 150, 0)]).astype(np.uint8)
    assert outline_features(maps, grey, labels, 1.0, 36.0)["excess_brightness"] == pytest.approx([0.1, 0], abs=0.05)
    grey[labels == 2] = 250
    assert outline_features(maps, grey, labels, 1.0, 36.0)["excess_brightness"][1] == pytest.approx(0.74, abs=0.05)


def test_without_any_ground_nothing_stands_out():
    full = np.ones((20, 30), np.int32)
    maps = np.full((2, 20, 30), 240, np.uint8)
    assert outline_features(maps, np.full((20, 30), 90, np.uint8), full, 1.0, 36.0)["contrast"] == pytest.approx(
        [0.0], abs=1e-3
    )


def leaning(picture, progress=lambda fraction: None):
    """Stands for a network that sees the right and the lower side better than the others."""
    progress(1.0)
    rows, columns = np.indices(picture.shape)
    parts = picture * columns / picture.shape[1], picture * rows / picture.shape[0]
    return np.stack([np.rint(255 * part).astype(np.uint8) for part in parts])


@pytest.fixture
def picture():
    return np.random.default_rng(0).random((64, 96)).astype(np.float32)


def test_flips_average_the_four_mirrored_maps(picture):
    fractions = []
    prediction = predict_augmented(leaning, picture, 1.0, flips=True, progress=fractions.append)
    assert np.abs(prediction - np.stack([255 * picture * share for share in (95 / 192, 63 / 128)])).max() <= 1
    assert fractions == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_a_larger_showing_is_mirrored_and_averaged(picture):
    fractions = []
    prediction = predict_augmented(leaning, picture, 1.0, second_scale=1.5, progress=fractions.append)
    larger = leaning(resize(picture, 1.5)[:, ::-1])[:, :, ::-1]
    second = np.stack([resize_map(np.ascontiguousarray(layer), picture.shape) for layer in larger]).astype(float)
    assert np.abs(prediction - (leaning(picture) + second) / 2).max() <= 0.5
    assert fractions == pytest.approx([1 / 3.25, 1.0])
    flips = predict_augmented(leaning, picture, 1.0, second_scale=1.5, flips=True)
    mirrored = predict_augmented(leaning, picture[::-1, ::-1], 1.0, second_scale=1.5, flips=True)
    assert np.abs(flips[:, ::-1, ::-1].astype(int) - mirrored).max() <= 2


def confident(**weights):
    return ParticleOptions(confidence=dict.fromkeys(OUTLINE_FEATURES, 0.0) | {INTERCEPT: 0.0} | weights)


@pytest.mark.parametrize(
    ("intercept", "probabilities", "expected"),
    [
        (-4.0, [0.982, 0.119], 0.55),  # doubtful outlines stay where most are right
        (-7.9, [0.525], 0.264),  # and go where most are wrong
        (-4.4, [0.973], 0.973),  # a hopeless one goes anywhere
    ],
)
def test_doubtful_outlines_go_where_most_are_wrong(intercept, probabilities, expected):
    outlines = outline(MAPS, GREY, 1.0, 0.5, confident(peak=10.0, intercept=intercept))
    assert outlines.confidence == pytest.approx(probabilities, abs=1e-3) and outlines.expected == pytest.approx(
        expected, abs=1e-3
    )
    assert np.array_equal(outlines.labels, np.where(len(probabilities) >= LABELS, LABELS, 0))
    assert outlines.dropped == 2 - len(probabilities)


def test_an_uncalibrated_card_drops_nothing():
    outlines = outline(MAPS // 2 + 10, GREY, 1.0, 0.3, ParticleOptions())
    assert outlines.dropped == 0 and outlines.labels.max() > 0


def test_nothing_is_expected_to_be_right_of_nothing():
    outlines = outline(np.zeros_like(MAPS), GREY, 1.0, 0.5, confident())
    assert (outlines.labels.max(), outlines.expected, len(outlines.confidence)) == (0, 1.0, 0)
