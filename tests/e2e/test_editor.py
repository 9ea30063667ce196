"""Outlines are corrected on the page of their result, by every tool; and all numbers are of one state."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import PATIENCE, open_scale
from .specimen import COLUMNS, DISCS, ROWS
from .test_journey import jobs_of, result

CANVAS = "#viewer canvas"
# The object that three others are most like, and the two that are most like it.
MOST_TYPICAL = """async ([address, ids]) => {
  const asked = (id) => fetch(`${address}?ids=${id}&alike=0`).then((answer) => answer.json());
  const every = await Promise.all(ids.map(asked));
  const best = every.reduce((one, other) => (other.alike[3] > one.alike[3] ? other : one));
  return best.ids.slice(0, 3);
}"""


def covered(page, canvas):
    """How much of the stage the tools cover at its left, in CSS pixels."""
    rail = page.locator("[data-tools]").bounding_box() if canvas["width"] < page.viewport_size["width"] else None
    return rail["x"] + rail["width"] - canvas["x"] + 12 if rail else 0


class Hand:
    """Somebody at the editor of the scene of discs, in pixels of the image."""

    def __init__(self, page):
        self.page = page

    def open(self):
        self.page.locator("[data-correct]").click()
        self.page.locator("[data-tools].ready:not([hidden])").wait_for()
        return self.looks()

    def looks(self):
        self.page.evaluate("scrollTo(0, 0)")
        self.page.wait_for_timeout(300)  # the canvas takes its size
        self.box = self.page.locator(CANVAS).bounding_box()
        return self

    def at(self, x, y):
        width, height = self.box["width"], self.box["height"]
        inset = covered(self.page, self.box)
        scale = min((width - inset) / COLUMNS, height / ROWS)
        left, top = max((width - COLUMNS * scale) / 2, inset), (height - ROWS * scale) / 2
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
        expect(self.page.locator(".sentence [data-number=n_kept]")).to_have_text(str(count))

    def saved(self):
        expect(self.page.locator("[data-saved]")).to_have_attribute("data-saved", "saved", timeout=PATIENCE)

    def chosen(self, words):
        expect(self.page.locator("[data-readout]")).to_have_text(re.compile(words))

    def leaves_out(self, reason):
        menu = self.page.locator("[data-tools] .display", has=self.page.locator("[data-reason]"))
        menu.locator("summary").click()
        menu.locator("[data-reason]").fill(reason)
        menu.get_by_role("button", name="Leave out").click()


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
def page(open_copy):
    return open_copy()


def test_every_tool_makes_one_correction_that_undo_takes_back(page):
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
    expect(page.locator("[data-readout]")).to_contain_text("other part")
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
    hand.drag((x + 76, y + 40), (x + 88, y + 40), (x + 88, y + 54), (x + 76, y + 54), (x + 76, y + 41))
    hand.kept(DISCS + 2)  # the first is still chosen, but this one does not touch it
    hand.press("Control+z")
    hand.kept(DISCS + 1)
    hand.press("Escape", "l")
    hand.drag((x2 - 30, y2 - 30), (x2 + 30, y2 - 30), (x2 + 30, y2 + 30), (x2 - 30, y2 + 30))
    hand.chosen("Particle")
    hand.leaves_out("charging")
    hand.kept(DISCS)
    hand.chosen("charging")
    hand.press("Enter")
    hand.kept(DISCS)
    hand.press("k")
    hand.kept(DISCS + 1)
    hand.saved()
    page.reload()
    expect(page.locator("[data-standing-words]")).to_have_text("7 corrections")
    expect(page.locator("#table [data-shown]")).to_have_text(f"{DISCS + 1} of {DISCS + 1} rows")
    hand.kept(DISCS + 1)
    page.locator(".timeline summary").click()
    page.locator("[data-steps] button").nth(2).click()
    expect(page.locator("[data-standing-words]")).to_have_text("4 corrections")
    for _ in range(6):
        hand.press("Control+z")
    hand.kept(DISCS)
    expect(page.locator("[data-standing-words]")).to_have_text("No corrections")
    hand.press("Control+Shift+z")
    hand.saved()


def test_every_number_follows_a_deletion_in_its_place_and_so_does_excel(page):
    """The count follows at once, what is measured turns grey and stays, and then all is of the new state."""
    (_, x, y), *_ = discs_of(page)
    page.locator("#histogram:not([aria-busy])").wait_for()
    bars = page.locator(".chart .bin")
    counts = "bars => bars.reduce((sum, bar) => sum + Number(/: (\\d+) part/.exec(bar.ariaLabel)[1]), 0)"
    assert bars.evaluate_all(counts) == DISCS
    hand, state = Hand(page).open(), page.locator(".result-page")
    intervals = page.locator(".sentence .interval")
    shown, canvas = intervals.count(), page.locator(CANVAS).bounding_box()
    assert shown > 0
    page.route("**/state/", lambda route: (page.wait_for_timeout(300), route.continue_()))
    hand.click(x, y)
    hand.press("Delete")
    hand.kept(DISCS - 1)
    expect(state).to_contain_class("stale")
    assert intervals.count() == shown and page.locator(CANVAS).bounding_box() == canvas
    expect(page.locator("[data-chips] [data-state=''] b")).to_have_text(str(DISCS - 1))
    expect(page.locator("#table [data-shown]")).to_have_text(f"{DISCS} of {DISCS} rows")
    expect(state).not_to_contain_class("unfinished", timeout=PATIENCE)
    assert intervals.count() == shown and page.locator(CANVAS).bounding_box() == canvas
    expect(page.locator("#histogram:not(.stale)")).to_be_visible()
    assert bars.evaluate_all(counts) == DISCS - 1
    before = page.url
    with page.expect_download() as waiting:
        page.locator("#get-workbook").click()
    assert waiting.value.suggested_filename.endswith("_step1_particles.xlsx") and page.url == before
    hand.press("Control+z")
    with page.expect_download() as waiting:
        page.locator("#get-workbook").click()
    assert "_step2_" in waiting.value.suggested_filename
    hand.kept(DISCS)


def test_picture_and_histogram_light_each_other(page):
    canvas = page.locator(CANVAS)
    (_, x, y), *_ = discs_of(page)
    page.locator("#histogram:not([aria-busy])").wait_for()
    pointed = page.locator(".chart .pointed")
    page.mouse.move(*Hand(page).looks().at(x, y))
    expect(pointed).to_have_count(1)
    page.mouse.move(0, 0)
    expect(pointed).to_have_count(0)
    plain = canvas.screenshot()
    page.locator(".chart .bin .kept:not([height='0'])").first.hover()
    expect(pointed).to_have_count(1)
    assert canvas.screenshot() != plain


def test_the_strip_of_doubt_is_answered_by_keys_and_buttons(page):
    outlines = page.locator("#viewer").evaluate("each => fetch(each.dataset.outlines).then(each => each.json())")
    (first, left, *_), decided = outlines["particles"], set()
    xs, ys = left["outline"][::2], left["outline"][1::2]
    x, top, bottom = sum(xs) / len(xs), min(ys) - 2, max(ys) + 2
    y, line = (top + bottom) / 2, [x, top, x, bottom]
    cuts = {"place": [0], "id": [left["id"]], "chance": [0.9], "after": [[]], "pieces": [None]}
    cuts |= {"line": [line], "sides": [[x - 3, y, x + 3, y]]}
    doubts = [
        {"id": left["id"], "cut": 0, "chance": 0.9, "sure": "90 %"},
        {"id": first["id"], "cut": None, "chance": 0.8, "sure": "20 %"},
    ]

    def open_doubts():
        listed = [doubt for doubt in doubts if doubt["id"] not in decided]
        return {"doubts": listed, "doubt_count": len(listed)}

    def of_the_picture(route):
        answer = route.fetch()
        route.fulfill(response=answer, json=answer.json() | {"cuts": cuts} | open_doubts())

    def of_an_answer(route):
        answer = route.fetch()
        content = answer.json()
        standing = content.get("standing")
        for row in standing["rows"] if standing else ():
            (decided.add if row.get("gone") or row["by_hand" if "by_hand" in row else "reason"] else decided.discard)(
                row["id"]
            )
        if standing:
            standing |= open_doubts()
            standing["cuts"] = {} if left["id"] in decided or not cuts["place"] else {"0": left["id"]}
        route.fulfill(response=answer, json=content)

    page.route("**/files/outlines.json", of_the_picture)
    page.route(re.compile("/(edits|standing)(\\?.*)?$"), of_an_answer)
    page.reload()
    hand, strip = Hand(page).looks(), page.locator("[data-doubt]")
    expect(strip.locator("[data-doubt-count]")).to_have_text("2 to check")
    hand.press("u")
    expect(strip.locator("[data-doubt-what]")).to_have_text(re.compile("two .*90 %"))
    strip.locator("[data-doubt-right]").click()
    hand.kept(DISCS + 1)
    expect(strip.locator("[data-doubt-count]")).to_have_text("1 to check")
    expect(strip.locator("[data-doubt-what]")).to_have_text(re.compile("outline .*20 %"))
    page.locator(CANVAS).press("Delete")
    hand.kept(DISCS)
    expect(page.locator(".particles td.aside", has_text="wrong outline")).to_have_count(1)
    expect(strip.locator("[data-doubt-count]")).to_have_text(
        re.compile("^2 checked: the median (is still|moved from 390 to) 3")
    )
    hand.press("Control+z")
    hand.kept(DISCS + 1)
    expect(strip.locator("[data-doubt-count]")).to_have_text("1 to check")
    expect(strip.locator("[data-doubt-what]")).to_have_text(re.compile("outline .*20 %"))
    hand.press("n")
    hand.kept(DISCS)
    hand.press("Control+z")
    hand.kept(DISCS + 1)
    hand.saved()
    cuts = {name: [] for name in cuts}
    doubts[:] = [{"id": each["id"], "cut": None, "chance": 0.8, "sure": "20 %"} for each in outlines["particles"][:4]]
    page.reload()
    hand.looks()
    expect(strip.locator("[data-doubt-count]")).to_have_text("3 to check")  # one was cut before
    hand.press("u")
    what, right = strip.locator("[data-doubt-what]"), strip.locator("[data-doubt-right]")
    asked, place = what.inner_text(), right.bounding_box()["x"]
    strip.locator("[data-doubt-wrong]").click()
    expect(what).not_to_have_text(asked)
    assert right.bounding_box()["x"] == place, "a second press would be another answer"
    following = what.inner_text()
    page.keyboard.press("Enter")  # is Yes, whatever was clicked before
    expect(what).not_to_have_text(following)
    hand.kept(DISCS)
    for question in (following, asked):
        strip.locator("[data-doubt-undo]").click()
        expect(what).to_have_text(question)
    expect(strip.locator("[data-doubt-undo]")).to_be_disabled()
    hand.saved()


def test_whoever_may_only_look_is_asked_nothing_and_sees_what_is_measured(page, visit):
    (_, x, y), *_ = discs_of(page)
    hand = Hand(page).open()
    hand.click(x, y)
    hand.press("Delete")
    hand.kept(DISCS - 1)
    hand.saved()
    expect(page.locator(".result-page")).not_to_contain_class("unfinished", timeout=PATIENCE)
    other = visit()
    other.goto(page.url)
    Hand(other).kept(DISCS - 1)
    expect(other.locator("[data-correct], [data-doubt-right], [data-standing]")).to_have_count(0)
    expect(other.get_by_text("Delete this result")).to_have_count(0)
    expect(page.get_by_text("Delete this result")).to_have_count(1)
    assert jobs_of(other) == 0
    with page.expect_event("load"):  # a page that the browser kept is loaded anew
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")


def test_a_width_makes_a_version_in_which_all_numbers_are_multiplied(page, visit):
    page.locator("#histogram:not([aria-busy])").wait_for()
    median = page.locator(".sentence > details > summary [data-number=median]")
    before, address = float(median.inner_text()), page.url
    open_scale(page)
    page.fill("#new_width", f"{2 * float(page.input_value('#new_width')):g}")
    measure = page.get_by_role("button", name="Measure again")
    measure.click()
    page.get_by_label("is right").check()  # the file says otherwise
    expect(median).to_have_text(f"{before:.3g}")
    visit.complaints.clear()  # the browser complains of the answer that asks
    asked: list[Any] = []
    page.route(re.compile("/width/$"), lambda route: asked.append(route))
    measure.click(no_wait_after=True)
    expect(page.locator(".result-page")).to_contain_class("stale")
    asked[0].continue_()
    page.wait_for_url(lambda url: url.split("#")[0] not in (address, f"{address}width/"))
    twice = (f"{2 * before + rounding:.3g}" for rounding in (-1, 0, 1))  # `before` is rounded to 1 nm
    expect(median).to_have_text(re.compile("|".join(twice)))
    expect(page.locator("main")).to_contain_text("with the outlines of the earlier result")
    page.go_back()
    expect(page).to_have_url(f"{address}#width")  # the page of the result, not of the form that was sent


def test_many_are_chosen_by_a_limit(page):
    hand = Hand(page).open()
    page.locator("[data-rule] summary").click()
    page.locator("[data-below]").select_option("area")
    page.locator("[data-limit]").evaluate("each => {each.value = 500; each.dispatchEvent(new Event('input'))}")
    page.locator("[data-take]").click()
    hand.chosen(r"\d+ particles are selected")
    hand.press("Delete")
    expect(page.locator(".sentence [data-number=n_kept]")).not_to_have_text(str(DISCS))


def test_one_object_finds_all_like_it(page, tmp_path):
    """All discs are of one size: a slider at its left end takes all of them; another choice ends it."""
    hand = Hand(page).open()
    first, x, y = discs_of(page)[0]
    hand.click(x, y)
    hand.chosen(f" {first}:")
    hand.press("i")
    slider = page.locator("[data-alike]")
    slider.fill("99")
    expect(page.locator("[data-readout]")).not_to_have_text(f"{DISCS} particles are selected.")
    slider.fill("5")
    hand.chosen(f"^{DISCS} particles are selected")
    page.screenshot(path=tmp_path / "alike.png")
    page.set_viewport_size({"width": 390, "height": 844})
    slider.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "phone.png")
    page.set_viewport_size({"width": 1440, "height": 900})
    hand.looks().click(x, y)
    expect(slider).to_be_hidden()
    hand.press("i", "Delete")
    expect(page.locator(".sentence [data-number=n_kept]")).not_to_have_text(str(DISCS))


def test_three_corrections_of_one_sort_offer_the_same_for_all_like_them(page, tmp_path):
    """The three discs that are most alike are left out; one press takes the offer, one undo takes it back."""
    hand = Hand(page).open()
    places = {number: (x, y) for number, x, y in discs_of(page)}
    address = page.locator("[data-tools]").get_attribute("data-similar")
    middle = page.evaluate(MOST_TYPICAL, [address, list(places)])
    for left, number in enumerate(middle, 1):
        hand.click(*places[number])
        hand.chosen(f" {number}:")
        hand.press("Delete")
        hand.kept(DISCS - left)
    offer = page.locator("[data-offer]")
    expect(offer.locator("[data-offer-question]")).to_have_text(re.compile("like the last 3 that were left out"))
    hand.saved()
    page.screenshot(path=tmp_path / "offer.png")
    offer.get_by_role("button", name="Show").click()
    count = int(re.search(r"[0-9]+", offer.locator("[data-offer-question]").inner_text())[0])
    hand.chosen(f"^{count} particles are selected" if count > 1 else "Particle ")
    page.set_viewport_size({"width": 390, "height": 844})
    offer.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "phone.png")
    page.set_viewport_size({"width": 1440, "height": 900})
    offer.get_by_role("button", name="Dismiss").click()
    expect(offer).to_be_hidden()
    hand.press("Control+z")
    hand.kept(DISCS - 2)
    expect(offer).to_be_hidden()
    hand.press("Control+Shift+z")
    hand.kept(DISCS - 3)
    page.reload()
    hand.open()
    expect(offer.get_by_role("button", name=re.compile("Leave out"))).to_be_hidden()  # what is not seen is not left out
    offer.get_by_role("button", name="Show").click()
    offer.get_by_role("button", name=re.compile("Leave out")).click()
    hand.kept(DISCS - 3 - count)
    expect(offer).to_be_hidden()
    hand.press("Control+z")
    hand.kept(DISCS - 3)


def test_undo_of_stored_steps_is_saved_or_asked_about_and_redo_survives_a_reload(page):
    """Of 20 presses of Ctrl+Z the page said "Saved" after 10, and 8 were gone when it was loaded anew."""
    hand = Hand(page).open()
    for count, (_, x, y) in enumerate(discs_of(page)[:4], 1):
        hand.click(x, y)
        hand.press("Delete")
        hand.kept(DISCS - count)
    hand.saved()
    page.reload()
    hand.open()
    hand.kept(DISCS - 4)
    page.evaluate("window.leaving = () => !dispatchEvent(new Event('beforeunload', { cancelable: true }))")
    page.route("**/edits", lambda route: (page.wait_for_timeout(200), route.continue_()))
    hand.press(*["Control+z"] * 3)
    assert page.evaluate("leaving()") and page.locator("[data-saved]").get_attribute("data-saved") == "saving"
    hand.kept(DISCS - 1)
    hand.saved()
    assert not page.evaluate("leaving()")
    page.unroute("**/edits")
    page.reload()
    hand.open()
    hand.kept(DISCS - 1)
    hand.press(*["Control+y"] * 2)
    hand.kept(DISCS - 3)
    hand.saved()
    page.reload()
    hand.open().press("Control+y")
    hand.kept(DISCS - 4)


def test_a_version_that_is_named_right_after_a_correction_holds_it(page):
    hand = Hand(page).open()
    _, x, y = discs_of(page)[0]
    hand.click(x, y)
    hand.press("Delete")
    page.locator("[data-standing-words]").click()
    page.locator("#version-title").fill("one less")
    page.locator("#version-title").press("Enter")
    page.wait_for_url("**/#revisions", timeout=PATIENCE)
    hand.kept(DISCS - 1)
    expect(page.locator(".standing")).to_contain_text("Version “one less”")
    expect(page.locator(".result-page")).to_contain_text("1 corrected by hand, step 1")


def test_two_tabs_lose_nothing(page, visit):
    (_, x, y), (_, x2, y2), *_ = discs_of(page)
    other = page.context.new_page()
    other.goto(page.url)
    here, there = Hand(page).open(), Hand(other).open()
    there.click(x2, y2)
    with other.expect_response(lambda answer: answer.request.method == "POST"):  # before it all still counts as saved
        there.press("Delete")
    here.click(x, y)
    here.press("Delete")
    expect(page.locator("[data-notice]")).to_contain_text("You made 1 step elsewhere")
    here.kept(DISCS - 2)
    here.saved()
    other.reload()
    there.kept(DISCS - 2)
    visit.complaints.clear()  # the browser complains of the 409


def test_a_label_image_dropped_on_the_page_becomes_a_revision(page):
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
    expect(page.locator(".sentence [data-number=n_kept]")).to_have_text(str(DISCS))
    expect(page.locator(".head").first).to_contain_text("mine.tif")


def test_fingers_draw_and_move(open_copy):
    page = open_copy("phone")
    (_, x, y), *_ = discs_of(page)
    hand = Hand(page).open()
    hand.kept(DISCS)
    page.locator("[data-tool=brush]").tap()
    hand.looks()
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
    expect(page.locator(CANVAS)).to_contain_class("zoomed")
    assert page.evaluate("visualViewport.scale") == 1, "the picture, not the page"
    hand.saved()
    hand.kept(DISCS + 1)
    page.locator("[data-act=undo]").tap()
    hand.kept(DISCS)
