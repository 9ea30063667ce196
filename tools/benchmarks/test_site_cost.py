"""Measures the cost of a picture on the site, in processor seconds of all processes, divided by those of its analysis
alone. It prints the ratios, and asserts nothing about them.

Run: make benchmarks ARGS=tools/benchmarks/test_site_cost.py
As on a processor without bfloat16: the same with ONEDNN_MAX_CPU_ISA=AVX2 before it. The picture is the sample image
with other noise in one corner each time, and its data bar; its width is typed, so that the bar is compared with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from tests.worker.lab import REPOSITORY, wait_for
from tools.benchmarks.test_first_answer import WIDTH, image, is_ready, processor, site  # noqa: F401
from tools.benchmarks.test_load import Visitor
from worker.processes import idle_memory

pytestmark = pytest.mark.benchmark
PICTURES = int(os.environ.get("PICTURES", "10"))
SAMPLE_IMAGES = int(os.environ.get("OF_SAMPLE", "24"))
IDLE_SECONDS = 60.0
IDLE_CHECK_SECONDS = 1.0  # an idle site uses less than MOST_IDLE_CPU processor seconds in this time
MOST_IDLE_CPU = 0.05
POLL_SECONDS = 0.7  # seconds
# Prints the processor seconds of each analysis of the sample image with its width in a process of its own.
ALONE = """
import sys, time
import deepsegm
from pathlib import Path
from segmentation.core.micrograph.reader import read
micrograph = read(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    began = time.process_time()
    deepsegm.analyse(micrograph, nm_per_pixel=5.0)
    print(time.process_time() - began, flush=True)
"""


def seconds_alone(folder, count=4):
    """Processor seconds of an analysis in a process that has done one."""
    file = folder / "alone.png"
    file.write_bytes(image(0))
    command = [sys.executable, "-c", ALONE, str(file), str(count)]
    output = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True).stdout
    _, *later = map(float, output.split())
    return sum(later) / len(later)


def wait_until_idle(process):
    """Wait until the site does nothing more."""

    def is_at_rest():
        before = processor(process)
        time.sleep(IDLE_CHECK_SECONDS)
        return processor(process) - before < MOST_IDLE_CPU

    wait_for(is_at_rest, "the site is at rest", 600)


def is_done(visitor, address):
    """Whether a result or a sample is there; asked as often as a page does."""
    time.sleep(POLL_SECONDS)
    return json.loads(visitor.ask("state", address))["state"] == "done"


def test_cost(site, tmp_path):  # noqa: F811
    address, process = site
    Visitor.took = {}
    visitor = Visitor(address)
    wait_for(lambda: is_ready(address), "all workers are there")
    wait_until_idle(process)
    began = processor(process)
    time.sleep(IDLE_SECONDS)
    idle = (processor(process) - began) / IDLE_SECONDS
    print(f"\nAt wait_until_idle: {100 * idle:.2f} % of a core")
    _print_memory(process)
    analysis = seconds_alone(tmp_path)
    print(f"An analysis alone: {analysis:.2f} s of the processor; the picture through the site, times that:")
    for number in range(1, PICTURES + 1):
        before = processor(process)
        fields = [("file", f"{number}.png", image(number)), ("width", "", WIDTH.encode())]
        job = json.loads(visitor.post("send", "/api/v1/jobs", fields))["id"]
        wait_for(lambda job=job: is_done(visitor, f"/api/v1/jobs/{job}"), "it is analysed", 600)
        numbers = processor(process) - before
        wait_until_idle(process)
        everything = processor(process) - before
        print(
            f"  {number:2d}  to its numbers {numbers / analysis:.2f}, with all that follows {everything / analysis:.2f}"
        )
    before, clock = processor(process), time.perf_counter()
    files = [("file", f"{number}.png", image(100 + number)) for number in range(SAMPLE_IMAGES)]
    fields = [*files, ("name", "", b"a sample"), ("width", "", WIDTH.encode())]
    sample = json.loads(visitor.post("send", "/api/v1/samples", fields))["id"]
    wait_for(lambda: is_done(visitor, f"/api/v1/samples/{sample}"), "it is pooled", 3600)
    seconds, spent = time.perf_counter() - clock, processor(process) - before
    cost = spent / analysis / SAMPLE_IMAGES
    print(f"  a sample of {SAMPLE_IMAGES}: {cost:.2f} an image, {seconds:.0f} s on the clock")
    wait_until_idle(process)
    print(f"  with all that follows {(processor(process) - before) / analysis / SAMPLE_IMAGES:.2f} an image")
    time.sleep(idle_memory.IDLE_SECONDS + IDLE_CHECK_SECONDS)
    print("At rest after that")
    _print_memory(process)


def _processes(process):
    """The command and the MB of each process of a site, the largest first."""
    sizes = []
    for each in (process, *process.children(recursive=True)):
        try:
            name = " ".join(part for part in each.cmdline() if not part.startswith("/"))[:100]
            sizes.append((name, each.memory_full_info().pss / 2**20))
        except psutil.Error:
            continue
    return sorted(sizes, key=lambda entry: -entry[1])


def _print_memory(process):
    sizes = _processes(process)
    print(f"  {sum(size for _, size in sizes):4.0f} MB in all (proportional set size)")
    for name, size in sizes:
        print(f"  {size:4.0f} MB  {name}")
