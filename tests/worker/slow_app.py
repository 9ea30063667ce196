"""The real worker with an analysis, and a pooling, that last until the test lets go: `-m tests.worker.slow_app QUEUE`.

LAB_HELD: a folder with a file for each of the two as long as it is held. LAB_LOG: a file that gets a line when one
begins and one when it ends.
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


def stay(stage: str, progress) -> None:
    """At this stage until the test lets go."""
    while (Path(os.environ["LAB_HELD"]) / stage).exists():
        progress(stage, 0.5)
        time.sleep(0.1)


def segment(micrograph, settings, progress, *, runtime=None, clock=None):
    note("begin")
    stay("segmenting", progress)
    note("end")
    return fake.outlines(micrograph.sha256)


def pool_sample(sample, progress, folder):
    from segmentation import services

    note("pooling")
    stay("pooling", progress)
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
    from segmentation.models import Sample

    worker.tasks.SHORT[Sample] = pool_sample
    app.worker_main([*QUIET, *OPTIONS[(*sys.argv[1:], ANALYSES)[0]]])


if __name__ == "__main__":
    main()
