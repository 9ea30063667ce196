"""Tests of the background step of `.ci/run`, of the workflows of GitHub, and of the version number."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from segmentation import __version__

ROOT = Path(__file__).resolve().parents[1]
CI = ROOT / ".ci"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CHOICE = "debians()", "export PYTHON="  # where the choice of a Python begins and ends
HEAD = """set -euo pipefail
scratch=$(mktemp -d)
set -m
trap 'jobs -p | xargs -r -I{} kill -- -{}; rm -rf "$scratch"' EXIT
. "$CI/background"
"""


def run(lines):
    """The lines that a script prints, and its exit status. A script that hangs is an error."""
    script = ["bash", "-c", HEAD + lines]
    done = subprocess.run(
        script, env={"CI": str(CI), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=120
    )
    return done.stdout.split("\n")[:-1], done.returncode


def test_a_failure_in_the_background_ends_the_foreground_step():
    failing = "lint() { echo 'E501 Line too long'; return 3; }\nin_background lint\n"
    assert run(f"{failing}in_foreground sleep 1000; echo never") == (["E501 Line too long"], 3)


@pytest.mark.parametrize(
    "first", ["in_background sleep 0.3\nin_foreground sleep 0", "in_background true\nin_foreground sleep 0.3"]
)
def test_both_are_waited_for(first):
    assert run(f"{first}\nwait_for_background; in_foreground echo e2e; echo done") == (["e2e", "done"], 0)


def test_a_failure_in_the_foreground_ends_the_background_step():
    assert run("in_background sleep 1000\nin_foreground false; echo never") == ([], 1)


def test_a_failure_that_is_known_only_at_the_end():
    assert run(
        "late() { sleep 0.3; echo late; return 4; }\nin_background late\nin_foreground true\n"
        "wait_for_background; echo never"
    ) == (
        ["late"],
        4,
    )


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_is_pinned_and_has_few_rights(file):
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        uses = [job.get("uses"), *(step.get("uses") for step in job.get("steps", ()))]
        for action in filter(None, uses):
            assert re.fullmatch(r"\./\.github/workflows/\w+\.yml|[\w/-]+@[0-9a-f]{40}", action), name
        assert job.get("timeout-minutes") or job.get("uses"), name


def test_a_version_is_built_from_what_ci_accepted():
    ci, release = (yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"] for file in WORKFLOWS)
    assert ".ci/run" in [step.get("run") for step in ci["run"]["steps"]]
    assert release["ci"] == {"uses": "./.github/workflows/ci.yml"}
    assert release["wheel"]["needs"] == release["image"]["needs"] == "ci"
    assert "make wheel" in [step.get("run") for step in release["wheel"]["steps"]]
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    for target in release["image"]["strategy"]["matrix"]["target"]:
        assert f" AS {target}\n" in dockerfile


def test_the_version_is_the_same_everywhere():
    for file in ("pyproject.toml", "client/pyproject.toml", "client/napari-deepsegm/pyproject.toml"):
        assert tomllib.loads((ROOT / file).read_text(encoding="utf-8"))["project"]["version"] == __version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == __version__
    assert json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))["version"] == __version__
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == __version__


def python_of_ci(**environment: str) -> str:
    """The Python that `.ci/run` takes."""
    lines = (CI / "run").read_text(encoding="utf-8").splitlines()
    first, last = (lines.index(next(line for line in lines if line.startswith(start))) for start in CHOICE)
    script = ["bash", "-c", "set -euo pipefail\n" + "\n".join(lines[first : last + 1]) + '\necho "$PYTHON"']
    return subprocess.check_output(script, env={"PATH": "/usr/bin:/bin", **environment}, text=True).strip()


def test_ci_takes_the_python_of_debian():
    minor = Path("/usr/bin/python3").resolve().name.removeprefix("python3.")
    is_of_debian = Path("/etc/debian_version").exists() and minor.isdecimal() and int(minor) >= 11
    assert python_of_ci() == ("/usr/bin/python3" if is_of_debian else "python3")
    assert python_of_ci(PYTHON="python3.13") == "python3.13"
