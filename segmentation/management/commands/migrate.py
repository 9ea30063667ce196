"""Django's `migrate`, run by one process at a time, because several web processes may start with the same database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands import migrate
from django.db import connections

LOCK = 0x6D696772617465  # a number that nothing else locks in this database


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with _migration_lock(options["database"]):
            super().handle(*args, **options)


@contextmanager
def _migration_lock(database: str) -> Iterator[None]:
    """A block during which no other process migrates. PostgreSQL releases the lock at the end of the connection. SQLite
    needs none, because its file belongs to one site, which locks its folder (worker.processes.data_directory)."""
    connection = connections[database]
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
