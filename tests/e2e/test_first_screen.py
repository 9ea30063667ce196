"""What a result says before anybody scrolls: the picture, the answer and the histogram; and how little it weighs."""

from __future__ import annotations

import re
from statistics import median
from typing import Any

import pytest
from playwright.sync_api import expect

from segmentation.core.measure.objects.filters import Reason

from .conftest import SIZES, open_tab
from .test_charts import drawn, shown, stored

SCREENS = {"desktop": (1280, 800), "phone": (390, 844)}
MOST_BYTES = 1_000_000
# What is read and can be pressed before anything is opened.
WEIGHED = """() => {
    const visible = each => each.checkVisibility({ visibilityProperty: true }) && each.offsetWidth !== 1;
    const controls = "a[href], button, input, select, textarea, summary, [tabindex='0']";
    return {
        words: document.body.innerText.split(/\\s+/).filter(word => /[\\p{L}\\p{N}]/u.test(word)).length,
        controls: [...document.querySelectorAll(controls)].filter(visible).length,
    };
}"""


@pytest.fixture
def look(visit: Any, analysed: str) -> Any:
    def open_result(size: str) -> Any:
        page = visit(size)
        width, height = SCREENS[size]
        page.set_viewport_size({"width": width, "height": height})
        page.goto(analysed)
        page.locator(".particles tbody tr[data-id]").first.wait_for(state="attached")
        drawn(page)
        return page

    return open_result


def bottom(page: Any, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    return box["y"] + box["height"]


@pytest.mark.parametrize("size", SIZES)
def test_picture_answer_and_histogram_need_no_scrolling(look, size):
    page = look(size)
    tall = SCREENS[size][1]
    order = ["h1", ".answer", "#viewer canvas", ".chart"]
    ends = [bottom(page, selector) for selector in order]
    on_screen = ends if size == "desktop" else ends[:3]  # on a phone the histogram follows the picture
    assert all(end <= tall for end in on_screen), dict(zip(order, ends, strict=True))
    if size == "phone":
        assert ends == sorted(ends)
    answer = page.locator(".answer").inner_text()
    sizes = [row["min_feret"] for row in stored(page, "outlines.json").json()["particles"] if row["kept"]]
    assert str(len(sizes)) in answer and f"{median(sizes):.0f}" in answer and "up to 100 nm" in answer


def test_a_bar_is_seen_in_the_picture_without_scrolling(look):
    page = look("desktop")
    canvas = page.locator("#viewer canvas")
    before = canvas.screenshot()
    page.locator(".chart .bin").nth(2).click()
    page.locator("[data-chosen]").wait_for()
    assert page.evaluate("scrollY") == 0
    assert canvas.screenshot() != before


@pytest.mark.parametrize("size", SIZES)
def test_a_red_outline_says_why_it_is_red(look, size):
    page = look(size)
    particles = stored(page, "outlines.json").json()
    cut = [particle for particle in particles["particles"] if particle["reason"] == "touches the frame"]
    aside = max(cut, key=lambda particle: particle["area"])  # its middle lies in no other
    xs, ys = aside["outline"][::2], aside["outline"][1::2]
    middle = {"x": (min(xs) + max(xs)) / 2, "y": (min(ys) + max(ys)) / 2}
    box = page.locator("#viewer canvas").bounding_box()
    scale = min(box["width"] / particles["width"], box["height"] / particles["height"])
    x = box["x"] + (box["width"] - scale * particles["width"]) / 2 + scale * middle["x"]
    y = box["y"] + (box["height"] - scale * particles["height"]) / 2 + scale * middle["y"]
    (page.touchscreen.tap if size == "phone" else page.mouse.move)(x, y)
    readout = page.locator("[data-readout]")
    readout.filter(has_text=f"left out: {Reason.FRAME}. {Reason.FRAME.definition}").wait_for()
    expect(readout).to_contain_text(f"confidence {aside['confidence']:.2f}", use_inner_text=True)


def test_the_rest_stands_behind_tabs_that_keys_links_and_addresses_open(look, analysed):
    page = look("desktop")
    assert page.evaluate("document.documentElement.scrollHeight") < 1200
    count = page.evaluate(WEIGHED)
    assert count["words"] <= 220 and count["controls"] <= 30, count

    def shown():
        return page.locator("[data-tab]:visible").evaluate_all("all => all.map((each) => each.dataset.tab)")

    assert shown() == []
    open_tab(page, "Particles")
    page.keyboard.press("ArrowLeft")
    assert shown() == ["Details"] and page.url.endswith("#details")
    page.keyboard.press("ArrowRight")
    assert shown() == ["Particles"]
    tabs = {"budget": "Details", "arrangement": "Particles", "figure": "Files", "files": "Files"}
    for name, tab in tabs.items():
        page.goto(f"{analysed}#{name}")
        assert shown() == [tab], name
        assert page.locator(f"#{name}").evaluate("each => each.open ?? true")
    page.goto(f"{analysed}#width")
    expect(page.locator("#new_width")).to_be_visible()
    page.emulate_media(media="print")
    assert len(shown()) == 3


def test_a_row_is_seen_in_the_picture_that_stays(look):
    page = look("desktop")
    open_tab(page, "Particles")
    page.locator(".particles tbody tr[data-id] button").nth(4).click()
    box = page.locator("#viewer canvas").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= SCREENS["desktop"][1]
    expect(page.locator("[data-readout]")).to_have_text(re.compile("^Particle "))


def test_a_phone_loads_little_and_sharp_squares_when_they_are_seen(look):
    page = look("phone")
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    sizes = page.context.new_cdp_session(page)
    sizes.send("Network.enable")
    received: list[int] = []
    sizes.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    page.reload()
    page.locator(".particles tbody tr[data-id]").first.wait_for(state="attached")
    page.wait_for_load_state("networkidle")
    assert sum(received) < MOST_BYTES
    assert not [url for url in loaded if "/tiles/" in url or url.endswith("figure.png")]
    with page.expect_response("**/tiles/0/*.png") as tile:
        for _ in range(5):
            page.locator("#viewer canvas").press("+")
    assert tile.value.ok
    assert shown(page) > 0


def test_the_tour_of_the_example_moves_nothing_and_is_shown_once(visit, analysed):
    page = visit("phone", storage_state=None)
    page.goto(analysed)
    tour, parts = page.locator("#tour"), page.locator(".answer, #viewer")
    tops = "parts => parts.map(part => part.getBoundingClientRect().top + scrollY)"
    page.locator(".particles tbody tr[data-id]").first.wait_for(state="attached")
    toured, shown_parts = parts.evaluate_all(tops), ("#viewer", ".answer", "#downloads")
    for number, part in enumerate(shown_parts, 1):
        tour.get_by_text(f"{number} of 3").wait_for()
        expect(page.locator(f"{part}.toured")).to_be_in_viewport()
        tour.locator("[data-next]").press("Enter")
    expect(tour).to_be_hidden()
    assert parts.evaluate_all(tops) == toured
    page.reload()
    page.locator(".particles tbody tr[data-id]").first.wait_for(state="attached")
    expect(tour).to_be_hidden()
