"""One result, one state: after each tool page, API, CSV, workbook, report and bars say the same, to the last digit."""

from __future__ import annotations

import io
import re

import openpyxl
import pypdf
import pytest
from playwright.sync_api import expect

from segmentation.core.labels.corrections.operations import OPERATIONS
from segmentation.core.report.figures.charts import BAR
from segmentation.core.stored import StoredResult
from segmentation.core.tasks import find
from segmentation.presenters.stored import numbers_of

from .conftest import PATIENCE, REPOSITORY
from .test_editor import CANVAS, Hand, covered

SAMPLES = REPOSITORY / "static" / "sample"


class State:
    """A result as each of its places says it."""

    def __init__(self, page):
        self.page = page
        self.api = page.url.split("#")[0].rstrip("/").replace("/jobs/", "/api/v1/jobs/")

    def measured(self):
        expect(self.page.locator("[data-saved]")).to_have_attribute("data-saved", "saved", timeout=PATIENCE)
        expect(self.page.locator(".result-page")).not_to_contain_class("unfinished", timeout=PATIENCE)
        if self.page.locator("#histogram").count():  # classes have none
            expect(self.page.locator("#histogram:not(.stale):not([aria-busy])")).to_be_visible(timeout=PATIENCE)

    def file(self, name):
        for _ in range(60):
            answer = self.page.request.get(f"{self.api}/files/{name}?wait=20", timeout=PATIENCE)
            if answer.status == 200:
                return answer.body()
        raise AssertionError(f"{name} is not written")

    def sentence(self):
        return " ".join(self.page.locator("[data-part=answer] .sentence").inner_text().split())


def words_of(job):
    """What the sentence of the page has to contain: the numbers of the summary that the API gives."""
    numbers, task = numbers_of(StoredResult.read(job["result"])), find(job["result"]["task"])
    if task.semantic:
        return [f"{entry.value} %" for entry in numbers.leading]
    words = [f"{numbers.kept:,} particles"] if task.screened else []
    for entry in numbers.headlines if task.screened else numbers.leading:
        words += [entry.value, entry.ends]
    return words


def heights_of(bars):
    return [round(float(height), 9) for height in bars]


def bars_in(figure):
    """The heights of the bars in a figure as SVG, relative to the highest."""
    number = r"[\d.]+"
    corners = rf'd="M {number} ({number}) \nL {number} {number} \nL {number} ({number}) \nL {number} {number} \nz'
    places = re.findall(rf'{corners}\n" [^>]*style="fill: {BAR}', figure)
    heights = [float(low) - float(high) for low, high in places]
    return [height / max(heights) for height in heights]


def check(state, *, report=False):
    state.measured()
    job = state.page.request.get(state.api).json()
    assert job["unmeasured_corrections"] == 0
    sentence, task, words = state.sentence(), find(job["result"]["task"]), words_of(job)
    for word in words:
        assert word.replace("–", " to ") in sentence, (word, sentence)
    check_tables(state, job["result"], task)
    if report:
        pages = pypdf.PdfReader(io.BytesIO(state.file("report.pdf"))).pages
        text = " ".join(" ".join(page.extract_text().split()) for page in pages)
        assert not job["step"] or f"step {job['step']}" in text
        assert all(word in text for word in words if word), (words, text)
        if histogram := job["result"]["histogram"]:
            counts = histogram["counts"][0]
            drawn = bars_in(state.file("figure.svg").decode())
            assert drawn == pytest.approx([count / max(counts) for count in counts], abs=1e-4)
    return job


def check_tables(state, result, task):
    """The rows and numbers of the table as text, of the workbook, and the bars of the workbook and of the page."""
    statistics = result["statistics"]
    table = state.file(f"{task.table}.csv").decode("utf-8-sig").splitlines()
    rows = [line for line in table if not line.startswith("#")]
    book = openpyxl.load_workbook(io.BytesIO(state.file(f"{task.table}.xlsx")), data_only=True)
    if task.semantic:
        shares = [float(row.split(",")[rows[0].split(",").index("area_fraction")]) for row in rows[1:]]
        assert shares == pytest.approx(
            [entry.number.value for entry in numbers_of(StoredResult.read(result)).leading], rel=1e-5
        )
        return
    kept = rows[0].split(",").index("kept")
    count = statistics["n_kept"] if task.screened else numbers_of(StoredResult.read(result)).leading[0].number.value
    assert sum(row.split(",")[kept] == "TRUE" for row in rows[1:]) == count
    median = next(line for line in table if line.startswith("# median"))
    assert float(re.search(r": ([\d.]+)", median)[1]) == float(f"{statistics['median']:.6g}")
    cells = list(book["Summary"].iter_rows(min_row=3, min_col=7, max_col=9, values_only=True))
    shown = state.page.request.get(state.page.locator("#histogram").get_attribute("data-bars")).json()
    bars = heights_of(shown["heights"])
    assert bars == heights_of(row[2] for row in cells if row[0] is not None)
    assert bars == heights_of(result["histogram"]["counts"][0])


def outlined(page):
    """The picture's size, and of each object its id, whether it counts, and its box, in pixels of the image."""
    data = page.locator("#viewer").evaluate("viewer => fetch(viewer.dataset.outlines).then(each => each.json())")
    boxes = []
    for particle in data["particles"]:
        x, y = particle["outline"][::2], particle["outline"][1::2]
        boxes.append((particle["id"], particle["kept"], (min(x), min(y), max(x), max(y))))
    return data, boxes


class Steps:
    """What a person does with each tool of the editor, by the names that the page gives the tools. Each step is one
    correction; `leave_out` is the press beside its reason."""

    def __init__(self, page, hand):
        self.page, self.hand = page, hand
        data, every = outlined(page)
        self.width, self.height, self.rows = data["width"], data["height"], data["rows"]
        self.boxes = [box for *_, box in every]
        far = 60
        self.objects = [
            (number, box)
            for number, kept, box in every
            if kept
            and min(box[0], box[1], self.width - box[2], self.rows - box[3]) > far
            and min(box[2] - box[0], box[3] - box[1]) > 30
        ]
        hand.at = self.at

    def at(self, x, y):
        box = self.hand.box
        inset = covered(self.page, box)
        scale = min((box["width"] - inset) / self.width, box["height"] / self.height)
        left, top = max((box["width"] - self.width * scale) / 2, inset), (box["height"] - self.height * scale) / 2
        return box["x"] + left + x * scale, box["y"] + top + y * scale

    def middle(self, place):
        left, top, right, bottom = self.objects[place][1]
        return (left + right) / 2, (top + bottom) / 2

    def free(self, side=24):
        """The middle of a square of the picture that no box reaches, below the options of the tools; it is not given
        twice."""
        for y in range(self.rows // 4, self.rows - side, side):
            for x in range(side, self.width - side, side):
                square = (x - side, y - side, x + side, y + side)
                if not any(
                    square[0] < right and square[2] > left and square[1] < bottom and square[3] > top
                    for left, top, right, bottom in self.boxes
                ):
                    self.boxes.append(square)
                    return x, y
        raise AssertionError("no place is free")

    def around(self, x, y, half):
        """A square by hand, all around."""
        return [(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half), (x - half, y)]

    def choose(self, place):
        self.hand.press("Escape", "v")
        self.hand.click(*self.middle(place))
        self.hand.chosen(rf"\b{self.objects[place][0]}:")

    def aside(self):
        self.choose(0)
        self.hand.press("Delete")

    def erase_all(self):
        """The whole of one object, with a broad eraser."""
        self.choose(7)
        self.hand.press("e", *["]"] * 10)
        self.hand.click(*self.middle(7))
        self.hand.press(*["["] * 10)

    def add(self):
        self.hand.press("Escape", "a")
        self.hand.click(*self.middle(7))

    def right(self):
        self.choose(1)
        self.hand.press("Enter")

    def leave_out(self):
        self.choose(2)
        self.hand.leaves_out("charging")

    def count(self):
        self.choose(2)
        self.hand.press("k")

    def split(self):
        left, _, right, _ = self.objects[3][1]
        x, y = self.middle(3)
        self.hand.press("Escape", "s")
        self.hand.drag((left - 3, y), (x, y), (right + 3, y))

    def merge(self):
        _, top, _, bottom = self.objects[3][1]
        x, y = self.middle(3)
        self.hand.press("Escape", "v")
        self.hand.click(x, (top + y) / 2)
        self.page.keyboard.down("Shift")
        self.hand.click(x, (bottom + y) / 2)
        self.page.keyboard.up("Shift")
        self.hand.chosen("2 particles")
        self.hand.press("m")

    def eraser(self):
        """A hole in its middle."""
        self.hand.press("Escape", "e")
        self.hand.click(*self.middle(4))

    def fill(self):
        self.hand.press("Escape", "v")
        _, top, _, _ = self.objects[4][1]
        x, y = self.middle(4)
        self.hand.click(x, (2 * top + y) / 3)
        self.hand.chosen(f"article {self.objects[4][0]}:")
        self.hand.press("f")

    def smooth(self):
        self.choose(5)
        self.hand.press("g")

    def redraw(self):
        self.choose(5)
        self.hand.press("r")
        self.hand.drag(*self.around(*self.middle(5), 12))

    def lasso(self):
        """Chooses what is inside, which is then taken away."""
        left, top, right, bottom = self.objects[6][1]
        x, y = self.middle(6)
        self.hand.press("Escape", "l")
        self.hand.drag(*self.around(x, y, max(right - left, bottom - top) / 2 + 3))
        self.hand.chosen("article")
        self.hand.press("Delete")

    def brush(self):
        x, y = self.free()
        self.hand.press("Escape", "b")
        self.hand.drag((x - 8, y), (x + 8, y))

    def draw(self):
        self.hand.press("Escape", "d")
        self.hand.drag(*self.around(*self.free(), 12))

    def ignore(self):
        x, y = self.free()
        self.hand.press("Escape", "w")
        self.hand.drag((x - 14, y - 14), (x + 14, y + 14))

    def alike(self):
        """All like one, which are then confirmed."""
        self.choose(1)
        self.hand.press("i")
        expect(self.page.locator("[data-alike-box]")).to_be_visible(timeout=PATIENCE)
        self.page.locator("[data-alike]").fill("95")
        self.page.locator(CANVAS).press("Enter")  # which passes over what is left out

    def undo(self):
        self.hand.press("Control+z")

    def redo(self):
        self.hand.press("Control+y")


ORDER = (
    *(
        "aside",
        "erase_all",
        "add",
        "right",
        "leave_out",
        "count",
        "split",
        "merge",
        "eraser",
        "fill",
        "smooth",
        "redraw",
        "lasso",
    ),
    *("brush", "draw", "ignore", "alike", "undo", "redo"),
)
REPORTED = {"add", "split", "eraser", "redraw", "draw", "redo"}  # a report takes seconds
WITHOUT_STEP = {"select"}  # every other step begins with it


def offered(page):
    """The tools and actions of the page, by their names."""
    listed = "each => each.dataset.tool ?? each.dataset.act"
    buttons = page.locator("[data-tools] :is(button[data-tool], [data-act])")
    return set(buttons.evaluate_all(f"all => all.map({listed})"))


def test_after_each_tool_every_place_says_the_same(visit):
    page = visit()
    page.set_input_files("#files", str(SAMPLES / "sem-sample.tif"))
    page.locator(".result-page .sentence").wait_for()
    page.wait_for_load_state("networkidle")
    state = State(page)
    check(state)
    hand = Hand(page).open()
    steps = Steps(page, hand)
    assert offered(page) == {*ORDER} - {"leave_out", "erase_all"} | WITHOUT_STEP, "each tool has its step"
    canvas = page.locator(CANVAS).bounding_box()
    for number, name in enumerate(ORDER, 1):
        getattr(steps, name)()
        expect(page.locator("[data-saved]")).to_have_attribute("data-saved", "saved", timeout=PATIENCE)
        job = check(state, report=name in REPORTED)
        assert job["step"] == number, name
        assert page.locator(CANVAS).bounding_box() == canvas, name
    used = job["result"]["used"]
    assert used["corrected"] >= 5 and used["reviewed"] >= 2
    done = {edit["operation"]["op"] for edit in page.request.get(f"{state.api}/edits").json()["edits"]}
    assert done == {*OPERATIONS, "undo"} - {"class", "area", "delete"}, "two need several classes, and scripts delete"


class StepsOfKinds(Steps):
    """With the tools that only some kinds have."""

    def boundary(self):
        """Across one object."""
        self.split()

    def join(self):
        self.hand.press("Escape", "j")
        self.hand.click(*self.middle(3))

    def circle(self):
        x, y = self.free()
        self.hand.press("Escape", "o")
        self.hand.drag((x, y), (x + 12, y))

    def area(self):
        """The area in the middle of the picture becomes the other class."""
        self.hand.press("Escape", "a", "1")
        self.hand.click(self.width / 2, self.rows / 2)

    def paint(self):
        self.hand.press("Escape", "b", "2")
        self.hand.drag((self.width / 2 - 30, self.rows / 2), (self.width / 2 + 30, self.rows / 2))

    def surround(self):
        self.hand.press("Escape", "d", "2")
        self.hand.drag(*self.around(self.width / 2, self.rows / 2, 40))


KINDS = {
    "grains": ("boundary", "join", "undo"),
    "bubbles": ("circle", "aside", "undo"),
    "phases": ("area", "paint", "surround", "undo"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_tools_of_other_kinds_keep_one_state(visit, kind):
    page = visit()
    page.locator(".kinds label", has=page.locator(f"[name=kind][value={kind}]")).click()
    page.set_input_files("#files", str(SAMPLES / f"{kind}.tif"))
    page.locator(".result-page .sentence").wait_for(timeout=PATIENCE)
    page.wait_for_load_state("networkidle")
    state = State(page)
    check(state)
    steps = StepsOfKinds(page, Hand(page).open())
    for number, name in enumerate(KINDS[kind], 1):
        getattr(steps, name)()
        expect(page.locator("[data-saved]")).to_have_attribute("data-saved", "saved", timeout=PATIENCE)
        assert check(state, report=number == 1)["step"] == number, name


SLOW = """const real = window.fetch;
window.fetch = async (address, options) => {
  if (String(address).endsWith("/edits")) await new Promise((go) => setTimeout(go, 2000));
  return real(address, options);
};"""


def test_doubts_are_answered_before_the_server_has_made_the_corrections(visit):
    """A refused correction would be a complaint of the browser, which fails the test."""
    page = visit()
    page.add_init_script(SLOW)
    page.set_input_files("#files", str(SAMPLES / "sem-sample.tif"))
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
