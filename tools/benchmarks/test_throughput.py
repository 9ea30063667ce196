"""Measures how many pictures a site analyses in a minute, with 1, 2, 4 ... analyses at a time. It prints the numbers,
and asserts nothing about them.

Run: make benchmarks ARGS=tools/benchmarks/test_throughput.py. With a GPU it measures first the GPU, which the
children of the worker share, then the processor. The environment variable PICTURES names the folder of pictures
(default: EMPS).
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import cycle, islice
from pathlib import Path

import pytest

from segmentation.core.network.runtime import has_gpu
from tests.worker.lab import REPOSITORY, Lab, wait_for
from tools.benchmarks.test_load import Visitor

pytestmark = pytest.mark.benchmark
FOLDER = Path(os.environ.get("PICTURES", REPOSITORY.parent / "shared" / "data" / "particles" / "emps-train" / "images"))
COUNT = int(os.environ.get("COUNT", "64"))
CORES = os.cpu_count() or 1
STATES = "select count(*), min(started), max(finished) from segmentation_job where state in ('done', 'failed')"


def finished(database: Path) -> tuple[int, float]:
    """How many analyses are over, and the seconds from the first one's start to the last one's end."""
    with closing(sqlite3.connect(database, timeout=20)) as rows:
        count, first, last = rows.execute(STATES).fetchone()
        seconds = rows.execute("select 86400 * (julianday(?) - julianday(?))", (last, first)).fetchone()[0]
    return count, seconds or 0.0


@pytest.mark.parametrize("concurrency", [n for n in (1, 2, 4, 8, 16) if n <= CORES])
@pytest.mark.parametrize("device", ["cuda", "cpu"] if has_gpu() else ["cpu"])
def test_pictures_a_minute(tmp_path, concurrency, device):
    lab = Lab(tmp_path / "data")
    lab.env |= {"DEEPSEGM_CONCURRENCY": str(concurrency), "DEEPSEGM_THREADS": str(max(1, CORES // concurrency))}
    lab.env |= {"DEEPSEGM_UPLOADS_PER_HOUR": "100000", "DEEPSEGM_WAITING_JOBS": "100000", "DEEPSEGM_DEVICE": device}
    del lab.env["DJANGO_SETTINGS_MODULE"]
    Visitor.took = {}
    command = [sys.executable, "manage.py", "up", "--port", "0"]
    with subprocess.Popen(command, cwd=REPOSITORY, env=lab.env, stdout=subprocess.PIPE, text=True) as process:
        site = next(match[1] for line in process.stdout if (match := re.search(r"at (http://\S+?)/ ", line)))
        visitor = Visitor(site)
        for number, file in enumerate(islice(cycle(sorted(FOLDER.iterdir())), COUNT)):
            name = f"{number}{file.suffix}"
            json.loads(
                visitor.post("send", "/api/v1/jobs", [("file", name, file.read_bytes()), ("width", "", b"2 um")])
            )
        wait_for(lambda: finished(lab.folder / "db.sqlite3")[0] == COUNT, "all are analysed", 3600)
        seconds = finished(lab.folder / "db.sqlite3")[1]
        process.send_signal(signal.SIGTERM)
        process.communicate()
    print(f"\n{device}, {CORES} cores, {concurrency} at a time: {COUNT * 60 / seconds:.0f} pictures a minute")
