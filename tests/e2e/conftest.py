"""The real site with its real worker on a data folder of its own, and a real browser.

A test states what a page shows by Playwright's `expect`, which waits: an `assert` right after a press reads the page
before it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from playwright.sync_api import expect

from segmentation.core.network import cards

from . import specimen

REPOSITORY = Path(__file__).resolve().parents[2]
# The same engine without the browser around it takes a fifth of the processor time for a page in a context of its own.
BROWSERS = map(Path, ("/usr/bin/chromium-headless-shell", "/usr/bin/chromium"))
CHROMIUM = Path(os.environ.get("DEEPSEGM_CHROMIUM") or next((path for path in BROWSERS if path.exists()), ""))
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
LONGEST = ("test_samples.py", "test_journey.py", "test_calibration.py")
COUNT = ".sentence [data-number=n_kept]"
PATIENCE = 60_000  # ms; it only ends a test that would hang
expect.set_options(timeout=30_000)  # the usual 5 s are too short for a busy machine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first: at the end one core had a minute of them left, and the other nothing."""
    browser_tests = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in browser_tests:
        item.add_marker(pytest.mark.e2e)
    if len(browser_tests) == len(items):
        items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the site keeps its rows and files."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def site(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running `manage.py up`; it must end cleanly when asked to."""
    if not cards.available():
        pytest.skip("no model is installed in segmentation/cards")
    env = {name: value for name, value in os.environ.items() if not name.startswith("DEEPSEGM_")}
    env["DEEPSEGM_DATA"] = str(data_folder)
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
        if match := re.search(r"DeepSegm is at (http://\S+?)/? ", line):
            return match[1]
    raise AssertionError(f"the site did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser."""
    if not CHROMIUM.is_file():
        pytest.skip("no browser: apt-get install chromium-headless-shell, or set DEEPSEGM_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


@contextmanager
def first_page(chromium: Any, site: str) -> Iterator[Any]:
    """The first page, opened by a new visitor."""
    with chromium.new_context(base_url=site) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto("/")
        yield page


@pytest.fixture
def visit(chromium: Any, site: str, data_folder: Path) -> Iterator[Any]:
    """Opens the first page as a visitor of their own; complaints of page or browser fail the test."""
    contexts, complaints = [], []
    before = visitors(data_folder / "db.sqlite3")

    def open_page(size: str = "desktop", **options: Any) -> Any:
        width, height = SIZES[size]
        touch = {"has_touch": True, "is_mobile": True} if size == "phone" else {}
        toured = {"origin": site, "localStorage": [{"name": "deepsegm-tour-seen", "value": "yes"}]}
        options.setdefault("storage_state", {"origins": [toured]})
        context = chromium.new_context(viewport={"width": width, "height": height}, base_url=site, **touch, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        # A page that comes late is shown without a transition, of which the browser complains.
        page.on("pageerror", lambda error: "Transition was" in str(error) or complaints.append(str(error)))
        page.on(
            "console",
            lambda message: message.type == "error" and complaints.append(f"{message.text} {message.location}"),
        )
        page.goto("/")
        return page

    open_page.complaints = complaints
    yield open_page
    for context in contexts:
        context.close()
    give_up(data_folder / "db.sqlite3", before)
    assert complaints == []


def visitors(database: Path) -> set[str]:
    """Who has sent an image so far; nobody where the site of a test has a database of its own."""
    if not database.exists():
        return set()
    with closing(sqlite3.connect(database, timeout=60)) as rows:
        return {visitor for (visitor,) in rows.execute("select distinct visitor from segmentation_micrograph")}


def give_up(database: Path, before: set[str]) -> None:
    """What would be done for visitors that came after these, and have left: jobs that wait, and in idle moments bars,
    files that nobody asked for, other ways. It took a quarter of the processor from the tests that followed."""
    if not (gone := visitors(database) - before):
        return
    with closing(sqlite3.connect(database, timeout=60)) as rows, rows:
        for visitor in gone:
            rows.execute(
                "update segmentation_job set state = 'cancelled' where state = 'queued' and visitor = ?", [visitor]
            )
            of_jobs = "job_id in (select id from segmentation_job where visitor = ?)"
            rows.execute(
                f"delete from segmentation_exportjob where state = 'queued' and not asked and {of_jobs}", [visitor]
            )
            rows.execute(f"delete from segmentation_proposals where state = 'queued' and {of_jobs}", [visitor])
            bars = "state = 'queued' and width > 0 and visitor = ?"
            rows.execute(f"update segmentation_micrograph set state = 'done' where {bars}", [visitor])


@pytest.fixture(scope="session")
def analysed(site: str, chromium: Any) -> str:
    """The address of the sample's result: a real one, with particles at the frame."""
    with first_page(chromium, site) as page:
        page.set_input_files("#files", str(REPOSITORY / "static" / "sample" / "sem-sample.tif"))
        page.locator("figure.paper:not(.scroll-x) img").wait_for(state="attached")
        expect(page.get_by_text("files are being written")).to_have_count(0, timeout=PATIENCE)  # the numbers come first
        return page.url


@pytest.fixture(scope="session")
def analysed_discs(site: str, chromium: Any, discs: Path) -> tuple[str, list[Any]]:
    """The id of a result of `discs`, and the cookies of the browser that it belongs to."""
    with first_page(chromium, site) as page:
        page.set_input_files("#files", str(discs))
        page.locator("figure.paper:not(.scroll-x) img").wait_for(state="attached")
        return page.url.split("/jobs/")[1].split("/")[0], page.context.cookies()


@pytest.fixture
def open_copy(visit: Any, analysed_discs: tuple[str, list[Any]], data_folder: Path) -> Callable[..., Any]:
    """Opens a result of `discs` of its own, which no worker had to make: the rows of `analysed_discs` once more, with
    the same files. Given the page of somebody who has signed in, it belongs to `owner`."""
    job, cookies = analysed_discs

    def open_result(size: str = "desktop", page: Any = None, owner: str = "") -> Any:
        if page is None:
            page = visit(size)
            page.context.add_cookies(cookies)
        page.goto(f"/jobs/{copy_rows(data_folder / 'db.sqlite3', job, owner)}/")
        return page

    return open_result


def copy_rows(database: Path, job: str, owner: str) -> UUID:
    """Image, segmentation, job and artifacts once more under new ids; returns the id of the new job. Its artifacts have
    files of their own, as a correction replaces them."""
    new = {table: uuid4() for table in ("micrograph", "segmentation", "job")}
    with closing(sqlite3.connect(database, timeout=60)) as rows, rows:
        rows.row_factory = sqlite3.Row
        account = rows.execute("select id from auth_user where username = ?", [owner]).fetchone()
        changed = {f"{table}_id": pk.hex for table, pk in new.items()} | {"submission": uuid4().hex}
        if account:
            changed |= {"owner_id": account["id"], "visitor": None}
        of = rows.execute("select * from segmentation_job where id = ?", [UUID(job).hex]).fetchone()
        copied = [("micrograph", "id", of["micrograph_id"]), ("segmentation", "id", of["segmentation_id"])]
        for table, column, pk in [*copied, ("job", "id", of["id"]), ("artifact", "job_id", of["id"])]:
            for row in rows.execute(f"select * from segmentation_{table} where {column} = ?", [pk]).fetchall():
                copy = {**dict(row), "id": new[table].hex if table in new else None}
                copy |= {name: value for name, value in changed.items() if name in copy}
                if table == "artifact" and copy["file"].startswith("jobs/"):
                    copy["file"] = copied_file(database.parent / "files", copy["file"], new["job"])
                marks = ", ".join("?" * len(copy))
                into = f"insert into segmentation_{table} ({', '.join(copy)}) values ({marks})"
                rows.execute(into, list(copy.values()))
    return new["job"]


def copied_file(storage: Path, name: str, job: UUID) -> str:
    """A file of a job once more, as one of another job; returns its name."""
    copy = f"jobs/{job}/{name.split('/', 2)[2]}"
    (storage / copy).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(storage / name, storage / copy)
    return copy


def open_tab(page: Any, name: str) -> None:
    """What a result says beyond its first screen stands in a drawer, behind tabs."""
    page.locator("#more").evaluate_all("all => all.forEach((each) => (each.open = true))")
    page.get_by_role("tab", name=name, exact=True).click()


def open_scale(page: Any) -> None:
    """What is known of the scale, and how it is set, stands behind its word in the head of the page."""
    page.locator(".head .scale > summary").click()


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
