"""A million jobs in the database: what each question to it then costs.

`DEEPSEGM_DATABASE_URL=postgres://... python -m tests.benchmarks.million --jobs 1000000` fills an empty PostgreSQL with
finished jobs, with one sender's thousand waiting ones, with an hour's work of a hundred workers, and with one newcomer.
For each question it prints its queries, their milliseconds by EXPLAIN ANALYZE and the tables that were read whole.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

USERS, WAITING, IN_AN_HOUR = 1000, 1000, 100_000
LARGE = 10_000  # rows; a smaller table may be read whole

# {jobs} finished ones a minute apart, the last IN_AN_HOUR within the hour.
FILL = """
set session_replication_role = replica; -- no check of each reference

insert into auth_user
  (id, password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined)
select n, '', false, 'user ' || n, '', '', '', false, true, now() from generate_series(1, {users}) n;
create temp table made as select n, gen_random_uuid() as micrograph, gen_random_uuid() as job, 1 + n % {users} as owner,
  now() - ({jobs} - n) * interval '1 s' * (case when n > {jobs} - {hour} then 0.036 else 6 end) as at
  from generate_series(1, {jobs}) n;
insert into segmentation_micrograph ({micrograph}) select {micrograph_values} from made;
insert into segmentation_job ({job}) select {job_values} from made;
insert into segmentation_artifact (attempt, name, file, size, content_type, job_id)
select 1, name, 'jobs/' || job || '/1/' || name, 20000, 'image/webp', job
from made, unnest(array['figure-small.webp', 'outlines.json']) as name;
analyze;
"""


def values(model: Any, given: dict[str, str]) -> tuple[str, str]:
    """The columns of a table, and for each what is given, else an empty value of its kind."""
    empty = {"uuid": "null", "timestamp with time zone": "null", "boolean": "false", "jsonb": "'{}'", "bigint": "0"}
    empty |= {"integer": "0", "smallint": "0", "double precision": "0"}
    from django.db import connection

    columns, cells = [], []
    for field in model._meta.concrete_fields:
        kind = (field.db_type(connection) or "").split("(")[0]
        value = given.get(field.column, "null" if field.null else empty.get(kind, "''"))
        columns.append(field.column)
        cells.append(value)
    return ", ".join(columns), ", ".join(cells)


def fill(jobs: int) -> None:
    from django.db import connection

    from segmentation.models import Job, Micrograph

    image = {"id": "micrograph", "state": "'done'", "width": "1024", "height": "768", "created": "at", "size": "800000"}
    image |= {"owner_id": "owner", "address": "'a' || owner", "name": "'image ' || n || '.tif'", "started": "at"}
    image |= {"sha256": "md5(n::text) || md5(n::text)", "file": "'micrographs/' || micrograph || '/image.tif'"}
    image |= {"finished": "at"}
    summary = json.dumps({"timings": {"network": 0.4, "separation": 0.3}, "statistics": {"n_kept": 60, "median": 42.5}})
    job = {"id": "job", "micrograph_id": "micrograph", "owner_id": "owner", "address": "'a' || owner", "created": "at"}
    job |= {
        "submission": "job::text",
        "state": "'done'",
        "queued": "at",
        "started": "at",
        "finished": "at",
        "attempt": "1",
    }
    job |= {
        "ready": "true",
        "included": "true",
        "model_name": "'particles'",
        "summary": f"'{summary}'",
        "enqueued": "at",
    }
    job |= {"settings": f"'{json.dumps(_settings())}'"}
    names = dict(zip(("micrograph", "micrograph_values"), values(Micrograph, image), strict=True))
    names |= dict(zip(("job", "job_values"), values(Job, job), strict=True))
    waiting = "update segmentation_job set state = 'queued', started = null, finished = null, owner_id = {owner} "
    waiting += "where id in (select job from made where n % {part} = 0 order by at desc limit {count})"
    with connection.cursor() as cursor:
        cursor.execute(FILL.format(users=USERS, jobs=jobs, hour=min(IN_AN_HOUR, jobs), **names))
        cursor.execute(waiting.format(owner=1, part=2, count=WAITING))
        cursor.execute(waiting.format(owner=2, part=3, count=1))
        cursor.execute("analyze")


def _settings() -> dict[str, Any]:
    from segmentation.core.analysis import AnalysisSettings

    return AnalysisSettings.of().as_dict()


def questions() -> dict[str, Callable[[], Any]]:
    from django.contrib.auth import get_user_model
    from django.core.paginator import Paginator
    from django.test import RequestFactory

    from segmentation import services
    from segmentation.models import Job, Micrograph
    from segmentation.models.jobs import recent_pace
    from segmentation.services.ground import limits
    from segmentation.services.upkeep import health

    user = get_user_model().objects.get(pk=5)
    waiting = Job.objects.filter(state="queued").order_by("-queued").first()
    jobs = Job.objects.visible_to(user, None).select_related("micrograph").order_by("-created")
    RequestFactory()
    return {
        "next job in turn": lambda: Job.objects.first_in_turn(),
        "next upload in turn": lambda: Micrograph.objects.first_in_turn(),
        "rescue": services.rescue,
        "limits of a sender": lambda: limits.check_waiting(user=user, visitor=None, address=""),
        "pace, for each attempt": recent_pace,
        "place in the queue": waiting.position,
        "expected seconds": waiting.expected_seconds,
        "My results, first page": lambda: list(Paginator(jobs.defer("summary"), 50).get_page(1)),
        "administrator's list": lambda: (Job.objects.count(), list(Job.objects.select_related("micrograph")[:100])),
        "status: queues": health.queues,
        "status: failures": health.failures,
        "status: slowest stages": health.slowest_stages,
        "metrics: states": lambda: list(health.states()),
        "metrics: bytes stored": services.storage_used,
        "hourly tidying": services.tidy,
    }


def plans(queries: list[dict[str, str]]) -> Iterator[tuple[float, set[str]]]:
    """The milliseconds of each SELECT, and the large tables that it reads whole."""
    from django.db import connection

    for query in queries:
        if not query["sql"].startswith("SELECT"):
            continue
        with connection.cursor() as cursor:
            cursor.execute("explain (analyze, format json) " + query["sql"].replace("%", "%%"))
            plan = cursor.fetchone()[0][0]
        yield plan["Execution Time"], set(whole(plan["Plan"]))


def whole(node: dict[str, Any]) -> Iterator[str]:
    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    if node["Node Type"] == "Seq Scan" and read * node["Actual Loops"] > LARGE:
        yield node["Relation Name"].removeprefix("segmentation_")
    for child in node.get("Plans", []):
        yield from whole(child)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--filled", action="store_true", help="it is filled already")
    options = parser.parse_args()
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    call_command("migrate", verbosity=0)
    if not options.filled:
        began = time.monotonic()
        fill(options.jobs)
        print(f"{options.jobs} jobs filled in {time.monotonic() - began:.0f} s")
    with connection.cursor() as cursor:
        for table in ("job", "micrograph", "artifact"):
            cursor.execute(
                f"select pg_table_size('segmentation_{table}'), pg_indexes_size('segmentation_{table}'),"
                f" (select count(*) from segmentation_{table})"
            )
            rows, indexes, count = cursor.fetchone()
            print(f"{table}: {rows / count:.0f} bytes a row, {indexes / count:.0f} of indexes, {count} rows")
    print(f"{'question':28s} {'queries':>7s} {'ms':>9s} {'slowest':>9s}  tables read whole")
    for name, ask in questions().items():
        with CaptureQueriesContext(connection) as seen:
            began = time.monotonic()
            ask()
            took = 1e3 * (time.monotonic() - began)
        scans = list(plans(seen.captured_queries))
        tables = sorted(set().union(*(read for _, read in scans)))
        slowest = max((milliseconds for milliseconds, _ in scans), default=0.0)
        print(f"{name:28s} {len(seen):7d} {took:9.1f} {slowest:9.1f}  {', '.join(tables)}")


if __name__ == "__main__":
    main()
