"""Measures the cost of `manage.py analyse` for a folder: processor seconds of all its processes, divided by those
of the same analyses in one process. It prints the ratios, and asserts nothing about them.

Run: make benchmarks ARGS=tools/benchmarks/test_analyse_command.py. The environment variables PICTURES and COUNT
choose the folder (default: EMPS) and the number of pictures (20). Libraries are compiled before, as in an installation
that was used once.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.worker.lab import REPOSITORY

pytestmark = pytest.mark.benchmark
EMPS = REPOSITORY.parent / "shared" / "data" / "particles" / "emps-train" / "images"
FOLDER, COUNT = Path(os.environ.get("PICTURES", EMPS)), int(os.environ.get("COUNT", "20"))
SCALE = ("--nm-per-pixel", "5")  # known, so that no bar is looked for where there is none
RUNS = {"the usual files": (), "all files": ("--files", "all"), "the usual files, --jobs 2": ("--jobs", "2")}
ALONE = """
import sys
from pathlib import Path
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Calibration
from segmentation.core.network import cards
from segmentation.core.pipeline import analyse
settings = AnalysisSettings.of(model=cards.automatic_name("particles"), calibration=Calibration.of_pixel(5.0))
for file in map(Path, sys.argv[1:]):
    analyse(read(file), settings)
"""


def processor_seconds(environment: dict[str, str], *command: object) -> float:
    """The processor seconds of a Python command with all its child processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = {"stdout": subprocess.DEVNULL, "cwd": REPOSITORY, "env": environment}
    subprocess.run([sys.executable, *map(str, command)], check=True, **output)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_analyse_against_its_analyses(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for file in islice(sorted(FOLDER.iterdir()), COUNT):
        (folder / file.name).symlink_to(file)
    files = sorted(folder.iterdir())
    usual = {"ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
    environment = {**os.environ, **usual, "DEEPSEGM_DATA": str(tmp_path / "data")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = ("manage.py", "analyse")
    processor_seconds(environment, *command, *files[:2], *SCALE, "--out", tmp_path / "first")
    alone = processor_seconds(environment, "-c", ALONE, *files)
    print(f"\n{len(files)} analyses in one process: {alone / len(files):.2f} s of the processor each")
    for name, options in RUNS.items():
        seconds = processor_seconds(environment, *command, folder, *SCALE, *options, "--out", tmp_path / name)
        print(f"  analyse with {name}: {seconds / alone:.2f} times that")
