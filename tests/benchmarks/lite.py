"""How many jobs SQLite bears: `DEEPSEGM_DATA=EMPTY-FOLDER python -m tests.benchmarks.lite 10000 100000 300000`.

For each number of finished jobs (one of 50 accounts each, 200 of them waiting) it prints the milliseconds of processor
that each question of `million` costs, and of one write beside a reader.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

USERS, WAITING, AT_ONCE = 50, 200, 5000


def fill(begin: int, end: int) -> None:
    from django.utils import timezone

    from segmentation.core.analysis import AnalysisSettings
    from segmentation.models import Job, Micrograph

    now, settings = timezone.now(), AnalysisSettings.of().as_dict()
    summary = {"timings": {"network": 0.4}, "statistics": {"n_kept": 60, "median": 42.5}, "rows": "x" * 16_000}
    for start in range(begin, end, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, end))
        images = [
            Micrograph(
                owner_id=1 + n % USERS,
                name=f"{n}.tif",
                sha256="0" * 64,
                file=f"{n}",
                size=800_000,
                state="done",
                finished=now,
            )
            for n in numbers
        ]
        Micrograph.objects.bulk_create(images)
        jobs = [
            Job(
                micrograph=image,
                owner_id=image.owner_id,
                submission=str(image.pk),
                settings=settings,
                summary=summary,
                state="queued" if n < WAITING else "done",
                queued=now - timedelta(minutes=n),
                finished=now,
                ready=True,
                model_name="particles",
            )
            for n, image in zip(numbers, images, strict=True)
        ]
        Job.objects.bulk_create(jobs)


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    Path(os.environ["DEEPSEGM_DATA"]).mkdir(exist_ok=True)
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from segmentation import services
    from segmentation.models import Job
    from segmentation.services.upkeep.health import database_bytes
    from tests.benchmarks.million import questions

    call_command("migrate", verbosity=0)
    services.optimise()
    users = get_user_model().objects
    users.bulk_create(get_user_model()(username=f"user {n}") for n in range(USERS))
    filled = 0
    for count in map(int, sys.argv[1:]):
        fill(filled, count)
        services.optimise()
        filled = count
        print(f"\n{count} jobs, {(database_bytes() or 0) / 1e6:.0f} MB", flush=True)
        queries = {**questions(), "one write": lambda: Job.objects.filter(pk=Job.objects.first().pk).update(faults=1)}
        for name, ask in queries.items():
            began, spent = time.monotonic(), time.process_time()
            ask()
            spent, took = 1e3 * (time.process_time() - spent), 1e3 * (time.monotonic() - began)
            print(f"{name:28s} {spent:9.1f} ms of processor, {took:9.1f} ms", flush=True)


if __name__ == "__main__":
    main()
