"""The result page's histogram, table, chips and pinch."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from segmentation.core import tasks
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.sizes import bins
from segmentation.presenters.histogram import histogram_content
from segmentation.views.job.histogram import StoredObjects

from .conftest import COUNT, SIZES, open_tab

MANY = 20_000


@pytest.fixture
def look(visit: Any, analysed: str) -> Any:
    def open_result(size: str = "desktop", outlines: dict[str, Any] | None = None, **options: Any) -> Any:
        page = visit(size, **options)
        if outlines is not None:
            pretend(page, outlines)
        page.goto(analysed)
        open_tab(page, "Particles")
        page.locator(".particles tbody tr[data-id]").first.wait_for()
        return page

    return open_result


WORDS = {"length_unit": "nm", "scales": {}, "states": {}, "shapes": {}, "doubts": [], "doubt_count": 0, "examples": []}


def pretend(page: Any, outlines: dict[str, Any]) -> None:
    """Other particles than were stored, for picture, table and histogram alike."""
    particles = outlines["particles"]
    names = [name for particle in particles[:1] for name, value in particle.items() if isinstance(value, float)]
    cells = {name: [f"{particle[name]:.3g}" for particle in particles] for name in names}
    page.route("**/files/outlines.json", lambda route: route.fulfill(json={"cells": cells, **WORDS} | outlines))
    page.route("**/histogram/?*", lambda route: route.fulfill(json=bars_for(route, outlines)))


def bars_for(route: Any, outlines: dict[str, Any]) -> dict[str, Any]:
    """What the site answers to a question about these particles."""
    population = StoredObjects.read(io.BytesIO(json.dumps(outlines).encode())).population()
    return histogram_content(population, dict(parse_qsl(urlsplit(route.request.url).query)), tasks.find("particles"))


def stored(page: Any, name: str) -> Any:
    return page.request.get(f"{page.url.split('#')[0]}files/{name}")


def bars(page: Any) -> list[tuple[int, str]]:
    """Particles and share of every bar, as it tells them, once the server has answered."""
    drawn(page)
    labels = page.locator(".chart .bin").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    matches = [re.search(r": ([\d,]+) particles?, ((?:under |over )?[0-9.]+ %) by", text) for text in labels]
    return [(int(match[1].replace(",", "")), match[2]) for match in matches if match]


def drawn(page: Any) -> None:
    page.locator("#histogram:not([aria-busy])").wait_for()


def shown(page: Any) -> int:
    """How many particles the table holds."""
    return int(re.match(r"(None|\d+) of", page.locator("[data-shown]").text_content())[1])


def test_page_and_files_agree(look):
    page = look()
    expect(page.locator(".head")).to_contain_text("from the file", use_inner_text=True)
    outlines = stored(page, "outlines.json").json()
    particles = [particle for particle in outlines["particles"] if particle["kept"]]
    sizes = np.array([particle["min_feret"] for particle in particles])
    volumes = np.array([particle["ecd"] for particle in particles]) ** 3

    text = stored(page, "particles.csv").body().decode("utf-8-sig")
    rows = list(csv.DictReader(line for line in io.StringIO(text) if not line.startswith("#")))
    written = [float(row["min_feret_nm"]) for row in rows if row["kept"].lower() in ("true", "1", "yes")]
    assert sizes.tolist() == pytest.approx(written, rel=1e-3)

    edges = bins.auto_edges(sizes, outlines["unit"], outlines["pixel_size"])
    expected = bins.histogram(sizes, np.ones(len(sizes)), edges)
    assert [count for count, _ in bars(page)] == expected.counts.tolist()
    page.locator("[name=weighting][value=volume]").check()
    by_volume = bins.histogram(sizes, volumes, edges)
    assert [count for count, _ in bars(page)] == expected.counts.tolist()
    assert [share for _, share in bars(page)] == [words(share) for share in by_volume.shares]

    statistics = stored(page, "result.json").json()["statistics"]
    median = page.locator(".sentence [data-number=median]").first.inner_text()
    assert float(median) == float(f"{statistics['median']:.3g}")
    assert statistics["median"] == pytest.approx(float(np.median(sizes)), rel=1e-9)
    assert len(particles) == statistics["n_kept"]
    expect(page.locator(COUNT)).to_have_text(str(len(particles)))


def words(share: float) -> str:
    hundred = 100 * share
    if 0 < hundred < 0.05:
        return "under 0.1 %"
    return f"{hundred:.1f} %" if 0 < hundred < 1 or 99 < hundred < 100 else f"{hundred:.0f} %"


def test_a_bar_shows_its_particles(look):
    page = look("phone")
    total = shown(page)
    counts = [count for count, _ in bars(page)]
    fullest = counts.index(max(counts))
    page.locator(".chart .bin").nth(fullest).click()
    assert shown(page) == counts[fullest] < total
    expect(page.locator("[data-chosen] span")).to_contain_text("Only minimum Feret")
    expect(page.locator(".bin[aria-pressed=true]")).to_have_count(1)
    expect(page.locator("[data-chart-readout]")).to_contain_text(f"{counts[fullest]} particles", use_inner_text=True)
    page.locator("[data-chosen] button").click()
    assert shown(page) == total
    expect(page.locator("[data-chosen]")).to_be_hidden()
    expect(page.locator(".bin[aria-pressed=true]")).to_have_count(0)


@pytest.mark.parametrize("size", SIZES)
def test_a_range_is_dragged_over_bars_and_typed(look, size):
    page = look(size)
    counts, total = bars(page), shown(page)
    page.locator(".chart").scroll_into_view_if_needed()
    boxes = [page.locator(".chart .bin").nth(number).bounding_box() for number in (2, 5)]
    from_, to = ((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes)
    if size == "phone":
        finger = page.context.new_cdp_session(page)
        for kind, places in (
            ("touchStart", [from_]),
            ("touchMove", [(from_[0] + 15, from_[1])]),
            ("touchMove", [to]),
            ("touchEnd", []),
        ):
            finger.send(
                "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in places]}
            )
    else:
        page.mouse.move(*to)
        page.mouse.down()
        page.mouse.move(*from_, steps=5)
        page.mouse.up()
    count = sum(count for count, _ in counts[2:6])
    assert shown(page) == count < total
    expect(page.locator(".bin[aria-pressed=true]")).to_have_count(4)
    readout = page.locator("[data-chart-readout]")
    expect(readout).to_contain_text(f": {count} particles, ", use_inner_text=True)

    page.get_by_text("Chart options").click()
    sizes = np.array([row["min_feret"] for row in stored(page, "outlines.json").json()["particles"] if row["kept"]])
    ends = [float(page.input_value(f"[name={name}]")) for name in ("from", "to")]
    assert np.count_nonzero((sizes >= ends[0]) & (sizes < ends[1])) == count
    page.fill("[name=to]", f"{np.median(sizes) + 0.5:.6g}")
    inside = np.count_nonzero((sizes >= ends[0]) & (sizes < np.median(sizes) + 0.5))
    expect(page.locator("[data-shown]")).to_have_text(f"{inside} of {total} rows")
    expect(readout).to_contain_text(f"{inside} particles, {words(inside / len(sizes))} by number")
    page.fill("[name=to]", "wide")
    expect(page.locator("[data-chart-problem]")).to_contain_text("smaller one first")
    assert shown(page) == total
    for name in ("from", "to"):
        page.fill(f"[name={name}]", "")
    expect(page.locator("[data-chart-problem]")).to_be_hidden()
    assert shown(page) == total
    page.fill("[name=from]", f"{ends[0]}")
    page.select_option("[name=measure]", "aspect_ratio")  # whose range is another one
    expect(page.locator(".chart .bin").last).to_have_attribute("aria-label", re.compile(r"^0\.\d+ to (0\.9|1\.0)"))
    assert shown(page) == total


def test_the_histogram_by_keyboard(look):
    page = look()
    drawn(page)
    page.locator("[name=weighting]:checked").focus()
    page.keyboard.press("Tab")
    readout = page.locator("[data-chart-readout]")
    labels = page.locator(".chart .bin").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
    expect(readout).to_have_text(labels[0])
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(readout).to_have_text(labels[2])
    page.keyboard.press("Enter")
    assert shown(page) == bars(page)[2][0]
    page.keyboard.press("Escape")
    expect(page.locator("[data-chosen]")).to_be_hidden()
    page.keyboard.press("End")
    expect(readout).to_have_text(labels[-1])
    page.keyboard.press(" ")
    assert shown(page) == bars(page)[-1][0]


def test_every_choice_of_the_histogram(look):
    page = look()
    page.get_by_text("Chart options").click()
    sizes = [row["min_feret"] for row in stored(page, "outlines.json").json()["particles"] if row["kept"]]
    page.fill("[name=bins]", "50")
    assert len(bars(page)) == len(bins.typed_edges(np.array(sizes), 50.0)) - 1
    page.select_option("[name=unit]", "um")
    drawn(page)
    expect(page.locator(".chart .axes")).to_contain_text("µm")
    assert page.input_value("[name=bins]") == "0.05"  # as long as it was
    assert len(bars(page)) == len(bins.typed_edges(np.array(sizes), 50.0)) - 1
    page.fill("[name=bins]", "0,1")
    assert len(bars(page)) == len(bins.typed_edges(np.array(sizes), 100.0)) - 1
    expect(page.locator(".chart .bin").first).to_have_attribute("aria-label", re.compile(r" to \d\.\d\d µm: "))
    for wrong, message in (("0.0000001", "more than 500 bars"), ("-3", "above 0"), ("wide", "above 0")):
        page.fill("[name=bins]", wrong)
        drawn(page)
        expect(page.locator("[data-chart-problem]")).to_contain_text(message, use_inner_text=True)
        expect(page.locator("[name=bins]")).to_have_attribute("aria-invalid", "true")
        assert bars(page)
    page.fill("[name=bins]", "")
    drawn(page)
    expect(page.locator("[data-chart-problem]")).to_be_hidden()

    page.get_by_label("Log axis").check()
    page.fill("[name=bins]", "12")
    expect(page.locator("[data-bins-label]")).to_have_text("Bins per decade", use_inner_text=True)
    assert len(bars(page)) == len(bins.ratio_edges(np.array(sizes), 12)) - 1
    page.fill("[name=bins]", "")
    drawn(page)
    why_not = page.locator("[data-chart-unfit]").inner_text()  # a curve, or why there is none
    expect(page.locator("path.fit")).to_have_count(0 if "poor fit" in why_not else 1)
    page.get_by_label("Log-normal").uncheck()
    expect(page.locator("path.fit")).to_have_count(0)
    page.get_by_label("Cumulative").check()
    expect(page.locator("path.cumulative")).to_have_count(1)

    total = sum(count for count, _ in bars(page))
    page.get_by_label("Left out too").check()
    assert sum(count for count, _ in bars(page)) == len(stored(page, "outlines.json").json()["particles"]) > total
    page.locator("[name=weighting][value=area]").check()
    drawn(page)
    expect(page.locator(".chart")).to_contain_text("Share by area")
    for measure in ("max_feret", "ecd", "area", "aspect_ratio", "circularity"):
        page.select_option("[name=measure]", measure)
        assert sum(count for count, _ in bars(page)) > total, measure
    expect(page.locator("[name=unit]")).to_be_hidden()


def test_only_the_last_choice_counts(look):
    page = look()
    drawn(page)
    waiting: list[Any] = []
    page.route("**/histogram/?*measure=area*", lambda route: waiting.append(route))
    page.select_option("[name=measure]", "area")
    page.wait_for_function("document.querySelector('#histogram').ariaBusy === 'true'")
    page.select_option("[name=measure]", "ecd")
    drawn(page)
    text = page.locator(".chart").text_content()
    assert len(waiting) == 1
    waiting[0].fulfill(body="{}")
    page.wait_for_timeout(200)
    expect(page.locator(".chart")).to_have_attribute("aria-label", re.compile("equivalent circular diameter"))
    expect(page.locator(".chart")).to_have_text(text)
    expect(page.locator("[data-chart-problem]")).to_be_hidden()


def test_a_server_that_is_away_is_told_and_asked_again(look):
    page = look()
    page.get_by_text("Chart options").click()
    before = bars(page)
    page.route("**/histogram/?*log=1*", lambda route: route.fulfill(body="<h1>Bad gateway"))
    page.get_by_label("Log axis").check()
    drawn(page)
    expect(page.locator("[data-chart-problem]")).to_contain_text("could not be made", use_inner_text=True)
    assert bars(page) == before
    page.unroute("**/histogram/?*log=1*")
    page.get_by_label("Cumulative").check()
    assert sum(count for count, _ in bars(page)) == sum(count for count, _ in before)
    assert bars(page) != before
    expect(page.locator("[data-chart-problem]")).to_be_hidden()


# As the page of a result does when its state is another: on a section of its own, which no other script draws.
OWN_HISTOGRAM = r"""async () => {
  const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
  const { Histogram } = await import(loaded.find((name) => /\/js\/chart(\.\w+)?\.js/.test(name)));
  const old = document.querySelector("#histogram");
  const section = old.cloneNode(true);
  old.replaceWith(section);
  window.histogram = new Histogram(section);
}"""


def test_bars_of_an_older_state_are_grey_until_the_newer_ones_are_there(look):
    page = look()
    before = bars(page)
    page.evaluate(OWN_HISTOGRAM)
    assert bars(page) == before
    section, chart, newer = page.locator("#histogram"), page.locator(".chart"), crowd(300)
    waiting: list[Any] = []
    page.route("**/newer/histogram/?*", lambda route: waiting.append(route))
    page.get_by_text("Chart options").click()
    page.fill("[name=bins]", "1")
    drawn(page)
    page.fill("[name=bins]", "")
    page.fill("[name=from]", "51")
    drawn(page)
    chart.scroll_into_view_if_needed()
    place = chart.bounding_box()
    page.locator(".chart .bin").nth(3).hover()
    readout = page.locator("[data-chart-readout]")
    expect(readout).to_have_text(page.locator(".chart .bin").nth(3).get_attribute("aria-label"))
    page.evaluate("window.histogram.stale(true)")
    expect(section).to_have_class(re.compile(r"\bstale\b"))
    page.evaluate("window.histogram.renew('/newer/histogram/')")
    page.wait_for_function("document.querySelector('#histogram').ariaBusy === 'true'")
    expect(section).to_have_class(re.compile(r"\bstale\b"))
    assert (chart.bounding_box(), page.locator(".chart .bin").count()) == (place, len(before))
    assert dict(parse_qsl(urlsplit(waiting[0].request.url).query))["from"] == "51"
    waiting[0].fulfill(json=bars_for(waiting[0], newer))
    expect(section).not_to_have_class(re.compile(r"\bstale\b"))
    assert (chart.bounding_box(), sum(count for count, _ in bars(page))) == (place, 270)
    pointed = page.locator(".chart .pointed")
    expect(readout).to_have_text(pointed.get_attribute("aria-label"))  # where the pointer still is
    page.mouse.move(0, 0)
    expect(readout).to_contain_text("from 51 nm: 180 particles, 67 % by number")
    page.route("**/lost/histogram/?*", lambda route: route.fulfill(body="<h1>Bad gateway"))
    page.evaluate("window.histogram.renew('/lost/histogram/')")
    expect(page.locator("[data-chart-problem]")).to_contain_text("could not be made")
    expect(section).to_have_class(re.compile(r"\bstale\b"))
    assert sum(count for count, _ in bars(page)) == 270


def test_reasons_hide_and_show_their_particles(look):
    page = look()
    total = shown(page)
    counted, frame = page.locator("[data-state='']"), page.locator("[data-state='touches the frame']")
    aside = int(frame.locator("b").inner_text())
    expect(counted).to_have_attribute("aria-pressed", "true")
    assert aside > 0
    frame.focus()
    page.keyboard.press("Enter")
    expect(frame).to_have_attribute("aria-pressed", "false")
    assert shown(page) == total - aside
    expect(page.locator(".particles td.aside", has_text="touches the frame")).to_have_count(0)
    page.keyboard.press(" ")
    assert shown(page) == total
    counted.click()
    assert shown(page) == total - int(counted.locator("b").inner_text().replace(",", "")) >= aside
    first = page.locator(".particles tbody tr[data-id] td:last-child").first.inner_text()
    assert first in (Reason.FRAME, Reason.GAP)
    page.get_by_role("button", name="Show every state").click()
    assert shown(page) == total


def crowd(n: int) -> dict[str, Any]:
    """Squares in a grid, sizes rising with their number, every tenth set aside."""
    across = 200
    particles = []
    for number in range(n):
        x, y = 5 * (number % across), 5 * (number // across)
        size, is_kept = 50 + number / 100, number % 10 > 0
        sizes = {"min_feret": size, "max_feret": 1.2 * size, "ecd": 1.1 * size, "area": 0.95 * size**2}
        shape = {"circularity": 0.8, "aspect_ratio": 0.83, "confidence": None}
        state = {"id": number + 1, "kept": is_kept, "reason": "" if is_kept else "touches the frame"}
        outline = [x, y, x + 4, y, x + 4, y + 4, x, y + 4]
        particles.append({**state, **sizes, **shape, "outline": outline})
    frame = {"width": 1000, "height": 5 * -(-n // across), "rows": 5 * -(-n // across)}
    return {**frame, "unit": "nm", "pixel_size": 1.0, "particles": particles}


def test_twenty_thousand_particles(look):
    page = look(outlines=crowd(MANY))
    rows = page.locator(".particles tbody tr[data-id]")
    expect(page.locator("[data-shown]")).to_have_text(f"{MANY} of {MANY} rows", use_inner_text=True)
    expect(page.locator("table.particles")).to_have_attribute("aria-rowcount", str(MANY + 1))
    assert rows.count() < 200
    box = page.locator(".table-box")
    box.evaluate("box => { box.scrollTop = box.scrollHeight; }")
    page.locator(f"tr[data-id='{MANY - 9}']").wait_for()  # the last that is set aside
    assert rows.count() < 200
    page.get_by_role("button", name="Min. Feret").click()
    page.get_by_role("button", name="Min. Feret").click()
    expect(rows.first).to_have_attribute("data-id", str(MANY))
    page.get_by_role("button", name=f"Show {MANY} in the picture", exact=True).click()
    page.keyboard.press("ArrowDown")
    expect(page.locator("tr[aria-selected=true]")).to_have_attribute("data-id", str(MANY - 1))
    expect(page.locator("[data-readout]")).to_contain_text(f"Particle {MANY - 1}:")
    page.locator(".chart .bin").first.click()
    assert shown(page) == bars(page)[0][0]


def test_hardly_any_particles(visit, analysed):
    page = visit()
    for n in (0, 1):
        pretend(page, crowd(2 * n))
        page.goto(analysed)
        page.locator("[data-viewer]").wait_for()
        drawn(page)
        expect(page.locator("[data-chart-none]")).to_be_visible(visible=n == 0)
        assert sum(count for count, _ in bars(page)) == n


def test_a_definition_without_a_mouse(look):
    page = look()
    page.locator(".sentence > details > summary").nth(1).click()
    term = page.locator(".sentence [open] .measures .term").first
    tip = term.locator(".tip")
    expect(tip).to_be_hidden()
    term.focus()
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    term.hover()
    expect(tip).to_be_visible()


def test_without_javascript_the_figure_stands_for_the_histogram(visit, analysed):
    page = visit(java_script_enabled=False)
    page.goto(analysed)
    expect(page.locator("#viewer noscript")).to_contain_text("need JavaScript", use_inner_text=True)
    for _ in range(60):  # nothing but a reload shows a figure that was not written
        if page.locator("#viewer noscript img").count():
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(page.locator("#viewer noscript img")).to_be_visible()
    expect(page.locator("#histogram")).to_be_hidden()
    expect(page.locator("#table")).to_be_hidden()
    expect(page.locator("#figure figure img")).to_be_visible()
    expect(page.locator(".nano svg.fraction")).to_be_hidden()
    page.locator(".sentence > details > summary").nth(2).click()
    expect(page.locator(".nano svg.fraction")).to_be_visible()
    page.get_by_text("Are these particles enough?").click()
    expect(page.locator(".convergence-chart .plot")).to_be_visible()


def test_nothing_is_wider_than_the_window(look):
    for size in SIZES:
        page = look(size)
        page.locator("details.more").evaluate_all("all => all.forEach(each => { each.open = true; })")
        expect(page.locator(".nano, .convergence-chart")).to_have_count(2)
        for word in page.locator(".sentence > details > summary").all():
            word.click()
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        for tab in ("Particles", "Files", "Details"):
            open_tab(page, tab)
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), tab


def test_table_and_figure_are_copied(look, analysed):
    page = look()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy table").click()
    page.get_by_role("button", name="Copied").wait_for()
    lines = [line.split("\t") for line in page.evaluate("navigator.clipboard.readText()").split("\n")]
    headings = page.locator(".particles thead th:visible")
    assert len(lines[0]) == headings.count() and lines[0][0] == "No." and len({len(line) for line in lines}) == 1
    particles = stored(page, "outlines.json").json()["particles"]
    assert len(lines) == len(particles) + 1 and all(float(line[2]) > 0 for line in lines[1:])
    open_tab(page, "Files")
    page.get_by_role("button", name="Copy figure").click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(1)
    assert page.evaluate("navigator.clipboard.read().then((items) => items[0].types)") == ["image/png"]
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    assert set(page.evaluate("navigator.clipboard.read().then((items) => items[0].types)")) == {
        "image/png",
        "text/plain",
    }
    words = page.evaluate("navigator.clipboard.readText()")
    assert page.locator(COUNT).inner_text() in words and "minimum Feret diameter" in words and "DeepSegm" in words


def test_the_smallest_the_median_and_the_largest(look):
    outlines = crowd(101)
    kept = sorted((each for each in outlines["particles"] if each["kept"]), key=lambda each: each["min_feret"])
    chosen = [kept[at] for at in (0, len(kept) // 2, -1)]
    examples = [{"id": each["id"], "title": "one", "size": f"{each['min_feret']:.3g}"} for each in chosen]
    page = look(outlines=outlines | {"examples": examples})
    figures = page.locator(".extremes figure")
    expect(figures).to_have_count(3)
    printed_sizes = [float(text.split()[-2]) for text in figures.all_inner_texts()]
    assert printed_sizes == [float(each["size"]) for each in examples]
    expect(page.locator("[data-doubt]")).to_be_hidden()  # of no particle the confidence is known
