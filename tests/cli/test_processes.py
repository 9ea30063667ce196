"""One more process for the files, or several for images: the same results, and an end that leaves nothing behind."""

from __future__ import annotations

import errno
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tqdm import tqdm

from segmentation.core.report import exports
from segmentation.core.report.exports import rois
from segmentation.core.tasks import find
from segmentation.management.commands import _processes, _progress
from tests.core.test_labelled import TWO
from tests.shell import manage

from .test_analyse import USUAL

ROOT = Path(__file__).resolve().parents[2]
EVERY = {name for name, export in exports.by_file_name("image", find("particles")).items() if not export.for_the_page}
TIMES = "timings.json"


@pytest.fixture
def masks(tmp_path):
    """Three masks of two squares, each at another place, and between them one that cannot be read."""
    folder = tmp_path / "masks"
    folder.mkdir()
    for number in range(3):
        tifffile.imwrite(folder / f"{number}.tif", np.roll(TWO, number, axis=1))
    (folder / "1b.tif").write_bytes(b"II*\0junk")
    return folder


def content(file: Path) -> bytes | list[bytes]:
    """The bytes of a file but for its dates: those of what it is packed of, without the properties of a workbook."""
    if file.suffix != ".xlsx":
        return file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        parts = [archive.read(name) for name in sorted(archive.namelist()) if name != "docProps/core.xml"]
    return [re.sub(rb"<v>\d{5}\.\d{6,}</v>", b"", part) for part in parts]  # days since 1900, with the time


def measured(masks: Path, out: Path, *options: object):
    return manage("measure", masks, "--nm-per-pixel", 2, "--sample", "Squares", "--out", out, *options)


@pytest.mark.parametrize("cores", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_the_same_files_and_lines_whatever_the_processes(masks, tmp_path, monkeypatch, printed, cores):
    """With two cores one process writes while the other analyses; with --jobs 2 both do both. Figures are as they are
    printed, since new processes do not know what a test has patched.
    """
    options = () if cores == 2 else ("--jobs", 2)
    monkeypatch.setattr("segmentation.management.commands._measuring.cores", lambda: 1)
    alone = measured(masks, tmp_path / "alone")
    monkeypatch.setattr("segmentation.management.commands._measuring.cores", lambda: cores)
    several = measured(masks, tmp_path / "several", *options)
    assert alone.returncode == several.returncode == 2
    assert several.stdout.replace("several", "alone") == alone.stdout and several.stderr == alone.stderr
    order = [line.partition(" ")[0] for line in alone.stdout.splitlines()][:3]
    assert order == [f"{masks / str(number)}.tif" for number in range(3)]
    files = [path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").rglob("*") if path.is_file()]
    assert len(files) == 3 * len(USUAL) + 5
    for file in files:
        if file.name != TIMES:
            assert content(tmp_path / "several" / file) == content(tmp_path / "alone" / file), file


class Reader:
    """Stands in for a command that measures; notes what was read before."""

    known: list[list[str]] = []

    def analyse_file(self, file, settings, options, progress):
        self.known.append(list(options["bars"]))
        options["bars"].append(file.name)
        return _processes.Measured(None, _processes.Words(""))


def test_a_further_process_keeps_the_bars_that_it_read(monkeypatch):
    """The options of a run come to it anew, as a copy, with each image."""
    monkeypatch.setattr(_processes, "_bars", [])
    monkeypatch.setattr(_processes, "write", lambda measured, files: None)
    for name in ("a.png", "b.png", "c.png"):
        _processes.measure_and_write(Reader, Path(name), None, pickle.loads(pickle.dumps({"size": None})), None)
    assert Reader.known == [[], ["a.png"], ["a.png", "b.png"]]


@pytest.mark.usefixtures("coarse")
def test_all_files_or_those_of_names_and_patterns(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", TWO)
    written = {}
    for asked in ("all", "*.tif, citation.bib", "bundle.zip"):
        arguments = (tmp_path / "a.tif", "--nm-per-pixel", 2, "--out", tmp_path / "out" / asked, "--files", asked)
        assert manage("measure", *arguments).returncode == 0
        written[asked] = {file.name for file in (tmp_path / "out" / asked / "a").iterdir()} - {TIMES}
    labels = {"labels.tif", "labels-all.tif", "citation.bib"}
    assert written == {"all": EVERY, "*.tif, citation.bib": labels, "bundle.zip": {"bundle.zip"}}
    # What holds all others is the same, whether they stay or not.
    with (
        zipfile.ZipFile(tmp_path / "out" / "all" / "a" / "bundle.zip") as whole,
        zipfile.ZipFile(tmp_path / "out" / "bundle.zip" / "a" / "bundle.zip") as lone,
    ):
        assert lone.namelist() == whole.namelist() and len(lone.namelist()) == len(EVERY)
        assert lone.read("labels.tif") == (tmp_path / "out" / "*.tif, citation.bib" / "a" / "labels.tif").read_bytes()


def test_a_full_disk_is_said_with_the_name_of_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(rois, "write_zip", full)
    tifffile.imwrite(tmp_path / "a.tif", TWO)
    mask, out = tmp_path / "a.tif", tmp_path / "out"
    done = manage("measure", mask, "--nm-per-pixel", 2, "--out", out)
    assert done.returncode == 2 and done.stdout == ""
    assert (
        done.stderr
        == f"{mask}: The file {out / 'a' / 'rois.zip'} cannot be read or written: No space left on device.\n"
    )


def test_a_process_that_dies_fails_its_image_alone():
    with _processes.Processes(1) as processes:
        died = processes.submit(os.abort)
        assert isinstance(died.exception(60), _processes.BrokenProcessPool)
        assert processes.submit(os.getpid).result(60) != os.getpid()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.slow
def test_no_process_outlives_the_command(tmp_path, number):
    """Not even where it is killed and can end nobody."""
    code = (
        "import os, time\n"
        "from segmentation.management.commands._processes import Processes\n"
        "if __name__ == '__main__':\n"
        "    with Processes(2) as processes:\n"
        "        print(*{processes.submit(os.getpid).result() for _ in range(2)}, flush=True)\n"
        "        processes.submit(time.sleep, 600).result()\n"
    )
    (tmp_path / "command.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, tmp_path / "command.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as command:
        children = [int(pid) for pid in command.stdout.readline().split()]
        command.send_signal(number)
        command.wait(60)
    deadline = time.monotonic() + 60
    while any(map(is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert children and not any(map(is_alive, children))


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_one_bar_counts_all_images_on_a_terminal_alone(monkeypatch, capsys):
    with _progress.Bar(2) as bar:
        bar.begin("a.tif")
        bar("finding the data bar", 0.5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(_progress, "tqdm", partial(tqdm, mininterval=0))
    with _progress.Bar(2) as bar:
        bar.begin("a.tif")
        bar.show_written(1)
        bar.begin("b.tif")
        bar("measuring", 0.5)
        bar("measuring", 0.4)  # it never goes back
        shown = capsys.readouterr().err
    assert "b.tif (2 of 2):  75%" in shown and "left, measuring" in shown
