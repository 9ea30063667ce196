"""The short form of `python -m tools.faults`: a real site keeps its promises while it is killed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .lab import REPOSITORY

SHORT = ("--jobs", "12", "--kills", "4", "--trainings", "0", "--faults", "storage,clock")


def survives(*more: str) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DEEPSEGM_")}
    command = [sys.executable, "-m", "tools.faults", *SHORT, *more]
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_with_sqlite():
    survives()


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.skipif("DEEPSEGM_BROKER_URL" not in os.environ, reason="see .ci/services; it starts engines of its own")
def test_nothing_is_lost_or_doubled_with_postgresql_and_redis():
    survives("--stack", "services")
