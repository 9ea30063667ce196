"""One attempt at a job: what it publishes, what it says when it fails, and when it must leave no trace."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
import threading
from datetime import timedelta
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from botocore.exceptions import EndpointConnectionError
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import task_failure
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.utils import timezone

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.types import NO_SCALE, Calibration, UnreadableImage
from segmentation.core.network.cards import AlteredWeights, NoDevice, UnknownModel
from segmentation.core.network.served import ServerAway, ServerGone
from segmentation.models import ExportJob, Job, Micrograph, Superseded
from segmentation.services.ground import queue
from segmentation.services.ground.refusal import DATABASE, FULL, STORAGE
from segmentation.services.results import after_inspection, exports, jobs, publishing
from segmentation.services.upkeep import upkeep
from tests.conftest import picture
from worker import attempts, heartbeat, tasks
from worker.analysis import analysing
from worker.attempts import BROKEN, NO_NETWORKS
from worker.fetching import GONE
from worker.reading import decoding
from worker.tasks import do_analyses, requeue_running_rows

from . import fake

READ, DO_IDLE = decoding.read_micrograph, tasks._do_idle
STORED = ("particles.csv.gz", "outlines.json.gz")  # texts are compressed
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "busy")]


def run(job):
    """One turn of the worker, and what it made of the job."""
    do_analyses()
    job.refresh_from_db()


def stored_files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_outlines_are_shown_as_they_are_found_and_settings_of_measuring_may_change_meanwhile(science, make_job):
    job, segment, measure = make_job(), science.segment, science.measure_objects
    seen = []

    def changing(*arguments, **more):
        made = segment(*arguments, **more)
        more["show"](made.labels * 0, made.confidence[:0])  # another reading finds fewer
        seen.append(Job.objects.get().early)
        assert jobs.change_job(job=job, settings=AnalysisSettings.of(filter=True), asked=None)
        return made

    def watched(micrograph, outlines, settings, *arguments, **more):
        seen.extend([Job.objects.get().early, settings.measurement.filter])
        return measure(micrograph, outlines, settings, *arguments, **more)

    science.segment, science.measure_objects = changing, watched
    do_analyses()
    first, last, is_filtered = seen
    assert (first["width"], first["height"], first["part"], last["part"]) == (64, 48, "1-1", "1-2")
    assert first["paths"][0].startswith("M") and first["paths"][0].endswith("Z") and is_filtered
    job.refresh_from_db()
    assert (job.state, job.attempt, job.early) == ("done", 1, {})


@pytest.mark.parametrize("meanwhile", [False, True])
def test_outlines_are_looked_for_while_the_bar_that_tells_the_scale_is_read(science, make_job, meanwhile):
    job, segment, searches = make_job(ready=False, asked={"width": "", "source": None}), science.segment, []

    def read():
        Micrograph.objects.update(state="running")
        after_inspection.publish_reading(
            micrograph=Micrograph.objects.get(), reading={"nm_per_pixel": 5.0, "sure": True, "unit": "nm"}
        )

    def segmenting(*arguments, **more):
        searches.append(job.pk)
        if meanwhile:
            read()
        return segment(*arguments, **more)

    science.segment = segmenting
    Micrograph.objects.update(state="queued", calibration={})
    assert Job.objects.arriving().exists()  # what nobody waits for gives way to it
    run(job)
    assert job.segmentation is not None and (job.state, job.ready, job.attempt) == ("queued", meanwhile, 1)
    if not meanwhile:
        assert not Job.objects.arriving().exists()
        read()
    run(job)
    assert (job.state, job.ready, len(searches), job.attempt) == ("done", True, 1, 2)
    assert not job.summary["unread"] and not job.summary["reused"], "measured with what was read"


def test_progress_never_goes_back(make_job):
    job = make_job(state="running", attempt=1)
    report = attempts.ProgressReporter(job, SimpleNamespace(superseded=threading.Event()))
    for stage, fraction in (("first look", 0.5), ("second look", 0.2), ("third look", 0.6)):
        report(stage, fraction)
        job.refresh_from_db()
        assert (job.stage, job.progress) == (stage, max(fraction, 0.5))


def test_another_attempt_begins_where_the_last_one_was(make_job):
    job = make_job(state="running", attempt=2, progress=0.6)
    report = attempts.ProgressReporter(job, SimpleNamespace(superseded=threading.Event()))
    for stage, fraction in (("reading the image", 0.0), ("segmenting", 0.4), ("measuring", 0.7)):
        report(stage, fraction)
        job.refresh_from_db()
        assert (job.stage, job.progress) == (stage, max(fraction, 0.6))


def test_a_waiting_page_never_goes_back(science, make_job, client, settings):
    """Outlines are found, its scale is waited for, it waits for its turn, its worker is lost, it runs again."""
    job, seen = make_job(visitor=None), []

    def look():
        page = client.get(f"/jobs/{job.pk}/status/").content.decode()
        seen.append(int(re.search(r'<progress max="100" value="(\d+)"', page)[1]))

    look()
    Job.objects.claim(job.pk).report(stage="separating", progress=0.64)
    look()
    Job.objects.filter(pk=job.pk).update(ready=False)
    jobs.wait_for_scale(Job.objects.get(pk=job.pk))
    look()
    Job.objects.filter(pk=job.pk).update(ready=True, queued=timezone.now())
    look()
    lost = Job.objects.claim(job.pk)
    look()
    publishing.requeue_row(row=lost)
    look()
    attempts.ProgressReporter(Job.objects.claim(job.pk), SimpleNamespace(superseded=threading.Event()))(
        "measuring", 0.2
    )
    look()
    assert seen == [0, *[64] * (len(seen) - 1)]


def test_a_job_ends_done_with_its_files_and_summary(science, make_job, own_storage, caplog):
    job = make_job()
    with caplog.at_level("INFO"):
        do_analyses()
    assert f"{job.pk}: 1 particle" in caplog.text
    assert job.micrograph.name not in caplog.text, "names of files tell what a laboratory works on"
    job.refresh_from_db()
    assert (job.state, job.attempt, job.progress, job.error) == ("done", 1, 1.0, "")
    assert sorted(a.name for a in job.artifacts.all()) == sorted(fake.NAMES)
    assert stored_files(own_storage / job.folder) == [f"1/{name}" for name in sorted(STORED)]
    assert job.artifact("particles.csv").content_type == "text/csv"
    assert job.summary["statistics"] == {"n_kept": 1, "median": 12.5, "sd": None}
    assert job.summary["image"] == {"width": 64, "height": 48}
    assert job.summary["data_bar"] is None
    assert job.summary["model"]["sha256"] == "a" * 64
    assert job.summary["warnings"] == [NO_SCALE]


@pytest.mark.parametrize(("comes", "wanted", "written"), [(0, 0, 1), (1, 0, 0), (1, 1, 1)])
def test_files_of_a_result_that_is_looked_at_are_written_in_an_idle_moment(
    science, make_job, monkeypatch, comes, wanted, written
):
    """They stop for a job that comes, unless somebody has asked for them meanwhile."""
    job, written_all = make_job(), fake.write_all
    exports.write_in_advance(job)

    def busy(analysis, folder, **how):
        is_export = "existing_names" in how
        if is_export and comes:
            make_job(enqueued=timezone.now())
        if is_export and wanted and not ExportJob.objects.get().asked:
            queue.ask_for_files(job)
        return written_all(analysis, folder, **how)

    monkeypatch.setattr(tasks, "_do_idle", DO_IDLE)
    monkeypatch.setattr(heartbeat, "URGENT_WORK_CHECK_SECONDS", -1)
    monkeypatch.setattr(sys.modules["segmentation.core.report.files"], "write_all", busy)
    do_analyses()
    assert job.artifacts.filter(name="figure.png").count() == written
    export = ExportJob.objects.get()  # queued again for the files that are not written ahead
    assert (export.state, export.asked) == ("done" if written and not wanted else "queued", bool(wanted))
    assert Job.objects.get(pk=job.pk).state == "done"


def test_the_foreign_file_is_decoded_in_a_confined_process(science, make_job, monkeypatch):
    decoded = Mock(side_effect=AssertionError("a foreign file was decoded in the worker's own process"))
    monkeypatch.setattr(decoding, "read_micrograph", READ)
    monkeypatch.setattr("segmentation.core.micrograph.reader._decode", decoded)
    job = make_job()
    run(job)
    assert (job.state, job.summary["image"]) == ("done", {"width": 64, "height": 48})


@pytest.mark.services
def test_the_whole_life_of_a_job_takes_few_queries(science, client, reader, django_assert_max_num_queries):
    """docs/operate/production.md reckons with it: how many workers one database can serve."""
    secret = {"headers": {"Authorization": "Bearer the secret of a script"}}
    with django_assert_max_num_queries(96):
        file = SimpleUploadedFile("a.png", picture())
        client.post("/api/v1/jobs", {"file": file}, **secret)
        do_analyses()
    assert Job.objects.get().state == "done"


def test_every_stage_reaches_the_row(science, make_job, monkeypatch):
    reports = []
    monkeypatch.setattr(Job, "report", lambda job, **fields: reports.append((fields["stage"], fields["progress"])))
    make_job()
    do_analyses()
    stages = [stage for stage, _ in reports]
    assert stages == ["reading the image", "segmenting", "measuring", "drawing the figure", "storing the results"]
    assert [progress for _, progress in reports] == sorted(progress for _, progress in reports)


def test_a_stage_is_told_at_most_twice_a_second(science, make_job, monkeypatch):
    reports = []
    report = Job.report

    def segment(micrograph, recipe, progress, **kwargs):
        for step in range(1000):
            progress("segmenting", step / 1000)
        return fake.segment(micrograph, recipe, progress)

    science.segment = segment
    monkeypatch.setattr(Job, "report", lambda job, **fields: (reports.append(fields), report(job, **fields)))
    make_job()
    do_analyses()
    assert len([report for report in reports if report.get("stage") == "segmenting"]) < 100


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UnreadableImage("The file ends too early: save it again."), "The file ends too early: save it again."),
        (AlteredWeights("The weights were altered."), "The weights were altered."),
        (NoDevice("There is no device 'cuda'."), "There is no device 'cuda'."),
        (SoftTimeLimitExceeded(), "took longer than the 30 minutes allowed"),
        (MemoryError(), "needs more memory than"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried"), "needs more memory than"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "needs more memory than"),
        (ZeroDivisionError("division by zero"), BROKEN.partition("{")[0]),
    ],
)
def test_a_failure_is_told_in_one_sentence(science, make_job, own_storage, error, sentence):
    science.segment = Mock(side_effect=error)
    job = make_job()
    run(job)
    assert job.state == "failed"
    assert sentence in job.error
    assert "Traceback" not in job.error and "division" not in job.error
    assert job.finished is not None
    assert stored_files(own_storage / "jobs") == []


def test_a_picture_that_ends_the_server_of_networks_again_and_again_fails(science, make_job):
    def segment(*args, **kwargs):
        raise ServerGone

    science.segment = segment
    job = make_job()
    for state, deaths in (("queued", 1), ("queued", 2), ("failed", 0)):
        Job.objects.update(due=None)
        do_analyses()
        job.refresh_from_db()
        assert (job.state, job.deaths) == (state, deaths)
    assert job.error == str(ServerGone())


def test_a_server_of_networks_that_does_not_start_costs_no_attempt(science, make_job):
    science.segment = Mock(side_effect=ServerAway)
    job = make_job()
    for _ in range(4):
        Job.objects.update(due=None)
        run(job)
        assert (job.state, job.deaths, job.stage) == ("queued", 0, NO_NETWORKS)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (OperationalError("database or disk is full"), "disk is full"),
        (OSError(errno.EIO, "Input/output error"), STORAGE),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), STORAGE),
        (EndpointConnectionError(endpoint_url="http://store"), STORAGE),
        (OperationalError("server closed the connection unexpectedly"), DATABASE),
    ],
)
def test_trouble_of_the_machine_ends_no_job(science, make_job, own_storage, error, why):
    """12 of 20 accepted jobs failed on a full disk, "wrong in our software"."""

    def segment(*args, **kwargs):
        raise UnreadableImage("The file is damaged.") from error

    science.segment = segment
    job = make_job()
    for wait in (2, 4, 8, 16, 30, 30):
        Job.objects.update(due=None)
        began = timezone.now()
        run(job)
        assert (job.state, job.error, job.deaths) == ("queued", "", 0)
        assert why in job.stage
        assert began <= job.due - timedelta(seconds=wait) <= timezone.now()
    do_analyses()
    assert Job.objects.get().attempt == 6  # it is not due
    science.segment = fake.segment
    Job.objects.update(due=timezone.now())
    run(job)
    assert (job.state, job.stage, job.faults, job.due) == ("done", "", 0, None)


def test_without_room_nothing_is_computed(science, make_job, settings):
    settings.DEEPSEGM_MIN_FREE_MB = 10**9
    science.segment = None
    job = make_job()
    run(job)
    assert (job.state, job.stage) == ("queued", FULL)


@pytest.mark.services
def test_an_end_that_cannot_be_stored_is_tried_until_it_can(science, make_job, monkeypatch):
    slept, change = [], Job.change

    def away(row, **fields):
        if fields.get("state") == "failed" and len(slept) < 5:
            raise OperationalError("database or disk is full")
        change(row, **fields)

    science.segment = Mock(side_effect=UnreadableImage("Damaged."))
    monkeypatch.setattr(Job, "change", away)
    monkeypatch.setattr("worker.attempts.time.sleep", slept.append)
    monkeypatch.setattr("worker.tasks.connection.close", lambda: None)
    job = make_job()
    run(job)
    assert (job.state, job.error, slept) == ("failed", "Damaged.", [1, 2, 5, 10, 10])


def test_an_upload_whose_file_has_gone_says_so(science, make_job, own_storage):
    job = make_job()
    (own_storage / job.micrograph.file.name).unlink()
    run(job)
    assert (job.state, job.error) == ("failed", GONE)


def test_where_nothing_of_the_storage_is_there_no_image_is_to_blame(science, make_job, own_storage):
    """A disk that is not mounted, or a bucket of another name."""
    job = make_job()
    make_job()
    (own_storage / "uploads").rename(own_storage / "elsewhere")
    run(job)
    assert (job.state, job.stage) == ("queued", STORAGE)


def test_an_analysis_that_starts_alone_takes_all_cores(make_job, settings):
    settings.DEEPSEGM_CONCURRENCY, settings.DEEPSEGM_DEVICE = 2, "cpu"
    make_job(state="running")
    alone = analysing.runtime_now().threads
    make_job()
    assert (alone, analysing.runtime_now().threads) == (os.cpu_count(), 0)


def test_an_ordered_stop_puts_a_job_back_and_is_no_death(make_job, monkeypatch):
    job, other = (make_job(state="running", attempt=2, deaths=1, message=message) for message in ("mine", "another's"))
    at_work = SimpleNamespace(name="worker.analyses", id="mine")
    monkeypatch.setattr("worker.tasks.state.active_requests", [at_work])
    monkeypatch.setattr("worker.tasks.connection.close", lambda: None)
    requeue_running_rows()
    states = dict(Job.objects.values_list("pk", "state"))
    assert states == {job.pk: "queued", other.pk: "running"} and set(Job.objects.values_list("deaths")) == {(1,)}


def test_the_worker_counts_the_death_of_its_own_child(make_job, monkeypatch):
    """Celery's signal, as the worker's own process sends it; what a task raises itself is no death."""
    monkeypatch.setattr("worker.tasks.connection.close", lambda: None)
    job = make_job()
    for error, state in ((ValueError(), "running"), (WorkerLostError(), "queued"), (TimeLimitExceeded(9), "failed")):
        if claimed := Job.objects.claim(job.pk, message="7"):
            claimed.report(stage="segmenting")
        task_failure.send(sender=do_analyses, task_id="7", exception=error)
        job.refresh_from_db()
        assert job.state == state


@pytest.mark.services
def test_a_claim_notes_the_message_it_was_made_for(science, make_job):
    job = make_job()
    do_analyses.apply(task_id="message 7")
    job.refresh_from_db()
    assert (job.state, job.message) == ("done", "message 7")


def test_our_own_fault_names_the_job_and_is_logged(science, make_job, caplog):
    science.segment = Mock(side_effect=ZeroDivisionError("division by zero"))
    job = make_job()
    run(job)
    assert str(job.pk) in job.error
    assert "ZeroDivisionError" in caplog.text


def test_an_unreadable_stored_file_fails_with_its_sentence(science, make_job, make_micrograph):
    job = make_job(micrograph=make_micrograph(content=b"no image"))
    run(job)
    assert job.state == "failed"
    assert "software" not in job.error


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(lambda job: jobs.cancel_job(job=job), id="cancelled"),
        pytest.param(lambda job: jobs.delete_job(job=job), id="deleted"),
        pytest.param(lambda job: upkeep.rescue(died=(Job,)), id="rescued"),
    ],
)
@pytest.mark.parametrize("when", ["analysing", "writing", "failing"])
@pytest.mark.services
def test_an_attempt_that_lost_its_job_leaves_no_trace(science, make_job, own_storage, monkeypatch, commit, event, when):
    job = make_job()

    def strike():
        event(Job.objects.get(pk=job.pk))

    def segment(micrograph, recipe, progress, **kwargs):
        if when == "analysing":
            strike()
            progress("segmenting", 0.5)
        if when == "failing":
            strike()
            raise ZeroDivisionError
        return fake.segment(micrograph, recipe, progress)

    def write_all(analysis, folder, **how):
        if when == "writing":
            strike()
        return fake.write_all(analysis, folder, **how)

    science.segment = segment
    monkeypatch.setattr(sys.modules["segmentation.core.report.files"], "write_all", write_all)
    with commit():
        do_analyses()
    assert stored_files(own_storage / "jobs") == []
    row = Job.objects.filter(pk=job.pk).first()
    assert row is None or (row.state in ("cancelled", "queued") and not row.artifacts.exists() and row.error == "")


@pytest.mark.services
def test_losing_the_job_at_the_very_end_removes_the_stored_files(science, make_job, own_storage, tmp_path):
    job = Job.objects.claim(make_job().pk)
    jobs.cancel_job(job=Job.objects.get(pk=job.pk))
    file = tmp_path / "figure.png"
    file.write_bytes(b"figure")
    with pytest.raises(Superseded):
        publishing.publish(job=job, files={"figure.png": file}, summary={})
    assert stored_files(own_storage / "jobs") == []
    assert not job.artifacts.exists()


@pytest.mark.services
def test_publishing_removes_what_older_attempts_left(science, make_job, own_storage):
    job = make_job(attempt=1)
    leftover = own_storage / job.folder / "1" / "figure.png"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half a figure")
    do_analyses()
    assert stored_files(own_storage / job.folder) == [f"2/{name}" for name in sorted(STORED)]


@pytest.fixture
def parent(science, make_job):
    job = make_job()
    do_analyses()
    return Job.objects.get(pk=job.pk)


no_network = Mock(side_effect=AssertionError("the network was asked"))


def again(parent, **settings):
    """The parent's image with other settings, run."""
    who = {"user": None, "visitor": None, "token": str(settings)}
    job = jobs.rerun_job(job=parent, settings=AnalysisSettings.of(**settings), **who)
    run(job)
    return job


@pytest.fixture
def no_model(monkeypatch):
    """The model that found things has been removed since."""
    monkeypatch.setattr("segmentation.core.network.cards.available", lambda folder=None: [])
    monkeypatch.setattr(
        "segmentation.core.network.cards.find", Mock(side_effect=UnknownModel("There is no model here."))
    )


def test_other_numbers_of_what_was_found_need_no_model(science, parent, no_model):
    science.segment = no_network
    job = again(parent, calibration=Calibration.of_width(5000, 64), filter=True)
    assert (job.state, job.error, job.segmentation) == ("done", "", parent.segmentation)
    assert job.summary["reused"] is True
    assert job.summary["calibration"]["source"] == "typed"
    assert job.summary["model"] == {"name": "particles", "title": "Particles", "version": "1", "sha256": "a" * 64}


def test_another_model_under_the_same_name_changes_nothing_that_was_found(science, parent, model):
    object.__setattr__(model, "sha256", "c" * 64)
    science.segment = no_network
    assert again(parent, filter=True).segmentation == parent.segmentation


def test_it_is_segmented_anew_where_that_is_asked_for(science, parent):
    assert again(parent, threshold=0.7).segmentation != parent.segmentation
    who = {"user": None, "visitor": None, "token": "again"}
    job = jobs.rerun_job(job=parent, settings=parent.get_settings(), again=True, **who)
    run(job)
    assert job.state == "done" and job.segmentation != parent.segmentation and job.summary["reused"] is False


@pytest.mark.parametrize("change", ["damaged", "truncated", "gone", "newer", "foreign"])
def test_what_was_stored_and_cannot_be_measured_is_segmented_at_the_next_try(science, parent, change):
    stored = parent.segmentation.file
    with stored.open("rb") as file:
        content = file.read()
    stored.storage.delete(stored.name)
    if change == "newer":
        content = with_header(content, format="deepsegm-segmentation/9")
    if change == "foreign":
        content = with_header(content, provenance=fake.outlines("f" * 64).provenance.as_dict())
    if change != "gone":
        stored.storage.save(
            stored.name, ContentFile({"damaged": b"no zip", "truncated": content[:300]}.get(change, content))
        )
    job = again(parent, filter=True)
    assert job.state == "failed" and "try again" in job.error and job.error.count(".") == 1
    jobs.retry_job(job=job)
    run(job)
    assert (job.state, job.error) == ("done", "") and job.segmentation != parent.segmentation


def with_header(content, **entries):
    with np.load(io.BytesIO(content)) as data:
        header = {**json.loads(data["header"].tobytes()), **entries}
        arrays = {**data, "header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def test_a_second_attempt_does_not_segment_again(science, make_job, monkeypatch):
    job = make_job()
    with monkeypatch.context() as patch:
        patch.setattr(
            sys.modules["segmentation.core.report.files"],
            "write_all",
            Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")),
        )
        run(job)
    assert job.state == "queued" and job.summary["statistics"]["n_kept"] == 1, "the numbers are there already"
    science.segment = no_network
    Job.objects.update(due=None)
    run(job)
    assert job.state == "done"


@pytest.mark.services
def test_what_was_found_goes_with_the_last_job_that_measured_it(science, parent, own_storage, commit):
    job = again(parent, filter=True)
    (file,) = stored_files(own_storage / "segmentations")
    with commit():
        jobs.delete_job(job=parent)
    assert stored_files(own_storage / "segmentations") == [file]
    with job.artifact("segmentation.npz").file.open("rb") as stored:
        assert len(stored.read()) == job.segmentation.size
    with commit():
        jobs.delete_job(job=job)
    assert stored_files(own_storage / "segmentations") == []
