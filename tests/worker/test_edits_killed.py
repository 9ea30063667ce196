"""The site is killed while it corrects: what it answered is stored, and what it did not answer can be sent again."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.core.builders import segmentation_of
from tests.worker.lab import REPOSITORY, SECRET, Lab

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "manage.py", "up", "--port", "0", "--no-worker"]


class Site:
    """A site that is started for a data folder, and killed."""

    def __init__(self, lab: Lab) -> None:
        self.process = subprocess.Popen(COMMAND, cwd=REPOSITORY, env=lab.env, stdout=subprocess.PIPE, text=True)
        found = (re.search(r"at (http://\S+?)/ ", line) for line in self.process.stdout)
        self.place = urlsplit(next(each[1] for each in found if each)).netloc

    def ask(self, method: str, address: str, body: dict | None = None, key: str = "") -> tuple[int, dict]:
        connection = HTTPConnection(self.place, timeout=60)
        said = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json", "Idempotency-Key": key}
        connection.request(method, address, json.dumps(body) if body else None, said)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_nothing_that_was_answered_is_lost_and_nothing_is_made_twice(tmp_path):
    lab = Lab(tmp_path / "data")
    segmentation_of(np.ones((100, 200), np.int32)).save(tmp_path / "drawn.npz")
    site = Site(lab)
    address = f"/api/v1/jobs/{lab.run('create-result', str(tmp_path / 'drawn.npz'))}/edits"
    rng, made = np.random.default_rng(0), 0

    def erase(number: int) -> tuple[int, dict]:
        x, y = 2 * (number % 100) + 0.5, 2 * (number // 100) + 0.5
        operation = {"op": "erase", "points": [[x, y]], "radius": 0.5}
        return site.ask("POST", address, {"base": number, "operations": [operation]}, f"edit {number}")

    try:
        for _ in range(3):
            killer = threading.Timer(rng.uniform(0.1, 0.6), site.process.kill)
            killer.start()
            end = time.monotonic() + 60
            while time.monotonic() < end:
                try:
                    status, said = erase(made)
                except (OSError, HTTPException):
                    break
                assert (status, said.get("base")) == (200, made + 1)
                made += 1
            site.kill()
            site = Site(lab)
            stored = site.ask("GET", address)[1]["base"]
            assert made <= stored <= made + 1
            assert erase(made)[1]["base"] == made + 1, "sent again, whether it was made or not"
            made += 1
        log = site.ask("GET", address)[1]
        assert log["base"] == log["standing"] == made > 4
        assert [len(each["patch"]["runs"]) for each in log["edits"]] == [1] * made
        checked = subprocess.run(
            [sys.executable, "manage.py", "audit", "verify"], cwd=REPOSITORY, env=lab.env, capture_output=True
        )
        assert checked.returncode == 0, checked.stdout
    finally:
        site.kill()
