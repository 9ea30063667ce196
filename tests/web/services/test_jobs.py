"""Jobs through the services: made once, cancelled, retried, run again, deleted."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import Mock
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from kombu.exceptions import OperationalError

from segmentation.core.analysis import AnalysisSettings
from segmentation.models import Job, Micrograph
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import jobs
from segmentation.services.results.jobs import GONE
from segmentation.services.upkeep import upkeep

pytestmark = pytest.mark.django_db
NOBODY = AnonymousUser()


ME = UUID(int=7)


def create(micrograph, *, settings=None, user=NOBODY, visitor=ME, address="", token="token", **more):
    who = {"user": user, "visitor": visitor, "address": address}
    return jobs.create_job(
        micrograph=micrograph, settings=settings or AnalysisSettings.of(), token=token, **who, **more
    )


def test_a_new_job_waits_and_is_enqueued_after_the_commit(make_micrograph, commit, queue):
    visitor = uuid4()
    with commit():
        job = create(make_micrograph(), visitor=visitor, settings=AnalysisSettings.of(threshold=0.4))
        assert queue == []
    assert queue == ["analyses"]
    job.refresh_from_db()
    assert (job.state, job.attempt, job.owner, job.visitor) == ("queued", 0, None, visitor)
    assert job.get_settings() == AnalysisSettings.of(threshold=0.4)
    assert job.enqueued is not None


def test_a_double_click_makes_one_job_and_keeps_one_upload(make_micrograph, commit, queue):
    first, second = make_micrograph(), make_micrograph()
    with commit():
        assert create(first) == create(second)
    assert list(Micrograph.objects.all()) == [first]
    assert len(queue) == 1
    assert not second.file.storage.exists(second.file.name)


@pytest.mark.parametrize(
    "other",
    [{"token": "other"}, {"settings": AnalysisSettings.of(filter=True)}, {"user": "alice"}, {"sha256": "c" * 64}],
)
def test_any_difference_makes_another_job(make_micrograph, alice, other):
    sha256 = other.pop("sha256", "b" * 64)
    other = {**other, "user": alice} if "user" in other else other
    assert create(make_micrograph()) != create(make_micrograph(sha256=sha256), **other)


def test_a_broker_that_is_down_costs_no_job(make_micrograph, commit, queue, monkeypatch, caplog):
    with monkeypatch.context() as patch, commit():
        patch.setattr("celery.current_app.send_task", Mock(side_effect=OperationalError("connection refused")))
        job = create(make_micrograph())
    job.refresh_from_db()
    assert (job.state, job.enqueued) == ("queued", None)
    assert "be reached" in caplog.text
    Job.objects.update(queued=timezone.now() - timedelta(seconds=3))
    upkeep.rescue()
    assert queue == ["analyses"]


def test_the_waiting_jobs_of_one_visitor_are_limited(make_micrograph, settings, alice):
    settings.DEEPSEGM_WAITING_JOBS = 2
    visitor, address = uuid4(), "hash"
    micrograph = make_micrograph(visitor=visitor, address=address)
    sender = {"visitor": visitor, "address": address}
    create(micrograph, **sender, token="1")
    running = create(micrograph, **sender, token="2")
    with pytest.raises(Refused, match="2 of your analyses") as refused:
        create(micrograph, **sender, token="3")
    assert refused.value.status == 429
    with pytest.raises(Refused):
        create(micrograph, visitor=uuid4(), address=address, token="same address, cookie dropped")
    with pytest.raises(Refused):
        create(micrograph, visitor=visitor, address="elsewhere", token="same cookie, elsewhere")
    create(micrograph, user=alice, **sender, token="an account is counted for itself")
    create(micrograph, visitor=uuid4(), address="other", token="whoever runs another's image again is counted himself")
    assert create(micrograph, **sender, token="2") == running
    Job.objects.filter(pk=running.pk).update(state="done")
    create(micrograph, **sender, token="4")


def test_the_pixels_of_one_visitor_that_wait_are_limited(make_micrograph, make_sample, settings, alice):
    settings.DEEPSEGM_WAITING_MEGAPIXELS = 10
    large = make_micrograph(width=3000, height=2000)
    first = create(large, token="1")
    with pytest.raises(Refused, match="10 megapixels of yours") as refused:
        create(large, token="2")
    assert refused.value.status == 429
    shelved = create(large, token="2", shelve=True)
    assert shelved.state == "failed" and shelved.finished is not None, "or it would never be tidied away"
    create(large, visitor=uuid4(), token="others are not concerned")
    Job.objects.filter(pk=first.pk).update(state="done")
    create(large, token="3")


@pytest.mark.parametrize("state", ["queued", "running"])
def test_cancelling_ends_an_unfinished_job(make_job, state):
    job = jobs.cancel_job(job=make_job(state=state, attempt=1))
    assert job.state == "cancelled" and job.finished is not None
    assert jobs.cancel_job(job=job).state == "cancelled"


@pytest.mark.parametrize("state", ["done", "failed"])
def test_a_finished_job_cannot_be_cancelled(make_job, state):
    job = make_job(state=state)
    with pytest.raises(Refused, match="already ended") as refused:
        jobs.cancel_job(job=job)
    assert refused.value.status == 409
    assert Job.objects.get().state == state


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_retrying_queues_the_job_and_forgets_the_deaths(make_job, commit, queue, state):
    job = make_job(state=state, attempt=3, deaths=2, error="It broke.", finished=timezone.now(), progress=0.5)
    with commit():
        jobs.retry_job(job=job)
    assert queue == ["analyses"]
    job = Job.objects.get()
    assert (job.state, job.error, job.deaths, job.progress, job.finished) == ("queued", "", 0, 0.0, None)
    assert Job.objects.claim(job.pk).attempt == 4


@pytest.mark.parametrize("state", ["running", "done"])
def test_a_job_that_runs_or_is_done_cannot_be_retried(make_job, state):
    with pytest.raises(Refused, match="failed or was cancelled"):
        jobs.retry_job(job=make_job(state=state))


@pytest.mark.parametrize("service", [jobs.cancel_job, jobs.retry_job])
def test_what_was_deleted_meanwhile_is_said_to_be(make_job, service):
    job = make_job()
    Job.objects.filter(pk=job.pk).delete()
    with pytest.raises(Refused, match=GONE) as refused:
        service(job=job)
    assert refused.value.status == 404


def test_what_a_second_click_deletes_is_gone_already(make_job):
    job = make_job()
    row = Job.objects.get(pk=job.pk)
    jobs.delete_job(job=job)
    jobs.delete_job(job=row)
    with pytest.raises(Refused, match=GONE):
        jobs.retry_job(job=row)


@pytest.mark.parametrize("state", list(Job.State))
def test_deleting_removes_the_job_its_files_and_its_upload(make_job, own_storage, commit, state):
    job = make_job(state=state, attempt=1, files=("figure.png", "particles.csv"))
    stray = own_storage / job.folder / "2" / "half.png"
    stray.parent.mkdir()
    stray.touch()
    with commit():
        jobs.delete_job(job=job)
    assert not Job.objects.exists() and not Micrograph.objects.exists()
    assert [path for path in own_storage.rglob("*") if path.is_file()] == []
    assert not (own_storage / job.folder).exists()


def test_deleting_keeps_a_micrograph_that_another_job_needs(make_job, own_storage, commit):
    job = make_job(state="done")
    rerun = make_job(micrograph=job.micrograph, parent=job)
    with commit():
        jobs.delete_job(job=Job.objects.get(pk=job.pk))
    rerun.refresh_from_db()
    assert rerun.parent is None
    assert rerun.micrograph.file.storage.exists(rerun.micrograph.file.name)


def test_a_deletion_that_is_rolled_back_keeps_the_files(make_job, own_storage, commit):
    from django.db import transaction

    job = make_job(files=("figure.png",))
    with commit(), pytest.raises(RuntimeError), transaction.atomic():
        jobs.delete_job(job=Job.objects.get(pk=job.pk))
        raise RuntimeError
    assert Job.objects.filter(pk=job.pk).exists()
    assert (own_storage / job.folder / "0" / "figure.png").exists()


def test_another_storage_than_folders_is_emptied_too(settings, make_job, commit):
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    job = make_job(state="done", attempt=1, files=("figure.png",))
    storage, path = job.micrograph.file.storage, f"{job.folder}/1/figure.png"
    assert storage.exists(path)
    with commit():
        jobs.delete_job(job=job)
    assert not storage.exists(path) and not storage.exists(job.micrograph.file.name)
