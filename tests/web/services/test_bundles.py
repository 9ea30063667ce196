"""Bundles are stored as their plan and come out as they were made."""

from __future__ import annotations

import zipfile

import pytest
from django.core.files.base import ContentFile

from segmentation.core.archive import write_zip
from segmentation.models import Artifact, Job
from segmentation.services.ground import bundles
from segmentation.services.results import publishing
from segmentation.services.upkeep import upkeep

pytestmark = pytest.mark.django_db
README = "Particles in ü.tif\n"


@pytest.fixture
def published(make_job, own_storage, tmp_path):
    """A job with two files and their bundle; the path of the bundle as its worker made it."""
    contents = {"particles.csv": b"label,size\n" * 500, "figure.png": bytes(range(256)) * 40}
    files = {}
    for name, content in contents.items():
        files[name] = tmp_path / name
        files[name].write_bytes(content)
    files["bundle.zip"] = tmp_path / "bundle.zip"
    entries = [("README.txt", README.encode()), *contents.items(), ("SHA256SUMS", b"ab  figure.png\n")]
    write_zip(files["bundle.zip"], entries)
    make_job(state=Job.State.QUEUED)
    job = Job.objects.claim(Job.objects.get().pk)
    publishing.publish(job=job, files=files, summary={})
    return job, files["bundle.zip"]


def test_it_comes_out_byte_for_byte_and_takes_no_room(published, client):
    job, made = published
    stored = job.artifact("bundle.zip")
    with bundles.open_file(stored) as file:
        assert file.read() == made.read_bytes()
    assert stored.size == made.stat().st_size
    assert stored.file.size < 200
    assert upkeep.storage_used() - job.micrograph.size == sum(
        job.artifact(n).size for n in ("particles.csv", "figure.png")
    )


def test_a_notebook_entry_is_stored_in_the_same_way(own_storage, make_job, tmp_path):
    files = {"figure.png": tmp_path / "figure.png", "notebook.eln": tmp_path / "notebook.eln"}
    files["figure.png"].write_bytes(bytes(range(256)) * 40)
    crate, picture = ("notebook/ro-crate-metadata.json", b"{}"), files["figure.png"].read_bytes()
    with make_job(state=Job.State.QUEUED).micrograph.file.open("rb") as image:
        uploaded = ("notebook/result/micrograph.png", image.read())
    write_zip(files["notebook.eln"], [crate, ("notebook/result/figure.png", picture), uploaded])
    made = files["notebook.eln"].read_bytes()
    job = Job.objects.claim(Job.objects.get().pk)
    publishing.publish(job=job, files=files, summary={})
    stored = job.artifact("notebook.eln")
    with bundles.open_file(stored) as file:
        assert file.read() == made
    assert stored.file.size < 200 and stored.content_type == "application/vnd.eln+zip"


@pytest.mark.parametrize("address", ["/jobs/{}/files/bundle.zip?download", "/api/v1/jobs/{}/files/bundle.zip"])
def test_it_is_downloaded_like_any_file(published, client, address):
    job, made = published
    response = client.get(address.format(job.pk))
    assert response.status_code == 200 and response["Content-Type"] == "application/zip"
    assert response["Content-Length"] == str(made.stat().st_size)
    assert b"".join(response.streaming_content) == made.read_bytes()
    assert client.get(address.format(job.pk), headers={"If-None-Match": response["ETag"]}).status_code == 304


def test_a_missing_file_is_a_missing_bundle(published, client):
    job, _ = published
    Artifact.objects.filter(name="figure.png").delete()
    assert client.get(f"/jobs/{job.pk}/files/bundle.zip").status_code == 404


def test_a_bundle_stored_whole_is_served_as_it_is(published, own_storage):
    job, made = published
    stored = job.artifact("bundle.zip")
    stored.file.save("bundle.zip", made.open("rb"))
    with bundles.open_file(stored) as file, zipfile.ZipFile(file) as archive:
        assert archive.read("README.txt").decode() == README


def test_a_file_that_is_replaced_while_it_is_asked_for_is_the_newer_one(published):
    job, _ = published
    read = job.artifact("figure.png")
    Artifact.objects.filter(pk=read.pk).delete()
    newer = Artifact(job=job, name="figure.png", attempt=job.attempt, size=3, content_type="image/png")
    newer.file.save("newer.png", ContentFile(b"new"))
    read.file.storage.delete(read.file.name)
    with bundles.open_file(read) as file:
        assert file.read() == b"new"
    newer.delete()
    with pytest.raises(FileNotFoundError):
        bundles.open_file(read)
