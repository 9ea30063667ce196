"""The bars that the server sends for the result page's histogram."""

from __future__ import annotations

import gzip
import io
import json
import math

import numpy as np
import pytest
from django.core.files.base import ContentFile

from segmentation.core import tasks
from segmentation.core.measure.sizes import bins
from segmentation.core.measure.sizes.fitting import density, log_normal
from segmentation.models import Job
from segmentation.presenters import histogram as presented
from segmentation.presenters.histogram import NO_RANGE, NOT_A_NUMBER, TOO_MANY, TOO_WIDE, histogram_content
from segmentation.services.ground import tables
from segmentation.views.job.histogram import StoredObjects
from tests.web.finished import SUMMARY, VISITOR, visit

pytestmark = pytest.mark.django_db
SIZES = np.random.default_rng(1).lognormal(4, 0.5, 120)
ASIDE = np.arange(120) % 6 == 0
SHAPES = ("aspect_ratio", "circularity")


def outlines(sizes=SIZES, aside=ASIDE, **changes):
    """The stored file of squares with their sizes, `changes` at its top."""
    particles = [
        {
            "id": number,
            "kept": not wrong,
            "reason": "touches the frame" if wrong else "",
            "min_feret": size,
            "max_feret": 1.2 * size,
            "ecd": 1.1 * size,
            "area": 0.95 * size**2,
            "circularity": 0.8,
            "aspect_ratio": None if number == 3 else 0.5 + 0.003 * number,
            "confidence": None,
            "outline": [0, 0, 4, 0, 4, 4, 0, 4],
        }
        for number, (size, wrong) in enumerate(zip(sizes.tolist(), aside.tolist(), strict=True))
    ]
    return {"width": 9, "height": 9, "rows": 9, "unit": "nm", "pixel_size": 2.5, "particles": particles, **changes}


def test_fibres_are_weighted_by_their_length():
    content = outlines(np.array([10.0, 10.0, 30.0]), np.zeros(3, bool))
    for particle, length in zip(content["particles"], (100.0, 200.0, 100.0), strict=True):
        particle["visible_length"] = length
    chart = chart_of(content, weighting="length", bins="20")
    assert chart["weightings"] == ["number", "length", "area"] and chart["heights"] == pytest.approx([0.75, 0.25])
    assert chart_of(outlines(), weighting="length")["weightings"] == ["number", "area", "volume"]


def chart_of(content, pieces=None, **chosen):
    """The answer for a file of outlines, without a site."""
    return histogram_content(
        StoredObjects.read(io.BytesIO(written(content))).population(pieces), chosen, tasks.find("particles")
    )


def written(content):
    """As core.report writes it."""
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


@pytest.fixture
def stored(make_job):
    def make(content=None, **owner):
        job = make_job(
            **(owner or {"visitor": VISITOR}), state=Job.State.DONE, summary=SUMMARY, files=["outlines.json"], attempt=1
        )
        artifact = job.artifacts.get()
        artifact.file.delete(save=False)
        text = content if isinstance(content, bytes) else written(content or outlines())
        artifact.file.save(f"{job.folder}/1/outlines.json.gz", ContentFile(gzip.compress(text)))
        return job

    return make


@pytest.fixture
def ask(client, stored):
    """What is answered to a query about a file."""

    def put(content=None, **query):
        response = visit(client, VISITOR).get(f"/jobs/{stored(content).pk}/histogram/", query)
        assert response.status_code == 200
        assert "no-store" in response["Cache-Control"]
        return json.loads(response.content, parse_constant=pytest.fail)

    return put


def test_the_first_bars_are_those_of_the_figure(ask):
    chart, sizes = ask(), np.sort(SIZES[~ASIDE])
    expected = bins.histogram(sizes, np.ones(len(sizes)), bins.auto_edges(sizes, "nm", 2.5))
    assert chart["edges"] == expected.edges.tolist()
    assert chart["counts"] == chart["heights"] == expected.counts.tolist()
    assert chart["shares"] == pytest.approx(expected.shares.tolist())
    assert chart["cumulative"][-1] == pytest.approx(1)
    assert (chart["n"], chart["unit"], chart["problem"], set(chart["aside"])) == (len(sizes), "nm", "", {0})
    assert (chart["bounds"], set(chart["doubtful"])) == (chart["edges"], {0})
    first, *_, last = chart["edges"]
    assert chart["unfit"] == "" and chart["axis"] == pytest.approx([0, last + 0.02 * (last - first)])
    fit, along = log_normal(sizes, np.ones(len(sizes))), np.linspace(*chart["axis"], len(chart["fit"]))
    width = chart["edges"][1] - chart["edges"][0]
    assert chart["fit"][1:] == pytest.approx((len(sizes) * width * density(along[1:], fit)).tolist(), rel=1e-5)
    assert chart["measures"] == ["min_feret", "max_feret", "ecd", "area", "circularity", "aspect_ratio"]
    assert chart["weightings"] == ["number", "area", "volume"]


@pytest.mark.parametrize(("weighting", "power"), [("area", 2), ("volume", 3)])
def test_weights_change_shares_and_not_bars(ask, weighting, power):
    chart, sizes = ask(weighting=weighting), SIZES[~ASIDE]
    assert (chart["edges"], chart["counts"]) == ((plain := ask())["edges"], plain["counts"])
    expected = bins.histogram(sizes, sizes**power, np.array(chart["edges"]))
    assert chart["shares"] == pytest.approx(expected.shares.tolist())
    assert chart["heights"] == pytest.approx(chart["shares"])


@pytest.mark.parametrize("weighting", ["number", "volume"])
def test_a_law_that_does_not_fit_is_left_out_and_it_is_said(ask, weighting):
    two_kinds = np.r_[np.linspace(20, 24, 60), np.linspace(200, 240, 60)]
    chart = ask(outlines(two_kinds, np.zeros(120, bool)), weighting=weighting)
    assert chart["fit"] is None
    assert chart["unfit"] == "These sizes follow no log-normal law."
    few = ask(outlines(two_kinds[:9], np.zeros(9, bool)))
    assert (few["fit"], few["unfit"]) == (None, "")


def test_a_range_counts_as_bars_do(ask):
    plain, sizes = ask(), SIZES[~ASIDE]
    low, high = plain["edges"][2], plain["edges"][-1]
    assert plain["range"] is None
    whole = ask(low=low, high=high, weighting="area")
    held = {name: whole["range"][name] for name in ("count", "share")}
    assert held == pytest.approx({"count": sum(plain["counts"][2:]), "share": sum(whole["shares"][2:])})
    inside = (sizes >= 40) & (sizes < 60.5)
    typed = ask(**{"from": "40", "to": "60.5"}, weighting="volume")["range"]
    assert (typed["low"], typed["high"], typed["count"]) == (40, 60.5, inside.sum())
    assert typed["share"] == pytest.approx((sizes[inside] ** 3).sum() / (sizes**3).sum())
    every = ask(**{"from": "-Infinity", "to": "Infinity"})["range"]
    assert (every["low"], every["high"], every["count"], every["ends"]) == (
        *(None, None, len(sizes)),
        [plain["edges"][0], plain["edges"][-1]],
    )


@pytest.mark.parametrize(("low", "high"), [("wide", "9"), ("9", "nan"), ("9", "3"), ("5", "5")])
def test_what_is_no_range_is_said(ask, low, high):
    chart = ask(**{"from": low, "to": high})
    assert (chart["range"], chart["problem"], chart["wrong"]) == (None, NO_RANGE, ["from", "to"])


def test_bars_and_ranges_have_their_words(ask):
    chart = ask(all="1")
    assert (chart["edges"][:3], chart["ends"][:3], chart["counts"][:2]) == ([10, 20, 30], ["10", "20", "30"], [2, 10])
    assert chart["words"][0] == "10 to 20 nm: 2 particles, 2 % by number; 2 % up to here"
    assert chart["words"][1] == "20 to 30 nm: 10 particles, 8 % by number; 10 % up to here"
    assert chart["title"] == "Histogram: minimum Feret diameter of 120 particles, by number."
    assert (chart["x"], chart["y"]) == ("Minimum Feret diameter, nm", "Number of particles")
    typed = ask(**{"from": "40", "to": " 60,5"})["range"]
    assert (typed["from"], typed["to"], typed["name"]) == ("40", "60,5", "40 to 60,5 nm")
    assert typed["words"] == f"40 to 60,5 nm: {typed['count']} particles, {round(100 * typed['share'])} % by number"
    assert ask(**{"from": "", "to": "60"})["range"]["name"] == "below 60 nm"
    picked = ask(low=chart["bounds"][1], high=chart["bounds"][3], weighting="area")["range"]
    assert (picked["low"], picked["high"], picked["name"]) == (20, 40, "20 to 40 nm")


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0 %"), (1e-5, "under 0.1 %"), (0.004, "0.4 %"), (0.115, "12 %"), (0.996, "99.6 %"), (0.99999, "over 99.9 %"),
     (1 - 1e-12, "100 %")],
)  # fmt: skip
def test_a_share_that_is_not_all_or_nothing_does_not_read_so(share, words):
    assert presented._share(share) == words


def test_the_answer_has_the_unit_that_was_chosen(ask):
    nm, um = ask(), ask(unit="um")
    assert um["bounds"] == nm["edges"] and um["heights"] == nm["heights"]
    assert um["edges"] == [0.001 * edge for edge in nm["edges"]]
    assert um["words"][2] == nm["words"][2].replace("30 to 40 nm", "0.030 to 0.040 µm")
    assert (um["x"], um["limit"]) == ("Minimum Feret diameter, µm", {"at": 0.1, "name": "100 nm"})
    assert um["fit"] == nm["fit"] and um["axis"] == pytest.approx([0.001 * end for end in nm["axis"]])
    assert ask(unit="um", measure="area")["edges"] == [1e-6 * edge for edge in ask(measure="area")["edges"]]
    assert ask(unit="um", measure="aspect_ratio")["unit"] == "" and ask(measure="aspect_ratio")["limit"] is None
    typed = ask(unit="um", **{"from": "0.07", "to": "0,1"})["range"]
    assert (typed["low"], typed["high"], typed["ends"]) == (70, 100, [0.07, 0.1])


def test_a_typed_width_stays_as_long_as_it_was(ask):
    wide = ask(bins="70")
    assert (wide["bins"], wide["bounds"][1] - wide["bounds"][0]) == ("70", 70)
    for chosen in ({"bins": "0.07"}, {"bins": "70", "bins_unit": "nm"}, {"bins": "0,07", "bins_unit": "um"}):
        chart = ask(unit="um", **chosen)
        assert chart["bounds"] == wide["bounds"] and chart["bins"].replace(",", ".") == "0.07"
    assert ask(bins="0.07", bins_unit="um")["bins"] == "70"
    assert ask(bins="12", bins_unit="um", log="1")["bins"] == "12"


PIECES = {"min_feret_px": [10.0, 30.0], "ecd_px": [12.0, 31.0], "chance": [0.25, 0.5]}


def test_pieces_are_in_the_bars_with_their_chances(make_job, stored):
    plain = outlines(np.array([20.0, 80.0]), np.zeros(2, bool))
    for particle, chance in zip(plain["particles"], (1.0, 0.4), strict=True):
        particle["chance"] = chance
    assert chart_of(plain, bins="25")["heights"] == [1, 0, 0, 1]  # of a result that counts what is seen
    chart = chart_of(plain, PIECES, bins="25")
    assert chart["heights"] == [1, 0.25, 0, 0.9] and chart["doubtful"] == [0, 0.25, 0, 0.9]
    assert (chart["n"], chart["counts"]) == (2, chart["heights"])
    assert chart["words"][1].startswith("25 to 50 nm: about 0.2 particles, 12 % by number; ")
    assert chart["words"][1].endswith("; pale: perhaps several")
    # What an older result did not store of its pieces, and what is not measured of any, has bars of outlines alone.
    for measure, log in (("max_feret", ""), ("circularity", "1")):
        assert sum(chart_of(plain, PIECES, measure=measure, log=log)["counts"]) == pytest.approx(1.4)
    assert sum(chart_of(plain, PIECES, weighting="volume")["shares"]) == pytest.approx(1)
    assert sum(chart_of(plain, PIECES, weighting="area")["counts"]) == pytest.approx(1.4)


def test_what_was_left_out_stands_as_it_was_outlined():
    content = outlines(np.array([20.0, 80.0]), np.array([False, True]))
    for particle in content["particles"]:
        particle["chance"], particle["weight"] = 0.5, 2.0
    chart = chart_of(content, PIECES, all="1", bins="200")
    kept = chart_of(content, PIECES, bins="200")
    assert kept["heights"] == pytest.approx([1.25])
    assert chart["heights"][0] - chart["aside"][0] == pytest.approx(1.25) and chart["counts"] == [2.25]


def test_those_set_aside_are_told_apart(ask):
    chart = ask(all="1")
    assert (sum(chart["counts"]), chart["n"]) == (len(SIZES), len(SIZES))
    counts = np.histogram(SIZES[ASIDE], chart["edges"])[0]
    assert chart["aside"] == counts.tolist()
    by_area = ask(all="1", weighting="area")
    assert sum(by_area["heights"]) == pytest.approx(1)
    assert sum(by_area["aside"]) == pytest.approx((SIZES[ASIDE] ** 2).sum() / (SIZES**2).sum())


def test_edge_weights_count(ask):
    file = outlines()
    for particle in file["particles"]:
        particle["weight"] = 1.5 if particle["min_feret"] > 60 else 1.0
    chart, sizes = ask(file), SIZES[~ASIDE]
    weights = np.where(sizes > 60, 1.5, 1.0)
    expected = bins.histogram(sizes, weights, np.array(chart["edges"]))
    assert chart["y"] == "Number of particles, edge-weighted"
    assert chart["shares"] == pytest.approx(expected.shares.tolist())
    assert chart["counts"] == expected.counts.tolist()
    assert sum(chart["heights"]) == pytest.approx(len(sizes))


def test_a_measure_without_a_unit_has_no_grain_and_lacks_what_is_unknown(ask):
    chart = ask(measure="aspect_ratio", all="1")
    ratios = np.array([particle["aspect_ratio"] for particle in outlines()["particles"] if particle["aspect_ratio"]])
    assert chart["edges"] == bins.auto_edges(ratios).tolist()
    assert sum(chart["counts"]) == len(SIZES) - 1


@pytest.mark.parametrize("all_of_them", ["", "1"])
@pytest.mark.parametrize("measure", ["min_feret", *SHAPES])
def test_the_log_axis(ask, measure, all_of_them):
    chart = ask(measure=measure, log="1", all=all_of_them)
    assert sum(chart["counts"]) == chart["n"] > 0
    steps = np.diff(np.log(chart["edges"]))
    assert steps == pytest.approx(steps[0])


def test_chosen_bars(ask):
    sizes = SIZES[~ASIDE]
    assert ask(bins="20")["edges"] == bins.typed_edges(sizes, 20).tolist()
    assert ask(bins="12", log="1")["edges"] == bins.ratio_edges(sizes, 12).tolist()


@pytest.mark.parametrize(
    ("typed", "log", "problem"),
    [("0", "", NOT_A_NUMBER), ("-3", "", NOT_A_NUMBER), ("NaN", "", NOT_A_NUMBER), ("Infinity", "", NOT_A_NUMBER),
     ("1e999", "1", NOT_A_NUMBER), ("wide", "1", NOT_A_NUMBER), ("0.0000001", "", TOO_MANY), ("5e-324", "", TOO_MANY),
     ("1e308", "1", TOO_MANY), ("5e-324", "1", TOO_WIDE)],
)  # fmt: skip
def test_bars_that_cannot_be_are_the_automatic_ones(ask, typed, log, problem):
    chart = ask(bins=typed, log=log)
    assert (chart["problem"], chart["wrong"], chart["bins"]) == (problem, ["bins"], typed)
    assert {**chart, "problem": "", "wrong": [], "bins": ""} == ask(log=log)


def test_unknown_choices_are_as_if_not_chosen(ask):
    assert ask(measure="__class__", weighting="mass") == ask()


@pytest.mark.parametrize(("sizes", "aside"), [([], []), ([5.0], [True])])
def test_nothing_to_show(ask, sizes, aside):
    chart = ask(outlines(np.array(sizes), np.array(aside, bool)), log="1", bins="3")
    assert (chart["n"], chart["edges"]) == (0, [])


def test_one_particle(ask):
    chart = ask(outlines(np.array([5.0]), np.array([False])), log="1")
    assert (sum(chart["counts"]), chart["fit"]) == (1, None)


@pytest.mark.parametrize(
    "content", [b"content", b"[]", b'{"particles": [{}]}', b'{"particles": 3, "unit": "nm"}', b"\xff"]
)
def test_a_damaged_file_is_not_found(client, stored, content):
    assert visit(client, VISITOR).get(f"/jobs/{stored(content).pk}/histogram/").status_code == 404


def test_a_lost_file_is_not_found(client, stored, make_job):
    job = stored()
    artifact = job.artifacts.get()
    artifact.file.storage.delete(artifact.file.name)
    browser = visit(client, VISITOR)
    assert browser.get(f"/jobs/{job.pk}/histogram/").status_code == 404
    assert browser.get(f"/jobs/{make_job(visitor=VISITOR).pk}/histogram/").status_code == 404


@pytest.mark.parametrize("chunk", [1, 40, 333, 5000])
def test_a_file_is_read_in_parts(monkeypatch, chunk):
    content = outlines()
    content["particles"][-1]["reason"] = 'typed },{"id":'
    whole = StoredObjects.read(io.BytesIO(written(content))).population()
    monkeypatch.setattr(tables, "CHUNK", chunk)
    for text in (written(content), json.dumps(content, indent=1).encode()):
        table = StoredObjects.read(io.BytesIO(text)).population()
        assert list(table.columns) == list(whole.columns)
        assert (table.unit, table.pixel_size) == (whole.unit, whole.pixel_size)
        assert all(np.array_equal(table.columns[name], whole.columns[name], equal_nan=True) for name in whole.columns)
        assert np.array_equal(table.is_counted, whole.is_counted)
        assert np.array_equal(table.probability, whole.probability)
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        StoredObjects.read(io.BytesIO(written(outlines())[:-30]))


def test_of_a_long_file_little_is_in_memory():
    text = written(outlines(np.full(5000, 50.0), np.zeros(5000, bool)))
    parts = [len(part["particles"]) for part in tables.read_in_parts(io.BytesIO(text))]
    assert sum(parts) == 5000
    assert max(parts) < 2000


def test_twenty_thousand_particles_are_read_once(client, stored, monkeypatch):
    many = np.random.default_rng(2).lognormal(4, 0.5, 20_000)
    job = stored(outlines(many, np.zeros(len(many), bool)))
    browser, address = visit(client, VISITOR), f"/jobs/{job.pk}/histogram/"
    assert sum(browser.get(address).json()["counts"]) == 20_000
    monkeypatch.setattr(tables, "read_in_parts", None)
    chart = browser.get(address, {"measure": "area", "weighting": "volume", "log": "1"}).json()
    assert math.isclose(sum(chart["shares"]), 1)
