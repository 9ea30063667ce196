"""What a sample's page says of how many images would be enough."""

from __future__ import annotations

import re

import pytest

from segmentation.core.measure.quantities import Value
from segmentation.models import Job, Sample
from segmentation.presenters.sample import PooledResult
from tests.web.finished import SUMMARY, words

pytestmark = pytest.mark.django_db
LINE = {
    "n": [3, 4, 6],
    "median": [150.0, 156.0, 155.0],
    "low": [110.0, 130.0, 140.0],
    "high": [190.0, 180.0, 170.0],
    "more": 7,
    "wanted": 0.05,
    "by": "image",
}


@pytest.fixture
def sample(make_sample):
    """A pooled sample with this convergence."""

    def make(line, **more):
        made = make_sample(Job.State.DONE, state=Sample.State.DONE)
        job = made.jobs.get()
        row = {"name": "0.png", "n": 20, "median": 155.0, "low": 140.0, "high": 170.0, "outlier": "", "excluded": ""}
        made.pooled = {**SUMMARY["statistics"], "of": [str(job.pk)], "images": [row], "convergence": line, **more}
        made.save()
        return made

    return make


def page(client, made):
    return words(client.get(f"/samples/{made.pk}/"))


def test_a_sample_counts_images(client, sample):
    made = sample(LINE)
    said = page(client, made)
    assert re.search(r"\b7 more images\b[^.]*±5 %", said)
    assert re.search("6 images: [^<]*155 nm, 140–170 nm", said)
    panel = said[said.index('id="enough"') :].split("</section>")[0]
    assert "number of images" in panel and "more particles" not in panel and "number of particles" not in panel
    assert PooledResult(made).convergence.points[-1].x == 100


def test_of_two_images_there_is_the_sentence_and_no_curve(client, sample):
    made = sample({**LINE, **{name: LINE[name][-1:] for name in ("n", "median", "low", "high")}})
    assert PooledResult(made).convergence is None
    said = page(client, made)
    assert "About 7 more images" in said and 'class="convergence-chart"' not in said


def test_where_the_calibration_stands_in_the_way_it_is_said(sample):
    made = sample({**LINE, "more": None}, relative_uncertainty=0.03)
    assert "±5.9 %" in PooledResult(made).enough


def of_classes(made, values):
    """The only image of a sample without sizes, which has these quantities, as all images together have them."""
    stored = {name: Value(value, unit=unit).as_dict() for name, (value, unit) in values.items()}
    job = made.jobs.get()
    job.summary = {
        **job.summary,
        "statistics": None,
        "quantities": {name: {**of, "value": 0.72 * of["value"]} for name, of in stored.items()},
    }
    job.save()
    kept = {name: of for name, of in made.pooled.items() if name not in SUMMARY["statistics"]}
    made.pooled = {**kept, "headline_quantities": list(stored), "order": list(stored), "quantities": stored}
    made.save()
    (row,) = PooledResult(made).images
    return row


def test_the_number_of_an_image_has_the_unit_of_all_together(sample):
    (one,) = of_classes(sample(None), {"mean_intercept of ferrite": (1250.0, "nm")}).numbers
    assert (one.term, one.words) == ("Mean intercept", "0.900 µm")


def test_not_every_number_of_another_kind_has_an_interval(sample):
    made = sample(None)
    of_classes(made, {"area_fraction of ferrite": (0.5, "")})
    assert PooledResult(made).interval_line.startswith("Ranges are 95 % intervals")


def test_shares_of_classes_are_one_bar(client, sample):
    made = sample(None)
    row = of_classes(made, {"area_fraction of ferrite": (0.5, ""), "area_fraction of pearlite": (0.25, "")})
    assert [(of_class.name, start) for of_class, start in row.shares] == [("ferrite", 0.0), ("pearlite", 36.0)]
    assert not row.numbers and "ferrite <b>36 %</b>" in page(client, made)


def test_single_images_count_particles(client, sample):
    line = {name: value for name, value in LINE.items() if name != "by"} | {"more": 70}
    assert "About 70 more particles" in page(client, sample(line))
    made = sample(None)
    assert PooledResult(made).enough == "" and PooledResult(made).convergence is None
