"""Measures how many jobs a second several workers do: `python -m tools.faults.rate --workers 4 --stack sqlite`.

Each job only sleeps, so that the scheduling is measured and not the cores: first with single jobs, then with a
sample of as many images. All jobs wait until the first one may start.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

from tests.worker.lab import REPOSITORY, wait_for

from .site import Site, redirect_output


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.faults.rate")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--stack", choices=("sqlite", "services"), default="sqlite")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="deepsegm-rate-"))
    folder.chmod(0o755)
    (folder / "data").mkdir()
    terminal = redirect_output(folder / "log")
    site = Site(folder, options.stack, options.workers, 0)
    os.environ["LAB_SECONDS"] = str(options.seconds)
    try:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        with site.running():
            for kind in ("jobs", "a sample"):
                rate = measure(site, options.images, kind == "a sample")
                print(
                    f"{options.stack}, {options.workers} workers, {options.images} images as {kind}:"
                    f" {rate:.2f} jobs a second, "
                    f"{rate * options.seconds / options.workers:.0%} of what they could do if they only slept",
                    file=terminal,
                )
    finally:
        site.stop_engines()
        shutil.rmtree(folder, ignore_errors=True)


def measure(site: Site, images: int, as_sample: bool) -> float:
    """Jobs a second, from the end of the first jobs to the end of the last one. as_sample: as one sample."""
    from django.contrib.auth import get_user_model
    from django.db.models import Max, Min

    from segmentation.models import Job

    from .senders import make_senders

    get_user_model().objects.all().delete()
    (sender,) = make_senders(1, images, site.port, 1)
    hold = Path(os.environ["LAB_HELD"]) / "segmenting"
    hold.touch()
    if as_sample:
        sender.sample(images)
    else:
        for _ in range(images):
            sender.job()
    mine = Job.objects.filter(owner__username="sender 0")
    wait_for(lambda: mine.filter(ready=True).count() == images, "all images are read")
    running = int(os.environ["DEEPSEGM_CONCURRENCY"]) if site.stack == "sqlite" else len(site.supervisors) - 5
    wait_for(lambda: mine.filter(state="running").count() == running, "every worker has a job")
    hold.unlink()
    wait_for(lambda: mine.filter(state="done").count() == images, "all jobs are done", 900)
    first, last = mine.aggregate(first=Min("finished"), last=Max("finished")).values()
    return (images - running) / (last - first).total_seconds()


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    main()
