"""Stacks: their pages become uploads of their own. `test_decoding` takes one out in a child."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from django.core.files.uploadedfile import SimpleUploadedFile

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.flags import Flag, as_json
from segmentation.core.micrograph import inspect
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.models import Job, Micrograph, Sample
from segmentation.services.results import jobs, samples
from segmentation.services.results.samples import ScaleRule
from tests.conftest import inspect_uploads, picture
from tests.core.micrograph.test_pages import figure
from tests.hostile import image
from tests.web.archive import zipped
from tests.web.finished import SUMMARY, summary, words
from worker.reading import answers, decoding

from .test_inspecting import WHO, looked_into, messages, receive  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]
PAGES = np.stack([image(), image()[::-1], image()[:, ::-1]])


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Files are read in this process."""

    def facts(path, name, side, options, report_alive):
        try:
            return answers.Facts.model_validate(
                inspect._inspect(inspect._options([str(path), f"--name={name}", *options]))
            )
        except UnreadableImage as bad:
            raise decoding.Unreadable(str(bad)) from None

    monkeypatch.setattr(decoding, "_read_facts", facts)


def stack() -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, PAGES, imagej=True, resolution=(2, 2), metadata={"unit": "nm", "axes": "ZYX"})
    return file.getvalue()


def several(pages, content=None, name="stack.tif", **fields):
    return receive(stack() if content is None else content, name, holds_several_images=True, pages=pages, **fields)


def pixels_of(micrograph):
    with micrograph.file.open("rb") as file:
        return tifffile.imread(file)


def test_one_page_takes_the_place_of_its_stack(own_storage, look_into_all):
    micrograph = receive(stack(), "stack.tif", pages="2")
    stored = micrograph.sha256
    job = jobs.create_job(micrograph=micrograph, settings=AnalysisSettings.of(), **WHO)
    look_into_all()
    micrograph.refresh_from_db()
    job.refresh_from_db()
    assert (micrograph.name, micrograph.state, micrograph.pages, job.ready) == ("stack page 2.tif", "done", "", True)
    assert np.array_equal(pixels_of(micrograph), PAGES[1])
    assert micrograph.sha256 != stored == micrograph.metadata["stack_sha256"]
    assert micrograph.calibration["nm_per_pixel"] == 0.5 and micrograph.page_count == 1
    files = {path.name for path in own_storage.glob(f"{micrograph.folder}/*")}
    assert files == {"page.tif", "preview-1.png"} and micrograph.size == micrograph.file.size


def test_the_only_page_is_the_file_itself():
    micrograph = looked_into(receive(picture(), pages="1"))
    assert (micrograph.name, micrograph.state) == ("a.png", "done")


def test_a_page_that_is_not_there_fails_the_job():
    micrograph = receive(stack(), "stack.tif", pages="4")
    job = jobs.create_job(micrograph=micrograph, settings=AnalysisSettings.of(), **WHO)
    looked_into(micrograph)
    job.refresh_from_db()
    assert job.error == "The file has 3 pages, so there is no page 4: choose one from 1 to 3."


def test_pages_are_the_images_of_a_sample(own_storage, look_into_all):
    uploads = [several("all"), several("all", picture(70), "other.png")]
    sample = samples.create_sample(name="S", uploads=uploads, settings=AnalysisSettings.of(), scale=ScaleRule(), **WHO)
    look_into_all()
    names = [f"stack page {page}.tif" for page in (1, 2, 3)]
    assert sorted(Job.objects.values_list("micrograph__name", flat=True)) == ["other.png", *names]
    assert not list(own_storage.glob(f"uploads/{uploads[0].pk}/*"))
    assert all(row.calibration["nm_per_pixel"] == 0.5 for row in Micrograph.objects.filter(name__in=names))
    assert Sample.objects.get(pk=sample.pk).notes == []


@pytest.mark.parametrize(
    ("pages", "most", "sentence"),
    [("2-4", 200, "so there is no page 4"), ("all", 2, "These are 3 pages, and a sample takes 2 images")],
)
def test_pages_that_cannot_be_had_are_noted(settings, pages, most, sentence):
    settings.DEEPSEGM_SAMPLE_IMAGES = most
    micrograph = several(pages)
    looked_into(micrograph)
    assert sentence in micrograph.notes[0]["sentence"] and not micrograph.images.exists()


def test_stacks_in_an_archive():
    archive = several("3", zipped([("x/stack.tif", stack()), ("b.png", picture(65))]), "batch.zip")
    looked_into(archive)
    assert list(archive.images.order_by("created").values_list("name", flat=True)) == ["stack page 3.tif"]
    assert "one page, so there is no page 3" in archive.notes[0]["sentence"]


def test_pages_that_the_form_asks_for(client):
    client.post("/", {"file": SimpleUploadedFile("stack.tif", stack()), "pages": "1,3", "width": "", "token": ""})
    inspect_uploads()
    assert sorted(Job.objects.values_list("micrograph__name", flat=True)) == ["stack page 1.tif", "stack page 3.tif"]
    wrong = client.post("/", {"file": SimpleUploadedFile("stack.tif", stack()), "pages": "x"})
    assert wrong.status_code == 400 and "Pages are numbers" in wrong.content.decode()


def figure_file() -> bytes:
    file = io.BytesIO()
    figure("").save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(("build", "name", "offer"), [(figure_file, "a.png", "4 panels"), (stack, "a.tif", "of 3")])
def test_another_page_is_analysed_once_from_the_page_of_a_picture(client, alice, build, name, offer):
    client.post("/", {"file": SimpleUploadedFile(name, build()), "width": "600"})
    inspect_uploads()
    whole = Job.objects.get()
    address, shown = f"/jobs/{whole.pk}/", whole.micrograph.panels
    notes = whole.micrograph.notes
    said = as_json([Flag(note, kind="panels" if note.startswith("This is a figure") else "") for note in notes])
    nothing = summary(n_kept=0, n_set_aside=0) | {"found": 0}
    for state, made in (
        ("queued", {}),
        ("failed", {}),
        ("done", SUMMARY),
        ("done", nothing),
        ("done", SUMMARY | {"refused": True}),
    ):
        Job.objects.update(state=state, summary=made | said)
        page = words(client.get(address))
        assert page.count(f'action="{address}page/"') == 1 and page.count("Analyse this p") == max(len(shown), 1)
        assert page.count(offer) == 1 and all(f'viewBox="{part}"' in page for _, part in shown)
    answers = [client.post(f"{address}page/", {"page": "2"}) for _ in range(2)]
    inspect_uploads()
    answers.append(client.post(f"{address}page/", {"page": "2"}))
    new = Job.objects.exclude(pk=whole.pk).get()
    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(303, f"/jobs/{new.pk}/")}
    assert new.micrograph.name == "a page 2.tif" and new.ready and Micrograph.objects.count() == 2
    assert new.micrograph.page_count == 1 and 'id="panels"' not in words(client.get(f"/jobs/{new.pk}/"))
    assert whole.get_settings().measurement.calibration and not new.get_settings().measurement.calibration
    for wrong in ("", "0", "9", "1-2", "x", "9" * 5000):
        assert client.post(f"{address}page/", {"page": wrong}).status_code == 404
    Job.objects.update(owner=alice)
    assert client.post(f"{address}page/", {"page": "1"}).status_code == 404 and Micrograph.objects.count() == 2
