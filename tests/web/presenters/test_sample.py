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


def test_the_numbers_of_an_image_have_the_unit_of_all_together(sample):
    name = "mean_intercept of ferrite"
    made = sample(LINE, headline_quantities=[name], order=[name], quantities={name: {"value": 1250.0, "unit": "nm"}})
    (one,) = PooledResult(made).headline_quantities({name: Value(900.0, unit="nm")})
    assert one.words == "0.900 µm"


def test_single_images_count_particles(client, sample):
    line = {name: value for name, value in LINE.items() if name != "by"} | {"more": 70}
    assert "About 70 more particles" in page(client, sample(line))
    made = sample(None)
    assert PooledResult(made).enough == "" and PooledResult(made).convergence is None
