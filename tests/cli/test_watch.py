"""A watched folder: whole images only, each once, whatever happens in between."""

from __future__ import annotations

import json
import os
import time
from hashlib import sha256
from unittest.mock import Mock

import httpx
import pytest
import tifffile
from deepsegm_client import Client

from segmentation.management.commands import watch
from tests.cli.test_analyse import SAMPLE, write
from tests.client.fake import Site, json_answer
from tests.shell import manage

USUAL, FILES = {"particles.csv", "result.json"}, {"particles.csv", "result.json", "report.pdf", "figure.svg"}
QUICK = ("--once", "--settle", "0")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "share"
    made.mkdir()
    write(made / "deep", "a.tif")
    return made


class Watched(Site):
    """A site with one sample. Like a real one it first answers that it must read an image, and lists it later."""

    def __init__(self):
        super().__init__()
        self.images, self.keys, self.contents, self.notes = [], [], [], []
        self.reading = 0  # looks until what was sent last is read

    def job(self, number):
        files = {"files": dict.fromkeys(FILES, ""), "usual_files": [*USUAL]}
        return {"id": f"j{number}", "state": "done", "progress": 1.0, **files, "page": f"http://x/j{number}"}

    def sample(self):
        rows = [
            {"id": f"j{n}", "name": "a.tif", "state": "done", "included": on}
            for n, on in enumerate(self.images)
            if on is not None
        ]
        if self.reading:
            rows, notes = rows[: len(self.images) - 1], []
        else:
            notes = self.notes
        counts = {"done": len(rows), "failed": 0, "under_way": int(self.reading > 0), "notes": notes}
        state = "waiting" if self.reading else "done"
        return {**self.job(0), "id": "s", "images": rows, **counts, "state": state, "page": "http://x/s"}

    def file(self, number, name):
        if name != "result.json":
            return b"label\n1\n"
        digest = sha256(self.contents[number]).hexdigest()
        return json.dumps({"image": {"sha256": digest}, "quantities": {}}).encode()

    def usual(self, request, endpoint):
        method, _, path = endpoint.partition(" ")
        if method == "POST" and path.endswith(("/jobs", "/samples", "/images")):
            self.keys.append(request.headers.get("Idempotency-Key"))
            body = self.bodies[-1]
            self.contents.append(body[body.index(b"II*") : body.rindex(b"\r\n--")])
            if self.contents[-1].startswith(b"II*\0bad"):
                self.images.append(None)
                self.notes = [{"name": "bad.tif", "sentence": "The file is incomplete."}]
            else:
                self.images.append(True)
            self.reading = 2
            return json_answer(202, self.job(len(self.images) - 1) if path == "/jobs" else self.sample())
        if method == "POST" and "/images/j" in path:
            self.images[int(path.rpartition("j")[2])] = False
            return json_answer(200, self.sample())
        self.reading -= self.reading > 0
        number = int(path.split("/")[2][1:] or 0) if path.startswith("/jobs") else 0
        if "/files/" in path:
            return httpx.Response(200, content=self.file(number, path.rpartition("/")[2]))
        return json_answer(200, self.job(number) if path.startswith("/jobs") else self.sample())


@pytest.fixture
def site(monkeypatch):
    made = Watched()

    class Faked(Client):
        def __init__(self, url, token=None):
            super().__init__(url, token, transport=httpx.MockTransport(made.handle), retries=0)

    monkeypatch.setattr("deepsegm_client.Client", Faked)
    monkeypatch.setattr(watch, "READ_SECONDS", 0)
    monkeypatch.setenv("DEEPSEGM_TOKEN", "deepsegm_from_the_environment")
    return made


AT = ("--url", "http://site.example")
AT_SITE = (*QUICK, *AT, "--width-nm", "5 um")


@pytest.fixture
def counted(monkeypatch, site):
    """The images that were measured, by name; nothing is sent."""
    seen = []

    def measure(self, image, part, note):
        seen.append(image.name)
        (part / "particles.csv").write_text("label\n")

    monkeypatch.setattr(watch.Site, "measure", measure)
    return seen


def test_an_image_is_measured_once_and_again_when_it_or_the_settings_change(folder, site):
    image = folder / "deep" / "a.tif"
    assert manage("watch", folder, *QUICK, *AT).returncode == 0
    assert manage("watch", folder, *QUICK, *AT).returncode == 0
    os.utime(image)
    assert manage("watch", folder, *QUICK, *AT).returncode == 0
    assert len(site.contents) == 1
    write(folder / "deep", "a.tif", tifffile.imread(SAMPLE)[:200, :200])
    manage("watch", folder, *QUICK, *AT)
    manage("watch", folder, *QUICK, *AT, "--width-nm", "5 um")
    assert len(site.contents) == 3
    assert not [file for file in (folder / "deep").iterdir() if file.name.startswith(".")]


def test_its_own_pictures_are_never_measured(folder, counted):
    (folder / "deep" / "a.tif.deepsegm").mkdir()
    write(folder / "deep" / "a.tif.deepsegm", "panel.tif")
    write(folder / ".hidden", "c.tif")
    write(folder, "d.tif").rename(folder / "d.tif.part")
    manage("watch", folder, *QUICK, *AT)
    assert counted == ["a.tif"]


def test_results_may_lie_elsewhere(folder, counted, tmp_path):
    manage("watch", folder, *QUICK, *AT, "--out", tmp_path / "results")
    assert (tmp_path / "results" / "deep" / "a.tif.deepsegm" / "particles.csv").is_file()
    assert [file.name for file in (folder / "deep").iterdir()] == ["a.tif"]


def test_a_file_is_whole_once_it_has_looked_the_same_for_long_enough(folder, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: clock[0])
    watched = watch.Folder({"folder": folder, "out": None, "settle": 10.0, "files": ()}, {})
    image = folder / "deep" / "a.tif"
    assert watched.ready() == ([], True)
    clock[0] += 9
    with image.open("ab") as file:
        file.write(b"more")
    assert watched.ready() == ([], True)
    clock[0] += 9
    assert watched.ready() == ([], True)
    clock[0] += 1
    assert watched.ready() == ([image], False)
    image.write_bytes(b"")
    watched.ready()
    clock[0] += 11
    assert watched.ready() == ([], False)  # nothing is in it


def test_an_image_that_changes_while_it_is_measured_is_measured_again(folder, counted, monkeypatch):
    measure, image = watch.Site.measure, folder / "deep" / "a.tif"

    def changed(self, *arguments):
        if not counted:
            time.sleep(0.01)
            os.utime(image)
        measure(self, *arguments)

    monkeypatch.setattr(watch.Site, "measure", changed)
    done = manage("watch", folder, *QUICK, *AT)
    assert "changed" in done.stderr and not (folder / "deep" / "a.tif.deepsegm").exists()
    assert manage("watch", folder, *QUICK, *AT).returncode == 0
    assert (folder / "deep" / "a.tif.deepsegm" / "particles.csv").is_file()


def test_ctrl_c_ends_it_and_leaves_nothing_half_made(folder, counted, monkeypatch):
    monkeypatch.setattr(watch.Site, "measure", Mock(side_effect=KeyboardInterrupt))
    done = manage("watch", folder, *QUICK, *AT)
    assert done.returncode == 0 and "Stopped." in done.stdout
    assert [file.name for file in (folder / "deep").iterdir()] == ["a.tif"]


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--url", "site.example"], "http://"), ([*AT, "--files", "*.doc"], "none of the files of a result"),
     ([*AT, "--nm-per-pixel", "5"], "--nm-per-pixel"),
     ([*AT, "--sample", "B"], "DEEPSEGM_TOKEN"), (["--once"], "--url"), ([*AT, "--settle", "-1"], "seconds")],
)  # fmt: skip
def test_bad_options_are_explained(folder, options, word):
    done = manage("watch", folder, *QUICK, *options)
    assert done.returncode == 2 and word in done.stderr and "Traceback" not in done.stderr


def test_a_share_that_goes_away_is_waited_for(folder, counted, monkeypatch):
    monkeypatch.setattr(watch.Folder, "images", Mock(side_effect=OSError(5, "Input/output error")))
    with pytest.raises(OSError):
        watch.Folder({"folder": folder, "out": None, "settle": 0, "files": ()}, {}).ready()
    turns = iter([None, KeyboardInterrupt])

    def sleep(seconds):
        if error := next(turns):
            raise error

    monkeypatch.setattr(watch.time, "sleep", sleep)
    done = manage("watch", folder, *AT)
    assert done.returncode == 0 and done.stderr.count("tried again") == 1 and "Stopped." in done.stdout


def test_a_folder_that_is_not_there_is_said(tmp_path):
    done = manage("watch", tmp_path / "none", *QUICK, *AT)
    assert done.returncode == 2 and "no folder" in done.stderr


def test_a_site_measures_and_a_killed_watcher_sends_the_same_key(folder, site):
    assert manage("watch", folder, *AT_SITE, "--filter", "--method", "Powder@2").returncode == 0
    output = folder / "deep" / "a.tif.deepsegm"
    assert {*USUAL, "watched.json"} == {file.name for file in output.iterdir()}
    sent = site.bodies[0].decode(errors="replace")
    assert 'name="width"\r\n\r\n5 um' in sent and 'name="filter"\r\n\r\non' in sent
    assert 'name="method"\r\n\r\nPowder@2' in sent
    assert site.requests[0].headers["Authorization"] == "Bearer deepsegm_from_the_environment"
    (output / "watched.json").unlink()
    manage("watch", folder, *AT_SITE, "--filter", "--method", "Powder@2")
    assert len(site.keys) == 2 and site.keys[0] == site.keys[1]


def test_other_files_are_fetched_without_measuring_again(folder, site):
    results, sample = folder / "deep" / "a.tif.deepsegm", (*AT_SITE, "--sample", "Batch 7")
    for asked, names in (((), USUAL), (("--files", "*.pdf, images.csv"), {"report.pdf"}), (("--files", "all"), FILES)):
        assert manage("watch", folder, *sample, *asked).returncode == 0
        for place in (results, folder / "sample.deepsegm"):
            assert {file.name for file in place.iterdir()} == {*names, "watched.json"}
    assert len(site.contents) == 1


def test_a_site_that_is_away_or_refuses(folder, site):
    site.answers["POST /jobs"] = [httpx.ConnectError("no")]
    done = manage("watch", folder, *AT_SITE)
    assert done.returncode == 2 and "tried again" in done.stderr and not (folder / "deep" / "a.tif.deepsegm").exists()
    site.answers["POST /jobs"] = [json_answer(401, {"error": "This token has expired."})]
    assert "expired" in manage("watch", folder, *AT_SITE).stderr
    site.answers["POST /jobs"] = [json_answer(413, {"error": "The file is too large."})]
    assert manage("watch", folder, *AT_SITE).returncode == 2
    assert (folder / "deep" / "a.tif.deepsegm" / "error.txt").read_text() == "The file is too large.\n"


def test_a_sample_at_a_site_grows_and_counts_a_changed_image_once(folder, site):
    sample = (*AT_SITE, "--sample", "Batch 7")
    assert manage("watch", folder, *sample).returncode == 0
    assert (folder / "sample.deepsegm" / "particles.csv").is_file()
    (folder / "deep" / "a.tif.deepsegm" / "watched.json").unlink()  # killed before it was noted
    assert manage("watch", folder, *sample).returncode == 0
    assert site.images == [False, True]  # measured again rather than counted twice
    write(folder / "deep", "a.tif", tifffile.imread(SAMPLE)[:200, :200])
    assert manage("watch", folder, *sample).returncode == 0
    assert site.images == [False, False, True]


def test_a_sample_at_a_site_says_why_it_did_not_take_a_file(folder, site):
    (folder / "deep" / "bad.tif").write_bytes(b"II*\0bad")
    assert manage("watch", folder, *AT_SITE, "--sample", "Batch 7").returncode == 2
    assert (folder / "deep" / "bad.tif.deepsegm" / "error.txt").read_text() == "The file is incomplete.\n"
    assert (folder / "deep" / "a.tif.deepsegm" / "particles.csv").is_file()
    assert (folder / "sample.deepsegm" / "particles.csv").is_file()
