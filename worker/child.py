"""The Celery worker as `up` starts it: `python -m worker.child`. It never outlives its parent."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings

SECONDS = 1.0
# With one machine and one worker there is nobody to gossip with.
COMMAND = [
    *("--quiet", "worker", "--queues=analyses"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
]


def die_with_parent(parent: int) -> None:
    """Kill this process soon after its parent, `parent` by pid, is gone: an orphan would work on in secret.

    By polling, as prctl's death signal is Linux's own and tied to the parent's thread, not to its process.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="watch for the parent", daemon=True).start()


def main() -> None:
    die_with_parent(int(os.environ["DEEPSEGM_PARENT"]))
    from deepsegm.celery import app

    # Our messages are JSON, which root may read as safely as anyone; the address of the site should stay in sight.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser")
    app.worker_main(COMMAND)


if __name__ == "__main__":
    main()
