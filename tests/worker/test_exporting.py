"""Files that are written when they are asked for: once, whatever fails, and the same as if written at once."""

from __future__ import annotations

import zipfile
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph import types
from segmentation.core.micrograph.scale_bar.readings import CUT_OFF, with_stored_reading
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report import exports
from segmentation.core.report.files import write_all
from segmentation.core.report.filing import Filing
from segmentation.core.tasks import find
from segmentation.models import ExportJob, Job, Micrograph, Superseded
from segmentation.services.ground import bundles
from segmentation.services.ground import queue as queue_service
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import after_inspection, jobs, publishing
from segmentation.services.results import exports as exports_service
from segmentation.services.upkeep import upkeep
from tests.core.builders import analysis_of, grey_of
from worker import tasks
from worker.analysis import exporting, measuring
from worker.analysis.samples import number_of
from worker.attempts import BROKEN

from .comparable import LABELS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "coarse")]
EVERY = exports.by_file_name("image", find("particles"))
STORED = {name for name, entry in EVERY.items() if entry.stored}


def pixels_of(stored, *_):
    micrograph = types.Micrograph(grey_of(LABELS), stored.name, stored.sha256, Calibration.absent())
    return with_stored_reading(micrograph, stored.reading)


def analysis():
    labels = np.zeros((96, 128), np.int32)
    for number in range(12):
        top, left = 6 + 30 * (number // 4), 6 + 30 * (number % 4)
        labels[top : top + 12 + number % 5, left : left + 14] = number + 1
    return analysis_of(labels)


@pytest.fixture
def done(make_job, make_segmentation, tmp_path, monkeypatch):
    """A finished job of `analysis`, with what is stored with every result."""
    outcome = analysis()
    job = make_segmentation().jobs.get()
    files = write_all(outcome, tmp_path / "stored", stored_only=True)
    for name, path in files.items():
        stored = job.artifacts.create(name=name, attempt=1, size=path.stat().st_size, content_type="text/plain")
        stored.file.save(f"{job.folder}/1/{name}", ContentFile(path.read_bytes()))
    Job.objects.filter(pk=job.pk).update(state="done", attempt=1, finished=timezone.now())
    monkeypatch.setattr(measuring, "load_micrograph", lambda *_: outcome.micrograph)
    monkeypatch.setattr(measuring, "stored_segmentation", lambda job: outcome.segmentation)
    monkeypatch.setattr("segmentation.core.pipeline.measure", lambda *arguments: outcome)
    return Job.objects.get(pk=job.pk)


@pytest.fixture
def brief(monkeypatch):
    """Further files are empty archives, where a test is about when they are written, not about what is in them."""

    def write(reported, folder, *, existing_names=(), stored_only=False, added_names=(), **how):
        files = (
            write_all(reported, folder, existing_names=existing_names, stored_only=True, **how) if stored_only else {}
        )
        names = {*files, *added_names} if stored_only else EVERY.keys()
        for name in names - files.keys() - set(existing_names):
            zipfile.ZipFile(folder / name, "w").close()
        return {name: folder / name for name in names}

    monkeypatch.setattr("segmentation.core.report.files.write_all", write)


def content(job, name):
    with bundles.open_file(job.artifact(name)) as file:
        return file.read()


def test_further_files_are_those_that_are_written_with_all(done, tmp_path):
    assert set(exports_service.unwritten_files(done)) == set(EVERY) - STORED
    export = queue_service.ask_for_files(done)
    tasks.do_analyses()
    export.refresh_from_db()
    assert (export.state, export.error) == ("done", "")
    assert exports_service.unwritten_files(done) == {}
    uploaded = Path(done.micrograph.file.path)
    filing = Filing(done.finished, image=uploaded, number=number_of(done, done.finished))
    at_once = write_all(analysis(), tmp_path / "all", for_the_page=False, filing=filing)
    with zipfile.ZipFile(at_once["notebook.eln"]) as entry:
        assert entry.read(f"notebook/result/micrograph{uploaded.suffix}") == uploaded.read_bytes()
    assert {name for name, path in at_once.items() if content(done, name) != path.read_bytes()} == set()


def test_a_file_that_is_published_while_it_is_asked_for_is_no_missing_one(done, brief, monkeypatch):
    queue_service.ask_for_files(done)
    lookup = Job.artifact

    def published_right_after(job, name):
        artifact = lookup(job, name)
        tasks.do_analyses()
        return artifact

    monkeypatch.setattr(Job, "artifact", published_right_after)
    assert exports_service.file_of(done, "figure.png") is not None


@pytest.mark.parametrize("meanwhile", [False, True])
def test_who_asks_for_a_file_that_is_not_written_ahead_gets_all(done, brief, monkeypatch, meanwhile):
    ExportJob.objects.create(job=done, asked=False)
    if meanwhile:
        published = exports_service.publish_export

        def asked_before(**what):
            exports_service.file_of(done, "bundle.zip")
            published(**what)

        monkeypatch.setattr(exports_service, "publish_export", asked_before)
    tasks.do_analyses()
    if not meanwhile:
        assert "bundle.zip" in exports_service.unwritten_files(done)
        exports_service.file_of(done, "bundle.zip")
    tasks.do_analyses()
    assert exports_service.unwritten_files(done) == {}


@pytest.mark.parametrize("wanted", [False, True])
def test_what_was_written_ahead_for_nobody_goes_after_an_hour(done, brief, own_storage, wanted, commit):
    before = {path for path in own_storage.rglob("*") if path.is_file()}
    ExportJob.objects.create(job=done, asked=False)
    tasks.do_analyses()
    ahead = {"figure.png", "figure-small.webp", "report.pdf", "caption-and-method.txt"}
    assert EVERY.keys() - exports_service.unwritten_files(done) == STORED | ahead | {
        "particles.xlsx",
        "particles-comma.csv",
    }
    if wanted:
        exports_service.file_of(done, "figure.png")
    ExportJob.objects.update(finished=timezone.now() - timedelta(hours=2))
    with commit():
        upkeep.tidy()
    assert ("report.pdf" in exports_service.unwritten_files(Job.objects.get(pk=done.pk))) != wanted
    assert wanted or {path for path in own_storage.rglob("*") if path.is_file()} == before


def test_who_asks_twice_has_it_written_once(done, brief):
    first, second = queue_service.ask_for_files(done), queue_service.ask_for_files(done)
    assert first == second
    tasks.do_analyses()
    tasks.do_analyses()
    first.refresh_from_db()
    assert first.attempt == 1
    assert done.artifacts.filter(name="report.pdf").count() == 1


def test_a_file_is_waited_for_no_longer_than_asked(done, brief, monkeypatch):
    monkeypatch.setattr(exports_service, "POLL_SECONDS", 0.0)
    assert exports_service.file_of(done, "nothing.pdf", 9) is None
    assert isinstance(exports_service.file_of(done, "report.pdf", 0.01), ExportJob)
    monkeypatch.setattr("time.sleep", lambda seconds: tasks.do_analyses())
    assert exports_service.file_of(done, "report.pdf", 9).name == "report.pdf"


def test_a_figure_with_options_is_written_beside_the_others_and_the_oldest_of_many_goes(done, monkeypatch):
    monkeypatch.setattr("segmentation.services.ground.queue.MOST_FIGURES", 1)
    name = exports_service.name_with_options("figure.png", {"panels": "dc", "font": "8", "colours": "grey"})
    assert (
        name == "figure-CD-8pt-grey.png" and exports_service.name_with_options("report.pdf", {"annex": "true"}) in EVERY
    )
    for wanted in (name, "figure-A-6pt.svg"):
        assert isinstance(exports_service.file_of(done, wanted), ExportJob)
        tasks.do_analyses()
        assert exports_service.file_of(Job.objects.get(pk=done.pk), wanted).name == wanted
    assert done.artifact(name) is None and done.artifact("report.pdf") is not None
    with bundles.open_file(done.artifact("bundle.zip")) as file, zipfile.ZipFile(file) as bundle:
        assert not any(name.startswith("figure-") for name in bundle.namelist())
    for options in ({"panels": "AE"}, {"font": "3"}, {"font": "x"}, {"colours": "red"}):
        with pytest.raises(Refused) as refused:
            exports_service.name_with_options("figure.png", options)
        assert refused.value.status == 422
    assert exports_service.file_of(done, "figure-CD-99pt.png") is None


def test_the_figure_is_there_before_the_slower_files_and_also_if_they_fail(done, own_storage, monkeypatch):
    there = []

    def fail(context, path):
        there.extend(done.artifacts.filter(name__startswith="figure").values_list("name", flat=True))
        raise ZeroDivisionError

    slow = replace(EVERY["report-annex.pdf"], write=fail)
    with monkeypatch.context() as patch:
        patch.setattr(exports, "by_file_name", lambda *arguments, **how: {**EVERY, "report-annex.pdf": slow})
        queue_service.ask_for_files(done)
        tasks.do_analyses()
    assert {"figure.png", "figure-small.webp"} <= set(there) and done.artifact("report.pdf") is not None
    ExportJob.objects.update(finished=timezone.now() - timedelta(minutes=1))
    queue_service.ask_for_files(done)
    tasks.do_analyses()
    assert done.artifact("report-annex.pdf") is not None
    for stored in done.artifacts.all():
        assert stored.file.storage.exists(stored.file.name), stored.name


def test_what_failed_says_so_and_begins_anew_when_asked_later(done, brief, monkeypatch, own_storage):
    with monkeypatch.context() as patch:
        patch.setattr("segmentation.core.report.files.write_all", Mock(side_effect=ZeroDivisionError))
        queue_service.ask_for_files(done)
        tasks.do_analyses()
    assert BROKEN.partition("{")[0] in queue_service.ask_for_files(done).error
    ExportJob.objects.update(finished=timezone.now() - timedelta(minutes=1))
    export = queue_service.ask_for_files(done)
    assert (export.state, export.error) == ("queued", "")
    tasks.do_analyses()
    assert done.artifact("report.pdf") is not None


def test_an_export_that_was_taken_away_leaves_no_file(done, own_storage, tmp_path):
    queue_service.ask_for_files(done)
    export = ExportJob.objects.claim(done.export.pk)
    ExportJob.objects.update(attempt=5)
    file = tmp_path / "report.pdf"
    file.write_bytes(b"report")
    with pytest.raises(Superseded):
        exports_service.publish_export(export=export, files={"report.pdf": file})
    assert not (own_storage / done.folder / "1" / "report.pdf").exists()
    assert (own_storage / done.folder / "1" / "particles.csv").exists()


def test_a_lost_worker_is_followed_by_another(done, brief):
    queue_service.ask_for_files(done)
    ExportJob.objects.claim(done.export.pk)
    upkeep.rescue(died=(ExportJob,))
    done.export.refresh_from_db()
    assert done.export.state == "queued"
    tasks.do_analyses()
    assert done.artifact("report.pdf") is not None


def test_the_analysis_of_a_moment_ago_is_measured_again_only_where_its_inputs_changed(done, brief, monkeypatch):
    outcome, measured = analysis(), []
    monkeypatch.setattr("segmentation.core.pipeline.measure", lambda *_: (measured.append(1), outcome)[1])
    exporting.remember_analysis(done, outcome)
    queue_service.ask_for_files(done)
    tasks.do_analyses()
    assert done.artifact("report.pdf") is not None and not measured
    done.artifact("report.pdf").delete()
    Micrograph.objects.filter(pk=done.micrograph_id).update(reading={"note": CUT_OFF})
    queue_service.ask_for_files(Job.objects.get(pk=done.pk))
    ExportJob.objects.update(state="queued", asked=True)
    tasks.do_analyses()
    assert len(measured) == 1


def test_nothing_is_written_of_a_job_that_is_not_done(done):
    Job.objects.update(state="running")
    assert exports_service.unwritten_files(Job.objects.get()) == {}
    assert exports_service.file_of(Job.objects.get(), "report.pdf") is None


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(("factor", "state", "doubted"), [(1.0, "running", 0), (2.0, "running", 1), (2.0, "done", 1)])
def test_what_a_bar_says_reaches_the_result_that_was_measured_before(result, monkeypatch, factor, state, doubted):
    """A width typed twice too large has one warning, whenever the bar is read: also while the result is published. A
    server that was told before is told again."""
    job, typed, announced = result(), Calibration.of_pixel(5.0), []
    monkeypatch.setattr("segmentation.services.results.exports.announce", lambda row, event: announced.append(event))
    summary = {**job.summary, "calibration": asdict(typed), "unread": True}
    settings = AnalysisSettings.of(calibration=typed).as_dict()
    Job.objects.filter(pk=job.pk).update(settings=settings, summary=summary, state=state)
    image = job.micrograph
    Micrograph.objects.filter(pk=image.pk).update(state="running", attempt=1)
    image.refresh_from_db()

    monkeypatch.setattr(measuring, "load_micrograph", pixels_of)
    reading = {"nm_per_pixel": 5.0 * factor, "relative_uncertainty": 0.001, "text": "100 nm", "sure": True}
    after_inspection.publish_reading(micrograph=image, reading=reading)
    if state == "running":
        job.refresh_from_db()
        publishing.publish(job=job, files={}, summary=summary)
    tasks.do_analyses()
    job.refresh_from_db()
    assert (job.state, job.summary["unread"], job.edit_count) == ("done", False, 0)
    assert sum("a factor of 2 apart" in sentence for sentence in job.summary["warnings"]) == doubted
    assert job.summary["calibration"]["nm_per_pixel"] == 5.0
    assert announced == ["job.done"] * doubted
    if state == "done":
        assert b"Do not use: scale wrong" in content(job, "particles.csv")
        assert b"Do not use: scale wrong" in content(job, "result.json")
        assert not ExportJob.objects.filter(asked=True).exists()


def test_files_for_nobody_yet_wait_for_the_data_bar(result, monkeypatch, queue, commit):
    """It may change them all; the reading lets them be written, once."""
    job, typed, written = result(), Calibration.of_pixel(5.0), []
    monkeypatch.setattr(
        tasks, "write_export_files", lambda export, *_: (written.append(export.pk), export.finish("done"))
    )
    summary = {**job.summary, "calibration": asdict(typed), "unread": True}
    Job.objects.filter(pk=job.pk).update(summary=summary, settings=AnalysisSettings.of(calibration=typed).as_dict())
    Micrograph.objects.filter(pk=job.micrograph_id).update(state="running", attempt=1)
    waiting = {"state": "queued", "asked": False, "enqueued": timezone.now()}  # the page has sent its message
    export, _ = ExportJob.objects.update_or_create(job=job, defaults=waiting)
    tasks.do_analyses()
    assert written == []
    with commit():
        after_inspection.publish_reading(micrograph=Micrograph.objects.get(pk=job.micrograph_id), reading={})
    assert queue == ["analyses"] and not Job.objects.get(pk=job.pk).summary["unread"]
    tasks.do_analyses()
    assert written == [export.pk]


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    "read", [{}, {"nm_per_pixel": 5.0, "relative_uncertainty": 0.001, "text": "1 µm", "sure": True}]
)
def test_a_bar_that_was_not_read_in_time_is_read_again(result, monkeypatch, django_capture_on_commit_callbacks, read):
    """The result and the API say so; one action queues it, twice is once, and then no trace is left."""
    job = result()
    image = job.micrograph

    def publish(reading):
        Micrograph.objects.filter(pk=image.pk).update(state="running", attempt=1)
        after_inspection.publish_reading(micrograph=Micrograph.objects.get(pk=image.pk), reading=reading)
        tasks.do_analyses()
        return Job.objects.get(pk=job.pk)

    monkeypatch.setattr(measuring, "load_micrograph", pixels_of)
    unread = {**job.summary, "calibration": asdict(Calibration.absent()), "unread": True}
    Job.objects.filter(pk=job.pk).update(summary=unread)
    job = publish({"note": CUT_OFF})
    assert job.scale_check == "cut off" and CUT_OFF in job.summary["warnings"]
    with django_capture_on_commit_callbacks() as messages:
        jobs.retry_job(job=job)
    job = Job.objects.get(pk=job.pk)
    assert len(messages) == 1
    assert (job.state, job.scale_check, job.micrograph.state) == ("done", "pending", "queued")
    assert jobs.retry_job(job=job).scale_check == "pending"
    job = publish(read)
    assert job.scale_check == "done" and CUT_OFF not in job.summary["warnings"]
    assert job.summary["calibration"]["nm_per_pixel"] == read.get("nm_per_pixel")
    with pytest.raises(Refused, match="failed or was cancelled"):
        jobs.retry_job(job=job)
