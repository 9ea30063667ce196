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

NAME, OTHER = "head-of-lab", "quality-lead"


@pytest.fixture(scope="module")
def head(site, data_folder):
    return make_staff(data_folder, NAME)


def save_method(page, open_copy, head, name):
    """Save a result of `discs` as a method, whose page is open then."""
    page.goto("/laboratory/")
    page.get_by_label("Quality").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Quality", exact=True)).to_be_visible()
    open_copy(page=page, owner=head)
    result(page)
    open_tab(page, "Details")
    form = page.locator("#save-method")
    form.locator("summary").click()
    form.get_by_label("Name of a new method").fill(name)
    form.get_by_role("button", name="Save as method").click()
    page.wait_for_url("**/methods/**")


def test_a_result_is_saved_approved_and_followed(visit, open_copy, head, discs, data_folder):
    page = visit()
    sign_in(page, head)
    save_method(page, open_copy, head, "Discs")
    assert fits_both(page)
    page.get_by_text("Change this draft").click()
    page.get_by_label("from the file", exact=True).check()
    page.get_by_label("typed in").uncheck()
    page.get_by_label("Least number of images of a sample").fill("3")
    page.get_by_role("button", name="Change the draft").click()
    expect(page.locator(".facts-list").first).to_contain_text("from the file")
    expect(page.get_by_role("button", name="Approve version 1")).to_have_count(0)  # its author
    other = visit()
    sign_in(other, make_staff(data_folder, OTHER))
    other.goto(page.url)
    other.get_by_label(f"Password of {OTHER}").fill(PASSWORD)
    other.get_by_role("button", name="Approve version 1").click()
    expect(other.locator("#state")).to_contain_text("approved")
    page.reload()
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
    expect(line).to_contain_text("The scale is typed in; the method asks for one from the file.")
    assert fits_both(page)


def test_images_by_a_method_grow_a_sample_a_chart_and_a_study(visit, open_copy, head, tmp_path):
    page = visit()
    sign_in(page, head)
    save_method(page, open_copy, head, "Rings")
    method = page.url
    page.get_by_text("Change this draft").click()
    page.get_by_label("Least number of images of a sample").fill("4")
    page.get_by_role("button", name="Change the draft").click()
    page.get_by_text("New control chart").click()
    assert fits_both(page)
    page.get_by_label("Given centre line").fill("300 nm")
    page.get_by_label("Given standard deviation").fill("1 nm")
    page.get_by_role("button", name="Make the chart").click()
    expect(page.locator("main")).to_contain_text("No points yet.")
    chart = page.url

    page.goto(method)
    page.get_by_role("link", name="Analyse by this version").click()
    files = [specimen.calibrated(tmp_path / f"place {place}.tif", place) for place in (1, 2, 3)]
    page.set_input_files("#files", [str(file) for file in files])
    growth = page.locator("#growth")
    expect(growth).to_contain_text("3 images, 60 particles", timeout=120_000)
    expect(growth).to_contain_text("the method asks for 4 images, 1 more")
    growth.get_by_text("Close this sample").click()
    growth.get_by_label("Why it is closed before enough is measured").fill("The filament broke")
    growth.get_by_role("button", name="Close").click()
    expect(growth).to_contain_text(f"Closed by {NAME}")
    expect(growth).to_contain_text("(The filament broke). It takes no more images.")
    assert fits_both(page)
    picture(page, "growth")

    page.goto(chart)
    page.get_by_label("Count point 1 all the same").click()  # it is by a draft, and closed early
    expect(page.locator("main")).to_contain_text("The last point is out of control. Point 1")
    points = page.locator("section", has=page.get_by_role("heading", name="Points"))
    points.get_by_text("What happened").click()
    points.get_by_label("Note").fill("another grating")
    points.get_by_role("button", name="Save").click()
    expect(points).to_contain_text("another grating")
    assert fits_both(page)
    picture(page, "chart")

    page.goto(method)
    page.get_by_role("link", name="Studies").click()
    page.get_by_label("Name of the study").fill("June")
    for place, day in zip((1, 2, 3), ("Monday", "Monday", "Tuesday"), strict=True):
        row = page.locator("tr", has=page.get_by_role("link", name=f"place {place}.tif", exact=True))
        for box in row.get_by_role("checkbox").all():  # the result, and that it counts though it is by a draft
            box.check()
        row.get_by_label("Day of").fill(day)
    assert fits_both(page)
    page.get_by_role("button", name="Make the study").click()
    robustness = page.locator("section", has=page.get_by_role("heading", name="Robustness"))
    expect(robustness).to_contain_text("3 images were analysed again without corrections", timeout=180_000)
    expect(robustness.get_by_role("row", name="mirrored")).to_contain_text("%")
    with page.expect_download() as report:
        page.get_by_role("link", name="Validation report, PDF").click()
    assert report.value.suggested_filename == "Validation report Rings June.pdf"
    assert fits_both(page)
    picture(page, "study")
    page.get_by_role("button", name="Write the intermediate precision into the next version").click()
    expect(page.locator("main")).to_contain_text("study “June”")
