"""Tests of the wheel: it needs the packages of requirements.txt, it contains all files of the site, and it works
outside of the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import segmentation
from segmentation.location import IS_INSTALLED, ROOT
from tests.test_locks import required, versions

SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "requirements.txt", "README.md")
SOURCES += ("LICENSE", "NOTICE", "LICENSE-Apache-2.0")
PACKAGES = ("deepsegm", "segmentation", "worker")
INSIDE = ("templates", "static", "client")  # folders that the wheel contains in the package deepsegm
START_PAGE = """
import django
django.setup()
from django.conf import settings
from django.core.management import call_command
from django.test import Client
assert settings.BASE_DIR.name == "wheel", settings.BASE_DIR
assert str(settings.DEEPSEGM_DATA).endswith("home/.local/share/deepsegm"), settings.DEEPSEGM_DATA
from segmentation.static_files import collect
from worker.processes import data_directory
data_directory.prepare(settings.DEEPSEGM_DATA)
collect()
call_command("migrate", verbosity=0)
answer = Client(headers={"host": "localhost"}).get("/")
assert answer.status_code == 200 and b"/static/css/" in answer.content, answer.content[:300]
from segmentation.core.network import cards
assert all(card.weights.is_file() for card in cards.available())
print("the start page")
"""


def tracked_files() -> list[str]:
    """The paths of the tracked files of the checkout that belong to the wheel or its sources."""
    command = ["git", "ls-files", *SOURCES, *PACKAGES, *INSIDE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def build(hook: str, source: Path, into: Path) -> Path:
    """The path of what a hook of the build backend makes from a folder of sources, without a network. hook: its
    name, such as "build_wheel". into: a new folder for it."""
    into.mkdir()
    call = f"from setuptools import build_meta; print('made:' + build_meta.{hook}({str(into)!r}))"
    done = subprocess.run([sys.executable, "-c", call], cwd=source, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr
    return into / done.stdout.rpartition("made:")[2].strip()


@pytest.fixture(scope="module")
def requirements(tmp_path_factory) -> dict[str, list[Requirement]]:
    """What the wheel needs, by its extras; "" for all."""
    folder = tmp_path_factory.mktemp("metadata")
    (folder / "source").mkdir()
    for name in SOURCES:
        shutil.copy(ROOT / name, folder / "source")
    for package in (*PACKAGES, *INSIDE):
        (folder / "source" / package).mkdir()
    made = build("prepare_metadata_for_build_wheel", folder / "source", folder / "made")
    metadata = message_from_string((made / "METADATA").read_text(encoding="utf-8"))
    assert metadata["Version"] == segmentation.__version__
    by_extra: dict[str, list[Requirement]] = {}
    for line in metadata.get_all("Requires-Dist", []):
        named = re.search(r'extra == "(\w+)"', line)
        by_extra.setdefault(named[1] if named else "", []).append(Requirement(line))
    return by_extra


def names(listed: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in listed}


def test_what_it_needs_is_what_is_tested(requirements):
    every = [requirement for listed in requirements.values() for requirement in listed]
    assert names(every) == required().keys()
    for name, pinned in required().items():
        held = str(pinned.specifier)[2:]
        here = [one for one in every if canonicalize_name(one.name) == name and _is_for_here(one)]
        assert here and all(held in one.specifier for one in here), name


def _is_for_here(requirement: Requirement) -> bool:
    extras = ("", "gpu", "lab", "server")
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


def test_without_an_extra_it_is_what_analyses_on_a_processor_need(requirements):
    assert names(requirements[""]) | names(requirements["server"]) == required().keys() & versions("light.lock").keys()
    torch = re.search(r"^TORCH := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert names(requirements["lab"]) == set(torch[1].split("|"))
    assert names(requirements["gpu"]) == names(requirements["lab"]) - {"onnx"}
    assert names(requirements["server"]) == {"psycopg", "redis", "django-storages"}


def test_this_is_a_checkout():
    assert not IS_INSTALLED and (ROOT / "manage.py").is_file()
    assert callable(import_module("deepsegm.command_line").main)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    for name in tracked_files():
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "source" / name)
    return build("build_wheel", folder / "source", folder / "made")


@pytest.mark.slow
def test_it_holds_every_file_of_the_site_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = {Path(name).name for name in archive.namelist() if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE", "LICENSE-Apache-2.0"}
    beside_client = ("client/README.md", "client/pyproject.toml")
    names = [name for name in tracked_files() if not name.startswith("client/napari-deepsegm/")]
    expected = {f"deepsegm/{name}" if name.startswith(INSIDE) else name for name in names}
    expected -= {*SOURCES, *(f"deepsegm/{name}" for name in beside_client)}
    assert sorted(expected - held) == [] and sorted(held - expected) == []


@pytest.mark.slow
def test_it_works_where_there_is_no_checkout(wheel, tmp_path):
    (tmp_path / "home").mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DEEPSEGM_", "XDG_"))}
    settings = {
        "DJANGO_SETTINGS_MODULE": "deepsegm.settings",
        "PYTHONPATH": str(tmp_path / "wheel"),
    }
    environment = {**kept, **settings, "HOME": str(tmp_path / "home")}

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        assert not done.returncode, done.stderr
        return done.stdout

    assert "the start page" in run("-c", START_PAGE)
    start = "import sys; sys.argv[0] = 'deepsegm'; from deepsegm.command_line import main; main()"
    assert "analyse" in run("-c", start, "help")
    assert "--once" in run("-c", start, "watch", "--help")
