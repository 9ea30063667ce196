"""The PDF of a month of a control chart, as a worker writes it and the page gives it."""

from __future__ import annotations

import io

import pypdf
import pytest

from segmentation.models import ChartReport
from segmentation.services.results import charts
from tests.core.builders import make_analysis
from tests.web.finished import visible
from tests.web.services.test_charts import NOISE, chart, group, points_of, result, version  # noqa: F401
from worker.tasks import do_analyses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "busy")]


def text_of(content):
    return " ".join(" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(content)).pages)


def test_the_pdf_says_what_the_page_says(chart, result, alice, client):  # noqa: F811
    for number, value in enumerate([*(182 + noise for noise in NOISE[:21]), 230.0]):
        result(number, value)
    result(40, 182.0)  # of December
    charts.mark_point(point=points_of(chart)[3], user=alice, note="other operator", excluded="new filament")
    client.force_login(alice)
    address = f"/charts/{chart.pk}/month.pdf?month=2026-11"
    assert client.get(address).status_code == 202
    do_analyses()
    answer = client.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    text = text_of(answer.content)
    assert (
        "Control chart: Powder: median" in text and "November 2026. 22 points in this month, 1 out of control." in text
    )
    assert "Excluded: new filament. other operator" in text and "230.0 nm" in text
    assert "There are no limits yet" not in text and "Nelson" in text and "2026-12" not in text
    state = chart.control(points_of(chart)[:22])
    assert f"Centre line {state.chart.level.centre:.1f} nm" in text and state.last_alarms[0].sentence in text


def test_a_changed_point_makes_the_pdf_anew_and_the_same_points_do_not(chart, result, alice, client):  # noqa: F811
    result(0, 182.0)
    client.force_login(alice)
    address = f"/charts/{chart.pk}/month.pdf?month=2026-11"
    client.get(address)
    do_analyses()
    first = ChartReport.objects.get()
    client.get(address)
    assert ChartReport.objects.get().pk == first.pk and "1 point in this month" in text_of(bytes(first.pdf))
    charts.mark_point(point=points_of(chart)[0], user=alice, note="new filament")
    assert client.get(address).status_code == 202 and ChartReport.objects.get().pk != first.pk


@pytest.mark.parametrize("month", ["2026-13", "November", "9999-01"])
def test_what_is_no_month(chart, alice, client, month):  # noqa: F811
    client.force_login(alice)
    assert client.get(f"/charts/{chart.pk}/month.pdf?month={month}").status_code == 422
    client.logout()
    assert client.get(f"/charts/{chart.pk}/month.pdf").status_code == 404


def test_a_worker_puts_its_result_into_the_chart_and_says_what_was_before(
    chart,  # noqa: F811
    result,  # noqa: F811
    version,  # noqa: F811
    alice,
    science,
    make_job,
    no_files,
    client,
):
    for number, value in enumerate([*(182 + noise for noise in NOISE[:20]), 230.0]):
        result(number, value)
    science.measure_objects = lambda *how, **more: make_analysis(30)
    job = make_job(method=version, owner=alice)
    do_analyses()
    job.refresh_from_db()
    last = points_of(chart)[-1]
    assert last.job == job and last.value == job.summary["quantities"]["median"]["value"]
    sentence = job.summary["method"]["control"]
    assert "Point 21 lies beyond three standard deviations (test 1)." in sentence
    client.force_login(alice)
    assert sentence in " ".join(visible(client.get(f"/jobs/{job.pk}/")).split())
    answer = client.get(f"/api/v1/jobs/{job.pk}", headers={"X-Requested-With": "DeepSegm"})
    assert answer.json()["result"]["method"]["control"] == sentence
