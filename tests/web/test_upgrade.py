"""A data folder that the code of commit 9719d7d left behind, under today's code: nothing is lost and nothing changes.

What that code answered is packed with it (answers.json); `data/make_old_data_folder.py` made both.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from segmentation.core.measure.quantities import significant

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(__file__).with_name("data")
FIGURES = {"jobs": ("figure.png", "particles.csv", "report.pdf"), "samples": ("figure.png", "images.csv", "report.pdf")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The old folder after `manage.py migrate`."""
    made = tmp_path_factory.mktemp("old")
    with tarfile.open(DATA / "data-folder-9719d7d.tar.xz") as packed:
        packed.extractall(made, filter="data")
    python(made, "manage.py", "migrate", "--verbosity", "0")
    return made


@pytest.fixture(scope="module")
def before(folder) -> dict[str, Any]:
    return json.loads((folder / "answers.json").read_text())


@pytest.fixture(scope="module")
def now(folder) -> dict[str, Any]:
    return json.loads(python(folder, DATA / "answers.py"))


def python(folder: Path, *arguments: object) -> str:
    """What a process of its own says, whose data folder is this one."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DEEPSEGM_")}
    env |= {"DEEPSEGM_DATA": str(folder), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(answers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Jobs and samples."""
    return answers["jobs"] | answers["samples"]


def test_the_old_folder_holds_every_kind_of_row(before):
    jobs = [job["api"] for job in before["jobs"].values()]
    assert sorted(job["state"] for job in jobs) == ["done"] * 5 + ["failed"]
    results = [job["result"] for job in jobs if job["result"]]
    assert {result["calibration"]["source"] for result in results} == {"metadata", "typed"}
    assert sorted(result["reused"] for result in results) == [False] * 4 + [True]
    assert {job["recipe"]["filter"] for job in jobs} == {True, False}
    assert {job["recipe"]["model"] for job in jobs} == {"particles", "visiting"}
    assert [len(sample["api"]["images"]) for sample in before["samples"].values()] == [2]
    assert {row["stranger"] for row in rows(before).values()} == {200, 404}
    assert all(len(pks) >= 2 for pks in before["lists"].values())


def test_the_migrated_database_is_sound(folder):
    with sqlite3.connect(folder / "db.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_what_was_found_has_a_row_and_a_file_of_its_own(folder, before):
    done = {pk.replace("-", "") for pk, job in before["jobs"].items() if job["api"]["state"] == "done"}
    with sqlite3.connect(folder / "db.sqlite3") as database:
        query = "SELECT j.id, s.file, s.model_name, s.weights FROM segmentation_job j JOIN segmentation_segmentation s"
        found = database.execute(f"{query} ON s.id = j.segmentation_id").fetchall()
    assert {pk for pk, *_ in found} == done
    assert all((folder / "files" / file).is_file() and name and len(weights) == 64 for _, file, name, weights in found)
    assert not list((folder / "files" / "jobs").rglob("segmentation.npz"))


def test_state_and_numbers_are_as_before(before, now):
    assert rows(now).keys() == rows(before).keys()
    for pk, old in rows(before).items():
        new = rows(now)[pk]["api"]
        assert (new["state"], new["error"]) == (old["api"]["state"], old["api"]["error"])
        assert holds(new["result"], old["api"]["result"]), pk


def test_settings_and_image_of_a_job_are_as_before(before, now):
    for pk, old in before["jobs"].items():
        new = now["jobs"][pk]["api"]
        assert holds(new["recipe"], old["api"]["recipe"]) and new["image"] == old["api"]["image"]


def test_images_of_a_sample_are_as_before(before, now):
    for pk, old in before["samples"].items():
        assert holds(now["samples"][pk]["api"]["images"], old["api"]["images"])


def holds(new: Any, old: Any) -> bool:
    """Whether all that was said is still said; new entries may have come."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(name in new and holds(new[name], value) for name, value in old.items())
    if isinstance(old, list):
        return len(new) == len(old) and all(map(holds, new, old))
    return new == old


def test_every_page_answers_with_the_stored_median(before, now):
    for pk, old in rows(before).items():
        page = rows(now)[pk]["page"]
        assert page["status"] == old["page"]["status"] == 200
        result = old["api"]["result"]
        numbers = (result or {}).get("statistics", result)  # a sample's numbers lie one level higher
        said = f"{significant(numbers['median'])} {numbers['unit']}" if numbers else old["api"]["error"]
        assert said in text_of(page["html"]), (pk, said)


def text_of(html: str) -> str:
    """The words of a page, tags left out."""
    from html import unescape

    from django.utils.html import strip_tags

    return " ".join(unescape(strip_tags(html)).split())


def test_every_file_is_as_before(before, now):
    for pk, old in rows(before).items():
        new = rows(now)[pk]
        assert all(file["status"] == 200 for file in old["files"].values())
        assert {name: new["files"].get(name) for name in old["files"]} == old["files"]
        assert new["by_api"] == old["by_api"]


def test_page_and_files_show_the_figure(now):
    for kind, names in FIGURES.items():
        for pk, row in now[kind].items():
            if row["api"]["state"] != "done":
                continue
            assert set(names) <= row["files"].keys()
            assert f"/{kind}/{pk}/files/figure.png" in row["page"]["html"]


def test_previews_owners_and_lists_are_as_before(before, now):
    assert now["uploads"] == before["uploads"]
    strangers = [{pk: row["stranger"] for pk, row in rows(answers).items()} for answers in (before, now)]
    assert strangers[0] == strangers[1]
    members = set(re.findall(r"[0-9a-f-]{36}", json.dumps([row["api"] for row in before["samples"].values()])))
    for who, listed in before["lists"].items():  # the images of samples are listed, too, since
        assert set(listed) <= set(now["lists"][who]) <= {*listed, *members}


@pytest.mark.slow
def test_work_goes_on_with_what_is_stored(folder, before, now):
    """Stored outlines are measured under another width, and stored tables pooled once more."""
    lone = [pk for pk, job in before["jobs"].items() if "table.npz" not in job["files"] and is_measurable(job["api"])]
    later = json.loads(python(folder, DATA / "go_on.py", *lone))
    assert (len(later["jobs"]), len(later["samples"])) == (3, 1)
    for pk, job in later["jobs"].items():
        old = before["jobs"][pk]["api"]
        assert (job["state"], job["result"]["reused"]) == ("done", True)
        assert job["result"]["model"] == old["result"]["model"]
        factor = job["result"]["calibration"]["nm_per_pixel"] / old["result"]["calibration"]["nm_per_pixel"]
        assert factor > 1.5
        sizes = [said["statistics"]["median"] for said in (job["result"], old["result"])]
        assert sizes[0] == pytest.approx(factor * sizes[1])
        assert job["result"]["statistics"]["n_kept"] == old["result"]["statistics"]["n_kept"]
        assert before["jobs"][pk]["files"].keys() - {"image.png", "thumbnail.png"} <= job["files"].keys()
        assert {"image.webp", "report.pdf", "bundle.zip"} <= job["files"].keys()
    for pk, sample in later["samples"].items():
        old = before["samples"][pk]["api"]
        assert (sample["state"], sample["current"]) == ("done", True)
        for name in ("n_kept", "n_set_aside", "median", "mean", "fraction_100nm"):
            assert sample["result"][name] == old["result"][name]
        assert sample["files"].keys() >= old["files"].keys()


def is_measurable(job: dict[str, Any]) -> bool:
    """Whether it has outlines; that the model of some has been removed does not matter."""
    return job["state"] == "done"
