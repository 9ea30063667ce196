"""Measures the times of pages, uploads and refusals while other clients poll and upload, and the memory of the site. It
prints them, and asserts nothing about them.

Run: make benchmarks ARGS=tools/benchmarks/test_load.py; with PostgreSQL and Redis: `bash .ci/services` before it.
The clients use the same cores as the site, so a real site answers faster. Goals on two cores: 95 % of pages within 100
ms, an upload of 1 MB within 500 ms, a hostile file refused within 5 s, the web process below 150 MB.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from http.client import HTTPConnection
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.hostile import REFUSED
from tests.worker.lab import REPOSITORY, Lab

pytestmark = pytest.mark.benchmark
SECONDS, POLLING, UPLOADING = 30.0, 50, 10
ENGINES = ("DEEPSEGM_DATABASE_URL", "DEEPSEGM_BROKER_URL")


def micrograph(seed: int, columns: int = 1500, rows: int = 1100) -> bytes:
    """A PNG of 1 MB: noise with one bright square."""
    pixels = np.random.default_rng(seed).integers(60, 90, (rows, columns)).astype(np.uint8)
    pixels[rows // 4 : rows // 2, columns // 4 : columns // 2] = 200
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def archived(seed: int) -> bytes:
    """A ZIP of 25 small images."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(25):
            archive.writestr(f"{number}.png", micrograph(seed + number, 200, 150))
    return file.getvalue()


class Visitor:
    """A browser with its cookies. took: the seconds of each request, by the kind of request."""

    took: dict[str, list[float]] = {}

    def __init__(self, site: str) -> None:
        self._connection = HTTPConnection(urlsplit(site).netloc, timeout=120)
        self.cookies: dict[str, str] = {}

    def ask(self, kind: str, address: str, body: bytes | None = None, **headers: str) -> bytes:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        began = time.perf_counter()
        self._connection.request("POST" if body else "GET", address, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status < 400, (address, answer.status, content[:200])
        self.took.setdefault(kind, []).append(time.perf_counter() - began)
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return content

    def token(self) -> str:
        """The CSRF token in the form of the start page."""
        match = re.search(rb'csrfmiddlewaretoken" value="([^"]+)"', self.ask("page", "/"))
        assert match
        return match[1].decode()

    def send(self, kind: str, address: str, name: str, content: bytes) -> bytes:
        """A file, as the upload page sends it."""
        return self.post(kind, address, [("file", name, content)], self.token())

    def post(self, kind: str, address: str, fields: list[tuple[str, str, bytes]], token: str = "") -> bytes:
        """A form. fields: name, file name or "", and content of each."""
        mark, body = uuid4().hex, b""
        for name, filename, content in fields:
            file = f'; filename="{filename}"' if filename else ""
            head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
            body += head.encode() + content + b"\r\n"
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}", "X-CSRFToken": token}
        return self.ask(kind, address, body + f"--{mark}--\r\n".encode(), **headers)


@pytest.fixture
def site(tmp_path):
    lab = Lab(tmp_path / "data")
    lab.env |= {name: os.environ[name] for name in ENGINES if os.environ.get(name)}
    lab.env |= {"DEEPSEGM_UPLOADS_PER_HOUR": "100000", "DEEPSEGM_WAITING_JOBS": "100000"}
    command = [sys.executable, "manage.py", "up", "--port", "0"]
    with subprocess.Popen(command, cwd=REPOSITORY, env=lab.env, stdout=subprocess.PIPE, text=True) as process:
        yield (
            next(match[1] for line in process.stdout if (match := re.search(r"at (http://\S+?)/ ", line))),
            process.pid,
        )
        process.send_signal(signal.SIGTERM)
        process.communicate()


def refused(site: str) -> dict[str, float]:
    """Seconds until each of some hostile files is refused, at once or as a job that failed."""
    took, cases = {}, REFUSED[::6]
    for case in (cases[2], *cases):  # one that a worker refuses twice: at first the worker starts
        visitor, began = Visitor(site), time.perf_counter()
        try:
            address = json.loads(visitor.send("hostile", "/api/v1/jobs", "a.tif", case.build()))["id"]
            while json.loads(visitor.ask("hostile", f"/api/v1/jobs/{address}"))["state"] not in ("failed", "done"):
                time.sleep(0.1)
        except AssertionError:
            pass  # by its first bytes
        took[case.label] = time.perf_counter() - began
    return took


class Memory(threading.Thread):
    """The most megabytes of the site's process, and of the largest of its children, by what they are."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.most: dict[str, float] = {}
        self._site = psutil.Process(pid)

    def run(self) -> None:
        while self._site.is_running():
            for process in (self._site, *self._site.children(recursive=True)):
                try:
                    words = [word for word in process.cmdline()[1:4] if "/" not in word]  # no file that a child reads
                    name, size = " ".join(words), process.memory_info().rss / 2**20
                except psutil.Error:
                    continue
                self.most[name] = max(size, self.most.get(name, 0.0))
            time.sleep(0.5)


@pytest.mark.parametrize("load", [f"{UPLOADING} upload", "9 send an archive of 25"])
def test_pages_under_load(site, load):
    site, pid = site
    Visitor.took = {}
    memory = Memory(pid)
    memory.start()
    hostile = refused(site)  # alone, because uploads of one address wait for each other
    Visitor.took = {}
    jobs = [json.loads(Visitor(site).send("job", "/api/v1/jobs", "a.png", micrograph(n)))["id"] for n in range(5)]
    images = [micrograph(number) for number in range(UPLOADING)]
    archives = [archived(25 * number) for number in range(9)]
    end = time.monotonic() + SECONDS

    def poll():
        visitor = Visitor(site)
        time.sleep(random.random())
        while time.monotonic() < end:
            visitor.ask("poll", f"/jobs/{random.choice(jobs)}/status/")
            if random.random() < 0.2:
                visitor.ask("page", "/")
                visitor.ask("static", "/static/css/deepsegm.css")
            time.sleep(1)

    def upload(number):
        visitor = Visitor(site)
        while time.monotonic() < end:
            visitor.send("upload", "/uploads/", "a.png", images[number])
            time.sleep(2)

    def archive(number):
        Visitor(site).send("upload", "/uploads/", "batch.zip", archives[number])

    others = [(upload, n) for n in range(UPLOADING)] if load[0] == "1" else [(archive, n) for n in range(9)]
    threads = [threading.Thread(target=poll) for _ in range(POLLING)]
    threads += [threading.Thread(target=send, args=(number,)) for send, number in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"\n{POLLING} clients poll, {load}:")
    for kind, seconds in Visitor.took.items():
        middle, late = np.percentile(seconds, [50, 95])
        print(f"  {kind:8s} n {len(seconds):5d}   median {1e3 * middle:6.1f} ms   p95 {1e3 * late:6.1f} ms")
    slowest = max(hostile, key=lambda label: hostile[label])
    print(f"  hostile  n {len(hostile):5d}   slowest {hostile[slowest]:.1f} s ({slowest})")
    for name, most in sorted(memory.most.items()):
        print(f"  {most:7.1f} MB at most: {name}")
