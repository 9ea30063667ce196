"""One result, one state: after each tool page, API, CSV, workbook, report and bars say the same, to the last digit."""

from __future__ import annotations

import io
import re

import openpyxl
import pypdf
from playwright.sync_api import expect

from segmentation.presenters.result import numbers_of

from .conftest import PATIENCE
from .test_editor import CANVAS, Hand


class State:
    """A result as each of its places says it."""

    def __init__(self, page):
        self.page = page
        self.api = page.url.split("#")[0].rstrip("/").replace("/jobs/", "/api/v1/jobs/")

    def measured(self):
        expect(self.page.locator("[data-saved]")).to_have_attribute("data-saved", "saved", timeout=PATIENCE)
        expect(self.page.locator(".result-page")).not_to_contain_class("stale", timeout=PATIENCE)
        expect(self.page.locator("#histogram:not(.stale):not([aria-busy])")).to_be_visible(timeout=PATIENCE)

    def file(self, name):
        for _ in range(60):
            answer = self.page.request.get(f"{self.api}/files/{name}?wait=20", timeout=PATIENCE)
            if answer.status == 200:
                return answer.body()
        raise AssertionError(f"{name} is not written")

    def sentence(self):
        words = " ".join(self.page.locator("[data-part=answer] .sentence").inner_text().split())
        return words.split(" Scale:")[0]


def said_by(job):
    """The sentence of the page in the words of the summary that the API gives."""
    numbers = numbers_of(job["result"])
    words = [f"{numbers.kept:,} particles"]
    for entry in numbers.headlines:
        words += [entry.value, entry.ends]
    return words


def heights_of(bars):
    return [round(float(height), 9) for height in bars]


def check(state, *, report=False):
    state.measured()
    job = state.page.request.get(state.api).json()
    assert job["unmeasured_corrections"] == 0
    statistics, sentence = job["result"]["statistics"], state.sentence()
    for words in said_by(job):
        assert words in sentence, (words, sentence)
    table = state.file("particles.csv").decode("utf-8-sig").splitlines()
    rows = [line for line in table if not line.startswith("#")]
    kept = rows[0].split(",").index("kept")
    assert sum(row.split(",")[kept] == "TRUE" for row in rows[1:]) == statistics["n_kept"]
    median = next(line for line in table if line.startswith("# median"))
    assert float(re.search(r": ([\d.]+)", median)[1]) == float(f"{statistics['median']:.6g}")
    book = openpyxl.load_workbook(io.BytesIO(state.file("particles.xlsx")), data_only=True)
    cells = list(book["Summary"].iter_rows(min_row=3, min_col=7, max_col=9, values_only=True))
    shown = state.page.request.get(state.page.locator("#histogram").get_attribute("data-bars")).json()
    bars = heights_of(shown["heights"])
    assert bars == heights_of(row[2] for row in cells if row[0] is not None)
    assert bars == heights_of(job["result"]["histogram"]["counts"][0])
    if report:
        pages = pypdf.PdfReader(io.BytesIO(state.file("report.pdf"))).pages
        text = " ".join(" ".join(page.extract_text().split()) for page in pages)
        assert f"step {job['step']}" in text
        assert all(words in text for words in said_by(job) if words), said_by(job)
    return job


def places(page, some):
    """The middles of some objects that count and lie well inside the picture."""
    data = page.locator("#viewer").evaluate("viewer => fetch(viewer.dataset.outlines).then(each => each.json())")
    found = []
    for particle in data["particles"]:
        x, y = particle["outline"][::2], particle["outline"][1::2]
        box = min(x), min(y), max(x), max(y)
        inside = box[0] > 60 and box[1] > 60 and box[2] < data["width"] - 60 and box[3] < data["rows"] - 60
        if particle["kept"] and inside and min(box[2] - box[0], box[3] - box[1]) > 30:
            found.append((particle["id"], box))
    return data, found[:some]


def test_after_each_tool_every_place_says_the_same(visit):
    page = visit()
    page.get_by_role("button", name="See this result").click()
    page.locator(".result-page .sentence").wait_for()
    page.wait_for_load_state("networkidle")
    state = State(page)
    check(state)
    data, objects = places(page, 6)
    columns, rows = data["width"], data["height"]
    hand = Hand(page).open()

    def at(x, y):
        width, height = hand.box["width"], hand.box["height"]
        scale = min(width / columns, height / rows)
        left, top = (width - columns * scale) / 2, (height - rows * scale) / 2
        return hand.box["x"] + left + x * scale, hand.box["y"] + top + y * scale

    hand.at = at

    def middle(number):
        left, top, right, bottom = objects[number][1]
        return (left + right) / 2, (top + bottom) / 2

    def select(number):
        hand.press("Escape", "v")
        hand.click(*middle(number))
        hand.chosen(f"article {objects[number][0]}:")

    def delete():
        select(0)
        hand.press("Delete")

    def confirm():
        select(1)
        hand.press("Enter")

    def leave_out():
        select(2)
        hand.leaves_out("charging")

    def split():
        left, _, right, _ = objects[3][1]
        hand.press("Escape", "s")
        hand.drag((left - 3, middle(3)[1]), middle(3), (right + 3, middle(3)[1]))

    def smooth():
        select(4)
        hand.press("g")

    def erase():
        select(5)
        left, top, *_ = objects[5][1]
        hand.press("e")
        hand.drag((left + 8, middle(5)[1]), (left + 8, top + 10))

    def brush():
        hand.press("Escape", "b")
        hand.drag((30, rows / 2), (50, rows / 2))

    def undo():
        hand.press("Control+z")

    def redo():
        hand.press("Control+y")

    canvas = page.locator(CANVAS).bounding_box()
    for steps, tool in enumerate((delete, confirm, leave_out, split, smooth, erase, brush, undo, redo), 1):
        tool()
        expect(page.locator("[data-saved]")).to_have_attribute("data-saved", "saved", timeout=PATIENCE)
        job = check(state, report=tool in (split, redo))
        assert job["step"] == steps, tool.__name__
        assert page.locator(CANVAS).bounding_box() == canvas, tool.__name__
    assert job["result"]["used"]["corrected"] >= 5 and job["result"]["used"]["reviewed"] == 1


SLOW = """const real = window.fetch;
window.fetch = async (address, options) => {
  if (String(address).endsWith("/edits")) await new Promise((go) => setTimeout(go, 2000));
  return real(address, options);
};"""


def test_doubts_are_answered_before_the_server_has_made_the_corrections(visit):
    """A refused correction would be a complaint of the browser, which fails the test."""
    page = visit()
    page.add_init_script(SLOW)
    page.get_by_role("button", name="See this result").click()
    page.locator(".result-page .sentence").wait_for()
    page.wait_for_load_state("networkidle")
    state = State(page)
    strip, canvas = page.locator("[data-doubt]"), page.locator(CANVAS)
    strip.get_by_role("button", name="Check").click()
    place = canvas.bounding_box()
    yes = strip.get_by_role("button", name="Yes")
    for _ in range(int(strip.locator("[data-doubt-count]").inner_text().split()[0])):
        if yes.is_visible():  # else a cut that was made with an earlier one, and no other question is left
            yes.click()
    state.measured()
    job = page.request.get(state.api).json()
    used = job["result"]["used"]
    assert used["reviewed"] > 0 and used["corrected"] > 1
    assert canvas.bounding_box() == place
