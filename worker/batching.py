"""The batcher of a worker with several children (DEEPSEGM_BATCH): one process has the device and predicts windows of
several analyses in one batch. `python -m worker.batching ADDRESS` is that process; its worker keeps it alive.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Listener
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery.signals import worker_init, worker_shutdown
from django.conf import settings

from .child import die_with_parent
from .supervise import Supervisor

if TYPE_CHECKING:
    from segmentation.core.network.batching import Maps, Work
    from segmentation.core.network.shared import Window

ADDRESS = "DEEPSEGM_BATCHER"
LOST = "CUDA error"  # what torch calls an error after which this process gets no more answers of the GPU
_supervisors: list[Supervisor] = []


def address() -> str:
    """Where this worker's batcher listens; "" where there is none."""
    return os.environ.get(ADDRESS, "")


@worker_init.connect
def start(sender: Any, **signal: Any) -> None:
    """In the worker's own process, before it has children: with one child, or threads, there is nothing to share."""
    if settings.DEEPSEGM_BATCH == 1 or sender.concurrency == 1 or "thread" in str(sender.pool_cls):
        return
    folder = Path(tempfile.mkdtemp(prefix="deepsegm-batcher-"))  # nobody else may enter it
    os.environ[ADDRESS] = str(folder / "socket")
    command = (sys.executable, "-m", __name__, address())
    supervisor = Supervisor(command, folder=settings.BASE_DIR, name="batcher")
    _supervisors.append(supervisor)
    supervisor.start()


@worker_shutdown.connect
def stop(**signal: Any) -> None:
    while _supervisors:
        _supervisors.pop().stop()
        Path(address()).unlink(missing_ok=True)
        Path(address()).parent.rmdir()


def main(where: str) -> None:
    die_with_parent(int(os.environ["DEEPSEGM_PARENT"]))
    Path(where).unlink(missing_ok=True)  # of a batcher that was killed
    listener = Listener(where, "AF_UNIX", backlog=64)  # at once: whoever comes while torch is imported waits

    from segmentation.core.network.batching import Batcher, on_device
    from segmentation.core.network.runtime import Runtime

    device = on_device(Runtime(settings.DEEPSEGM_DEVICE, settings.DEEPSEGM_PRECISION))
    delay, patience = settings.DEEPSEGM_BATCH_DELAY_MS / 1000, settings.DEEPSEGM_BATCH_PATIENCE_MS / 1000
    Batcher(_or_end(device), size=settings.DEEPSEGM_BATCH, delay=delay, patience=patience).serve(listener)


def _or_end(device: Work) -> Work:
    """The device's work; the process ends when it has lost the GPU, because the next one gets it back."""

    def work(windows: Sequence[Window]) -> Sequence[Maps]:
        try:
            return device(windows)
        except RuntimeError as error:
            if LOST in str(error):
                print(f"The GPU is lost: {error}", file=sys.stderr, flush=True)
                os._exit(1)
            raise

    return work


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    main(sys.argv[1])
