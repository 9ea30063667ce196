"""The picture stays where it is: strip, notes, scroll bar and tools have their room from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import CHROMIUM, PATIENCE

SIZES = {"desktop": (1280, 800), "low": (1366, 650), "phone": (390, 844)}
CANVAS = "#viewer canvas"
LONG = "left out: it touches the frame. " * 9
Box = dict[str, float]


@pytest.fixture(params=SIZES)
def page(request: Any, chromium: Any, site: str, analysed_discs: tuple[str, list[Any]]) -> Iterator[Any]:
    """A result of one's own in a browser whose scroll bars take room, as on most computers."""
    job, cookies = analysed_discs
    (width, height), touch = SIZES[request.param], request.param == "phone"
    browser = chromium.browser_type.launch(
        executable_path=str(CHROMIUM),
        args=["--no-sandbox", "--disable-gpu"],
        ignore_default_args=["--hide-scrollbars"],
    )
    options = {"has_touch": True, "is_mobile": True} if touch else {}
    context = browser.new_context(viewport={"width": width, "height": height}, base_url=site, **options)
    context.set_default_timeout(PATIENCE)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(f"/jobs/{job}/")
    page.locator(CANVAS).wait_for()
    yield page
    browser.close()


def box_of(page: Any, selector: str = CANVAS) -> Box:
    """Where an element lies on the page, in CSS pixels; a page that was scrolled is none that moved."""
    box = page.locator(selector).first.bounding_box()
    return {**box, "y": box["y"] + page.evaluate("scrollY")}


def changes(page: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What comes and goes on the page, each with what makes it."""

    def script(words: str) -> Callable[[], Any]:
        return lambda: page.evaluate(words)

    def every(selector: str, act: str) -> Callable[[], Any]:
        return script(f"document.querySelectorAll('{selector}').forEach((each) => {{ {act} }})")

    yield "no strip", every("[data-doubt]", "each.hidden = true")
    yield "the strip", every("[data-doubt]", "each.hidden = false")
    yield "a page without a scroll bar", every("main", "each.style.cssText = 'height: 400px; overflow: hidden'")
    yield "a page with one", every("main", "each.style.cssText = ''")
    yield "a long page", script("document.querySelector('main').style.paddingBottom = '3000px'")
    yield "a long readout", every("[data-readout]", f"each.textContent = '{LONG}'; each.classList.add('told')")
    yield "a hint of a tool", every("[data-tool-hint]", f"each.textContent = '{LONG}'")
    yield "a note of what is shown", every("[data-chosen]", "each.hidden = false")
    yield "a legend", every("[data-legend]", "each.innerHTML = '<li>small<li>large'; each.hidden = false")
    yield "a region that is ignored", every(".says", "each.insertAdjacentHTML('beforeend', '<p>1 region.')")
    yield "the tools", lambda: page.locator("[data-correct]").click()
    yield "a notice of the tools", every("[data-notice]", "each.hidden = false; each.firstChild.textContent = 'No.'")
    yield "no notice", every("[data-notice]", "each.hidden = true")
    yield "the brush and its width", lambda: page.locator("[data-tool=brush]").click()
    yield "a region and its corners", lambda: page.locator("[data-tool=ignore]").click()
    yield "its buttons", every("[data-region-options]", "each.hidden = false")
    yield "what hangs from a button", lambda: page.locator("[data-rule] > summary").click()
    yield "no tools", lambda: page.locator("[data-correct]").click()


def test_the_picture_stays_where_it_is(page):
    before = box_of(page)
    for name, change in changes(page):
        change()
        if name == "the tools":
            expect(page.locator("[data-tools].ready")).to_be_visible()
        assert box_of(page) == before, f"{name} moved the picture"


def test_the_tools_are_in_sight_and_hide_no_answer(page):
    """On a rail over the edge of the picture, which stands beside it where there is room, or at the bottom of a small
    window; what ends the page comes up above them."""
    page.locator("[data-correct]").click()
    expect(page.locator("[data-tools].ready")).to_be_visible()
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    if width > 1088:
        canvas, rail = box_of(page), box_of(page, ".bars")
        assert rail["width"] < 0.25 * canvas["width"]
        assert canvas["y"] < rail["y"] and rail["y"] + rail["height"] <= box_of(page, "[data-readout]")["y"]
        shown = page.locator("[data-tools] .bar:not(.options) button:visible").all()
        assert all(rail["x"] <= box["x"] < rail["x"] + rail["width"] for box in (each.bounding_box() for each in shown))
        return
    bar = page.locator("[data-tools]").bounding_box()
    assert bar["y"] + bar["height"] == height and bar["width"] == width, "at the bottom of the window"
    rows = {round(each.bounding_box()["y"]) for each in page.locator("[data-tools] .bar > button:visible").all()}
    assert len(rows) == 2
    page.locator("[data-tool=ignore]").click()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    last = page.locator("main").bounding_box()
    assert last["y"] + last["height"] <= bar["y"]
    more = page.locator("[data-rule] > summary")
    for each in (page.locator("[data-act=undo]"), more):  # what has no room is reached by a scroll sideways
        each.scroll_into_view_if_needed()
        box = each.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    more.click()
    box = page.locator("[data-rule] > div").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] >= 0
