"""The pages of methods and accuracy: the tables can be made again, and the methods name what the code has."""

from __future__ import annotations

import pytest

from segmentation.core.measure.sizes.bins import LEAST_SIZES
from segmentation.core.measure.sizes.fitting import FAIR_DISTANCE, GOOD_DISTANCE, SIGNIFICANCE
from segmentation.core.measure.uncertainty.bootstrap import LEAST_EFFECTIVE
from tools.accuracy.__main__ import PAGE, TABLES, replace_table
from tools.accuracy.drawn.lilliefors import table


def page():
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["columns", "numbers", "shapes"])
def test_every_table_has_its_place(name):
    made = replace_table(page(), name, ["| a |", "|---|"])
    assert f"<!-- {name} -->\n| a |\n|---|\n<!-- end of {name} -->" in made
    assert replace_table(made, name, ["| a |", "|---|"]) == made


@pytest.mark.parametrize("name", ["columns", "numbers"])
def test_the_definitions_are_those_of_the_registry(name):
    made = replace_table(page(), name, list(TABLES[name]()))
    # In which order the kinds of analysis are imported decides on that of their rows.
    assert sorted(made.splitlines()) == sorted(page().splitlines()), f"run python -m tools.accuracy {name}"


def test_limits_are_those_of_the_code():
    text = " ".join((PAGE.parent / "statistics.md").read_text(encoding="utf-8").split())
    assert f"p ≥ {SIGNIFICANCE} or KS ≤ {GOOD_DISTANCE}" in text and f"KS ≤ {FAIR_DISTANCE}" in text
    assert f"fewer than {LEAST_SIZES} particles" in text
    assert f"fewer than {LEAST_EFFECTIVE:g} effective particles" in text


def test_table_of_the_fit_is_what_the_simulation_gives():
    from segmentation.core.measure.sizes.fitting import p_value

    distances, p_values = table(n=50, samples=20_000)
    for distance, expected in zip(distances, p_values, strict=True):
        if expected >= 0.02:
            ks = distance / (50**0.5 - 0.01 + 0.85 / 50**0.5)
            assert p_value(ks, 50) == pytest.approx(expected, rel=0.2)
