"""The site is killed while somebody corrects: nothing that was shown as saved is lost, and the rest follows."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import PATIENCE, REPOSITORY, _address
from .specimen import DISCS
from .test_editor import Hand, discs_of
from .test_journey import result

pytestmark = pytest.mark.slow
SHOWN = """() => ["[data-number=n_kept]", "[data-saved]"].map((name) => document.querySelector(`.result-page ${name}`))
    .map((each) => each.dataset.saved ?? each.textContent)"""


class Mortal:
    """A site without a worker that is killed and started again at the same address, with the same data."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "up.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DEEPSEGM_")}
        self.env = {**environment, "DEEPSEGM_DATA": str(folder / "data")}

    def manage(self, *arguments):
        return [sys.executable, "manage.py", *arguments]

    def start(self):
        how = {"cwd": REPOSITORY, "env": self.env, "stdout": subprocess.PIPE, "text": True}
        with self.log.open("a") as errors:
            self.process = subprocess.Popen(
                self.manage("up", "--no-worker", "--port", str(self.port)), stderr=errors, **how
            )
        self.address = _address(self.process, self.log)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def verified(self):
        how = {"cwd": REPOSITORY, "env": self.env, "capture_output": True, "text": True}
        return subprocess.run(self.manage("audit", "verify"), **how)


def copy_if_there(source, target):
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


@pytest.fixture
def mortal(tmp_path, data_folder, analysed_discs):
    """It begins with a copy of what the other site has: a finished result."""
    (tmp_path / "data").mkdir()
    shutil.copy(data_folder / "secret-key", tmp_path / "data")
    databases = [sqlite3.connect(folder / "db.sqlite3", timeout=60) for folder in (data_folder, tmp_path / "data")]
    databases[0].backup(databases[1])
    for database in databases:
        database.close()
    # After the rows, so that no row is newer than its files; the other site's worker may still write and remove some.
    shutil.copytree(data_folder / "files", tmp_path / "data" / "files", copy_function=copy_if_there)
    site = Mortal(tmp_path)
    site.copied = stored_edits(site)  # those of other tests
    site.start()
    yield site
    site.kill()


@pytest.fixture
def page(mortal, chromium, analysed_discs):
    job, cookies = analysed_discs
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, base_url=mortal.address)
    context.set_default_timeout(150_000)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(f"/jobs/{job}/")
    result(page)
    yield page
    context.close()


def test_a_killed_site_loses_no_correction(mortal, page):
    hand, places, remaining = Hand(page).open(), discs_of(page), DISCS
    saved = page.locator("[data-saved]")

    def delete():
        nonlocal remaining
        _, x, y = places.pop(0)  # of the uppermost, over which no offer lies
        hand.click(x, y)
        hand.press("Delete")
        remaining -= 1

    for wait in (None, 0.01):
        delete()
        if wait is None:
            hand.saved()
        else:
            time.sleep(wait)  # in the midst of storing, or before, or after
        done, state = page.evaluate(SHOWN)
        mortal.kill()
        assert stored_edits(mortal) - mortal.copied >= DISCS - int(done) - (state != "saved")
        for _ in range(2):
            delete()
        expect(saved).to_have_text(re.compile("No connection: [23] steps will follow"), timeout=PATIENCE)
        mortal.start()
        hand.saved()
        hand.kept(remaining)
        assert stored_edits(mortal) - mortal.copied == DISCS - remaining
    page.reload()
    hand.kept(remaining)
    report = mortal.verified()
    count = str(mortal.copied + DISCS - remaining)
    assert (report.returncode, re.findall(r"\d+", report.stdout)[:1]) == (0, [count]), report.stdout + report.stderr


def stored_edits(mortal):
    with sqlite3.connect(Path(mortal.env["DEEPSEGM_DATA"]) / "db.sqlite3", timeout=20) as database:
        (count,) = database.execute("select count(*) from segmentation_edit").fetchone()
    database.close()
    return count
