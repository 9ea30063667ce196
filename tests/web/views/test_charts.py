"""The page of a control chart: its sentence, its numbers, and who may do what."""

from __future__ import annotations

import re

import numpy as np
import pytest

from segmentation.core.quality.control_chart import ChartPlan
from segmentation.core.quality.control_limits import TESTS
from segmentation.models import ChartPoint, ControlChart
from segmentation.quality.control_charts import services as charts
from segmentation.quality.control_charts.words import ChartView
from tests.web import finished
from tests.web.finished import words
from tests.web.services.test_charts import NOISE, chart, group, points_of, result, version  # noqa: F401

pytestmark = pytest.mark.django_db
VALUES = [182 + noise for noise in NOISE[:20]] + [186.5 + noise for noise in NOISE[20:26]]


def visible(response):
    return " ".join(finished.visible(response).split())


@pytest.fixture
def filled(chart, result):  # noqa: F811
    for number, value in enumerate(VALUES):
        result(number, value)
    return chart


def test_every_number_of_the_page_equals_numpy(filled, people):
    page = visible(people["alice"].get(f"/charts/{filled.pk}/"))
    ranges = np.abs(np.diff(VALUES))
    centre, mean_range = np.mean(VALUES[:20]), ranges[:19].mean()
    sigma = mean_range / 1.128
    for title, value in (
        ("Centre line", centre),
        ("Standard deviation", sigma),
        ("Limit of ranges", 3.267 * mean_range),
    ):
        assert f"{title} {value:.1f} nm" in page
    assert f"Limits of the last point {centre - 3 * sigma:.1f} nm to {centre + 3 * sigma:.1f} nm" in page
    view = ChartView(filled, points_of(filled))
    for row in view.last_rows:
        assert row.value == f"{VALUES[row.number - 1]:.1f} nm"
        assert row.range == ("" if row.number == 1 else f"{ranges[row.number - 2]:.1f} nm")
    drawn = [float(y) for y in re.findall(r" (\S+?)(?: L|$)", view.main_picture.lines.paths[0].replace("M", ""))]
    assert np.corrcoef(drawn, VALUES)[0, 1] < -0.999, "down is smaller"
    state = filled.control(points_of(filled))
    assert {mark.words for mark in view.main_picture.marks if mark.state == "alarm"} and all(
        any(alarm.point + 1 == row.number for alarm in state.alarms) == bool(row.sentences) for row in view.last_rows
    )
    assert state.last_alarms[0].sentence in page and "The last point is out of control." in page


def test_the_weighted_average_of_the_page_equals_numpy(filled, alice, people):
    plan = ChartPlan(way="ewma", centre=182.0, sigma=2.0)
    charts.change_chart(chart=filled, plan=plan, user=alice)
    filled.refresh_from_db()
    average, averages = 182.0, []
    for value in VALUES:
        average = 0.2 * value + 0.8 * average
        averages.append(average)
    view = ChartView(filled, points_of(filled))
    assert [row.average for row in view.last_rows] == [f"{value:.1f} nm" for value in reversed(averages)]
    half = 2.962 * 2.0 * np.sqrt(0.2 / 1.8 * (1 - 0.8 ** (2 * len(VALUES))))
    facts = dict(view.facts)
    assert facts["Limits of the last point"] == f"{182 - half:.1f} nm to {182 + half:.1f} nm"
    assert facts["Limits from"] == "given values" and view.ranges is None
    assert "Average" in visible(people["alice"].get(f"/charts/{filled.pk}/"))


def test_a_share_is_shown_and_typed_in_per_cent(version, result, alice, people):  # noqa: F811
    result(0, 180.0)
    typed = {"quantity": "fraction_100nm", "way": "individuals", "centre": "2.5 %", "sigma": "0,5", "rules": ["1", "2"]}
    answer = people["alice"].post(f"/methods/{version.method_id}/charts/", typed)
    assert answer.status_code == 303
    made = ControlChart.objects.get()
    assert made.plan == {
        "quantity": "fraction_100nm",
        "way": "individuals",
        "centre": 0.025,
        "sigma": 0.005,
        "rules": [1, 2],
    }
    page = people["alice"].get(answer.url)
    assert "2.000 %" in visible(page) and 'value="2.5"' in words(page)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"centre": "180"}, "Type the centre line and the standard deviation, or leave both empty."),
        ({"centre": "some", "sigma": "2"}, "“some” is not a number"),
        ({"centre": "180", "sigma": "0"}, "sigma"),
        ({"quantity": "nothing"}, "Choose the number that the chart shows."),
    ],
)
def test_what_is_typed_wrongly_is_said_and_kept(version, people, change, sentence):  # noqa: F811
    typed = {"quantity": "median", "way": "individuals", "rules": [str(rule) for rule in TESTS], **change}
    answer = people["alice"].post(f"/methods/{version.method_id}/charts/", typed)
    assert answer.status_code == 400 and sentence in visible(answer) and not ControlChart.objects.exists()
    assert not change.get("centre") or f'value="{change["centre"]}"' in words(answer)


def test_what_happened_at_a_point_stands_on_the_page(filled, people):
    last = points_of(filled)[-1]
    answer = people["charlie"].post(
        f"/charts/{filled.pk}/point/", {"point": last.pk, "note": "other operator", "excluded": "new filament"}
    )
    assert answer.status_code == 303
    page = visible(people["alice"].get(f"/charts/{filled.pk}/"))
    assert "Excluded: new filament." in page and "other operator" in page and "26, 1 of them excluded" in page


def test_results_of_others_are_points_without_a_name(filled, people):
    page = visible(people["charlie"].get(f"/charts/{filled.pk}/"))
    assert "of another account" in page and ChartPoint.objects.first().name not in page


def test_strangers_find_no_chart(filled, people):
    for name in ("nobody", "visitor"):
        for action in ("", "change/", "point/", "delete/"):
            answer = getattr(people[name], "post" if action else "get")(f"/charts/{filled.pk}/{action}")
            assert answer.status_code == 404
    assert people["nobody"].post(f"/methods/{filled.method_id}/charts/").status_code == 404


def test_a_chart_is_changed_and_deleted(filled, people):
    typed = {"way": "individuals", "rules": ["1"], "centre": "182", "sigma": "2"}
    assert people["alice"].post(f"/charts/{filled.pk}/change/", typed).status_code == 303
    filled.refresh_from_db()
    assert (filled.get_plan().rules, filled.get_plan().centre, filled.get_plan().quantity) == ((1,), 182.0, "median")
    assert people["alice"].post(f"/charts/{filled.pk}/change/", {**typed, "sigma": ""}).status_code == 400
    assert people["alice"].post(f"/charts/{filled.pk}/delete/").status_code == 303 and not ControlChart.objects.exists()


def test_the_page_of_the_method_says_the_state_of_its_charts(filled, people):
    page = visible(people["alice"].get(f"/methods/{filled.method_id}/"))
    assert "Powder: median : The last point is out of control." in page
