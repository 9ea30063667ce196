"""`Attack`, which kills processes of a site, lets its storage fail, fills its disk, changes its clock and locks its
database."""

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

LOCKED_SECONDS, REFUSED_SECONDS, FULL_SECONDS, JUMP_SECONDS = 30.0, 6.0, 8.0, 8.0  # how long a fault lasts
JUMPS = ("3600", "-3600")


class Attack(threading.Thread):
    """Makes a number of kills and one of each fault, evenly over the work. done: returns the finished share of the
    work.

    killed: number of killed processes of each kind. suffered: the seconds of each fault, or why it could not be made.
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
        """Kill a process of a random kind, so that all kinds are killed equally often. A starting site is not
        attacked."""
        time.sleep(self._random.uniform(0.3, 1.5))
        while not (targets := self._site.targets()) or not self._site.answers():
            time.sleep(0.2)
        name = self._random.choice(sorted(targets))
        self._site.kill(self._random.choice(targets[name]))
        self.killed[name] += 1

    def _storage(self) -> None:
        self._site.refuses.touch()
        time.sleep(REFUSED_SECONDS)
        self._site.refuses.unlink()
        self.suffered["storage refuses"] = f"{REFUSED_SECONDS:g} s"

    def _disk(self) -> None:
        """Fill the disk until the last byte, wait, and free it again."""
        if not os.path.ismount(self._site.data):
            self.suffered["disk full"] = "not made: no tmpfs can be mounted here"
            return
        with (self._site.data / "ballast").open("wb") as ballast:
            try:
                while True:
                    ballast.write(bytes(2**20))
                    ballast.flush()
            except OSError:
                time.sleep(FULL_SECONDS)
        (self._site.data / "ballast").unlink(missing_ok=True)
        self.suffered["disk full"] = f"{FULL_SECONDS:g} s"

    def _clock(self) -> None:
        """Change the clock of the processes of the site (by settings.py), not that of its database and broker."""
        for jump in (*JUMPS, "0"):
            self._site.clock.write_text(jump)
            time.sleep(JUMP_SECONDS)
        self.suffered["clock jumps"] = ", ".join(JUMPS) + " s and back"

    def _lock(self) -> None:
        """Lock the database, so that no other process can write to it."""
        if self._site.stack == "sqlite":
            with closing(sqlite3.connect(self._site.data / "db.sqlite3", timeout=60)) as database:
                database.execute("begin exclusive")
                time.sleep(LOCKED_SECONDS)
        else:
            lock = f"begin; lock table segmentation_job; select pg_sleep({LOCKED_SECONDS})"
            subprocess.run(["psql", "-q", self._site.database, "-c", lock], stdout=subprocess.DEVNULL)
        self.suffered["database locked"] = f"{LOCKED_SECONDS:g} s"
