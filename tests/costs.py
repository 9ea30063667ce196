"""What tests cost. `make test` leaves out the dearest, those of costs.txt, and `.ci/run` runs them, too.

`make costs` measures the processor seconds of all that `.ci/run` has in its first run of tests, and writes the list.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("costs.txt")
DEAR_FROM = 0.7  # processor seconds, of all parameters of a test together
HEAD = "# Processor seconds of the dearest tests, all parameters together: written by `make costs` (tests/costs.py).\n"
measured = Counter[str]()


def dear_tests() -> dict[str, float]:
    """The processor seconds of each test of the list, by its file and name without parameters."""
    lines = [line.split() for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {name: float(seconds) for seconds, name in lines}


def name_of(item: pytest.Item) -> str:
    """File and name without parameters."""
    return item.nodeid.partition("[")[0]


def processor_seconds() -> float:
    """Of this process and of all its children that have ended."""
    return sum(os.times()[:4])


# The hooks below work only where this file is a plug-in (`-p tests.costs`).
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    before = processor_seconds()
    try:
        return (yield)
    finally:
        measured[name_of(item)] += processor_seconds() - before


def pytest_sessionfinish() -> None:
    """Write the list: what was measured, and of the tests that did not run what it said before."""
    costs = dear_tests() | measured
    dear = sorted(((round(cost, 1), name) for name, cost in costs.items() if cost >= DEAR_FROM), reverse=True)
    LIST.write_text(HEAD + "".join(f"{cost} {name}\n" for cost, name in dear), encoding="utf-8")
