"""Prepares a worker, and the child processes of its pool, when they start. Celery's signals call
these functions."""

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

from .processes.child import ANALYSES, NETWORKS, enter_pool
from .processes.device import device_now
from .processes.idle_memory import give_memory_back_when_idle
from .processes.supervise import COMMAND, Supervisor
from .scratch import sweep


class WorkerConfig(AppConfig):
    name = "worker"


@worker_init.connect
@worker_process_init.connect
def clear_up(**kwargs: Any) -> None:
    """Remove temporary files of killed processes, when a worker or a child of its pool starts."""
    sweep()


@celeryd_after_setup.connect
def share_gpu(instance: Any, **kwargs: Any) -> None:
    """If there is a GPU, start one process that calculates the networks for all children, before
    the pool starts."""
    if instance.concurrency < 2 or ANALYSES not in instance.app.amqp.queues.consume_from:
        return
    if not Runtime(device_now()).on_processor:
        # The prefix is short, because the path of a socket must be short.
        os.environ[SERVER_FOLDER] = tempfile.mkdtemp(prefix="deepsegm-")
        atexit.register(shutil.rmtree, os.environ[SERVER_FOLDER], ignore_errors=True)
        Supervisor((*COMMAND, NETWORKS), folder=settings.BASE_DIR).start()


@celeryd_after_setup.connect
def share_memory(**kwargs: Any) -> None:
    """Let the children of the pool share the memory of loaded objects; called before the pool starts.

    Otherwise the garbage collection of a child would write into the shared memory pages, and so
    copy them.
    """
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def prepare_pool_child(**kwargs: Any) -> None:
    """Prepare a child of the pool, before heavy imports: set its threads and its memory limit, let
    it end with its parent, and let it give memory back between two tasks."""
    threads = settings.DEEPSEGM_THREADS or max(1, (os.cpu_count() or 1) // settings.DEEPSEGM_CONCURRENCY)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(threads))
    # By default waiting threads of OpenMP use a core each, which slows down everything else.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory()  # before there is a second thread
    enter_pool(os.getppid(), settings.DEEPSEGM_JOB_MEMORY_MB)
    give_memory_back_when_idle()
