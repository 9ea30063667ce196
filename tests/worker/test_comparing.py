"""Comparisons made by a worker: of outlines of one image, of images, of samples; once, and refused with a sentence."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.measure.quantities import Value
from segmentation.core.micrograph.types import Calibration
from segmentation.models import Comparison, Job, Sample
from segmentation.presenters import comparison
from segmentation.presenters.comparison import OTHER_LENGTHS, ComparedResults
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import comparisons, jobs
from segmentation.services.upkeep import upkeep
from tests.core.builders import disc_labels
from tests.web.finished import visit
from worker import tasks

from .comparable import LABELS, pool

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat", "busy", "no_files")]


def corrected():
    """Object 5 is missing, 40 has its number, and 6 is one with 7."""
    labels = LABELS.copy()
    labels[labels == 5] = 0
    labels[labels == 6] = 7
    labels[labels == 40] = 5
    labels[labels == 39] = 6
    return labels


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"missed": 3}, "Without 3 outlines"),
        ({"missed": 1, "invented": 2, "split": 1}, "Without 1 outline, with 2 more and 1 cut,"),
        ({"invented": 1}, "With 1 more outline"),
        ({"inexact": 4, "merged": 2}, "With 2 outlines merged and 4 drawn otherwise,"),
        ({"split": 1}, "With 1 outline cut"),
        ({}, "The outlines are the same;"),
    ],
)
def test_what_changed_in_the_outlines_is_said_first(changes, words):
    places = {
        name: {side: [100 * at + one for one in range(changes.get(name, 0))] for side in ("first", "second")}
        for at, name in enumerate(comparison.OUTCOMES)
    }
    page = ComparedResults.__new__(ComparedResults)
    page._agreement = {"scores": [{}], "places": places}
    assert page.changed_words == words


@pytest.fixture
def pooled(make_sample, result):
    """Makes pooled samples of results."""

    def make(*seeds):
        sample = Sample.objects.get(pk=make_sample("failed").pk)
        sample.jobs.all().delete()
        for seed in seeds:
            result(disc_labels(40, (300, 400), seed), f"{seed:064d}", sample=sample)
        pool(sample)
        return sample

    return make


def compared(first, second):
    row = comparisons.comparison_of(first, second)
    tasks.do_analyses()
    row.refresh_from_db()
    assert (row.state, row.error) == ("done", "")
    return row.result


def numbers(result):
    return {difference["name"]: difference for difference in result["differences"]}


class TestResults:
    def test_two_outlinings_of_one_image(self, result):
        first, second = result(), result(corrected())
        comparison = compared(first, second)
        places = comparison["agreement"]["places"]
        assert (comparison["how"], comparison["unit"], comparison["distance"]["p"]) == ("paired", "nm", None)
        assert places["missed"]["first"] == [5]
        count = numbers(comparison)["n_kept"]
        counts = [job.summary["statistics"]["n_kept"] for job in (first, second)]
        assert (count["first"], count["second"], count["difference"]) == (*counts, counts[1] - counts[0])
        assert count["low"] <= count["difference"] <= count["high"]
        median = numbers(comparison)["median"]
        assert median["first"] == first.summary["statistics"]["median"]
        assert median["low"] <= median["difference"] <= median["high"]

    def test_two_images(self, result):
        comparison = compared(result(), result(disc_labels(60, (300, 400), 3), "c" * 64))
        assert (comparison["how"], comparison["agreement"]) == ("independent", None)
        assert comparison["distance"]["test"] == "objects"
        assert numbers(comparison)["median"]["low"] < numbers(comparison)["median"]["high"]

    def test_a_difference_has_the_total_intervals_that_stand_beside_it(self, result):
        first, second = result(), result(disc_labels(60, (300, 400), 3), "c" * 64)
        for job, ends in ((first, [28.0, 63.0]), (second, [131.0, 319.0])):
            job.summary["statistics"]["median"] = {28.0: 46.0, 131.0: 229.0}[ends[0]]
            job.summary["statistics"]["budget"]["median"]["ends"] = ends
            job.save()
        median = numbers(compared(first, second))["median"]
        page = ComparedResults(Comparison.objects.get())
        (difference,) = (row for row in page.main_numbers if row.after.name == "median")
        expected = (183 - np.hypot(98, 17), 183 + np.hypot(90, 18))
        assert (median["low"], median["high"]) == (difference.low, difference.high) == pytest.approx(expected)
        assert [cell.interval for cell in difference.cells] == ["28–63", "131–319"]
        assert page.answer.startswith("B is 183 nm larger in median size: the distributions differ")
        assert re.search("Median[^.]*: the interval includes the known uncertainty", page.interval_line)
        assert page.difference_line.endswith("each difference has the intervals of both numbers.")

    def test_beside_a_total_uncertainty_stands_no_interval_of_less(self, result):
        first, second = result(), result(disc_labels(60, (300, 400), 3), "c" * 64)
        first.summary["statistics"]["budget"]["median"]["ends"] = [1.0, 900.0]
        second.summary["statistics"]["budget"]["median"]["ends"] = None
        for job in (first, second):
            job.save()
        median = numbers(compared(first, second))["median"]
        page = ComparedResults(Comparison.objects.get())
        (difference,) = (row for row in page.main_numbers if row.after.name == "median")
        ends = [job.summary["statistics"]["intervals"]["median"] for job in (first, second)]
        sides = (difference.before.number, difference.after.number)
        assert [(of.low, of.high) for of in sides] == [tuple(of) for of in ends]
        assert median["high"] < 800, "the difference has the intervals beside it"
        assert re.search(r"Median[^.]*: the interval includes scale and counting", page.interval_line)

    def test_what_is_not_shown_is_said_first_with_its_interval(self, result):
        first, second = result(), result(disc_labels(60, (300, 400), 3), "c" * 64)
        compared(first, second)
        page = ComparedResults(Comparison.objects.get())
        page.result["distance"] |= {"distance": 0.05, "p": 0.7}
        for side, median, ends in ((page.a, 430.0, [390, 480]), (page.b, 438.0, [400, 470])):
            side.statistics = replace(side.statistics, median=median, budget=None)
            side.statistics.intervals["median"] = ends
        row = next(row for row in page.result["differences"] if row["name"] == "median")
        row |= {"low": -38.0, "high": 58.0}
        assert page.answer == "No difference shown (+8 nm, −38 to +58) in median size."
        del page.main_numbers
        page.result["distance"] |= {"distance": 0.4, "p": 0.001, "reading": "The distributions differ clearly. In A …"}
        assert page.answer == (
            "No difference shown (+8 nm, −38 to +58) in median size: the distributions differ clearly."
        )

    def test_amounts_in_different_images_have_no_difference(self, result):
        compared(result(), result(disc_labels(60, (300, 400), 3), "c" * 64))
        page = ComparedResults(Comparison.objects.get())
        for name, value in (("who_fibres", Value(4.0, 1.0, 9.0)), ("porosity", Value(0.5, 0.4, 0.6))):
            for side in (page.a, page.b):
                side.statistics, side.stored_quantities = None, {**side.stored_quantities, name: value}
        texts = {row.after.name: (row.difference, bool(row.interval)) for row in page.main_numbers}
        assert texts["who_fibres"] == ("", False)
        assert texts["porosity"] == ("±0 points", True)

    @pytest.mark.services
    def test_it_is_made_once(self, result):
        first, second = result(), result(corrected())
        assert comparisons.comparison_of(first, second) == comparisons.comparison_of(first, second)
        assert Comparison.objects.count() == 1

    def test_it_goes_with_either_result(self, result):
        first, second = result(), result(corrected())
        comparisons.comparison_of(first, second)
        jobs.delete_job(job=second)
        assert not Comparison.objects.exists()

    def test_outlines_that_are_gone_leave_the_numbers(self, result):
        first, second = result(), result(corrected())
        Job.objects.filter(pk=second.pk).update(segmentation=None)
        comparison = compared(first, Job.objects.get(pk=second.pk))
        assert (comparison["how"], comparison["agreement"]) == ("paired", None)
        assert comparison["notes"] and numbers(comparison)["median"]["low"] is None


class TestSamples:
    def test_whole_images_are_exchanged(self, pooled):
        first, second = pooled(1, 2, 3), pooled(4, 5, 6)
        comparison = compared(first, second)
        assert (comparison["how"], comparison["distance"]["test"], comparison["distance"]["images"]) == (
            "independent", "images", [3, 3]
        )  # fmt: skip
        assert comparison["distance"]["least_p"] == pytest.approx(0.1)
        assert numbers(comparison)["median"]["first"] == first.pooled["median"]
        assert numbers(comparison)["n_kept"]["low"] is None

    @pytest.mark.services
    def test_of_a_sample_that_is_pooled_again_it_is_made_again(self, pooled, result):
        first, second = pooled(1, 2, 3), result()
        before = comparisons.comparison_of(first, second)
        Sample.objects.filter(pk=first.pk).update(attempt=first.attempt + 1)
        after = comparisons.comparison_of(Sample.objects.get(pk=first.pk), second)
        assert (before != after, Comparison.objects.count()) == (True, 1)

    def test_an_image_in_both_leaves_no_p(self, pooled, result):
        first, second = pooled(1, 2, 3), pooled(3, 4, 5)
        assert compared(first, second)["how"] == "shared"


class TestRefusals:
    def status(self, first, second):
        with pytest.raises(Refused) as refusal:
            comparisons.comparison_of(first, second)
        return refusal.value.status

    def test_neither_units_nor_kinds_of_analysis_are_mixed(self, result):
        assert self.status(result(), result(calibration=Calibration.absent())) == 422
        first, second = result(), result(corrected())
        second.settings = {**second.settings, "task": "grains"}
        assert self.status(first, second) == 422

    def test_a_sample_without_numbers(self, result, make_sample):
        assert self.status(result(), make_sample(state="done")) == 409

    @pytest.mark.services
    def test_a_dead_worker_leaves_it_to_another(self, result):
        row = comparisons.comparison_of(result(), result(corrected()))
        Comparison.objects.claim(row.pk)
        upkeep.rescue(died=(Comparison,))
        row.refresh_from_db()
        assert row.state == "queued"


def test_labels_far_apart_are_no_trouble(result):
    labels = np.zeros((300, 400), np.int32)
    labels[10:40, 10:40] = 1
    comparison = compared(result(labels), result(LABELS))
    assert comparison["agreement"]["scores"][0]["recall"] in (0, 1)


class TestAddresses:
    """Page and API give the same numbers; what is not the caller's is not found."""

    @pytest.fixture
    def two(self, result, settings):
        return result(), result(corrected(), used={"corrected": 3})

    def asked(self, client, *pks, api=True, **more):
        address = "/api/v1/compare" if api else "/compare/"
        return client.get(address, {"a": pks[0], **({"b": pks[1]} if pks[1:] else {})}, **more)

    def test_the_api_answers_when_a_worker_has_compared(self, two, client):
        first, second = (job.pk for job in two)
        waiting = self.asked(client, first, second)
        assert (waiting.status_code, waiting["Retry-After"], waiting.json()["state"]) == (202, "1", "queued")
        tasks.do_analyses()
        answer = self.asked(client, first, second).json()
        assert [row["id"] for row in answer["results"]] == [str(first), str(second)]
        median = next(number for number in answer["numbers"] if number["name"] == "median")
        stored = numbers(answer["comparison"])["median"]
        assert median["difference"] == {"value": stored["difference"], "low": stored["low"], "high": stored["high"]}
        assert len(answer["every"]) > 20
        assert answer["comparison"]["agreement"]["places"]["missed"]["first"] == [5]

    def test_the_page_shows_the_same(self, two, client):
        first, second = (job.pk for job in two)
        page = self.asked(client, first, second, api=False).content.decode()
        assert 'id="status"' in page and 'data-number="median"' in page
        tasks.do_analyses()
        page = self.asked(client, first, second, api=False).content.decode()
        assert 'id="status"' not in page
        assert 'data-how="paired"' in page and 'data-place="missed" data-count="1"' in page
        assert all(part in page for part in ('data-first="5"', 'id="distance"', "data-over", "Particles that count"))
        answer = re.search(r'id="answer">(.*?)</h1>', page)[1]
        assert re.fullmatch(
            r"Without 1 outline, with 1 merged, the median (stays the same|is .* (larg|small)er)", answer
        )
        changed = re.search(
            r'data-place="changed" data-count="(\d+)".*?data-first="(.*?)" data-second="(.*?)"', page, re.S
        )
        assert changed.groups() == ("2", "5,6,7", "7"), "lit on both sides"

    def test_what_a_person_corrected_is_the_truth_on_either_side(self, two):
        for sides, truth in ((two, "B"), (two[::-1], "A")):
            row = comparisons.comparison_of(*sides)
            tasks.do_analyses()
            page = ComparedResults(Comparison.objects.get(pk=row.pk))
            precision, recall, _ = (float(value) for value in page.scores[0]["values"])
            assert page.truth == truth
            assert precision < recall  # the corrected one has an object less

    def test_with_one_result_others_of_its_kind_are_offered(self, two, client):
        first, second = two
        visitor = "11111111-1111-4111-8111-111111111111"
        Job.objects.update(visitor=visitor, micrograph=first.micrograph)
        page = self.asked(visit(client, visitor), first.pk, api=False).content.decode()
        assert re.search(f'value="{second.pk}">[^<]*, version 2, ', page)

    def test_results_without_a_common_number_say_so(self, two, client):
        for job, name in zip(two, ("ferrite", "oxide"), strict=True):
            share = {f"area_fraction of {name}": Value(0.5).as_dict()}
            job.summary |= {"task": "phases", "statistics": None, "order": list(share), "quantities": share}
            job.settings = AnalysisSettings.of("phases").as_dict()
            job.save()
        page = self.asked(client, *(job.pk for job in two), api=False).content.decode()
        assert "no number in common" in page and "B minus A" not in page

    def test_lengths_in_pixels_and_in_nanometres_are_left_out_with_a_sentence(self, two, client):
        for job, unit in zip(two, ("nm", "px"), strict=True):
            numbers = {"area_fraction of oxide": Value(0.5), "mean_intercept of oxide": Value(9.0, unit=unit)}
            stored = {name: value.as_dict() for name, value in numbers.items()}
            scale = asdict(Calibration.of_pixel(2.0) if unit == "nm" else Calibration.absent())
            job.summary |= {"task": "phases", "statistics": None, "order": list(stored), "quantities": stored}
            job.summary["calibration"] = scale
            job.settings = AnalysisSettings.of("phases").as_dict()
            job.save()
        self.asked(client, *(job.pk for job in two))
        tasks.do_analyses()
        note = OTHER_LENGTHS.format("B")
        assert note in self.asked(client, *(job.pk for job in two)).json()["comparison"]["notes"]
        page = self.asked(client, *(job.pk for job in two), api=False).content.decode()
        assert note in page and 'data-number="mean_intercept of oxide"' not in page

    def test_what_the_page_asks_again_and_again_ends(self, two, client):
        """By a refresh when the worker has compared, and when one of both is gone."""
        first, second = (job.pk for job in two)
        ask = {"headers": {"HX-Request": "true"}}
        assert 'id="status"' in self.asked(client, first, second, api=False, **ask).content.decode()
        tasks.do_analyses()
        assert self.asked(client, first, second, api=False, **ask)["HX-Refresh"] == "true"
        jobs.delete_job(job=two[1])
        answer = self.asked(client, first, second, api=False, **ask)
        assert (answer.status_code, answer["HX-Refresh"]) == (404, "true")

    def test_a_result_of_somebody_else_is_not_found(self, two, client, alice):
        Job.objects.filter(pk=two[1].pk).update(owner=alice)
        assert self.asked(client, *(job.pk for job in two)).status_code == 404
        assert not Comparison.objects.exists()

    @pytest.mark.parametrize(("a", "b"), [("nonsense", "nonsense"), ("", ""), (None, None)])
    def test_an_address_that_names_nothing(self, client, a, b):
        query = {name: job for name, job in (("a", a), ("b", b)) if job is not None}
        answer = client.get("/api/v1/compare", query)
        assert (answer.status_code, list(answer.json())) == (422, ["error"])
        assert client.get("/compare/", query).status_code == 400

    @pytest.mark.parametrize("api", [True, False])
    def test_refusals_have_one_sentence(self, two, client, api):
        assert self.asked(client, two[0].pk, two[0].pk, api=api).status_code == 422
        Job.objects.filter(pk=two[1].pk).update(state="running")
        assert self.asked(client, *(job.pk for job in two), api=api).status_code == 409

    def test_a_failed_comparison_says_why(self, two, client):
        comparisons.comparison_of(*two)
        Comparison.objects.update(state="failed", error="No.", finished=timezone.now())
        answer = self.asked(client, *(job.pk for job in two))
        assert (answer.status_code, answer.json()) == (503, {"error": "No."})
        assert self.asked(client, *(job.pk for job in two), api=False).status_code == 200


class TestOperators:
    def test_outlines_of_two_people_are_offered_to_the_budget(self, result, client, monkeypatch):
        first, second = result(used={"corrected": 2}), result(corrected(), used={"corrected": 3})
        compared(first, second)
        names = {first.pk: ["bob"], second.pk: ["bob"]}
        monkeypatch.setattr(comparison, "authors", lambda job: names[job.pk])
        assert ComparedResults(Comparison.objects.get()).operators is None  # two versions of one person
        names[second.pk] = ["alice"]
        uncertainty = ComparedResults(Comparison.objects.get()).operators
        medians = [job.summary["statistics"]["median"] for job in (first, second)]
        assert float(uncertainty.value) == pytest.approx(100 * np.std(medians, ddof=1) / np.mean(medians), rel=0.05)
        page = client.get("/compare/", {"a": first.pk, "b": second.pk}).content.decode()
        assert page.count('name="between_operators"') == 2

    def test_one_click_puts_it_into_the_budget_of_the_same_outlines(self, result, client):
        visitor = "11111111-1111-4111-8111-111111111111"
        job = result(visitor=visitor, used={"corrected": 2})
        answer = visit(client, visitor).post(reverse("job-change", args=[job.pk]), {"between_operators": "1.7"})
        made = Job.objects.get(pk=answer["Location"].strip("/").split("/")[-1])
        assert (made.segmentation_id, made.settings["between_operators"]) == (job.segmentation_id, 1.7)

    def test_automatic_outlines_have_no_operator(self, result):
        compared(result(), result(corrected(), used={"corrected": 3}))
        assert ComparedResults(Comparison.objects.get()).operators is None
