"""What a message of the broker leads to: the work that comes next, and each message one piece of work."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from segmentation.models import Comparison, Dataset, ExportJob, Job, Sample
from worker import tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def done(monkeypatch):
    """The rows in the order in which they are worked on; the work is to end them."""
    order = []

    def end(row, progress, folder):
        order.append(row)
        row.finish("done")

    monkeypatch.setattr(tasks, "analyse_job", end)
    monkeypatch.setattr(tasks, "write_export_files", end)
    monkeypatch.setattr(tasks, "SHORT", dict.fromkeys(tasks.SHORT, end))
    monkeypatch.setattr(tasks, "_short_in_a_row", 0)
    return order


def copies(job, count, **changed):
    """So many more waiting jobs like this one."""
    values = {field.attname: getattr(job, field.attname) for field in Job._meta.concrete_fields if field.name != "id"}
    rows = [Job(**{**values, **changed, "submission": uuid4().hex, "enqueued": job.queued}) for _ in range(count)]
    return Job.objects.bulk_create(rows)


def test_a_file_that_a_page_waits_for_comes_before_jobs(make_job, done):
    job, finished = make_job(), make_job(state="done")
    export = ExportJob.objects.create(job=finished)
    tasks.do_analyses()
    tasks.do_analyses()
    assert done == [export, job]


def test_a_message_without_work_does_nothing(make_job, done):
    make_job(state="cancelled")
    tasks.do_analyses()
    assert done == [] and Job.objects.get().state == "cancelled"


def test_a_job_that_another_worker_takes_meanwhile_is_passed_over(make_job, done, monkeypatch):
    first, second = make_job(), make_job()
    claim, taken = Job.objects.claim, []

    def late(pk, message=""):
        if not taken:
            taken.append(claim(pk))
            return None
        return claim(pk, message)

    monkeypatch.setattr(type(Job.objects), "claim", lambda self, pk, message="": late(pk, message))
    tasks.do_analyses()
    assert taken == [first] and done == [second]


def test_a_job_whose_message_led_to_another_gets_a_new_one(make_job, done, queue):
    first = make_job(enqueued=None)
    make_job(enqueued=timezone.now())
    tasks.do_analyses()
    assert done == [first] and queue == ["analyses"]


def test_messages_that_change_places_are_not_sent_again(make_job, done, queue):
    first, second = (make_job(enqueued=timezone.now()) for _ in range(2))
    tasks.do_analyses()
    tasks.do_analyses()
    assert done == [first, second] and queue == []


@pytest.mark.parametrize("in_a_sample", [False, True])
def test_a_newcomer_waits_for_one_job_of_a_thousand(make_job, make_sample, done, alice, charlie, in_a_sample):
    sample = make_sample("queued", owner=alice) if in_a_sample else None
    first = sample.jobs.get() if sample else make_job(owner=alice)
    copies(first, 999)
    tasks.do_analyses()
    newcomer = make_job(owner=charlie)
    for _ in range(2):
        tasks.do_analyses()
    assert newcomer in done[1:]


def test_a_job_is_not_kept_waiting_by_a_hundred_files(make_job, done):
    finished = [make_job(state="done") for _ in range(10)]
    exports = [ExportJob.objects.create(job=job) for job in finished]
    job = make_job()
    for _ in exports:
        tasks.do_analyses()
    assert done.index(job) == tasks.SHORT_IN_A_ROW
    tasks.do_analyses()
    assert set(done) == {job, *exports}


def test_files_are_written_for_senders_in_turn(make_job, done, alice, charlie):
    many = [ExportJob.objects.create(job=make_job(owner=alice, state="done")) for _ in range(3)]
    late = ExportJob.objects.create(job=make_job(owner=charlie, state="done"))
    for _ in (*many, late):
        tasks.do_analyses()
    assert done == [many[0], late, *many[1:]]


def test_of_files_for_nobody_yet_those_of_the_newest_result_come_first(make_job, done):
    older, newer = (ExportJob.objects.create(job=make_job(state="done"), asked=False) for _ in range(2))
    tasks.do_analyses()
    assert done[0] == newer
    tasks.do_analyses()
    assert done == [newer, older]


@pytest.mark.parametrize("kind", ["dataset", "comparison", "file", "job"])
def test_files_for_nobody_yet_give_way_to_whatever_a_person_waits_for(make_job, done, alice, monkeypatch, kind):
    ahead = ExportJob.objects.create(job=make_job(state="done"), asked=False)
    jobs = [make_job(state="done") for _ in range(2)]
    end, waiting = tasks.write_export_files, []
    monkeypatch.setattr("worker.heartbeat.URGENT_WORK_CHECK_SECONDS", -1.0)

    def write(row, progress, folder):
        progress("drawing", 0.1)
        if row == ahead and not waiting:
            waiting.append(
                {
                    "dataset": lambda: Dataset.objects.create(owner=alice, name="a", task="particles", state="queued"),
                    "comparison": lambda: Comparison.objects.create(first_job=jobs[0], second_job=jobs[1], content="a"),
                    "file": lambda: ExportJob.objects.create(job=jobs[0]),
                    "job": make_job,
                }[kind]()
            )
            progress("storing", 0.2)
        end(row, progress, folder)

    monkeypatch.setattr(tasks, "write_export_files", write)
    tasks.do_analyses()
    assert done == [] and waiting
    tasks.do_analyses()
    assert done == [*waiting, ahead]


def test_a_picture_that_is_dropped_while_a_sample_runs_comes_before_its_next_image(make_job, make_sample, done, alice):
    sample = make_sample("queued", "queued", "queued", owner=alice)
    tasks.do_analyses()
    dropped = make_job(owner=alice)
    for _ in range(3):
        tasks.do_analyses()
    assert done[1] == dropped and set(done) == {dropped, *sample.jobs.all()}


def test_files_of_a_sample_for_nobody_yet_give_way_and_those_asked_for_come_first(make_job, make_sample, done):
    ahead = ExportJob.objects.create(sample=make_sample(state="done"), asked=False)
    asked = ExportJob.objects.create(sample=make_sample(state="done"))
    job = make_job()
    for _ in range(2):
        tasks.do_analyses()
    assert done == [asked, job, ahead]


def test_samples_and_comparisons_have_senders(make_job, make_sample, alice):
    samples = [make_sample(owner=alice), make_sample()]
    Comparison.objects.create(first_sample=samples[0], second_sample=samples[1], content="a")
    Comparison.objects.create(first_job=make_job(owner=alice), second_job=make_job(), content="b")
    assert {comparison.sender for comparison in Comparison.objects.by_sender()} == {str(alice.pk)}
    ExportJob.objects.create(sample=samples[0])
    ExportJob.objects.create(job=make_job(owner=alice))
    assert {export.sender for export in ExportJob.objects.by_sender()} == {str(alice.pk)}
    assert {sample.sender for sample in Sample.objects.by_sender()} == {str(alice.pk), ""}


def test_short_work_whose_message_led_to_another_gets_a_new_one(make_job, done, queue):
    first = ExportJob.objects.create(job=make_job(state="done"))
    ExportJob.objects.create(job=make_job(state="done"), enqueued=timezone.now())
    tasks.do_analyses()
    assert done == [first] and queue == ["analyses"]


def test_a_clock_that_was_an_hour_fast_delays_nobody(make_job, done, alice):
    ahead = timezone.now() + timedelta(hours=1)
    put_off = make_job(due=ahead, faults=1, owner=alice)
    make_job(state="done", started=ahead, owner=alice)
    make_job()
    tasks.do_analyses()
    assert done == [put_off]
