"""Tests with a plug-in whose reader of files does wrong or forbidden things: each is refused with one sentence, and the
site goes on."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from segmentation.core.micrograph.confinement import forking
from segmentation.core.micrograph.confinement.confined import landlock_version
from worker.reading import decoding

MAGIC = "HOSTILE"  # first letters of its files; the Python code that the reader runs follows
# The module of the plug-in.
WHEEL = """
import os
import sys
import time
from pathlib import Path

import numpy as np

from segmentation.core.micrograph.decoded import Decoded
from segmentation.core.micrograph.formats.base import Format
from segmentation.core.micrograph.vendors.facts import Facts

GOOD = (np.indices((48, 64)).sum(axis=0) % 200).astype(np.uint8)


def read(path, max_pixels, page):
    source = path.read_text().removeprefix("HOSTILE")
    names = dict(globals())
    exec(source, names)
    return names.get("answer", Decoded(names.get("pixels", GOOD), "hostile"))


FORMAT = Format("HOSTILE", (".hos",), (b"HOSTILE",), read, imports=("deepsegm_hostile_library",))
"""
AT_FAULT = "reads HOSTILE files is at fault"
DIED = "could not be read"
# Code that the reader runs -> words of the sentence that a user then sees.
SENTENCE_BY_CODE = {
    "answer = None": AT_FAULT,
    "answer = Decoded(GOOD.tolist(), 'a list')": AT_FAULT,
    "pixels = GOOD.astype(object)": AT_FAULT,
    "pixels = np.array(3, np.uint8)": AT_FAULT,
    "pixels = np.zeros((1, 1, 48, 64, 1), np.uint8)": AT_FAULT,
    "pixels = GOOD.astype('datetime64[s]')": AT_FAULT,
    "answer = Decoded(GOOD, 'colours', colours=np.zeros((2, 2, 3), np.uint8))": AT_FAULT,
    "answer = Decoded(GOOD, 'marks', marks=np.zeros((2, 2)))": AT_FAULT,
    "answer = Decoded(GOOD, 'pages', pages='many')": AT_FAULT,
    "answer = Decoded(GOOD, 7)": AT_FAULT,
    "answer = Decoded(GOOD, 'header', header={'nm_per_pixel': 1})": AT_FAULT,
    "answer = Decoded(GOOD, 'header', header=Facts('wide'))": AT_FAULT,
    "pixels = np.zeros((0, 64), np.uint8)": "too small",
    "pixels = np.full((48, 64), np.nan, np.float32)": "no valid pixel",
    "pixels = np.broadcast_to(np.uint8(1), (100_000, 100_000))": "too large",
    "pixels = np.zeros((100_000, 100_000), np.uint8)": "more memory than there is",
    "bytearray(2**40)": "more memory than there is",
    "raise SystemExit": AT_FAULT,
    "raise SystemExit('a text')": AT_FAULT,
    "raise KeyboardInterrupt": DIED,
    "raise RecursionError": "damaged",
    "raise ValueError('a\\nb')": "damaged",
    "os._exit(0)": DIED,
    "os._exit(3)": DIED,
    "os.abort()": DIED,
    "os.kill(os.getpid(), 9)": "damaged",
    "Path('/tmp/deed').write_text('x')": "damaged",
    "Path.home().joinpath('deed').mkdir()": "damaged",
    "os.execv('/bin/true', ['true'])": "damaged",
    "print('{\"ok\": true}', flush=True); os._exit(0)": DIED,
    "os.write(1, b'{\"ok\": true}\\n'); os._exit(0)": DIED,
    "answer = Decoded(GOOD, 'facts', header=Facts(metadata={'date': object()}))": DIED,
    "while True: pass": "took too long",
    "time.sleep(600)": "took too long",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plug-in, as `pip` would install it."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "deepsegm_hostile.py").write_text(WHEEL)
    (folder / "deepsegm_hostile_library.py").write_text("raise SystemExit(1)")
    info = folder / "deepsegm_hostile-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deepsegm-hostile\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[deepsegm.formats]\nhostile = deepsegm_hostile:FORMAT\n")
    return folder


@pytest.fixture(scope="module")
def server(wheel: Path):
    """The process that forks readers of files, with the plug-in on its path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(wheel))
        server = forking.ForkServer(forking.INSPECT)
        server.keep_running()
        yield server
        server.close()


@pytest.fixture(autouse=True)
def reader(server, monkeypatch, settings):
    """Let `decoding` read files by that process, and allow it only 3 seconds of processor time."""
    monkeypatch.setattr(forking, "FILE_SERVER", server)
    settings.DEEPSEGM_INSPECTION_SECONDS = 3


def read(tmp_path: Path, source: str):
    """Read a file of the hostile format, whose reader runs this code."""
    file = tmp_path / "upload"
    file.write_text(MAGIC + source)
    return decoding.read_micrograph(file, name="a.hos")


@pytest.mark.parametrize("source", SENTENCE_BY_CODE)
def test_each_wrong_code_is_refused_with_one_sentence_and_the_next_file_is_read(tmp_path, server, source, monkeypatch):
    if "deed" in source and landlock_version() < 1:
        pytest.skip("this kernel has no Landlock")
    if "sleep" in source:
        monkeypatch.setattr(decoding, "PATIENCE_FACTOR", 1)
    process = server.pid
    with pytest.raises((decoding.Unreadable, decoding.Killed)) as refused:
        read(tmp_path, source)
    sentence = str(refused.value)
    assert (
        SENTENCE_BY_CODE[source] in sentence and sentence.endswith(".") and "\n" not in sentence and len(sentence) < 250
    )
    assert read(tmp_path, "").pixels.shape == (48, 64) and server.pid == process
    assert not Path("/tmp/deed").exists() and not Path.home().joinpath("deed").exists()


def test_printed_lines_and_a_pixel_that_is_no_number_do_no_harm(tmp_path):
    source = textwrap.dedent("""
        print("a reader that tells what it does")
        pixels = GOOD.astype(np.float32)
        pixels[3, 4] = np.nan
    """)
    micrograph = read(tmp_path, source)
    assert micrograph.pixels[3, 4] == micrograph.pixels.min() and "1 pixel is NaN" in micrograph.notes[0]


def test_an_impossible_pixel_size_is_ignored(tmp_path):
    for size in ("float('nan')", "-1.0", "0.0", "1e300"):
        micrograph = read(tmp_path, f"answer = Decoded(GOOD, 'size', header=Facts({size}))")
        assert not micrograph.calibration.is_known
