"""What a message of the broker leads to: the work that comes next, and each message one piece of work."""

from __future__ import annotations

import pytest
from django.utils import timezone

from segmentation.models import Job
from worker import tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def done(monkeypatch):
    """The rows in the order in which they are worked on; the work is to end them."""
    order = []

    def end(row, progress, folder):
        order.append(row)
        row.finish("done")

    monkeypatch.setattr(tasks, "_attempt", end)
    monkeypatch.setattr(tasks, "SHORT", dict.fromkeys(tasks.SHORT, end))
    return order


def test_messages_of_one_sender_serve_the_other_in_turn(make_job, done, alice):
    many, late = [make_job() for _ in range(3)], make_job(owner=alice)
    for job in (*many, late):
        tasks.run_job(str(job.pk))
    assert done == [many[0], late, many[1], many[2]]


def test_a_file_that_a_page_waits_for_comes_before_jobs(make_job, done):
    from segmentation.models import ExportJob

    job, finished = make_job(), make_job(state="done")
    export = ExportJob.objects.create(job=finished)
    tasks.run_job(str(job.pk))
    tasks.write_files(str(export.pk))
    assert done == [export, job]


def test_a_message_without_work_does_nothing(make_job, done):
    job = make_job(state="cancelled")
    tasks.run_job(str(job.pk))
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
    tasks.run_job(str(first.pk))
    assert taken == [first] and done == [second]


def test_a_job_that_lost_its_message_to_another_gets_a_new_one(make_job, done, queue):
    first, second = make_job(enqueued=None), make_job(enqueued=timezone.now())
    tasks.run_job(str(second.pk))
    assert done == [first] and queue == [str(second.pk)]


def test_messages_that_change_places_are_not_sent_again(make_job, done, queue):
    first, second = (make_job(enqueued=timezone.now()) for _ in range(2))
    tasks.run_job(str(second.pk))
    tasks.run_job(str(first.pk))
    assert done == [first, second] and queue == []
