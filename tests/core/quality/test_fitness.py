"""Whether a method is fit for its use, against figures worked out by hand."""

from __future__ import annotations

import pytest

from segmentation.core.quality.fitness import Requirements, checks_of, conclusion

ROWS = [
    {"value": 100.0, "low": 95.0, "high": 108.0, "bias": 0.02},
    {"value": 200.0, "low": 190.0, "high": 206.0, "bias": -0.04},
    {"value": 50.0, "low": None, "high": None},
]


@pytest.mark.parametrize(
    ("required", "met", "end"),
    [
        ({"intermediate": 5.0, "bias": 4.0, "uncertainty": 8.0}, [True, True, True], "every requirement is met."),
        ({"intermediate": 4.9, "bias": 4.0, "uncertainty": 8.0}, [False, True, True], "use: intermediate precision."),
        ({"intermediate": 5.0, "bias": 3.9, "uncertainty": 8.0}, [True, False, True], "certified values."),
        ({"intermediate": 5.0}, [True, None, None], "half width of the 95 % interval of a result."),
    ],
)
def test_every_figure_is_held_against_its_requirement(required, met, end):
    checks = checks_of(Requirements.read(required), {"relative_intermediate": 0.05}, ROWS)
    assert [check.figure for check in checks] == pytest.approx([5.0, 4.0, 8.0])
    assert [check.is_met for check in checks] == met
    assert list(conclusion(Requirements.read(required), checks))[-1].endswith(end)
