"""The steps of `.ci/run` that run beside each other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CI = Path(__file__).resolve().parents[1] / ".ci"
HEAD = """set -euo pipefail
scratch=$(mktemp -d)
set -m
trap 'jobs -p | xargs -r -I{} kill -- -{}; rm -rf "$scratch"' EXIT
. "$CI/beside"
"""


def run(lines):
    """What a script of these lines prints, and its exit status; one that hangs is an error."""
    script = ["bash", "-c", HEAD + lines]
    done = subprocess.run(
        script, env={"CI": str(CI), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=120
    )
    return done.stdout.split("\n")[:-1], done.returncode


def test_a_failure_beside_is_told_while_the_tests_run():
    beside = "lint() { echo 'E501 Line too long'; return 3; }\nbeside lint\n"
    assert run(f"{beside}in_front sleep 1000; echo never") == (["E501 Line too long"], 3)


@pytest.mark.parametrize("first", ["beside sleep 0.3\nin_front sleep 0", "beside true\nin_front sleep 0.3"])
def test_both_are_waited_for(first):
    assert run(f"{first}\njoined; in_front echo e2e; echo done") == (["e2e", "done"], 0)


def test_a_failure_in_front_ends_what_runs_beside():
    assert run("beside sleep 1000\nin_front false; echo never") == ([], 1)


def test_a_failure_that_is_known_only_at_the_end():
    assert run("late() { sleep 0.3; echo late; return 4; }\nbeside late\nin_front true\njoined; echo never") == (
        ["late"],
        4,
    )
