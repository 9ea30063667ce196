"""Two results side by side in a browser: pictures that move together, objects that are lit, numbers without scripts."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .conftest import open_scale, open_tab
from .test_journey import fits_both, result
from .test_looks import picture


def seen(page, side):
    """What a picture shows, as the bytes of a PNG."""
    page.wait_for_timeout(300)
    return page.locator(f"[data-side={side}] canvas").screenshot()


def test_two_widths_of_one_image(open_copy, visit):
    page = open_copy()
    first = result(page)
    open_scale(page)
    page.fill("#new_width", "12800")
    page.get_by_role("button", name="Measure again").click()
    page.get_by_label("The width that I typed is right").check()
    visit.complaints.clear()  # the browser complains of the answer that asks
    page.get_by_role("button", name="Measure again").click()
    page.wait_for_url(lambda address: address.split("#")[0] != first and "/width/" not in address)
    result(page)
    open_tab(page, "Details")
    page.get_by_role("link", name="compare with the one before").click()
    page.wait_for_selector("#objects")
    assert fits_both(page)
    picture(page, "compare")

    expect(page.locator("#answer")).to_have_text(
        re.compile(r"The outlines are the same; the median is .* (larg|small)er$")
    )
    page.locator("[data-at]").focus()
    page.keyboard.press("End")
    only_first = page.locator("#linked").screenshot()
    page.keyboard.press("Home")
    assert page.locator("#linked").screenshot() != only_first, "a slider goes from one picture to the other"
    page.get_by_label("Over each other").uncheck()
    before = seen(page, "second")
    page.locator("[data-side=first] canvas").focus()
    for _ in range(4):
        page.keyboard.press("+")
    zoomed = seen(page, "second")
    assert zoomed != before
    page.get_by_role("button", name="Fit").click()
    assert seen(page, "second") == before

    page.locator("[data-place=matched] button").click()
    assert seen(page, "second") != before
    page.locator("[data-place=matched] button").click()
    assert seen(page, "second") == before
