"""The real worker with an analysis, and a pooling, that last until the test lets go: `-m tests.worker.slow_app QUEUE`.

LAB_HELD: a folder with a file for each of the two as long as it is held. LAB_LOG: a file that gets a line when one
begins and one when it ends. LAB_SECONDS: how long an analysis takes at least.
LAB_READS_HERE: uploads are looked into without a process for each. Trainings are the toys of `trainable`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import django
from celery.signals import task_prerun

from worker.processes.child import ANALYSES, COMMON_OPTIONS, QUEUE_OPTIONS, TRAINING, die_with_parent

from . import fake


def note(word: str) -> None:
    with Path(os.environ["LAB_LOG"]).open("a") as log:
        log.write(f"{word} {os.getpid()}\n")


def stay(stage: str, progress) -> None:
    """At this stage until the test lets go."""
    while (Path(os.environ["LAB_HELD"]) / stage).exists():
        progress(stage, 0.5)
        time.sleep(0.1)


def segment(micrograph, settings, progress, *, runtime=None, clock=None, show=None):
    note("begin")
    stay("segmenting", progress)
    time.sleep(float(os.environ.get("LAB_SECONDS", 0)))
    note("end")
    return fake.outlines(micrograph.sha256)


def pool_sample(sample, progress, folder):
    from segmentation.services.results import publishing

    note("pooling")
    stay("pooling", progress)
    (folder / "images.csv").write_text("pooled")
    jobs = [str(job.pk) for job in sample.members.filter(state="done")]
    publishing.publish_sample(sample=sample, files={"images.csv": folder / "images.csv"}, pooled={"of": jobs})
    note("pooled")


def toys(**signal) -> None:
    """In the process of a training only: it takes seconds to import what trains."""
    from .trainable import install

    install()


def main() -> None:
    die_with_parent(int(os.environ["DEEPSEGM_PARENT"]))
    from deepsegm.celery import app
    from segmentation.core.network import cards

    queue, *more = sys.argv[1:] or [ANALYSES]
    if queue != TRAINING:
        fake.install()["segmentation.core.pipeline"].segment = segment
    cards.find = lambda name: fake.CARD
    django.setup()
    import worker.tasks
    from segmentation.models import Sample

    worker.tasks.SHORT[Sample] = pool_sample
    if queue == TRAINING:
        task_prerun.connect(toys)
    if os.environ.get("LAB_READS_HERE"):
        from tests.conftest import TEXT_FILE, picture
        from tests.reader import Reader
        from worker.reading import decoding

        decoding.inspect = Reader(TEXT_FILE, picture())
    app.worker_main([*COMMON_OPTIONS, *QUEUE_OPTIONS[queue], *more])


if __name__ == "__main__":
    main()
