"""How long corrections of a large result take, and how much memory the site needs. Prints; asserts no seconds.

Run: make benchmarks ARGS=tests/benchmarks/test_corrections_speed.py. The result is drawn: 8192 x 8192 px, 5,000 discs
of 21 to 49 px radius, with the maps of a network that missed every 25th of them; noise of 2 % lies on the maps. The
requests come one after the other over one connection from the same machine. Aims: p95 of deleting, painting, merging
and splitting by a line under 50 ms, of splitting by points under 100 ms, of adding under 150 ms; first opening under
2 s and less than 200 MB of memory.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.core.builders import disc_labels, segmentation_of
from tests.worker.lab import REPOSITORY, SECRET, Lab

pytestmark = pytest.mark.benchmark
SIDE, OBJECTS, TIMES = 8192, 5000, 100


def drawn(file: Path) -> dict[int, tuple[float, float, float]]:
    """Write the segmentation; the centre (x, y) and radius of each disc that was missed."""
    labels = disc_labels(OBJECTS, (SIDE, SIDE))
    noise = np.random.default_rng(0).normal(0, 5, (1024, SIDE)).astype(np.float32)
    noise = np.tile(noise, (SIDE // 1024, 1))
    discs = where(labels)
    distance = np.zeros((SIDE, SIDE), np.float32)
    for x, y, radius in discs.values():
        rows, columns = (slice(max(0, int(at - radius) - 1), min(SIDE, int(at + radius) + 2)) for at in (y, x))
        down, across = np.ogrid[rows, columns]
        near = 255 * (1 - np.hypot(down + 0.5 - y, across + 0.5 - x) / radius)
        distance[rows, columns] = np.maximum(distance[rows, columns], near)
    maps = {
        "foreground": np.clip(np.where(labels > 0, 220, 12) + noise, 0, 255).astype(np.uint8),
        "inner_distance": np.clip(distance + noise * (labels > 0), 0, 255).astype(np.uint8),
    }
    missed = np.arange(OBJECTS + 1) % 25 == 7
    labels[missed[labels]] = 0
    ids = np.unique(labels)[1:].astype(np.int32)
    known = {"ids": ids, "classes": np.zeros(len(ids), np.int32), "confidence": np.full(len(ids), 0.8, np.float32)}
    replace(segmentation_of(np.ones((16, 16), np.int32)), labels=labels, rows=SIDE, maps=maps, next_id=0, **known).save(
        file
    )
    return {number: each for number, each in discs.items() if missed[number]}


def where(labels):
    """The centre and radius of each disc."""
    flat = np.flatnonzero(labels)
    numbers = labels.ravel()[flat]
    areas = np.bincount(numbers)
    y, x = (np.bincount(numbers, each + 0.5) / np.maximum(areas, 1) for each in np.divmod(flat, SIDE))
    return {n: (x[n], y[n], float(np.sqrt(areas[n] / np.pi))) for n in range(1, OBJECTS + 1)}


class Site:
    """One connection to a site of its own. memory: of its process, now and at most, in MB."""

    def __init__(self, process: subprocess.Popen[str], address: str, job: str) -> None:
        self.process, self.job, self.base = process, job, 0
        self.connection = HTTPConnection(urlsplit(address).netloc, timeout=600)

    def get(self, what: str) -> bytes:
        self.connection.request("GET", f"/api/v1/jobs/{self.job}/{what}", headers={"Accept-Encoding": "gzip"})
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content[:200]
        return content

    def edit(self, operation) -> float:
        """Milliseconds until the answer; nan where it is refused."""
        body = json.dumps({"base": self.base, "operations": [operation]})
        said = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
        began = time.perf_counter()
        self.connection.request("POST", f"/api/v1/jobs/{self.job}/edits", body, said)
        answer = self.connection.getresponse()
        content = json.loads(answer.read())
        spent = 1e3 * (time.perf_counter() - began)
        assert answer.status in (200, 422), content
        self.base = content.get("base", self.base)
        return spent if answer.status == 200 else np.nan

    @property
    def work(self) -> float:
        """Seconds of processor time so far; other work on the machine does not count."""
        said = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> list[int]:
        said = Path(f"/proc/{self.process.pid}/status").read_text()
        return [int(re.search(rf"{name}:\s+(\d+)", said)[1]) // 1024 for name in ("VmRSS", "VmHWM")]


@pytest.fixture
def site(tmp_path):
    lab, file = Lab(tmp_path / "data"), tmp_path / "drawn.npz"
    missed = drawn(file)
    command = [sys.executable, "manage.py", "up", "--port", "0", "--no-worker"]
    with subprocess.Popen(command, cwd=REPOSITORY, env=lab.env, stdout=subprocess.PIPE, text=True) as process:
        address = next(found[1] for line in process.stdout if (found := re.search(r"at (http://\S+?)/ ", line)))
        yield Site(process, address, lab.run("create-result", str(file))), missed
        process.send_signal(signal.SIGTERM)
        process.communicate()


def test_corrections_of_a_large_result(site):
    site, missed = site
    rng = np.random.default_rng(1)
    print(f"\nmemory before: {site.memory[0]} MB")
    for what in ("labels?format=runs", "labels?format=runs", "labels?format=objects", "labels"):
        began = time.perf_counter()
        size = len(site.get(what))
        print(f"GET {what}: {time.perf_counter() - began:.2f} s, {size / 1e6:.1f} MB, memory {site.memory} MB")
    discs = {n: each for n, each in where_of(site).items() if n not in missed}
    left, absent = list(rng.permutation(list(discs))), list(missed.values())

    def taken():
        return int(left.pop())

    def stroke():
        points = np.cumsum(rng.uniform(-5, 5, (60, 2)), axis=0) + rng.uniform(500, SIDE - 500, 2)
        return {"op": "paint", "points": points.tolist(), "radius": 12, "ground": True}

    def neighbours():
        number = taken()
        x, y, _ = discs[number]
        return [number, min((n for n in left), key=lambda n: np.hypot(discs[n][0] - x, discs[n][1] - y)).item()]

    def line():
        number = taken()
        x, y, radius = discs[number]
        return {"op": "split", "id": number, "line": [[x - 2 * radius, y - 3], [x + 2 * radius, y + 4]]}

    def points():
        number = taken()
        x, y, radius = discs[number]
        return {"op": "split", "id": number, "points": [[x - radius / 2, y], [x + radius / 2, y]]}

    operations = {
        "delete": lambda: {"op": "delete", "ids": [taken()]},
        "delete 200": lambda: {"op": "delete", "ids": [taken() for _ in range(200)]},
        "undo": lambda: {"op": "undo"},
        "merge": lambda: {"op": "merge", "ids": neighbours()},
        "split by a line": line,
        "split by points": points,
        "add": lambda: {"op": "add", "point": list(absent.pop()[:2])},
        "paint": stroke,
        "set aside": lambda: {"op": "set_aside", "ids": [taken()], "reason": "charging"},
    }
    for name, make in operations.items():
        began = site.work
        spent = [site.edit(make()) for _ in range(5 if "200" in name else TIMES)]
        work = 1e3 * (site.work - began) / len(spent)
        middle, late = np.nanpercentile(spent[1:], [50, 95])
        print(
            f"  {name:16s} first {spent[0]:7.1f} ms   median {middle:6.1f} ms   p95 {late:6.1f} ms"
            f"   processor {work:6.1f} ms each   refused {np.isnan(spent).sum()}   memory {site.memory} MB"
        )
    for what in (f"edits?since={site.base - 5}", "edits", "labels?format=runs"):
        began = time.perf_counter()
        size = len(site.get(what))
        print(f"GET {what} after {site.base} edits: {time.perf_counter() - began:.2f} s, {size / 1e6:.1f} MB")
    print(f"memory {site.memory} MB")
    assert site.base


def plain(content: bytes) -> bytes:
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def where_of(site: Site) -> dict[int, tuple[float, float, float]]:
    words = np.frombuffer(plain(site.get("labels?format=runs")), "<i4")
    ids, counts = words[6:].reshape(-1, 2).T
    return {n: each for n, each in where(np.repeat(ids, counts).reshape(SIDE, SIDE)).items() if each[2]}
