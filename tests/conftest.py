"""Fixtures for all tests: a separate storage, a model, three users, and a queue that only records messages.

Alice is the owner of rows, Charlie must not see them, Ada is the administrator.
"""

from __future__ import annotations

import gc
import io
import os
import re
import sys
from copy import deepcopy
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.test import Client, override_settings
from PIL import Image
from whitenoise.middleware import WhiteNoiseMiddleware

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.network.cards import ModelCard, UnknownModel
from tests.costs import dear_tests, name_of
from tests.web.finished import SUMMARY

# The refusal of a text file.
TEXT_FILE = (
    "The file looks like a text file; upload the micrograph itself as TIFF, PNG, JPEG, BMP, DM3, DM4, SER, MRC or EMD."
)


class NoLab:
    """A finder of modules that raises ModuleNotFoundError for segmentation.lab, as if it was not installed."""

    def find_spec(self, name: str, *rest: object) -> None:
        if name == "segmentation.lab" or name.startswith("segmentation.lab."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


# `DEEPSEGM_TEST_WITHOUT_LAB=1 pytest tests/web ...` runs the tests of the site without segmentation.lab. Files that
# import it, and files about datasets and trainings, are not run then.
WITHOUT_LAB = os.environ.get("DEEPSEGM_TEST_WITHOUT_LAB") == "1"
NEEDS_LAB = re.compile(r"^from (segmentation|tests)\.lab\b|^from \.(test_training|trainable)\b", re.MULTILINE)
ABOUT_LEARNING = re.compile(r"dataset|training|suggestion|learning")
if WITHOUT_LAB:
    sys.meta_path.insert(0, NoLab())


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if not WITHOUT_LAB or collection_path.suffix != ".py":
        return None
    # The tests in tests/tasks compute their networks' answers with the training code of segmentation.lab.
    is_of_tasks = collection_path.parent.name == "tasks"
    needs_lab = NEEDS_LAB.search(collection_path.read_text(encoding="utf-8"))
    return True if is_of_tasks or needs_lab or ABOUT_LEARNING.search(collection_path.stem) else None


# Not collected unless they are named: collecting the first costs each test process two seconds, and the second needs an
# environment of its own (`make test-napari`).
collect_ignore = ["e2e", "client/test_napari.py"]
# The tests that also run on PostgreSQL, where these things may differ: locks, conditional updates, transactions,
# constraints, lengths, JSON, order and collation. In other folders and files, single tests are marked `services`.
ON_BOTH_ENGINES = (
    "web/models/",
    "web/services/test_jobs.py",
    "web/services/test_suggestions.py",
    "web/services/test_upkeep.py",
    "web/services/test_usage.py",
    "web/views/test_results.py",  # unions, subqueries, order with nulls last, icontains, JSON that is {}
    "web/test_staff_log.py",  # changes of every table, with values before and after
)


def runs_on_both_engines(item: pytest.Item) -> bool:
    """Whether a test also runs on PostgreSQL. (Slow tests are marked one by one.)"""
    mark = item.get_closest_marker("django_db")
    fixtures = getattr(item, "fixturenames", ())
    if not (mark or "db" in fixtures) or item.get_closest_marker("slow"):
        return False
    if "transactional_db" in fixtures or (mark and mark.kwargs.get("transaction")):
        return True
    return any(part in str(item.path) for part in ON_BOTH_ENGINES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests first that start processes and wait for them: at the end they would keep one core busy for a minute
    while the other core has nothing to do.
    """
    items.sort(key=lambda item: item.path.parent.name not in ("worker", "cli"))
    dear = dear_tests()
    for item in items:
        if name_of(item) in dear:
            item.add_marker("dear")
        if runs_on_both_engines(item):
            item.add_marker("services")


def pytest_collection() -> None:
    """Switch garbage collection off: all objects of the collection stay, and this saves a tenth of its time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let garbage collection run seldom, and not among modules: this saves a ninth of the time of the tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


def picture(width: int = 64, height: int = 48, kind: str = "PNG") -> bytes:
    """A small grey image with one bright square, as the bytes of a file."""
    pixels = np.full((height, width), 60, np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = 200
    return as_file(pixels, kind)


def as_file(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """The bytes of a file with these pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="session", autouse=True)
def quick():
    """A fast hash of passwords, and small figures: the slow hash and figures for print would cost minutes."""
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=hashers), pytest.MonkeyPatch.context() as patch:
        patch.setattr("segmentation.core.report.figures.figure.DPI", 75)
        yield


@pytest.fixture(scope="session", autouse=True)
def static_files_once():
    """Static files are searched once, not by the handler of each client: it was a quarter of the time of a page's
    test."""
    find_files, files = WhiteNoiseMiddleware.add_files_from_finders, {}

    def add(self):
        if not files:
            find_files(self)
            files.update(self.files)
        self.files.update(files)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add)
        yield


@pytest.fixture
def own_storage(settings, tmp_path):
    """A data folder and a storage for this test only; gives the folder of the stored files."""
    settings.DEEPSEGM_DATA = tmp_path / "data"
    settings.DEEPSEGM_DATA.mkdir()
    settings.DEEPSEGM_MIN_FREE_MB = 1
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "deepsegm-temp")
    Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir()
    files = settings.DEEPSEGM_DATA / "files"
    settings.STORAGES = {
        **settings.STORAGES,
        # Not the static files that `make run` may have collected in this checkout.
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": files}},
    }
    return files


@pytest.fixture
def model(monkeypatch, tmp_path):
    """One model named "particles", whatever models are installed."""
    weights = tmp_path / "particles.safetensors"
    weights.write_bytes(b"weights")
    card = ModelCard("particles", "Particles", "Finds particles.", "1", {"name": "none"}, "a" * 64, weights)

    def find(name: str, folder: Path | None = None) -> ModelCard:
        if name != card.name:
            raise UnknownModel(f"There is no model named {name!r}; the models here are: {card.name}.")
        return card

    monkeypatch.setattr("segmentation.core.network.cards.available", lambda folder=None: [card])
    monkeypatch.setattr("segmentation.core.network.cards.find", find)
    return card


@pytest.fixture
def queue(monkeypatch):
    """The names of the queues to which messages were sent, in order; no broker is used.

    Uploads are inspected at once, as by a worker that is faster than the page.
    """
    messages: list[str] = []
    inspecting: list[str] = []

    def send_task(name: str) -> None:
        if name != "worker.inspections":
            messages.append(name.removeprefix("worker."))
        elif not inspecting:  # an inspection sends messages, too
            inspecting.append(name)
            inspect_now(monkeypatch)
            inspecting.clear()

    monkeypatch.setattr("celery.current_app.send_task", send_task)
    return messages


@pytest.fixture
def reader(monkeypatch):
    """Uploads are inspected in this process, by `tests.reader.Reader`."""
    from tests.reader import Reader

    reader = Reader(TEXT_FILE, picture())
    monkeypatch.setattr("worker.reading.decoding.inspect", reader)
    return reader


@pytest.fixture
def read_here(monkeypatch):
    """The image of an analysis is decoded in this process, which is quicker."""
    from segmentation.core.micrograph.reader import read

    monkeypatch.setattr(
        "worker.reading.decoding.read_micrograph", lambda path, *, report_alive, **options: read(path, **options)
    )


def inspect_now(monkeypatch) -> None:
    """Inspect all waiting uploads; without heartbeats, whose own connection does not see the transaction of a test."""
    from worker import attempts
    from worker.heartbeat import Heartbeat

    with monkeypatch.context() as patch:
        patch.setattr(attempts, "Heartbeat", lambda row: Heartbeat(row, seconds=3600))
        inspect_uploads()


def inspect_uploads(most: int = 1000) -> None:
    """Inspect the waiting uploads, and read the waiting files of outlines, as a worker does; at most `most` of them."""
    from segmentation.models import Job, Micrograph
    from worker import tasks

    while most and (Micrograph.objects.waiting().exists() or Job.imports.waiting().exists()):
        tasks.do_inspections()
        most -= 1


@pytest.fixture
def printed(monkeypatch):
    """Figures with the resolution for print, for tests about drawing."""
    monkeypatch.setattr("segmentation.core.report.figures.figure.DPI", 360)


@pytest.fixture
def coarse(monkeypatch):
    """Figures as SVG and PDF contain only their texts, for tests about other things: drawing would take half of
    the time of writing all files."""
    monkeypatch.setattr("segmentation.core.report.figures.figure.write", write_words)


def write_words(figure, file: Path) -> None:
    """Write only the texts of a figure, in place of the figure."""
    texts = figure.findobj(lambda artist: hasattr(artist, "get_text"))
    words = [*(text.get_text() for text in texts), figure.description]
    file.write_text("\n".join(words), errors="replace")


@pytest.fixture
def one_core(monkeypatch):
    """The command line starts no further process: this would take seconds, and would not have the patches of a test."""
    monkeypatch.setattr("segmentation.management.commands._measuring.cores", lambda: 1)


@pytest.fixture
def no_text(monkeypatch):
    """Text recognition finds no text; it would take two seconds for each picture."""
    for reader in ("barreading", "burntin"):
        monkeypatch.setattr(f"segmentation.core.micrograph.scale_bar.{reader}.texts_by_child", lambda *strip, **how: [])


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    """A function that gives a block; the callbacks that wait for the commit are called at its end."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def alice(db, django_user_model):
    return django_user_model.objects.create_user("alice", password="alice's password")


@pytest.fixture
def charlie(db, django_user_model):
    return django_user_model.objects.create_user("charlie", password="charlie's password")


@pytest.fixture
def ada(db, django_user_model):
    return django_user_model.objects.create_superuser("ada", password="ada's password")


@pytest.fixture
def signed_in(alice):
    """A browser in which Alice is signed in."""
    browser = Client()
    browser.force_login(alice)
    return browser


@pytest.fixture
def desk(client, ada):
    """A browser in which the administrator is signed in."""
    client.force_login(ada)
    return client


@pytest.fixture
def make_micrograph(db, own_storage):
    """A function that makes a stored upload without inspection. fields: of the row."""
    from segmentation.models import Micrograph

    def make(**fields):
        content = fields.pop("content", picture())
        defaults = {
            "name": "tio2.png",
            "sha256": "b" * 64,
            "size": len(content),
            "state": "done",
            "kind": "PNG",
            "width": 64,
            "height": 48,
            "calibration": {"nm_per_pixel": None, "source": "none", "detail": "", "relative_uncertainty": None},
        }
        micrograph = Micrograph(**{**defaults, **fields})
        micrograph.file.save(micrograph.name, ContentFile(content), save=False)
        micrograph.preview.save("preview.png", ContentFile(picture()), save=False)
        micrograph.save()
        return micrograph

    return make


@pytest.fixture
def make_job(make_micrograph):
    """A function that makes a stored job. fields: of the row. files: names of artifacts that the last attempt made."""
    from segmentation.models import Artifact, Job

    def make(*, files=(), **fields):
        owned = {name: fields[name] for name in ("owner", "visitor") if name in fields}
        micrograph = fields.pop("micrograph", None) or make_micrograph(**owned)
        recipe = fields.pop("settings", AnalysisSettings.of())
        defaults = {"settings": recipe.as_dict(), "model_name": recipe.segmentation.model, "submission": uuid4().hex}
        defaults |= {"summary": deepcopy(SUMMARY)} if fields.get("state") == "done" else {}
        job = Job.objects.create(micrograph=micrograph, **{**defaults, **fields})
        for name in files:
            artifact = Artifact(
                job=job, attempt=job.attempt, name=name, size=7, content_type="application/octet-stream"
            )
            artifact.file.save(f"{job.folder}/{job.attempt}/{name}", ContentFile(b"content"))
        return job

    return make


@pytest.fixture
def make_segmentation(make_job):
    """A function that makes a stored segmentation, which one job has measured."""
    from segmentation.models import Job, Segmentation

    def make(**fields):
        job = make_job(state="done", attempt=1)
        defaults = {"micrograph": job.micrograph, "task": "particles", "model_name": "particles", "size": 7}
        segmentation = Segmentation(**{**defaults, **fields})
        segmentation.file.save(f"{segmentation.folder}/segmentation.npz", ContentFile(b"content"))
        Job.objects.filter(pk=job.pk).update(segmentation=segmentation)
        return segmentation

    return make


@pytest.fixture
def make_sample(make_micrograph, make_job):
    """A function that makes a stored sample with one job for each of the given states."""
    from segmentation.models import Job, Sample

    def make(*states, **fields):
        owned = {name: fields[name] for name in ("owner", "visitor") if name in fields}
        recipe = fields.pop("settings", AnalysisSettings.of())
        defaults = {"name": "Batch 7", "settings": recipe.as_dict(), "submission": uuid4().hex}
        sample = Sample.objects.create(**{**defaults, **fields})
        for number, state in enumerate(states or (Job.State.DONE,)):
            micrograph = make_micrograph(name=f"{number}.png", sha256=f"{number:064d}", **owned)
            make_job(micrograph=micrograph, sample=sample, state=state, settings=recipe, **owned)
        return sample

    return make
