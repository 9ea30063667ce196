"""Calibration in the pages: the suggestion and its picture, the drawn line, and what disagrees."""

from __future__ import annotations

import io
import json
import re
from importlib import import_module
from uuid import uuid4

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.template.loader import render_to_string
from django.utils.html import escape
from PIL import Image

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.flags import Flag, as_json
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.micrograph.calibration.stated import LONG_LINE, NO_LENGTH, NO_LINE, SHORT_LINE, StatedScale
from segmentation.core.micrograph.scale_bar.readings import scale_of
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.wording import NOT_GIVEN, doubt_line
from segmentation.models import Job, Micrograph, Sample
from segmentation.services.ground.requested import with_site_uncertainty
from segmentation.views.job.calibration import acquisition_facts
from segmentation.views.job.reruns import NO_WIDTH
from tests.conftest import as_file
from tests.web.finished import FILES, SUMMARY, VISITOR, ZEISS, summary, words

NOTHING = {"nm_per_pixel": None, "source": "none", "detail": "", "relative_uncertainty": None}
READING = {
    "nm_per_pixel": 5.0,
    "relative_uncertainty": 0.01,
    "text": "500 nm",
    "length_nm": 500.0,
    "length_px": 100.0,
    "box": [800, 700, 200, 60],
    "ways": {
        "scale bar": {"nm_per_pixel": 5.0, "relative_uncertainty": 0.01, "text": "500 nm"},
        "width": {"nm_per_pixel": 5.0, "relative_uncertainty": 0.02, "text": "Width = 5.1 µm"},
    },
    "confidence": 0.98,
}
# A length without its line, for which ends are proposed, and a line without its length.
LINE_ASKED = {
    "nm_per_pixel": 0.0,
    "text": "2 µ",
    "length_nm": 2000.0,
    "box": [800, 700, 200, 60],
    "ends": [810, 750, 990, 750],
}
LENGTH_ASKED = {**LINE_ASKED, "text": "", "length_nm": None}
LINE = {"source": "drawn", "pixels": 100, "error": 1, "length": "500 nm"}


def read_in(reading):
    return scale_of(Calibration.absent(), reading).bar


CONFIRMED = scale_of(Calibration.absent(), READING).confirmed_bar


def scale(width, source="", **line):
    return StatedScale.of({"width": width, "source": source, **line})


def micrograph(calibration=NOTHING, reading=READING, **fields):
    return Micrograph(width=1024, height=768, calibration=calibration, reading=reading, **fields)


class TestSuggestion:
    def test_it_is_a_calibration_that_nobody_has_accepted_yet(self):
        read = read_in(READING)
        assert (read.nm_per_pixel, read.source, read.relative_uncertainty) == (5.0, "read", 0.01)
        assert read.detail.split(", ")[:2] == ["“500 nm”", "“Width = 5.1 µm”"] and read.detail.endswith(
            "500 nm over 100 px"
        )

    @pytest.mark.parametrize("reading", [{}, None, {"text": "500 nm"}, {"nm_per_pixel": None}])
    def test_there_need_not_be_one(self, reading):
        assert read_in(reading) == Calibration.absent()
        assert scale("5120", "data bar").calibration(micrograph(reading=reading).scale).source == "typed"

    @pytest.mark.parametrize("missing", ["text", "ways", "length_nm", "length_px", "box", "confidence"])
    def test_not_everything_need_be_known(self, missing):
        reading = {name: value for name, value in READING.items() if name != missing}
        assert read_in(reading).nm_per_pixel == 5.0
        assert micrograph(reading=reading).scale.disagreements() == []

    def test_accepted_it_is_the_calibration(self):
        assert scale("5120", "data bar").calibration(micrograph().scale) == CONFIRMED
        assert scale("5120", "data bar").calibration(micrograph(ZEISS).scale) == CONFIRMED

    @pytest.mark.parametrize("source", ["", "typed", "metadata"])
    def test_a_doubtful_one_is_never_used_by_itself(self, source):
        assert micrograph().scale.in_use == Calibration.absent()
        assert scale("5120", source).calibration(micrograph().scale).source == "typed"

    @pytest.mark.parametrize(("text", "source"), [("", ""), ("5120", "read"), ("5120", "")])
    def test_one_beyond_doubt_counts_while_nobody_says_otherwise(self, text, source):
        sure = {**READING, "sure": True}
        assert micrograph(reading=sure).scale.in_use == read_in(sure)
        assert scale(text, source).calibration(micrograph(reading=sure).scale) is None
        agreeing = micrograph({**ZEISS, "nm_per_pixel": 5.02}, sure)
        assert agreeing.scale.in_use.source == "metadata"

    def test_one_beyond_doubt_that_contradicts_the_file_leaves_both_to_the_user(self):
        contradicted = micrograph(ZEISS, {**READING, "sure": True})
        assert contradicted.scale.in_use == Calibration.absent()
        assert scale("", "").calibration(contradicted.scale) is None
        file = scale(contradicted.scale.width_text(Calibration(**ZEISS)), "metadata").calibration(contradicted.scale)
        assert file == Calibration(**ZEISS)
        assert scale("5120", "data bar").calibration(contradicted.scale) == CONFIRMED

    def test_one_text_alone_does_not_outweigh_the_microscope(self):
        lone = {**READING, "ways": {"scale bar": READING["ways"]["scale bar"]}, "sure": True}
        image = micrograph(ZEISS, lone)
        assert image.scale.in_use == Calibration(**ZEISS)
        (sentence,) = image.scale.disagreements()
        assert "5 nm" in sentence and "The file is used." in sentence
        by_a_program = micrograph({**ZEISS, "detail": "ImageJ, pixels per nm"}, lone)
        assert by_a_program.scale.in_use == Calibration.absent()

    def test_a_width_edited_afterwards_was_typed(self):
        made = scale("5000", "data bar").calibration(micrograph().scale)
        assert made == Calibration.of_width(5000, 1024)
        assert scale("7520", "data bar").calibration(micrograph().scale).source == "typed"


class TestLine:
    def test_length_over_pixels_with_the_error_of_reading(self):
        made = scale("5120", **LINE).calibration(micrograph().scale)
        assert (made.source, made.nm_per_pixel) == ("drawn", 5.0)
        assert made.relative_uncertainty == pytest.approx(2**0.5 / 100)
        assert made.detail == "500 nm over 100 px"

    @pytest.mark.parametrize("length", ["500", "500 nm", "0.5 µm", "0,5 um", "0.0005 mm"])
    def test_units(self, length):
        assert scale("5120", **LINE | {"length": length}).calibration(micrograph().scale).nm_per_pixel == pytest.approx(
            5
        )

    @pytest.mark.parametrize("length", ["5 Å", "0.5 nm", "500 pm"])
    def test_bars_of_atoms(self, length):
        made = scale("5.12", **LINE | {"length": length}).calibration(micrograph().scale)
        assert made.nm_per_pixel == pytest.approx(0.005)

    def test_a_width_edited_afterwards_was_typed(self):
        assert scale("5130", **LINE).calibration(micrograph().scale).source == "typed"

    @pytest.mark.parametrize(
        ("changes", "message"),
        [({"pixels": ""}, NO_LINE), ({"pixels": "nan"}, NO_LINE), ({"error": -1}, NO_LINE),
         ({"pixels": 4.9}, SHORT_LINE), ({"pixels": 10, "error": 10}, SHORT_LINE), ({"pixels": 1300}, LONG_LINE),
         *(({"length": length}, NO_LENGTH) for length in ("", " ", "long", "0", "1,000", "5" * 50))],
    )  # fmt: skip
    def test_what_is_no_line_is_explained(self, changes, message):
        with pytest.raises(ValueError, match=message) as error:
            scale("5120", **{**LINE, **changes}).calibration(micrograph().scale)
        assert str(error.value).endswith(".")

    def test_a_line_without_its_fields_is_explained(self):
        with pytest.raises(ValueError, match=NO_LINE):
            scale("5120", "drawn").calibration(micrograph().scale)

    def test_it_is_stored_and_read_again(self):
        stated = scale("5120", **LINE)
        assert StatedScale.of(json.loads(json.dumps(stated.as_dict()))) == stated


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"width": "", "origin": ""}, {"width": "", "source": None}),
        ({"width": "7520", "origin": "file", "token": "x"}, {"width": "7520", "token": "x", "source": "metadata"}),
        ({"width": "5120", "origin": "data bar"}, {"width": "5120", "source": "data bar"}),
        (
            {"width": "5120", "origin": "drawn:100:0.5:500 nm"},
            {"width": "5120", "source": "drawn", "pixels": "100", "error": "0.5", "length": "500 nm"},
        ),
    ],
)
def test_what_1_0_stored_of_a_scale_is_read(old, new):
    migration = import_module("segmentation.migrations.0002_version_1_1")
    assert migration.with_source(old) == new
    assert StatedScale.of(new).source == (new["source"] or None)


class TestUncertainty:
    def test_the_sites_counts_where_none_is_typed(self, settings):
        assert with_site_uncertainty(AnalysisSettings.of()) == AnalysisSettings.of()
        settings.DEEPSEGM_SCALE_UNCERTAINTY, settings.DEEPSEGM_SCALE_UNCERTAINTY_SOURCE = 0.8, "grating"
        measurement = with_site_uncertainty(AnalysisSettings.of(scale_uncertainty_k=2.0)).measurement
        assert (measurement.scale_uncertainty, measurement.scale_uncertainty_source) == (0.8, "grating")
        assert measurement.scale_uncertainty_k == 1  # the site's is a standard uncertainty
        for typed in (0.5, 0.0):
            recipe = AnalysisSettings.of(scale_uncertainty=typed)
            assert with_site_uncertainty(recipe) == recipe

    def test_the_two_parts_are_said_apart(self):
        file = Calibration(5.0, "metadata", relative_uncertainty=3.9e-8)
        assert re.search(
            f"reading and rounding: under 0.2 %; calibration of the microscope: {NOT_GIVEN}", doubt_line(file)
        )
        calibration = Calibration(5.0, "read", "", 0.004, 0.01, "certified grating")
        assert "rounding: ± 25 %" in doubt_line(Calibration.of_width(2000, 1000, typed="2 um"))  # 1.5 to 2.5 µm
        assert re.search(r"rounding: ± 0\.78 %; .*microscope: ± 2\.0 % \(certified grating\)", doubt_line(calibration))


class TestDisagreement:
    def test_all_three_are_compared(self):
        assert micrograph({**ZEISS, "nm_per_pixel": 5.05}).scale.disagreements() == []
        (two,) = micrograph(ZEISS).scale.disagreements()
        assert "file" in two and Source.READ.noun in two and "7.344" in two
        assert len(micrograph(ZEISS).scale.with_stated(Calibration.of_width(1024, 1024)).disagreements()) == 3

    def test_a_bar_that_contradicts_itself(self):
        ways = {**READING["ways"], "width": {"nm_per_pixel": 7.0, "relative_uncertainty": 0.02, "text": "<7 µm>"}}
        (sentence,) = micrograph(reading={**READING, "ways": ways, "confidence": 0.3}).scale.disagreements()
        assert "contradicts itself" in sentence
        assert "“<7 µm>” gives 7 nm/px" in sentence

    def test_an_accepted_suggestion_does_not_argue_with_itself(self):
        assert micrograph().scale.with_stated(CONFIRMED).disagreements() == []


class TestAcquired:
    def test_facts_have_names_and_units(self):
        metadata = {"operator": "x", "voltage_kv": 5.0, "instrument": "Sigma", "working_distance_mm": 4.25}
        assert acquisition_facts(micrograph(ZEISS, metadata=metadata)) == [
            ("Scale in the file", f"7.344 nm/px ({Source.METADATA.words}): {ZEISS['detail']}"),
            ("Instrument", "Sigma"),
            ("Voltage", "5 kV"),
            ("Working distance", "4.25 mm"),
            ("Operator", "x"),
        ]

    def test_nothing_known_and_nothing_long(self):
        assert acquisition_facts(micrograph(metadata={"note": "x" * 81, "empty": "", "list": [1]})) == []


@pytest.fixture
def stored(make_micrograph):
    """An upload of 1024 x 768 px whose preview is half as large, white where the scale was read."""

    def make(**fields):
        defaults = {"width": 1024, "height": 768, "visitor": VISITOR, "reading": READING}
        made = make_micrograph(**{**defaults, **fields})
        pixels = np.zeros((384, 512), np.uint8)
        pixels[350:380, 400:500] = 255
        made.preview.storage.delete(made.preview.name)
        made.preview.save("preview.png", ContentFile(as_file(pixels)))
        return made

    return make


@pytest.fixture
def job(make_job, stored):
    def make(micrograph=None, **fields):
        defaults = {"visitor": VISITOR, "state": Job.State.DONE, "summary": SUMMARY, "files": FILES, "attempt": 1}
        return make_job(micrograph=micrograph or stored(), **{**defaults, **fields})

    return make


def in_pixels():
    return {"summary": {**summary(unit="px", nano=None), "calibration": NOTHING}}


def shown(response):
    return np.asarray(Image.open(io.BytesIO(response.getvalue())))


@pytest.mark.django_db
class TestCrop:
    def test_it_shows_what_was_read_from_the_preview(self, maker, stored):
        address = f"/uploads/{stored().pk}/reading.png"
        response = maker.get(address)
        assert (response.status_code, response["Content-Type"]) == (200, "image/png")
        assert maker.get(address, headers={"If-None-Match": response["ETag"]}).status_code == 304
        crop = shown(response)
        assert crop.shape == pytest.approx((42, 157), abs=2)  # 200 x 60 px, 90 px beside and 15 px around it, halved
        assert crop[8:-5, 46:-13].min() == 255
        assert crop[0].max() == crop[:, 0].max() == 0
        assert response["Content-Security-Policy"].startswith("sandbox")

    def test_a_finished_analysis_has_a_sharper_picture(self, maker, stored):
        made = stored()
        before = maker.get(f"/uploads/{made.pk}/reading.png")
        made.viewer_image.save("image.webp", ContentFile(as_file(np.full((768, 1024), 9, np.uint8))))
        after = maker.get(f"/uploads/{made.pk}/reading.png", headers={"If-None-Match": before["ETag"]})
        assert after.status_code == 200
        assert shown(after).shape == pytest.approx((83, 314), abs=2)

    def test_the_image_above_the_data_bar_is_left_out(self, maker, stored):
        crop = shown(maker.get(f"/uploads/{stored(data_bar=698).pk}/reading.png"))
        assert crop.shape[0] == pytest.approx((768 - 698) / 2, abs=1)

    @pytest.mark.parametrize(
        "box", [None, [], [1, 2, 3], "abcd", [900, 100, -5, 5], [5000, 0, 10, 10], ["a", 0, 1, 1], {"x": 1}]
    )
    def test_without_a_sensible_box_there_is_no_picture(self, maker, stored, box):
        made = stored(reading={**READING, "box": box})
        assert maker.get(f"/uploads/{made.pk}/reading.png").status_code == 404
        page = suggestion(made)
        assert "5 nm/px" in page
        assert "reading.png" not in page

    def test_a_box_that_leaves_the_image_is_cut(self, maker, stored):
        made = stored(reading={**READING, "box": [1000, 760, 500, 500]})
        assert maker.get(f"/uploads/{made.pk}/reading.png").status_code == 200

    def test_a_lost_or_broken_picture_is_not_found(self, maker, stored):
        made = stored()
        made.preview.save("preview.png", ContentFile(b"no picture"))
        assert maker.get(f"/uploads/{made.pk}/reading.png").status_code == 404
        made.preview.storage.delete(made.preview.name)
        assert maker.get(f"/uploads/{made.pk}/reading.png").status_code == 404


def suggestion(micrograph):
    job = Job(micrograph=micrograph, settings=AnalysisSettings.of().as_dict())
    return render_to_string("_suggestion.html", {"micrograph": micrograph, "job": job})


@pytest.mark.django_db
class TestCard:
    def test_it_is_quiet_where_the_file_agrees(self, stored):
        card = suggestion(stored(calibration={**ZEISS, "nm_per_pixel": 5.02}))
        assert 'class="read agrees"' in card
        assert "data-accept" not in card and "the same as" not in card

    @pytest.mark.parametrize(("nm", "words"), [(5.02, "where it agrees with this scale."), (8.0, "where it was read.")])
    def test_it_names_the_image_whose_bar_is_the_same(self, stored, nm, words):
        reading = {**READING, "same_as": "<first>.tif"}
        card = suggestion(stored(calibration={**ZEISS, "nm_per_pixel": nm}, reading=reading))
        assert f"The bar is the same as in &lt;first&gt;.tif, {words}" in " ".join(card.split())

    def test_without_a_reading_the_ruler_is_left(self, stored):
        card = suggestion(stored(reading={}, data_bar=712))
        assert "data-accept" not in card
        assert 'data-box="0 712 1024 768"' in card and 'data-ends=""' in card

    @pytest.mark.parametrize(
        ("ends", "written"),
        [
            ([100, 730, 200, 730.5], "100 730 200 730.5"),
            ([1, 2, 1, 2], ""),
            ([0, 0, 9000, 0], ""),
            ("abcd", ""),
            (None, ""),
        ],
    )
    def test_the_ruler_proposes_the_line_that_was_read_and_its_length(self, stored, ends, written):
        card = suggestion(stored(reading={**READING, "ends": ends}))
        assert f'data-ends="{written}"' in card and 'data-length="500 nm"' in card

    @pytest.mark.parametrize(
        ("reading", "title", "length"),
        [(LINE_ASKED, "2000 nm: is this its line?", 'name="length" value="2000 nm"'),
         (LENGTH_ASKED, "How long is this scale bar?", 'id="asked_length"'),
         ({**LINE_ASKED, "ends": None}, "2000 nm: where is its line?", 'data-length="2000 nm"')],
    )  # fmt: skip
    def test_it_asks_for_the_line_or_the_length(self, stored, reading, title, length):
        card = suggestion(stored(reading=reading))
        assert title in card and length in card
        assert ('name="pixels" value="180.0"' in card) is bool(reading["ends"])
        assert "is this its line" not in suggestion(stored(reading=reading, calibration=ZEISS))


@pytest.mark.django_db
class TestResultPage:
    def test_without_a_scale_the_doubtful_reading_is_offered(self, maker, job):
        page = words(maker.get(f"/jobs/{job(**in_pixels()).pk}/"))
        assert 'class="read offered"' in page and "<b>5 nm/px</b>" in page
        assert 'id="scale-title"' in page and 'name="width" value="5120"' in page
        assert 'name="source" value="data bar"' in page
        assert page.count('id="width"') == 1

    def test_one_press_answers_the_question_for_the_line(self, maker, job, stored):
        old = job(stored(reading=LINE_ASKED), **in_pixels())
        page = words(maker.get(f"/jobs/{old.pk}/"))
        assert "“2 µ” is written in the image. Where is its line?" in page and "How wide is this picture?" not in page
        form = page.split('id="scale-question"')[1].split("</form>")[0]
        sent = dict(re.findall(r'name="(source|pixels|error|length)" value="([^"]*)"', form))
        maker.post(f"/jobs/{old.pk}/width/", sent)
        calibration = Job.objects.exclude(pk=old.pk).get().get_settings().measurement.calibration
        assert calibration == Calibration.of_line(2000, 180)

    def test_a_typed_length_answers_the_question_for_it(self, maker, job, stored):
        old = job(stored(reading=LENGTH_ASKED), **in_pixels())
        sent = {"source": "drawn", "pixels": "180.0", "error": "1.0", "length": ""}
        assert maker.post(f"/jobs/{old.pk}/width/", sent).status_code == 400
        maker.post(f"/jobs/{old.pk}/width/", {**sent, "length": "0.9 µm"})
        calibration = Job.objects.exclude(pk=old.pk).get().get_settings().measurement.calibration
        assert calibration.nm_per_pixel == pytest.approx(5) and calibration.source == "drawn"

    def test_the_picture_of_the_question_marks_both_ends(self, maker, stored):
        asked = np.asarray(
            Image.open(
                io.BytesIO(maker.get(f"/uploads/{stored(reading=LINE_ASKED).pk}/reading.png").getvalue())
            ).convert("RGB")
        )
        yellow = (asked == (255, 216, 77)).all(axis=2).any(axis=0)
        assert asked.shape[1] >= 360 and np.diff(np.flatnonzero(np.diff(yellow.astype(int)) > 0)) == pytest.approx(
            [207], abs=3
        )

    @pytest.mark.parametrize(
        ("width", "stands"), [(5120 * 1.09, False), (5120 * 1.12, True), (5120 / 3.4, True), (5.12, True)]
    )
    def test_a_width_that_the_bar_contradicts_stands_in_the_sentence(self, maker, job, width, stands):
        typed = Calibration.of_width(width, 1024, typed=f"{width:.6f}")
        used = AnalysisSettings.of(calibration=typed)
        old = job(settings=used, summary={**SUMMARY, "calibration": used.as_dict()["calibration"]})
        answer = words(maker.get(f"/jobs/{old.pk}/")).split('class="answer"')[0]
        assert ("The bar in the image seems to say 5 nm/px." in answer) is stands
        assert ("Use the bar" in answer and "Mine is right" in answer) is stands
        if not stands:
            return
        kept = maker.post(f"/jobs/{old.pk}/width/", {"keep": "on"})["Location"]
        calibration = Job.objects.get(pk=kept.strip("/").split("/")[-1]).get_settings().measurement.calibration
        assert calibration == typed.kept
        new = job(
            settings=used.replaced(calibration=calibration),
            summary={**SUMMARY, "calibration": AnalysisSettings.of(calibration=calibration).as_dict()["calibration"]},
        )
        page = words(maker.get(f"/jobs/{new.pk}/"))
        assert "Mine is right" not in page and "which is right" not in page

    def test_a_contradicting_width_that_was_confirmed_is_not_doubted_again(self, maker, job, stored):
        old = job(stored(reading={**READING, "sure": True}))
        asked = maker.post(f"/jobs/{old.pk}/width/", {"width": "900"})
        assert asked.status_code == 400 and "You typed 900 nm" in words(asked)
        maker.post(f"/jobs/{old.pk}/width/", {"width": "900", "sure": "900"})
        assert Job.objects.exclude(pk=old.pk).get().get_settings().measurement.calibration.is_kept

    def test_of_file_and_bar_that_contradict_each_other_either_can_be_accepted(self, maker, job, stored):
        upload = stored(calibration=ZEISS, reading={**READING, "sure": True})
        old = job(upload, **in_pixels())
        page = words(maker.get(f"/jobs/{old.pk}/"))
        assert 'id="scale-title"' in page and "which is right" in page
        assert "<b>7.344 nm/px</b>" in page and 'name="source" value="metadata"' in page
        assert 'name="width" value="5120"' in page and 'name="source" value="data bar"' in page
        sent = {"width": "7520", "source": "metadata"}
        for form in (sent, {"width": "7520"}):
            response = maker.post(f"/jobs/{old.pk}/width/", form)
            made = Job.objects.get(pk=response["Location"].strip("/").split("/")[-1])
            assert made.get_settings().measurement.calibration == Calibration(**ZEISS)

    def test_a_width_typed_for_an_image_that_was_cancelled_before_it_was_read_is_kept(self, maker, job):
        typed = {"width": "5000", "source": "typed"}
        fields = {"calibration": NOTHING, "reading": {}}
        old = job(state=Job.State.CANCELLED, ready=False, asked=typed, summary={}, files=())
        Micrograph.objects.filter(pk=old.micrograph_id).update(width=1000, height=800, **fields)
        page = words(maker.get(f"/jobs/{old.pk}/"))
        assert "5 nm/px" in page and 'value="5000"' in page
        maker.post(f"/jobs/{old.pk}/rerun/", {"filter": "on", "token": uuid4().hex})
        recipe = Job.objects.exclude(pk=old.pk).get().get_settings().measurement
        assert recipe.filter and recipe.calibration.width_nm(1000) == 5000 and recipe.calibration.source == "typed"

    def test_a_banner_sent_empty_asks_for_the_width(self, maker, job):
        response = maker.post(f"/jobs/{job(**in_pixels()).pk}/width/", {"width": " "})
        assert response.status_code == 400
        assert NO_WIDTH in words(response)

    def test_one_click_makes_a_revision_measured_with_it(self, maker, job):
        old = job(**in_pixels())
        page = words(maker.get(f"/jobs/{old.pk}/"))
        typed = dict(re.findall(r'name="(token|width|source)" value="([^"]*)"', page.split('id="calibrate"')[1]))
        response = maker.post(f"/jobs/{old.pk}/width/", {**typed, "width": "5120", "source": "data bar"})
        new = Job.objects.exclude(pk=old.pk).get()
        assert (response.status_code, response["Location"]) == (303, f"/jobs/{new.pk}/")
        assert new.parent == old
        assert new.get_settings().measurement.calibration == CONFIRMED
        assert new.get_settings().segmentation == old.get_settings().segmentation

    def test_accepted_it_is_shown_as_used(self, maker, job, stored):
        made = stored()
        used = AnalysisSettings.of(calibration=CONFIRMED)
        done = job(made, settings=used, summary={**SUMMARY, "calibration": used.as_dict()["calibration"]})
        page = words(maker.get(f"/jobs/{done.pk}/"))
        assert 'class="read used"' in page
        assert escape(doubt_line(CONFIRMED)) in page
        assert 'value="data bar"' not in page
        assert maker.post(f"/jobs/{done.pk}/width/", {"width": "5120", "source": "data bar"}).status_code == 302

    def test_a_sample_counts_its_image_with_the_scale_that_it_had_not(self, maker, job):
        sample = Sample.objects.create(name="s", settings=AnalysisSettings.of().as_dict(), visitor=VISITOR)
        old = job(sample=sample, **in_pixels())
        answers = {maker.post(f"/jobs/{old.pk}/width/", {"width": "5120"})["Location"] for _ in range(2)}
        assert answers == {f"/jobs/{sample.members.get().pk}/"} and sample.members.get().parent == old
        maker.post(f"/jobs/{old.pk}/width/", {"width": "6000"})  # from the page of before
        assert sample.members.get().get_settings().measurement.calibration.nm_per_pixel == pytest.approx(6000 / 1024)
        scaled = job(sample=sample)  # one with a scale stays, and the new one is a result of its own
        maker.post(f"/jobs/{scaled.pk}/width/", {"width": "7777"})
        assert scaled in sample.members and scaled.reruns.get().sample is None

    def test_a_drawn_line_as_wide_as_the_file_is_a_drawn_line(self, maker, job, stored):
        old = job(stored(calibration={**ZEISS, "nm_per_pixel": 5.0}))
        maker.post(f"/jobs/{old.pk}/width/", {"width": "5120", **LINE})
        assert Job.objects.exclude(pk=old.pk).get().get_settings().measurement.calibration.source == "drawn"

    def test_disagreements_are_said_once(self, maker, job, stored):
        made = stored(calibration=ZEISS)
        (sentence,) = made.scale.disagreements()
        page = words(maker.get(f"/jobs/{job(made, summary={**SUMMARY, **as_json([Flag(sentence)])}).pk}/"))
        assert page.count(sentence) == 1
        assert words(maker.get(f"/jobs/{job(made).pk}/")).count(sentence) == 1

    def test_what_the_file_says_of_the_microscope(self, maker, job, stored):
        made = stored(metadata={"instrument": "Sigma <300>", "voltage_kv": 5.0, "date": "2026-11-20"})
        page = words(maker.get(f"/jobs/{job(made).pk}/"))
        for text in ("<dt>Instrument</dt><dd>Sigma &lt;300&gt;</dd>", "<dd>5 kV</dd>", "<dd>2026-11-20</dd>"):
            assert text in page
