"""Every page at desktop and phone width: nothing overflows; pictures go to DEEPSEGM_SCREENSHOTS."""

from __future__ import annotations

import os
import re
from itertools import product
from pathlib import Path

import pytest

from .conftest import SIZES, open_tab
from .test_journey import choose, decoded, fits, result

FOLDER = os.environ.get("DEEPSEGM_SCREENSHOTS")
# A scheme changes colours and no size: all four are needed for their pictures alone.
LOOKS = list(product(SIZES, ("light", "dark"))) if FOLDER else [("desktop", "light"), ("phone", "dark")]
FIXED = {
    "home": "/",
    "results": "/results/",
    "help": "/help/",
    "models": "/models/",
    "model": "/models/particles/",
    "sign-in": "/accounts/login/",
}
SMALL_TARGETS = """() => [...document.querySelectorAll("button, .button, nav a")]
    .filter(each => each.checkVisibility() && !each.closest("table") && each.getBoundingClientRect().height < 24)
    .map(each => each.textContent)"""


# The sizes of most windows, each with the page of a result in one window.
WINDOWS = [(1280, 800), (1366, 768), (1440, 900), (1920, 1080)]
OUTSIDE = """() => [...document.querySelectorAll("th, td, dt, dd, h1, h2, .word, button, .button")]
    .filter(each => each.checkVisibility({ visibilityProperty: true }) && !each.closest(".table-box, .visually-hidden"))
    .filter(each => {
        const [own, card] = [each, each.closest(".panel, .entry, .notice, main") ?? document.body]
            .map(one => one.getBoundingClientRect());
        return own.width && (own.right > card.right + 1 || own.left < card.left - 1);
    }).map(each => each.textContent.trim())"""


def picture(page, name: str) -> None:
    if FOLDER:
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(FOLDER, f"{name}.png")), full_page=True)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_every_page(visit, discs, analysed_discs, size, scheme):
    page = visit(size, color_scheme=scheme)
    seen = {}
    if FOLDER or size == "phone":  # a second analysis would only be for its picture
        choose(page, discs)
        seen["waiting"] = check(page, f"waiting-{size}-{scheme}")
    else:
        page.context.add_cookies(analysed_discs[1])
        page.goto(f"/jobs/{analysed_discs[0]}/")
    address = result(page)
    for tab in ("Particles", "Files", "Details"):
        open_tab(page, tab)
        if tab == "Files":
            decoded(page)
        seen[tab] = check(page, f"result-{tab.lower()}-{size}-{scheme}")
    page.get_by_text("Re-run with other settings").click()
    seen["rerun"] = check(page, f"rerun-{size}-{scheme}")
    for name, where in {**FIXED, "delete": f"{address}delete/"}.items():
        page.goto(where)
        seen[name] = check(page, f"{name}-{size}-{scheme}")
    assert all(problem == "" for problem in seen.values()), seen


def check(page, name: str) -> str:
    picture(page, name)
    if not fits(page):
        return "wider than the window"
    if page.locator(".tab-list").evaluate_all("all => all.some((each) => each.scrollWidth > each.clientWidth)"):
        return "not all tabs are seen"
    small = page.evaluate(SMALL_TARGETS)
    return f"too small to touch: {small}" if small else ""


@pytest.mark.parametrize(("width", "height"), [*WINDOWS, (390, 844)])
def test_nothing_is_cut_at_any_width_and_a_result_is_one_window(open_copy, width, height):
    page = open_copy("desktop" if width > 1088 else "phone")
    page.set_viewport_size({"width": width, "height": height})
    address = result(page)
    page.locator(".chart").wait_for()
    box = {
        name: page.locator(name).first.bounding_box()
        for name in ("#viewer canvas", "#histogram", "[data-doubt]", ".sentence")
    }
    ends = {name: each["y"] + each["height"] for name, each in box.items()}
    if width > 1088:
        assert page.evaluate("scrollY") == 0 and all(end <= height for end in ends.values()), ends
        assert abs(box["#viewer canvas"]["y"] - box["#histogram"]["y"]) <= 1, "picture and chart begin on one line"
        assert box["#viewer canvas"]["width"] >= 0.6 * width, "the picture has most of the window"
    else:
        assert box["#viewer canvas"]["y"] < 300 and ends["#viewer canvas"] <= height
    first, second = (each.split("/jobs/")[1].split("/")[0] for each in (address, open_copy(page=page).url))
    for where in (address, *FIXED.values(), f"/compare/?a={first}&b={second}"):
        page.goto(where)
        page.wait_for_load_state("networkidle")
        assert fits(page), where
        assert page.evaluate(OUTSIDE) == [], where


def test_fingers_are_told_of_no_drop_and_no_folder(visit):
    page = visit("phone")
    text = page.locator("main").inner_text()
    assert not re.search("drop|folder", text, re.IGNORECASE)
    assert "Choose pictures" in text and "Take a picture" in text
    page.get_by_text("Options", exact=True).click()
    pinned = "all => all.filter((each) => /fixed|sticky/.test(getComputedStyle(each).position)).length"
    assert page.locator("main *").evaluate_all(pinned) == 0


def test_the_whole_upload_page_by_keyboard(visit, plain):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    names = []
    for _ in range(25):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate(
                "document.activeElement.id || document.activeElement.name || document.activeElement.textContent.trim()"
            )
        )
    for name in ("files", "id_width", "Options", "example"):
        assert name in names, names
