"""A sample that grows by a method: which images wait for a yes when it is pooled, and that a yes lasts."""

from __future__ import annotations

import csv
import io

import pypdf
import pytest

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.quality.method import MethodDescription
from segmentation.models import Job, Method, MethodVersion
from segmentation.presenters.growing import growth_of
from segmentation.services.results import pooling, samples

from .test_run_sample import files_of, pooled, run, squares  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_heartbeat")]
TYPED = "The scale is typed in; the method asks for one from the file."


@pytest.fixture
def version_of(alice):
    """A version of a method that takes typed scales, with what it asks for besides."""

    def make(*sources, **more):
        sources = sources or (Source.TYPED,)
        method = Method.objects.create(name=f"Powder {Method.objects.count()}", owner=alice)
        said = MethodDescription.of_result(AnalysisSettings.of(), "cd" * 32, sources[0], **more)
        fields = {"description": said.as_dict(), "checksum": said.checksum, "author": "alice"}
        return MethodVersion.objects.create(method=method, number=1, **fields)

    return make


def waits(sample):
    return dict(sample.members.exclude(waits="").values_list("micrograph__name", "waits"))


def named(sample, name):
    return sample.members.get(micrograph__name=name)


def say_yes(sample, name, account):
    samples.include_images(sample=sample, included={named(sample, name).pk: True}, account=account)
    pooling.refresh_sample(sample.pk)


def test_without_a_method_nothing_waits(pooled):  # noqa: F811
    sample = pooled(squares([10, 12]), squares([16, 18], 8.0))
    run(sample)
    assert waits(sample) == {} and sample.pooled["n_kept"] == 4 and growth_of(sample) is None


def test_images_of_a_scale_that_the_method_does_not_take_wait_and_a_yes_lasts(pooled, version_of, alice):  # noqa: F811
    sample = pooled(squares([10, 12]), squares([16, 18, 20]), method=version_of(Source.METADATA))
    run(sample)
    assert waits(sample) == {"0.png": TYPED, "1.png": TYPED}
    growth = growth_of(sample)
    assert (growth.waiting, growth.is_enough) == (2, False) and growth.sentence.startswith("0 images, 0 particles; ")
    say_yes(sample, "1.png", alice)
    run(sample)
    assert sample.pooled["n_kept"] == 3 and waits(sample) == {"0.png": TYPED}
    assert named(sample, "1.png").agreed_by == "alice"
    rows = files_of(sample)["images.csv"].decode("utf-8-sig").splitlines()
    table = {row["image"]: row for row in csv.DictReader(line for line in rows if not line.startswith("#"))}
    assert table["0.png"]["excluded"] == f"It waits for a yes: {TYPED}" and table["1.png"]["excluded"] == ""
    choice = table["1.png"]["choice"]
    assert choice.startswith("Counted by alice on ") and choice.endswith(f"although it had waited: {TYPED}")
    report = pypdf.PdfReader(io.BytesIO(files_of(sample)["report.pdf"]))
    text = " ".join(" ".join(page.extract_text().split()) for page in report.pages)
    assert f"1.png: {choice}" in text
    assert table["0.png"]["choice"] == "" and sample.pooled["images"][0]["choice"] == choice


def test_another_magnification_waits(pooled, version_of):  # noqa: F811
    sample = pooled(squares([10, 12]), squares([10, 12]), squares([9], 8.0), method=version_of())
    run(sample)
    assert waits(sample) == {"2.png": "A pixel is 8.00 nm; in the images that count it is 2.00 nm."}
    assert sample.pooled["n_kept"] == 4


def test_an_outlier_waits_until_a_yes(pooled, version_of, alice):  # noqa: F811
    tables = [squares([10 + place, 11, 12, 13, 11, 12, 10, 13, 12, 11, 12]) for place in range(4)]
    sample = pooled(*tables, squares([38] * 11), method=version_of())
    summary = run(sample)
    assert list(waits(sample)) == ["4.png"] and summary["n_kept"] == 44
    assert len(summary["of"]) == 4 and not any(row["outlier"] for row in summary["images"])
    say_yes(sample, "4.png", alice)
    summary = run(sample)
    assert summary["n_kept"] == 55 and waits(sample) == {}
    assert [bool(row["outlier"]) for row in summary["images"]] == [False] * 4 + [True], "it is still said"


def test_the_stopping_rule_ends_it_and_a_further_image_waits(pooled, version_of, alice):  # noqa: F811
    version = version_of(least_images=2, least_particles=5)
    sample = pooled(squares([10, 12, 14]), method=version)
    run(sample)
    assert growth_of(sample).sentence == (
        "1 image, 3 particles; the method asks for 2 images, 1 more; it asks for 5 particles."
    )
    other = pooled(squares([11, 12, 14]), squares([10, 12, 13]), squares([12, 13]), method=version)
    late = named(other, "2.png")
    Job.objects.filter(pk=late.pk).update(sample=None)
    run(other)
    growth = growth_of(other)
    assert growth.is_enough and growth.sentence == "2 images, 6 particles; these are enough." and growth.more == 0
    Job.objects.filter(pk=late.pk).update(sample=other)
    pooling.refresh_sample(other.pk)
    run(other)
    assert waits(other) == {"2.png": "Enough was measured before this image came."} and other.pooled["n_kept"] == 6
    say_yes(other, "2.png", alice)
    assert run(other)["n_kept"] == 8


def test_its_interval_is_the_one_of_the_answer(pooled, version_of):  # noqa: F811
    version = version_of(stopping={"quantity": "median", "half_width": 0.5})
    sizes = [10, 11, 12, 13, 11, 12, 10, 13, 12, 11, 12, 13]
    sample = pooled(*(squares(sizes[place:] + [12] * place) for place in range(4)), method=version)
    summary = run(sample)
    low, high = summary["intervals"]["median"]
    growth = growth_of(sample)
    assert growth.is_enough and "4 images, 48 particles: 24" in growth.sentence, (low, high)
    assert growth.rule == "the median to ±50 %"
