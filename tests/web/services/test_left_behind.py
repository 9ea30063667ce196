"""A process may be killed between a file and its row: what it left is found, or replaced by the next attempt."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError, connections
from django.db.models import Q
from django.db.models.signals import pre_save
from django.test import Client

from segmentation.models import ExportJob, Link, Micrograph, Removal, Segmentation
from segmentation.services.ground import files
from segmentation.services.ground.stored import stored_bytes
from segmentation.services.results import after_inspection, exports, jobs, publishing
from segmentation.services.upkeep import health, upkeep
from tests.conftest import picture
from tests.web.api.test_jobs import basic
from tests.worker import fake
from worker import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def kept(folder, at):
    return sorted(str(path.relative_to(folder)) for path in (folder / at).rglob("*") if path.is_file())


def test_a_segmentation_has_its_row_before_its_file(make_job, tmp_path, own_storage, monkeypatch):
    job, segmentation = make_job(state="running", attempt=1), fake.outlines()
    segmentation.save(tmp_path / "found.npz")
    order = []
    pre_save.connect(lambda **fields: order.append("row"), sender=Segmentation, weak=False, dispatch_uid="order")
    storage = SimpleNamespace(save=lambda name, content: order.append("file"))
    monkeypatch.setattr("segmentation.services.results.publishing.default_storage", storage)
    publishing.store_segmentation(job=job, file=tmp_path / "found.npz", provenance=segmentation.provenance)
    pre_save.disconnect(sender=Segmentation, dispatch_uid="order")
    assert order == ["row", "file"]


def test_the_next_inspection_removes_the_picture_of_a_killed_one(make_micrograph, own_storage):
    row = make_micrograph(state="running", attempt=2)
    row.preview = ""
    leftover = default_storage.save(f"{row.folder}/preview-1.png", ContentFile(b"left"))
    after_inspection.publish_inspection(micrograph=row, facts={}, preview=picture())
    assert not default_storage.exists(leftover) and default_storage.exists(f"{row.folder}/preview-2.png")


def test_a_picture_that_a_page_may_show_stays_when_the_bar_is_read_later(make_micrograph, own_storage):
    row = make_micrograph(state="running", attempt=1)
    row.preview = ""
    after_inspection.publish_inspection(micrograph=row, facts={}, preview=picture(), unread=True)
    Micrograph.objects.filter(pk=row.pk).update(state="running", attempt=2)
    row.refresh_from_db()
    after_inspection.publish_inspection(micrograph=row, facts={}, preview=picture())
    row.refresh_from_db()
    assert row.preview.name == f"{row.folder}/preview-1.png" and default_storage.exists(row.preview.name)
    assert not default_storage.exists(f"{row.folder}/preview-2.png")


def test_the_picture_of_the_viewer_replaces_that_of_a_killed_attempt(make_micrograph, own_storage, tmp_path):
    row = make_micrograph()
    files = [tmp_path / "image.webp", tmp_path / "tiles.zip"]
    for file in files:
        file.write_bytes(b"picture")
        default_storage.save(f"{row.folder}/{file.name}", ContentFile(b"left"))
    before = kept(own_storage, row.folder)
    publishing.store_picture(micrograph=row, picture=files[0], tiles=files[1])
    assert kept(own_storage, row.folder) == before


def test_a_published_export_removes_what_killed_ones_left(make_job, own_storage, tmp_path):
    job = make_job(state="done", attempt=1)
    export = ExportJob.objects.create(job=job, state="running", attempt=2)
    default_storage.save(f"{job.folder}/1/1/report.pdf", ContentFile(b"left"))
    (tmp_path / "report.pdf").write_bytes(b"report")
    exports.publish_export(export=export, files={"report.pdf": tmp_path / "report.pdf"})
    assert kept(own_storage, job.folder) == [f"{job.folder}/1/2/report.pdf"]


def test_what_takes_long_to_count_is_counted_seldom_and_behind(monkeypatch):
    """The one who asks later waits no longer; what was not asked for minutes is counted at once."""
    clock, counted = [100.0], []
    monkeypatch.setattr(health.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(health, "SLOW_SECONDS", 0.1)
    monkeypatch.setattr(health.threading, "Thread", lambda target, daemon: SimpleNamespace(start=target))

    def count():
        counted.append(clock[0])
        clock[0] += 2.0
        return len(counted)

    ask = health.cached_if_slow(count)
    assert (ask(), ask()) == (1, 1)
    clock[0] += 2.0 * health.REUSE_FACTOR + 1
    assert ask() == 1
    assert (ask(), counted) == (2, [100.0, 143.0])
    clock[0] += 2.0 * health.REUSE_FACTOR + health.STALE_SECONDS + 1
    assert ask() == 3


def test_a_deletion_that_was_killed_before_its_files_went_is_finished_later(make_job, own_storage, monkeypatch):
    job = make_job(state="done", attempt=1)
    default_storage.save(f"{job.folder}/1/particles.csv", ContentFile(b"sizes"))
    monkeypatch.setattr(files, "_finish", lambda removals: True)  # the process is gone
    jobs.delete_job(job=job)
    assert kept(own_storage, "jobs")
    monkeypatch.undo()
    files.remove_leftover_folders()
    assert not kept(own_storage, "jobs") and not Removal.objects.exists()


@pytest.mark.parametrize("address", ["/api/v1/samples/{}", "/samples/{}/delete/"])
def test_a_large_sample_is_gone_at_once_and_its_files_behind(make_sample, alice, own_storage, monkeypatch, address):
    """Although the worker that removes them is killed."""
    monkeypatch.setattr(files, "MOST_REMOVED_AT_ONCE", 2)
    monkeypatch.setattr(files, "REMOVAL_BATCH", 3)
    monkeypatch.setattr("celery.current_app.send_task", (rings := []).append)
    sample, mine = make_sample("done", "done", "queued", owner=alice), Q(owner=alice)
    pages = [f"/samples/{sample.pk}/", f"/api/v1/samples/{sample.pk}"]
    for job in sample.jobs.all():
        default_storage.save(f"{job.folder}/1/particles.csv", ContentFile(b"sizes"))
        Link.objects.create(target=job.pk)
        pages += [f"/jobs/{job.pk}/", f"/api/v1/jobs/{job.pk}", f"/uploads/{job.micrograph_id}/preview.png"]
    client = Client(headers=basic("alice"))
    client.force_login(alice)
    before, stored = [client.get(page).status_code for page in pages], stored_bytes(mine)
    address = address.format(sample.pk)
    response = client.post(address) if address.endswith("delete/") else client.delete(address)
    assert response.status_code in (204, 302) and set(before) == {200} and stored > 0
    assert {client.get(page).status_code for page in pages} == {404} and not client.get("/results/").context["cards"]
    assert stored_bytes(mine) == 0 and not Link.objects.exists()
    assert kept(own_storage, "jobs") and Removal.objects.count() == 7 and rings == ["worker.inspections"]
    with monkeypatch.context() as killed, pytest.raises(SystemExit):
        killed.setattr(files, "remove_folder", Mock(side_effect=[True, SystemExit]))
        files.remove_leftover_folders()
    rings.clear()
    upkeep.rescue()
    while rings:
        rings.clear()
        tasks.do_inspections()
    assert not kept(own_storage, "") and not Removal.objects.exists()


def test_what_the_storage_does_not_remove_is_tried_again(make_job, own_storage, monkeypatch):
    job = make_job(state="done", attempt=1)
    default_storage.save(f"{job.folder}/1/particles.csv", ContentFile(b"sizes"))
    monkeypatch.setattr(files, "_remove", Mock(side_effect=OSError("no answer")))
    folder = job.folder
    jobs.delete_job(job=job)
    assert Removal.objects.filter(folder=folder).exists()


def commits_but_breaks(monkeypatch):
    """The next transaction is committed, but its answer is lost."""
    database = connections["default"]
    commit = database.commit

    def broken():
        monkeypatch.setattr(database, "commit", commit)
        commit()
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(database, "commit", broken)


def test_the_picture_of_an_inspection_stays_where_the_answer_of_the_database_was_lost(make_micrograph, monkeypatch):
    row = make_micrograph(state="running", attempt=1)
    commits_but_breaks(monkeypatch)
    with pytest.raises(OperationalError):
        after_inspection.publish_inspection(micrograph=row, facts={}, preview=picture())
    row.refresh_from_db()
    assert row.state == "done" and default_storage.exists(row.preview.name)


def test_the_files_of_a_result_stay_where_the_answer_of_the_database_was_lost(make_job, monkeypatch, tmp_path):
    job = make_job(state="running", attempt=1)
    (tmp_path / "particles.csv").write_text("sizes")
    files = {"particles.csv": tmp_path / "particles.csv"}
    commits_but_breaks(monkeypatch)
    with pytest.raises(OperationalError):
        publishing.publish(job=job, files=files, summary={})
    job.refresh_from_db()
    assert job.is_done and all(default_storage.exists(artifact.file.name) for artifact in job.artifacts.all())
