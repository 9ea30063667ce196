"""Studies of methods in pages and API: chosen results with their conditions, rights, and the way into the method."""

from __future__ import annotations

from copy import deepcopy
from io import StringIO

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command

from segmentation.core.analysis import AnalysisSettings, MethodUsed
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.quality.method import MethodDescription
from segmentation.core.quality.study_report import study_as_dict, study_of
from segmentation.models import Job, Method, MethodVersion, Micrograph, StaffAction, Study
from segmentation.quality.studies import services as studies
from tests.web.api.test_jobs import basic
from tests.web.finished import summary, visible

pytestmark = pytest.mark.django_db
MEDIANS = (100.0, 102.0, 106.0, 108.0)


@pytest.fixture
def version(alice):
    method = Method.objects.create(name="Powder", owner=alice)
    said = MethodDescription.of_result(AnalysisSettings.of(), "cd" * 32, Source.METADATA)
    fields = {"description": said.as_dict(), "checksum": said.checksum, "author": "alice"}
    return MethodVersion.objects.create(method=method, number=1, **fields)


@pytest.fixture
def results(version, make_job, make_micrograph, alice):
    jobs = []
    for number, median in enumerate(MEDIANS):
        stored = deepcopy(summary())
        stored["statistics"]["median"] = median
        image = make_micrograph(name=f"day {number // 2}.tif", sha256=f"{number:064d}", owner=alice)
        job = make_job(state="done", owner=alice, micrograph=image, method=version)
        job.summary = stored
        job.save()
        jobs.append(job)
    return jobs


def form(results, **fields):
    sent = {"title": "June", "result": [str(job.pk) for job in results]}
    days = {f"day-{job.pk}": f"2026-06-{1 + number // 2:02d}" for number, job in enumerate(results)}
    return {**sent, **days, **fields}


def address(version):
    return f"/methods/{version.method_id}/studies/"


def finish(study):
    study.result = study_as_dict(study_of(study.names, study.rows), "nm")
    Study.objects.filter(pk=study.pk).update(result=study.result, state="done", pdf=b"%PDF-1.4")


def test_the_form_lists_the_results_of_the_method_with_what_is_known(people, version, results, make_job, alice):
    other = make_job(state="done", owner=alice)
    Micrograph.objects.filter(pk=results[0].micrograph_id).update(metadata={"date": "2026-05-04T10:00:00"})
    text = people["alice"].get(address(version)).content.decode()
    assert all(f'value="{job.pk}"' in text for job in results) and str(other.pk) not in text
    assert f'name="day-{results[0].pk}" value="2026-05-04"' in text
    assert f'name="day-{results[1].pk}" value=""' in text, "its file does not tell the day of acquisition"


def test_a_study_keeps_its_results_as_they_were(people, version, results):
    answer = people["alice"].post(address(version), form(results))
    study = Study.objects.get()
    assert answer.status_code == 303 and answer["Location"] == f"/studies/{study.pk}/"
    assert study.names == ["day"] and [row["value"] for row in study.rows] == list(MEDIANS)
    assert [row["labels"]["day"] for row in study.rows] == ["2026-06-01"] * 2 + ["2026-06-02"] * 2
    assert all(row["version"] == 1 and row["n"] == 261 for row in study.rows)
    note = StaffAction.objects.first()
    assert (note.account, note.action, note.after["results"]) == ("alice", "made a study of a method", 4)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"title": " "}, studies.NO_TITLE),
        ({"result": []}, "at least one condition that changed"),
        ({"operator": True}, "Type the operator of each chosen result, or of none."),
        ({"one_day": True}, "All results are of one day"),
        ({"long": True}, studies.LONG_LABEL),
    ],
)
def test_what_is_no_study_is_said_and_stays_in_the_form(people, version, results, fields, sentence):
    sent = form(results, **{name: value for name, value in fields.items() if name in ("title", "result")})
    if "operator" in fields:
        sent[f"operator-{results[0].pk}"] = "Ada"
    for job in results:
        sent |= {f"day-{job.pk}": "Monday"} if "one_day" in fields else {}
        sent |= {f"day-{job.pk}": "x" * 61} if "long" in fields else {}
    answer = people["alice"].post(address(version), sent)
    assert answer.status_code == 422 and sentence in visible(answer)
    assert not Study.objects.exists()
    if "operator" in fields:
        assert f'name="operator-{results[0].pk}" value="Ada"' in answer.content.decode()


def test_a_condition_that_never_changed_is_left_out(people, version, results):
    sent = form(results) | {f"operator-{job.pk}": "Ada" for job in results}
    assert people["alice"].post(address(version), sent).status_code == 303
    study = Study.objects.get()
    assert study.names == ["day"] and study.rows[0]["labels"]["operator"] == "Ada"


def test_results_of_others_and_of_other_methods_are_refused(people, version, results, make_job, charlie, alice):
    theirs = make_job(state="done", owner=charlie, method=version)
    assert people["alice"].post(address(version), form([*results, theirs])).status_code == 404
    plain = make_job(state="done", owner=alice)
    answer = people["alice"].post(address(version), form([*results, plain]))
    assert answer.status_code == 422 and "is no result by this method" in visible(answer)


def test_strangers_find_none(people, version, results):
    people["alice"].post(address(version), form(results))
    study = Study.objects.get()
    for path in (address(version), f"/studies/{study.pk}/", f"/studies/{study.pk}/report.pdf"):
        assert people["charlie"].get(path).status_code == 404
        assert people["nobody"].get(path).status_code == 404
    assert people["charlie"].post(f"/studies/{study.pk}/apply/").status_code == 404
    assert people["charlie"].post(address(version), form(results)).status_code == 404


def test_the_page_of_a_study_says_what_was_measured_and_writes_it_into_the_method(people, version, results):
    people["alice"].post(address(version), form(results))
    study = Study.objects.get()
    text = people["alice"].get(f"/studies/{study.pk}/").content.decode()
    assert 'http-equiv="refresh"' in text
    assert people["alice"].get(f"/studies/{study.pk}/report.pdf").status_code == 404
    assert people["alice"].post(f"/studies/{study.pk}/apply/").status_code == 409
    finish(study)
    text = visible(people["alice"].get(f"/studies/{study.pk}/"))
    assert "Intermediate precision, with another day: 4.4 nm" in text and "Not measured: no image was" in text
    assert people["alice"].get(f"/studies/{study.pk}/report.pdf")["Content-Type"] == "application/pdf"
    answer = people["alice"].post(f"/studies/{study.pk}/apply/")
    assert answer.status_code == 303
    version = MethodVersion.objects.get(number=2)  # the draft has results, so it stays
    assert version.purpose == "precision of the study “June”"
    assert version.description["settings"]["repeatability"] == pytest.approx(100 * 19**0.5 / 104, rel=1e-2)
    page = visible(people["alice"].get(answer["Location"]))
    assert "study “June”" in page and "4.19 %" in page


def test_the_api_makes_reads_and_applies_one(script, version, results, charlie):
    sent = {"title": "June", "results": {str(job.pk): {"day": str(n // 2)} for n, job in enumerate(results)}}
    path = f"/api/v1/methods/{version.method_id}/studies"

    def post(path, body=None, account="alice"):
        return script.post(path, body or {}, content_type="application/json", headers=basic(account))

    assert post(path, sent, "charlie").status_code == 404
    answer = post(path, sent)
    assert answer.status_code == 202 and answer.json()["precision"] is None and answer.json()["conditions"] == ["day"]
    study = Study.objects.get()
    finish(study)
    row = script.get(f"/api/v1/studies/{study.pk}", headers=basic("alice")).json()
    assert row["precision"]["intermediate"]["sd"] == pytest.approx(19**0.5)
    assert [part["title"] for part in row["report"] if part["measured"]] == ["Range", "Precision"]
    assert script.get(f"/api/v1/studies/{study.pk}/report.pdf", headers=basic("alice")).content == b"%PDF-1.4"
    version_answer = post(f"/api/v1/studies/{study.pk}/apply").json()
    assert version_answer["description"]["settings"]["repeatability"] == 4.19
    assert post(path, {"title": "x", "results": {}}).status_code == 422


def test_a_study_can_be_cancelled(people, script, version, results):
    people["alice"].post(address(version), form(results))
    study = Study.objects.get()
    assert "Cancel the study" in people["alice"].get(f"/studies/{study.pk}/").content.decode()
    assert people["charlie"].post(f"/studies/{study.pk}/cancel/").status_code == 404
    assert people["alice"].post(f"/studies/{study.pk}/cancel/").status_code == 303
    assert "The study was cancelled." in visible(people["alice"].get(f"/studies/{study.pk}/"))
    answer = script.post(f"/api/v1/studies/{study.pk}/cancel", headers=basic("alice"))
    assert answer.json()["state"] == "cancelled"
    assert people["alice"].post(address(version), form(results)).status_code == 303
    finish(Study.objects.latest("created"))
    latest = Study.objects.latest("created")
    assert people["alice"].post(f"/studies/{latest.pk}/cancel/").status_code == 409


def test_what_the_method_does_not_allow_counts_only_after_a_yes(people, script, version, results):
    used = MethodUsed("Powder", 1, "draft", version.checksum, ("The scale is typed.",))
    odd = results[0]
    Job.objects.filter(pk=odd.pk).update(summary={**odd.summary, "method": used.as_dict()})
    text = visible(people["alice"].get(address(version)))
    assert text.count("count it all the same") == 1 and "nobody has approved it. The scale is typed." in text
    answer = people["alice"].post(address(version), form(results))
    assert answer.status_code == 422 and "counts only if you say yes to it" in visible(answer)
    sent = {"title": "June", "results": {str(job.pk): {"day": str(n // 2)} for n, job in enumerate(results)}}
    path = f"/api/v1/methods/{version.method_id}/studies"
    further = {"content_type": "application/json", "headers": basic("alice")}
    assert script.post(path, sent, **further).status_code == 422 and not Study.objects.exists()
    assert people["alice"].post(address(version), form(results, agreed=[str(odd.pk)])).status_code == 303
    row = Study.objects.get().rows[0]
    assert row["agreed_by"] == "alice" and "nobody has approved it" in row["waits"]
    people["alice"].post(f"/studies/{Study.objects.get().pk}/cancel/")  # a method has one study at a time
    assert script.post(path, {**sent, "agreed": [str(odd.pk)]}, **further).status_code == 202


def test_a_sample_and_its_own_image_are_not_two_results(people, version, results, make_sample, alice):
    sample = make_sample(owner=alice, method=version, state="done")
    Job.objects.filter(pk=results[0].pk).update(sample=sample)
    answer = people["alice"].post(address(version), form([*results, sample]))
    assert answer.status_code == 422 and "is an image of the sample" in visible(answer)


# The report: fitness for use, and its signatures


@pytest.fixture
def finished_study(people, version, results):
    required = {"use": "Release of powder", "required-intermediate": "5", "required-bias": "3"}
    people["alice"].post(address(version), form(results) | required)
    study = Study.objects.get()
    finish(study)
    study.refresh_from_db()
    return study


def test_each_figure_stands_beside_what_the_use_requires(people, finished_study):
    assert finished_study.requirements["intermediate"] == 5.0 and finished_study.requirements["uncertainty"] is None
    text = visible(people["alice"].get(f"/studies/{finished_study.pk}/"))
    assert "Required: intermediate precision of at most 5 %. Found: 4.2 %, so it is met." in text
    assert "Required: bias against the certified values of at most 3 %. Found: not measured." in text
    assert "Use: Release of powder." in text and "Whether the method is fit for its use is not shown" in text
    assert "Never changed, so nothing is known of their effect: instrument (not stated)" in text


def test_the_report_is_signed_by_its_author_and_approved_by_another(people, script, finished_study, charlie, settings):
    path = f"/studies/{finished_study.pk}/"
    group = Group.objects.create(name="Powders")
    charlie.groups.add(group)
    Method.objects.update(group=group)
    sent = {"password": "alice's password", "meaning": "approved"}
    assert people["alice"].post(f"{path}sign/", sent).status_code == 403
    assert people["charlie"].post(f"{path}sign/", {"password": "x", "meaning": "approved"}).status_code == 403
    assert people["alice"].post(f"{path}sign/", {**sent, "meaning": "made"}).status_code == 303
    body = {"password": "charlie's password", "meaning": "approved", "name": "C. Boss"}
    further = {"content_type": "application/json", "headers": basic("charlie")}
    answer = script.post(f"/api/v1/studies/{finished_study.pk}/signatures", body, **further)
    assert answer.status_code == 200 and [row["meaning"] for row in answer.json()["signatures"]] == ["made", "approved"]
    assert script.post(f"/api/v1/studies/{finished_study.pk}/signatures", body, **further).status_code == 409
    assert "Approved by C. Boss" in " ".join(visible(people["alice"].get(path)).split())
    study = Study.objects.get()
    assert studies.broken_study(study) == []
    call_command("audit", "verify", stdout=StringIO())
    Study.objects.update(pdf=b"%PDF-1.4 other")
    with pytest.raises(SystemExit):
        call_command("audit", "verify", stdout=StringIO())
    study.signatures[0]["name"] = "Mallory"
    assert any("was altered" in sentence for sentence in studies.broken_study(study))
    study.signatures = study.signatures[1:]
    assert any("one before it is missing" in sentence for sentence in studies.broken_study(study))


def test_where_one_person_works_alone_the_study_says_so(people, finished_study, settings):
    settings.DEEPSEGM_ONE_PERSON = True
    path = f"/studies/{finished_study.pk}/"
    people["alice"].post(f"{path}sign/", {"password": "alice's password", "meaning": "approved"})
    assert "who made the study" in visible(people["alice"].get(path))
