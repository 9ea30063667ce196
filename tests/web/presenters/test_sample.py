"""What a sample's page says of how many images would be enough."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.measure.quantities import Value
from segmentation.core.micrograph.types import Calibration
from segmentation.core.tasks.base import Curve
from segmentation.models import Job, Sample
from segmentation.presenters.drawings import rebin_to_common_edges
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


@pytest.mark.services
def test_a_sample_counts_images(client, sample):
    made = sample(LINE)
    text = page(client, made)
    assert re.search(r"\b7 more images\b[^.]*±5 %", text)
    assert re.search(r"6 images: [^<]*155 nm \(140–170\)", text)
    panel = text[text.index('id="enough"') :].split("</details>")[0]
    assert "number of images" in panel and "more particles" not in panel and "number of particles" not in panel
    assert PooledResult(made).convergence.dots[-1][0] == 100


def test_of_two_images_there_is_the_sentence_and_no_curve(client, sample):
    made = sample({**LINE, **{name: LINE[name][-1:] for name in ("n", "median", "low", "high")}})
    assert PooledResult(made).convergence is None
    text = page(client, made)
    assert "About 7 more images" in text and 'class="convergence-chart"' not in text


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
    pooled = {name: of for name, of in made.pooled.items() if name not in SUMMARY["statistics"]}
    made.pooled = {**pooled, "headline_quantities": list(stored), "order": list(stored), "quantities": stored}
    made.save()
    (row,) = PooledResult(made).images
    return row


def test_the_number_of_an_image_has_the_unit_of_all_together(sample):
    (number,) = of_classes(sample(None), {"mean_intercept of ferrite": (1250.0, "nm")}).numbers
    assert (number.term, number.words) == ("Mean intercept", "0.900 µm")


def test_not_every_number_of_another_kind_has_an_interval(sample):
    made = sample(None)
    of_classes(made, {"area_fraction of ferrite": (0.5, "")})
    assert PooledResult(made).interval_line == ""


def test_every_number_of_another_kind_says_what_its_interval_includes(client, sample):
    """Fractions without the scale, lengths with it, one image in another way than several; all places say the same."""
    made = sample(None)
    of_classes(made, {"area_fraction of ferrite": (0.5, ""), "mean_intercept of ferrite": (900.0, "nm")})
    for stored in made.pooled["quantities"].values():
        stored.update(low=0.8 * stored["value"], high=1.2 * stored["value"])
    row = {"name": "a.tif", "excluded": ""}
    made.pooled |= {"of": [str(made.jobs.get().pk), "0" * 32, "1" * 32], "images": [row, row, row]}
    job = made.jobs.get()
    job.summary["calibration"] = asdict(Calibration(2.0, "typed", relative_uncertainty=0.01))
    job.save()
    made.settings = AnalysisSettings.of("phases").as_dict()
    made.save()
    fraction, length = PooledResult(made).known_quantities
    assert (fraction.includes, length.includes) == (
        "differences between images",
        "scale and differences between images",
    )
    tips = [f"{quantity.definition} 95 % interval: {quantity.includes}." for quantity in (fraction, length)]
    line = PooledResult(made).interval_line
    assert all(f": the interval includes {of.includes}." in line for of in (fraction, length))
    assert all(tip in page(client, made) for tip in tips) and not any("parts of the image" in tip for tip in tips)
    made.pooled |= {"of": made.pooled["of"][:1], "images": [row]}
    assert PooledResult(made).known_quantities[0].includes == "differences within the image"


def test_shares_of_classes_are_one_bar(client, sample):
    made = sample(None)
    row = of_classes(made, {"area_fraction of ferrite": (0.5, ""), "area_fraction of pearlite": (0.25, "")})
    assert [(of_class.name, start) for of_class, start in row.shares] == [("ferrite", 0.0), ("pearlite", 36.0)]
    assert not row.numbers and "ferrite <b>36.0 %</b>" in page(client, made)


def test_of_other_kinds_too_what_is_left_out_and_each_caution_stand_on_the_page(client, sample):
    made, caution = sample(None), "The 95 % interval of the mean may be too narrow: there are fewer than 30 sizes."
    made.pooled |= {"screened": False, "n_set_aside": 42, "cautions": [caution], "interval_note": ""}
    made.pooled |= {"images": [{"excluded": ""}] * 3}
    made.save()
    text = page(client, made)
    assert '<span data-number="n_set_aside">42</span> left out' in text and caution in text


def test_the_share_on_a_card_is_that_of_the_page_of_the_image(client, sample):
    """Rounded once: 1.046 % is no 1.1 %. Its interval, which is that of the image alone, stands on that page."""
    made = sample(None)
    of_classes(made, {"area_fraction of ferrite": (0.5, ""), "area_fraction of laths": (0.0104597, "")})
    job = made.jobs.get()
    job.summary["quantities"]["area_fraction of laths"] |= {"value": 0.0104597, "low": 0.001, "high": 0.036}
    job.save()
    assert "laths <b>1.0 %</b>" in (text := page(client, made)) and "0.10–3.6" not in text


def test_histograms_of_several_images_have_bins_of_one_width():
    fine = Curve("", "", [18.0, 19.0, 20.0, 21.0, 22.0], {"oxide": [10.0, 10.0, 30.0, 50.0]})
    coarse = Curve("", "", [20.0, 22.0, 24.0], {"oxide": [40.0, 60.0]})
    first, other = rebin_to_common_edges([fine, coarse])
    assert first.x == other.x == [18, 20, 22, 24]
    assert (first.lines[""], other.lines[""]) == ([20, 80, 0], [0, 40, 60])
    along = Curve("", "", [0.0, 5.0], {"oxide": [7.0, None]})
    assert rebin_to_common_edges([along, along]) == [along, along]


def test_the_line_of_an_image_stands_on_its_card(client, sample):
    made = sample(None)
    of_classes(made, {"thickness_mean of oxide": (20.0, "nm"), "area_fraction of oxide": (0.5, "")})
    job = made.jobs.get()
    curve = {"title": "Per cent", "across": "nm", "x": [18, 20, 22], "lines": {"oxide": [40, 60]}}
    Job.objects.filter(pk=job.pk).update(summary={**job.summary, "curves": [curve]})
    made.pooled |= {"of": [str(made.pk), str(job.pk)], "images": [{"excluded": ""}, {"excluded": ""}]}
    made.save()
    (chart,) = PooledResult(made).curves
    assert chart.paths[0] == "" and chart.paths[1], "the first image has no curve"
    text = page(client, made)
    assert 'class="first c1"' in text.partition('class="of-images"')[2] and '<path class="c1"' in text
