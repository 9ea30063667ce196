"""The first steps of a worker and of its pool's children. Celery's signals call them, so that nothing here imports
the Celery application."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from typing import Any

from celery.signals import celeryd_after_setup, worker_init, worker_process_init
from django.apps import AppConfig
from django.conf import settings

from segmentation.core.network.runtime import SERVER_FOLDER, Runtime, keep_freed_memory

from .child import ANALYSES, NETWORKS, enter_pool
from .resting import rest_between_tasks
from .scratch import sweep
from .supervise import COMMAND, Supervisor


class WorkerConfig(AppConfig):
    name = "worker"


@worker_init.connect
@worker_process_init.connect
def clear_up(**kwargs: Any) -> None:
    """Remove remains of killed processes at the start of a worker, and of the child that follows a killed one."""
    sweep()


@worker_init.connect
def wait_without_the_lock(**kwargs: Any) -> None:
    """Let the children of the pool wait for work before they take the lock of their common pipe, not while they hold
    it: whoever killed an idle child would leave the lock closed, and no child would get work ever again."""
    from billiard.queues import SimpleQueue

    def get_payload(queue: Any) -> bytes:
        while True:
            queue._reader.poll(None)
            with queue._rlock:
                if queue._reader.poll(0):
                    payload: bytes = queue._reader.recv_bytes()
                    return payload

    SimpleQueue.get_payload = get_payload


@celeryd_after_setup.connect
def share_gpu(instance: Any, **kwargs: Any) -> None:
    """Before the pool is there: one process holds the networks for all its children, where there is a GPU."""
    if instance.concurrency < 2 or ANALYSES not in instance.app.amqp.queues.consume_from:
        return
    if not Runtime(settings.DEEPSEGM_DEVICE).on_processor:
        os.environ[SERVER_FOLDER] = tempfile.mkdtemp(prefix="deepsegm-")  # short, as a socket's name must be
        atexit.register(shutil.rmtree, os.environ[SERVER_FOLDER], ignore_errors=True)
        Supervisor((*COMMAND, NETWORKS), folder=settings.BASE_DIR).start()


@celeryd_after_setup.connect
def share_memory(**kwargs: Any) -> None:
    """Before the pool is there: let its children share what is loaded. A collection of garbage writes into each page
    that has an object which it looks at, and so makes a copy of it."""
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def prepare_pool_child(**kwargs: Any) -> None:
    """Before heavy imports: set threads and memory limit of this process, and let it die with its parent; between two
    tasks it gives memory back."""
    threads = settings.DEEPSEGM_THREADS or max(1, (os.cpu_count() or 1) // settings.DEEPSEGM_CONCURRENCY)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    # Threads that spin while they wait stand in each other's way wherever something else is running, too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory()  # before there is a second thread
    enter_pool(os.getppid(), settings.DEEPSEGM_JOB_MEMORY_MB)
    rest_between_tasks()
