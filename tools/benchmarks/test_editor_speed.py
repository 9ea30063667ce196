"""Measures the speed of the editor of outlines on an image of 1 megapixel and on a large one, in Chromium without
a GPU: the time from the end of a gesture to the new outline, and to all numbers with their intervals. Then the
same while analyses of other pictures use all cores. It prints the times, and asserts nothing about them, because
machines differ.

Run: make benchmarks ARGS=tools/benchmarks/test_editor_speed.py (about 20 minutes, of which 3 outline the image).
"""

from __future__ import annotations

import io
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from tools.benchmarks.test_load import Visitor

from .correcting import PROBE, SCREEN, Box, Person, Point, analyse_image, load_now, quantiles

pytestmark = pytest.mark.benchmark
SIDES, PITCH, RADII = (1024, 8192), 113, (24, 44)  # px of the images; 9 x 9 and 72 x 72 discs
# Corrected places; brush strokes for the memory; seconds of each measurement of frames.
PLACES, STEPS, SECONDS = 25, 500, 4.0
LIMITS = {1024: (150, 500), 8192: (300, 2000)}  # ms to the patch at p95, and to the numbers
MARGIN = 150  # px from the frame, at least


def drawn(side: int) -> bytes:
    """A PNG of bright discs with brighter rims on a rough dark ground."""
    random, across = np.random.default_rng(1), side // PITCH
    image = 60 + random.normal(0, 6, (side, side)).astype(np.float32)
    for number in range(across * across):
        cell = np.array(divmod(number, across))
        row, column = PITCH * cell + PITCH // 2 + random.integers(-8, 9, 2)
        y, x = np.mgrid[row - 48 : row + 48, column - 48 : column + 48]
        distance = np.hypot(y - row, x - column) / random.uniform(*RADII)
        inside = distance < 1
        image[y[inside], x[inside]] = 150 + 70 * distance[inside] ** 2 + random.normal(0, 6, inside.sum())
    file = io.BytesIO()
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(file, "PNG", compress_level=1)
    return file.getvalue()


@pytest.fixture(scope="module", params=SIDES)
def side(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def page(chromium: Any, site: str, side: int) -> Iterator[Any]:
    context = chromium.new_context(viewport=SCREEN, base_url=site)
    context.add_init_script(path=PROBE)
    page = context.new_page()
    scale = {} if side < 8192 else {"scale": "0.25"}
    page.goto(analyse_image(page, "discs.png", drawn(side), width=str(5 * side), **scale))
    yield page
    context.close()


def test_an_image_is_corrected(page: Any, site: str, side: int) -> None:
    print(f"\n{side} x {side} px, {load_now()}")
    person = opening(page)
    discs = kept(page, side)
    print(f"{len(discs)} discs")
    moving(person)
    corrections(person, discs, side)
    measuring(person, discs, side)
    with analyses_beside(site):
        print("\nWhile other pictures are analysed:")
        corrections(person, discs, side)
        measuring(person, discs[5:], side)
    memory(person, discs)  # last, as it leaves 500 outlines more


@contextmanager
def analyses_beside(site: str) -> Iterator[None]:
    """A picture of another visitor comes every four seconds, which is less than its analysis takes on two cores."""
    over, content, visitor = Event(), drawn(SIDES[0]), Visitor(site)

    def send() -> None:
        while not over.wait(4):
            visitor.send("picture", "/", "beside.png", content)

    visitor.send("picture", "/", "beside.png", content)
    thread = Thread(target=send)
    thread.start()
    time.sleep(2)
    try:
        yield
    finally:
        over.set()
        thread.join()


def opening(page: Any) -> Person:
    seconds = []
    for _ in range(5):
        page.reload()
        page.wait_for_load_state("networkidle")
        person = Person(page)
        seconds.append(person.open())
    first, (middle, most) = seconds[0], quantiles(seconds, 0.5, 1)
    print(f"Correct to usable: first {first:.2f} s, median {middle:.2f} s, longest {most:.2f} s of 5 (limit 3)")
    return person


def kept(page: Any, side: int) -> list[Point]:
    """The middles of the counted objects that are far enough from the frame that their surroundings fit on the
    screen."""
    data = page.evaluate("fetch(document.getElementById('viewer').dataset.outlines).then((each) => each.json())")
    ends = [np.reshape(particle["outline"], (-1, 2)) for particle in data["particles"] if particle["kept"]]
    middles = [(line.min(0) + line.max(0)) / 2 for line in ends]
    margin = max(MARGIN, side // 6)
    return [(float(x), float(y)) for x, y in middles if margin < min(x, y) and max(x, y) < side - margin]


# ---- moving -------------------------------------------------------------------------------------


def moving(person: Person) -> None:
    """Frames a second while the picture is moved with Space and zoomed with the wheel, at several magnifications."""
    mouse, box = person.page.mouse, person.box
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for name, notches in (("fit", 0), ("1 px of the screen for 4 of the image", 5), ("1 for 1", 10), ("4 for 1", 15)):
        person.key("0")
        mouse.move(*middle)
        for _ in range(notches):
            mouse.wheel(0, -100)
        person.rest()
        if notches:
            frames(person, f"panning, {name}", lambda turn: panned(person, middle, turn))
        frames(person, f"zooming, {name}", lambda turn: mouse.wheel(0, 20 if turn % 40 < 20 else -20))
    person.page.evaluate("scrollTo(0, 0)")  # a wheel that finds the picture at its smallest moves the page
    person.rest()


def panned(person: Person, middle: Point, turn: int) -> None:
    mouse = person.page.mouse
    if turn == 0:
        mouse.move(*middle)
        person.page.keyboard.down(" ")
        mouse.down()
    mouse.move(middle[0] + 200 * np.sin(turn / 15), middle[1] + 150 * np.cos(turn / 15))


def frames(person: Person, name: str, move: Callable[[int], None]) -> None:
    page, end, turn = person.page, time.monotonic() + SECONDS, 0
    page.evaluate("probe.frames(true)")
    while time.monotonic() < end:
        move(turn)
        turn += 1
    page.mouse.up()
    page.keyboard.up(" ")
    gaps, painted = page.evaluate("probe.frames(false), [probe.gaps, probe.painted]")
    middle, late = quantiles(gaps, 0.5, 0.95)
    rate, drawings = 1000 * len(gaps) / sum(gaps), painted / SECONDS
    print(
        f"{name}: {rate:.0f} frames and {drawings:.0f} drawings a second, gap median {middle:.0f} ms, p95 {late:.0f} ms"
    )


# ---- corrections --------------------------------------------------------------------------------


def corrections(person: Person, discs: list[Point], side: int) -> None:
    took: dict[str, list[dict[str, float]]] = defaultdict(list)
    random = np.random.default_rng(2)
    for number in random.choice(len(discs), PLACES, replace=False):
        point = discs[number]
        person.look_at(around(point))
        for name, correct in TOOLS.items():
            with person.corrects() as ms:
                correct(person, point)
            took[name].append(ms)
            with person.corrects() as ms:
                person.key("Control+z")
            took["undo"].append(ms)
            person.key("Escape")
        added(person, point, took)
    print(f"\nms from the end of the gesture, median / p95 of {PLACES} places; {load_now()}")
    print(f"{'':22s} {'new numbers seen':>18s} {'outlines seen':>16s} {'saved':>16s}   limit")
    for name, times in took.items():
        columns = [quantiles([row[key] for row in times], 0.5, 0.95) for key in ("shown", "outlines", "saved")]
        print(
            f"{name:22s} "
            + " ".join(f"{middle:8.0f} / {late:5.0f}" for middle, late in columns)
            + f"   {LIMITS[side][0]:5d}"
        )


def around(point: Point) -> Box:
    x, y = point
    return x - RADII[1], y - RADII[1], x + RADII[1], y + RADII[1]


def chosen(person: Person, point: Point) -> None:
    person.key("v")
    person.click(point)
    person.chooses()
    person.rest()


def delete(person: Person, point: Point) -> None:
    chosen(person, point)
    person.key("Delete")


def brush(person: Person, point: Point) -> None:
    person.key("b")
    gap = point[0] + PITCH / 2, point[1] + PITCH / 2
    person.line([gap, (gap[0] + 10, gap[1])])


def merge(person: Person, point: Point) -> None:
    chosen(person, point)
    person.click((point[0] + PITCH, point[1]), add=True)
    person.chooses()
    person.rest()
    person.key("m")


def split_by_a_line(person: Person, point: Point) -> None:
    person.key("s")
    person.line([(point[0] - 60, point[1] + 3), (point[0] + 60, point[1] - 3)])


def split_by_two_clicks(person: Person, point: Point) -> None:
    person.key("s")
    person.click((point[0] - 12, point[1]))
    person.page.locator("[data-readout].told").wait_for()
    person.rest()
    person.click((point[0] + 12, point[1]))


def added(person: Person, point: Point, took: dict[str, list[dict[str, float]]]) -> None:
    """Delete an object, and add it again by a click; the times are added to `took`."""
    with person.corrects():
        delete(person, point)
    person.key("a")
    with person.corrects() as ms:
        person.click(point)
    took["add by a click"].append(ms)
    for _ in range(2):
        with person.corrects() as ms:
            person.key("Control+z")
        took["undo"].append(ms)


TOOLS = {
    "delete": delete,
    "brush, new object": brush,
    "merge": merge,
    "split by a line": split_by_a_line,
    "split by two clicks": split_by_two_clicks,
}


# ---- memory and the end -------------------------------------------------------------------------


def heap(page: Any) -> dict[str, float]:
    """MB of the page after its garbage was collected: objects of JavaScript and what typed arrays hold; and of the
    largest process of the browser, with all that draws. By the protocol of Chromium's tools."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    session.detach()
    browser = [
        process for process in psutil.process_iter(["cmdline"]) if "--type=renderer" in (process.info["cmdline"] or [])
    ]
    megabytes = (usage["usedSize"] + usage["backingStorageSize"]) / 1e6
    return {"page": megabytes, "process": max(process.memory_info().rss for process in browser) / 1e6}


def memory(person: Person, discs: list[Point]) -> None:
    """Print the memory for STEPS brush strokes, each a correction that can be undone."""
    before = heap(person.page)
    person.look_at(around(discs[len(discs) // 2]))
    person.key("b")
    person.page.locator("[data-ground]").uncheck()
    view, random = person.view, np.random.default_rng(3)
    corner = np.array([view["x"], view["y"]])
    room = np.array([person.box["width"], person.box["height"]]) / view["scale"]
    for _ in range(STEPS):
        person.key("Escape")
        start = corner + room * random.uniform(0.15, 0.85, 2)
        person.line([tuple(start), tuple(start + random.uniform(-60, 60, 2))], apart=10)
        person.until("seen")
    person.until("settled")
    after = heap(person.page)
    print(f"\nMB before and after {STEPS} brush strokes that can be undone; {load_now()}")
    for name in before:
        print(f"  {name:8s} {before[name]:6.1f} -> {after[name]:6.1f}")
    print(f"  page (limit 600), undo {after['page'] - before['page']:.1f} (limit 100)")


def measuring(person: Person, discs: list[Point], side: int) -> None:
    """Print the time from a deletion until all numbers of the page are measured again."""
    seconds = []
    for point in discs[:5]:
        person.look_at(around(point))
        with person.corrects():
            delete(person, point)
        person.until("measured")
        seconds.append(person.page.evaluate("probe.measured - probe.gesture") / 1000)
        with person.corrects():
            person.key("Control+z")
        person.key("Escape")
    first, (middle, most) = seconds[0], quantiles(seconds, 0.5, 1)
    limit = LIMITS[side][1] / 1000
    print(f"all numbers: first {first:.1f} s, median {middle:.1f} s, longest {most:.1f} s of 5 (limit {limit})")
