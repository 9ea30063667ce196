"""A data folder with a database of its own, for tests with real worker processes.

The test process has another database, so it looks into this one with sqlite3 and changes it through
`python -m tests.worker.lab create|watch|cancel ...`, a process of the site's kind.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


class Lab:
    """folder: the data folder. env: what every process of this lab gets. A slow worker's work lasts until `let_go`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "analyses.log"
        self.held = folder.with_name(f"{folder.name} held")
        self.held.mkdir()
        (self.held / "segmenting").touch()
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DEEPSEGM_")},
            "DEEPSEGM_DATA": str(folder),
            "DJANGO_SETTINGS_MODULE": "tools.faults.settings",
            "LAB_CONSTANTS": '{"DEEPSEGM_SILENCE_SECONDS": 5}',
            "DEEPSEGM_PARENT": str(os.getpid()),
            "LAB_HELD": str(self.held),
            "LAB_LOG": str(self.log),
        }

    def let_go(self, stage: str = "segmenting") -> None:
        """The slow worker may get on with this stage, from now on."""
        (self.held / stage).unlink()

    def run(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "tests.worker.lab", *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, env=self.env, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def row(self) -> dict[str, Any]:
        """The only job."""
        with sqlite3.connect(self.folder / "db.sqlite3", timeout=20) as database:
            database.row_factory = sqlite3.Row
            columns = dict(database.execute("select * from segmentation_job").fetchone())
        database.close()
        return columns

    def artifacts(self) -> list[tuple[str, int]]:
        with sqlite3.connect(self.folder / "db.sqlite3", timeout=20) as database:
            rows = database.execute("select name, attempt from segmentation_artifact order by name").fetchall()
        database.close()
        return rows

    def words(self) -> list[str]:
        """What the analyses wrote: begin, end."""
        return [line.split()[0] for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def pids(self, word: str = "begin") -> list[int]:
        """The pool children that began an analysis, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [int(line.split()[1]) for line in lines if line.split()[0] == word]


def python(folder: Path, *arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Python on a data folder. settings: of the site, without their DEEPSEGM_."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DEEPSEGM_")}
    env |= {"DEEPSEGM_DATA": str(folder), "PYTHONPATH": str(REPOSITORY), "DJANGO_SETTINGS_MODULE": "deepsegm.settings"}
    env |= {f"DEEPSEGM_{name}": value for name, value in settings.items()}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=180)


def wait_for(happened: Callable[[], Any], what: str, seconds: float = 180.0) -> Any:
    """The first true answer; the limit is only there to end a test that would hang."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := happened():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"waited in vain until {what}")


def main(word: str) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    django.setup()
    from django.core.management import call_command

    from segmentation.services.results import jobs
    from segmentation.services.upkeep import upkeep

    if word == "migrate":
        call_command("migrate", verbosity=0)
    if word == "create":
        print(_create())
    while word == "watch":  # as `up` does
        upkeep.rescue()
        time.sleep(0.5)
    if word == "cancel":
        from segmentation.models import Job

        jobs.cancel_job(job=Job.objects.get())


def _create() -> str:
    """One waiting job, enqueued by the service that the site uses."""
    from segmentation.core.analysis import AnalysisSettings
    from segmentation.services.results import jobs

    micrograph = _upload("b")
    return str(
        jobs.create_job(micrograph=micrograph, settings=AnalysisSettings.of(), user=None, visitor=None, token="").pk
    )


def _upload(letter: str) -> Any:
    from django.core.files.base import ContentFile

    from segmentation.core.network import cards
    from segmentation.models import Micrograph
    from tests.conftest import picture

    from . import fake

    cards.available = lambda: [fake.CARD]
    micrograph = Micrograph(name=f"{letter}.png", sha256=letter * 64, size=100, state="done", width=64, height=48)
    micrograph.file.save("a.png", ContentFile(picture()), save=False)
    micrograph.preview.save("preview.png", ContentFile(picture()))
    return micrograph


if __name__ == "__main__":
    main(sys.argv[1])
