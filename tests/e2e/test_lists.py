"""Several files sent and started at once, then found, taken away and deleted together, on desktop and phone."""

from __future__ import annotations

import zipfile

import pytest

from .conftest import SIZES
from .test_journey import fits, start
from .test_looks import picture

ROWS = "table.mine tbody tr"


@pytest.mark.parametrize("size", SIZES)
def test_started_before_the_files_have_arrived(visit, discs, plain, size):
    page = visit(size)
    page.set_input_files("#files", [str(discs), str(plain)])
    start(page)
    page.wait_for_url("**/results/")
    page.locator("table.mine .state.done").nth(1).wait_for()
    picture(page, f"results-started-{size}")
    assert fits(page)
    assert page.get_by_role("button", name="Download, ZIP").is_disabled()
    page.get_by_label("Tick all on this page").check()
    assert page.locator("[data-every]").inner_text().strip() == "2 ticked"
    picture(page, f"results-ticked-{size}")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download, ZIP").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert archive.testzip() is None
        folders = {name.split("/")[0] for name in archive.namelist()}
        assert {folder[4:] for folder in folders} == {"plain", "discs & rings"}
    if size == "desktop":
        page.get_by_role("link", name="Name").click()
        page.wait_for_url("**sort=name**")
        assert "discs" in page.locator(ROWS).first.inner_text()
    page.fill("[name=q]", "plain")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**q=plain**")
    assert page.locator(ROWS).count() == 1
    page.locator("[name=job]").check()
    page.get_by_role("button", name="Delete").click()
    assert "Delete this result?" in page.locator("h1").inner_text()
    assert fits(page)
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("1 result is deleted.").wait_for()
    page.get_by_role("link", name="Show all", exact=True).click()
    assert "discs" in page.locator(ROWS).inner_text()
