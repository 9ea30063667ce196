"""Outlines are corrected as a person does it: every tool, undo, review, two tabs, no network, finish."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .conftest import PATIENCE, open_tab
from .specimen import COLUMNS, DISCS, ROWS
from .test_journey import result

CANVAS = "dialog.editor canvas"


class Hand:
    """Somebody at the editor of the scene of discs, in pixels of the image."""

    def __init__(self, page):
        self.page = page

    def open(self):
        self.page.locator("[data-correct]").click()
        self.page.locator("dialog.editor.ready").wait_for()
        self.box = self.page.locator(CANVAS).bounding_box()
        return self

    def at(self, x, y):
        width, height = self.box["width"], self.box["height"]
        scale = min(width / COLUMNS, height / ROWS)
        left, top = (width - COLUMNS * scale) / 2, (height - ROWS * scale) / 2
        return self.box["x"] + left + x * scale, self.box["y"] + top + y * scale

    def click(self, x, y):
        self.page.mouse.click(*self.at(x, y))

    def drag(self, *points):
        mouse = self.page.mouse
        mouse.move(*self.at(*points[0]))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.at(*point), steps=4)
        mouse.up()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def kept(self, count):
        expect(self.page.locator("dialog [data-number=kept] b")).to_have_text(str(count))

    def saved(self):
        expect(self.page.locator("dialog .saved")).to_have_attribute("data-saved", "saved", timeout=PATIENCE)

    def chosen(self, words):
        expect(self.page.locator("dialog [data-page=object] [data-chosen]")).to_have_text(re.compile(words))

    def centre(self, number):
        """Where the table's row leads: the place of an object on the screen once it is shown."""
        return self.page.locator(f"dialog tr[data-id='{number}']")


def discs_of(page):
    """The middle of each kept disc, in pixels of the image."""
    data = page.locator("#viewer").evaluate("viewer => fetch(viewer.dataset.outlines).then(each => each.json())")
    discs = []
    for particle in data["particles"]:
        x, y = particle["outline"][::2], particle["outline"][1::2]
        if particle["kept"]:
            discs.append((particle["id"], (min(x) + max(x)) / 2, (min(y) + max(y)) / 2))
    return discs


@pytest.fixture
def opened(open_copy):
    return open_copy()


def test_every_tool_makes_one_correction_that_undo_takes_back(opened):
    page = opened
    (first, x, y), (_, x2, y2), *_ = discs_of(page)
    hand = Hand(page).open()
    hand.kept(DISCS)
    hand.click(x, y)
    hand.chosen(f"particle {first}:|Particle {first}:")
    hand.press("Delete")
    hand.kept(DISCS - 1)
    hand.press("Control+z")
    hand.kept(DISCS)
    hand.press("s")
    hand.drag((x - 30, y), (x, y), (x + 30, y))
    hand.kept(DISCS + 1)
    hand.press("Control+z")
    hand.press("s")
    hand.click(x - 10, y)
    expect(page.locator("dialog [data-said]")).to_contain_text("other part")
    hand.click(x + 10, y)
    hand.kept(DISCS + 1)
    hand.press("v")
    hand.drag((x - 25, y - 25), (x + 25, y + 25))
    hand.chosen("2 particles")
    hand.press("m")
    hand.kept(DISCS)
    hand.press("Escape", "b")
    hand.drag((x + 60, y + 45), (x + 66, y + 45))
    hand.kept(DISCS + 1)
    hand.press("e")
    hand.drag((x + 40, y + 45), (x + 90, y + 45))
    hand.kept(DISCS)
    hand.press("Escape", "d")
    hand.drag((x + 50, y + 40), (x + 70, y + 40), (x + 70, y + 60), (x + 50, y + 60), (x + 50, y + 41))
    hand.kept(DISCS + 1)
    hand.press("Escape", "l")
    hand.drag((x2 - 30, y2 - 30), (x2 + 30, y2 - 30), (x2 + 30, y2 + 30), (x2 - 30, y2 + 30))
    hand.chosen("Particle")
    page.locator("dialog [data-reason]").fill("charging")
    page.locator("dialog [data-set-aside]").click()
    hand.kept(DISCS)
    hand.chosen("charging")
    hand.press("Enter")
    hand.kept(DISCS)
    hand.press("k")
    hand.kept(DISCS + 1)
    hand.saved()
    page.reload()
    expect(page.locator("[data-correct]")).to_have_text("Continue correcting (7)")
    expect(page.locator("#table [data-shown]")).to_have_text(f"{DISCS + 1} of {DISCS + 1} rows")
    hand.open().kept(DISCS + 1)
    page.go_back()
    expect(page.locator("dialog.editor")).to_have_count(0)
    hand.open()
    for _ in range(9):
        hand.press("Control+z")
    hand.kept(DISCS)
    hand.press("Control+Shift+z")
    hand.saved()


def test_what_is_done_again_means_the_object_that_is_made_again(opened):
    page = opened
    (_, x, y), *_ = discs_of(page)
    hand = Hand(page).open()
    hand.press("b")
    hand.drag((x + 60, y + 45), (x + 66, y + 45))
    hand.kept(DISCS + 1)
    hand.press("Delete")
    hand.kept(DISCS)
    hand.press("Control+z", "Control+z", "Control+Shift+z")
    hand.kept(DISCS + 1)
    hand.press("Control+Shift+z")
    hand.kept(DISCS)
    hand.saved()


def test_a_signed_out_person_loses_nothing(opened, visit):
    page = opened
    (_, x, y), *_ = discs_of(page)
    hand = Hand(page).open()
    cookies = page.context.cookies()
    page.context.clear_cookies()
    hand.click(x, y)
    hand.press("Delete")
    expect(page.locator("dialog .saved")).to_have_attribute("data-saved", "denied")
    hand.kept(DISCS - 1)
    page.context.add_cookies(cookies)
    page.evaluate("dispatchEvent(new Event('focus'))")
    hand.saved()
    page.reload()
    hand.open().kept(DISCS - 1)
    visit.complaints.clear()  # the browser complains of the 403


def test_the_corrected_outlines_are_measured_and_shown_beside_the_automatic_ones(opened):
    page = opened
    (_, x, y), *_ = discs_of(page)
    hand = Hand(page).open()
    hand.click(x, y)
    hand.press("Delete")
    hand.kept(DISCS - 1)
    before = page.url
    page.locator("dialog [data-finish]").click()
    page.wait_for_url(lambda address: address != before)
    result(page)
    open_tab(page, "Details")
    expect(page.locator("#comparison")).to_be_visible()
    expect(page.locator(".answer .headline b")).to_have_text(str(DISCS - 1))


def test_the_review_goes_from_the_least_certain_on(opened):
    page = opened
    hand = Hand(page).open()
    hand.press("n")
    progress = page.locator("dialog [data-reviewed]")
    expect(progress).to_have_text(re.compile(rf"^0 of {DISCS} reviewed"))
    page.locator("dialog [data-tab=table]").click()
    page.locator("dialog [data-tab=review]").click()  # the keys belong to the picture all the same
    hand.press("Enter")
    expect(progress).to_have_text(re.compile(rf"^1 of {DISCS} reviewed"))
    hand.press("Delete")
    expect(progress).to_have_text(re.compile(rf"^2 of {DISCS} reviewed"))
    hand.kept(DISCS - 1)
    hand.saved()


def test_many_are_chosen_by_a_limit(opened):
    page = opened
    hand = Hand(page).open()
    page.locator("dialog [data-tab=choose]").click()
    page.locator("dialog [data-below]").select_option("area")
    page.locator("dialog [data-limit]").evaluate("each => {each.value = 500; each.dispatchEvent(new Event('input'))}")
    page.locator("dialog [data-take]").click()
    hand.chosen(r"\d+ particles are selected")
    hand.press("Delete")
    expect(page.locator("dialog [data-number=kept] [data-before]")).to_have_text(f"was {DISCS}")


def test_one_object_finds_all_like_it(opened, tmp_path):
    """All discs are of one size: a slider at its left end takes all of them; another choice ends it."""
    page, hand = opened, Hand(opened).open()
    first, x, y = discs_of(page)[0]
    hand.click(x, y)
    hand.chosen(f" {first}:")
    hand.press("i")
    slider = page.locator("dialog [data-alike]")
    slider.fill("99")
    expect(page.locator("dialog [data-page=object] [data-chosen]")).not_to_have_text(f"{DISCS} particles are selected.")
    slider.fill("5")
    hand.chosen(f"^{DISCS} particles are selected")
    page.screenshot(path=tmp_path / "alike.png")
    page.set_viewport_size({"width": 390, "height": 844})
    slider.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "phone.png")
    page.set_viewport_size({"width": 1440, "height": 900})
    hand.click(x, y)
    expect(slider).to_be_hidden()
    hand.press("i", "Delete")
    expect(page.locator("dialog [data-number=kept] [data-before]")).to_have_text(f"was {DISCS}")


def test_two_tabs_lose_nothing(opened, visit):
    page = opened
    (_, x, y), (_, x2, y2), *_ = discs_of(page)
    other = page.context.new_page()
    other.goto(page.url)
    here, there = Hand(page).open(), Hand(other).open()
    there.click(x2, y2)
    with other.expect_response(lambda answer: answer.request.method == "POST"):  # before it all still counts as saved
        there.press("Delete")
    here.click(x, y)
    here.press("Delete")
    expect(page.locator("dialog [data-notice]")).to_contain_text("You made 1 correction elsewhere")
    here.kept(DISCS - 2)
    here.saved()
    other.reload()
    there.open().kept(DISCS - 2)
    visit.complaints.clear()  # the browser complains of the 409


def test_without_a_network_corrections_wait_and_follow(opened, visit):
    page = opened
    (_, x, y), (_, x2, y2), *_ = discs_of(page)
    hand = Hand(page).open()
    page.context.set_offline(True)
    hand.click(x, y)
    hand.press("Delete")
    hand.kept(DISCS - 1)
    expect(page.locator("dialog .saved")).to_have_attribute("data-saved", "offline")
    hand.click(x2, y2)
    hand.press("Delete")
    expect(page.locator("dialog .saved")).to_contain_text("2 corrections")
    page.context.set_offline(False)
    hand.saved()
    page.reload()
    hand.open().kept(DISCS - 2)
    visit.complaints.clear()  # the browser complains of each request without a network


def test_a_label_image_dropped_on_the_page_becomes_a_revision(opened):
    page = opened
    labels = page.request.get(page.url.replace("/jobs/", "/api/v1/jobs/") + "labels").body()
    dropped = page.evaluate_handle(
        """numbers => {
            const dropped = new DataTransfer();
            dropped.items.add(new File([new Uint8Array(numbers)], "mine.tif", { type: "image/tiff" }));
            return dropped;
        }""",
        list(labels),
    )
    page.dispatch_event("h1", "drop", {"dataTransfer": dropped})
    assert page.locator("#outlines_file").evaluate("field => field.files[0].name") == "mine.tif"
    before = page.url
    page.get_by_role("button", name="Measure these outlines").click()
    page.wait_for_url(lambda address: address != before)
    result(page)
    expect(page.locator(".answer .headline b")).to_have_text(str(DISCS))
    expect(page.locator(".head").first).to_contain_text("mine.tif")


def test_fingers_draw_and_move(open_copy):
    page = open_copy("phone")
    (_, x, y), *_ = discs_of(page)
    hand = Hand(page).open()
    hand.kept(DISCS)
    page.locator("dialog [data-tool=brush]").tap()
    hand.box = page.locator(CANVAS).bounding_box()
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *places):
        points = [{"x": a, "y": b, "id": i} for i, (a, b) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    a, b = hand.at(x + 60, y + 45)
    fingers("touchStart", (a, b))
    fingers("touchMove", (a + 8, b))
    fingers("touchEnd")
    hand.kept(DISCS + 1)
    fingers("touchStart", (a, b))
    fingers("touchStart", (a, b), (a + 50, b))
    fingers("touchMove", (a - 20, b), (a + 70, b))
    fingers("touchEnd")
    hand.saved()
    hand.kept(DISCS + 1)
    page.locator("dialog [data-act=undo]").tap()
    hand.kept(DISCS)
