"""Control charts by the API."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest

from segmentation.models import ChartPoint, ControlChart, Job, Reference
from tests.web.api.test_jobs import basic
from tests.web.services.test_charts import NOISE, group, result, version  # noqa: F401
from tests.web.views.test_references import MATERIAL

pytestmark = pytest.mark.django_db
VALUES = [182 + noise for noise in NOISE[:20]] + [230.0]


def ask(script, method, address, user="alice", **body):
    return getattr(script, method)(f"/api/v1/{address}", body, content_type="application/json", headers=basic(user))


@pytest.fixture
def made(script, version, result):  # noqa: F811
    for number, value in enumerate(VALUES):
        result(number, value)
    answer = ask(script, "post", f"methods/{version.method_id}/charts", plan={"quantity": "median"})
    assert answer.status_code == 201 and answer["Location"] == f"/api/v1/charts/{ControlChart.objects.get().pk}"
    return answer.json()


def test_every_number_of_a_chart_equals_numpy(made, script, version):  # noqa: F811
    sigma = np.abs(np.diff(VALUES[:20])).mean() / 1.128
    assert made["level"]["centre"] == pytest.approx(np.mean(VALUES[:20]), rel=1e-12)
    assert made["level"]["sigma"] == pytest.approx(sigma, rel=1e-12)
    assert made["level"]["greatest_range"] == pytest.approx(3.267 * 1.128 * sigma, rel=1e-12)
    assert [point["value"] for point in made["points"]] == VALUES
    assert [point["moving_range"] for point in made["points"]][1:] == np.abs(np.diff(VALUES)).tolist()
    last = made["points"][-1]
    assert [alarm["rule"] for alarm in last["alarms"]] == [1, 9] and last["job"]
    assert made["in_control"] is False and made["sentence"].startswith("The last point is out of control.")
    [listed] = ask(script, "get", f"methods/{version.method_id}/charts").json()
    assert listed["sentence"] == made["sentence"] and "points" not in listed


def test_a_point_is_marked_and_limits_are_given(made, script):
    last = made["points"][-1]["id"]
    address = f"charts/{made['id']}"
    answer = ask(script, "patch", f"{address}/points/{last}", excluded="new filament")
    assert answer.json()["in_control"] is True and answer.json()["points"][-1]["excluded"] == "new filament"
    answer = ask(script, "patch", address, plan={"centre": 182.0, "sigma": 2.0, "rules": [1]})
    assert answer.json()["level"]["source"] == "given" and answer.json()["plan"]["rules"] == [1]
    assert ask(script, "patch", address, plan={"sigma": -1}).status_code == 422
    assert ask(script, "patch", f"{address}/points/9999999").status_code == 404
    assert ask(script, "delete", address).status_code == 204 and not ControlChart.objects.exists()


def test_rights(made, script, version, ada, django_user_model):  # noqa: F811
    of_group = ask(script, "get", f"charts/{made['id']}", "charlie").json()
    assert of_group["points"][0]["job"] is None, "a result of another account"
    django_user_model.objects.create_user("stranger", password="stranger-word-1")
    for method, address in (("get", "charts/{}"), ("patch", "charts/{}"), ("delete", "charts/{}")):
        answer = getattr(script, method)(
            f"/api/v1/{address.format(made['id'])}", {"plan": {}}, content_type="application/json"
        )
        assert answer.status_code == 404


def test_a_chart_of_a_reference_material(script, version, alice):  # noqa: F811
    reference = Reference.objects.create(owner=alice, name=MATERIAL["name"], material=MATERIAL)
    address = f"methods/{version.method_id}/charts"
    answer = ask(script, "post", address, reference=str(reference.pk))
    assert answer.status_code == 201 and answer.json()["reference"]["name"] == MATERIAL["name"]
    assert answer.json()["in_control"] is None and answer.json()["level"] is None
    assert ask(script, "post", address, reference=str(reference.pk)).status_code == 409
    assert ask(script, "post", address, reference="0" * 32).status_code == 422


def test_a_point_that_waits_is_counted_by_a_yes(made, script):
    last = made["points"][-1]["id"]
    ChartPoint.objects.filter(pk=last).update(waits="The scale is typed.")
    address = f"charts/{made['id']}"
    point = ask(script, "get", address).json()["points"][-1]
    assert (point["counts"], point["waits"], point["choice"]) == (False, "The scale is typed.", "")
    point = ask(script, "patch", f"{address}/points/{last}", included=True).json()["points"][-1]
    assert point["counts"] and point["choice"].startswith("Counted by alice on ")
    point = ask(script, "patch", f"{address}/points/{last}", included=False).json()["points"][-1]
    assert not point["counts"] and point["choice"].startswith("Left out by alice on ")


def test_a_chart_of_many_points_is_read_in_portions(made, script, alice):
    """SQLite takes at most 1,000 ids in one query."""
    point = ChartPoint.objects.order_by("pk").last()
    job, fields = point.job, {"chart": point.chart, "name": "a", "version": 1, "measured": point.measured, "value": 1.0}
    same = {
        name: getattr(job, name) for name in ("micrograph", "settings", "model_name", "state", "finished", "method")
    }
    jobs = Job.objects.bulk_create(Job(owner=alice, submission=uuid4().hex, **same) for _ in range(1100))
    ChartPoint.objects.bulk_create(ChartPoint(job=job, **fields) for job in jobs)
    answer = ask(script, "get", f"charts/{made['id']}")
    assert answer.status_code == 200 and len(answer.json()["points"]) == 1100 + len(VALUES)
