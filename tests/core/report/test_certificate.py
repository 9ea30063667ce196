"""What page and PDF say of a decision, and the places of its picture."""

from __future__ import annotations

import pytest

from segmentation.core.flags import DOUBTFUL
from segmentation.core.measure.quantities import Value
from segmentation.core.quality.conformity import Limit, decide
from segmentation.core.quality.specification import Specification
from segmentation.core.report.documents.certificate import ConformityStatement
from segmentation.core.report.documents.ruler import Ruler
from segmentation.core.report.summary import Summary

VALUES = {
    "median": Value(100.0, 91.0, 109.0, "nm", (90.0, 110.0)),
    "fraction_100nm": Value(0.2, 0.1, 0.3, "", (0.1, 0.3)),
    "n_kept": Value(300),
}


def certificate(*limits, doubt="", of_material=False):
    summary = Summary(None, VALUES)
    summary.of_material = of_material
    return ConformityStatement.of(Specification.read({"limits": list(limits)}), VALUES, summary, doubt)


def limit(name, lower=None, upper=None, **more):
    return {"quantity": name, "lower": lower, "upper": upper, **more}


def test_the_sentence_counts_what_decides_it_and_says_for_what_it_holds():
    both = certificate(limit("median", 80.0, 120.0), limit("n_kept", 200.0))
    assert both.headline == "Passes: both requirements of the specification are met."
    assert both.explanation.startswith("All are met with a probability of over 99.9 %.")
    assert "needs three pictures" in both.explanation
    one = certificate(limit("median", 80.0, 105.0), limit("fraction_100nm", upper=0.05), of_material=True)
    assert one.headline == "Fails: 1 of 2 requirements of the specification is not met (share 1–100 nm)."
    assert one.explanation.endswith("This holds for the material.")
    assert certificate(limit("median", 80.0, 105.0)).headline == (
        "Undecided: the requirement of the specification on the median is open."
    )


def test_numbers_that_are_probably_wrong_decide_nothing_not_even_counts():
    doubted = certificate(limit("median", 80.0, 120.0), limit("n_kept", 200.0), doubt=DOUBTFUL)
    assert {row.verdict for row in doubted.rows} == {"Undecided"} and doubted.conformity.at_least is None
    assert all(DOUBTFUL in row.sentence for row in doubted.rows)


def test_the_rules_are_named_once_each():
    words = certificate(limit("median", 80.0), limit("n_kept", 1.0), limit("fraction_100nm", upper=0.9, rule="simple"))
    assert words.rule.count("Guard band of 1 U") == 1 and words.rule.count("Simple acceptance") == 1


def test_a_ruler_shows_number_interval_limits_and_where_it_passes_in_their_order():
    decision = decide(Limit(quantity="median", lower=80.0, upper=130.0), VALUES["median"])
    ruler = Ruler.of_decision(decision, VALUES["median"])
    lower, upper = ruler.limits
    places = (lower.position, ruler.accepted[0], ruler.position, ruler.interval[1], ruler.accepted[1], upper.position)
    assert places[:3] == tuple(sorted(places[:3])) and 0 < lower.position < upper.position < 100
    assert ruler.position == pytest.approx(lower.position + (upper.position - lower.position) * 20 / 50, abs=0.02)
    assert (
        ruler.accepted[0]
        == ruler.interval[0]
        == pytest.approx(lower.position + (upper.position - lower.position) * 10 / 50, abs=0.02)
    )
    assert [mark.text for mark in ruler.limits] == ["80 nm", "130 nm"] and ruler.inside == (
        lower.position,
        upper.position,
    )


@pytest.mark.parametrize(
    ("name", "value", "upper", "text"),
    [
        ("median", Value(2100.0, 2000.0, 2200.0, "nm"), 2500.0, "2.5 µm"),
        ("fraction_100nm", VALUES["fraction_100nm"], 0.125, "12.5 %"),
        ("n_kept", VALUES["n_kept"], 300.0, "300"),
    ],
)
def test_a_limit_has_the_unit_that_people_read(name, value, upper, text):
    one = Limit(quantity=name, upper=upper)
    ruler = Ruler.of_decision(decide(one, value), value)
    (mark,) = ruler.limits
    assert mark.text == text and mark.side == "middle" and ruler.inside == (0.0, mark.position)
    assert Ruler.of_decision(decide(one, Value(None)), Value(None)) is None
