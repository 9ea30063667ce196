"""The whole site in one archive: rows, stored files, models and the secret key; made while the site runs.

    manifest.json            format, version, migrations, and the names of all other members
    rows/<app>.<model>.jsonl names of columns, then one line for each row
    files/...                the storage, as it is
    models/...               DEEPSEGM_MODELS
    secret-key

The rows are one consistent picture, read in one transaction, which holds up no writer. Files are listed after the rows
were read, and every file is stored before its row. So no row lacks its file, unless somebody deletes it meanwhile.

Rows are restored into the tables as they were when the archive was made, by the models of that time, then migrated. So
an archive fits every later version and each engine. Django's own serializers write times without their microseconds,
over which hashes of edits and signatures were made, and they read rows into the present models only.
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
from segmentation.services.ground.refusal import REMOTE, Refused
from segmentation.services.ground.staff_log import BACKUP, SHELL

FORMAT = "deepsegm-backup/1"
MANIFEST, KEY = "manifest.json", "secret-key"
LEFT_OUT = (
    "sessions.session",
    "axes.accessattempt",
    "axes.accesslog",
    "axes.accessfailurelog",
    "axes.accessattemptexpiration",
)
AT_ONCE = 500  # rows
LONGEST_NAME, DEEPEST = 1024, 20  # bytes of a member's name, the longest key of a bucket, and folders in it
CHUNK = 2**20
SHORTEST_KEY = 16  # characters
READERS = 16  # each with 16 MB of a file at most in memory (DEEPSEGM_BUCKET)
Say = Callable[[str], None]
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
    format: str
    version: str
    migrations: list[Node]
    members: list[str]
    lacking: NotRequired[list[str]]  # files that rows name and that were deleted meanwhile; 1.0 did not say


class Counted(NamedTuple):
    """What a backup holds. bytes: of the stored files."""

    rows: int
    files: int
    bytes: int


def write_backup(file: Path, say: Say = print) -> Counted:
    """Write the archive; `file` appears once it is whole. Raises Refused if it exists, OSError."""
    if file.exists():
        raise Refused(f"{file} exists already: choose another name.")
    part = file.with_name(f".{file.name}.part")
    part.touch(mode=0o600)  # it holds the key and the hashes of passwords
    try:
        with zipfile.ZipFile(part, "w", allowZip64=True) as archive:
            named = set[str]()
            rows = _write_rows(archive, named)
            say(f"{rows:,} rows")
            with _member(archive, KEY) as member:
                member.write(settings.SECRET_KEY.encode())
            folder = settings.DEEPSEGM_MODELS
            for path in sorted(filter(Path.is_file, folder.iterdir())) if folder.is_dir() else ():
                with path.open("rb") as opened, _member(archive, f"models/{path.name}") as member:
                    shutil.copyfileobj(opened, member, CHUNK)
            with _naming_the_bucket():
                for name, opened in _opened_ahead(_stored_names("")):
                    with opened, _member(archive, f"files/{name}") as member:
                        shutil.copyfileobj(opened, member, CHUNK)
            counted = _count_files(archive, rows)
            say(f"{counted.files:,} files of {counted.bytes / 1e6:,.1f} MB")
            applied = sorted(MigrationRecorder(connection).applied_migrations())
            names = sorted(archive.namelist())
            manifest = Manifest(
                format=FORMAT,
                version=__version__,
                migrations=applied,
                members=names,
                lacking=sorted(named - _files_in(names)),
            )
            archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        part.rename(file)
        # By this row /metrics knows when the last backup was made, also one of another machine.
        StaffAction.objects.create(account=SHELL, action=BACKUP, kind="site", name=file.name[:200])
    finally:
        part.unlink(missing_ok=True)
    return counted


def _count_files(archive: zipfile.ZipFile, rows: int) -> Counted:
    sizes = [info.file_size for info in archive.infolist() if info.filename.startswith("files/")]
    return Counted(rows, len(sizes), sum(sizes))


def _member(archive: zipfile.ZipFile, name: str, *, packed: bool = False) -> IO[bytes]:
    """A new member, to be written; the archive keeps its CRC."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    info.external_attr = 0o600 << 16
    return archive.open(info, "w", force_zip64=True)


def _files_in(members: Iterable[str]) -> set[str]:
    return {name.removeprefix("files/") for name in members if name.startswith("files/")}


def _files_of(model: type[Model]) -> list[str]:
    """The columns that name a stored file."""
    return [field.attname for field in model._meta.concrete_fields if isinstance(field, FileField)]


def _write_rows(archive: zipfile.ZipFile, named: set[str]) -> int:
    """named: gets the stored files that rows name."""
    count = 0
    with _one_picture():
        for model in apps.get_models(include_auto_created=True):
            if model._meta.label_lower in LEFT_OUT or model._meta.proxy or not model._meta.managed:
                continue
            names = [field.attname for field in model._meta.concrete_fields]
            with _member(archive, f"rows/{model._meta.label_lower}.jsonl", packed=True) as member:
                member.write(json.dumps(names).encode() + b"\n")
                files = [names.index(column) for column in _files_of(model)]
                for row in model._base_manager.order_by("pk").values_list(*names).iterator(AT_ONCE):
                    named.update(row[place] for place in files if row[place])
                    member.write(json.dumps(row, default=_as_json).encode() + b"\n")
                    count += 1
    return count


def _as_json(value: Any) -> Any:
    """A value of a column as JSON has it; `Field.to_python` reads it again, to the microsecond."""
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
def _one_picture() -> Iterator[None]:
    """All queries within read the database of one moment; writers are not held up."""
    if settings.DEEPSEGM_SQLITE:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")  # Django's own transactions are writers
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _stored_names(folder: str) -> list[str]:
    """The names of all files in the storage. A bucket tells a thousand at a time, a folder its own."""
    if hasattr(default_storage, "bucket"):
        return sorted(stored.key for stored in default_storage.bucket.objects.all())
    try:
        folders, names = default_storage.listdir(folder)
    except FileNotFoundError:
        return []
    paths = [f"{folder}{name}" for name in sorted(filter(None, names))]
    return paths + [name for inner in sorted(filter(None, folders)) for name in _stored_names(f"{folder}{inner}/")]


def _opened_ahead(names: Iterable[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """The files of the storage, without those that were deleted since they were listed. READERS are fetched at once:
    from a bucket each takes 40 ms, whatever its size."""
    waiting: deque[tuple[str, Future[Any]]] = deque()
    with ThreadPoolExecutor(READERS) as readers:
        for name in names:
            waiting.append((name, readers.submit(_fetched, name)))
            if len(waiting) == READERS:
                yield from _there(*waiting.popleft())
        while waiting:
            yield from _there(*waiting.popleft())


def _there(name: str, fetched: Future[Any]) -> Iterator[tuple[str, IO[bytes]]]:
    with suppress(FileNotFoundError):
        yield name, fetched.result()


def _fetched(name: str) -> Any:
    """A file that is open and here: one of a bucket comes with its first byte."""
    opened = default_storage.open(name)
    opened.read(1)
    opened.seek(0)
    return opened


@contextmanager
def _naming_the_bucket() -> Iterator[None]:
    """Raises Refused where a bucket is missing or cannot be reached."""
    try:
        yield
    except Exception as error:
        if not f"{type(error).__module__}.".startswith(REMOTE):
            raise
        raise Refused(BUCKET.format(name=settings.DEEPSEGM_BUCKET, why=error)) from error


def restore_backup(file: Path, say: Say = print) -> Counted:
    """Restore an archive into an empty site; raises Refused, with nothing touched if the archive is damaged."""
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # as below
        raise Refused(NO_ARCHIVE.format(file=file)) from error
    with archive:
        manifest = _checked_manifest(archive, file)
        targets, models = _tables(manifest)
        say("the backup is whole")
        _refuse_what_is_there(archive)
        try:
            counted = _count_files(archive, _restore_rows(archive, targets, models, manifest))
        except (Refused, OSError, OperationalError):
            raise
        except Exception as error:  # made-up rows can raise anything
            raise Refused(UNFIT.format(why=f"{type(error).__name__}: {error}")) from error
        say(f"{counted.rows:,} rows, {counted.files:,} files")
        if not settings.DEEPSEGM_SECRET_KEY_LASTS:
            settings.DEEPSEGM_SECRET_FILE.touch(mode=0o600)
            settings.DEEPSEGM_SECRET_FILE.write_bytes(archive.read(KEY))
    return counted


def _checked_manifest(archive: zipfile.ZipFile, file: Path) -> Manifest:
    """The manifest, after every member was found as it was written; raises Refused."""
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
        # A relative path that every storage takes; Django reads a backslash as a slash.
        parts = name.split("/")
        is_path = not any(part in ("", ".", "..") or len(os.fsencode(part)) > 255 for part in parts)
        fits = len(parts) <= DEEPEST and len(os.fsencode(name)) <= LONGEST_NAME and name not in folders
        is_known = name == KEY or parts[0] == "files" or (parts[0] in ("rows", "models") and len(parts) == 2)
        if "\\" in name or not (is_path and fits and is_known):
            raise Refused(DAMAGED.format(name=f"{name[:100]}..." if len(name) > 100 else name))
        try:
            with archive.open(name) as member:
                while member.read(CHUNK):  # compares the CRC at the end
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
    """The refusal of what only a later version can have written, or somebody made up."""
    numbers = [tuple(map(int, re.findall(r"\d+", version)[:3])) for version in (theirs, __version__)]
    sentence = NEWER if numbers[0] > numbers[1] else UNKNOWN
    return Refused(sentence.format(theirs=theirs, ours=__version__, what=what))


def _refuse_what_is_there(archive: zipfile.ZipFile) -> None:
    """Raises Refused; else gives up the key of an empty site (by the setting), so that the archive's replaces it."""
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
    """Make the tables of the archive's time, fill them, write the files, migrate; returns the number of rows. After an
    error no row and no file is left."""
    members, named = archive.namelist(), set[str]()
    _make_tables(targets)
    with ExitStack() as undo:
        with transaction.atomic():
            for model in reversed(models):
                model._base_manager.all().delete()
            count = 0
            for name, model in ((f"rows/{model._meta.label_lower}.jsonl", model) for model in models):
                if name in members:
                    with archive.open(name) as lines:
                        count += _fill(model, lines, named)
            with connection.cursor() as cursor:
                for statement in connection.ops.sequence_reset_sql(no_style(), models):
                    cursor.execute(statement)
            connection.check_constraints()
            if "lacking" in manifest and (lost := sorted(named - _files_in(members) - set(manifest["lacking"]))):
                raise Refused(NO_FILE.format(name=lost[0]))
            # Last, so that a file is written only if all rows fit; and a full disk takes the rows back.
            _restore_files(archive, undo)
        undo.pop_all()
    call_command("migrate", interactive=False, verbosity=0)
    return count


def _restore_files(archive: zipfile.ZipFile, undo: ExitStack) -> None:
    """Write the stored files and the models; undo: it removes them again."""
    for name in (member for member in archive.namelist() if member.startswith("files/")):
        stored = name.removeprefix("files/")
        undo.callback(_take_back, stored)
        with archive.open(name) as source, _naming_the_bucket():
            if default_storage.exists(stored):
                default_storage.delete(stored)
            default_storage.save(stored, File(source, name=Path(stored).name))
    settings.DEEPSEGM_MODELS.mkdir(parents=True, exist_ok=True)
    for name in (member for member in archive.namelist() if member.startswith("models/")):
        model = settings.DEEPSEGM_MODELS / Path(name).name
        undo.callback(model.unlink, missing_ok=True)
        with archive.open(name) as source, model.open("wb") as target:
            shutil.copyfileobj(source, target)


def _take_back(stored: str) -> None:
    """Remove a file of the storage, and its folders if they are empty then."""
    with suppress(Exception):  # the storage may be what failed
        default_storage.delete(stored)
    with suppress(NotImplementedError, OSError):  # a bucket has no folders
        os.removedirs(Path(default_storage.path(stored)).parent)


def _tables(manifest: Manifest) -> tuple[list[Node], list[type[Model]]]:
    """The last migration of each app when the archive was made, and its models; raises Refused if one is not known
    here, or if the archive has other tables."""
    loader = MigrationExecutor(connection).loader
    applied = {(app, name) for app, name in manifest["migrations"]}
    present = {node for node in applied if node in loader.graph.nodes}
    replaced = {node for migration in loader.replacements.values() for node in migration.replaces}
    if strange := sorted(applied - present - replaced):
        raise _unknown(manifest["version"], "the migration " + ".".join(strange[0]))
    followed = {one.key for node in present for one in loader.graph.node_map[node].parents if one.key[0] == node[0]}
    targets = sorted(present - followed)
    state = loader.project_state(targets).apps
    models = [model for model in state.get_models(include_auto_created=True) if not model._meta.proxy]
    labels = {model._meta.label_lower for model in models if model._meta.managed}
    members = {name[5:-6] for name in manifest["members"] if name.startswith("rows/")}
    if (labels ^ members) - set(LEFT_OUT):
        raise Refused(DAMAGED.format(name=MANIFEST))
    return targets, models


def _make_tables(targets: list[Node]) -> None:
    """Bring the empty database to these migrations; raises Refused where that cannot be."""
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


def _fill(model: type[Model], lines: IO[bytes], named: set[str]) -> int:
    """Store the rows of a table; named: gets the files that they name. Raises ValueError for a value that is none of
    those which a column takes, such as a state that no worker knows."""
    names = json.loads(next(lines))
    fields = {field.attname: field for field in model._meta.concrete_fields}
    for field in fields.values():
        field.auto_now = field.auto_now_add = False  # times are restored, too; this is a model of this call alone
    files, count = _files_of(model), 0
    chosen = {
        name: {*dict(field.flatchoices), *([None] if field.null else []), *([""] if field.blank else [])}
        for name, field in fields.items()
        if field.choices
    }
    while batch := list(islice(lines, AT_ONCE)):
        rows = (dict(zip(names, json.loads(line), strict=True)) for line in batch)
        objects = [model(**{name: fields[name].to_python(value) for name, value in row.items()}) for row in rows]
        for column, choices in chosen.items():
            if strange := [value for row in objects if (value := getattr(row, column)) not in choices]:
                raise ValueError(f"{model._meta.label_lower}.{column} is {strange[0]!r}")
        named.update(str(getattr(row, column)) for row in objects for column in files if getattr(row, column))
        count += len(model._base_manager.bulk_create(objects))
    return count
