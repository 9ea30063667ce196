"""The real worker with an analysis, and a pooling, that take some seconds: `python -m tests.worker.slow_app QUEUE`.

LAB_SECONDS: how long each takes. LAB_LOG: a file that gets a line when one begins and one when it ends.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import django

from worker.child import ANALYSES, OPTIONS, QUIET, die_with_parent

from . import fake


def note(word: str) -> None:
    with Path(os.environ["LAB_LOG"]).open("a") as log:
        log.write(f"{word} {os.getpid()}\n")


def segment(micrograph, settings, progress, *, runtime=None, clock=None):
    note("begin")
    steps = int(float(os.environ["LAB_SECONDS"]) / 0.1)
    for step in range(steps):
        progress("segmenting", step / steps)
        time.sleep(0.1)
    note("end")
    return fake.outlines(micrograph.sha256)


def pool_sample(sample, progress, folder):
    from segmentation import services

    note("pooling")
    steps = int(float(os.environ["LAB_SECONDS"]) / 0.1)
    for step in range(steps):
        progress("pooling", step / steps)
        time.sleep(0.1)
    (folder / "images.csv").write_text("pooled")
    jobs = [str(job.pk) for job in sample.members.filter(state="done")]
    services.publish_sample(sample=sample, files={"images.csv": folder / "images.csv"}, pooled={"of": jobs})
    note("pooled")


def main() -> None:
    die_with_parent(int(os.environ["DEEPSEGM_PARENT"]))
    from deepsegm.celery import app
    from segmentation.core.network import cards

    fake.install()["segmentation.core.pipeline"].segment = segment
    cards.find = lambda name: fake.CARD
    django.setup()
    import worker.tasks

    worker.tasks.pool_sample = pool_sample
    app.worker_main([*QUIET, *OPTIONS[(*sys.argv[1:], ANALYSES)[0]]])


if __name__ == "__main__":
    main()
