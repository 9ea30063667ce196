"""Times a control chart with many points: python -m tools.benchmarks.charts 500 5000

Prints seconds and peak memory (of Python's objects) to make the chart, and for one GET of its page, of the page of its
method, and of the chart by API.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import django


def measured(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds without, and peak MB with, the tracing of memory."""
    began = time.monotonic()
    work()
    seconds = time.monotonic() - began
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return seconds, peak


def main(counts: list[int]) -> None:
    os.environ["DEEPSEGM_DATA"] = tempfile.mkdtemp()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client
    from django.utils import timezone

    from segmentation.core.analysis import AnalysisSettings
    from segmentation.core.micrograph.calibration.sources import Source
    from segmentation.core.quality.control_chart import ChartPlan
    from segmentation.core.quality.method import MethodDescription
    from segmentation.models import Job, Method, MethodVersion, Micrograph
    from segmentation.quality.control_charts import services as charts
    from tests.web.finished import summary

    call_command("migrate", verbosity=0)
    user = User.objects.create_user("alice")
    for count in counts:
        method = Method.objects.create(owner=user, name=f"Powder {count}")
        said = MethodDescription.of_result(AnalysisSettings.of(), "cd" * 32, Source.METADATA)
        fields = {"description": said.as_dict(), "checksum": said.checksum, "author": "alice"}
        version = MethodVersion.objects.create(method=method, number=1, **fields)
        image = Micrograph.objects.create(owner=user, name="a.png", sha256="a" * 64, size=1, width=64, height=48)
        stored, settings, now = summary(), AnalysisSettings.of().as_dict(), timezone.now()
        jobs = []
        for number in range(count):
            numbers = {**stored, "statistics": {**stored["statistics"], "median": 100.0 + number % 7}}
            row = {"micrograph": image, "settings": settings, "model_name": "particles", "submission": uuid4().hex}
            row |= {"state": "done", "finished": now, "created": now - timedelta(minutes=count - number)}
            jobs.append(Job(**row, owner=user, method=version, summary=numbers))
        Job.objects.bulk_create(jobs, batch_size=200)
        del jobs
        rows = []

        def make(rows: list[Any] = rows, method: Any = method) -> None:
            for chart in rows:
                chart.delete()
            rows[:] = [charts.create_chart(method=method, plan=ChartPlan(), reference=None, user=user)]

        seconds, peak = measured(make)
        client = Client(headers={"host": "localhost", "X-Requested-With": "DeepSegm"})  # as our pages ask the API
        client.force_login(user)
        words = f"{count} points: made in {seconds:.1f} s with {peak:.0f} MB"
        chart = rows[0].pk
        for name, address in {
            "page": f"/charts/{chart}/",
            "method": f"/methods/{method.pk}/",
            "API": f"/api/v1/charts/{chart}",
        }.items():
            assert client.get(address).status_code == 200
            seconds, peak = measured(lambda client=client, address=address: client.get(address).content)
            words += f"; {name} {seconds:.2f} s, {peak:.0f} MB"
        print(words)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [500, 5000])
