"""Comparisons made by a worker: of outlines of one image, of images, of samples; once, and refused with a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation import services
from segmentation.core.micrograph.types import Calibration
from segmentation.models import Comparison, Job, Sample
from segmentation.services import Refused
from tests.core.builders import disc_labels
from worker import tasks

from .comparable import store

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]
LABELS = disc_labels(40, (300, 400))


def corrected():
    """Object 5 is missing, 40 has its number, and 6 is one with 7."""
    labels = LABELS.copy()
    labels[labels == 5] = 0
    labels[labels == 6] = 7
    labels[labels == 40] = 5
    labels[labels == 39] = 6
    return labels


@pytest.fixture
def result(make_micrograph, make_job, tmp_path):
    """Makes finished results; the same sha is the same image."""

    def make(labels=LABELS, sha="a" * 64, **more):
        owned = {name: more.pop(name) for name in ("owner", "visitor", "sample", "parent") if name in more}
        image = {name: owned[name] for name in ("owner", "visitor") if name in owned}
        micrograph = make_micrograph(sha256=sha, name=f"{sha[:2]}.png", width=400, height=300, **image)
        return store(make_job(micrograph=micrograph, **owned), labels, tmp_path, **more)

    return make


@pytest.fixture
def pooled(make_sample, result):
    """Makes pooled samples of results."""

    def make(*seeds):
        sample = Sample.objects.get(pk=make_sample("failed").pk)
        sample.jobs.all().delete()
        for seed in seeds:
            result(disc_labels(40, (300, 400), seed), f"{seed:064d}", sample=sample)
        Sample.objects.filter(pk=sample.pk).update(state="queued")
        tasks.run_sample(sample.pk)
        sample.refresh_from_db()
        assert (sample.state, sample.error) == ("done", "")
        return sample

    return make


def compared(first, second):
    found = services.comparison_of(first, second)
    tasks.compare(found.pk)
    found.refresh_from_db()
    assert (found.state, found.error) == ("done", "")
    return found.result


def numbers(result):
    return {each["name"]: each for each in result["differences"]}


class TestResults:
    def test_two_outlinings_of_one_image(self, result):
        first, second = result(), result(corrected())
        found = compared(first, second)
        places = found["agreement"]["places"]
        assert (found["how"], found["unit"], found["distance"]["p"]) == ("paired", "nm", None)
        assert places["missed"]["first"] == [5]
        count = numbers(found)["n_kept"]
        kept = [each.summary["statistics"]["n_kept"] for each in (first, second)]
        assert (count["first"], count["second"], count["difference"]) == (*kept, kept[1] - kept[0])
        assert count["low"] <= count["difference"] <= count["high"]
        median = numbers(found)["median"]
        assert median["first"] == first.summary["statistics"]["median"]
        assert median["low"] <= median["difference"] <= median["high"]

    def test_two_images(self, result):
        found = compared(result(), result(disc_labels(60, (300, 400), 3), "c" * 64))
        assert (found["how"], found["agreement"]) == ("independent", None)
        assert found["distance"]["test"] == "objects"
        assert numbers(found)["median"]["low"] < numbers(found)["median"]["high"]

    def test_it_is_made_once(self, result):
        first, second = result(), result(corrected())
        assert services.comparison_of(first, second) == services.comparison_of(first, second)
        assert Comparison.objects.count() == 1

    def test_it_goes_with_either_result(self, result):
        first, second = result(), result(corrected())
        services.comparison_of(first, second)
        services.delete_job(job=second)
        assert not Comparison.objects.exists()

    def test_outlines_that_are_gone_leave_the_numbers(self, result):
        first, second = result(), result(corrected())
        Job.objects.filter(pk=second.pk).update(segmentation=None)
        found = compared(first, Job.objects.get(pk=second.pk))
        assert (found["how"], found["agreement"]) == ("paired", None)
        assert found["notes"] and numbers(found)["median"]["low"] is None


class TestSamples:
    def test_whole_images_are_exchanged(self, pooled):
        first, second = pooled(1, 2, 3), pooled(4, 5, 6)
        found = compared(first, second)
        assert (found["how"], found["distance"]["test"], found["distance"]["images"]) == (
            "independent", "images", [3, 3]
        )  # fmt: skip
        assert found["distance"]["least_p"] == pytest.approx(0.1)
        assert numbers(found)["median"]["first"] == first.pooled["median"]
        assert numbers(found)["n_kept"]["low"] is None

    def test_of_a_sample_that_is_pooled_again_it_is_made_again(self, pooled, result):
        first, second = pooled(1, 2, 3), result()
        before = services.comparison_of(first, second)
        Sample.objects.filter(pk=first.pk).update(attempt=first.attempt + 1)
        after = services.comparison_of(Sample.objects.get(pk=first.pk), second)
        assert (before != after, Comparison.objects.count()) == (True, 1)

    def test_an_image_in_both_leaves_no_p(self, pooled, result):
        first, second = pooled(1, 2, 3), pooled(3, 4, 5)
        assert compared(first, second)["how"] == "shared"


class TestRefusals:
    def status(self, first, second):
        with pytest.raises(Refused) as refusal:
            services.comparison_of(first, second)
        return refusal.value.status

    def test_a_result_is_not_compared_with_itself(self, result):
        job = result()
        assert self.status(job, job) == 422

    def test_pixels_are_not_compared_with_nanometres(self, result):
        assert self.status(result(), result(calibration=Calibration.absent())) == 422

    @pytest.mark.parametrize("state", ["queued", "running", "failed", "cancelled"])
    def test_what_is_not_done_has_nothing_to_compare(self, state, result, make_job):
        assert self.status(result(), make_job(state=state)) == 409

    def test_kinds_of_analysis_are_not_mixed(self, result):
        first, second = result(), result(corrected())
        second.settings = {**second.settings, "task": "grains"}
        assert self.status(first, second) == 422

    def test_a_sample_without_numbers(self, result, make_sample):
        assert self.status(result(), make_sample(state="done")) == 409

    def test_a_dead_worker_leaves_it_to_another(self, result):
        found = services.comparison_of(result(), result(corrected()))
        Comparison.objects.claim(found.pk)
        services.rescue(died=(Comparison,))
        found.refresh_from_db()
        assert found.state == "queued"


def test_labels_far_apart_are_no_trouble(result):
    labels = np.zeros((300, 400), np.int32)
    labels[10:40, 10:40] = 1
    found = compared(result(labels), result(LABELS))
    assert found["agreement"]["scores"][0]["recall"] in (0, 1)
