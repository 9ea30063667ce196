"""Tests a site while its processes are killed: `python -m tools.faults --jobs 500 --kills 100 --seed 1 --stack
sqlite`.

A real site with quick, empty analyses (tests.worker.slow_app) gets jobs, samples, corrections, files, trainings,
deletions and cancellations from several senders. Meanwhile its processes are killed and its machine has faults. In the
end no answered request may be lost or done twice, no answer may have status 500, and no file may be left over. A table
is printed; the exit status is 1 if a check fails. --soak N: N jobs without faults, to see whether memory grows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.worker.lab import REPOSITORY, wait_for

from .memory import Growth
from .site import Site, redirect_output

SENDERS = 4
MOST_UNFINISHED = 24  # jobs that are sent and not done
MOUNT_MB = 400
FINISH_SECONDS = 420.0  # most seconds from the last request until all is done


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.faults")
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--trainings", type=int, default=2)
    parser.add_argument("--faults", default="storage,disk,lock,clock", help="parted by commas; empty for none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stack", choices=("sqlite", "services"), default="sqlite")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60, help="after so many nothing more is sent or killed")
    parser.add_argument("--soak", type=int, default=0, help="so many jobs, no faults")
    parser.add_argument("--keep", action="store_true", help="keep the folder, with the log")
    return parser.parse_args()


def main() -> int:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the site's processes go with it
    if options.soak:
        options.jobs, options.kills, options.faults, options.trainings = options.soak, 0, "", 0
    folder = Path(tempfile.mkdtemp(prefix="deepsegm-faults-"))
    folder.chmod(0o755)
    (folder / "data").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MOUNT_MB}m", "tmpfs", str(folder / "data")]
    if "disk" in options.faults:
        with suppress(OSError):
            subprocess.run(mount, stderr=subprocess.DEVNULL)
    terminal = redirect_output(folder / "log")
    site = None
    try:
        site = Site(folder, options.stack, options.workers, options.port)
        rows, bad = run(site, options)
        width = max(map(len, rows))
        for name, value in rows.items():
            print(f"{name:{width}s}  {value}", file=terminal)
        for line in bad[:50]:
            print(f"BAD {line}", file=terminal)
        return bool(bad)
    except BaseException as failure:
        print(f"{type(failure).__name__}: {failure}; the log is {folder / 'log'}", file=terminal)
        options.keep = True
        raise
    finally:
        if site is not None:
            site.stop_engines()
        if not options.keep:
            subprocess.run(["umount", "--lazy", str(folder / "data")], stderr=subprocess.DEVNULL)
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(f"kept: {folder}", file=terminal)


def run(site: Site, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Run the test; returns the table, and a line for each failed check."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import DatabaseError, connection

    call_command("migrate", verbosity=0)
    from segmentation.models import Job

    from . import findings
    from .attack import Attack
    from .senders import Sender, make_senders

    senders = make_senders(SENDERS, options.jobs, site.port, options.seed, {"job": 1} if options.soak else None)

    def done() -> float:
        try:
            gone = sum(len(sender.gone) for sender in senders)
            return (Job.objects.filter(state="done").count() + gone) / options.jobs
        except DatabaseError:
            connection.close()
            return 0.0

    def is_near() -> bool:
        """Whether only few sent jobs are unfinished; else senders wait, so that they are active during every fault."""
        return sum(sender.made for sender in senders) < done() * options.jobs + MOST_UNFINISHED

    Sender.may_send = is_near

    def is_over() -> bool:
        with suppress(DatabaseError):
            return not findings.unfinished()
        connection.close()
        return False

    attack = Attack(site, options.kills, options.faults.split(",") if options.faults else [], options.seed, done)
    growth = Growth(site)
    with site.running():
        if options.trainings:
            command = [sys.executable, "-m", "tools.faults.trainings", str(options.trainings)]
            subprocess.run(command, cwd=REPOSITORY, check=True)
        began = time.monotonic()
        Sender.until = began + 60 * options.minutes
        for thread in (*senders, attack):
            thread.start()
        if options.soak:
            wait_for(lambda: done() >= 0.2, "the site is warm", 3600)
            growth.begin()
        try:
            for sender in senders:
                sender.join()
            attack.join(FINISH_SECONDS)
            with suppress(AssertionError):
                wait_for(is_over, "everything is done", FINISH_SECONDS)
        finally:
            Sender.over.set()
        seconds = time.monotonic() - began
        growth.end()
    left = list(findings.left_behind())  # first, as it removes what was cut off
    lost, doubled = list(findings.lost(senders)), list(findings.doubled(senders))
    failures = [f"{type(thread).__name__}: {thread.failure!r}" for thread in (*senders, attack) if thread.failure]
    log = site.log.read_text(errors="replace")
    again = Job.objects.filter(attempt__gt=1).count()
    killed = ", ".join(f"{name} {count}" for name, count in sorted(attack.killed.items()))
    rows = {
        "stack, seed": f"{options.stack}, {options.seed}",
        "jobs": f"{Job.objects.count()} in {seconds:.0f} s, {again} of them in more than one attempt",
        "killed": f"{attack.killed.total()}: {killed}",
        **attack.suffered,
        "answers": ", ".join(f"{name}: {count}" for name, count in sorted(Sender.statuses.items())),
        "tracebacks in the log": log.count("Traceback"),
        "lost": len(lost),
        "doubled": len(doubled),
        "status 500": len(Sender.broken),
        "files left behind": len(left),
        **growth.table(),
    }
    if options.keep:
        shutil.copy(site.log, site.folder / "log of the run")
    return rows, [*failures, *lost, *doubled, *Sender.broken, *left, *growth.bad()]


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    sys.exit(main())
