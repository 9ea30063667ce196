"""What goes wrong: processes die, storage refuses, the disk is full, clocks jump, the database is locked."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing

from .senders import Sender
from .site import Site

LOCKED, REFUSED, FULL, JUMPED = 30.0, 6.0, 8.0, 8.0  # seconds
JUMPS = ("3600", "-3600")


class Attack(threading.Thread):
    """So many kills and one of each fault, spread evenly over the work. done: the part of it that is done.

    killed: how many of each kind. suffered: the seconds of each fault, or why it could not be made.
    """

    def __init__(self, site: Site, kills: int, faults: list[str], seed: int, done: Callable[[], float]) -> None:
        super().__init__(daemon=True)
        self.killed: Counter[str] = Counter()
        self.suffered: dict[str, str] = {}
        self.failure: Exception | None = None
        self._site, self._done, self._random = site, done, random.Random(seed)
        self._plan = [self._kill] * kills
        for number, name in enumerate(faults, 1):
            fault: Callable[[], None] = getattr(self, f"_{name}")
            self._plan.insert(round(number * len(self._plan) / (len(faults) + 1)), fault)

    def run(self) -> None:
        try:
            for number, strike in enumerate(self._plan, 1):
                while self._done() < number / (len(self._plan) + 1):
                    if time.monotonic() > Sender.until:
                        return
                    time.sleep(0.2)
                strike()
        except Exception as failure:
            self.failure = failure

    def _kill(self) -> None:
        """First a kind, then one of the kind, so that all kinds are hit equally often. Nothing dies while it starts."""
        time.sleep(self._random.uniform(0.3, 1.5))
        while not (targets := self._site.targets()) or not self._site.answers():
            time.sleep(0.2)
        name = self._random.choice(sorted(targets))
        self._site.kill(self._random.choice(targets[name]))
        self.killed[name] += 1

    def _storage(self) -> None:
        self._site.refuses.touch()
        time.sleep(REFUSED)
        self._site.refuses.unlink()
        self.suffered["storage refuses"] = f"{REFUSED:g} s"

    def _disk(self) -> None:
        """Nearly full, so that nothing is taken, then to the last byte, then freed."""
        if not os.path.ismount(self._site.data):
            self.suffered["disk full"] = "not made: no tmpfs can be mounted here"
            return
        with (self._site.data / "ballast").open("wb") as ballast:
            try:
                while True:
                    ballast.write(bytes(2**20))
                    ballast.flush()
            except OSError:
                time.sleep(FULL)
        (self._site.data / "ballast").unlink(missing_ok=True)
        self.suffered["disk full"] = f"{FULL:g} s"

    def _clock(self) -> None:
        """Of the site's processes, by what they import (settings.py); that of its engines goes on."""
        for jump in (*JUMPS, "0"):
            self._site.clock.write_text(jump)
            time.sleep(JUMPED)
        self.suffered["clock jumps"] = ", ".join(JUMPS) + " s and back"

    def _lock(self) -> None:
        """Nobody else can write, as during a long backup."""
        if self._site.stack == "sqlite":
            with closing(sqlite3.connect(self._site.data / "db.sqlite3", timeout=60)) as database:
                database.execute("begin exclusive")
                time.sleep(LOCKED)
        else:
            lock = f"begin; lock table segmentation_job; select pg_sleep({LOCKED})"
            subprocess.run(["psql", "-q", self._site.database, "-c", lock], stdout=subprocess.DEVNULL)
        self.suffered["database locked"] = f"{LOCKED:g} s"
