"""Histogram, outlines and pictures of a sample."""
# ruff: noqa: F811

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from segmentation.core.measure.table import Table
from segmentation.models import Artifact, ExportJob, Job, Sample, SampleArtifact
from segmentation.presenters.sample import histogram_path
from segmentation.services.ground import tables
from segmentation.services.results import exports
from tests.web.finished import words

from .test_samples import DONE, finished, page_of  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reader")]


def with_table(job, sizes, nm_per_pixel=2.0, folder=None):
    """A job of a sample with its stored table: particles of these minimum Feret diameters in nm, the last set aside."""
    count = len(sizes)
    flags = [True] * (count - 1) + [False]
    columns = {
        "kept": np.array(flags),
        "reason": np.array(["" if flag else "too small" for flag in flags]),
        "min_feret_nm": np.array(sizes, float),
        "edge_weight": np.array([2.0 if size == 20 else 1.0 for size in sizes]),
    }
    path = tables.save(Table(columns, nm_per_pixel), 1.0, folder / tables.TABLE_FILE)
    artifact = Artifact(job=job, attempt=1, name=tables.TABLE_FILE, size=1, content_type="x")
    artifact.file.save(f"{job.folder}/1/{tables.TABLE_FILE}", ContentFile(path.read_bytes()))


class TestWrittenWhenAskedFor:
    def test_the_page_offers_every_file_and_lets_those_be_written_that_it_shows(self, client, finished):
        sample = finished()
        page = " ".join(client.get(page_of(sample)).content.decode().split())
        for name in ("sample.xlsx", "report.pdf", "bundle.zip"):
            assert f'href="{page_of(sample)}files/{name}?download" download data-further' in page, name
        assert f'data-when-written="{page_of(sample)}files/figure-small.webp"' in page
        assert [export.asked for export in ExportJob.objects.filter(sample=sample)] == [False]

    def test_a_page_waits_for_a_file(self, client, finished):
        sample = finished()
        response = client.get(f"{page_of(sample)}files/report.pdf")
        assert (response.status_code, response["Retry-After"]) == (202, "1")
        assert "Writing report.pdf" in words(response) and page_of(sample) in response.content.decode()
        export = ExportJob.objects.get(sample=sample)
        assert export.asked
        ExportJob.objects.filter(pk=export.pk).update(state="failed", error="No room.", finished=timezone.now())
        response = client.get(f"{page_of(sample)}files/report.pdf")
        assert response.status_code == 503 and "No room." in words(response)
        assert client.get(f"{page_of(sample)}files/no.pdf").status_code == 404

    def test_a_file_of_a_sample_that_is_pooled_once_more_waits_for_its_numbers(self, client, finished):
        sample = finished()
        Sample.objects.filter(pk=sample.pk).update(state=Sample.State.WAITING)
        assert client.get(f"{page_of(sample)}files/images.csv").status_code == 200
        for address in (f"{page_of(sample)}files/report.pdf", f"/api/v1/samples/{sample.pk}/files/report.pdf"):
            response = client.get(address)
            assert (response.status_code, response["Retry-After"]) == (202, "1")
        assert response.json()["state"] == "queued" and not ExportJob.objects.exists()
        Sample.objects.filter(pk=sample.pk).update(state=Sample.State.FAILED)
        assert client.get(f"{page_of(sample)}files/report.pdf").status_code == 404

    def test_scripts_get_every_file(self, client, finished):
        sample = finished()
        files = client.get(f"/api/v1/samples/{sample.pk}").json()["files"]
        assert {"images.csv", "sample.xlsx", "report.pdf", "bundle.zip"} <= set(files)
        response = client.get(files["report.pdf"])
        assert (response.status_code, response.json()["state"]) == (202, "queued")
        assert ExportJob.objects.get(sample=sample).asked

    def test_a_sample_without_numbers_has_no_files(self, client, make_sample):
        sample = make_sample(DONE, state=Sample.State.WAITING)
        assert client.get(f"/api/v1/samples/{sample.pk}").json()["files"] == {}
        assert client.get(f"{page_of(sample)}files/report.pdf").status_code == 404

    def test_files_that_nobody_asked_for_go_and_come_again(self, client, finished):
        sample = finished()
        client.get(page_of(sample))
        now = timezone.now()
        ExportJob.objects.update(state="done", finished=now - timedelta(days=9))
        stored = SampleArtifact(sample=sample, attempt=1, name="report.pdf", size=1, content_type="application/pdf")
        stored.file.save(f"{sample.folder}/1/report.pdf", ContentFile(b"content"))
        exports.remove_unrequested(now)
        assert not ExportJob.objects.exists() and not sample.artifacts.filter(name="report.pdf").exists()
        assert client.get(f"{page_of(sample)}files/report.pdf").status_code == 202


class TestHistogram:
    @pytest.fixture
    def sample(self, finished, tmp_path):
        sample = finished()
        for job, sizes in zip(sample.jobs.order_by("created"), ([10, 20, 500], [20, 30, 600]), strict=True):
            with_table(job, sizes, folder=tmp_path)
        return sample

    def test_of_all_images_together(self, client, sample):
        chart = client.get(f"{page_of(sample)}histogram/?bins=10").json()
        assert (chart["unit"], chart["n"], chart["measures"]) == ("nm", 4, ["min_feret"])
        assert dict(zip(chart["edges"], chart["counts"], strict=False)) == {10.0: 1, 20.0: 2, 30.0: 1}
        assert chart["y"] == "Number of particles" and chart["heights"] == chart["counts"]
        sample.pooled = {**sample.pooled, "edge": "weight"}
        sample.save()
        chart = client.get(f"{page_of(sample)}histogram/?bins=10").json()
        assert chart["y"].endswith(", edge-weighted") and chart["heights"] == pytest.approx([2 / 3, 8 / 3, 2 / 3])
        assert client.get(f"{page_of(sample)}histogram/?all=1").json()["n"] == 6
        assert "/histogram/" in words(client.get(page_of(sample)))

    def test_only_of_what_is_pooled(self, client, sample):
        rows = sample.pooled["images"]
        sample.pooled["images"] = [{**rows[0], "excluded": "It has no scale."}, *rows[1:]]
        sample.save()
        assert client.get(f"{page_of(sample)}histogram/").json()["bounds"][0] == 20
        sample.pooled["of"], sample.pooled["images"] = sample.pooled["of"][:1], rows[:1]
        sample.save()
        assert client.get(f"{page_of(sample)}histogram/").json()["n"] == 2

    def test_a_lost_table_or_another_kind_of_file_is_no_histogram(self, client, sample, own_storage, finished):
        stored = Artifact.objects.filter(job__sample=sample, name=tables.TABLE_FILE).first()
        (own_storage / stored.file.name).write_bytes(b"no table")
        assert client.get(f"{page_of(sample)}histogram/").status_code == 404
        assert client.get(f"{page_of(finished())}histogram/").status_code == 404


class TestOutlines:
    def coco(self, job, name, *kinds):
        document = {
            "images": [{"id": 1, "file_name": name, "width": 64, "height": 48}],
            "categories": [{"id": i, "name": kind} for i, kind in enumerate(kinds, 1)],
            "annotations": [{"id": 7, "image_id": 1, "category_id": i} for i in range(1, len(kinds) + 1)],
        }
        artifact = Artifact(job=job, attempt=1, name="coco.json", size=1, content_type="application/json")
        artifact.file.save(f"{job.folder}/1/coco.json", ContentFile(json.dumps(document).encode()))

    def test_of_all_images_in_one_file(self, client, finished):
        sample = finished(DONE, DONE, DONE)
        first, second, damaged = sample.jobs.order_by("created")
        self.coco(first, "0.png", "particle", "possibly wrong")
        self.coco(second, "1.png", "possibly wrong")
        broken = Artifact(job=damaged, attempt=1, name="coco.json", size=1, content_type="application/json")
        broken.file.save(f"{damaged.folder}/1/coco.json", ContentFile(b'{"images": []}'))
        response = client.get(f"{page_of(sample)}outlines.json")
        assert response["Content-Disposition"].startswith("attachment")
        assert response["Cache-Control"] == "private, no-store"
        coco = json.loads(b"".join(response.streaming_content))
        assert [(image["id"], image["file_name"]) for image in coco["images"]] == [(1, "0"), (2, "1")]
        assert [(kind["id"], kind["name"]) for kind in coco["categories"]] == [(1, "particle"), (2, "possibly wrong")]
        assert coco["annotations"] == [
            {"id": 1, "label": 7, "image_id": 1, "category_id": 1},
            {"id": 2, "label": 7, "image_id": 1, "category_id": 2},
            {"id": 3, "label": 7, "image_id": 2, "category_id": 2},
        ]

    def test_two_images_of_one_name_are_told_apart(self, client, finished):
        sample = finished(DONE, DONE)
        first, second = sample.jobs.order_by("created")
        for job in (first, second):
            self.coco(job, "img.png", "particle")
        of = [str(first.pk), str(second.pk)]
        rows = [
            {**row, "name": name} for row, name in zip(sample.pooled["images"], ("img.png", "img.png (2)"), strict=True)
        ]
        Sample.objects.update(pooled={**sample.pooled, "of": of, "images": rows})
        document = json.loads(b"".join(client.get(f"{page_of(sample)}outlines.json").streaming_content))
        assert [image["file_name"] for image in document["images"]] == ["img.png", "img.png (2)"]

    def test_a_sample_that_is_not_pooled_has_none(self, client, make_sample):
        assert client.get(f"{page_of(make_sample())}outlines.json").status_code == 404


def test_images_say_what_happens_to_them(client, make_sample, make_micrograph):
    sample = make_sample(Job.State.RUNNING, Job.State.QUEUED, Job.State.CANCELLED, Job.State.DONE)
    sample.jobs.filter(state=Job.State.RUNNING).update(stage="segmenting", progress=0.4)
    make_micrograph(name="late.tif", sample=sample, state="queued", width=0)
    make_micrograph(name="now.tif", sample=sample, state="running", stage="reading the image", width=0)
    images = client.get(f"{page_of(sample)}images/").context["pooled"].images
    assert [(image.name, image.state) for image in images] == [
        ("0.png", "Segmenting, 40 %"),
        ("1.png", "Waiting for its turn"),
        ("2.png", "Cancelled"),
        ("3.png", "Done"),
        ("late.tif", "Waiting to be read"),
        ("now.tif", "Reading the image"),
    ]
    assert [image.address == "" for image in images] == [False] * 4 + [True] * 2


def test_bars_fill_the_box():
    assert histogram_path([]) == histogram_path([0, 0]) == ""
    assert histogram_path([1, 0, 2]) == "M0.00 32V16.00h33.33V32zM66.67 32V0.00h33.33V32z"


def test_thumbnails_are_found_at_once(client, make_sample):
    sample = make_sample(DONE)
    job = sample.jobs.get()
    artifact = Artifact(job=job, attempt=1, name="thumbnail.webp", size=1, content_type="image/png")
    artifact.file.save(f"{job.folder}/1/thumbnail.webp", ContentFile(b"x"))
    assert f"/jobs/{job.pk}/files/thumbnail.webp" in words(client.get(page_of(sample)))
