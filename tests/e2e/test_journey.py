"""From a dropped file to figure and size file, as a person does it; on a phone: test_looks."""

from __future__ import annotations

import csv
import io
import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Error, expect

from segmentation.core.micrograph.calibration.sources import Source

from .conftest import COUNT, PATIENCE, SIZES, open_tab
from .specimen import COLUMNS, DISCS, NM_PER_PIXEL, RADIUS, ROWS

DIAMETER = 2 * RADIUS * NM_PER_PIXEL
FIGURE = "figure.paper:not(.scroll-x) img"


# The bytes travel as text: a list of numbers took the browser half a minute.
DROP = """(box, [name, base64]) => {
    const dataTransfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    dataTransfer.items.add(new File([bytes], name, { lastModified: 0 }));
    for (const type of ["dragenter", "dragover", "drop"])
        box.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
}"""


def drop(box, path):
    """Let a file go over a part of the page."""
    box.evaluate(DROP, [path.name, b64encode(path.read_bytes()).decode()])


def start(page):
    """Press the button of a browser without scripts."""
    page.locator(".primary[data-go]").click()


def choose(page, *paths):
    """Choose files; the analysis starts by itself, at an address of its own."""
    page.set_input_files("#files", [str(path) for path in paths])
    page.wait_for_url(re.compile("/(jobs|samples)/"))


def result(page):
    """Wait for the figure and return the job's address."""
    page.locator(f"{FIGURE}, .sentence.failed").wait_for(state="attached")
    expect(page.locator(FIGURE)).to_have_count(1)
    return page.url


def decoded(page) -> int:
    """The width of the figure, which is written when somebody looks at it."""
    open_tab(page, "Files")
    expect(page.locator(FIGURE)).to_have_attribute("src", re.compile("/files/"), timeout=PATIENCE)
    return page.locator(FIGURE).evaluate("image => image.decode().then(() => image.naturalWidth)")


def downloaded(page, link) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.get_by_role("link", name=link, exact=True).first.click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@contextmanager
def narrow(page) -> Iterator[None]:
    """The same page in a window as wide as a phone."""
    page.set_viewport_size(dict(zip(("width", "height"), SIZES["phone"], strict=True)))
    yield
    page.set_viewport_size(dict(zip(("width", "height"), SIZES["desktop"], strict=True)))


def fits_both(page) -> bool:
    """Whether the page fits at the width of a desktop and of a phone."""
    with narrow(page):
        phone = fits(page)
    return phone and fits(page)


def jobs_of(page) -> int:
    page.goto("/results/")
    earlier = re.findall(r"(\d+) earlier version", page.locator("main").inner_text())
    return page.locator(".entry").count() + sum(map(int, earlier))


def test_one_drag_also_done_twice_makes_one_job_that_back_and_reload_do_not_repeat(visit, discs):
    page = visit()
    drop(page.locator("body"), discs)
    drop(page.locator("body"), discs)
    expect(page.locator("#problems")).to_have_text("This picture is being analysed already.", use_inner_text=True)
    page.wait_for_url("**/jobs/*/")
    picture = page.locator("#shown canvas")
    expect(picture).to_have_js_property("width", COLUMNS)  # the browser's own, of a TIFF
    expect(page.locator(".growing path").first).to_be_attached(timeout=PATIENCE)
    assert fits(page)
    address = result(page)
    page.reload()
    assert result(page) == address
    page.go_back()
    page.locator(".dropzone").wait_for()
    page.go_forward()
    assert result(page) == address
    assert 800 < decoded(page) <= 1200
    assert fits(page)
    expect(page.locator(".head")).to_contain_text(f"{COLUMNS} × {ROWS} px", use_inner_text=True)
    expect(page.locator(".head")).to_contain_text(f"10 nm/px ({Source.METADATA.words})", use_inner_text=True)
    count = int(page.locator(COUNT).inner_text())
    assert DISCS * 0.6 <= count <= DISCS * 1.4

    name, figure = downloaded(page, "Figure, PNG")
    assert name == "discs & rings_figure.png"
    with Image.open(io.BytesIO(figure)) as image:
        assert image.width > 1500
        assert image.info["dpi"] == pytest.approx((360, 360), abs=1)

    name, table = downloaded(page, "Particles, CSV")
    assert name == "discs & rings_particles.csv"
    rows = sizes(table)
    assert sum(row["kept"].lower() in ("true", "1", "yes") for row in rows) == count
    middle = sorted(float(row["min_feret_nm"]) for row in rows)[len(rows) // 2]
    assert middle == pytest.approx(DIAMETER, rel=0.15)
    assert jobs_of(page) == 1


def sizes(table: bytes) -> list[dict[str, str]]:
    text = table.decode("utf-8-sig")
    assert text.startswith("#")
    return list(csv.DictReader(line for line in io.StringIO(text) if not line.startswith("#")))


def test_every_particle_can_be_looked_at(open_copy):
    page = open_copy()
    result(page)
    open_tab(page, "Particles")
    rows = page.locator(".particles tbody tr")
    rows.first.wait_for()
    total = int(re.search(r"of (\d+)", page.locator("[data-shown]").inner_text())[1])
    expect(rows).to_have_count(total)

    page.get_by_role("button", name="Min. Feret").click()
    column = [float(text) for text in page.locator(".particles tbody tr td:nth-child(2)").all_inner_texts()]
    assert column == sorted(column)
    expect(page.locator(".particles th", has_text="Min. Feret")).to_have_attribute("aria-sort", "ascending")

    number = middle_particle(page)
    page.get_by_role("button", name=f"Show {number} in the picture", exact=True).click()
    expect(page.locator("[data-readout]")).to_contain_text(f"Particle {number}: minimum Feret")
    expect(page.locator("tr[aria-selected=true]")).to_have_attribute("data-id", number)

    canvas = page.locator("#viewer canvas")
    canvas.press("Escape")
    expect(page.locator("tr[aria-selected=true]")).to_have_count(0)
    canvas.click()
    expect(page.locator("tr[aria-selected=true]")).to_have_attribute("data-id", number)

    before = page.locator("#viewer canvas").screenshot()
    page.locator("#viewer [data-display] summary").click()
    page.get_by_label("Colours", exact=True).check()
    page.locator("#viewer canvas").press("0")
    assert page.locator("#viewer canvas").screenshot() != before


def middle_particle(page) -> str:
    """The number of the particle nearest to the middle of the image, which the viewer can centre."""
    data = page.request.get(page.locator("#viewer").get_attribute("data-outlines")).json()

    def distance(particle) -> float:
        xs, ys = particle["outline"][::2], particle["outline"][1::2]
        return abs(sum(xs) / len(xs) - COLUMNS / 2) + abs(sum(ys) / len(ys) - ROWS / 2)

    return str(min(data["particles"], key=distance)["id"])


def test_without_javascript_a_double_click_makes_one_job(visit, plain):
    page = visit(java_script_enabled=False)
    page.set_input_files("#files", str(plain))
    page.locator(".primary[data-go]").dblclick()
    result(page)
    expect(page.locator("main")).to_contain_text("How wide is this picture?", use_inner_text=True)
    expect(page.locator(".sentence")).not_to_contain_text(" nm", use_inner_text=True)
    expect(page.locator("#budget, #how").last).to_be_visible()  # what a script puts into a drawer stands open
    assert page.locator("noscript").last.inner_text()
    assert jobs_of(page) == 1


def test_the_place_to_drop_is_in_view(visit):
    page = visit()
    for width, height in ((1280, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        box = page.locator(".dropzone").bounding_box()
        assert box["y"] + box["height"] <= height


def test_a_wrong_width_keeps_the_picture_which_goes_on_once_it_is_right(visit, plain):
    page = visit()
    page.fill("#id_width", "wide")
    page.set_input_files("#files", str(plain))
    expect(page.locator("#problems")).to_have_text("Please correct the marked fields.", use_inner_text=True)
    expect(page.locator("#id_width")).to_be_focused()
    expect(page.locator("#shown canvas")).to_be_visible()
    visit.complaints[:] = [text for text in visit.complaints if "status of 400" not in text]
    page.fill("#id_width", "6.4 µm")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*/")
    result(page)
    expect(page.locator(".head")).to_contain_text("10 nm/px (typed in)", use_inner_text=True)


def test_settings_change_the_analysis_at_the_same_address(visit, discs):
    page = visit()
    held = []  # what is heard of the analysis, which may be over before the settings are typed
    status = re.compile("/jobs/[^/]+/status/")
    page.route(status, lambda route: held.append(route))
    choose(page, discs)
    address = page.url
    page.locator("summary", has_text="Options").click()
    with page.expect_response("**/settings/"):
        page.fill("[name=threshold]", "7")
        page.keyboard.press("Enter")
    expect(page.locator("[name=threshold]")).to_have_attribute("aria-invalid", "true")
    visit.complaints[:] = [text for text in visit.complaints if "status of 400" not in text]
    page.fill("[name=threshold]", "0.4")
    page.keyboard.press("Enter")
    expect(page.locator("[aria-invalid]")).to_have_count(0)
    page.unroute(status)
    for route in held:
        with suppress(Error):  # the page asks no more
            route.continue_()
    assert result(page) == address
    open_tab(page, "Details")
    expect(page.locator("main")).to_contain_text("0.4")
    assert jobs_of(page) == 1


def test_what_breaks_on_the_way_is_said_and_sent_again(visit, plain):
    page = visit()
    page.route("**/", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    page.set_input_files("#files", str(plain))
    expect(page.locator("#problems")).to_contain_text("The connection broke on the way.")
    visit.complaints[:] = [text for text in visit.complaints if "ERR_FAILED" not in text]
    page.unroute("**/")
    page.get_by_role("button", name="Send it again").click()
    page.wait_for_url("**/jobs/*/")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status")).to_contain_text("Cancelled")
    page.get_by_role("button", name="Try again").click()
    result(page)
    assert jobs_of(page) == 1


def test_an_upload_that_is_cancelled_leaves_nothing(visit, plain):
    page = visit()
    page.route("**/", lambda route: None if route.request.method == "POST" else route.continue_())
    page.set_input_files("#files", str(plain))
    page.get_by_role("button", name="Cancel the upload").click()
    expect(page.locator("#problems")).to_contain_text("The upload was cancelled, and nothing of it is kept.")
    page.locator(".dropzone").wait_for()
    page.unroute_all()
    assert jobs_of(page) == 0


def test_a_wrong_file_is_explained(visit, tmp_path):
    wrong = tmp_path / "notes <b>.tif"
    wrong.write_text("no image at all")
    page = visit()
    drop(page.locator("body"), wrong)
    message = page.locator("#problems li").inner_text()
    assert message.startswith("notes <b>.tif: ") and message.endswith(".")
    page.locator(".dropzone").wait_for()
    visit.complaints[:] = [text for text in visit.complaints if "status of 400" not in text]


def test_a_wrong_file_among_several_holds_up_none(visit, discs, plain, tmp_path):
    wrong = tmp_path / "notes.tif"
    wrong.write_text("no image at all")
    page = visit()
    page.set_input_files("#files", [str(wrong), str(discs), str(plain)])
    expect(page.locator(".places li")).to_have_count(3)
    page.get_by_role("link", name="Go on with the stored file").click()
    expect(page.locator(".images .name")).to_have_text([discs.name, plain.name])
    visit.complaints[:] = [text for text in visit.complaints if "status of 400" not in text]
