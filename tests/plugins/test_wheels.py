"""Builds the three plug-ins as wheels, installs them into a folder, and runs tests with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from segmentation.location import ROOT
from tests.test_wheel import build

WHEELS = ("cracks", "fits", "parquet")
HERE = Path(__file__).parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """The environment variables of a process that finds the three wheels."""
    pytest.importorskip("astropy", reason="the reader of FITS needs it: requirements-dev.txt")
    pytest.importorskip("pyarrow", reason="the export as Parquet needs it: requirements-dev.txt")
    folder = tmp_path_factory.mktemp("plugins")
    wheels = []
    for name in WHEELS:
        shutil.copytree(HERE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        wheels.append(str(build("build_wheel", folder / name, folder / f"{name}-wheel")))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", folder / "installed", *wheels], check=True, timeout=120)
    path = os.pathsep.join(filter(None, (str(folder / "installed"), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


def run(environment: dict[str, str], *arguments: str) -> str:
    """The output of Python with these arguments; the exit status must be 0."""
    command = [sys.executable, *arguments]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=500)
    assert not process.returncode, process.stdout[-6000:] + process.stderr[-3000:]
    return process.stdout


def test_they_are_part_of_the_site(environment):
    assert "no issues" in run(environment, "manage.py", "check")
    assert " passed" in run(environment, "-m", "pytest", "-q", "-p", "no:xdist", "tests/plugins/with_plugins.py")


def test_kind_and_format_pass_the_tests_of_ours(environment):
    files = ("tests/tasks/test_conformance.py", "tests/tasks/test_site.py", "tests/core/micrograph/test_formats.py")
    options = ("-q", "-p", "no:xdist", "-m", "slow or not slow", "-k", "cracks or FITS")
    output = run(environment, "-m", "pytest", *options, *files)
    assert " passed" in output and int(output.split(" passed")[0].split()[-1]) > 30, output[-500:]
