"""What the kind Fibres says of mats that are thin, mixed, without ends or none at all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core import pipeline, tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.fibres import are_crossing
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.micrograph.types import Calibration
from segmentation.core.tasks.base import Decoded
from tests.core.builders import micrograph_of

TASK = tasks.find("fibres")
ROWS, COLUMNS = np.mgrid[:160, :220]


def analysed(
    labels: np.ndarray,
    classes: list[int] | None = None,
    *,
    bare: int = 0,
    by_hand: int = 0,
    faint: int | None = None,
    nm_per_pixel: float | None = 10.0,
    **card: str,
):
    """bare: the number of what has the grey of the ground. by_hand: of what a person drew."""
    count = int(labels.max())
    noise, covered = np.random.default_rng(0).normal(0, 2, labels.shape), np.isin(labels, [0, bare], invert=True)
    grey = (ndimage.gaussian_filter(np.where(covered, 190.0, 60.0), 0.8) + noise).round().astype(np.uint8)
    micrograph = micrograph_of(grey)
    segmentation = Segmentation(
        labels.astype(np.int32),
        np.arange(1, count + 1, dtype=np.int32),
        np.array(classes or [0] * count, np.int32),
        TASK.class_names,
        np.full(count, np.nan, np.float32),
        len(labels),
        Provenance(micrograph.sha256, "fibres", card={"name": "fibres", "title": "Fibres", **card}),
        by_hand=frozenset({by_hand} - {0}),
    )
    settings = AnalysisSettings.of("fibres", faint_limit=faint)
    if nm_per_pixel:
        settings = settings.replaced(calibration=Calibration.of_pixel(nm_per_pixel, typed=f"{nm_per_pixel:g}"))
    return pipeline.measure(micrograph, segmentation, settings)


def bars(*rows: tuple[int, int, int, int]) -> np.ndarray:
    """Labels of upright boxes: (top, bottom, left, right) each."""
    labels = np.zeros(ROWS.shape, np.int32)
    for number, (top, bottom, left, right) in enumerate(rows, start=1):
        labels[top:bottom, left:right] = number
    return labels


@pytest.mark.parametrize("width", [4, 10])
def test_fibres_thinner_than_3_px_are_said_and_have_no_number(width):
    done = analysed(bars((20, 22, 10, 200), (60, 62, 10, 200), (100, 100 + width, 10, 200)))
    assert all(value.value is None for value in done.quantities.values())
    assert done.table.reasons.tolist() == [str(Reason.THIN)] * 3
    assert any(flag.doubt and "thinner than 3 px" in flag.text for flag in done.flags)


def test_bare_ground_is_no_fibre():
    labels = bars((40, 50, 10, 200), (100, 106, 10, 120))
    done = analysed(labels, bare=2)
    assert done.table.reasons.tolist() == ["", str(Reason.FAINT)]
    assert done.quantities["fibre_diameter_mean"].value == pytest.approx(100, rel=0.03)
    assert done.quantities["porosity"].value == pytest.approx(1 - 1900 / labels_size(), rel=0.001)
    assert analysed(labels, bare=2, by_hand=2).table.kept.all() and analysed(labels, bare=2, faint=0).table.kept.all()
    assert analysed(labels).table.kept.all()
    most = bars((40, 50, 10, 200), (60, 150, 0, 20), (60, 150, 40, 60), (60, 150, 80, 100))
    most[most > 2] = 2  # in area the ground outdoes the fibre
    done = analysed(most, bare=2)
    assert done.table.reasons.tolist() == ["", str(Reason.FAINT)]
    assert any(flag.doubt and "background cover" in flag.text for flag in done.flags)


def test_more_other_objects_than_fibres_are_doubtful():
    labels = bars((20, 24, 10, 200))
    labels[np.hypot(ROWS - 100, COLUMNS - 100) < 40] = 2
    assert any(flag.doubt and "choose another kind" in flag.text for flag in analysed(labels, [0, 1]).flags)


def test_no_interval_of_a_share_ends_above_1():
    bundle = bars(*((20 + 14 * k, 28 + 14 * k, 0, 60) for k in range(6)))
    values = analysed(bundle).quantities
    assert values["porosity"].low < values["porosity"].high == 1.0 and values["order_parameter"].high <= 1.0


@pytest.mark.parametrize("width", [4, 8])
def test_drawn_lines_are_no_particles(width):
    rows, columns = np.mgrid[:400, :400]
    lines = ((0.3, 150, 100), (1.9, 200, 200), (2.6, 250, 300))  # turn in rad, through row and column
    across = [np.abs((rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)) for turn, y, x in lines]
    share = np.clip(width / 2 + 0.5 - np.min(across, axis=0), 0, 1)
    grey = ndimage.gaussian_filter(70 + 110 * share, 0.8) + np.random.default_rng(0).normal(0, 3, share.shape)
    settings = AnalysisSettings.of("fibres", model="fibres")
    done = pipeline.analyse(micrograph_of(grey.round().clip(0, 255).astype(np.uint8)), settings)
    assert done.quantities["fibres"].value >= 3
    assert done.quantities["fibre_diameter_mean"].value == pytest.approx(width, rel=0.15)


def test_specks_beside_a_fibre_are_no_reason_to_say_that_most_are_thin():
    done = analysed(bars((60, 70, 10, 200), *((20, 22, left, left + 12) for left in range(10, 200, 20))))
    assert done.table.kept.sum() == 1 and not any("Most fibres" in flag.text for flag in done.flags)


def test_particles_are_counted_apart():
    labels = bars((20, 28, 10, 200))
    labels[np.hypot(ROWS - 100, COLUMNS - 100) < 20] = 2
    done = analysed(labels, [0, 1])
    assert (done.quantities["fibres"].value, done.quantities["short_objects"].value) == (1, 1)
    assert done.table.reasons.tolist() == ["", str(Reason.SHORT)]
    assert any("1 object is not clearly a fibre" in flag.text for flag in done.flags)


def test_without_an_end_in_view_there_is_no_length():
    done = analysed(bars((40, 48, 0, 220), (0, 40, 100, 108)))
    assert done.quantities["whole_fibres"].value == 0 and done.quantities["fibre_length_mean"].value is None
    assert done.quantities["fibre_diameter_mean"].value == pytest.approx(80, rel=0.03)
    assert any("no lengths" in flag.text for flag in done.flags)
    assert done.table["reaches_frame"].tolist() == [1, 1]


def test_the_rest_of_a_covered_fibre_is_left_out():
    labels = bars((40, 50, 0, 220), (100, 110, 0, 220), (80, 100, 60, 68), (70, 80, 0, 220))
    assert analysed(labels).table.reasons[2] == str(Reason.PIECE)


@pytest.mark.parametrize(("count", "has_interval"), [(5, False), (8, True)])
def test_diameters_by_length_are_as_uncertain_as_those_by_number(count, has_interval):
    """Fibres of one length: a fibre in every part of the image is one fibre all the same."""
    tops = np.linspace(4, 140, count).round().astype(int)
    widths = np.arange(count) % 4 * 2 + 6
    numbers = analysed(bars(*((top, top + width, 0, 220) for top, width in zip(tops, widths, strict=True)))).quantities
    by_number, by_length = numbers["fibre_diameter_mean"], numbers["fibre_diameter_by_length"]
    assert by_length.value == pytest.approx(by_number.value, rel=0.02)
    assert (by_length.low is not None) == (by_number.low is not None) == has_interval
    if has_interval:
        width = by_number.high - by_number.low
        assert by_length.high - by_length.low == pytest.approx(width, rel=0.2) and width > 0.2 * by_number.value


def test_one_fibre_has_numbers_and_no_intervals():
    done = analysed(bars((40, 50, 20, 200)), summary="Experimental. Fibres.")
    mean, length = done.quantities["fibre_diameter_mean"], done.quantities["fibre_length_mean"]
    assert mean.value == pytest.approx(100, rel=0.03) and mean.low is None
    assert length.value == pytest.approx(1800, rel=0.03) and length.low is None
    assert done.quantities["porosity"].value == pytest.approx(1 - 1800 / labels_size(), rel=0.001)
    assert any("experimental" in flag.text for flag in done.flags)


def labels_size() -> int:
    return ROWS.size


def test_no_fibres_is_a_sentence():
    done = analysed(np.zeros(ROWS.shape, np.int32))
    assert done.quantities["fibres"].value is None and any("No fibres were found" in flag.text for flag in done.flags)


def test_a_mat_is_plausible_and_discs_rods_and_specks_are_not():
    def plausible(labels: np.ndarray, *classes: int) -> bool:
        return TASK.plausible(Decoded(labels, np.zeros(len(classes), np.float32), np.array(classes, np.int32)))

    mat = bars((20, 24, 0, 220), (60, 64, 0, 220), (100, 104, 0, 220), (0, 160, 50, 54))
    discs = bars()
    for number, (row, column) in enumerate(((40, 40), (40, 110), (110, 180)), start=1):
        discs[np.hypot(ROWS - row, COLUMNS - column) < 24] = number
    rods = bars((20, 30, 10, 60), (60, 70, 10, 60), (100, 110, 10, 60))
    assert plausible(mat, 0, 0, 0, 0) and not plausible(mat, 0, 1, 1, 1)
    assert not plausible(discs, 0, 0, 0) and not plausible(rods, 0, 0, 0)
    scratches = bars((20, 28, 0, 220), (60, 68, 0, 220))
    assert not plausible(bars((20, 22, 0, 220)), 0) and not plausible(scratches, 0, 0) and not plausible(bars())


@pytest.mark.parametrize(("turned", "crosses"), [(90, True), (40, True), (5, False)])
def test_bars_that_cross_are_told_from_those_that_lie_along_each_other(turned, crosses):
    labels, angle = bars((76, 82, 30, 190)), np.deg2rad(turned)
    along = (COLUMNS - 110) * np.cos(angle) + (ROWS - 90) * np.sin(angle)
    across = (COLUMNS - 110) * np.sin(angle) - (ROWS - 90) * np.cos(angle)
    labels[(abs(along) < 60) & (abs(across) < 3) & (labels == 0)] = 2  # the first one lies over it
    labels[130:136, 10:90] = 3
    assert are_crossing(labels, np.zeros(3, np.int32)).tolist() == [crosses, crosses, False]
    assert not are_crossing(labels, np.array([0, 1, 0], np.int32)).any()


def test_fibres_in_their_own_size_and_only_very_wide_ones_made_smaller():
    settings = TASK.settings(model="fibres")

    def scale_of(width: int) -> float:
        picture = np.full((512, 512), 0.2, np.float32)
        picture[200 : 200 + width] = 0.9

        def predict(image: np.ndarray) -> np.ndarray:
            inside = image > 0.6
            depth = ndimage.distance_transform_edt(inside)
            return np.stack([255 * inside, 255 * depth / max(depth.max(), 1)]).astype(np.uint8)

        return TASK.scale(predict, pipeline.cards_for_name("fibres")[0], picture, settings).scale

    assert scale_of(12) == 1 and 0.1 < scale_of(120) < 0.4


def test_thin_fibres_get_a_warning():
    done = analysed(bars((20, 24, 10, 200), (60, 64, 10, 200)))
    assert any(flag.doubt and "of 10 px or more" in flag.text for flag in done.flags)
