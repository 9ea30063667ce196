"""The pool of processes of a worker, when one of its idle processes is killed."""

from __future__ import annotations

import os
import signal

import pytest
from celery.concurrency import get_implementation

from deepsegm.celery import app
from worker.processes.pool import TaskPool, WaitingContext, WaitingQueue

WAIT_SECONDS = 10.0


def answer_messages(messages, answers) -> None:
    while True:
        answers.put((os.getpid(), messages.get()))


@pytest.fixture
def two_processes():
    """(messages, answers, processes): two processes that have answered once, and wait."""
    context = WaitingContext()
    messages, answers = context.SimpleQueue(), context.SimpleQueue()
    processes = [context.Process(target=answer_messages, args=(messages, answers)) for _ in range(2)]
    for process in processes:
        process.start()
        messages.put("first")
        assert answers._reader.poll(WAIT_SECONDS) and answers.get()[1] == "first"
    yield messages, answers, processes
    for process in processes:
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()


def test_workers_use_this_pool():
    assert get_implementation(app.conf.worker_pool) is TaskPool
    assert isinstance(TaskPool.BlockingPool.keywords["context"].SimpleQueue(), WaitingQueue)


@pytest.mark.parametrize("killed", [0, 1])
def test_the_other_process_works_on(two_processes, killed):
    """In billiard's own queue one of the two that wait has the lock, and takes it with it."""
    messages, answers, processes = two_processes
    assert messages._rlock.acquire(timeout=WAIT_SECONDS)  # then neither process has it
    os.kill(processes[killed].pid, signal.SIGKILL)
    processes[killed].join()
    messages._rlock.release()
    messages.put("second")
    assert answers._reader.poll(WAIT_SECONDS)
    assert answers.get() == (processes[1 - killed].pid, "second")
