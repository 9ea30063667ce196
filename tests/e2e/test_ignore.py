"""A person draws regions that do not count: a rectangle, a polygon; the numbers follow, and a press takes it back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .conftest import PATIENCE
from .specimen import COLUMNS, ROWS
from .test_editor import Hand, discs_of

NUMBER = ".sentence [data-number=n_kept]"


def arrived(page, address):
    """The page of a new version, with its picture and its tools."""
    page.wait_for_url(lambda url: url.split("#")[0] != address.split("#")[0], timeout=PATIENCE)
    page.locator("[data-tools].ready:not([hidden])").wait_for()
    return Hand(page).looks()


def inside(discs, left, right):
    return [disc for disc in discs if left < disc[1] < right]


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_rectangle_and_a_polygon_are_ignored_and_taken_back(open_copy, size):
    page = open_copy(size)
    hand, discs = Hand(page).open(), discs_of(page)
    before, address = len(discs), page.url
    page.locator('button[data-tool="ignore"]').click()
    hand.looks()
    third = COLUMNS / 3
    hand.drag((2, 2), (third, ROWS - 2))
    hand = arrived(page, address)
    left = before - len(inside(discs, 0, third))
    assert left < before
    hand.kept(left)
    expect(page.locator(".ignored")).to_contain_text("1 region is ignored.")
    expect(page.locator('button[data-tool="ignore"]')).to_have_attribute("aria-pressed", "true")
    # A polygon, by its corners; on a phone a button closes it, else Enter.
    address = page.url
    for corner in ((2 * third, 2), (COLUMNS - 2, 2), (COLUMNS - 2, ROWS - 2)):
        hand.click(*corner)
    hand.click(2 * third, ROWS - 2)
    if size == "phone":
        page.locator("[data-region-done]").click()
    else:
        hand.press("Enter")
    hand = arrived(page, address)
    hand.kept(left - len(inside(discs, 2 * third, COLUMNS)))
    expect(page.locator(".ignored")).to_contain_text("2 regions are ignored.")
    # One press takes the first region back.
    page.locator(".ignored").get_by_role("button", name="region 1").click()
    expect(page.locator(".ignored")).to_contain_text("1 region is ignored.")
    expect(page.locator(NUMBER)).to_have_text(str(before - len(inside(discs, 2 * third, COLUMNS))))


def test_a_region_keeps_the_corrections_that_stand(open_copy):
    page = open_copy()
    hand, discs = Hand(page).open(), discs_of(page)
    right = inside(discs, COLUMNS / 2, COLUMNS)
    hand.click(*right[0][1:])
    hand.press("Delete")
    hand.kept(len(discs) - 1)
    hand.saved()
    address = page.url
    hand.press("w")
    hand.click(5, 5)
    hand.press("Escape")  # a polygon that was begun is given up
    hand.press("w")
    hand.drag((2, 2), (COLUMNS / 2, ROWS - 2))
    hand = arrived(page, address)
    hand.kept(len(right) - 1)
    # What lies in a region cannot be counted by itself.
    hand.press("v")
    hand.click(*inside(discs, 0, COLUMNS / 2 - 20)[0][1:])
    hand.chosen("in a region to ignore")
    hand.press("k")
    hand.chosen(re.escape("ignored: count particles in it again"))
