"""Folders for work in progress: gone with their work, and with whoever was killed over it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

from segmentation.http.uploads import LockedFileUploadHandler
from worker.scratch import keep_file, kept_file_path, scratch_folder, sweep

KILLED = """
import os, signal, django
django.setup()
from worker.scratch import keep_file, scratch_folder
with scratch_folder() as folder:
    (folder / "pixels.npy").write_bytes(b"image")
    keep_file(folder / "pixels.npy", "pixels")
    (folder / "customer.tif").write_bytes(b"image")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_goes_with_its_work(settings):
    with scratch_folder() as folder:
        (folder / "a.tif").write_bytes(b"image")
        assert sweep() == 0
        assert (folder / "a.tif").exists()
    assert not list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir())


def test_folders_in_folders_go_too(settings):
    with scratch_folder() as folder:
        here = os.open(folder, os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("a", dir_fd=here)
            below = os.open("a", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
    assert not list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir())


def test_what_a_killed_process_left_is_removed(settings, tmp_path):
    env = {**os.environ, "DEEPSEGM_TEMP": str(tmp_path / "t"), "DJANGO_SETTINGS_MODULE": "deepsegm.settings"}
    subprocess.run([sys.executable, "-c", KILLED], env=env, cwd=settings.BASE_DIR, timeout=60, check=False)
    folder = tmp_path / "t" / "deepsegm-temp"
    assert [path.name for path in folder.rglob("*.tif")] == ["customer.tif"]
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    os.utime(folder / "pixels.kept", (time.time() - 3600, time.time() - 3600))
    assert sweep() == 2
    assert not list(folder.iterdir())


def test_kept_files_are_there_while_their_process_lives_and_not_too_many(settings, monkeypatch):
    monkeypatch.setattr("threading.Timer", timer := Mock())
    monkeypatch.setattr("worker.scratch.MAX_KEPT_BYTES", 10)
    monkeypatch.setattr("worker.scratch._open_files", {})
    for name in ("a", "b"):
        with scratch_folder() as folder:
            (folder / "pixels.npy").write_bytes(b"seven b")
            keep_file(folder / "pixels.npy", name)
    os.utime(kept_file_path("a"), (time.time() - 3600, time.time() - 3600))
    assert sweep() == 0
    assert list(Path(settings.FILE_UPLOAD_TEMP_DIR).iterdir()) == [kept_file_path("a")]
    timer.call_args.args[1]()
    assert not kept_file_path("a").exists()


def test_a_folder_without_a_lock_is_young_or_abandoned(settings):
    """A sweep that comes in the moment in which it is made leaves it alone."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    for name, age in (("deepsegm-new", 0), ("deepsegm-old", 120)):
        (folder / name).mkdir()
        (folder / name / "new").touch()
        os.utime(folder / name, (time.time() - age, time.time() - age))
    assert sweep() == 1
    assert [path.name for path in folder.iterdir()] == ["deepsegm-new"]


def test_an_upload_is_removed_when_its_process_is_gone(settings):
    """A clock may have jumped, so that age says little."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    old, young, other = (folder / name for name in ("tmpa.upload.tif", "tmpb.upload.tif", "notes.txt"))
    for file in (old, young, other):
        file.write_bytes(b"image")
    handler = LockedFileUploadHandler()
    handler.new_file("file", "a.tif", "image/tiff", None)
    under_way = Path(handler.file.temporary_file_path())
    for file in (old, other, under_way):
        os.utime(file, (time.time() - 3600, time.time() - 3600))
    assert sweep() == 1
    assert sorted(folder.iterdir()) == sorted([young, other, under_way])
    handler.file.close()
