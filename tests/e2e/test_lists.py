"""Several files sent and started at once, then found, taken away and deleted together."""

from __future__ import annotations

import zipfile

from playwright.sync_api import expect

from .test_journey import drop, fits_both, narrow
from .test_looks import picture

CARDS = ".entries .entry"


def test_several_files_each_by_itself(visit, discs, plain):
    page = visit()
    page.get_by_label("Several files are one sample").uncheck()
    page.set_input_files("#files", [str(discs), str(plain)])
    page.wait_for_url("**/results/")
    page.locator(CARDS).first.wait_for()
    page.evaluate("document.querySelectorAll('.entry').forEach((row) => { row.marked = true; })")
    page.locator(f"{CARDS} b").nth(1).wait_for()
    assert page.evaluate("[...document.querySelectorAll('.entry')].some((row) => row.marked)"), "rows stay the same"
    expect(page.locator("[hx-get]")).to_have_count(0)  # nothing is asked any more
    picture(page, "results-started")
    assert fits_both(page)
    with narrow(page):
        assert page.locator(CARDS).first.bounding_box()["y"] < 400, "the first is seen without scrolling"
    expect(page.locator("[data-bar]")).to_be_hidden()
    page.locator(".tick input").first.check()
    page.get_by_label("Select all on this page").check()
    expect(page.locator("[data-every]")).to_contain_text("2 selected", use_inner_text=True)
    picture(page, "results-ticked")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download", exact=True).click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert archive.testzip() is None
        folders = {name.split("/")[0] for name in archive.namelist()}
        assert {folder[4:] for folder in folders} == {"plain", "discs & rings"}
    page.select_option("[name=sort]", "name")
    page.wait_for_url("**sort=name**")
    expect(page.locator(CARDS).first).to_contain_text("discs", use_inner_text=True)
    page.fill("[name=q]", "plain")
    page.press("[name=q]", "Enter")
    page.wait_for_url("**q=plain**")
    expect(page.locator(CARDS)).to_have_count(1)
    page.locator("[name=job]").check()
    page.locator("#do-more summary").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("h1")).to_contain_text("Delete this result?", use_inner_text=True)
    assert fits_both(page)
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("1 result is deleted.").wait_for()
    page.get_by_role("link", name="Show all", exact=True).click()
    expect(page.locator(CARDS)).to_contain_text("discs", use_inner_text=True)


def test_dropped_on_the_list(visit, discs):
    page = visit()
    page.goto("/results/")
    drop(page.locator("main"), discs)
    page.wait_for_url("**/jobs/*/")
    expect(page.locator("h1")).to_contain_text(discs.name, use_inner_text=True)
