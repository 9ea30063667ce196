"""Writes and restores backups of a site. A backup is one ZIP archive, written while the site runs:

    manifest.json            format, version, migrations, and the names of all other members
    rows/<app>.<model>.jsonl names of columns, then one line for each row
    files/...                the storage, as it is
    models/...               DEEPSEGM_MODELS
    secret-key

All rows are read in one transaction, so they fit together; it does not block writers. Files are
listed after the rows were read, and a site stores every file before its row. So a file of a row is
missing only if somebody deletes it meanwhile.

Rows are restored into tables of the version that made the archive; these tables are then migrated.
So an archive can be restored by every later version and into each kind of database. Django's own
serializers cannot be used: they write times without microseconds, which the hashes of edits and
signatures need, and they know only the present models.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import (
    IO,
    Any,
    NamedTuple,
    NotRequired,  # pydantic wants it before Python 3.12
)
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import OperationalError, connection, transaction
from django.db.migrations.exceptions import IrreversibleError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import FileField, Model
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from segmentation import __version__
from segmentation.models import Micrograph, StaffAction
from segmentation.services.ground.refusal import NETWORK_MODULES, Refused
from segmentation.services.ground.staff_log import BACKUP, SHELL

FORMAT = "deepsegm-backup/1"
MANIFEST, KEY = "manifest.json", "secret-key"
TABLES_LEFT_OUT = (  # tables that are not in a backup
    "sessions.session",
    "axes.accessattempt",
    "axes.accesslog",
    "axes.accessfailurelog",
    "axes.accessattemptexpiration",
)
ROWS_AT_ONCE = 500  # rows that are read or written together
# Most bytes of a member's name (the limit of a bucket), and most folders in it.
LONGEST_NAME_BYTES, MOST_FOLDERS = 1024, 20
CHUNK_BYTES = 2**20  # bytes that are read at once
SHORTEST_KEY = 16  # characters of a secret key; a shorter one can be guessed
# Threads that read a bucket, each with at most 16 MB of a file in memory (DEEPSEGM_BUCKET)
READER_THREADS = 16
Say = Callable[[str], None]  # shows the user a line of progress
Node = tuple[str, str]  # app and name of a migration

NO_ARCHIVE = "{file} is no backup of DeepSegm, or it was cut off: choose another file."
DAMAGED = "The backup is damaged: {name} is not as it was written. Nothing was restored."
NEWER = "The backup was made by version {theirs}, which is newer than this one, {ours}: update DeepSegm first."
UNKNOWN = "The backup of version {theirs} has {what}, which version {ours} does not know. Nothing was restored."
NO_FILE = "The backup is damaged: its rows name the file {name}, which it does not hold. Nothing was restored."
WEAK_KEY = (
    "The key in the backup is so short that anybody could guess it. If it is the one of your site, set"
    " DEEPSEGM_SECRET_KEY to it. Nothing was restored."
)
BUCKET = "The bucket {name} (DEEPSEGM_BUCKET) cannot be used ({why}): check its name and keys, or make it."
UNFIT = "The rows of the backup do not fit together ({why}): choose another backup, and empty the site first."
NOT_EMPTY = (
    "There are accounts or images here already: restore into an empty database, with an empty data folder"
    " (DEEPSEGM_DATA, DEEPSEGM_DATABASE_URL)."
)
NOT_CLEARED = "The tables of this database cannot be made anew ({why}): use an empty database."
OTHER_KEY = (
    "DEEPSEGM_SECRET_KEY differs from the key in the backup: set it to the content of its member secret-key, or leave"
    " it unset. Without that key no link of a browser or script without an account leads to its results."
)


class Manifest(TypedDict):
    """The content of MANIFEST."""

    format: str
    version: str
    migrations: list[Node]
    members: list[str]
    # Files that rows name but that were deleted meanwhile; version 1.0 has no such key.
    lacking: NotRequired[list[str]]


class Counted(NamedTuple):
    """The numbers of rows and stored files in a backup, and the bytes of these files."""

    rows: int
    files: int
    bytes: int


def write_backup(file: Path, say: Say = print) -> Counted:
    """Write a backup to `file`, which appears only when it is complete; returns its numbers. Raises
    Refused if the file exists, OSError."""
    if file.exists():
        raise Refused(f"{file} exists already: choose another name.")
    part = file.with_name(f".{file.name}.part")
    part.touch(mode=0o600)  # it contains the secret key and hashes of passwords
    try:
        with zipfile.ZipFile(part, "w", allowZip64=True) as archive:
            named_files = set[str]()
            rows = _write_rows(archive, named_files)
            say(f"{rows:,} rows")
            with _member(archive, KEY) as member:
                member.write(settings.SECRET_KEY.encode())
            folder = settings.DEEPSEGM_MODELS
            for path in sorted(filter(Path.is_file, folder.iterdir())) if folder.is_dir() else ():
                with path.open("rb") as opened, _member(archive, f"models/{path.name}") as member:
                    shutil.copyfileobj(opened, member, CHUNK_BYTES)
            with _refusing_for_bucket():
                for name, opened in _opened_files(_stored_names("")):
                    with opened, _member(archive, f"files/{name}") as member:
                        shutil.copyfileobj(opened, member, CHUNK_BYTES)
            counted = _count_files(archive, rows)
            say(f"{counted.files:,} files of {counted.bytes / 1e6:,.1f} MB")
            applied = sorted(MigrationRecorder(connection).applied_migrations())
            names = sorted(archive.namelist())
            manifest = Manifest(
                format=FORMAT,
                version=__version__,
                migrations=applied,
                members=names,
                lacking=sorted(named_files - _files_in(names)),
            )
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        part.rename(file)
        # From this row /metrics takes the time of the last backup, also if another machine made it.
        StaffAction.objects.create(account=SHELL, action=BACKUP, kind="site", name=file.name[:200])
    finally:
        part.unlink(missing_ok=True)
    return counted


def _count_files(archive: zipfile.ZipFile, rows: int) -> Counted:
    """The numbers of an archive. rows: the number of its rows."""
    sizes = [info.file_size for info in archive.infolist() if info.filename.startswith("files/")]
    return Counted(rows, len(sizes), sum(sizes))


def _member(archive: zipfile.ZipFile, name: str, *, packed: bool = False) -> IO[bytes]:
    """A new member of an archive, open for writing. packed: whether it is compressed."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    info.external_attr = 0o600 << 16
    return archive.open(info, "w", force_zip64=True)


def _files_in(members: Iterable[str]) -> set[str]:
    """The names in the storage of the files among the members of an archive."""
    return {name.removeprefix("files/") for name in members if name.startswith("files/")}


def _file_columns(model: type[Model]) -> list[str]:
    """The columns of a table that contain the name of a stored file."""
    return [field.attname for field in model._meta.concrete_fields if isinstance(field, FileField)]


def _write_rows(archive: zipfile.ZipFile, named_files: set[str]) -> int:
    """Write all rows into an archive; returns their number. The stored files that rows name are
    added to `named_files`."""
    count = 0
    with _one_snapshot():
        for model in apps.get_models(include_auto_created=True):
            if model._meta.label_lower in TABLES_LEFT_OUT or model._meta.proxy or not model._meta.managed:
                continue
            names = [field.attname for field in model._meta.concrete_fields]
            with _member(archive, f"rows/{model._meta.label_lower}.jsonl", packed=True) as member:
                member.write(json.dumps(names).encode() + b"\n")
                places = [names.index(column) for column in _file_columns(model)]
                for row in model._base_manager.order_by("pk").values_list(*names).iterator(ROWS_AT_ONCE):
                    named_files.update(row[place] for place in places if row[place])
                    member.write(json.dumps(row, default=_as_json).encode() + b"\n")
                    count += 1
    return count


def _as_json(value: Any) -> Any:
    """A value of a column in a form for JSON, which `Field.to_python` can read again without
    loss."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, bytes | memoryview):
        return b64encode(value).decode()
    raise TypeError(type(value).__name__)


@contextmanager
def _one_snapshot() -> Iterator[None]:
    """A block in which all queries see the database as it was at the start of the block. Writers are
    not blocked."""
    if settings.DEEPSEGM_SQLITE:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")  # Django's own transactions would block writers
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _stored_names(folder: str) -> list[str]:
    """The names of all files below a folder of the storage. A bucket lists all its files itself."""
    if hasattr(default_storage, "bucket"):
        return sorted(stored.key for stored in default_storage.bucket.objects.all())
    try:
        folders, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return []
    paths = [f"{folder}{name}" for name in sorted(filter(None, names))]
    return paths + [name for inner in sorted(filter(None, folders)) for name in _stored_names(f"{folder}{inner}/")]


def _opened_files(names: Iterable[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """(name, open file) of these stored files; deleted files are left out. READER_THREADS of them are
    opened at a time, because opening a file in a bucket takes 40 ms."""
    waiting: deque[tuple[str, Future[Any]]] = deque()
    with ThreadPoolExecutor(READER_THREADS) as readers:
        for name in names:
            waiting.append((name, readers.submit(_fetched, name)))
            if len(waiting) == READER_THREADS:
                yield from _if_not_deleted(*waiting.popleft())
        while waiting:
            yield from _if_not_deleted(*waiting.popleft())


def _if_not_deleted(name: str, fetched: Future[Any]) -> Iterator[tuple[str, IO[bytes]]]:
    """One or no pair of `_opened_files`."""
    with suppress(FileNotFoundError):
        yield name, fetched.result()


def _fetched(name: str) -> Any:
    """A stored file, open at its start. The first byte is read, because a bucket sends a file only
    then."""
    opened = default_storage.open(name)
    opened.read(1)
    opened.seek(0)
    return opened


@contextmanager
def _refusing_for_bucket() -> Iterator[None]:
    """A block that reads or writes stored files; raises Refused if they are in a bucket that cannot
    be used."""
    try:
        yield
    except Exception as error:
        if not f"{type(error).__module__}.".startswith(NETWORK_MODULES):
            raise
        raise Refused(BUCKET.format(name=settings.DEEPSEGM_BUCKET, why=error)) from error


def restore_backup(file: Path, say: Say = print) -> Counted:
    """Restore a backup into an empty site; returns the numbers of what was restored. Raises Refused.
    Nothing is changed if the backup is damaged."""
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # zipfile raises exceptions of many types
        raise Refused(NO_ARCHIVE.format(file=file)) from error
    with archive:
        manifest = _checked_manifest(archive, file)
        targets, models = _tables(manifest)
        say("the backup is whole")
        _check_empty(archive)
        try:
            counted = _count_files(archive, _restore_rows(archive, targets, models, manifest))
        except (Refused, OSError, OperationalError):
            raise
        except Exception as error:  # forged rows can raise any exception
            raise Refused(UNFIT.format(why=f"{type(error).__name__}: {error}")) from error
        say(f"{counted.rows:,} rows, {counted.files:,} files")
        if not settings.DEEPSEGM_SECRET_KEY_LASTS:
            settings.DEEPSEGM_SECRET_FILE.touch(mode=0o600)
            settings.DEEPSEGM_SECRET_FILE.write_bytes(archive.read(KEY))
    return counted


def _checked_manifest(archive: zipfile.ZipFile, file: Path) -> Manifest:
    """The manifest of a backup, after each member was checked (name and CRC); raises Refused."""
    try:
        content = json.loads(archive.read(MANIFEST))
        if content["format"] != FORMAT:
            raise _unknown(str(content.get("version")), f"the format {content['format']}")
        manifest = TypeAdapter(Manifest).validate_python(content)
    except Refused:
        raise
    except Exception as error:  # zipfile and its decompressors raise exceptions of many types
        raise Refused(NO_ARCHIVE.format(file=file)) from error
    members = manifest["members"]
    if sorted([*members, MANIFEST]) != sorted(archive.namelist()) or KEY not in members:
        raise Refused(DAMAGED.format(name=MANIFEST))
    folders = {str(folder) for name in members for folder in PurePosixPath(name).parents}
    for name in members:
        # Only relative paths that every storage accepts. (Django reads a backslash as a slash.)
        parts = name.split("/")
        is_relative = not any(part in ("", ".", "..") or len(os.fsencode(part)) > 255 for part in parts)
        fits = len(parts) <= MOST_FOLDERS and len(os.fsencode(name)) <= LONGEST_NAME_BYTES and name not in folders
        is_known = name == KEY or parts[0] == "files" or (parts[0] in ("rows", "models") and len(parts) == 2)
        if "\\" in name or not (is_relative and fits and is_known):
            raise Refused(DAMAGED.format(name=f"{name[:100]}..." if len(name) > 100 else name))
        try:
            with archive.open(name) as member:
                while member.read(CHUNK_BYTES):  # compares the CRC at the end
                    pass
        except Exception as error:  # a damaged member fails in many ways
            raise Refused(DAMAGED.format(name=name)) from error
    key = archive.read(KEY).decode(errors="replace")
    if not key.strip() or not key.isascii() or not key.isprintable():
        raise Refused(DAMAGED.format(name=KEY))
    if len(key.strip()) < SHORTEST_KEY and key != settings.SECRET_KEY:
        raise Refused(WEAK_KEY)
    return manifest


def _unknown(theirs: str, what: str) -> Refused:
    """The error Refused for a backup with unknown content: a later version wrote it, or somebody
    forged it.

    theirs: the version in the backup. what: the unknown content, in words.
    """
    numbers = [tuple(map(int, re.findall(r"\d+", version)[:3])) for version in (theirs, __version__)]
    sentence = NEWER if numbers[0] > numbers[1] else UNKNOWN
    return Refused(sentence.format(theirs=theirs, ours=__version__, what=what))


def _check_empty(archive: zipfile.ZipFile) -> None:
    """Raises Refused if the site is not empty, or if its fixed secret key differs from that of the
    backup.

    If the site made its key itself, the key of the backup may replace it (DEEPSEGM_SECRET_KEY_LASTS
    becomes False).
    """
    tables = connection.introspection.table_names()
    users = apps.get_model(settings.AUTH_USER_MODEL)
    if any(model._meta.db_table in tables and model._base_manager.exists() for model in (users, Micrograph)):
        raise Refused(NOT_EMPTY)
    if settings.DEEPSEGM_SECRET_KEY_LASTS and archive.read(KEY).decode(errors="replace") != settings.SECRET_KEY:
        if (
            settings.DEEPSEGM_SECRET_FILE.is_file()
            and settings.DEEPSEGM_SECRET_FILE.read_text().strip() == settings.SECRET_KEY
        ):
            settings.DEEPSEGM_SECRET_KEY_LASTS = False
        else:
            raise Refused(OTHER_KEY)


def _restore_rows(archive: zipfile.ZipFile, targets: list[Node], models: list[type[Model]], manifest: Manifest) -> int:
    """Make the tables of the archive's version, fill them, write the stored files, and migrate the
    tables. Returns the number of rows. After an error no row and no file is left."""
    members, named_files = archive.namelist(), set[str]()
    _make_tables(targets)
    with ExitStack() as undo:
        with transaction.atomic():
            for model in reversed(models):
                model._base_manager.all().delete()
            count = 0
            for name, model in ((f"rows/{model._meta.label_lower}.jsonl", model) for model in models):
                if name in members:
                    with archive.open(name) as lines:
                        count += _restore_table(model, lines, named_files)
            with connection.cursor() as cursor:
                for statement in connection.ops.sequence_reset_sql(no_style(), models):
                    cursor.execute(statement)
            connection.check_constraints()
            if "lacking" in manifest and (lost := sorted(named_files - _files_in(members) - set(manifest["lacking"]))):
                raise Refused(NO_FILE.format(name=lost[0]))
            # Files are written last, only if all rows fit. If that fails, the transaction removes
            # the rows.
            _restore_files(archive, undo)
        undo.pop_all()
    call_command("migrate", interactive=False, verbosity=0)
    return count


def _restore_files(archive: zipfile.ZipFile, undo: ExitStack) -> None:
    """Write the stored files and the models; callbacks that remove them again are added to
    `undo`."""
    for name in (member for member in archive.namelist() if member.startswith("files/")):
        stored = name.removeprefix("files/")
        undo.callback(_remove_stored, stored)
        with archive.open(name) as source, _refusing_for_bucket():
            if default_storage.exists(stored):
                default_storage.delete(stored)
            default_storage.save(stored, File(source, name=Path(stored).name))
    settings.DEEPSEGM_MODELS.mkdir(parents=True, exist_ok=True)
    for name in (member for member in archive.namelist() if member.startswith("models/")):
        model = settings.DEEPSEGM_MODELS / Path(name).name
        undo.callback(model.unlink, missing_ok=True)
        with archive.open(name) as source, model.open("wb") as target:
            shutil.copyfileobj(source, target)


def _remove_stored(stored: str) -> None:
    """Remove a file from the storage, and then its empty folders."""
    with suppress(Exception):  # the storage itself may have failed
        default_storage.delete(stored)
    with suppress(NotImplementedError, OSError):  # a bucket has no folders
        os.removedirs(Path(default_storage.path(stored)).parent)


def _tables(manifest: Manifest) -> tuple[list[Node], list[type[Model]]]:
    """The last migration of each app when the archive was made, and the models of that version.
    Raises Refused if a migration is unknown here, or if the archive has other tables."""
    loader = MigrationExecutor(connection).loader
    applied = {(app, name) for app, name in manifest["migrations"]}
    present = {node for node in applied if node in loader.graph.nodes}
    replaced = {node for migration in loader.replacements.values() for node in migration.replaces}
    if unknown := sorted(applied - present - replaced):
        raise _unknown(manifest["version"], "the migration " + ".".join(unknown[0]))
    followed = {
        parent.key for node in present for parent in loader.graph.node_map[node].parents if parent.key[0] == node[0]
    }
    targets = sorted(present - followed)
    state = loader.project_state(targets).apps
    models = [model for model in state.get_models(include_auto_created=True) if not model._meta.proxy]
    labels = {model._meta.label_lower for model in models if model._meta.managed}
    members = {name[5:-6] for name in manifest["members"] if name.startswith("rows/")}
    if (labels ^ members) - set(TABLES_LEFT_OUT):
        raise Refused(DAMAGED.format(name=MANIFEST))
    return targets, models


def _make_tables(targets: list[Node]) -> None:
    """Bring the empty database to these migrations; raises Refused if that is impossible."""
    executor = MigrationExecutor(connection)
    present = executor.loader.applied_migrations.keys()
    try:
        planned = {node for target in targets for node in executor.loader.graph.forwards_plan(target)}
        if present - set(executor.loader.graph.nodes) or present - planned:
            executor.migrate([(app, None) for app in sorted({app for app, _ in present})])
            executor = MigrationExecutor(connection)
        executor.migrate(targets)
    except IrreversibleError as error:
        raise Refused(NOT_CLEARED.format(why=error)) from error


def _restore_table(model: type[Model], lines: IO[bytes], named_files: set[str]) -> int:
    """Store the rows of a table; returns their number. The stored files that they name are added to
    `named_files`. Raises ValueError for a value that is not among the choices of its column, such
    as an unknown state."""
    names = json.loads(next(lines))
    fields = {field.attname: field for field in model._meta.concrete_fields}
    for field in fields.values():
        # Restored times stay; only this call uses this model.
        field.auto_now = field.auto_now_add = False
    file_columns, count = _file_columns(model), 0
    choices_of = {
        name: {*dict(field.flatchoices), *([None] if field.null else []), *([""] if field.blank else [])}
        for name, field in fields.items()
        if field.choices
    }
    while batch := list(islice(lines, ROWS_AT_ONCE)):
        rows = (dict(zip(names, json.loads(line), strict=True)) for line in batch)
        objects = [model(**{name: fields[name].to_python(value) for name, value in row.items()}) for row in rows]
        for column, choices in choices_of.items():
            if wrong := [value for row in objects if (value := getattr(row, column)) not in choices]:
                raise ValueError(f"{model._meta.label_lower}.{column} is {wrong[0]!r}")
        named_files.update(
            str(getattr(row, column)) for row in objects for column in file_columns if getattr(row, column)
        )
        count += len(model._base_manager.bulk_create(objects))
    return count
