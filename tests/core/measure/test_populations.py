"""Two populations of sizes are named; one is never taken apart."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.measure.sizes.distribution import WeightedSizes
from segmentation.core.measure.sizes.populations import notes, two_populations
from tests.core.measure.particle_tables import table_of


def drawn(rng: np.random.Generator, *populations: tuple[int, float, float]) -> np.ndarray:
    """Log-normal sizes; each population has a number, a median and a spread of the logarithm."""
    return np.concatenate([median * np.exp(rng.normal(0, spread, n)) for n, median, spread in populations])


@pytest.mark.parametrize("ratio", [2.5, 4.0])
def test_seeds_beside_particles_are_two_populations(ratio):
    rng = np.random.default_rng(5)
    for _ in range(8):
        found = two_populations(drawn(rng, (40, 10.0, 0.12), (110, 10.0 * ratio, 0.12)), np.ones(150))
        assert found is not None
        (fewer, small), (more, large) = found
        assert (small, large) == (pytest.approx(10, rel=0.08), pytest.approx(10 * ratio, rel=0.08))
        assert abs(fewer - 40) <= 4 and fewer + more == 150


def test_one_population_stays_one():
    """Narrow, wide, uniform and skewed sizes, and those rounded to pixels: at most 2 of 100 are taken apart."""
    rng = np.random.default_rng(6)
    wrong = 0
    for number in range(100):
        spread, n = rng.uniform(0.05, 0.8), int(rng.integers(40, 400))
        kinds = (
            drawn(rng, (n, 20.0, spread)),
            rng.uniform(5, 50, n),
            rng.gamma(3, 8, n) + 3,
            drawn(rng, (n, 9.0, 0.2)).round(),
        )
        wrong += two_populations(kinds[number % 4], np.ones(n)) is not None
    assert wrong <= 2
    assert two_populations(np.full(60, 12.0), np.ones(60)) is None
    assert (
        two_populations(np.array([np.nan, 3.0]), np.ones(2)) is None
        and two_populations(np.zeros(0), np.ones(0)) is None
    )


def test_a_few_large_ones_are_no_population():
    assert two_populations(drawn(np.random.default_rng(2), (200, 10.0, 0.1), (5, 60.0, 0.1)), np.ones(205)) is None


def test_the_note_names_number_and_size_of_each():
    sizes = [10.0] * 40 + [10.5] * 20 + [900.0] * 30 + [1200.0] * 50
    (note,) = notes(WeightedSizes.of(table_of(sizes, nm_per_pixel=2.0), edge="exclude"), "particles")
    assert not note.doubt and note.text == (
        "There are two populations: 60 particles with a median of 20.0 nm, and 80 with one of 2.40 µm."
        " The median of all describes neither."
    )
    assert not [*notes(WeightedSizes.of(table_of(sizes[:60]), edge="exclude"), "particles")]
