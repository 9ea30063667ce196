"""What the result page makes of the statistics of a job."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace

import pytest
from django.utils.html import escape

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.flags import Flag, as_json
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.quantities import NUMBERS, Value
from segmentation.core.measure.results import Statistics
from segmentation.core.network import cards
from segmentation.core.report.entries import Entry
from segmentation.core.stored import StoredResult
from segmentation.core.tasks import every, find
from segmentation.models import Job, Micrograph
from segmentation.presenters.choices import Choices
from segmentation.presenters.comparison import main_entries
from segmentation.presenters.differences import difference_of, differences
from segmentation.presenters.drawings import ChartedSummary
from segmentation.presenters.provenance import shown_settings
from segmentation.presenters.result import Result
from segmentation.presenters.stored import count_words, headline, numbers_of
from tests.web.finished import FILES, SUMMARY, VISITOR, visit, words

NANO_FRACTION = f"{NUMBERS['fraction_100nm'].title}, of 22.5 nm and more"
FIGURES = {
    "mean": 160.14,
    "sd": 73.61,
    "d10": 62.51,
    "d50": 155.43,
    "d90": 255.6,
    "span": 1.2424,
    "mode": 141.2,
    "geometric_mean": 143.9,
    "geometric_sd": 1.624,
}
LIMITS = {name: [value * 0.95, value * 1.05] for name, value in FIGURES.items()}
WEIGHTED = {**FIGURES, "intervals": LIMITS, "note": ""}
SENSITIVITY = [
    {"name": "as analysed", "fraction": 0.48, "low": 0.42, "high": 0.54, "n": 261},
    {"name": "filter on", "fraction": 0.31, "low": 0.25, "high": 0.37, "n": 230},
    {"name": "calibration +2 %", "fraction": None, "low": None, "high": None, "n": 0},
]
NEW = {
    "edge": "exclude",
    "intervals": {**LIMITS, "median": [148.2, 162.7], "ecd_median": [165.0, 181.0]},
    "interval_note": "",
    "interval_basis": "by particle",
    "relative_uncertainty": 0.013,
    "weighted": {"number": WEIGHTED, "area": WEIGHTED, "volume": {**WEIGHTED, "intervals": {**LIMITS, "d90": None}}},
    "fit": {"law": "log-normal", "median": 143.9, "gsd": 1.624, "ks": 0.061, "p": 0.0002, "word": "fair"},
    "convergence": {
        "n": [5, 50, 261],
        "median": [120.0, 149.0, 155.4],
        "low": [60.0, 130.0, 148.2],
        "high": [240.0, 170.0, 162.7],
        "more": 0,
        "wanted": 0.05,
    },
    "agglomerates": {"groups": 12, "singles": 130, "primaries_in_groups": 131, "largest": 29},
    "shape": {"circularity": {"median": 0.8312, "d10": 0.61, "d90": 0.998}},
    "nano": {
        "fraction": 0.48,
        "low": 0.42,
        "high": 0.54,
        "n": 261,
        "threshold": 0.5,
        "least_nm": 22.5,
        "verdict": "undecided",
        "reason": "",
        "asked": "",
        "sentence": "48.0 % of 261 particles are small. A screening aid, not a certificate.",
        "decides": "About 1,900 more particles.",
        "sensitivity": SENSITIVITY,
    },
}


def numbers(**changes):
    return of(statistics(**changes))


def of(stored):
    return ChartedSummary(Statistics.from_dict(stored), {}, "particle", "particles")


def statistics(**changes):
    return {**deepcopy(SUMMARY["statistics"]), **deepcopy(NEW), **changes}


class TestSizes:
    def test_every_number_carries_its_interval(self):
        sizes = {measure.term: (measure.value, measure.interval) for measure in numbers().sizes}
        assert sizes["Median"] == ("155", "148–163")
        assert sizes["D10"] == ("62.5", "59.4–65.6")
        assert sizes["Median circle diameter (ECD)"] == ("173", "165–181")
        assert sizes[NANO_FRACTION] == ("21.9", "17.3–27.3")

    def test_every_number_has_a_definition(self):
        measures = [*numbers().sizes, *numbers().weighted, *numbers().shape]
        assert [measure.term for measure in measures if not measure.definition] == []

    def test_why_there_is_no_interval(self):
        note = "95 % intervals of sizes need at least 6 sizes; with edge weights these 12 count as 5.1."
        none = statistics(n_kept=12, sd=None, intervals=dict.fromkeys(LIMITS), interval_note=note)
        assert of(none).no_interval == note
        line = of(none).interval_line  # the share has an interval all the same
        assert line.endswith(f" Share 1–100 nm: the interval includes scale and counting. {note}")
        assert numbers().no_interval == "" and "too few" in numbers(intervals={**LIMITS, "median": None}).no_interval
        assert [measure.name for measure in of(none).sizes if measure.interval] == ["fraction_100nm"]

    def test_few_sizes_stand_one_by_one_without_a_median(self):
        few, enough = (of(statistics(n_kept=kept, interval_note="None.")) for kept in (9, 10))
        assert few.has_few and few.headlines == few.sizes == [] and few.no_interval == ""
        assert not enough.has_few and enough.headlines and enough.sizes

    @pytest.mark.parametrize(
        ("changes", "pattern"),
        [
            ({}, r"Median, mean, .*, share 1–100 nm: the interval includes scale and counting\.$"),
            ({"relative_uncertainty": None}, r"Median, mean, .*: the interval includes counting only"),
            ({"interval_basis": "by image", "relative_uncertainty": 0}, r"Median, .*: the interval includes diff"),
        ],
    )
    def test_what_the_intervals_are(self, changes, pattern):
        assert re.search(pattern, numbers(**changes).interval_line)

    def test_the_headline_says_what_its_interval_holds_and_what_the_whole_budget_gives(self):
        ends = {"median": {"value": 165.0, "ends": [103.0, 208.0]}, "fraction_100nm": {"ends": [0.124, 0.324]}}
        whole = {"rows": [], **ends}
        median, fraction = numbers(budget=whole, relative_uncertainty=None).headlines
        assert (median.contents_without_total, fraction.contents_without_total) == ("counting only", "counting only")
        assert (median.interval, fraction.interval) == ("103–208", "12–32")
        assert {entry.contents_without_total for entry in numbers(relative_uncertainty=0.02).headlines} == {
            "scale and counting"
        }
        rows = [
            {"name": "segmentation", "title": "Outlines", "median": 0.15, "fraction_100nm": 0.04},
            {"name": "scale", "title": "Scale", "median": 0.03, "fraction_100nm": None},
        ]
        median, fraction = numbers(budget={**whole, "rows": rows}).headlines
        assert median.parts == [("Outlines", "15.0 %", 100), ("Scale", "3.0 %", 20)]
        assert fraction.parts == [("Outlines", "4.0 points", 100)]
        few = {**whole, "median": {"ends": None}, "fraction_100nm": {}}
        assert {
            entry.interval == entry.counting for given in (None, few) for entry in numbers(budget=given).headlines
        } == {True}
        assert numbers(budget={**few, "rows": rows}).headlines[0].parts == []  # of no total

    def test_a_withheld_verdict_gives_its_reason(self):
        card = numbers(nano={**NEW["nano"], "reason": "25 of 30"})
        assert card.verdict == "limit 50 %: undecided, 25 of 30"

    def test_the_weighted_table(self):
        rows = {row.term: row.cells for row in numbers().weighted}
        assert len(rows) == 9
        assert {len(cells) for cells in rows.values()} == {3}
        assert (rows["Span"][0].value, rows["Span"][0].unit, rows["Mean"][0].unit) == ("1.24", "", "nm")
        assert [cell.interval for cell in rows["D90"]] == ["243–268", "243–268", ""]

    def test_the_note_of_a_weighting_is_told_once(self):
        weighted = {
            **NEW["weighted"],
            "area": {**WEIGHTED, "note": "Too few."},
            "volume": {**WEIGHTED, "note": "Too few."},
        }
        assert numbers(weighted=weighted).weighted_notes == ["Too few."]

    def test_shape_has_two_decimals(self):
        (row,) = numbers().shape
        assert [cell.value for cell in row.cells] == ["0.61", "0.83", "1.00"]


class TestNanoCard:
    def test_places_on_the_axis(self):
        card = numbers()
        bar = card.nano_bar
        assert (card.verdict, bar.place, bar.left, bar.right) == ("limit 50 %: undecided", 48.0, 42.0, 54.0)
        assert [row.name for row in card.sensitivity] == ["as analysed", "filter on"]


class TestConvergence:
    def test_everything_lies_within_the_picture(self):
        chart = numbers().convergence
        wanted, interval = ([float(place) for place in re.findall(r"[\d.]+", band)] for band in chart.bands)
        ticks = [tick.place for tick in (*chart.x_ticks, *chart.y_ticks)]
        assert all(0 <= value <= 100 for value in [*wanted, *interval, *ticks])
        assert wanted[0] == 0 and wanted[2] == chart.dots[-1][0] == 100
        lows, highs = interval[1:6:2], interval[:5:-2]
        assert all(high < y < low for (_, y, _), low, high in zip(chart.dots, lows, highs, strict=True))
        assert chart.dots[-1][2] == "261 particles: median 155 nm (148–163)"
        assert 3 <= len(chart.y_ticks) <= 9

    def test_larger_is_higher(self):
        ticks = numbers().convergence.y_ticks
        assert [float(tick.text) for tick in ticks] == sorted(float(tick.text) for tick in ticks)
        assert [tick.place for tick in ticks] == sorted((tick.place for tick in ticks), reverse=True)

    @pytest.mark.parametrize("n", [7, 40, 999, 123_456])
    @pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
    def test_ticks_of_any_size(self, n, scale):
        curve = {"n": [5, n], "median": [1.0 * scale, 1.1 * scale], "low": [0.9 * scale, 1.0 * scale]}
        chart = numbers(convergence={**NEW["convergence"], **curve, "high": [1.2 * scale] * 2}).convergence
        assert 2 <= len(chart.x_ticks) <= 9
        assert 2 <= len(chart.y_ticks) <= 9

    @pytest.mark.parametrize("curve", [None, {**NEW["convergence"], "n": [5], "median": [1.0]}])
    def test_none_where_there_is_no_curve(self, curve):
        assert numbers(convergence=curve).convergence is None
        assert of(SUMMARY["statistics"]).convergence is None

    @pytest.mark.parametrize(
        ("more", "pattern"),
        [(0, "261 particles are enough .*± 5 %"), (120, "^About 120 more particles .*± 5 %"),
         (7, "^About 7 more particles .*± 5 %"), (23_456, "^About 23,000 more particles .*± 5 %"),
         (None, "too few particles .*± 5 %")],
    )  # fmt: skip
    def test_how_many_more(self, more, pattern):
        assert re.search(pattern, numbers(convergence={**NEW["convergence"], "more": more}, n_kept=261).enough)

    def test_beside_a_total_it_is_said_of_what_and_what_else_helps(self):
        def enough(largest: str, n_kept: int = 261) -> str:
            row = {"name": largest, "title": "Unresolved contacts", "remedy": "Cut.", "fraction_100nm": 0.1}
            ends = {"median": {"ends": [80.0, 220.0], "largest": largest}, "fraction_100nm": {}, "rows": [row]}
            return numbers(budget=ends, relative_uncertainty=None, n_kept=n_kept).enough

        assert enough("sampling_within").endswith("± 5 % (counting only).")
        assert enough("unresolved_contacts") == "For the median, counting more hardly helps. Better: Cut."
        assert enough("unresolved_contacts", 18) == "No: count at least 30 particles."
        assert numbers(budget=None, relative_uncertainty=None).enough.endswith("± 5 %.")

    def test_on_the_first_screen_no_interval_holds_less_than_the_total(self):
        ends = {"median": {"ends": [80.0, 220.0]}, "fraction_100nm": {}, "rows": []}
        with_total, without = numbers(budget=ends), numbers(budget=None)
        names = {entry.name for entry in with_total.answer_sizes if entry.ends}
        assert names == {entry.name for entry in with_total.sizes if entry.total} and "mean" not in names
        assert "mean" in {entry.name for entry in without.answer_sizes if entry.ends}

    def test_of_the_scale_in_the_way_more_would_be_no_advice(self):
        sentence = numbers(convergence={**NEW["convergence"], "more": None}, relative_uncertainty=0.03).enough
        assert sentence.startswith("More particles cannot") and "the scale is less certain" in sentence


@pytest.mark.django_db
class TestPage:
    @pytest.fixture
    def page(self, client, make_job):
        def open_page(files=FILES, found=295, **changes):
            stored = {**deepcopy(SUMMARY), "found": found, "statistics": statistics(**changes)}
            made = {"summary": stored, "files": files, "attempt": 1, "progress": 1.0, "state": Job.State.DONE}
            job = make_job(visitor=VISITOR, **made)
            response = visit(client, VISITOR).get(f"/jobs/{job.pk}/")
            assert response.status_code == 200
            return words(response)

        return open_page

    def test_why_the_median_has_no_interval_is_said_once(self, page):
        note = "95 % intervals of sizes need at least 3 images; there are 2."
        rows = [{"name": "x", "title": "X", "source": "", "median": 0.02, "fraction_100nm": None}]
        limits = {**LIMITS, "median": None}
        text = page(intervals=limits, interval_note=note)
        assert text.count(note) == 1 and text.index('aria-label="The answer"') < text.index(note) < text.index(
            'id="histogram"'
        )
        total = {"ends": None, "standard": 0.02, "expanded": 0.04, "without": [], "sentence": "The median is 165 nm."}
        budget = {"rows": rows, "median": total, "fraction_100nm": total}
        assert "What it consists of" not in page(intervals=limits, interval_note=note, budget=budget)

    @pytest.mark.parametrize(("reason", "may"), [(Reason.FRAME, False), (Reason.UNSURE, True)])
    def test_other_settings_are_named_only_where_they_may_count(self, page, reason, may):
        text = page(n_kept=0, n_set_aside=3, set_aside={str(reason): 3})
        assert "that were found were left out." in text and ("Other settings may count them." in text) == may

    def test_reasons_are_chips_with_counts(self, page):
        text = page(set_aside={"touches the frame": 30, "low confidence": 4, "<new> & strange": 1})
        assert len(re.findall(r'class="chip( aside)?"', text)) == 4
        assert 'data-state="low confidence" aria-pressed="true"' in text
        assert escape(Reason.UNSURE.definition) in text
        assert f"{escape('<new> & strange')} <b>1</b>" in text

    def test_report_and_bundle_are_one_click_away_where_they_exist(self, page):
        assert "Report, PDF" not in page()
        text = page(files=(*FILES, "report.pdf", "bundle.zip"))
        assert re.search(r'href="/jobs/[^"]+/files/report.pdf\?download" download>Report<', text)
        assert re.search(r'href="/jobs/[^"]+/files/bundle.zip\?download" download>', text)

    def test_edge_weights_are_told(self, page):
        assert "Miles–Lantuéjoul" in page(edge="weight")
        assert "Miles–Lantuéjoul" not in page()


def test_confidence_is_told_as_it_was_measured(monkeypatch):
    shares = {"EMPS, 52 micrographs": {"wrong_over": 3.7}, "powder": {"wrong_over": 12.8}, "c": {}}
    scores = [{"data": data, "split": "held out", **wrong} for data, wrong in shares.items()]
    card = replace(cards.find("particles"), scores=scores)
    monkeypatch.setattr(cards, "find", lambda name: card)
    summary = {**SUMMARY, "model": {"name": "particles", "sha256": card.sha256}}
    job = Job(summary=summary, micrograph=Micrograph())
    sentence = Result(job).confidence_line
    assert sentence.endswith("with 50 % or more these were wrong: 3.7 % on EMPS, 13 % on powder.")
    fitted = replace(card, scores=[], training={"wrong_over_limit": 0.13})
    monkeypatch.setattr(cards, "find", lambda name: fitted)
    assert Result(job).confidence_line.endswith("13 % on the pictures that the confidence was fitted to.")
    other = Job(summary={**SUMMARY, "model": {**SUMMARY["model"], "sha256": "0" * 64}}, micrograph=Micrograph())
    assert Result(other).confidence_line == ""
    for flag, has_line in ((Flag("A note."), True), (Flag.doubtful("Unlike all others.", "Unlike all"), False)):
        flagged = Job(summary={**summary, **as_json([flag])}, micrograph=Micrograph())
        assert bool(Result(flagged).confidence_line) == has_line


def test_an_image_unlike_ones_own_is_offered_to_the_model_before_the_further_training():
    for model, offered in (("particles", [("model", "particles")]), ("removed since", [])):
        used = {"unlike_own": {"images": 10, "began_with": model}}
        offers = Choices(Job(summary={**SUMMARY, "used": used}, micrograph=Micrograph())).earlier_model_buttons
        assert [(offer.setting, offer.value) for offer in offers] == offered
    assert not Choices(Job(summary=SUMMARY, micrograph=Micrograph())).earlier_model_buttons


def test_where_particles_show_two_edges_all_outlines_may_follow_either():
    """The one that was chosen is not offered again."""
    edges = {"outlines": 40, "cores": 0.2, "ratio": 2.0, "shift": 0.45}
    offered = {
        edge: Choices(
            Job(
                summary={**SUMMARY, "used": {"concentric": edges}},
                settings=AnalysisSettings.of(edge=edge).as_dict(),
                micrograph=Micrograph(),
            )
        ).edge_buttons
        for edge in ("auto", "outer")
    }
    assert [(change.setting, change.value) for change in offered["auto"]] == [("edge", "outer"), ("edge", "inner")]
    assert [change.value for change in offered["outer"]] == ["inner"]
    redrawn = Job(summary=SUMMARY, settings=AnalysisSettings.of(edge="inner").as_dict(), micrograph=Micrograph())
    assert [change.value for change in Choices(redrawn).edge_buttons] == [
        "outer"
    ]  # the core alone shows no second edge
    assert not Choices(Job(summary=SUMMARY, micrograph=Micrograph())).edge_buttons


def test_numbers_are_told_in_the_order_of_their_kind_and_not_in_that_of_the_database():
    """PostgreSQL's JSON sorts names by their length."""
    names, number = ["bubbles", "bubble_patches", "swelling"], {"value": 273, "low": None, "high": None, "unit": ""}
    stored = StoredResult.read({"order": names, "quantities": dict.fromkeys(sorted(names), number)})
    assert list(stored.quantities) == names
    assert StoredResult.read({}).quantities == {}
    assert count_words(numbers_of(stored)) == "273 bubbles", "as the sentence says it"


@pytest.mark.django_db
class TestComparison:
    def corrected(self, make_job, **changes):
        parent = make_job(visitor=VISITOR, summary={**deepcopy(SUMMARY), "statistics": statistics()}, state="done")
        stored = {**deepcopy(SUMMARY), "statistics": statistics(**changes)}
        return make_job(
            micrograph=parent.micrograph, visitor=VISITOR, summary=stored, state="done", parent=parent, corrects=2
        )

    def test_every_number_stands_beside_the_automatic_one(self, make_job):
        job = self.corrected(make_job, n_kept=270, median=150.0, fraction_100nm=0.25, d10=62.51)
        rows = {row.term: row for row in differences(*(main_entries(Result(one)) for one in (job.parent, job)), {})}
        assert (rows["Counted"].before.value, rows["Counted"].after.value, rows["Counted"].difference) == (
            *("261", "270", "+9 (+3.4 %)"),
        )
        assert ([cell.value for cell in rows["Median"].cells], rows["Median"].difference) == (
            ["155", "150"],
            "−5 nm (−3.5 %)",
        )
        assert rows[NANO_FRACTION].difference == "+3.1 points"
        assert rows["D10"].difference == "±0 nm"

    @pytest.mark.parametrize(
        ("limits", "ends"), [((-22.0, -0.3), "−22 to 0"), ((0.0, 31.0), "0 to +31"), ((-4.2, 1.4), "−4.2 to +1.4")]
    )
    def test_what_rounds_to_zero_has_no_sign(self, limits, ends):
        entry, other = (Entry("mean", "Mean", Value(value, unit="nm")) for value in (5.0, 4.9996))
        change = difference_of(entry, other, limits)
        assert change.interval == ends and change.difference.startswith("±0 nm")

    @pytest.mark.parametrize(
        ("kind", "first", "second", "written"),
        [
            ("fraction", Value(0.044, 0.01, 0.25), Value(0.076, 0.02, 0.35), ("4.4", "7.6", "+3.2 points")),
            ("fraction", Value(0.041, 0.01, 0.25), Value(0.072, 0.02, 0.35), ("4", "7", "+3 points")),
            ("number", Value(432.1, 380, 480, "nm"), Value(440.3, 390, 490, "nm"), ("432", "440", "+8 nm (+1.9 %)")),
            ("number", Value(430.2, 380, 480, "nm"), Value(440.3, 390, 490, "nm"), ("430", "440", "+10 nm (+2.3 %)")),
            (
                "number",
                Value(20.14, 19.7, 20.5, "nm"),
                Value(20.36, 20, 20.8, "nm"),
                ("20.14", "20.36", "+0.22 nm (+1.1 %)"),
            ),
            ("number", Value(83.37, unit="nm"), Value(106.73, unit="nm"), ("83.4", "106.7", "+23.3 nm (+28.0 %)")),
            ("number", Value(440.12, 380, 480, "nm"), Value(440.16, 390, 490, "nm"), ("440", "440", "±0 nm")),
            ("number", Value(12034.0, unit="nm"), Value(9981.0, unit="nm"), ("12,030", "9980", "−2050 nm (−17.1 %)")),
        ],
    )
    def test_numbers_and_their_difference_are_rounded_so_that_they_agree(self, kind, first, second, written):
        change = difference_of(*(Entry("x", "X", value, kind=kind) for value in (first, second)), None)
        assert (*(cell.value for cell in change.cells), change.difference) == written
        one, other, apart = (
            float(text.replace(",", "").replace("−", "-").replace("±", "").split()[0]) for text in written
        )
        assert other - one == pytest.approx(apart)

    def test_a_difference_has_the_decimals_of_the_numbers_beside_it(self):
        entry, other = (Entry("n_kept", "Counted", Value(value), kind="integer") for value in (120.0, 137.0))
        assert difference_of(entry, other, (-600.0, 640.0)).difference.startswith("+17")


def test_of_a_refused_image_lists_say_no_number_and_no_dash():
    nothing = {"value": None, "low": None, "high": None, "unit": ""}
    name = "area_fraction of ferrite"
    assert (
        headline(numbers_of(StoredResult.read({"task": "phases", "order": [name], "quantities": {name: nothing}})))
        == ""
    )


@pytest.mark.parametrize("task", [task.name for task in every()])
def test_no_setting_differs_from_its_default_until_one_is_changed(task):
    settings = AnalysisSettings.of(task)
    assert list(shown_settings(settings, changed=True)) == []
    changed = AnalysisSettings.from_dict(settings.replaced(repeatability=0.4).as_dict())
    expected = [] if "repeatability" in find(task).ignores else ["repeatability"]
    assert [setting.name for setting, _ in shown_settings(changed, changed=True)] == expected
    both = {setting.name for side in (True, False) for setting, _ in shown_settings(changed, changed=side)}
    assert both == {setting.name for setting, _ in shown_settings(settings, changed=False)}
