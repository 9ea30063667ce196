"""A picture in forms that leave its particles as they are: an analysis that is right says the same number of each."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.flags import Flag
from segmentation.core.measure.quantities import Value
from segmentation.core.measure.table import Table
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.quality.robustness import TITLES
from segmentation.core.stages.changed_forms import FORMS, NotTested, grey_levels, in_form, measure_robustness

ROWS, COLUMNS, BAR = 90, 120, 10
NM = 4.0


def picture(dtype=np.uint8, bright=200, tilt=None) -> Micrograph:
    """One bright rectangle of 20 x 30 px on a dark ground, above a white data bar."""
    pixels = np.full((ROWS + BAR, COLUMNS), 40, dtype)
    pixels[30:50, 40:70] = bright
    pixels[ROWS:] = np.iinfo(dtype).max
    metadata = {"tilt_degrees": tilt} if tilt else {}
    return Micrograph(pixels, "a.tif", "0" * 64, Calibration.of_pixel(NM), metadata)


class Fake:
    """An analysis that counts the pixels that differ from most, as a length in nm."""

    def __init__(self, value=None, doubted=lambda micrograph: False):
        self.pictures, self.settings, self.doubted = [], [], doubted
        self.value = value or (lambda micrograph, nm: Value(nm, nm - 3, nm + 5, "nm"))

    def __call__(self, micrograph, settings):
        self.pictures.append(micrograph)
        self.settings.append(settings)
        calibration = settings.measurement.scaled(micrograph.scale).in_use
        grey = micrograph.pixels.astype(float)
        count = int((abs(grey - np.median(grey)) > 80).sum())
        nm = np.sqrt(count) * (calibration.nm_per_pixel or 0)
        flags = (Flag("A doubt.", "a doubt", doubt=True),) if self.doubted(micrograph) else ()
        table = Table({"kept": np.zeros(0, bool), "reason": np.zeros(0, "U1")}, calibration.nm_per_pixel)
        return Analysis(
            micrograph, settings, calibration, None, table, None, {"median": self.value(micrograph, nm)}, {}, flags
        )


def result_of(micrograph=None, fake=None, **settings):
    fake = fake or Fake()
    settings = AnalysisSettings.of(**{"data_bar": BAR, **settings})
    return measure_robustness(micrograph or picture(), settings, "median", fake, lambda stage, done: None)


def test_a_right_analysis_says_the_same_in_every_form():
    one = result_of()
    assert one.value == pytest.approx(NM * np.sqrt(600)) and one.half_width == pytest.approx(5)
    assert list(one.moved) == list(FORMS) == list(TITLES)
    assert max(map(abs, one.moved.values())) < 3 and one.warned == []
    assert all(one.is_within(form) for form in FORMS)


def test_the_data_bar_is_in_no_form():
    fake = Fake()
    result_of(fake=fake)
    assert fake.pictures[0].shape == (ROWS, COLUMNS)
    assert all(settings.segmentation.data_bar == 0 for settings in fake.settings)


def test_the_scale_goes_with_the_pixels():
    fake = Fake()
    result_of(fake=fake, scale=0.5)
    sizes = [settings.measurement.calibration.nm_per_pixel for settings in fake.settings]
    scales = [settings.segmentation.scale for settings in fake.settings]
    forms = ["as it is", *FORMS]
    assert dict(zip(forms, sizes, strict=True)) == {
        **dict.fromkeys(forms, NM),
        "half size": 2 * NM,
        "double size": NM / 2,
    }
    assert dict(zip(forms, scales, strict=True))["half size"] == 1.0
    assert dict(zip(forms, scales, strict=True))["double size"] == 0.25


def test_a_specimen_with_a_tilt_is_not_turned():
    one = result_of(picture(tilt=30.0), tilt_correction="file")
    assert "turned" not in one.moved and "mirrored" in one.moved
    assert "turned" in result_of(picture(tilt=30.0)).moved


def test_what_moves_is_said_with_its_warning():
    def is_large(micrograph):
        return micrograph.shape[0] > ROWS

    one = result_of(
        fake=Fake(lambda micrograph, nm: Value(120.0 if is_large(micrograph) else 100.0, 90.0, 104.0), is_large)
    )
    assert one.moved["double size"] == 20 and not one.is_within("double size") and one.half_width == 10
    assert one.warned == ["turned", "double size"]  # the turned one is 120 px high


def test_a_form_without_the_number_has_none():
    one = result_of(fake=Fake(lambda micrograph, nm: Value(None if micrograph.pixels[0, 0] > 128 else 100.0)))
    assert one.moved["inverted"] is None and one.moved["mirrored"] == 0 and one.half_width is None
    assert not one.is_within("mirrored")  # nothing says how wide


def test_other_pixels_are_stretched_to_eight_bits():
    wide = picture(np.uint16, 60_000)
    assert grey_levels(wide.pixels).max() == 255 and grey_levels(wide.pixels).min() == 0
    assert not grey_levels(np.full((3, 3), 7.0, np.float32)).any()
    same = picture()
    assert np.array_equal(grey_levels(same.pixels), same.pixels)
    assert result_of(wide).value == result_of().value


def test_forms_leave_the_pixels_where_back_brings_them():
    """Labels of a changed picture lie on those of the original."""
    grey = grey_levels(picture().pixels[:ROWS])
    for name, form in FORMS.items():
        bright = in_form(grey, form) > 120
        if name == "inverted":
            bright = ~bright
        back = form.restore(bright.astype(np.int32))[:ROWS, :COLUMNS] > 0
        assert (back != (grey > 120)).sum() <= 110, name  # a rim of half a pixel, where it is blurred


@pytest.mark.parametrize(
    ("micrograph", "settings", "why"),
    [
        (picture(), {"ignore": "1,1,20,20"}, "regions to ignore"),
        (Micrograph(np.zeros((4100, 4100), np.uint8), "b", "0" * 64, Calibration.absent()), {}, "16 megapixels"),
    ],
)
def test_some_pictures_are_not_tested(micrograph, settings, why):
    with pytest.raises(NotTested, match=why):
        result_of(micrograph, **settings)


def test_a_picture_without_the_number_is_not_tested():
    with pytest.raises(NotTested, match="no such number"):
        result_of(fake=Fake(lambda micrograph, nm: Value(None)))
