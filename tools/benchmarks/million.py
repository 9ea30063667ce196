"""Measures the time of database queries when there are many jobs.

`DEEPSEGM_DATA=EMPTY python -m tools.benchmarks.million --jobs 10000 40000` fills an empty database with finished
jobs (some as of a hundred workers in the last hour), with a thousand waiting jobs of one sender, and with one job of
another sender. For each question it prints the number of queries, milliseconds, and milliseconds of the processor; with
PostgreSQL (DEEPSEGM_DATABASE_URL) also the milliseconds of the slowest query by EXPLAIN ANALYZE, and the large tables
that were read as a whole.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

USERS, WAITING, IN_AN_HOUR, AT_ONCE = 1000, 1000, 100_000, 5000
LARGE = 10_000  # rows; a smaller table may be read whole


def fill(first: int, stop: int) -> None:
    """Store the jobs with the numbers from `first` to `stop`: a minute apart, the newest IN_AN_HOUR in the last
    hour."""
    from django.utils import timezone

    from segmentation.core.analysis import AnalysisSettings
    from segmentation.models import Artifact, Job, Micrograph

    now, settings = timezone.now(), AnalysisSettings.of().as_dict()
    summary = {"timings": {"network": 0.4}, "statistics": {"n_kept": 60, "median": 42.5}, "rows": "x" * 16_000}
    done = {"state": "done", "finished": now, "attempt": 1}
    for start in range(first, stop, AT_ONCE):
        images, jobs = [], []
        for n in range(start, min(start + AT_ONCE, stop)):
            age = timedelta(seconds=60 * (stop - n) if n < stop - IN_AN_HOUR else 0.036 * (stop - n))
            own = {"owner_id": 1 + n % USERS, "address": f"a{n % USERS}", "started": now - age, **done}
            images.append(Micrograph(**own, name=f"{n}.tif", sha256=f"{n:064}", file=f"{n}", size=800_000, width=1024))
            own |= {"submission": str(n), "settings": settings, "summary": summary, "model_name": "particles"}
            jobs.append(Job(**own, micrograph=images[-1], queued=now - age, enqueued=now - age, ready=True))
        names = "figure-small.webp", "outlines.json"
        Micrograph.objects.bulk_create(images)
        Job.objects.bulk_create(jobs)
        Artifact.objects.bulk_create(
            Artifact(job=job, attempt=1, name=name, file=f"jobs/{job.pk}/{name}", size=20_000)
            for job in jobs
            for name in names
        )
    for owner, count in ((1, WAITING), (2, 1)):
        waiting = Job.objects.filter(state="done").order_by("-queued").values("pk")[:count]
        Job.objects.filter(pk__in=[row["pk"] for row in waiting]).update(
            state="queued", started=None, finished=None, owner_id=owner
        )


def questions() -> dict[str, Callable[[], Any]]:
    """Functions of the site that query the database, by their names in the table."""
    from django.contrib.auth import get_user_model
    from django.core.paginator import Paginator

    from segmentation.models import Job, Micrograph
    from segmentation.models.jobs import recent_pace
    from segmentation.services.ground import limits
    from segmentation.services.upkeep import health, upkeep

    user = get_user_model().objects.get(pk=5)
    waiting = Job.objects.filter(state="queued").order_by("-queued").first()
    jobs = Job.objects.visible_to(user, None).select_related("micrograph").order_by("-created")
    return {
        "next job in turn": lambda: Job.objects.first_in_turn(),
        "next upload in turn": lambda: Micrograph.objects.first_in_turn(),
        "rescue": upkeep.rescue,
        "limits of a sender": lambda: limits.check_waiting(user=user, visitor=None, address=""),
        "pace, for each attempt": recent_pace,
        "place in the queue": waiting.position,
        "expected seconds": waiting.expected_seconds,
        "My results, first page": lambda: list(Paginator(jobs.defer("summary"), 50).get_page(1)),
        "administrator's list": lambda: (Job.objects.count(), list(Job.objects.select_related("micrograph")[:100])),
        "status: queues": health.queues,
        "status: failures": health.count_failures,
        "status: slowest stages": health.slowest_stages,
        "metrics: states": lambda: list(health.count_states()),
        "metrics: bytes stored": upkeep.storage_used,
        "tidying at a start": upkeep.tidy,
        "hourly tidying": upkeep.tidy,
        "one write": lambda: Job.objects.filter(pk=waiting.pk).update(faults=1),
    }


def plans(queries: list[dict[str, str]]) -> Iterator[tuple[float, set[str]]]:
    """For each SELECT its milliseconds, and the large tables that it reads as a whole."""
    from django.db import connection

    for query in queries:
        if not query["sql"].startswith("SELECT"):
            continue
        with connection.cursor() as cursor:
            cursor.execute("explain (analyze, format json) " + query["sql"].replace("%", "%%"))
            plan = cursor.fetchone()[0][0]
        yield plan["Execution Time"], set(scanned_tables(plan["Plan"]))


def scanned_tables(node: dict[str, Any]) -> Iterator[str]:
    """The large tables that a node of a query plan, or a node below it, reads as a whole."""
    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    if node["Node Type"] == "Seq Scan" and read * node["Actual Loops"] > LARGE:
        yield node["Relation Name"].removeprefix("segmentation_")
    for child in node.get("Plans", []):
        yield from scanned_tables(child)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--filled", action="store_true", help="it is filled already")
    options = parser.parse_args()
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    Path(os.environ["DEEPSEGM_DATA"]).mkdir(exist_ok=True)
    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from segmentation.services.upkeep import upkeep
    from segmentation.services.upkeep.health import database_bytes

    call_command("migrate", verbosity=0)
    upkeep.optimise()
    if options.filled:
        ask_all()
        return
    get_user_model().objects.bulk_create(get_user_model()(username=f"user {n}") for n in range(USERS))
    for first, jobs in pairwise([0, *options.jobs]):
        fill(first, jobs)
        upkeep.optimise()
        print(f"\n{jobs} jobs, {(database_bytes() or 0) / 1e6:.0f} MB", flush=True)
        ask_all()


def ask_all() -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    print(f"{'question':28s} {'queries':>7s} {'ms':>9s} {'processor':>9s} {'slowest':>9s}  tables read whole")
    for name, ask in questions().items():
        with CaptureQueriesContext(connection) as seen:
            began, spent = time.monotonic(), time.process_time()
            ask()
            took, spent = 1e3 * (time.monotonic() - began), 1e3 * (time.process_time() - spent)
        scans = list(plans(seen.captured_queries)) if connection.vendor == "postgresql" else []
        tables = sorted(set().union(*(read for _, read in scans)))
        slowest = max((milliseconds for milliseconds, _ in scans), default=0.0)
        print(f"{name:28s} {len(seen):7d} {took:9.1f} {spent:9.1f} {slowest:9.1f}  {', '.join(tables)}", flush=True)


if __name__ == "__main__":
    main()
