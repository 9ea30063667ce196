"""Every test here has a storage of its own, one model and a queue that only takes notes."""

import importlib
import io
import shutil
import sys
from contextlib import redirect_stdout

import pytest

from tests.conftest import inspect_uploads, picture
from worker import attempts, tasks
from worker.heartbeat import Heartbeat
from worker.reading import decoding

from . import fake
from .comparable import LABELS, store
from .lab import Lab


@pytest.fixture(autouse=True)
def _surroundings(own_storage, model, queue):
    return None


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A data folder with a new database."""
    folder = tmp_path_factory.mktemp("lab") / "template"
    folder.mkdir()
    Lab(folder).run("migrate")
    return folder


@pytest.fixture
def lab(template, tmp_path):
    """A lab whose database is there already."""
    return Lab(shutil.copytree(template, tmp_path / "lab"))


@pytest.fixture
def no_heartbeat(monkeypatch):
    """A test inside a transaction: a heartbeat on a connection of its own would not see its rows."""
    monkeypatch.setattr(attempts, "Heartbeat", lambda row: Heartbeat(row, seconds=3600))


@pytest.fixture
def look_into_all(commit):
    """Looks into all uploads that wait, and does what waits for the end of that."""

    def look() -> None:
        with commit():
            inspect_uploads()

    return look


@pytest.fixture
def busy(monkeypatch):
    """No moment is idle: files are written where a test asks for them, not after every job."""
    monkeypatch.setattr(tasks, "_do_idle", lambda: False)


@pytest.fixture
def children_here(monkeypatch):
    """Archives are unpacked and outlines read by the same programs, unconfined in this process: to start one for each
    takes half a second. How they are started, and what they may say, is tested in test_decoding."""
    start = decoding._run

    def run(command, *given):
        if command[2] not in ("segmentation.core.imported", "segmentation.core.micrograph.unpacking"):
            return start(command, *given)
        program = importlib.import_module(f"{command[2]}.__main__" if "imported" in command[2] else command[2])
        with monkeypatch.context() as patch, redirect_stdout(io.StringIO()) as said:
            patch.setattr(sys, "argv", command[2:])
            assert program.main() == 0
        return said.getvalue().encode()

    monkeypatch.setattr("segmentation.core.micrograph.inspect.confine", lambda *bounds, **more: None)
    monkeypatch.setattr(decoding, "_run", run)


@pytest.fixture
def science(monkeypatch, read_here):
    """The stand-in pipeline, whose functions a test may replace."""
    made = fake.install(
        lambda name, module: monkeypatch.setitem(sys.modules, name, module),
        lambda package, name, module: monkeypatch.setattr(package, name, module, raising=False),
    )
    return made["segmentation.core.pipeline"]


@pytest.fixture
def no_files(monkeypatch):
    """Nothing is written that users take away, where a test is about numbers and rows."""

    def write_none(reported, folder, **how):
        folder.mkdir(parents=True, exist_ok=True)
        return {}

    monkeypatch.setattr("segmentation.core.report.files.write_all", write_none)


@pytest.fixture
def result(make_micrograph, make_job, tmp_path):
    """Makes finished results; the same sha is the same image."""

    def make(labels=LABELS, sha="a" * 64, **more):
        owned = {name: more.pop(name) for name in ("owner", "visitor", "sample", "parent") if name in more}
        image = {name: owned[name] for name in ("owner", "visitor") if name in owned}
        image |= {"width": 400, "height": 300, "content": picture(400, 300)}
        micrograph = make_micrograph(sha256=sha, name=f"{sha[:2]}.png", **image)
        return store(make_job(micrograph=micrograph, **owned), labels, tmp_path, **more)

    return make
