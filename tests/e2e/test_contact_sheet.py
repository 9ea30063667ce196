"""The least certain outlines as small pictures: a cross leaves one out, a tick says that it is right."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import SIZES, open_tab
from .specimen import DISCS
from .test_charts import crowd, pretend
from .test_journey import result


@pytest.fixture
def opened(open_copy: Any) -> Any:
    def open_sheet(size: str = "desktop") -> Any:
        page = open_copy(size)
        result(page)
        expect(page.locator(".crops li")).to_have_count(0)
        open_tab(page, "Particles")
        page.locator(".crops li").first.wait_for()
        return page

    return open_sheet


def is_drawn(crop: Any) -> bool:
    """Whether a small picture has more than one colour."""
    colours = """canvas => new Set(new Uint32Array(canvas.getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size"""
    return crop.locator("canvas").evaluate(colours) > 10


@pytest.mark.parametrize("size", SIZES)
def test_a_cross_takes_one_particle_off_the_count_and_a_tick_brings_it_back(opened, size):
    page = opened(size)
    crops, count = page.locator(".crops li"), page.locator(".answer .headline b")
    confidences = [
        title.split()[-1] for title in crops.locator(".crop").evaluate_all("all => all.map(each => each.title)")
    ]
    assert len(confidences) == DISCS and confidences == sorted(confidences)
    page.wait_for_timeout(300)
    assert all(is_drawn(crops.nth(number)) for number in (0, DISCS - 1)) and is_drawn(
        page.locator(".extremes figure").first
    )
    expect(count).to_have_text(str(DISCS))
    cross, tick = (crops.first.get_by_role("button", name=name) for name in ("Leave", "is right"))
    press(cross, size)
    expect(count).to_have_text(str(DISCS - 1))
    expect(cross).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".particles td.aside", has_text="wrong outline")).to_have_count(1)
    expect(page.locator("[data-chips]").get_by_role("button", name="Wrong outline 1")).to_be_visible()
    expect(page.locator(".answer .interval").first).to_be_hidden()  # it is that of the outlines before
    press(tick, size)
    expect(count).to_have_text(str(DISCS))
    press(cross, size)
    measure = page.get_by_role("button", name="Measure the corrected outlines").and_(
        page.locator("[data-sheet] button")
    )
    expect(measure).to_be_enabled()
    page.reload()
    expect(count).to_have_text(str(DISCS - 1))
    measured_from_the_top(page)
    expect(count).to_have_text(str(DISCS - 1))
    expect(page.locator(".answer .interval").first).to_be_visible()
    page.go_back()
    for _ in range(2):  # a version whose corrections are measured has its own numbers, also when it is loaded anew
        result(page)
        expect(count).to_have_text(str(DISCS))
        page.locator(".particles tbody tr[data-id]").first.wait_for(state="attached")  # the scripts have run
        open_tab(page, "Particles")
        page.locator(".crops li").first.wait_for()
        expect(page.locator(".particles td.aside", has_text="wrong outline")).to_have_count(0)
        expect(count).to_have_text(str(DISCS))
        expect(page.locator(".crops li button:not(.crop)")).to_have_count(0)
        page.reload()


def test_a_page_that_the_browser_kept_is_loaded_anew(opened):
    page = opened()
    with page.expect_event("load"):
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")


def press(button: Any, size: str) -> None:
    (button.tap if size == "phone" else button.click)()


def measured_from_the_top(page: Any) -> None:
    before = page.url
    page.locator(".head").get_by_role("button", name="measure the corrected outlines").click()
    page.wait_for_url(lambda address: address.split("#")[0] != before.split("#")[0])
    result(page)


def test_the_sheet_by_keyboard(opened):
    page = opened()
    crops = page.locator(".crops li")
    crops.first.get_by_role("button", name="Leave").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(crops.nth(2).get_by_role("button", name="Leave")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".answer .headline b")).to_have_text(str(DISCS - 1))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press(" ")
    expect(page.locator(".answer .headline b")).to_have_text(str(DISCS - 2))
    crops.nth(4).locator(".crop").focus()
    page.keyboard.press("Enter")
    number = crops.nth(4).locator(".crop").get_attribute("title").split(",")[0].split()[-1]
    expect(page.locator("[data-readout]")).to_contain_text(f"Particle {number}: ")


def test_two_tabs_mark_after_each_other(opened, visit):
    page = opened()
    other = page.context.new_page()
    other.goto(page.url)
    open_tab(other, "Particles")
    other.locator(".crops li").nth(1).get_by_role("button", name="Leave").click()
    expect(other.locator("[data-sheet] form button")).to_be_enabled()
    page.locator(".crops li").nth(0).get_by_role("button", name="Leave").click()
    expect(page.locator("[data-sheet] form button")).to_be_enabled()
    page.reload()
    expect(page.locator(".answer .headline b")).to_have_text(str(DISCS - 2))
    visit.complaints.clear()  # the browser complains of the 409


def test_whoever_may_only_look_has_no_marks(opened, visit):
    page = opened()
    other = visit()
    other.goto(page.url)
    open_tab(other, "Particles")
    other.locator(".crops li").first.wait_for()
    expect(other.locator(".crops li")).to_have_count(DISCS)
    expect(other.locator(".crops li button:not(.crop)")).to_have_count(0)
    other.locator(".crops .crop").first.click()
    expect(other.locator("[data-readout]")).to_contain_text("confidence")


def test_the_smallest_the_median_and_the_largest(visit, analysed):
    page = visit()
    outlines = crowd(101)
    pretend(page, outlines)
    page.goto(analysed)
    open_tab(page, "Particles")
    figures = page.locator(".extremes figure")
    expect(figures).to_have_count(3)
    sizes = sorted(particle["min_feret"] for particle in outlines["particles"] if particle["kept"])
    printed_sizes = [float(text.split()[-2]) for text in figures.all_inner_texts()]
    assert printed_sizes == [float(f"{sizes[at]:.3g}") for at in (0, len(sizes) // 2, -1)]
    expect(page.locator("[data-sheet]")).to_be_hidden()  # of no particle the confidence is known
