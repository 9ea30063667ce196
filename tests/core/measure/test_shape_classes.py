"""Drawn outlines get the class that they were drawn as; what a class does not say is not said."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from segmentation.core.measure.results import SHAPES
from segmentation.core.measure.shape.shape_classes import class_shares, classify, rods, with_shapes
from segmentation.core.measure.shape.shapes import measure
from segmentation.core.measure.table import Table
from tools.accuracy.drawn.outlines import CLASSES_BY_EYE, EMPS, drawn, features, of_micrographs

RODS = 60.0, 12.0  # px, length and width


def table_of(labels: np.ndarray, nm: float | None = None) -> Table:
    n = int(labels.max())
    table = measure(labels, labels.astype(np.uint8), np.ones(n, np.float32), nm, len(labels))
    return with_shapes(table, labels)


def drawn_rods(n: int = 12) -> np.ndarray:
    labels = np.zeros((100 * ((n + 3) // 4), 400), np.int32)
    y, x = np.mgrid[: labels.shape[0], :400]
    for number in range(n):
        turn = np.radians(17 * number)
        across, down = x - 50.3 - 100 * (number % 4), y - 50.6 - 100 * (number // 4)
        along, beside = across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)
        labels[(np.abs(along) <= RODS[0] / 2) & (np.abs(beside) <= RODS[1] / 2)] = number + 1
    return labels


@pytest.mark.parametrize(("width", "noise", "least"), [(12, 0.0, 0.7), (30, 0.3, 0.85), (80, 0.5, 0.9)])
def test_most_outlines_get_their_class_whatever_their_size_and_angle(width, noise, least):
    rng = np.random.default_rng(7)
    for number, shape in enumerate(SHAPES):
        probabilities = classify(features([drawn(shape, width, noise, rng) for _ in range(12)])[0])
        assert (probabilities.argmax(1) == number).mean() >= least, shape


def test_the_probability_is_about_how_often_the_class_is_right():
    rng = np.random.default_rng(9)
    truth = np.repeat(np.arange(len(SHAPES)), 20)
    masks = [drawn(SHAPES[number], float(rng.uniform(8, 60)), float(rng.uniform(0, 0.6)), rng) for number in truth]
    probabilities = classify(features(masks)[0])
    assert (probabilities.argmax(1) == truth).mean() == pytest.approx(probabilities.max(1).mean(), abs=0.07)


@pytest.mark.skipif(not EMPS.is_dir(), reason="needs ../shared/data/particles, which is not here")
def test_outlines_of_micrographs_mostly_get_the_class_that_they_have_by_eye():
    values, rows = of_micrographs()
    named = np.array(SHAPES)[classify(values).argmax(1)]
    by_eye = np.array([row["class"] for row in rows])
    assert (named == by_eye).mean() >= 0.8
    for shape in ("rod", "square", "triangle"):
        assert (named == by_eye)[by_eye == shape].mean() >= 0.9


def test_each_outline_was_classed_once_and_at_most_five_an_image():
    rows = [line.split(",") for line in CLASSES_BY_EYE.read_text(encoding="utf-8").splitlines()[1:]]
    assert len({(image, label) for image, label, *_ in rows}) == len(rows) == 200
    assert {row[2] for row in rows} == {*SHAPES, "unclear"}
    assert max(Counter(row[0] for row in rows).values()) == 5


@pytest.mark.parametrize("shape", SHAPES)
def test_turned_and_mirrored_an_outline_keeps_its_class(shape):
    mask = drawn(shape, 40, 0.3, np.random.default_rng(2))
    probabilities = classify(features([mask, np.rot90(mask), mask[::-1], mask.T])[0])
    assert len(set(probabilities.argmax(1).tolist())) == 1
    assert np.ptp(probabilities, axis=0).max() < 0.25


def test_length_and_width_of_rods_are_those_drawn():
    table = table_of(drawn_rods(), 2.0)
    assert set(table["shape"].tolist()) == {"rod"}
    assert table["length_nm"] == pytest.approx(2 * RODS[0], abs=2.5)
    assert table["width_nm"] == pytest.approx(2 * RODS[1], abs=2.5)
    statistics = rods([table], "exclude", 0.0, 1)
    assert statistics["n"] == 12 and statistics["length"]["median"] == pytest.approx(120, abs=2.5)
    low, high = statistics["width"]["interval"]
    assert low <= statistics["width"]["median"] <= high
    assert statistics["ratio"]["median"] == pytest.approx(5, rel=0.05)


def test_what_the_frame_cuts_or_is_too_small_has_no_class():
    labels = np.zeros((60, 60), np.int32)
    labels[:20, 20:40], labels[30:33, 30:33], labels[40:55, 5:20] = 1, 2, 3
    table = table_of(labels)
    assert table["shape"].tolist() == ["", "", "square"]
    assert np.isnan(table["shape_chance"][:2]).all() and table["shape_chance"][2] > 0.8


def test_shares_have_intervals_and_sum_to_one():
    labels = drawn_rods(12)
    labels[25:75, 25:75] = 1  # a square over the first rod
    labels[:] = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    table = table_of(labels)
    shares = class_shares([table])
    assert shares["square"]["n"] == 1 and shares["rod"]["n"] == 11
    assert sum(of["share"] for of in shares.values()) == pytest.approx(1)
    assert shares["rod"]["low"] < 11 / 12 < shares["rod"]["high"]
    several = class_shares([table, table_of(drawn_rods(12)), table_of(drawn_rods(12))])
    assert several["rod"]["share"] == pytest.approx(35 / 36)
    assert several["rod"]["low"] < several["rod"]["share"] < several["rod"]["high"] <= 1
    assert class_shares([table, table])["rod"]["low"] > shares["rod"]["low"]


def test_nothing_has_no_shares():
    labels = np.zeros((20, 20), np.int32)
    table = table_of(labels)
    assert len(table["shape"]) == 0 and class_shares([table]) == {} and rods([table], "exclude", 0.0, 1) is None
