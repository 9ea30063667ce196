"""Stacks: their pages become uploads of their own. `test_inspection` takes one out in a child."""
# ruff: noqa: F811

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from django.core.files.uploadedfile import SimpleUploadedFile

from segmentation import services
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph import inspect
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.models import Job, Micrograph, Sample
from segmentation.services import Refused, Scale
from segmentation.services.results.uploads import STARTED
from tests.conftest import inspect_uploads, picture
from tests.core.micrograph.test_pages import figure
from tests.hostile import image
from tests.web.archive import zipped
from worker import answers, inspection

from .test_inspecting import WHO, commit, looked_into, messages, receive  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]
PAGES = np.stack([image(), image()[::-1], image()[:, ::-1]])


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Files are read in this process."""

    def facts(path, name, side, options, alive):
        try:
            return answers.Facts.model_validate(
                inspect._look(inspect._options([str(path), f"--name={name}", *options]))
            )
        except UnreadableImage as bad:
            raise inspection.Unreadable(str(bad)) from None

    monkeypatch.setattr(inspection, "_facts", facts)


def stack() -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, PAGES, imagej=True, resolution=(2, 2), metadata={"unit": "nm", "axes": "ZYX"})
    return file.getvalue()


def several(pages, content=None, name="stack.tif", **fields):
    return receive(stack() if content is None else content, name, is_archive=True, pages=pages, **fields)


def pixels_of(micrograph):
    with micrograph.file.open("rb") as file:
        return tifffile.imread(file)


def test_one_page_takes_the_place_of_its_stack(own_storage, commit):
    micrograph = receive(stack(), "stack.tif", pages="2")
    stored = micrograph.sha256
    job = services.create_job(micrograph=micrograph, settings=AnalysisSettings.of(), **WHO)
    with commit():
        inspect_uploads()
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
    job = services.create_job(micrograph=micrograph, settings=AnalysisSettings.of(), **WHO)
    looked_into(micrograph)
    job.refresh_from_db()
    assert job.error == "The file has 3 pages, so there is no page 4: choose one from 1 to 3."


def test_pages_are_the_images_of_a_sample(own_storage, commit):
    uploads = [several("all"), several("all", picture(70), "other.png")]
    sample = services.create_sample(name="S", uploads=uploads, settings=AnalysisSettings.of(), scale=Scale(), **WHO)
    with commit():
        inspect_uploads()
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


class TestChosenOnThePage:
    def test_after_it_has_been_read(self):
        micrograph = looked_into(receive(stack(), "stack.tif"))
        assert micrograph.page_count == 3
        services.choose_pages(micrograph=micrograph, pages=" 2-3 ")
        assert not micrograph.is_read and micrograph.is_archive
        looked_into(micrograph)
        assert list(micrograph.images.order_by("created").values_list("name", flat=True)) == [
            "stack page 2.tif",
            "stack page 3.tif",
        ]

    def test_a_panel_of_a_figure(self, client):
        content = io.BytesIO()
        figure("").save(content, "PNG")
        client.post("/uploads/", {"file": SimpleUploadedFile("figure.png", content.getvalue())})
        micrograph = looked_into()
        card = client.post("/uploads/cards/", {"upload": micrograph.pk}).json()["cards"][str(micrograph.pk)]
        (first, part), (second, _) = micrograph.panels
        assert (first, second) == (1, 2) and f'viewBox="{part}"' in card and "This is a figure of 4 panels." in card
        client.post(f"/uploads/{micrograph.pk}/pages/", {"pages": "2"})
        looked_into(Micrograph.objects.get())
        (panel,) = Micrograph.objects.get(pk=micrograph.pk).images.all()
        assert panel.name == "figure page 2.tif"
        assert panel.panels == [] and (looked_into(panel).width, panel.height) == (300, 200)

    @pytest.mark.parametrize(("pages", "sentence"), [("7", "no page 7"), ("x", "numbers from 1")])
    def test_what_is_no_page_of_it(self, pages, sentence):
        micrograph = looked_into(receive(stack(), "stack.tif"))
        with pytest.raises(Refused, match=sentence):
            services.choose_pages(micrograph=micrograph, pages=pages)
        assert Micrograph.objects.get().is_read

    def test_not_of_an_image_that_is_analysed(self):
        micrograph = looked_into(receive(stack(), "stack.tif"))
        services.create_job(micrograph=micrograph, settings=AnalysisSettings.of(), **WHO)
        with pytest.raises(Refused, match=STARTED):
            services.choose_pages(micrograph=micrograph, pages="2")


class TestForms:
    def test_the_button_of_a_card(self, client):
        answer = client.post("/uploads/", {"file": SimpleUploadedFile("stack.tif", stack())})
        micrograph = looked_into()
        card = client.post("/uploads/cards/", {"upload": micrograph.pk}).json()["cards"][str(micrograph.pk)]
        assert f'name="pages_{micrograph.pk}"' in card and answer.status_code == 201
        wrong = client.post(f"/uploads/{micrograph.pk}/pages/", {"pages": "9"})
        assert wrong.status_code == 400 and "no page 9" in wrong.content.decode()
        right = client.post(f"/uploads/{micrograph.pk}/pages/", {"pages": ""})
        assert "waiting to be unpacked" in right.content.decode()
        looked_into(micrograph)
        named = [str(image.pk) for image in micrograph.images.all()]
        cards = client.post("/uploads/cards/", {"upload": [micrograph.pk, named[0]], "known": named[1]}).json()["cards"]
        assert cards[str(micrograph.pk)].count("data-upload") == 1  # the page shows the other two

    def test_typed_beside_an_image_and_sent_with_the_form(self, client):
        client.post("/uploads/", {"file": SimpleUploadedFile("stack.tif", stack())})
        micrograph = looked_into()
        form = {"upload": micrograph.pk, "width": "", "token": ""}
        wrong = client.post("/uploads/start/", {**form, f"pages_{micrograph.pk}": "8"})
        assert wrong.status_code == 400 and "no page 8" in wrong.json()["problems"][0]["sentence"]
        right = client.post("/uploads/start/", {**form, f"pages_{micrograph.pk}": "2"})
        assert right.json() == {"location": "/results/"}
        inspect_uploads()
        assert [job.micrograph.name for job in Job.objects.all()] == ["stack page 2.tif"]

    def test_a_form_without_a_script(self, client):
        client.post("/", {"file": SimpleUploadedFile("stack.tif", stack()), "pages": "1,3", "width": "", "token": ""})
        inspect_uploads()
        assert sorted(Job.objects.values_list("micrograph__name", flat=True)) == [
            "stack page 1.tif",
            "stack page 3.tif",
        ]
        wrong = client.post("/", {"file": SimpleUploadedFile("stack.tif", stack()), "pages": "x"})
        assert wrong.status_code == 400 and "Pages are numbers" in wrong.content.decode()
