"""A backup restored into an empty site, of either engine and of a later version, answers as the site did."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import uuid
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from segmentation.models import Study
from tests.worker.lab import python
from worker import backup

REPOSITORY = Path(__file__).resolve().parents[2]
ANSWERS = REPOSITORY / "tests/data/answers.py"
LEVEL = "0011_update_proxy_permissions"  # of the accounts of an older version
OLDER = f"""
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pathlib import Path
from worker import backup
loader = MigrationExecutor(connection).loader
others = [node for node in loader.graph.leaf_nodes() if node[0] != "auth"]
backup.apps = loader.project_state([*others, ("auth", "{LEVEL}")]).apps
backup.write_backup(Path(__import__("sys").argv[1]))
"""
MEANWHILE = """
import django
django.setup()
import contextlib, pathlib, sqlite3, sys
from django.conf import settings
from worker import backup
member, insert = backup._member, "INSERT INTO auth_group (name) VALUES (?)"
@contextlib.contextmanager
def disturbed(archive, name, **options):
    if archive.namelist() and name.startswith("rows/"):
        with sqlite3.connect(settings.DATABASES["default"]["NAME"], timeout=0) as other:
            other.execute(insert, [f"later {name}"])
    with member(archive, name, **options) as opened:
        yield opened
backup._member = disturbed
backup.write_backup(pathlib.Path(sys.argv[1]))
"""
# A process for each archive took a second and a half before it read the first byte.
EACH = """
import django, sys
django.setup()
from django.core.management import CommandError, call_command
for file in sys.argv[1:]:
    try:
        call_command("restore", file)
    except CommandError as refusal:
        assert "\\n" not in str(refusal)
        print("refused:", refusal)
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The data folder of a site with results of every kind, one model and its key."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "secret-key").write_text("a-key-that-lasts" * 4)
    made = python(folder, "-c", "from tests.data.make_folder import large; large()")
    assert made.returncode == 0, made.stderr
    (folder / "models").mkdir(exist_ok=True)
    (folder / "models" / "own.toml").write_text("a card")
    return folder


@pytest.fixture(scope="module")
def archive(site) -> Path:
    file = site / "backup.zip"
    done = manage(site, "backup", file)
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture(scope="module")
def as_before(site, archive) -> Any:
    """What the site answers that was backed up."""
    return answers(site, site)


def manage(folder: Path, *arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    return python(folder, "manage.py", *arguments, **settings)


def answers(folder: Path, site: Path, database: str = "") -> Any:
    """What a site answers about all that it holds, but for pages, which hold a key of their own; of a file that is
    written when it is asked for, that it is (202)."""
    if folder != site:
        shutil.copy(site / "asked.json", folder)
    document = json.loads(python(folder, ANSWERS, **({"DATABASE_URL": database} if database else {})).stdout)
    for rows in (document["jobs"], document["samples"]):
        for row in rows.values():
            row["page"].pop("html", None)
            row["files"] = {name: file if file["status"] == 200 else 202 for name, file in row["files"].items()}
    return document


def test_a_restored_site_answers_byte_for_byte_as_before(site, as_before, archive, tmp_path):
    done = manage(tmp_path, "restore", archive)
    assert done.returncode == 0, done.stderr
    assert answers(tmp_path, site) == as_before
    for name in ("secret-key", "models/own.toml"):
        assert (tmp_path / name).read_bytes() == (site / name).read_bytes()
    for file in (tmp_path / "secret-key", tmp_path / "db.sqlite3", archive):
        assert file.stat().st_mode & 0o077 == 0
    times = []
    for folder in (site, tmp_path):
        with sqlite3.connect(folder / "db.sqlite3") as database:
            times.append(database.execute("SELECT id, created, finished FROM segmentation_job ORDER BY id").fetchall())
    assert times[0] == times[1] and len(times[0]) == 5, "to the microsecond"


def test_what_is_written_meanwhile_is_neither_held_up_nor_in_the_archive(site, tmp_path):
    folder = shutil.copytree(site, tmp_path / "copy")
    made = python(folder, "-c", MEANWHILE, tmp_path / "meanwhile.zip")
    assert made.returncode == 0, made.stderr
    with zipfile.ZipFile(tmp_path / "meanwhile.zip") as archive:
        assert b"later" not in archive.read("rows/auth.group.jsonl")
    with sqlite3.connect(folder / "db.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM auth_group").fetchone()[0] > 10


def test_a_backup_of_an_older_version_is_restored(site, as_before, tmp_path):
    older, new = tmp_path / "older", tmp_path / "new"
    shutil.copytree(site, older)
    new.mkdir()
    assert manage(older, "migrate", "auth", LEVEL, "--verbosity", "0").returncode == 0
    made = python(older, "-c", OLDER, tmp_path / "older.zip")
    assert made.returncode == 0, made.stderr
    with zipfile.ZipFile(tmp_path / "older.zip") as archive:
        applied = json.loads(archive.read("manifest.json"))["migrations"]
        assert max(name for app, name in applied if app == "auth") == LEVEL
    done = manage(new, "restore", tmp_path / "older.zip")
    assert done.returncode == 0, done.stderr
    assert answers(new, site) == as_before


def test_a_started_site_without_accounts_and_images_is_empty(archive, tmp_path):
    assert manage(tmp_path, "migrate", "--verbosity", "0").returncode == 0
    assert manage(tmp_path, "restore", archive).returncode == 0


def altered(archive: Path, tmp_path: Path) -> Path:
    """A copy with one byte of a stored file changed, in the middle."""
    file = tmp_path / "altered.zip"
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    return file


def cut_off(archive: Path, tmp_path: Path) -> Path:
    file = tmp_path / "cut.zip"
    file.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    return file


def with_a_stray(archive: Path, tmp_path: Path) -> Path:
    file = shutil.copy(archive, tmp_path / "stray.zip")
    with zipfile.ZipFile(file, "a") as opened:
        opened.writestr("files/../../stray", "x")
    return file


def no_archive(archive: Path, tmp_path: Path) -> Path:
    file = tmp_path / "text.zip"
    file.write_text("no archive")
    return file


def forged(archive: Path, file: Path, members: dict[str, bytes | None], **manifest: Any) -> Path:
    """An archive that is whole, with these members made up (None: left out), and these lines of its manifest."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(file, "w") as new:
        contents = {name: old.read(name) for name in old.namelist()} | members
        contents = {name: content for name, content in contents.items() if content is not None}
        listed = json.loads(contents.pop("manifest.json")) | {"members": [*contents]} | manifest
        for name, content in [*contents.items(), ("manifest.json", json.dumps(listed))]:
            new.writestr(name, content)
    return file


LATER = {"migrations": [["segmentation", "9999_later"]]}
NAMES = ["files/..\\..\\pwned", "files/a\\b", "/etc/pwned", "files/../../pwned", "files//a", f"files/{'a' * 256}"]
FORGED: dict[str, tuple[dict[str, bytes | None], dict[str, Any]]] = {
    **{name[:30]: ({name: b"x"}, {}) for name in [*NAMES, "files" + 1400 * "/b", "files" + 25 * "/c"]},
    "files/x is not as": ({"files/x/y": b"x", "files/x": b"x"}, {}),
    "secret-key is not as": ({"secret-key": b""}, {}),
    "secret-key is not": ({"secret-key": b"\0\xff\n"}, {}),
    "anybody could guess it": ({"secret-key": b"x"}, {}),
    "manifest.json is not as": ({}, {"migrations": []}),
    "manifest.json is not": ({"rows/segmentation.job.jsonl": None}, {}),
    "migration segmentation.9999_later, which version": ({}, LATER),
    "newer than this one": ({}, LATER | {"version": "99.0.0"}),
    "format deepsegm-backup/9, which version": ({}, {"format": "deepsegm-backup/9"}),
}


def refusals(folder: Path, archives: list[Path]) -> list[str]:
    """What restoring them into one folder, one after the other, ends with: a sentence each."""
    done = python(folder, "-c", EACH, *archives)
    assert done.returncode == 0, done.stderr
    said = re.findall("^refused: (.+)$", done.stdout, re.M)
    assert len(said) == len(archives), done.stdout
    return said


def test_an_unusable_archive_is_refused_before_anything_is_touched(archive, tmp_path):
    harmed = [harm(archive, tmp_path) for harm in (altered, cut_off, with_a_stray, no_archive)]
    made = [
        forged(archive, tmp_path / f"{number}.zip", members, **manifest)
        for number, (members, manifest) in enumerate(FORGED.values())
    ]
    folder = tmp_path / "empty"
    done = manage(folder, "restore", harmed[0])
    assert done.returncode == 1 and "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    said = refusals(folder, harmed + made)[len(harmed) :]
    assert not [words for words, line in zip(FORGED, said, strict=True) if words not in line]
    assert not [path for path in folder.rglob("*") if path.is_file() and path.name not in ("up.lock", "db.sqlite3")]
    with sqlite3.connect(folder / "db.sqlite3") as database:
        assert not database.execute("SELECT name FROM sqlite_master WHERE name = 'auth_user'").fetchall()


def test_rows_that_somebody_made_up_are_a_sentence_and_no_file_is_written(archive, tmp_path):
    tables = (b"no json", b'["id"]\n["x"]\n', b'["id", "owner_id", "state"]\n[1, 9999, null]\n')
    members = [{"rows/segmentation.job.jsonl": rows} for rows in tables]
    folder = tmp_path / "empty"
    said = refusals(folder, [forged(archive, tmp_path / f"{at}.zip", rows) for at, rows in enumerate(members)])
    assert all("do not fit together" in line for line in said)
    assert not (folder / "files").exists() and not (folder / "secret-key").exists()
    with sqlite3.connect(folder / "db.sqlite3") as database:
        assert not database.execute("SELECT id FROM auth_user").fetchall()


def test_a_state_that_nobody_knows_and_a_lost_file_are_a_sentence(archive, tmp_path):
    with zipfile.ZipFile(archive) as opened:
        jobs = opened.read("rows/segmentation.job.jsonl").replace(b'"done"', b'"forged"', 1)
        image = next(name for name in opened.namelist() if name.startswith("files/uploads/") and "/image" in name)
    members: list[dict[str, bytes | None]] = [{"rows/segmentation.job.jsonl": jobs}, {image: None}]
    made = [forged(archive, tmp_path / f"{at}.zip", each) for at, each in enumerate(members)]
    folder = tmp_path / "empty"
    state, lost = refusals(folder, made)
    assert "segmentation.job.state is 'forged'" in state
    assert f"name the file {image.removeprefix('files/')}, which it does not hold" in lost
    assert not (folder / "files").exists() and not (folder / "secret-key").exists()


def test_a_storage_that_fails_in_the_middle_leaves_no_file_behind(archive, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "uploads").touch()  # a folder must stand there
    done = manage(tmp_path, "restore", archive)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "could not be restored" in done.stderr
    assert list((tmp_path / "files").iterdir()) == [tmp_path / "files" / "uploads"]
    assert not (tmp_path / "models" / "own.toml").exists() and not (tmp_path / "secret-key").exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_bucket_that_is_not_there_is_named(site, archive, tmp_path, command):
    folder = site if command == "backup" else tmp_path
    file = tmp_path / "new.zip" if command == "backup" else archive
    bucket = {"BUCKET": "no-such-bucket", "BUCKET_ENDPOINT": "http://127.0.0.1:9", "BUCKET_KEY": "a"}
    done = manage(folder, command, file, **bucket, BUCKET_SECRET="b")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "no-such-bucket (DEEPSEGM_BUCKET) cannot be used" in done.stderr
    assert not (tmp_path / "new.zip").exists() and not (tmp_path / "secret-key").exists()


def test_a_site_with_results_is_never_overwritten(site, archive):
    done = manage(site, "restore", archive)
    assert done.returncode == 1 and "empty" in done.stderr


def test_a_backup_never_replaces_a_file(site, archive):
    before = archive.read_bytes()
    assert manage(site, "backup", archive).returncode == 1
    assert archive.read_bytes() == before


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(settings.DEEPSEGM_SQLITE, reason="needs PostgreSQL: make test-services")
def test_from_sqlite_to_postgresql_and_back(site, as_before, archive, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    there.mkdir()
    back.mkdir()
    name = f"backup_{uuid.uuid4().hex}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    url = urlunsplit(urlsplit(os.environ["DEEPSEGM_DATABASE_URL"])._replace(path=f"/{name}"))
    try:
        assert manage(there, "restore", archive, DATABASE_URL=url).returncode == 0
        assert answers(there, site, url) == as_before
        made = "from django.contrib.auth.models import User; User.objects.create(username='next')"
        assert manage(there, "shell", "-c", made, DATABASE_URL=url).returncode == 0
        assert manage(there, "backup", tmp_path / "again.zip", DATABASE_URL=url).returncode == 0
        assert manage(back, "restore", tmp_path / "again.zip").returncode == 0
        assert answers(back, site) == as_before
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def test_documents_in_the_database_are_read_as_they_were_written():
    column, document = Study._meta.get_field("pdf"), b"%PDF-1.7 \x00\xff"
    written = json.loads(json.dumps([document, memoryview(document)], default=backup._as_json))
    assert [bytes(column.to_python(text)) for text in written] == [document, document]
