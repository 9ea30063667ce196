"""Threads that send requests to a site with an account, and repeat each request until it is answered.

Each request that changes something has an Idempotency-Key, so it may be sent again if it was not answered.
"""

from __future__ import annotations

import io
import json
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Any
from uuid import UUID, uuid4

from tests.conftest import picture

REPEATED_STATUSES = (429, 502, 503, 507)
LARGE_BYTES = 1_200_000  # an upload of this size is written to a temporary file while it arrives
ACTIONS = {"job": 75, "sample": 5, "edit": 8, "file": 6, "delete": 3, "cancel": 3}


def form(files: list[tuple[str, bytes]], fields: dict[str, str]) -> tuple[bytes, str]:
    """A form of files named "file", and its content type."""
    mark, body = "boundary-of-the-senders", io.BytesIO()
    for name, value in fields.items():
        body.write(f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    for name, content in files:
        body.write(f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode())
        body.write(content + b"\r\n")
    body.write(f"--{mark}--\r\n".encode())
    return body.getvalue(), f"multipart/form-data; boundary={mark}"


class Sender(threading.Thread):
    """Sends `jobs` jobs, and other requests for them. self.jobs: number of corrections of each job, by id. gone: ids of
    the jobs that it deleted."""

    statuses: Counter[str] = Counter()
    broken: list[str] = []
    over = threading.Event()
    may_send: Callable[[], bool] = lambda: True
    until = math.inf  # by the monotonic clock

    def __init__(self, port: int, token: str, jobs: int, seed: int, actions: dict[str, int] = ACTIONS) -> None:
        super().__init__(daemon=True)
        self.port, self.token, self.wanted = port, token, jobs
        self.jobs: dict[str, int] = {}
        self._erased: dict[str, int] = {}  # places of a job that are gone, in its outlines or by its corrections
        self.samples: dict[str, int] = {}
        self.gone: set[str] = set()
        self.failure: Exception | None = None
        self._random, self._actions = random.Random(seed), actions

    @property
    def made(self) -> int:
        return len(self.jobs) + len(self.gone) + sum(self.samples.values())

    def run(self) -> None:
        try:
            while self.made < self.wanted and time.monotonic() < self.until:
                if not Sender.may_send():
                    time.sleep(0.2)
                    continue
                kind = self._random.choices(list(self._actions), list(self._actions.values()))[0]
                getattr(self, kind)()
        except Exception as failure:
            self.failure = failure

    def ask(self, method: str, address: str, body: bytes = b"", kind: str = "", key: str = "") -> tuple[int, Any]:
        """Status and content of the final answer. A request is repeated after a cut connection or a status in
        REPEATED_STATUSES."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind or "application/json"}
        while not self.over.is_set():
            connection = HTTPConnection("127.0.0.1", self.port, timeout=90)
            try:
                connection.request(
                    method, address, body or None, {**headers, "Idempotency-Key": key} if key else headers
                )
                answer = connection.getresponse()
                status, content = answer.status, answer.read()
            except (OSError, HTTPException):
                status, content = 0, b""
            finally:
                connection.close()
            self.statuses[str(status or "cut")] += 1
            if status >= 500 and status not in REPEATED_STATUSES:
                self.broken.append(f"{method} {address}: {status} {content[:200]!r}")
            if status and status not in REPEATED_STATUSES and status < 500:
                return status, json.loads(content) if content.startswith((b"{", b"[")) else content
            time.sleep(0.3)
        raise TimeoutError(f"{method} {address} was never answered")

    def _picture(self) -> bytes:
        """A PNG with random bytes after its end, so that each is another file; sometimes a large one."""
        size = LARGE_BYTES if self._random.random() < 0.05 else 16
        return picture() + self._random.randbytes(16) + bytes(size)

    def _send(self, address: str, files: int, **fields: str) -> dict[str, Any]:
        body, kind = form([(f"{number}.png", self._picture()) for number in range(files)], fields)
        status, answer = self.ask("POST", address, body, kind, key=uuid4().hex)
        assert status == 202, (status, answer)
        return dict(answer)

    def job(self) -> None:
        self.jobs[self._send("/api/v1/jobs", 1)["id"]] = 0

    def sample(self, images: int = 3) -> None:
        self.samples[self._send("/api/v1/samples", images, name="Batch")["id"]] = images

    def _random_job(self, state: str = "done") -> str | None:
        """The id of a random job of this sender in this state; None if there is none."""
        for pk in self._random.sample(sorted(self.jobs), min(3, len(self.jobs))):
            if self.ask("GET", f"/api/v1/jobs/{pk}")[1]["state"] == state:
                return pk
        return None

    def edit(self) -> None:
        """Correct a job, then make a job that measures the correction."""
        pk = self._random_job()
        if pk is None or (erased := self._erased.get(pk, 0)) > 20:
            return
        point = [20.5 + erased % 8, 14.5 + erased // 8]
        operation = {"op": "erase", "points": [point], "radius": 0.5}
        edit = json.dumps({"base": self.jobs[pk], "operations": [operation]}).encode()
        status, answer = self.ask("POST", f"/api/v1/jobs/{pk}/edits", edit, key=uuid4().hex)
        assert (status, answer.get("base")) == (200, self.jobs[pk] + 1), (status, answer)
        self.jobs[pk] += 1
        self._erased[pk] = erased + 1
        body = json.dumps({"edits": True}).encode()
        status, answer = self.ask("POST", f"/api/v1/jobs/{pk}/revisions", body, key=uuid4().hex)
        assert status == 202, (status, answer)
        self.jobs.setdefault(answer["id"], 0)
        self._erased.setdefault(answer["id"], erased + 1)

    def file(self) -> None:
        """Ask for a file that is not stored with every result."""
        if pk := self._random_job():
            status, answer = self.ask("GET", f"/api/v1/jobs/{pk}/files/report.pdf")
            assert status in (200, 202), (status, answer)

    def delete(self) -> None:
        pk = self._random_job()
        if pk and not self.jobs[pk]:
            status, answer = self.ask("DELETE", f"/api/v1/jobs/{pk}")
            assert status in (204, 404), (status, answer)
            del self.jobs[pk]
            self.gone.add(pk)

    def cancel(self) -> None:
        """Send a job, cancel it if there is time, and try it again."""
        pk = self._send("/api/v1/jobs", 1)["id"]
        self.jobs[pk] = 0
        assert self.ask("POST", f"/api/v1/jobs/{pk}/cancel")[0] in (200, 409)
        assert self.ask("POST", f"/api/v1/jobs/{pk}/retry")[0] in (200, 409)


def make_senders(count: int, jobs: int, port: int, seed: int, actions: dict[str, int] | None = None) -> list[Sender]:
    """Senders, each with its own account and token. jobs: of all together. actions: weights of their requests."""
    from django.contrib.auth import get_user_model

    from segmentation.services.access.tokens import create_token

    made = []
    for number in range(count):
        user = get_user_model().objects.create(username=f"sender {number}")
        _, token = create_token(user=user, name="script", days=None, read_only=False, pk=UUID(int=number + 1))
        made.append(Sender(port, token, jobs // count, 1000 * seed + number, actions or ACTIONS))
    return made
