"""Files that are written when they are asked for: once, whatever fails, and the same as if written at once."""

from __future__ import annotations

import hashlib
import zipfile
from datetime import timedelta

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from segmentation import services
from segmentation.core.report import exports
from segmentation.core.report.files import write_all
from segmentation.core.report.signatures import Filing
from segmentation.core.tasks import find
from segmentation.models import ExportJob, Job, Superseded
from segmentation.services import bundles
from tests.core.builders import analysis_of
from worker import exporting, tasks
from worker.failures import BROKEN

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "coarse")]
EVERY = exports.listed("image", find("particles"))
STORED = {name for name, each in EVERY.items() if each.stored}


def analysis():
    labels = np.zeros((96, 128), np.int32)
    for number in range(12):
        top, left = 6 + 30 * (number // 4), 6 + 30 * (number % 4)
        labels[top : top + 12 + number % 5, left : left + 14] = number + 1
    return analysis_of(labels)


@pytest.fixture
def done(make_job, make_segmentation, tmp_path, monkeypatch):
    """A finished job of `analysis`, with what is stored with every result."""
    found = analysis()
    job = make_segmentation().jobs.get()
    files = write_all(found, tmp_path / "stored", stored_only=True)
    for name, path in files.items():
        stored = job.artifacts.create(name=name, attempt=1, size=path.stat().st_size, content_type="text/plain")
        stored.file.save(f"{job.folder}/1/{name}", ContentFile(path.read_bytes()))
    Job.objects.filter(pk=job.pk).update(state="done", attempt=1, finished=timezone.now())
    monkeypatch.setattr(exporting, "pixels_of", lambda *_: found.micrograph)
    monkeypatch.setattr(exporting, "stored_segmentation", lambda job: found.segmentation)
    monkeypatch.setattr("segmentation.core.pipeline.measure", lambda *asked: found)
    return Job.objects.get(pk=job.pk)


def content(job, name):
    with bundles.opened(job.artifact(name)) as file:
        return file.read()


def test_further_files_are_those_that_are_written_with_all(done, tmp_path):
    assert set(services.unwritten(done)) == set(EVERY) - STORED
    export = services.ask_for_files(done)
    tasks.write_files(export.pk)
    export.refresh_from_db()
    assert (export.state, export.error) == ("done", "")
    assert services.unwritten(done) == {}
    filing = Filing(done.finished, f"/jobs/{done.pk}/")
    at_once = write_all(analysis(), tmp_path / "all", for_the_page=False, filing=filing)
    assert {name for name, path in at_once.items() if content(done, name) != path.read_bytes()} == set()


def test_the_bundle_holds_what_stands_beside_it(done):
    services.ask_for_files(done)
    tasks.write_files(done.export.pk)
    with bundles.opened(done.artifact("bundle.zip")) as file, zipfile.ZipFile(file) as bundle:
        sums = dict(line.split("  ")[::-1] for line in bundle.read("SHA256SUMS").decode().splitlines())
        assert {hashlib.sha256(bundle.read(name)).hexdigest() == digest for name, digest in sums.items()} == {True}


def test_who_asks_twice_has_it_written_once(done):
    first, second = services.ask_for_files(done), services.ask_for_files(done)
    assert first == second
    tasks.write_files(first.pk)
    tasks.write_files(first.pk)
    first.refresh_from_db()
    assert first.attempt == 1
    assert done.artifacts.filter(name="report.pdf").count() == 1


def test_a_file_is_waited_for_no_longer_than_asked(done, monkeypatch):
    monkeypatch.setattr(services.exports, "PAUSE", 0.0)
    assert services.file_of(done, "nothing.pdf", 9) is None
    assert isinstance(services.file_of(done, "report.pdf", 0.01), ExportJob)
    monkeypatch.setattr("time.sleep", lambda seconds: tasks.write_files(done.export.pk))
    assert services.file_of(done, "report.pdf", 9).name == "report.pdf"


def test_what_failed_says_so_and_begins_anew_when_asked_later(done, monkeypatch, own_storage):
    def fail(*asked, **how):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr("segmentation.core.report.files.write_all", fail)
        tasks.write_files(services.ask_for_files(done).pk)
    assert BROKEN.partition("{")[0] in services.ask_for_files(done).error
    ExportJob.objects.update(finished=timezone.now() - timedelta(minutes=1))
    export = services.ask_for_files(done)
    assert (export.state, export.error) == ("queued", "")
    tasks.write_files(export.pk)
    assert done.artifact("report.pdf") is not None


def test_an_export_that_was_taken_away_leaves_no_file(done, own_storage, tmp_path):
    services.ask_for_files(done)
    export = ExportJob.objects.claim(done.export.pk)
    ExportJob.objects.update(attempt=5)
    file = tmp_path / "report.pdf"
    file.write_bytes(b"report")
    with pytest.raises(Superseded):
        services.publish_export(export=export, files={"report.pdf": file})
    assert not (own_storage / done.folder / "1" / "report.pdf").exists()
    assert (own_storage / done.folder / "1" / "particles.csv").exists()


def test_a_lost_worker_is_followed_by_another(done):
    services.ask_for_files(done)
    ExportJob.objects.claim(done.export.pk)
    services.rescue(died=(ExportJob,))
    done.export.refresh_from_db()
    assert done.export.state == "queued"
    tasks.write_files(done.export.pk)
    assert done.artifact("report.pdf") is not None


def test_nothing_is_written_of_a_job_that_is_not_done(done):
    Job.objects.update(state="running")
    assert services.unwritten(Job.objects.get()) == {}
    assert services.file_of(Job.objects.get(), "report.pdf") is None
