"""What the web hands to the child process, and what it gets back."""

from __future__ import annotations

import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segmentation.core.micrograph.confinement import forking
from tests.core.micrograph.deed import DEED
from tests.hostile import image, tiff
from worker.reading import decoding


def test_a_page_is_taken_out_by_the_child(tmp_path: Path) -> None:
    stack, file = np.stack([image(), image()[::-1]]), tmp_path / "stack"
    file.write_bytes(tiff(stack, photometric="minisblack"))
    take = partial(decoding.take_page, file, tmp_path, name="stack.tif", side=(), report_alive=lambda: None)
    page, pages = take(2)
    assert pages == 2 and page.parent == tmp_path
    assert np.array_equal(tifffile.imread(page), stack[1])
    with pytest.raises(decoding.Unreadable, match="no page 3"):
        take(3)
    file.write_bytes(tiff(image()))
    assert take(1) == (file, 1)


def test_side_files_reach_the_child(tmp_path: Path) -> None:
    path, side = tmp_path / "upload", tmp_path / "beside"
    path.write_bytes(tiff(image()))
    side.write_bytes("[SemImageFile]\r\nPixelSize=24.8\r\nSignalName=SE(L)\r\n".encode("utf-16"))
    outcome = decoding.inspect(path, name="a.tif", side=[("--a\x00 µ.txt", side)])
    assert outcome.facts["calibration"]["nm_per_pixel"] == pytest.approx(24.8)
    assert outcome.facts["calibration"]["source"] == "side file"
    assert outcome.facts["metadata"]["detector"] == "SE(L)"
    assert outcome.facts["reading"] == {}
    assert outcome.preview.startswith(b"\x89PNG")


def test_the_bar_is_read_only_where_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], *how: object) -> bytes:
        commands.append(command)
        raise decoding.Unreadable("enough")

    monkeypatch.setattr(decoding, "_run", run)
    for read_bar in (True, False):
        with pytest.raises(decoding.Unreadable):
            decoding.inspect(tmp_path / "a", name="a", read_bar=read_bar)
    assert ["--no-reading" in command for command in commands] == [False, True]


def test_a_micrograph_comes_as_it_would_be_read_here(tmp_path: Path) -> None:
    from segmentation.core.micrograph.reader import read

    path, side = tmp_path / "upload", tmp_path / "beside"
    side.write_text("[SemImageFile]\nPixelSize=24.8\n")
    for dtype in (np.uint8, np.uint16, np.float32):
        path.write_bytes(tiff(image(48, 64, dtype, 200)))
        given: dict[str, Any] = {"name": "../a µ.png", "side": [("a.txt", side)]}
        here, micrograph = read(path, **given), decoding.read_micrograph(path, **given)
        np.testing.assert_array_equal(micrograph.pixels, here.pixels)
        assert micrograph.pixels.dtype == dtype
        for name in ("name", "sha256", "calibration", "metadata", "notes", "reading"):
            assert getattr(micrograph, name) == getattr(here, name), name


def test_hdf5_is_read_in_the_confined_child(tmp_path: Path) -> None:
    from tests.core.micrograph.instrument_files import velox

    path = tmp_path / "upload"
    stack = np.stack([image(), image()], axis=2)
    path.write_bytes(velox(stack, chunks=(48, 64, 1), compression="gzip"))
    micrograph = decoding.read_micrograph(path, name="a.emd")
    np.testing.assert_array_equal(micrograph.pixels, image())
    assert micrograph.calibration.nm_per_pixel == pytest.approx(0.25)
    assert "average of all" in micrograph.notes[0]


def test_a_file_that_cannot_be_read_says_the_same_as_at_its_upload(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"<html>")
    messages = []
    for look in (decoding.inspect, decoding.read_micrograph):
        with pytest.raises(decoding.Unreadable) as refused:
            look(path, name="a.png")
        messages.append(str(refused.value))
    assert messages[0] == messages[1] and "web page" in messages[0]


FACTS = {
    "ok": True,
    "width": 3,
    "height": 2,
    "name": "a",
    "sha256": "a",
    "kind": "k",
    "metadata": {},
    "notes": [],
    "calibration": {"nm_per_pixel": None, "source": "none"},
    "data_bar": None,
    "reading": {},
}
PIXELS = np.zeros((2, 3), np.uint8)


def answering(monkeypatch: pytest.MonkeyPatch, answer: Any, write: Any) -> None:
    """Replace the child by one that says and writes this."""

    def run(command: list[str], *given: object) -> bytes:
        places = [word.partition("=")[2] for word in command if word.startswith(("--pixels=", "--preview="))]
        write(Path(places[0]))
        return json.dumps(answer).encode()

    monkeypatch.setattr(decoding, "_run", run)


def pixels(array: Any) -> Any:
    return lambda file: np.save(file, array, allow_pickle=True)


def test_what_a_child_says_of_an_image_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"")
    metadata = {"image": "another", "image sha256": "0" * 64, "kind": "mine", "detector": "SE\x00"}
    answering(monkeypatch, {**FACTS, "metadata": metadata, "sha256": "0" * 64}, pixels(PIXELS))
    micrograph = decoding.read_micrograph(tmp_path / "a", name="a")
    assert micrograph.metadata == {"kind": "k", "detector": "SE"}  # what no file can say is left out
    assert micrograph.sha256.startswith("e3b0c442")  # of the file itself
    for reading, unread in (({}, False), (None, True)):
        answering(monkeypatch, {**FACTS, "reading": reading}, pixels(PIXELS))
        outcome = decoding.inspect(tmp_path / "a", name="a")
        assert (outcome.facts["reading"], outcome.unread) == ({}, unread)


@pytest.mark.parametrize(
    "facts",
    [{**FACTS, "calibration": {"nm_per_pixel": 5.0, "source": "typed"}},
     {**FACTS, "calibration": {"nm_per_pixel": -5.0, "source": "metadata"}},
     {**FACTS, "calibration": {"nm_per_pixel": {}, "source": "metadata"}}, {**FACTS, "calibration": []},
     {**FACTS, "width": 0}, {**FACTS, "width": 10**9}, {**FACTS, "data_bar": 7},
     {**FACTS, "metadata": {"image_rows": "abc"}}, {**FACTS, "metadata": {"image_rows": -5.0}},
     {**FACTS, "notes": ["a" * 2**20]}, {**FACTS, "metadata": {"detector": {"a": []}}}, {**FACTS, "notes": [{}]},
     {**FACTS, "reading": {"nm_per_pixel": 5.0}}, {**FACTS, "reading": []}, {"ok": "yes"}, [],
     {"ok": False, "errno": 13, "error": "no"}],
    ids=lambda facts: str(facts)[-60:],
)  # fmt: skip
@pytest.mark.parametrize("look", [decoding.inspect, decoding.read_micrograph])
def test_a_child_that_says_what_no_child_of_ours_says_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: Any, look: Any
) -> None:
    (tmp_path / "a").touch()
    answering(monkeypatch, facts, pixels(PIXELS))
    with pytest.raises((decoding.Unreadable, decoding.Killed)) as refused:
        look(tmp_path / "a", name="a")
    assert str(refused.value) == decoding.DIED


@pytest.mark.parametrize(
    "write",
    [lambda file: None, pixels(np.zeros((2, 3))), pixels(np.zeros((2, 3, 1), np.uint8)),
     pixels(np.zeros((4, 3), np.uint8)), pixels(np.full((2, 3), np.nan, np.float32)),
     pixels(np.array([[None] * 3] * 2)),
     lambda file: file.write_bytes(np.lib.format.magic(1, 0) + b"\xff\x00" + b"-" * 255),
     lambda file: file.symlink_to(Path(__file__)), lambda file: os.mkfifo(file), lambda file: file.mkdir()],
    ids=["nothing", "float64", "three dimensions", "other size", "NaN", "pickled", "minus", "link", "pipe", "folder"],
)  # fmt: skip
def test_a_child_that_leaves_something_else_than_pixels_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any
) -> None:
    (tmp_path / "a").touch()
    answering(monkeypatch, FACTS, write)
    with pytest.raises(decoding.Unreadable) as refused:
        decoding.read_micrograph(tmp_path / "a", name="a")
    assert str(refused.value) == decoding.DIED


@pytest.mark.parametrize(
    ("stream", "error", "words"), [("stdout", decoding.Unreadable, "damaged"), ("stderr", decoding.Killed, "long")]
)
def test_a_child_that_never_stops_talking_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any, stream: str, error: Any, words: str
) -> None:
    settings.DEEPSEGM_INSPECTION_SECONDS = 2
    monkeypatch.setattr(decoding, "PATIENCE_FACTOR", 1)
    (tmp_path / "a").touch()
    code = f"import sys\nwhile True: sys.{stream}.write('a' * 99999)"
    monkeypatch.setattr(decoding, "_command", lambda *given: [sys.executable, "-c", code])
    with pytest.raises(error, match=words):
        decoding.read_micrograph(tmp_path / "a", name="a")


def test_many_outlines_are_not_too_much_to_say(tmp_path: Path) -> None:
    """As many as a file may hold, each with a number of eight digits."""
    side = 316
    labels = 10_000_000 + np.arange(side * side, dtype=np.uint32).reshape(side, side)
    np.save(tmp_path / "labels.npy", np.kron(labels, np.ones((2, 2), np.uint32)))
    shape = [2 * side, 2 * side, 2 * side]
    facts: dict[str, Any] = {"frame": shape, "task": "particles", "names": ["particle"], "image": "a"}
    segmentation = decoding.read_outlines(tmp_path / "labels.npy", {**facts, "nm_per_pixel": None}, lambda: None)
    assert len(segmentation.classes) == side * side


def test_a_storage_that_fails_for_a_moment_is_no_damaged_image() -> None:
    with pytest.raises(OSError, match="Input/output error"):
        decoding.read_micrograph(Path("/proc/self/mem"), name="a")


def test_a_child_that_closes_its_pipes_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    code = "import os, time; os.close(1), os.close(2), time.sleep(1.5), os._exit(3)"
    monkeypatch.setattr(decoding, "_command", lambda *given: [sys.executable, "-c", code])
    calls: list[int] = []
    with pytest.raises(decoding.Unreadable, match="damaged"):
        decoding.read_micrograph(tmp_path / "a", name="a", report_alive=lambda: calls.append(1))
    assert calls


def test_labels_in_columns_come_as_they_are(tmp_path: Path) -> None:
    """As MATLAB and a transposed array are saved."""
    labels = np.asfortranarray(np.arange(12, dtype=np.int32).reshape(3, 4))
    np.save(tmp_path / "labels.npy", labels)
    request: dict[str, Any] = {"frame": [3, 4, 3], "task": "particles", "names": [], "image": "a"}
    truth = decoding.read_truth(tmp_path / "labels.npy", request, lambda: None)
    np.testing.assert_array_equal(truth, labels)


@pytest.mark.parametrize("member", ["../upload", "entry-0-0", "entry-1-0"], ids=["outside", "link", "missing"])
def test_a_child_that_unpacks_something_else_than_files_is_not_believed(
    member: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "entry-0-0").symlink_to("/etc/passwd")
    answer = json.dumps({"ok": True, "files": [[["a.tif", member]]], "notes": []}).encode()
    monkeypatch.setattr(decoding, "_run", lambda *arguments: answer)
    with pytest.raises(decoding.Unreadable):
        decoding.unpack(tmp_path / "upload", tmp_path, lambda: None)


def test_a_reader_that_takes_more_memory_than_it_may_is_refused(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the process that forks readers has loaded counts for none of them."""
    path = tmp_path / "upload"
    path.write_bytes(tiff(np.zeros((22_000, 22_000), np.uint8), compression="zlib", rowsperstrip=22_000))
    settings.DEEPSEGM_INSPECTION_MEMORY_MB = 400
    monkeypatch.setattr(decoding, "most_pixels", lambda: 10**9)
    with pytest.raises(decoding.Unreadable, match="memory"):
        decoding.inspect(path, name="a.tif")


def test_a_server_that_is_killed_between_two_files_loses_none(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(tiff(image()))
    servers = set()
    for _ in range(2):
        outcome = decoding.inspect(tmp_path / "upload", name="a.tif", later=True)
        assert outcome.facts["kind"] == "TIFF, 8 bit"
        servers.add(forking.FILE_SERVER.pid)
        os.kill(server := forking.FILE_SERVER.pid or 0, signal.SIGKILL)
        os.waitid(os.P_PID, server, os.WEXITED | os.WNOWAIT)  # else the next test may think that it runs
    assert len(servers) == 2 and None not in servers


def test_files_at_once_are_read_by_children_of_one_server(tmp_path: Path) -> None:
    decoding.start_reader_process()
    server = forking.FILE_SERVER.pid

    def width_of(number: int) -> int:
        (tmp_path / str(number)).write_bytes(tiff(image(48, 64 + number)))
        return int(decoding.inspect(tmp_path / str(number), name="a.tif", later=True).facts["width"])

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(width_of, range(12))) == [64 + number for number in range(12)]
    assert forking.FILE_SERVER.pid == server


def test_without_forks_each_reader_is_a_new_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "CAN_FORK", False)
    monkeypatch.setattr(forking, "FILE_SERVER", server := forking.ForkServer(forking.INSPECT))
    (tmp_path / "upload").write_bytes(tiff(image()))
    decoding.start_reader_process()
    assert decoding.inspect(tmp_path / "upload", name="a.tif", later=True).facts["kind"] == "TIFF, 8 bit"
    assert server.pid is None


@pytest.mark.parametrize(
    ("code", "error", "sentence"),
    [("os.kill(os.getpid(), 9)", decoding.Killed, decoding.DIED),
     ("os.abort()", decoding.Unreadable, decoding.DIED), ("os._exit(3)", decoding.Unreadable, decoding.DIED),
     ("1 / 0", decoding.Unreadable, decoding.DIED),
     ("resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass", decoding.Unreadable, decoding.TOO_SLOW),
     ("import time; time.sleep(600)", decoding.TooSlow, decoding.TOO_SLOW)],
    ids=["killed", "aborted", "ended", "failed", "processor", "hung"],
)  # fmt: skip
def test_a_fork_that_dies_is_judged_as_a_process_that_dies(
    monkeypatch: pytest.MonkeyPatch, code: str, error: type[Exception], sentence: str
) -> None:
    monkeypatch.setattr(decoding, "PATIENCE_FACTOR", 1 if "sleep" in code else 600)
    monkeypatch.setattr(forking, "FILE_SERVER", server := forking.ForkServer(DEED))
    with pytest.raises(error) as refused:
        decoding._run([sys.executable, "-m", DEED, code], lambda: None, decoding.DIED, decoding.TOO_SLOW, 1.0)
    assert (type(refused.value), str(refused.value)) == (error, sentence)
    server.close()
