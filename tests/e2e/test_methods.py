"""A result becomes a method in a browser: saved, approved, chosen, and named by what follows it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import open_tab
from .test_datasets import PASSWORD, make_staff, sign_in
from .test_journey import fits_both, result
from .test_looks import picture

NAME = "head-of-lab"


@pytest.fixture(scope="module")
def head(site, data_folder):
    return make_staff(data_folder, NAME)


def test_a_result_is_saved_approved_and_followed(visit, open_copy, head, discs):
    page = visit()
    sign_in(page, head)
    open_copy(page=page, owner=head)
    result(page)
    open_tab(page, "Details")
    form = page.locator("#save-method")
    form.locator("summary").click()
    form.get_by_label("Name of a new method").fill("Discs")
    form.get_by_role("button", name="Save as method").click()
    page.wait_for_url("**/methods/**")
    assert fits_both(page)
    page.get_by_text("Change this draft").click()
    page.get_by_label("from the file", exact=True).check()
    page.get_by_label("typed by the user").uncheck()
    page.get_by_label("Least number of images of a sample").fill("3")
    page.get_by_role("button", name="Change the draft").click()
    expect(page.locator(".facts-list").first).to_contain_text("from the file")
    page.get_by_label(f"Password of {NAME}").fill(PASSWORD)
    page.get_by_role("button", name="Approve version 1").click()
    expect(page.locator("#state")).to_contain_text("approved")
    assert fits_both(page)
    picture(page, "method")

    page.get_by_role("link", name="Analyse by this version").click()
    expect(page.locator("#methods summary")).to_have_text("Method: Discs, version 1, approved")
    assert fits_both(page)
    page.get_by_label("Width of the image in nm").fill("640 nm")
    page.set_input_files("#files", str(discs))
    line = page.locator("#method")
    expect(line).to_contain_text("Discs, version 1, approved", timeout=60_000)
    expect(line).to_contain_text("The scale is typed by the user; the method asks for one from the file.")
    assert fits_both(page)
