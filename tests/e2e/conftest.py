"""The real site with its real worker on a data folder of its own, and a real browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from segmentation.core.network import cards

from . import specimen

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM = Path(os.environ.get("DEEPSEGM_CHROMIUM", "/usr/bin/chromium"))
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
PATIENCE = 150_000  # ms; it only ends a test that would hang
expect.set_options(timeout=30_000)  # the usual 5 s are too short for a busy machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running `manage.py up`; it must end cleanly when asked to."""
    if not cards.available():
        pytest.skip("no model is installed in segmentation/cards")
    env = {name: value for name, value in os.environ.items() if not name.startswith("DEEPSEGM_")}
    env["DEEPSEGM_DATA"] = str(tmp_path_factory.mktemp("data"))
    log = tmp_path_factory.mktemp("log") / "up.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", "0"],
            cwd=REPOSITORY,
            env=env,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield _address(process, log)
        finally:
            process.send_signal(signal.SIGINT)
            status = process.wait(timeout=60)
    assert status == 0, log.read_text()


def _address(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"DeepSegm is at (http://\S+?)/? ", line):
            return found[1]
    raise AssertionError(f"the site did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; set DEEPSEGM_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, site: str) -> Iterator[Any]:
    """Opens the first page as a visitor of their own; complaints of page or browser fail the test."""
    contexts, complaints = [], []

    def open_page(size: str = "desktop", **options: Any) -> Any:
        width, height = SIZES[size]
        touch = {"has_touch": True, "is_mobile": True} if size == "phone" else {}
        toured = {"origin": site, "localStorage": [{"name": "deepsegm-tour-seen", "value": "yes"}]}
        options.setdefault("storage_state", {"origins": [toured]})
        context = chromium.new_context(viewport={"width": width, "height": height}, base_url=site, **touch, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto("/")
        return page

    open_page.complaints = complaints
    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def open_tab(page: Any, name: str) -> None:
    """What a result says beyond its first screen stands behind tabs."""
    page.get_by_role("tab", name=name, exact=True).click()


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TIFF with calibration: bright discs of 400 nm at 10 nm/px."""
    return specimen.calibrated(tmp_path_factory.mktemp("images") / "discs & rings.tif")


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same scene, a little different, as PNG without calibration."""
    return specimen.uncalibrated(tmp_path_factory.mktemp("images") / "plain.png")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """A database in a file: one in memory refuses a row while any page is read, where a real one waits."""
    from django.conf import settings

    settings.DATABASES["default"]["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
