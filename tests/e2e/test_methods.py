"""A result becomes a method in a browser: saved, approved, chosen, and named by what follows it. Images that follow it
grow a sample, and become the points of a chart and the results of a study."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from . import specimen
from .conftest import open_tab
from .test_datasets import PASSWORD, make_staff, sign_in
from .test_journey import fits_both, result
from .test_looks import picture

NAME = "head-of-lab"


@pytest.fixture(scope="module")
def head(site, data_folder):
    return make_staff(data_folder, NAME)


def save_method(page, open_copy, head, name):
    """Save a result of `discs` as a method, whose page is open then."""
    open_copy(page=page, owner=head)
    result(page)
    open_tab(page, "Details")
    form = page.locator("#save-method")
    form.locator("summary").click()
    form.get_by_label("Name of a new method").fill(name)
    form.get_by_role("button", name="Save as method").click()
    page.wait_for_url("**/methods/**")


def test_a_result_is_saved_approved_and_followed(visit, open_copy, head, discs):
    page = visit()
    sign_in(page, head)
    save_method(page, open_copy, head, "Discs")
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


def test_images_by_a_method_grow_a_sample_a_chart_and_a_study(visit, open_copy, head, tmp_path):
    page = visit()
    sign_in(page, head)
    save_method(page, open_copy, head, "Rings")
    method = page.url
    page.get_by_text("Change this draft").click()
    page.get_by_label("Least number of images of a sample").fill("3")
    page.get_by_role("button", name="Change the draft").click()
    page.get_by_text("New control chart").click()
    page.get_by_label("Given centre line").fill("400 nm")
    page.get_by_label("Given standard deviation").fill("1 nm")
    page.get_by_role("button", name="Make the chart").click()
    expect(page.locator("main")).to_contain_text("no point yet")

    page.goto(method)
    page.get_by_role("link", name="Analyse by this version").click()
    files = [specimen.calibrated(tmp_path / f"day {day}.tif", seed) for seed, day in enumerate((1, 1, 2), 1)]
    page.set_input_files("#files", [str(file) for file in files])
    growth = page.locator("#growth")
    expect(growth).to_contain_text("3 images", timeout=120_000)
    assert fits_both(page)
