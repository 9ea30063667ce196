"""Pooling in the worker: stored tables in, files and numbers out; whatever happens meanwhile, the row is the truth."""

from __future__ import annotations

import csv
import io
import json
from unittest.mock import Mock

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from segmentation.core.flags import DO_NOT_USE, Flag, as_json, is_unusable
from segmentation.core.measure.quantities import Value
from segmentation.core.measure.shape.shapes import measure
from segmentation.core.measure.statistics import summarise
from segmentation.core.measure.uncertainty.budget import Conditions
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.files import write_all
from segmentation.core.sample import BY_USER, NOT_TO_USE
from segmentation.models import REQUEUE_FIELDS, Artifact, ExportJob, Job, Sample
from segmentation.services.ground import bundles, tables
from segmentation.services.ground.queue import ask_for_files
from segmentation.services.results import exports, pooling, samples
from tests.web.finished import SUMMARY
from worker.analysis import exporting
from worker.analysis.samples import CANCELLED, LOST, NONE_LEFT, OTHER_SETTINGS, UNREAD, filing_of, pooled_again
from worker.attempts import BROKEN
from worker.reading import decoding
from worker.tasks import do_analyses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]
DONE, FAILED = Job.State.DONE, Job.State.FAILED
USED = {"threshold": 0.5, "polarity": "bright", "scale": 1.0}


def squares(sizes, nm_per_pixel=2.0):
    """The table of squares of these sides in px, none touching the frame."""
    labels = np.zeros((200, 40 * len(sizes) + 10), np.int32)
    for number, size in enumerate(sizes):
        labels[10 : 10 + size, 10 + 40 * number : 10 + 40 * number + size] = number + 1
    confidence = np.ones(len(sizes), np.float32)
    return measure(labels, labels.astype(np.uint8), confidence, nm_per_pixel, len(labels))


@pytest.fixture
def pooled(make_sample, tmp_path):
    """A sample that waits for its pooling, each image with a table (None: it failed) and its clarity."""

    def make(*stored, **fields):
        states = [FAILED if table is None else DONE for table in stored]
        sample = make_sample(*states, state=Sample.State.QUEUED, **fields)
        for job, table in zip(sample.jobs.order_by("created"), stored, strict=True):
            if table is None:
                continue
            path = tables.save(table, 1.0, tmp_path / tables.TABLE_FILE)
            scale = Calibration(table.nm_per_pixel, "typed" if table.nm_per_pixel else "none")
            job.summary = {
                **SUMMARY,
                "statistics": summarise(table, Conditions(calibration=scale)).as_dict(),
                "calibration": {**vars(scale)},
                "used": USED,
                "data_bar": None,
                "order": ["median"],
                "quantities": {"median": Value(28.0, 20.0, 30.0, "nm").as_dict()},
            }
            job.save()
            artifact = Artifact(job=job, attempt=0, name=tables.TABLE_FILE, size=1, content_type="x")
            artifact.file.save(f"{job.folder}/0/{tables.TABLE_FILE}", ContentFile(path.read_bytes()))
            artifact.save()
        return sample

    return make


def run(sample):
    do_analyses()
    sample.refresh_from_db()
    return sample.pooled


def test_a_table_survives_its_file_to_the_last_digit(tmp_path):
    table = squares([7, 9, 13]).judged(np.array(["", "too small", ""]))
    path = tables.save(table, 0.25, tmp_path / "table.npz")
    with path.open("rb") as file:
        restored, clarity = tables.load(file)
    assert clarity == 0.25 and restored.nm_per_pixel == table.nm_per_pixel
    for name, values in table.columns.items():
        np.testing.assert_array_equal(restored[name], values)
        assert restored[name].dtype == values.dtype


def test_all_images_are_pooled_and_their_files_stored(pooled):
    sample = pooled(squares([10, 12, 14]), None, squares([16, 18]))
    summary = run(sample)
    assert (sample.state, sample.error, sample.progress) == (Sample.State.DONE, "", 1.0)
    assert (summary["n_kept"], summary["unit"]) == (5, "nm") and summary["median"] == pytest.approx(28.0, rel=0.02)
    assert summary["of"] == [str(job.pk) for job in sample.jobs.filter(state=DONE).order_by("created")]
    assert [row["n"] for row in summary["images"]] == [3, 2]
    assert [sum(column) for column in summary["histogram"]["counts"]] == [3, 2]
    files = files_of(sample)
    assert {"figure.png", "particles.csv", "images.csv", "report.pdf", "result.json"} <= set(files)
    table = files["particles.csv"].decode("utf-8-sig").splitlines()
    rows = list(csv.DictReader(line for line in table if not line.startswith("#")))
    assert [row["image"] for row in rows] == ["0.png"] * 3 + ["2.png"] * 2
    assert json.loads(files["result.json"])["statistics"]["n_kept"] == 5


MODEL = {"name": "particles", "title": "Particles", "version": "1.2", "sha256": "cd" * 32}


def files_of(sample):
    """All files of a pooled sample, as somebody asks for them."""
    if exports.unwritten_files(sample):
        ask_for_files(sample)
        do_analyses()
    return stored_files_of(sample)


def stored_files_of(sample):
    return {artifact.name: bundles.open_file(artifact).read() for artifact in sample.artifacts.all()}


def test_its_numbers_come_before_its_files(pooled):
    sample = pooled(squares([10, 12, 14]), squares([16, 18]))
    run(sample)
    stored = {name for name, export in exports.files_of_kind(sample).items() if export.stored}
    assert sample.state == Sample.State.DONE and set(stored_files_of(sample)) == stored
    assert not ExportJob.objects.exists(), "nobody has looked at it"


def test_files_that_are_asked_for_later_are_those_that_would_have_been_written_at_once(pooled, tmp_path):
    sample = pooled(squares([10, 12, 14]), None, squares([16, 18]))
    run(sample)
    filing = filing_of(sample, sample.jobs.filter(pk__in=sample.stored.pooled_ids))
    written = write_all(pooled_again(sample, lambda *report: None), tmp_path / "at-once", filing=filing)
    exports.write_in_advance(sample)
    do_analyses()
    ahead = stored_files_of(sample)
    assert {"report.pdf", "sample.xlsx", "figure.png"} <= set(ahead) < set(written)
    every = files_of(sample)
    assert set(every) == set(written)
    for name, path in written.items():
        assert every[name] == path.read_bytes(), name
        assert ahead.get(name) in (None, every[name])


def test_files_of_a_sample_that_changes_meanwhile_are_dropped_and_its_earlier_ones_stay(pooled, monkeypatch):
    sample = pooled(squares([10]), squares([12]))
    run(sample)
    before, write = stored_files_of(sample), exporting.early_file_names

    def change(result):
        pooling.refresh_sample(sample.pk)
        return write(result)

    ask_for_files(sample)
    with monkeypatch.context() as patch:
        patch.setattr(exporting, "early_file_names", change)
        do_analyses()
    sample.refresh_from_db()
    assert sample.state == Sample.State.QUEUED and not ExportJob.objects.exists()
    assert stored_files_of(sample) == before
    assert exports.file_of(sample, "result.json").name == "result.json", "as long as its numbers are on the page"
    assert exports.file_of(sample, "report.pdf") == sample, "of the new numbers"
    run(sample)
    assert exports.file_of(sample, "report.pdf") == ExportJob.objects.get()
    do_analyses()
    assert exports.file_of(sample, "report.pdf").attempt == sample.attempt == 2


def test_a_killed_worker_loses_no_file_of_a_sample(pooled, monkeypatch):
    sample = pooled(squares([10, 12]), squares([16]))
    run(sample)
    export, publish = ask_for_files(sample), exports.publish_export

    def die(*, export, files, early=False, **more):
        publish(export=export, files=files, early=early, **more)
        if early:
            ExportJob.objects.filter(pk=export.pk).update(attempt=99)  # nobody hears of this attempt again

    with monkeypatch.context() as patch:
        patch.setattr(exporting.exports_service, "publish_export", die)
        do_analyses()
    first = stored_files_of(sample)
    assert "figure.png" in first and "bundle.zip" not in first
    ExportJob.objects.filter(pk=export.pk).update(**REQUEUE_FIELDS)
    do_analyses()
    every = stored_files_of(sample)
    assert not exports.unwritten_files(sample) and {name: every[name] for name in first} == first


def test_the_files_of_a_sample_go_with_it(pooled, own_storage, django_capture_on_commit_callbacks):
    sample = pooled(squares([10, 12]))
    run(sample)
    files_of(sample)
    folder = own_storage / sample.folder
    assert any(folder.rglob("*.pdf"))
    with django_capture_on_commit_callbacks(execute=True):
        samples.delete_sample(sample=sample)
    assert not ExportJob.objects.exists() and not folder.exists()


def test_files_are_not_written_without_an_image_that_was_pooled(pooled, own_storage):
    sample = pooled(squares([10, 12]), squares([16]))
    run(sample)
    (own_storage / sample.jobs.first().artifact(tables.TABLE_FILE).file.name).unlink()
    export = ask_for_files(sample)
    do_analyses()
    export.refresh_from_db()
    assert (export.state, export.error) == ("failed", LOST)
    assert set(stored_files_of(sample)) <= {"result.json", "particles.csv"}


def test_an_image_that_must_not_be_used_is_left_out_until_a_person_agrees(pooled):
    """Whether its sample follows a method or not; a warning of another level leaves nothing out."""
    sample = pooled(squares([10, 12]), squares([16, 18]), squares([20]))
    _, wrong, doubtful = sample.jobs.order_by("created")
    unusable = Flag.doubtful("Check the scale.", "Do not use: scale wrong?", level=DO_NOT_USE, kind="scale")
    Job.objects.filter(pk=wrong.pk).update(summary={**wrong.summary, **as_json([unusable])})
    unsure = Flag.doubtful("Look.", "Few are right", kind="wrong outlines")
    Job.objects.filter(pk=doubtful.pk).update(summary={**doubtful.summary, **as_json([unsure])})
    assert run(sample)["n_kept"] == 3 and not is_unusable(sample.stored.flags)
    wrong.refresh_from_db()
    assert (wrong.included, wrong.waits) == (False, f"{NOT_TO_USE}.")
    samples.include_images(sample=sample, included={wrong.pk: True})
    pooling.refresh_sample(sample.pk)
    assert run(sample)["n_kept"] == 5 and sample.stored.flags
    wrong.refresh_from_db()
    assert (wrong.waits, bool(wrong.agreed_by), sample.stored.may_be_judged) == ("", True, False)


def test_the_files_name_excluded_failed_and_unreadable_images_with_the_reason(pooled, own_storage):
    sample = pooled(squares([10, 12]), squares([16, 18]), None, None, squares([20]))
    _, excluded, failed, cancelled, lost = sample.jobs.order_by("created")
    samples.include_images(sample=sample, included={excluded.pk: False, failed.pk: False})
    Job.objects.filter(pk=failed.pk).update(error="Damaged: export it.")
    Job.objects.filter(pk=cancelled.pk).update(state=Job.State.CANCELLED)
    (own_storage / lost.artifact(tables.TABLE_FILE).file.name).unlink()
    summary = run(sample)
    assert summary["n_kept"] == 2 and len(summary["of"]) == len(summary["images"]) == 1
    files = files_of(sample)
    rows = {row["image"]: row for row in csv.DictReader(io.StringIO(files["images.csv"].decode("utf-8-sig")))}
    assert {name: row["excluded"] for name, row in rows.items()} == {
        "0.png": "",
        "1.png": BY_USER,
        "2.png": "Not analysed: Damaged: export it.",
        "3.png": f"Not analysed: {CANCELLED}",
        "4.png": f"Not analysed: {UNREAD}",
    }
    assert (rows["1.png"]["n"], rows["2.png"]["n"]) == ("0", "")
    assert float(rows["1.png"]["median_nm"]) == pytest.approx(34, rel=0.02)
    assert rows["2.png"]["sha256"] == failed.micrograph.sha256
    document = json.loads(files["result.json"])
    assert [bool(image["excluded"]) for image in document["images"]] == [False, True, True, True, True]
    assert document["statistics"]["n_kept"] == 2


def test_the_files_say_how_the_particles_were_found(pooled):
    sample = pooled(squares([10, 12]), squares([16, 18]))
    for number, job in enumerate(sample.jobs.order_by("created")):
        used = {**USED, "scale": 0.5 + number}
        job.summary |= {"model": MODEL, "image": {"width": 64, "height": 200}, "data_bar": 190, "used": used}
        job.save()
        job.micrograph.metadata = {"instrument": "Zeiss", "voltage_kv": 20.0}
        job.micrograph.save()
    run(sample)
    document = json.loads(files_of(sample)["result.json"])
    assert document["model"]["name"] == "particles" and document["model"]["sha256"] == MODEL["sha256"]
    assert document["settings"]["polarity"] == "auto" and document["settings_differ"] == ["scale"]
    first, second = document["images"]
    assert (first["used"]["scale"], second["used"]["scale"], second["data_bar"]) == (0.5, 1.5, 190)
    assert first["metadata"]["voltage_kv"] == 20.0 and first["calibration"]["source"] == "typed"
    assert MODEL["sha256"].encode() in files_of(sample)["images.csv"]


def test_an_image_of_other_settings_is_named(pooled, no_files):
    sample = pooled(squares([10, 12]), squares([16, 18]))
    job = sample.jobs.order_by("created")[1]
    job.settings = job.get_settings().replaced(threshold=0.4, calibration=Calibration(2.0, "typed")).as_dict()
    job.save(update_fields=["settings"])
    warnings = run(sample)["warnings"]
    assert [warning for warning in warnings if "other settings" in warning] == [OTHER_SETTINGS.format(name="1.png")]


def test_images_without_a_scale_are_left_out_where_others_have_one(pooled, no_files):
    summary = run(pooled(squares([10, 12]), squares([30], None)))
    assert summary["n_kept"] == 2
    assert [bool(row["excluded"]) for row in summary["images"]] == [False, True]
    assert any("without a scale" in warning for warning in summary["warnings"])
    assert not any("the same way" in warning for warning in summary["warnings"]), "the only one that counts has a scale"


@pytest.mark.parametrize("stored", [(), (None,)])
def test_nothing_to_pool_is_said(pooled, no_files, stored):
    sample = pooled(*stored or (squares([10]),))
    sample.jobs.update(included=False)
    summary = run(sample)
    assert sample.state == Sample.State.DONE
    assert summary["of"] == [] and summary["warnings"][0] == NONE_LEFT


def test_one_particle_and_none_at_all(pooled, no_files):
    summary = run(pooled(squares([10])))
    assert summary["n_kept"] == 1 and summary["intervals"]["median"] is None
    summary = run(pooled(squares([10]).judged(np.array(["too small"]))))
    assert summary["n_kept"] == 0 and summary["histogram"] is None


def test_a_table_that_cannot_be_read_is_named_and_the_rest_pooled(pooled, no_files, own_storage):
    sample = pooled(squares([10, 12]), squares([16, 18]), squares([20]))
    first, second, _ = sample.jobs.order_by("created")
    (own_storage / first.artifact(tables.TABLE_FILE).file.name).write_bytes(b"PK\x03\x04 no table")
    (own_storage / second.artifact(tables.TABLE_FILE).file.name).unlink()
    summary = run(sample)
    assert summary["n_kept"] == 1
    assert [warning.split(":")[0] for warning in summary["warnings"][:2]] == ["0.png", "1.png"]


@pytest.mark.services
def test_a_second_message_does_nothing(pooled, no_files):
    sample = pooled(squares([10]))
    run(sample)
    run(sample)
    assert sample.attempt == 1


@pytest.mark.services
def test_a_change_meanwhile_stops_the_attempt_without_a_trace(pooled, monkeypatch, own_storage):
    sample = pooled(squares([10]), squares([12]))

    def write_sample(combined, folder, **given):
        pooling.refresh_sample(sample.pk)
        folder.mkdir()
        (folder / "a.csv").write_text("a")
        return {"a.csv": folder / "a.csv"}

    monkeypatch.setattr("segmentation.core.report.files.write_all", write_sample)
    run(sample)
    assert sample.state == Sample.State.QUEUED
    assert sample.pooled == {} and not sample.artifacts.exists()
    assert not (own_storage / sample.folder).exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(MemoryError(), "The pooling needs more memory"), (RuntimeError("oops"), BROKEN.partition("{")[0])],
)
def test_a_failure_is_a_sentence_and_keeps_the_numbers_before(pooled, monkeypatch, error, sentence):
    sample = pooled(squares([10]), pooled={"of": ["x"], "n_kept": 3})
    monkeypatch.setattr("segmentation.core.report.files.write_all", Mock(side_effect=error))
    assert run(sample) == {"of": ["x"], "n_kept": 3}
    assert sample.state == Sample.State.FAILED
    assert sentence in sample.error and "oops" not in sample.error


def test_an_image_of_a_sample_leaves_its_table_and_the_last_one_rings(science, make_sample, queue, commit):
    sample = make_sample(Job.State.QUEUED, Job.State.QUEUED)
    for job in sample.jobs.order_by("created"):
        with commit():
            do_analyses()
        with job.artifact(tables.TABLE_FILE).file.open("rb") as file:
            table, clarity = tables.load(file)
        assert (len(table), clarity) == (1, 1.0)
    sample.refresh_from_db()
    assert sample.state == Sample.State.QUEUED
    assert queue[-1] == "analyses"


def test_its_images_draw_no_outlines_that_grow(science, make_sample):
    """People look at the page of the sample."""
    make_sample(Job.State.QUEUED)
    segment, shows = science.segment, []

    def watched(*arguments, **how):
        shows.append(how["show"])
        return segment(*arguments, **how)

    science.segment = watched
    do_analyses()
    assert shows == [None] and Job.objects.get().state == "done"


def test_a_single_image_leaves_none(science, make_job):
    job = make_job()
    do_analyses()
    assert job.artifact(tables.TABLE_FILE) is None and job.artifacts.exists()


def test_the_worker_reads_the_side_files_that_came_with_an_image(science, make_job, make_micrograph, monkeypatch):
    micrograph = make_micrograph()
    stored = default_storage.save(f"{micrograph.folder}/side-1.txt", ContentFile(b"$CM_PIXEL_SIZE 5 nm"))
    micrograph.side = [{"name": "a.txt", "file": stored}]
    micrograph.save()
    seen = []
    read = decoding.read_micrograph

    def noting(path, *, side=(), **options):
        seen.extend((name, beside.read_bytes()) for name, beside in side)
        return read(path, **options)

    monkeypatch.setattr(decoding, "read_micrograph", noting)
    make_job(micrograph=micrograph)
    do_analyses()
    assert {*seen} == {("a.txt", b"$CM_PIXEL_SIZE 5 nm")}
