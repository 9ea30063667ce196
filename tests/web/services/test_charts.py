"""Control charts through the services: filled by results, out of control, excluded, told, said on later results."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.contrib.auth.models import Group
from pydantic import ValidationError

from segmentation.core.analysis import AnalysisSettings, MethodUsed
from segmentation.core.flags import DO_NOT_USE, Flag, as_json
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.quality.control_chart import ChartPlan
from segmentation.core.quality.control_limits import TESTS
from segmentation.core.quality.method import MethodDescription
from segmentation.models import (
    ChartPoint,
    ControlChart,
    Delivery,
    Job,
    Method,
    MethodVersion,
    Reference,
    Sample,
    StaffAction,
    Webhook,
)
from segmentation.quality.control_charts import points as control
from segmentation.quality.control_charts import services as charts
from segmentation.quality.limits import services as judging
from segmentation.services.ground.refusal import Refused
from tests.web.finished import SUMMARY
from tests.web.views.test_judging import measured
from tests.web.views.test_references import MATERIAL

pytestmark = pytest.mark.django_db
WRONG_SCALE = Flag.doubtful("The scale is wrong.", "Wrong scale", level=DO_NOT_USE, kind="scale")
START = datetime(2026, 11, 1, 9, tzinfo=UTC)
NOISE = np.random.default_rng(14).normal(0, 2.0, 60).round(3).tolist()


@pytest.fixture
def group(alice, charlie):
    group = Group.objects.create(name="Powders")
    alice.groups.add(group)
    charlie.groups.add(group)
    return group


@pytest.fixture
def version(alice, group):
    method = Method.objects.create(name="Powder", owner=alice, group=group)
    text = MethodDescription.of_result(AnalysisSettings.of(), "ab" * 32, Source.METADATA)
    fields = {"description": text.as_dict(), "checksum": text.checksum, "state": "approved", "author": "alice"}
    return MethodVersion.objects.create(method=method, number=1, **fields)


@pytest.fixture
def result(make_job, alice, version):
    """Makes the n-th result of the method with this median, as a worker publishes it."""

    def make(number, median, **fields):
        made = {"state": "done", "owner": alice, "method": version, "attempt": 1, "summary": measured(median)}
        job = make_job(**{**made, **fields})
        Job.objects.filter(pk=job.pk).update(created=START + timedelta(days=number))
        job.refresh_from_db()
        control.add_to_charts(job)
        return job

    return make


@pytest.fixture
def chart(version, alice):
    return charts.create_chart(method=version.method, plan=ChartPlan(rules=tuple(TESTS)), reference=None, user=alice)


def points_of(chart):
    return list(chart.points.all())


def test_a_shift_of_one_half_width_is_found_by_the_rules(chart, result, alice):
    """The half width of the interval of one result is 4: the noise has a standard deviation of 2."""
    Webhook.objects.create(owner=alice, url="https://lab.example.org/", secret="whsec_YWJj")
    values = [182 + noise for noise in NOISE[:20]] + [182 + 4 + noise for noise in NOISE[20:32]]
    for number, value in enumerate(values):
        result(number, value)
    state = chart.control(points_of(chart))
    assert not [alarm for alarm in state.alarms if alarm.point < 20] and state.last_alarms
    assert any(alarm.rule == 2 for alarm in state.alarms), "nine in a row on one side"
    sigma = np.abs(np.diff(values[:20])).mean() / 1.128
    assert state.chart.level.centre == pytest.approx(np.mean(values[:20]), rel=1e-12)
    assert state.chart.level.sigma == pytest.approx(sigma, rel=1e-12)
    sent = Delivery.objects.filter(event="method.alarm").order_by("created")
    assert sent.count() == len({alarm.point for alarm in state.alarms})
    body = sent.last().payload["data"]
    assert body["sentence"] == " ".join(alarm.sentence for alarm in state.alarms_at(body["point"] - 1))
    assert body["url"].endswith(f"/api/v1/charts/{chart.pk}") and body["state"] == "alarm"


def test_the_last_point_out_of_control_is_said_on_later_results_until_one_is_in_control(chart, result, make_job):
    for number in range(20):
        result(number, 182 + NOISE[number])
    assert control.out_of_control_words(result(20, 182.5)) == ""
    out = result(21, 230.0)
    assert control.out_of_control_words(out) == "", "its own point is none of those before it"
    later = result(22, 182 + NOISE[20])
    text = control.out_of_control_words(later)
    assert text.startswith("The method was out of control at the last point of its chart of the median, on 2026-11-22:")
    assert "Point 22 lies beyond three standard deviations (test 1)." in text
    [rule] = [alarm.rule for alarm in chart.control(points_of(chart)).last_alarms]
    assert rule == 9, "back from 230: the range is beyond its limit, too"
    result(23, 182 + NOISE[21])
    assert control.out_of_control_words(result(24, 183.0)) == ""


def test_a_point_that_is_excluded_does_not_count(chart, result, alice):
    for number in range(20):
        result(number, 182 + NOISE[number])
    result(20, 230.0)
    later = result(22, 182 + NOISE[20])
    last = points_of(chart)[20]
    charts.mark_point(point=last, user=alice, excluded="new filament", note="changed at noon")
    assert chart.control(points_of(chart)).sentence == "The last point is in control."
    assert control.out_of_control_words(later) == ""
    note = StaffAction.objects.first()
    assert (note.action, note.after["excluded"]) == ("marked a point of a control chart", "new filament")
    charts.mark_point(point=last, user=alice, excluded="")
    assert ChartPoint.objects.get(pk=last.pk).note == "changed at noon"
    assert chart.control(points_of(chart)).alarms_at(20)


def test_the_first_points_are_the_first_that_count(chart, result, alice):
    values = [300.0, *(182 + noise for noise in NOISE[:22])]
    for number, value in enumerate(values):
        result(number, value)
    charts.mark_point(point=points_of(chart)[0], user=alice, excluded="wrong detector")
    state = chart.control(points_of(chart))
    assert state.chart.level.centre == pytest.approx(np.mean(values[1:21]), rel=1e-12)


def test_given_limits_hold_from_the_first_point_on(chart, result, alice):
    charts.change_chart(chart=chart, plan=ChartPlan(centre=180.0, sigma=2.0, rules=tuple(TESTS)), user=alice)
    result(0, 190.0)
    state = chart.control(points_of(chart))
    assert [alarm.rule for alarm in state.alarms] == [1]
    assert (state.chart.lower[0], state.chart.upper[0]) == (174.0, 186.0)
    assert StaffAction.objects.first().after == {"centre": 180.0, "sigma": 2.0}


def test_equal_points_have_no_limits_and_say_so(chart, result):
    for number in range(21):
        result(number, 180.0)
    assert chart.control(points_of(chart)).sentence.startswith("The points that the limits are made of are all equal")


def test_what_is_a_point(chart, result, make_job, alice, version):
    result(0, 180.0)
    result(1, 0, summary={**measured(1.0), "order": [], "quantities": {}, "statistics": None})
    result(2, 180.0, parent=Job.objects.first())
    result(3, 180.0, method=None)
    in_pixels = measured(20.0)
    in_pixels["quantities"]["median"]["unit"] = "px"
    result(4, 0, summary=in_pixels)
    result(5, 0, summary={**measured(1.0), "refused": True})
    assert [point.value for point in points_of(chart)] == [180.0]


def test_a_sample_is_a_point_in_place_of_its_images(chart, result, alice, version):
    job = result(0, 180.0)
    pooled = {
        **SUMMARY["statistics"],
        "of": [str(job.pk)],
        "images": [{}],
        "warnings": [],
        "flags": [],
        "median": 171.0,
    }
    pooled["method"] = MethodUsed("Powder", 1, "approved", "c").as_dict()
    settings = job.settings
    sample = Sample.objects.create(
        owner=alice, name="Lot", settings=settings, submission="s", state="done", pooled=pooled, method=version
    )
    Job.objects.filter(pk=job.pk).update(sample=sample)
    control.add_to_charts(sample)
    [point] = points_of(chart)
    assert (point.value, point.name, point.job) == (171.0, "Lot", None)


def test_a_corrected_result_keeps_its_place_and_notes_with_the_new_value(chart, result, alice):
    job = result(0, 180.0)
    charts.mark_point(point=points_of(chart)[0], user=alice, note="other operator")
    Job.objects.filter(pk=job.pk).update(summary=measured(175.0))
    control.add_to_charts(job)
    [point] = points_of(chart)
    assert (point.value, point.note) == (175.0, "other operator")
    job.delete()
    [point] = points_of(chart)
    assert point.value == 175.0 and point.result is None


def test_a_chart_of_a_reference_material_has_its_measurements_alone(version, result, alice):
    reference = Reference.objects.create(owner=alice, name=MATERIAL["name"], material=MATERIAL)
    chart = charts.create_chart(method=version.method, plan=ChartPlan(), reference=reference, user=alice)
    plain = charts.create_chart(method=version.method, plan=ChartPlan(), reference=None, user=alice)
    job = result(0, 151.0)
    assert (len(points_of(chart)), len(points_of(plain))) == (0, 1)
    judging.set_reference(row=job, reference=reference, account=alice)
    assert (len(points_of(chart)), len(points_of(plain))) == (1, 0)
    with pytest.raises(Refused) as refused:
        charts.create_chart(method=version.method, plan=ChartPlan(way="ewma"), reference=reference, user=alice)
    assert refused.value.status == 409


def test_a_new_chart_is_filled_with_what_there_is_and_tells_nothing_of_the_past(version, result, alice):
    Webhook.objects.create(owner=alice, url="https://lab.example.org/", secret="whsec_YWJj")
    for number, value in enumerate([180.0, 181.0] * 10 + [240.0]):
        result(number, value)
    chart = charts.create_chart(method=version.method, plan=ChartPlan(), reference=None, user=alice)
    assert chart.control(points_of(chart)).last_alarms and not Delivery.objects.exists()
    control.add_to_charts(points_of(chart)[-1].job)
    assert not Delivery.objects.exists(), "measuring the same again tells nothing twice"


def test_who_may_change_a_chart(version, chart, result, alice, charlie, ada, django_user_model):
    result(0, 180.0)
    [point] = points_of(chart)
    charts.mark_point(point=point, user=charlie, note="of the group")
    stranger = django_user_model.objects.create_user("stranger")
    for change in (
        lambda: charts.mark_point(point=point, user=stranger, note="x"),
        lambda: charts.change_chart(chart=chart, plan=ChartPlan(rules=(1,)), user=stranger),
        lambda: charts.delete_chart(chart=chart, user=stranger),
        lambda: charts.create_chart(
            method=version.method, plan=ChartPlan(quantity="d10"), reference=None, user=stranger
        ),
    ):
        with pytest.raises(Refused) as refused:
            change()
        assert refused.value.status == 403
    with pytest.raises(Refused):
        charts.mark_point(point=point, user=alice, note="x" * 501)
    charts.delete_chart(chart=chart, user=charlie)
    assert not ControlChart.objects.exists() and not ChartPoint.objects.exists()


@pytest.mark.parametrize("plan", [{"centre": 1.0}, {"rules": (9,)}, {"sigma": -1.0, "centre": 1.0}, {"way": "other"}])
def test_what_no_chart_is(plan):
    with pytest.raises(ValueError):
        ChartPlan.read(plan)


def test_worker_writes_it_in_the_summary(chart, result, make_job, version, alice):
    from tests.core.builders import make_analysis
    from worker.analysis.results import summarise, with_method

    for number in range(20):
        result(number, 182 + NOISE[number])
    result(20, 230.0)
    job = make_job(method=version, owner=alice)
    stored = summarise(with_method(job, make_analysis(30)), reused=False, unread=False)["method"]
    assert stored["control"] == control.out_of_control_words(job) and "Point 21 lies beyond" in stored["control"]
    assert MethodUsed.from_dict(deepcopy(stored)).remarks[-1] == stored["control"]


def test_results_that_are_points_count_once_when_they_become_a_sample(chart, result, alice, version):
    alone = result(0, 180.0)
    sample = Sample.objects.create(
        owner=alice,
        name="again",
        state="done",
        settings=alone.settings,
        submission="again",
        method=version,
        pooled=deepcopy(measured(182.0)["statistics"]),
    )
    result(1, 181.0, sample=sample, parent=alone)
    control.add_to_charts(sample)
    assert [point.job for point in points_of(chart)] == [alone]


@pytest.mark.parametrize("plan", [{"quantity": "fit"}, {"quantity": "median "}, {"centre": 1.0, "sigma": 1e308}])
def test_a_chart_is_of_a_number_with_limits_that_can_be_drawn(plan):
    with pytest.raises(ValidationError):
        ChartPlan(**plan)


# What the method does not allow, and other materials


def departing(version, *departures, state="approved"):
    """The numbers of a result that says how it follows the method."""
    used = MethodUsed("Powder", 1, state, version.checksum, departures)
    return {**measured(300.0), "method": used.as_dict()}


@pytest.mark.parametrize("what", ["departs", "draft", "few", "doubtful"])
def test_what_the_method_does_not_allow_is_hollow_and_counts_after_a_yes(chart, result, version, alice, what):
    for number in range(20):
        result(number, 182 + NOISE[number])
    before = chart.control(points_of(chart)).chart.level
    stored = {
        "departs": departing(version, "The scale is typed."),
        "draft": departing(version, state="draft"),
        "few": measured(300.0),
        "doubtful": {**measured(300.0), **as_json([WRONG_SCALE])},
    }[what]
    if what == "few":
        MethodVersion.objects.update(description={**version.description, "least_particles": 100000})
    job = result(-1, 300.0, summary=stored)  # the first in time, so it would be in the limits
    point = ChartPoint.objects.get(job=job)
    assert point.needs_agreement and not point.counts
    assert chart.control(points_of(chart)).chart.level == before
    assert {"departs": "typed", "draft": "draft", "few": "asks for 100,000", "doubtful": "Nothing may be decided"}[
        what
    ] in point.waits
    charts.mark_point(point=point, user=alice, included=True)
    point.refresh_from_db()
    assert point.counts and point.choice["by"] == "alice" and StaffAction.objects.first().after["choice"]
    assert chart.control(points_of(chart)).chart.level != before
    control.add_to_charts(job)  # measured again, for the same reasons
    assert ChartPoint.objects.get(job=job).counts
    other = MethodUsed("Powder", 1, "approved", version.checksum, ("Another threshold.",))
    Job.objects.filter(pk=job.pk).update(summary={**stored, "method": other.as_dict()})
    control.add_to_charts(Job.objects.get(pk=job.pk))
    assert not ChartPoint.objects.get(job=job).counts, "nobody has said yes to this"


def test_a_chart_is_of_one_material_that_is_chosen_when_it_is_made(result, version, alice):
    gold, silver = (AnalysisSettings.of(material=name) for name in ("Gold", "Silver"))
    result(0, 100.0, settings=gold)
    result(1, 200.0, settings=silver)
    fields = {"method": version.method, "plan": ChartPlan(), "reference": None, "user": alice}
    with pytest.raises(Refused, match="several materials: Gold, Silver") as refused:
        charts.create_chart(**fields)
    assert refused.value.status == 422
    of_gold = charts.create_chart(**fields, material="Gold")
    of_silver = charts.create_chart(**fields, material="Silver")
    result(2, 102.0, settings=gold)
    result(3, 999.0)
    assert [point.value for point in points_of(of_gold)] == [100.0, 102.0]
    assert [point.value for point in points_of(of_silver)] == [200.0]
    with pytest.raises(Refused, match="already"):
        charts.create_chart(**fields, material="Gold")
    assert str(of_gold) == "Powder: median of Gold"


def test_a_chart_of_an_earlier_state_keeps_all_its_materials(chart, result):
    ControlChart.objects.update(material=None)
    result(0, 100.0, settings=AnalysisSettings.of(material="Gold"))
    result(1, 101.0)
    assert len(points_of(chart)) == 2


def test_a_point_stands_at_the_time_that_the_file_tells(chart, result):
    """The second image was taken before the first, and analysed after it; a clock that is ahead is not believed."""
    for number, date in enumerate(("", "2026-10-30 08:15:00", "2030/01/01", "07/08/2019")):
        job = result(number, 155.0)
        job.micrograph.metadata = {"date": date}
        job.micrograph.save()
        control.put_point(chart, Job.objects.get(pk=job.pk))
    days = [f"{point.measured:%Y-%m-%d %H:%M}" for point in points_of(chart)]
    assert days == ["2026-10-30 08:15", *(f"2026-11-0{day} 09:00" for day in (1, 3, 4))]


def test_of_twenty_points_one_with_a_wrong_scale_moves_no_limit(chart, result):
    """Around 183 nm; the factor is ten."""
    for number, noise in enumerate(NOISE[:42]):
        wrong = number == 19
        summary = {**measured(1830.0), **as_json([WRONG_SCALE])} if wrong else measured(183.0 + noise)
        result(number, 0.0, summary=summary)
    state = chart.control(points_of(chart))
    assert state.chart.level.centre == pytest.approx(183.0, abs=1.0) and len(state.alarms) < 5
