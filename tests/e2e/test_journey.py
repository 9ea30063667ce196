"""From a dropped file to figure and size file, as a person does it; on a phone: test_looks."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from segmentation.core.micrograph.crosscheck import Source

from .conftest import COUNT, PATIENCE, SIZES, open_scale, open_tab
from .specimen import COLUMNS, DISCS, NM_PER_PIXEL, RADIUS, ROWS, barred

DIAMETER = 2 * RADIUS * NM_PER_PIXEL
ARRIVED = "[data-upload]"
FIGURE = "figure.paper:not(.scroll-x) img"


# The bytes travel as text: a list of numbers took the browser half a minute.
DROP = """(box, [name, base64]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name));
    for (const type of ["dragenter", "dragover", "drop"])
        box.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
}"""


def drop(box, path):
    """Let a file go over a part of the page."""
    box.evaluate(DROP, [path.name, b64encode(path.read_bytes()).decode()])


def start(page):
    page.locator(".primary[data-go]").click()


def choose(page, *paths):
    page.set_input_files("#files", [str(path) for path in paths])
    page.locator(ARRIVED).nth(len(paths) - 1).wait_for()
    unread = page.locator("#width_badge, [data-badge]").filter(has_text="still being read")
    expect(unread).to_have_count(0, timeout=PATIENCE)


def result(page):
    """Wait for the figure and return the job's address."""
    page.locator(f"{FIGURE}, .panel.failed").wait_for(state="attached")
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


def test_one_drag_and_one_click(visit, discs):
    page = visit()
    choose(page, discs)
    expect(page.locator("#id_width")).to_have_value(f"{COLUMNS * NM_PER_PIXEL:g}")
    badge = page.locator("#width_badge").inner_text()
    assert badge.startswith("from the file")
    assert badge.endswith("10 nm/px")
    preview = page.locator(f"{ARRIVED} img")
    assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    assert fits(page)

    start(page)
    result(page)
    assert 800 < decoded(page) <= 1200
    assert fits(page)
    expect(page.locator(".head")).to_contain_text(f"{COLUMNS} × {ROWS} px", use_inner_text=True)
    expect(page.locator(".sentence")).to_contain_text(f"10 nm/px ({Source.METADATA.words})", use_inner_text=True)
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

    number = middle_particle(page)
    page.get_by_role("button", name=f"Show particle {number}", exact=True).click()
    expect(page.locator("[data-readout]")).to_contain_text(f"Particle {number}: minimum Feret")
    expect(page.locator("tr[aria-selected=true]")).to_have_attribute("data-id", number)

    canvas = page.locator("#viewer canvas")
    canvas.press("Escape")
    expect(page.locator("tr[aria-selected=true]")).to_have_count(0)
    canvas.click()
    expect(page.locator("tr[aria-selected=true]")).to_have_attribute("data-id", number)

    before = page.locator("#viewer canvas").screenshot()
    page.locator("#viewer .display summary").last.click()
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


def test_another_width_scales_every_size(visit, plain):
    page = visit()
    choose(page, plain)
    expect(page.locator("#width_badge")).to_contain_text("not set")
    page.fill("#id_width", "6.4 µm")
    expect(page.locator("#width_badge")).to_have_text("typed: 10 nm/px", use_inner_text=True)
    start(page)
    first = result(page)
    count, median = numbers(page)
    open_scale(page)
    page.fill("#new_width", "12800")
    page.get_by_role("button", name="Measure again").click()
    page.wait_for_url(lambda address: address.split("#")[0] != first and "/width/" not in address)
    result(page)
    assert numbers(page) == (count, pytest.approx(2 * median, rel=0.01))
    expect(page.locator("main")).to_contain_text("with the outlines of the earlier result")


def numbers(page) -> tuple[int, float]:
    median = page.locator(".sentence > details > summary", has=page.locator("[data-number=median]")).inner_text()
    factor = 1000 if "µm" in median else 1
    return int(page.locator(COUNT).inner_text()), factor * float(median.split()[0])


def test_without_javascript_a_double_click_makes_one_job(visit, plain):
    page = visit(java_script_enabled=False)
    page.set_input_files("#files", str(plain))
    page.locator(".primary[data-go]").dblclick()
    result(page)
    expect(page.locator("main")).to_contain_text("The scale is not known", use_inner_text=True)
    expect(page.locator(".sentence")).not_to_contain_text(" nm", use_inner_text=True)
    expect(page.locator("#budget, #how").last).to_be_visible()  # what a script puts into a drawer stands open
    assert page.locator("noscript").last.inner_text()
    assert jobs_of(page) == 1


def test_a_double_click_makes_one_job_that_back_and_reload_do_not_repeat(visit, discs):
    page = visit()
    choose(page, discs)
    page.locator(".primary[data-go]").dblclick()
    address = result(page)
    page.reload()
    assert result(page) == address
    page.go_back()
    page.reload()
    page.go_forward()
    assert result(page) == address
    assert jobs_of(page) == 1


def test_the_button_need_not_wait_until_an_image_has_been_read(visit, discs):
    page = visit()
    page.set_input_files("#files", str(discs))
    page.locator("[data-pending], [data-upload]").first.wait_for()
    start(page)
    result(page)
    expect(page.locator(".sentence")).to_contain_text(f"10 nm/px ({Source.METADATA.words})", use_inner_text=True)
    assert jobs_of(page) == 1


def archived(folder, *paths):
    made = folder / "batch.zip"
    with zipfile.ZipFile(made, "w") as archive:
        for path in paths:
            archive.write(path, path.name)
        archive.writestr("notes.doc", b"words")
    return made


def test_an_archive_becomes_its_images(visit, discs, plain, tmp_path):
    page = visit()
    page.set_input_files("#files", str(archived(tmp_path, discs, plain)))
    page.locator(ARRIVED).nth(1).wait_for()
    page.locator(".card.error").wait_for()
    expect(page.locator("[data-pending]")).to_have_count(0)
    expect(page.locator(".card h2")).to_have_text([discs.name, plain.name])
    expect(page.locator("#one_sample")).to_be_checked()
    expect(page.locator("#main-width")).to_be_hidden()


def test_an_archive_without_javascript_makes_single_results(visit, discs, plain, tmp_path):
    page = visit(java_script_enabled=False)
    page.set_input_files("#files", str(archived(tmp_path, discs, plain)))
    start(page)
    page.wait_for_url("**/results/")
    for _ in range(60):  # a list does not reload by itself where no script runs
        if page.locator(".entry b").count() == 2:
            break
        page.wait_for_timeout(2000)
        page.reload()
    expect(page.locator(".entry b")).to_have_count(2)
    expect(page.locator(".notice")).to_contain_text("notes.doc: ", use_inner_text=True)


def test_one_width_for_several_files_or_each_its_own(visit, discs, plain):
    page = visit()
    choose(page, discs, plain)
    badges = page.locator("[data-badge]").all_inner_texts()
    assert sorted(badge.split(" ")[0] for badge in badges) == ["from", "not"]
    page.fill("#id_width", "7520")
    badges = page.locator("[data-badge]").all_inner_texts()
    assert len(badges) == 2 and all(badge.startswith("typed: ") for badge in badges)
    expect(page.locator(".own-width:visible")).to_have_count(0)
    page.fill("#id_width", "")
    expect(page.locator(".own-width:visible")).to_have_count(2)


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
def test_the_button_is_in_view(visit, size):
    page = visit()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    box = page.locator(".primary[data-go]").bounding_box()
    assert box["y"] + box["height"] <= size[1]


def test_the_error_of_a_width_goes_with_its_reason(visit, plain):
    page = visit()
    choose(page, plain)
    page.fill("#id_width", "wide")
    start(page)
    expect(page.locator("#id_width")).to_have_attribute("aria-invalid", "true")
    assert page.url.endswith("/")
    page.fill("#id_width", "6.4 µm")
    expect(page.locator("[aria-invalid]")).to_have_count(0)


def test_what_the_server_refuses_is_marked_and_the_image_stays(visit, discs):
    page = visit()
    choose(page, discs)
    page.fill("#id_width", f"{2 * COLUMNS * NM_PER_PIXEL:g}")
    page.evaluate("document.querySelector('[name=threshold]').value = '7'")
    start(page)
    expect(page.locator("#problems")).to_have_text("Please correct the marked fields.", use_inner_text=True)
    expect(page.locator("[name=threshold]")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[name=threshold]")).to_be_focused()
    page.fill("[name=threshold]", "")
    expect(page.locator("#problems")).to_be_hidden()
    start(page)
    expect(page.locator("#problems")).to_have_text("Please say which scale is right.", use_inner_text=True)
    question = page.locator(f"{ARRIVED} [data-sure]")
    expect(question).to_contain_text("The file says that the image is", use_inner_text=True)
    visit.complaints[:] = [text for text in visit.complaints if "status of 400" not in text]
    question.locator("input").check()
    start(page)
    result(page)
    expect(page.locator(".sentence")).to_contain_text("20 nm/px (typed by the user)", use_inner_text=True)
    assert jobs_of(page) == 1


def test_a_width_typed_before_the_bar_is_read_is_asked_about_too(visit, tmp_path):
    page = visit()
    page.evaluate("performance.now = () => 0")  # the five seconds for which it waits never end on a busy machine
    page.set_input_files("#files", str(barred(tmp_path / "barred.png")))
    page.locator("[data-pending], [data-upload]").first.wait_for()
    page.fill("#id_width", "15040")
    start(page)
    why = page.locator("#why")
    expect(why).to_have_text("Comparing your width with the image’s scale bar …", use_inner_text=True)
    expect(page.locator("#at-once")).to_be_visible()
    question = page.locator(f"{ARRIVED} [data-sure]")
    says = "The bar in the image says that the image is 7520 nm wide. You typed 15040 nm."
    expect(question).to_contain_text(says, use_inner_text=True, timeout=PATIENCE)
    expect(page.locator("#at-once")).to_be_hidden()
    visit.complaints[:] = [text for text in visit.complaints if "status of 400" not in text]
    question.locator("input").check()
    start(page)
    result(page)
    expect(page.locator(".sentence")).to_contain_text("14.69 nm/px (typed by the user)", use_inner_text=True)
    expect(page.get_by_text("Do not use: scale wrong by a factor of 2").first).to_be_visible()


def test_a_dropped_file_arrives(visit, plain):
    page = visit()
    drop(page.locator("body"), plain)
    page.locator(ARRIVED).wait_for()
    expect(page.locator(".card h2")).to_have_text(plain.name, use_inner_text=True)
    page.get_by_role("button", name=f"Remove {plain.name}").click()
    expect(page.locator(".card")).to_have_count(0)
    expect(page.locator("#id_width")).to_have_value("")


def test_a_wrong_file_is_explained_and_the_good_one_goes_on(visit, plain, tmp_path):
    wrong = tmp_path / "notes <b>.tif"
    wrong.write_text("no image at all")
    page = visit()
    page.set_input_files("#files", [str(wrong), str(plain)])
    page.locator(ARRIVED).wait_for()
    message = page.locator(".card.error").inner_text()
    assert message.startswith("notes <b>.tif: ")
    assert message.split("\n")[0].rstrip().endswith(".")
    visit.complaints[:] = [text for text in visit.complaints if "status of 400" not in text]
    start(page)
    page.wait_for_url("**/jobs/*/")


def test_pressing_the_button_too_early_is_explained(visit):
    page = visit()
    start(page)
    expect(page.locator("#why")).to_contain_text("at least one image", use_inner_text=True)
    assert page.url.endswith("/")


def test_the_page_of_another_browser_is_read_only(open_copy, visit):
    page = open_copy()
    expect(page.get_by_text("Delete this result")).to_have_count(1)
    other = visit()
    other.goto(page.url)
    result(other)
    expect(other.get_by_text("Delete this result")).to_have_count(0)
    assert jobs_of(other) == 0
