"""A person draws regions that do not count, a rectangle and a polygon, moves and removes them: each is a correction."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .specimen import COLUMNS, ROWS
from .test_editor import Hand, discs_of

STEPS = "[data-standing-words]"


def inside(discs, left, right):
    return [disc for disc in discs if left < disc[1] < right]


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_rectangle_and_a_polygon_are_ignored_moved_and_counted_again(open_copy, size):
    page = open_copy(size)
    hand, discs = Hand(page).open(), discs_of(page)
    before, address = len(discs), page.url
    page.locator('button[data-tool="ignore"]').click()
    hand.looks()
    third = COLUMNS / 3
    hand.drag((2, 2), (third, ROWS - 2))
    left = before - len(inside(discs, 0, third))
    assert left < before
    hand.kept(left)
    expect(page.locator(".ignored")).to_contain_text("1 region is ignored.")
    expect(page.locator(STEPS)).to_have_text("1 correction")
    # A polygon, by its corners; on a phone a button closes it, else Enter.
    for corner in ((2 * third, 2), (COLUMNS - 2, 2), (COLUMNS - 2, ROWS - 2)):
        hand.click(*corner)
    hand.click(2 * third, ROWS - 2)
    if size == "phone":
        page.locator("[data-region-done]").click()
    else:
        hand.press("Enter")
    hand.kept(left - len(inside(discs, 2 * third, COLUMNS)))
    expect(page.locator(".ignored")).to_contain_text("2 regions are ignored.")
    # So few are left that the page is loaded anew, without a histogram; its tools stand as they stood.
    expect(page.locator('button[data-tool="ignore"]')).to_have_attribute("aria-pressed", "true")
    hand.looks()
    # The first region is dragged to the middle, and back by undo; then it is removed.
    hand.drag((third / 2, ROWS / 2), (third / 2 + third, ROWS / 2))
    expect(page.locator(STEPS)).to_have_text("3 corrections")
    hand.kept(before - len(inside(discs, third + 2, 2 * third)) - len(inside(discs, 2 * third, COLUMNS)))
    page.locator('button[data-act="undo"]').click()
    hand.kept(left - len(inside(discs, 2 * third, COLUMNS)))
    hand.click(third / 2, ROWS / 2)
    page.locator("[data-region-count]").click()
    hand.kept(before - len(inside(discs, 2 * third, COLUMNS)))
    expect(page.locator(".ignored")).to_contain_text("1 region is ignored.")
    page.reload()
    expect(page.locator(".ignored")).to_contain_text("1 region is ignored.")
    assert page.url.split("#")[0] == address.split("#")[0], "no version was made"


def test_a_region_keeps_the_corrections_that_stand(open_copy):
    page = open_copy()
    hand, discs = Hand(page).open(), discs_of(page)
    right = inside(discs, COLUMNS / 2, COLUMNS)
    hand.click(*right[0][1:])
    hand.press("Delete")
    hand.kept(len(discs) - 1)
    hand.saved()
    hand.press("w")
    hand.click(5, 5)
    hand.press("Escape")  # a polygon that was begun is given up
    hand.press("w")
    hand.drag((2, 2), (COLUMNS / 2, ROWS - 2))
    hand.kept(len(right) - 1)
    expect(page.locator(STEPS)).to_have_text("2 corrections")
    # What lies in a region cannot be counted by itself.
    hand.press("v")
    hand.click(*inside(discs, 0, COLUMNS / 2 - 20)[0][1:])
    hand.chosen("in a region to ignore")
    hand.press("k")
    hand.chosen(re.escape("The region of these particles is ignored"))
