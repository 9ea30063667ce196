"""A ZIP becomes a sample: dropped, watched, pooled, an image left out; its notes, and the editor."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from segmentation.presenters.sample import EXCLUDED

from . import specimen
from .conftest import PATIENCE, first_page
from .test_editor import Hand, discs_of
from .test_journey import choose, drop, fits_both
from .test_looks import picture


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes, one of them twice, and what operating systems and people add."""
    folder = tmp_path_factory.mktemp("batch")
    with zipfile.ZipFile(folder / "Powder 7.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for seed in (1, 2, 3):
            Image.fromarray(specimen.scene(seed)).save(folder / f"{seed}.png")
            archive.write(folder / f"{seed}.png", f"powder/{seed}.png")
        archive.write(folder / "1.png", "powder/copy of 1.png")
        archive.writestr("__MACOSX/powder/._1.png", b"junk")
        archive.writestr("powder/notes.pdf", b"%PDF-1.4")
    return folder / "Powder 7.zip"


def test_a_zip_is_one_sample(visit, batch):
    page = visit()
    page.fill("#id_width", str(specimen.COLUMNS * specimen.NM_PER_PIXEL))
    drop(page.locator(".dropzone"), batch)
    page.wait_for_url("**/samples/*/")
    assert fits_both(page)
    picture(page, "sample-waiting")
    page.locator("#pooled").wait_for()
    expect(page.locator("h1")).to_contain_text("Powder 7", use_inner_text=True)
    expect(page.locator(".head")).to_contain_text("3 images", use_inner_text=True)
    everything = int(page.locator(".sentence [data-number=n_kept]").inner_text())
    expect(page.locator(".images svg.bars path")).to_have_count(3)
    page.wait_for_load_state()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "2.png"
    remarks = page.locator("#left").inner_text()
    assert "same file as" in remarks and "__MACOSX" in remarks and "PDF" in remarks
    assert fits_both(page)
    picture(page, "sample")

    assert is_no_picture_covered(page)
    page.get_by_label("Count 2.png").uncheck()
    count_in_place(page, "Count 2 of 3 images")
    expect(page.locator(".head")).to_contain_text("2 of 3 images counted")
    assert 0 < int(page.locator(".sentence [data-number=n_kept]").inner_text()) < everything
    expect(page.locator(".images .out")).to_contain_text(EXCLUDED, use_inner_text=True)
    page.get_by_label("Count 2.png").check()
    count_in_place(page, "Count 3 of 3 images")
    expect(page.locator(".head")).to_contain_text("3 images", use_inner_text=True)
    expect(page.locator(".sentence [data-number=n_kept]")).to_have_text(str(everything))
    expect(page.locator("#histogram svg.chart")).to_have_attribute(
        "aria-label", re.compile(f" of {everything} particles")
    )
    expect(page.get_by_role("button", name="Copy figure")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Report", exact=True).click()
    assert waiting.value.suggested_filename == "Powder 7_report.pdf"
    assert Path(waiting.value.path()).read_bytes().startswith(b"%PDF")


def count_in_place(page, press):
    """Presses the button that counts the ticked images: the page stays that page, at that place, with the sentence in
    sight, whose old numbers are grey until the new ones are there."""
    tick = page.get_by_label("Count 2.png")
    before, address = tick.bounding_box(), page.url
    page.evaluate("window.stays = true")
    page.get_by_role("button", name=press).click()
    expect(page.locator(".answer")).to_have_attribute("aria-busy", "true")
    expect(page.locator(".sentence")).to_be_in_viewport(ratio=1)
    expect(page.locator(".answer:not([aria-busy])")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".sentence")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name=press)).to_be_hidden()
    after = tick.bounding_box()
    assert page.evaluate("window.stays") and page.url == address and abs(after["y"] - before["y"]) < 2


def is_no_picture_covered(page):
    """Whether nothing that stays in sight lies over a picture, wherever the page is scrolled to."""
    covered = """() => {
        const boxes = (names) => [...document.querySelectorAll(names)].map((each) => each.getBoundingClientRect());
        return boxes(".images .shot").some((one) => boxes(".answer, #counting").some(
            (other) => one.left < other.right && other.left < one.right
                && one.top < other.bottom && other.top < one.bottom));
    }"""
    seen = []
    for place in (0, 100, 300, 600):
        page.evaluate(f"scrollTo(0, {place})")
        seen.append(page.evaluate(covered))
    page.evaluate("scrollTo(0, 100)")
    return not any(seen)


def test_on_a_phone_the_sentence_stays_above_the_images(look):
    page = look("phone")
    last = page.locator(".images [data-place]").last
    place = last.evaluate("image => { image.scrollIntoView({ block: 'center' }); return scrollY; }")
    expect(page.locator(".sentence")).to_be_in_viewport(ratio=1)
    assert place > 0
    over = "() => document.elementFromPoint(100, 40).closest('.answer') === null"
    page.evaluate("document.getElementById('more').scrollIntoView()")
    assert page.evaluate(over), "the sentence ends where the images end"


@pytest.fixture(scope="module")
def mixed(site, chromium, tmp_path_factory) -> tuple[str, list]:
    """The address of a sample of one image with a scale and two without, and the cookies of its maker."""
    folder = tmp_path_factory.mktemp("mixed")
    images = [specimen.calibrated(folder / "1.tif"), specimen.uncalibrated(folder / "2.png"), folder / "3.png"]
    Image.fromarray(specimen.scene(3)).save(images[2])
    with first_page(chromium, site) as page:
        choose(page, *images)
        page.locator("#pooled").wait_for()
        return page.url, page.context.cookies()


@pytest.fixture
def look(visit, mixed):
    def open_sample(size):
        page = visit(size)
        page.context.add_cookies(mixed[1])
        page.goto(mixed[0])
        return page

    return open_sample


def test_a_note_shows_which_images_it_means_and_why(look):
    page = look("desktop")
    note = page.locator("#pooled .notice", has_text="do not count")
    note.get_by_role("button").click()
    entries = page.locator(".images [data-place]:visible")
    expect(entries).to_have_count(2)
    expect(entries.locator(".name")).to_have_text(["2.png", "3.png"])
    assert all("It has no scale" in text for text in entries.all_inner_texts())
    expect(page.locator("#images [data-only]")).to_contain_text("Only 2 of 3 images.")
    assert page.evaluate("document.activeElement.textContent") == "2.png"
    picture(page, "sample-note")
    page.get_by_role("button", name="Show all again").click()
    expect(entries).to_have_count(3)
    entries.nth(1).get_by_role("link", name="Set its scale").click()
    expect(page.locator("#scale")).to_be_visible()


def test_the_editor_goes_from_image_to_image_and_loses_nothing(look, visit, mixed):
    page = look("phone")
    before = int(page.locator(".sentence [data-number=n_kept]").inner_text())
    page.get_by_role("link", name="1.tif").last.click()
    (_, x, y), (_, x2, y2), *others = discs_of(page)
    hand = Hand(page).open()
    expect(page.locator(".head").first).to_contain_text("1 of 3")
    hand.press("PageUp")
    expect(page.locator("[data-readout]")).to_have_text("This is the first image of the sample.")
    first = page.url
    hand.click(x, y)
    hand.press("Delete")
    hand.kept(len(others) + 1)
    hand.saved()
    hand.looks()  # on a phone what was corrected stands above the picture from now on
    page.context.set_offline(True)
    hand.click(x2, y2)
    hand.press("Delete")
    expect(page.locator("[data-saved]")).to_contain_text("1 step will follow")
    hand.press("PageDown")
    expect(page.locator("[data-readout]")).to_contain_text("when all corrections are saved")
    assert page.url == first
    page.context.set_offline(False)
    expect(page.locator("h1")).to_contain_text("2.png", timeout=PATIENCE)
    visit.complaints.clear()  # the browser complains of each request without a network
    expect(page.locator(".head")).to_contain_text("2 of 3")
    page.locator("[data-tools].ready:not([hidden])").wait_for()
    hand.press("PageDown")
    expect(page.locator("h1")).to_contain_text("3.png", timeout=PATIENCE)
    page.locator("[data-tools].ready:not([hidden])").wait_for()
    assert fits_both(page)
    picture(page, "sample-editor")
    hand.press("PageDown")
    expect(page.locator("[data-readout]")).to_have_text("This is the last image of the sample.")

    page.goto(mixed[0])
    expect(page.locator(".sentence [data-number=n_kept]")).to_have_text(str(before - 2), timeout=PATIENCE)
    expect(page.locator("#images")).to_contain_text("by hand")
    expect(page.get_by_role("button", name="measure and count them")).to_have_count(0)
