"""What people type becomes AnalysisSettings, or a sentence."""

from __future__ import annotations

import pytest

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.calibration.stated import StatedScale
from segmentation.core.micrograph.calibration.width import width_text
from segmentation.core.micrograph.types import Calibration
from segmentation.core.tasks import every
from segmentation.forms.samples import ScaleForm, parse_pixel_size
from segmentation.forms.settings import SettingsForm
from segmentation.models import Micrograph
from segmentation.services.ground.requested import refuse_tall_bar
from tests.web.finished import ZEISS

pytestmark = pytest.mark.django_db  # which models there are depends on who asks
NOTHING = {"nm_per_pixel": None, "source": "none", "detail": "", "relative_uncertainty": None}


def scale(width, source):
    return StatedScale.of({"width": width, "source": source})


def micrograph(calibration=NOTHING, width=1024, height=768):
    return Micrograph(width=width, height=height, calibration=calibration, state=Micrograph.State.DONE)


def recipe(**typed):
    form = SettingsForm(typed)
    assert form.is_valid(), form.errors
    return form.settings()


def errors(**typed):
    return SettingsForm(typed).errors


class TestCalibration:
    @pytest.mark.parametrize(
        ("width", "source"), [("  ", ""), ("  ", "metadata"), ("  ", "read"), ("7520", ""), ("7520", "metadata")]
    )
    def test_an_empty_field_and_the_width_of_the_file_left_alone_state_nothing(self, width, source):
        assert scale(width, source).calibration(micrograph(ZEISS).scale) is None

    def test_nothing_typed_on_purpose_means_pixels(self):
        assert scale("  ", "typed").calibration(micrograph(ZEISS).scale) == Calibration.absent()

    def test_another_width_than_the_files_was_typed(self):
        other = micrograph({**ZEISS, "nm_per_pixel": 2.5})
        assert scale("2560", "metadata").calibration(other.scale) is None
        assert scale("7520", "metadata").calibration(other.scale).nm_per_pixel == pytest.approx(7520 / 1024)

    def test_typing_the_width_of_the_file_is_typing(self):
        made = scale("7520", "typed").calibration(micrograph(ZEISS).scale)
        assert (made.source, made.nm_per_pixel) == ("typed", 7520 / 1024)

    @pytest.mark.parametrize("text", ["3000", "3000 nm", "3 um", "3,0 µm"])
    def test_any_other_width_was_typed(self, text):
        made = scale(text, "").calibration(micrograph(ZEISS).scale)
        assert made.source == "typed"
        assert made.nm_per_pixel == pytest.approx(3000 / 1024)

    @pytest.mark.parametrize("text", ["0", "-1", "1e300", "wide", "7,5 ly", "nan", "7,520"])
    def test_what_is_no_width_is_explained(self, text):
        with pytest.raises(ValueError, match=r"width|unit") as refusal:
            scale(text, "typed").calibration(micrograph().scale)
        assert str(refusal.value).endswith(".")

    def test_a_width_as_shown_is_understood_again(self):
        calibration = Calibration(**ZEISS)
        assert width_text(calibration.width_nm(1024)) == "7520"
        odd = micrograph({**ZEISS, "nm_per_pixel": 1.23456789}, width=1000)
        assert scale(width_text(1234.56789), "metadata").calibration(odd.scale) is None


@pytest.mark.usefixtures("model")
class TestSettings:
    def test_nothing_typed_is_the_default_recipe(self):
        assert recipe() == AnalysisSettings.of(model="auto-particles")

    @pytest.mark.parametrize(("typed", "rows"), [("auto", "auto"), ("none", 0), ("56", 56), ("0", 0)])
    def test_the_data_bar(self, typed, rows):
        assert recipe(data_bar=typed).segmentation.data_bar == rows

    @pytest.mark.parametrize(
        ("typed", "factor"),
        [({}, None), ({"scale": "auto", "scale_factor": "nonsense", "particle_px": "nonsense"}, None),
         ({"scale": "0.25"}, 0.25), ({"scale": "factor", "scale_factor": " 1 "}, 1.0),
         ({"scale": "factor", "scale_factor": "0,33333333"}, 0.333333), ({"scale": "size", "particle_px": "72"}, 0.5),
         ({"scale": "size", "particle_px": "93", "scale_factor": "9"}, 0.3871),
         ({"scale": "size", "particle_px": "18"}, 2.0)],
    )  # fmt: skip
    def test_the_working_scale(self, typed, factor):
        assert recipe(**typed).segmentation.scale == factor

    def test_the_options_of_a_kind_are_eight_at_most(self):
        form = SettingsForm(models=[(task, [(task.name, task.title)]) for task in every()])
        options = [*form.main, *(option for _, more in form.more for option in more)]
        for task, _ in form.models:
            names = ["model", *(option.setting.name for option in options if option.task in (None, task))]
            assert len(names) <= 8, f"give the new one a group or scripts (core/typed.py): {task.name}, {names}"
            assert not {"repeatability", "operator", "scale_uncertainty"} & {*names}

    def test_rows_left_over_from_another_choice_do_not_count(self):
        assert recipe(data_bar="auto", data_bar_rows="nonsense").segmentation.data_bar == "auto"

    @pytest.mark.parametrize("text", ["0", "1", "7", "0.96", "half", "nan", "1e999", "-0.5"])
    def test_a_threshold_out_of_range_is_explained(self, text):
        assert "from 0.05 to 0.95" in errors(threshold=text)["threshold"][0]

    @pytest.mark.parametrize(
        "typed",
        [{"model": "unknown"}, {"polarity": "grey"}, {"data_bar": "rows"}, {"data_bar": "rows", "data_bar_rows": "²"},
         {"scale": "factor"}, {"scale": "size"}, {"scale": "size", "particle_px": "13"},
         {"scale": "size", "particle_px": "inf"}, {"scale": "size", "particle_px": "30", "model": "unknown"}],
    )  # fmt: skip
    def test_what_cannot_be_is_explained_in_one_sentence(self, typed):
        ((sentence,),) = errors(**typed).values()
        assert sentence.endswith(".")

    def test_a_recipe_fills_the_form_that_makes_it_again(self):
        measuring = {"filter": True, "border_correction": "weight"}
        made = AnalysisSettings.of(threshold=0.4, polarity="bright", data_bar=12, scale=0.3011, flips=True, **measuring)
        for settings in (made, AnalysisSettings.of(), AnalysisSettings.of(data_bar=0)):
            assert recipe(**SettingsForm(earlier=settings).initial) == settings

    def test_a_data_bar_as_high_as_the_image_is_refused(self):
        refuse_tall_bar(AnalysisSettings.of(data_bar=767), micrograph())
        refuse_tall_bar(AnalysisSettings.of(), micrograph())
        with pytest.raises(ValueError, match="only 768"):
            refuse_tall_bar(AnalysisSettings.of(data_bar=768), micrograph())


@pytest.mark.parametrize(
    ("typed", "scale"),
    [
        ({}, ("own", None, "")),
        ({"rule": "own", "rule_own": " 2.8 µm "}, ("own", 2800.0, "2.8 µm")),
        ({"rule": "width", "rule_width": "7.52 um", "rule_own": "7520"}, ("width", 7520.0, "7.52 um")),
        ({"rule": "pixel", "rule_pixel": "5.50 nm/px"}, ("pixel", 5.5, "5.50 nm/px")),
    ],
)
def test_the_scale_of_a_sample_keeps_what_was_typed(typed, scale):
    form = ScaleForm(typed)
    assert form.is_valid(), form.errors
    assert tuple(form.cleaned_data["scale"]) == scale


@pytest.mark.parametrize(
    ("text", "nm"), [("7.344", 7.344), ("7,34 nm", 7.34), ("0,125", 0.125), ("1,2345 nm/px", 1.2345)]
)
def test_a_pixel_size_is_typed_with_a_point_or_a_comma(text, nm):
    assert parse_pixel_size(text) == nm


@pytest.mark.parametrize(
    ("text", "message"), [("1,234", "two sizes"), ("1,250 nm", "two sizes"), ("0", "Type"), ("x", "Type")]
)
def test_a_pixel_size_that_can_be_two_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_pixel_size(text)
