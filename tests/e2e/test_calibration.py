"""The scale: a suggestion accepted, a line drawn, and the revisions that come of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from segmentation.core.micrograph.calibration.sources import Source

from . import specimen
from .conftest import REPOSITORY, first_page, open_scale, open_tab
from .test_journey import choose, fits, result

SAMPLE = REPOSITORY / "tests" / "data" / "sem-sample.png"  # 5 nm/px; its bar of 500 nm is 100 px long
PART = (384, 320, 1024, 768)  # of the sample, with its bar
BAR = (516.5, 428, 616.5)  # left, y and right of that bar in px of the part
COLUMNS, ROWS = 1280, 960
READY = ".ruler-stage.ready"
LEFT, RIGHT, Y = 300, 700, 930
ABOVE = 60  # px from a bar to a line that is drawn: on the bar lies the line that was found


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> Path:
    """An image of which the page only ever sees a small preview: 1280 px wide, its scale bar 400 px long."""
    pixels = np.full((ROWS, COLUMNS), 40, np.uint8)
    pixels[:900] = np.tile(specimen.scene(3), (2, 2))[:900]
    pixels[Y - 6 : Y + 6, LEFT:RIGHT] = 255
    path = tmp_path_factory.mktemp("images") / "large.png"
    Image.fromarray(pixels).save(path)
    return path


def point(page, x, y, columns, rows):
    """Where a pixel of the upload lies on the screen while the whole image is shown."""
    box = page.locator(".ruler-stage").bounding_box()
    scale = min(box["width"] / columns, box["height"] / rows)
    left = box["x"] + (box["width"] - columns * scale) / 2
    top = box["y"] + (box["height"] - rows * scale) / 2
    return left + x * scale, top + y * scale


def draw(page, start, end, columns, rows):
    page.locator(READY).wait_for()
    page.locator("dialog.ruler").get_by_role("button", name="Fit", exact=True).click()
    page.mouse.move(*point(page, *start, columns, rows))
    page.mouse.down()
    page.mouse.move(*point(page, (start[0] + end[0]) / 2, start[1] + 40, columns, rows))
    page.mouse.move(*point(page, *end, columns, rows), steps=4)
    page.mouse.up()


def pixel_size(text: str) -> float:
    return float(re.search(r"([\d.]+) nm/px", text)[1])


def test_what_is_read_counts_and_a_line_drawn_later_makes_a_revision(visit, tmp_path):
    page = visit()
    with Image.open(SAMPLE) as sample:
        sample.crop(PART).save(tmp_path / "part.png")
    choose(page, tmp_path / "part.png")
    first = result(page)
    expect(page.locator(".head")).to_contain_text(Source.READ.words, use_inner_text=True)
    assert pixel_size(page.locator(".head").inner_text()) == pytest.approx(5, rel=0.02)
    expect(page.locator(".revisions")).to_have_count(0)

    open_scale(page)
    crop = page.locator(".read-shot img")
    assert crop.evaluate("image => image.decode().then(() => image.naturalWidth)") > 20
    page.get_by_role("button", name="Draw on the scale bar").click()
    page.locator(READY).wait_for()
    expect(page.locator("#ruler-length")).to_have_value("500 nm")
    assert pixel_size(page.locator("#ruler-readout").inner_text()) == pytest.approx(5, rel=0.02)
    draw(page, (BAR[0], BAR[1] - ABOVE), (BAR[2], BAR[1] - ABOVE), 640, 448)
    page.locator("#ruler-length").fill("1 µm")
    assert pixel_size(page.locator("#ruler-readout").inner_text()) == pytest.approx(10, rel=0.03)
    page.get_by_role("button", name="Use this scale").click()
    page.wait_for_url(lambda address: address.split("#")[0] != first and "/width/" not in address)
    result(page)
    expect(page.locator(".head")).to_contain_text(Source.DRAWN.words, use_inner_text=True)
    open_tab(page, "Details")
    lines = page.locator(".revisions li").all_inner_texts()
    assert len(lines) == 2
    assert Source.READ.words in lines[0]
    assert "newest" in lines[1] and Source.DRAWN.words in lines[1]
    expect(page.locator("main")).not_to_contain_text("the scale is not known", ignore_case=True, use_inner_text=True)

    page.get_by_role("link", name="Version 1").click()
    page.wait_for_url(first)
    expect(page.locator("main")).to_contain_text("version 1 of 2", use_inner_text=True)


@pytest.fixture(scope="module")
def large_result(site, chromium, large) -> tuple[str, list]:
    """The address of a result of `large`, and the cookies of its maker."""
    with first_page(chromium, site) as page:
        choose(page, large)
        page.locator(".result-page").wait_for()
        return page.url, page.context.cookies()


def test_a_line_counts_in_pixels_of_the_upload(visit, large_result):
    page = visit("phone")
    page.context.add_cookies(large_result[1])
    page.goto(f"{large_result[0]}#scale")
    page.get_by_role("button", name="Draw on the scale bar").click()
    draw(page, (LEFT, Y - 2 * ABOVE), (RIGHT, Y - 2 * ABOVE), COLUMNS, ROWS)
    page.locator("#ruler-length").fill("0.8 um")
    readout = page.locator("#ruler-readout").inner_text()
    assert float(readout.split(" px")[0]) == pytest.approx(RIGHT - LEFT, abs=12)
    page.get_by_role("button", name="Line", exact=True).click()
    assert page.locator("#ruler-readout").inner_text() == readout
    assert pixel_size(readout) == pytest.approx(2, rel=0.03)
    assert fits(page)


def test_the_line_is_drawn_by_keyboard_or_given_up(visit, tmp_path):
    page = visit()
    Image.fromarray(specimen.scene(3)).save(tmp_path / "without.png")
    choose(page, tmp_path / "without.png")
    result(page)
    page.get_by_role("button", name="Draw on the scale bar").click()
    page.keyboard.press("Escape")
    page.locator("dialog.ruler").wait_for(state="detached")

    page.get_by_role("button", name="Draw on the scale bar").press("Enter")
    end = page.get_by_role("button", name="First end of the line")
    page.locator(READY).wait_for()
    page.get_by_role("button", name="Use this scale").press("Enter")
    expect(page.locator("#ruler-readout")).to_contain_text("Draw a line", use_inner_text=True)

    end.press("Shift+ArrowLeft")
    end.press("ArrowLeft")
    before = place_of(end)
    end.press("ArrowRight")
    assert place_of(end) == (pytest.approx(before[0] + 1), before[1])
    other = page.get_by_role("button", name="Second end of the line")
    across = place_of(other)[0] - place_of(end)[0]
    assert page.locator("#ruler-readout").inner_text().startswith(f"{across:.1f} px")

    page.get_by_label("Keep it level").check()
    other.press("Shift+ArrowDown")
    assert place_of(end)[1] == place_of(other)[1]
    length = page.locator("#ruler-length")
    length.fill("1,000")
    length.press("Enter")
    expect(page.locator("#ruler-readout")).to_contain_text("comma or point", use_inner_text=True)
    length.fill(f"{across:.0f} nm")
    length.press("Enter")
    page.locator("dialog.ruler").wait_for(state="detached")
    expect(page.locator(".head")).to_contain_text(Source.DRAWN.words, use_inner_text=True)
    assert pixel_size(page.locator(".head").inner_text()) == pytest.approx(1, rel=0.01)


def test_a_bar_without_a_length_is_asked_about(visit, large_result):
    page = visit()
    page.context.add_cookies(large_result[1])
    page.goto(large_result[0])
    expect(page.locator(".head")).to_contain_text("How long is it?", use_inner_text=True)
    page.locator("#asked_length").fill("0.8 µm")
    page.locator("#scale-question button").click()
    result(page)
    assert pixel_size(page.locator(".head").inner_text()) == pytest.approx(2, rel=0.01)
    expect(page.locator(".suggested")).to_have_count(0)


def place_of(end) -> tuple[float, float]:
    match = re.search(r"([\d.]+) px from the left, ([\d.]+) px from the top", end.get_attribute("aria-label"))
    return float(match[1]), float(match[2])
