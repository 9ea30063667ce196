"""Measures how long a person waits for the first result: from the drop of a picture on the page, or from the POST of a
script, until the page shows it. It prints the times, and asserts nothing about them.

Run: make benchmarks ARGS=tools/benchmarks/test_first_answer.py
As on a processor without bfloat16: the same with ONEDNN_MAX_CPU_ISA=AVX2 DEEPSEGM_PRECISION=float32 before it.

Each line has seconds on the clock and, in brackets, processor seconds of the site until then; the latter are
meaningful also if others use the machine. "outlines": the page shows the first ones on the picture;
"numbers": it shows how many are counted; "done": the page of the result is there; "figure": so is the
figure at full size, which nobody asked for; "warning": the result says that its scale is doubtful.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.worker.lab import REPOSITORY, Lab, wait_for
from tools.benchmarks.test_load import Visitor

pytestmark = pytest.mark.benchmark
SAMPLE = Path(__file__).resolve().parents[2] / "tests" / "data" / "sem-sample.png"
WARM, WIDTH = 5, "5120 nm"
VIEWING_SECONDS = 8.0  # that a person looks at a result before the next image
IDLE_SECONDS = 0.2  # the workers are idle if they use less processor time in a second
UNCHECKED = b"not yet checked"  # what the page says of outlines that are not yet measured
POLLS = re.compile(rb'data-every="(\d+)"')


@pytest.fixture
def site(tmp_path):
    lab = Lab(tmp_path / "data")
    command = [sys.executable, "manage.py", "up", "--port", "0"]
    env = {**lab.env, "DEEPSEGM_PRECISION": os.environ.get("DEEPSEGM_PRECISION", "auto")}
    with subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, text=True) as process:
        address = next(match[1] for line in process.stdout if (match := re.search(r"at (http://\S+?)/ ", line)))
        yield address, psutil.Process(process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate()


def image(seed: int) -> bytes:
    """The sample image with its data bar as PNG, which says no scale; no two have the same pixels."""
    with Image.open(SAMPLE) as opened:
        pixels = np.array(opened.convert("L"))
    pixels[0, :8] = np.random.default_rng(seed).integers(0, 255, 8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def processor(site: psutil.Process) -> float:
    """The processor seconds that the site and all its processes have used, also processes that have ended."""
    spent = 0.0
    for process in (site, *site.children(recursive=True)):
        try:
            spent += sum(process.cpu_times()[:4])
        except psutil.Error:
            continue
    return spent


class Answer:
    """One image that is sent and watched on its page, as by a browser. at: for each event reached, such as
    "numbers", the seconds and the processor seconds."""

    def __init__(self, address: str, process: psutil.Process, seed: int) -> None:
        Visitor.took = {}
        self._visitor, self._process, self.at = Visitor(address), process, {}
        self._name, self._content = f"{seed}.png", image(seed)
        self._begin()

    def _begin(self) -> None:
        self._began, self._spent = time.perf_counter(), processor(self._process)

    def send(self, width: str) -> None:
        """The image as a script sends it, with its width unless that is ""."""
        fields = [("file", self._name, self._content), *([("width", "", width.encode())] if width else [])]
        self.job = json.loads(self._visitor.post("send", "/api/v1/jobs", fields))["id"]
        self._watch()

    def drop(self, width: str) -> None:
        """The image as it is dropped on the start page, its width typed."""
        fields = [("file", self._name, self._content), ("width", "", width.encode())]
        self._visitor.post("send", "/", fields, self._visitor.token())
        page = self._visitor.ask("list", "/results/")
        self.job = re.search(rb"/jobs/([0-9a-f-]{36})/", page)[1].decode()
        self._watch()

    def _watch(self) -> None:
        page = self._visitor.ask("page", f"/jobs/{self.job}/")
        while (polls := POLLS.search(page)) and b"?late" not in page:
            headline = page.partition(b'"headline"')[2].partition(b"</span>")[0]
            if b"<b>" in headline:
                self.reached("outlines" if UNCHECKED in headline else "numbers")
            time.sleep(int(polls[1]) / 1000)
            page = self._visitor.ask("poll", f"/jobs/{self.job}/status/")
        self._visitor.ask("page", f"/jobs/{self.job}/")
        self.at.setdefault("numbers", self._now())
        self.reached("done")

    def figure(self) -> None:
        """Wait until the figure is there, without asking for it."""

        def written() -> bool:
            page = self._visitor.ask("page", f"/jobs/{self.job}/")
            return re.search(rb'id="get-figure"[^>]*data-further', page) is None

        wait_for(written, "the figure was written")
        self.reached("figure")

    def warning(self) -> None:
        def warned() -> bool:
            result = json.loads(self._visitor.ask("poll", f"/api/v1/jobs/{self.job}"))["result"]
            return result is not None and any("a factor of" in sentence for sentence in result["warnings"])

        wait_for(warned, "the result said that its scale is doubtful")
        self.reached("warning")

    def reached(self, what: str) -> None:
        self.at.setdefault(what, self._now())

    def _now(self) -> tuple[float, float]:
        return time.perf_counter() - self._began, processor(self._process) - self._spent

    def print_line(self, title: str) -> None:
        print(f"  {title:30s}" + "".join(f"  {what} {s:5.2f} ({cpu:5.2f})" for what, (s, cpu) in self.at.items()))


def is_ready(address: str) -> bool:
    """Whether all workers of a site are there."""
    try:
        return not json.loads(Visitor(address).ask("ready", "/readyz"))["degraded"]
    except AssertionError:
        return False


def test_first_answer(site):
    address, process = site
    Visitor.took = {}

    def idle() -> bool:
        before = processor(process)
        time.sleep(1.0)
        return processor(process) - before < IDLE_SECONDS

    began = time.perf_counter()
    wait_for(lambda: is_ready(address), "all workers are there")
    wait_for(idle, "the workers have started")
    print(f"\nWorkers ready to work {time.perf_counter() - began:.1f} s after the site answers.")
    print("First answer for 1024 x 768 px, seconds on the clock (of processors):")
    for number in range(WARM + 1):
        answer = Answer(address, process, number)
        answer.drop(WIDTH)
        answer.figure()
        answer.print_line("warm" if number else "first after a start")
        time.sleep(VIEWING_SECONDS)
    for title, width in (("script: width", WIDTH), ("script: no width, bar is read", "")):
        answer = Answer(address, process, 100 + len(width))
        answer.send(width)
        answer.figure()
        answer.print_line(title)
    answer = Answer(address, process, 200)
    answer.send("10240 nm")
    answer.warning()
    answer.print_line("script: width twice too large")
