"""`manage.py up`: runs the web server and the workers of a site on one machine."""

from __future__ import annotations

import ctypes
import gc
import logging
import signal
import sys
import tempfile
import threading
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.management import BaseCommand, CommandError, call_command
from django.db import DatabaseError, OperationalError, close_old_connections, connection

from segmentation.location import COMMAND, IS_INSTALLED
from segmentation.models import Training
from segmentation.services.ground.queue import TRAINING, WORK_KINDS
from segmentation.services.ground.space import make_reserve
from segmentation.services.upkeep import upkeep as upkeep_service
from segmentation.static_files import collect
from worker.processes import data_directory
from worker.processes.server import address, listen
from worker.processes.supervise import COMMAND as WORKER
from worker.processes.supervise import Supervisor
from worker.scratch import sweep

logger = logging.getLogger("worker.up")

M_ARENA_MAX = -8  # a constant of glibc's malloc.h: the option for the number of heaps
MOST_HEAPS = 2  # of all threads together; by default eight for each core
RESCUE_SECONDS = 3.0  # between two calls of `upkeep_service.rescue`
TIDY_SECONDS = 3600.0  # between two calls of `upkeep_service.tidy`
KILLED = "The process that prepares the site was killed, most likely because memory is short: start again."
END_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    help = "Prepare the data folder, then run the site and one worker until Ctrl-C."
    requires_system_checks = []  # they run below, once the data folder and the database are there

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", default=settings.DEEPSEGM_BIND, help="address to listen on")
        parser.add_argument("--port", type=int, default=settings.DEEPSEGM_PORT, help="port to listen on")
        parser.add_argument("--no-worker", action="store_true", help="serve pages only; workers run elsewhere")

    def handle(self, *, bind: str, port: int, no_worker: bool, **options: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for background processes
        for number in END_SIGNALS:
            # With nohup a signal is ignored, because the command must go on after the terminal is closed.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: sys.exit(0))
        try:
            data_directory.prepare(settings.DEEPSEGM_DATA)
            lock = data_directory.lock(settings.DEEPSEGM_DATA)
            self._prepare()
        except data_directory.UnusableFolder as unfit:
            raise CommandError(str(unfit)) from None
        spare_memory()
        tempfile.tempdir = settings.FILE_UPLOAD_TEMP_DIR  # where the server stores incoming uploads
        server = listen(bind, port)
        with lock, regular_upkeep(), running_workers(not no_worker):
            self._welcome(server)
            server.run()
            self._tell("\nStopping ...")
            server.close()
        self._tell("Stopped.")

    def _prepare(self) -> None:
        """Set the secret key, prepare the database, and check the settings; raises CommandError."""
        if not settings.DEEPSEGM_SECRET_KEY_LASTS:
            settings.SECRET_KEY = data_directory.read_or_make_key(settings.DEEPSEGM_SECRET_FILE)
            settings.DEEPSEGM_SECRET_KEY_LASTS = True
        try:
            call_in_own_process(prepare)
        except OperationalError as error:
            raise CommandError(f"The database cannot be used: {str(error).strip()}") from None
        except BrokenProcessPool:
            raise CommandError(KILLED) from None
        self._run_checks()

    def _run_checks(self) -> None:
        """Run Django's checks: warnings are shown; errors raise CommandError with their
        sentences."""
        messages = [message for message in checks.run_checks() if not message.is_silenced()]
        errors = [message for message in messages if message.is_serious()]
        for message in messages:
            if message not in errors:
                self._tell(_words_of(message), logging.WARNING)
        if errors:
            raise CommandError("\n".join(_words_of(message) for message in errors))

    def _welcome(self, server: Any) -> None:
        """Show the address of the site, and hints for a new site."""
        if not get_user_model().objects.filter(is_superuser=True, is_active=True).exists():
            self._tell(f"There is no administrator yet. Make one with: {_shell_command()} createsuperuser")
        host, port = address(server)
        # Only the default: the names of this computer.
        if host in ("0.0.0.0", "::") and len(settings.ALLOWED_HOSTS) == 3:
            self._tell("Other computers can open the site once DEEPSEGM_ALLOWED_HOSTS has this computer's name.")
            host = "localhost"
        name = f"[{host}]" if ":" in host else host
        self._tell(f"DeepSegm is at {self.style.SUCCESS(f'http://{name}:{port}/')} - Ctrl-C stops it.")

    def _tell(self, words: str, level: int = logging.INFO) -> None:
        """Show a text at the terminal; if the log is JSON, write it to the log instead."""
        if settings.DEEPSEGM_LOG_FORMAT == "json":
            logger.log(level, words.strip())
        elif level > logging.INFO:
            self.stderr.write(self.style.WARNING(words))
        else:
            with suppress(BrokenPipeError):  # the reader of our output has ended
                self.stdout.write(words)
                self.stdout.flush()


def _shell_command() -> str:
    """How a user starts another command: "deepsegm", or Python with manage.py."""
    if IS_INSTALLED:
        return COMMAND
    python, folder = Path(sys.executable), Path.cwd()
    return f"{python.relative_to(folder) if python.is_relative_to(folder) else python} manage.py"


def prepare() -> None:
    """Migrate and optimise the database, and collect the static files."""
    call_command("migrate", interactive=False, verbosity=0)
    upkeep_service.optimise()
    collect()


def call_in_own_process(work: Callable[[], None]) -> None:
    """Call a function in a separate process, so that the site does not keep its memory; in this
    process where forking is not safe (not Linux)."""
    if sys.platform != "linux":
        work()
        return
    connection.close()
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as child:
        child.submit(work).result()


def spare_memory() -> None:
    """Give memory back to the system, and let all threads use only MOST_HEAPS heaps.

    By default glibc makes up to eight heaps for each processor core, and each keeps the memory that
    its largest request needed. Other C libraries are not changed.
    """
    gc.collect()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.malloc_trim(0)
        libc.mallopt(M_ARENA_MAX, MOST_HEAPS)


@contextmanager
def running_workers(is_needed: bool) -> Iterator[None]:
    """A block in which a supervised worker runs for each queue; the worker for trainings runs only while
    there are trainings.

    is_needed: whether workers run at all. On an embedded site (without a message broker of its own),
    running rows are queued again before and after the block.
    """
    if not is_needed:
        yield
        return
    if settings.DEEPSEGM_EMBEDDED:
        data_directory.empty_spool(Path(settings.CELERY_BROKER_TRANSPORT_OPTIONS["folder"]))
        upkeep_service.rescue(died=tuple(WORK_KINDS))
        upkeep_service.enqueue_all()
    supervisors = [
        Supervisor(
            (*WORKER, queue),
            folder=settings.BASE_DIR,
            ended=partial(_worker_ended, queue),
            is_needed=_trainings_wait if queue == TRAINING else None,
        )
        for queue in dict.fromkeys(kind.queue for kind in WORK_KINDS.values())
    ]
    for supervisor in supervisors:
        supervisor.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stopping = [threading.Thread(target=supervisor.stop) for supervisor in supervisors]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        if settings.DEEPSEGM_EMBEDDED:
            upkeep_service.requeue_running()
        _call_or_log(sweep)


def _worker_ended(queue: str) -> None:
    """Queue the running rows of a queue again at once, because its only worker has ended."""
    if settings.DEEPSEGM_EMBEDDED:
        _call_or_log(
            lambda: upkeep_service.rescue(died=[row for row, kind in WORK_KINDS.items() if kind.queue == queue])
        )
        connection.close()


def _trainings_wait() -> bool:
    """Whether a training waits or runs; True if the database does not answer, so that no training
    is ended."""
    try:
        return any(rows.exists() for rows in (Training.objects.waiting(), Training.objects.running()))
    except DatabaseError:
        connection.close()
        return True


@contextmanager
def regular_upkeep() -> Iterator[None]:
    """A block in which two threads do the regular upkeep. One rescues rows, removes temporary files
    of killed processes and keeps the reserve of disk space, each RESCUE_SECONDS. The other tidies each
    TIDY_SECONDS, which may take minutes; at the end of the block it stops between two portions."""
    is_over = threading.Event()

    def repair() -> None:
        _call_or_log(upkeep_service.rescue)
        _call_or_log(sweep)
        _call_or_log(make_reserve)

    def tidy() -> None:
        _call_or_log(partial(upkeep_service.tidy, is_over.is_set))

    def repeat(work: Callable[[], None], seconds: float) -> None:
        wait = RESCUE_SECONDS
        while not is_over.wait(wait):
            work()
            close_old_connections()
            wait = seconds
        connection.close()

    repeated = {"upkeep": (repair, RESCUE_SECONDS), "tidying": (tidy, TIDY_SECONDS)}
    threads = [threading.Thread(target=repeat, args=work, name=name, daemon=True) for name, work in repeated.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def _call_or_log(work: Any) -> None:
    """Call a function; any error is only logged, because upkeep must go on when the database is
    away for a moment."""
    try:
        work()
    except Exception:
        logger.exception("Upkeep failed; it is tried again.")


def _words_of(message: checks.CheckMessage) -> str:
    return f"{message.msg} {message.hint or ''}".strip()
