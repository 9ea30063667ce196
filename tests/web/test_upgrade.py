"""The promise of 1.0: a data folder that this version left behind opens in every later one (tests/data)."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from pathlib import Path

from django.utils.html import strip_tags

from tests.worker.lab import python

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = REPOSITORY / "tests" / "data"
SHOW = """
import json, deepsegm.wsgi
from pathlib import Path

from django.utils.html import strip_tags
from django.conf import settings
from tests.data.answers import BASIC, signed_in

alice, script = signed_in(), {"headers": {"Authorization": BASIC}}
jobs = list(json.loads(Path(settings.DEEPSEGM_DATA, "asked.json").read_text())["jobs"])
print(json.dumps({
    "pages": [alice.get(f"/jobs/{pk}/").content.decode() for pk in jobs],
    "tables": [b"".join(alice.get(f"/jobs/{pk}/files/particles.csv").streaming_content).decode() for pk in jobs],
    "shown": [json.loads(b"".join(alice.get(f"/jobs/{pk}/files/outlines.json").streaming_content)) for pk in jobs],
    "edits": alice.get(f"/api/v1/jobs/{jobs[0]}/edits", **script).json(),
    "objects": alice.get(f"/api/v1/jobs/{jobs[0]}/labels?format=objects", **script).json(),
}))
"""


def test_the_data_folder_of_1_0_opens(tmp_path):
    """Three particles with a median of 168.9 nm; one was deleted, and the other two were measured anew."""
    with tarfile.open(DATA / "data-folder-1.0.0.tar.xz") as packed:
        packed.extractall(tmp_path)  # our own archive; the argument `filter` is not in Debian 12's Python (3.11.2)
    migrated = python(tmp_path, "manage.py", "migrate", "--verbosity", "0")
    assert migrated.returncode == 0, migrated.stderr
    with sqlite3.connect(tmp_path / "db.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    answers = json.loads(python(tmp_path, "-c", SHOW).stdout)
    sizes = [["168.9062", "139.5312", "168.9062"], ["139.5312", "168.9062"]]
    for page, table, median, expected in zip(answers["pages"], answers["tables"], ("169", "154"), sizes, strict=True):
        assert f"{median} nm" in " ".join(strip_tags(page).split())
        _, *rows = (line.split(",") for line in table.splitlines() if not line.startswith("#"))
        assert [row[3] for row in rows] == expected
    cells = [shown["cells"]["min_feret"] for shown in answers["shown"]]
    assert cells == [["169", "140", "169"], ["140", "169"]], "words that the stored files of 1.0 do not have"
    assert [edit["operation"] for edit in answers["edits"]["edits"]] == [{"op": "delete", "ids": [1]}]
    assert answers["objects"]["ids"] == [2, 3]
