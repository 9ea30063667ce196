"""A study of a method, made by a worker: numbers as scipy's, and the PDF with every input."""

from __future__ import annotations

import io
from types import SimpleNamespace
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import pypdf
import pytest
from django.contrib.auth.models import User
from scipy import stats

from segmentation.core import pipeline
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.measure.quantities import Value
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.quality.method import MethodDescription
from segmentation.core.stages.changed_forms import FORMS
from segmentation.models import Arrival, Method, MethodVersion, StaffAction, Study
from segmentation.quality.studies import services as studies
from segmentation.services.ground import limits
from tests.conftest import picture
from tests.core.quality.test_study_report import row
from worker.tasks import do_analyses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]
VALUES = {"Monday": [100.0, 102.0, 101.0], "Tuesday": [106.0, 108.0, 107.5], "Friday": [99.0, 98.0, 101.5]}


@pytest.fixture
def method(alice):
    row = Method.objects.create(name="Powder", owner=alice)
    said = MethodDescription.of_result(AnalysisSettings.of(), "cd" * 32, Source.METADATA)
    fields = {"description": said.as_dict(), "checksum": said.checksum, "author": "alice", "state": "approved"}
    MethodVersion.objects.create(method=row, number=1, **fields)
    return row


def rows(values=VALUES):
    every = [(f"{day}-{value}", value, day) for day, results in values.items() for value in results]
    return [
        row(value, day, id=str(uuid5(NAMESPACE_URL, key)), version=1, name=f"image {number}.tif")
        for number, (key, value, day) in enumerate(every)
    ]


def made(method, alice, **fields):
    fields = {"title": "June", "quantity": "median", "names": ["instrument", "day"], "rows": rows(), **fields}
    study = studies.create_study(method=method, user=alice, **fields)
    do_analyses()
    study.refresh_from_db()
    return study


def text_of(study):
    pages = pypdf.PdfReader(io.BytesIO(bytes(study.pdf))).pages
    return " ".join(" ".join(page.extract_text().split()) for page in pages)


def test_its_numbers_are_those_of_scipy(method, alice):
    study = made(method, alice)
    assert study.state == Study.State.DONE and study.names == ["day"]
    day, within = study.result["components"]
    f = stats.f_oneway(*VALUES.values())
    assert day["mean_square"] / within["mean_square"] == pytest.approx(f.statistic)
    square = np.mean([np.var(results, ddof=1) for results in VALUES.values()])
    assert within["mean_square"] == pytest.approx(square)
    low, high = (np.sqrt(6 * square / stats.chi2.ppf(end, 6)) for end in (0.975, 0.025))
    found = study.result["repeatability"]
    assert (found["low"], found["high"], found["free"]) == (pytest.approx(low), pytest.approx(high), 6)


def test_the_report_has_every_input_and_says_what_was_not_measured(method, alice):
    departs = "The scale is typed in; the method asks for one from the file."
    every = rows()
    every[4]["departures"] = [departs]
    study = made(method, alice, rows=every)
    text = text_of(study)
    assert "Validation report: Powder" in text and "June" in text
    for title in ("Selectivity (not measured)", "Trueness (not measured)", "Robustness (not measured)", "Range"):
        assert title in text
    assert all(one["name"] in text for one in every) and all(day in text for day in VALUES)
    for line in study.result["sentences"]:
        assert line in text
    assert f"image 4.tif: {departs}" in text


@pytest.fixture
def analysed(monkeypatch, read_here):
    """The names of the images that were analysed again; an inverted one comes out 10 % larger."""
    names = []

    def analyse(micrograph, settings, runtime):
        names.append(micrograph.name)
        inverted = micrograph.pixels.mean() > 128
        value = Value(110.0 if inverted else 100.0, 96.0, 104.0, "nm")
        return SimpleNamespace(refused=False, quantities={"median": value}, flags=())

    monkeypatch.setattr(pipeline, "analyse", analyse)
    return names


def test_some_of_its_images_are_analysed_again_in_other_forms(method, alice, make_job, make_micrograph, analysed):
    every = rows()
    for place, one in enumerate(every[:4]):
        micrograph = make_micrograph(name=one["name"], sha256=str(place) * 64, content=picture(100, 80))
        one["id"] = str(make_job(micrograph=micrograph, owner=alice, state="done").pk)
    study = made(method, alice, rows=every)
    assert set(analysed) == {"image 0.tif", "image 1.tif", "image 3.tif"} and len(analysed) == 3 * (len(FORMS) + 1)
    robustness = study.result["robustness"]
    assert [one["moved"]["inverted"] for one in robustness["tested"]] == [10.0] * 3 and robustness["left_out"] == []
    text = text_of(study)
    assert "3 images were analysed again without corrections" in text
    assert "In 21 of 24 the median stays within the 95 % interval of the image as it is." in text
    assert "inverted +10.0 % +10.0 % +10.0 %" in text and "mirrored +0.0 % +0.0 % +0.0 %" in text


@pytest.fixture
def with_images(method, alice, make_job, make_micrograph):
    """The rows of a study, of which two have images."""
    every = rows()
    for place, one in enumerate(every[:2]):
        micrograph = make_micrograph(name=one["name"], sha256=str(place) * 64, content=picture(100, 80))
        one["id"] = str(make_job(micrograph=micrograph, owner=alice, state="done").pk)
    return every


def create(method, user, every):
    fields = {"title": "June", "quantity": "median", "names": ["instrument", "day"], "rows": every}
    return studies.create_study(method=method, user=user, **fields)


def test_its_analyses_take_turns_with_the_pictures_of_others(
    method, alice, charlie, make_job, with_images, analysed, monkeypatch
):
    done = []
    monkeypatch.setattr("worker.tasks.analyse_job", lambda job, progress, folder: done.append(job.finish("done")))
    study = create(method, alice, with_images)
    analyse = pipeline.analyse

    def with_a_newcomer(*args, **more):
        if len(analysed) < 3:
            make_job(owner=charlie)
        return analyse(*args, **more)

    monkeypatch.setattr(pipeline, "analyse", with_a_newcomer)
    counts = []
    for _ in range(8):
        do_analyses()
        counts.append((len(analysed), len(done)))
    # A turn of the study makes one analysis while others wait, and all when nobody does.
    assert counts[:6] == [(1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]
    study.refresh_from_db()
    assert study.state == Study.State.DONE and len(analysed) == 2 * (len(FORMS) + 1)
    assert [len(one["moved"]) for one in study.result["robustness"]["tested"]] == [len(FORMS)] * 2
    assert study.outcomes == {}


def test_it_is_work_of_its_author(method, alice, with_images, settings, make_job):
    settings.DEEPSEGM_WAITING_JOBS = 17
    with pytest.raises(studies.Refused, match="At most 17 of your analyses"):
        create(method, alice, with_images)
    settings.DEEPSEGM_WAITING_JOBS, settings.DEEPSEGM_DAILY_MEGAPIXELS = 18, 1
    study = create(method, alice, with_images)
    assert study.analyses == 18 and Arrival.objects.get(job=study.pk).pixels == 9 * sum(
        job.micrograph.width * job.micrograph.height for job in studies.images_of(with_images)
    )
    with pytest.raises(studies.Refused, match="already waiting or running"):
        create(method, alice, with_images)
    with pytest.raises(studies.Refused, match="At most 18 of your analyses"):
        limits.check_waiting(user=alice, visitor=None, address="")
    with pytest.raises(studies.Refused, match="Only the owner"):
        studies.cancel_study(study=study, user=User.objects.create_user("somebody"))
    for _ in range(2):  # the second time changes nothing
        studies.cancel_study(study=study, user=alice)
    assert StaffAction.objects.get(action="cancelled a study", target=str(study.pk)).account == "alice"
    assert do_analyses() is False and Study.objects.get().state == "cancelled"
    limits.check_waiting(user=alice, visitor=None, address="")


def test_an_image_that_cannot_be_analysed_again_is_named(method, alice, make_job, make_micrograph, analysed):
    every = rows()
    with_regions = AnalysisSettings.of(ignore="1,1,20,20")
    micrograph = make_micrograph(name=every[0]["name"], content=picture(100, 80))
    every[0]["id"] = str(make_job(micrograph=micrograph, owner=alice, state="done", settings=with_regions).pk)
    study = made(method, alice, rows=every)
    assert study.result["robustness"] == {"tested": [], "left_out": ["image 0.tif (it has regions to ignore)"]}
    text = text_of(study)
    assert "Robustness (not measured)" in text and "Not analysed again: image 0.tif (it has regions to ignore)." in text


def test_it_goes_into_the_next_version_with_its_source(method, alice):
    study = made(method, alice)
    version = studies.apply_study(study=study, user=alice)
    assert (version.number, version.state) == (2, "draft")
    said = version.written.read()
    assert said.settings["repeatability"] == float(f"{100 * study.result['relative_intermediate']:.3g}")
    assert "study “June”" in said.settings["repeatability_source"]
    assert str(study.pk) in said.settings["repeatability_source"]


def test_a_study_of_another_number_is_no_setting(method, alice):
    study = made(method, alice, quantity="d90")
    assert study.state == Study.State.DONE
    with pytest.raises(studies.Refused, match="of the median"):
        studies.apply_study(study=study, user=alice)
