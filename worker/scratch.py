"""Makes temporary folders and files for the workers, and removes those that killed processes left,
because they contain images of users.

Each folder or file is locked as long as its process lives; the system releases the lock when the
process ends.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings

logger = logging.getLogger(__name__)
PREFIX = "deepsegm-"
LOCK = "lock"
UPLOADS = "*.upload*"  # files of large uploads, locked as long as their request lives (segmentation.http.uploads)
YOUNG_SECONDS = 60.0  # a file, or a folder without a lock, is not removed while it is younger
KEEP_SECONDS = 300.0  # for which `keep_file` keeps a file
MAX_FILE_BYTES, MAX_KEPT_BYTES = 2**26, 2**28  # of one kept file, and of all kept files of a process
# Kept files, open because they are locked, and their bytes.
_open_files: dict[Path, tuple[IO[bytes], int]] = {}


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A block with a new temporary folder, which is removed at the end of the block."""
    folder = Path(tempfile.mkdtemp(dir=_root(), prefix=PREFIX))
    try:
        with (folder / "new").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / "new").rename(folder / LOCK)  # renamed when locked, so that `sweep` never sees an unlocked file
            work = folder / "work"
            work.mkdir()
            yield work
    finally:
        _remove(folder)


def keep_file(file: Path, name: str) -> None:
    """Move a temporary file to `kept_file_path(name)`, where all processes of this machine find it, for
    KEEP_SECONDS or until this process ends. Does nothing if kept files would take more than
    MAX_KEPT_BYTES."""
    path, size = kept_file_path(name), file.stat().st_size
    kept_bytes = sum(size_of_file for _, size_of_file in list(_open_files.values()))
    if path in _open_files or size + kept_bytes > MAX_KEPT_BYTES:
        return
    opened = file.open("rb")
    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.rename(path)
    _open_files[path] = opened, size

    def remove() -> None:
        path.unlink(missing_ok=True)
        _open_files.pop(path)[0].close()

    timer = threading.Timer(KEEP_SECONDS, remove)
    timer.daemon = True
    timer.start()


def kept_file_path(name: str) -> Path:
    """The path of the file that `keep_file` keeps under this name; the file may not exist."""
    return _root() / f"{name}.kept"


def sweep() -> int:
    """Remove the remains of killed processes from the folder for temporary files; returns their number."""
    root = _root()
    abandoned = [
        folder for folder in root.glob(f"{PREFIX}*") if folder.is_dir() and _is_abandoned(folder, folder / LOCK)
    ]
    for folder in abandoned:
        _remove(folder)
    files = [*root.glob(UPLOADS), *root.glob("*.kept")]
    old = [file for file in files if _age(file) > YOUNG_SECONDS and _is_abandoned(file, file)]
    for file in old:
        file.unlink(missing_ok=True)
    if abandoned or old:
        logger.info("%d temporary files and folders of killed processes were removed.", len(abandoned) + len(old))
    return len(abandoned) + len(old)


def _remove(folder: Path) -> None:
    """Remove a folder; errors are ignored."""
    with suppress(RecursionError):  # a file may have made a thousand nested folders
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        subprocess.run(["rm", "-rf", "--", str(folder)], check=False, stderr=subprocess.DEVNULL)


def _root() -> Path:
    """The folder for all temporary files."""
    root = Path(settings.FILE_UPLOAD_TEMP_DIR)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root


def _is_abandoned(path: Path, lock: Path) -> bool:
    """Whether no process holds the lock of a temporary folder or file."""
    try:
        with lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _age(path) > 0
    except FileNotFoundError:
        return _age(path) > YOUNG_SECONDS  # killed before the lock was made, or about to make it
    except OSError:
        return False


def _age(path: Path) -> float:
    """Seconds since the last change of a file or folder; 0 if it does not exist."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0
