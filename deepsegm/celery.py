"""The Celery application; its settings are the CELERY_ ones of `deepsegm.settings`."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_process_init
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
TRANSPORT_ALIASES["spool"] = "worker.spool:Transport"

app = Celery("deepsegm")
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect
def keep_our_logging(**kwargs: Any) -> None:
    """Django's LOGGING stands; a receiver of this signal is how Celery is told to leave it alone."""


@worker_init.connect
@worker_process_init.connect
def clear_up(**kwargs: Any) -> None:
    """What killed processes left behind goes at the start of a worker, and of the child that follows a killed one."""
    from worker.scratch import sweep

    sweep()


@worker_process_init.connect
def prepare_pool_child(**kwargs: Any) -> None:
    """Before anything heavy is imported: how many threads and how much memory it may use, and whose child it is."""
    from django.conf import settings

    from worker.child import enter_pool

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(settings.DEEPSEGM_THREADS))
    # Threads that spin while they wait stand in each other's way wherever something else is running, too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    enter_pool(os.getppid(), settings.DEEPSEGM_JOB_MEMORY_MB)
