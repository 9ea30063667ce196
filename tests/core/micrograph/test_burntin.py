"""Scale bars over the image itself, and when a reading is beyond doubt."""

from __future__ import annotations

from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from segmentation.core.micrograph.scale_bar.barreading import _checked_reading, reading_of_bar, reading_of_picture
from segmentation.core.micrograph.scale_bar.barresult import BarReading
from segmentation.core.micrograph.scale_bar.barwords import magnifications
from segmentation.core.micrograph.scale_bar.ocr import Text
from segmentation.core.micrograph.scale_bar.readings import scale_of
from segmentation.core.micrograph.types import Calibration, ScaleReason

WORDS = Text("600 nm", 420, 380, 500, 404, 0.95, "600 nm")
BAR = (400, 412, 520, 418)


def picture(*blocks: tuple[int, int, int, int], grey: int = 255) -> np.ndarray:
    """Soft noise, 640 x 480, with letters of one grey where WORDS are, and blocks (left, top, right, bottom) of it."""
    noise = cv2.GaussianBlur(np.random.default_rng(4).normal(0, 80, (480, 640)), (0, 0), 1)
    pixels = np.clip(100 + noise, 60, 140).astype(np.uint8)
    for left in range(422, 498, 12):
        pixels[384:400, left : left + 5] = grey
    for left, top, right, bottom in blocks:
        pixels[top:bottom, left:right] = grey
    return pixels


@pytest.mark.parametrize("grey", [0, 255])
@pytest.mark.parametrize("bar", [BAR, (400, 366, 520, 370), (270, 388, 390, 396)], ids=["below", "above", "beside"])
def test_the_line_of_a_text_is_measured_from_edge_to_edge(bar, grey):
    bar_reading = reading_of_picture(picture(bar, grey=grey), [WORDS])
    assert bar_reading is not None and bar_reading.sure
    assert (bar_reading.nm_per_pixel, bar_reading.length_px, bar_reading.text) == (5.0, 120, "600 nm")
    assert bar_reading.relative_uncertainty == pytest.approx(1 / 120 / 3**0.5)
    assert bar_reading.box[0] <= bar[0] and bar_reading.box[1] <= bar[1]


@pytest.mark.parametrize("grey", [0, 255])
@pytest.mark.parametrize("halo", [1, 2, 3, 4])
def test_a_bar_with_a_halo_is_measured_without_it(grey, halo):
    around = [(left - halo, 384 - halo, left + 5 + halo, 400 + halo) for left in range(422, 498, 12)]
    around.append((BAR[0] - halo, BAR[1] - halo, BAR[2] + halo, BAR[3] + halo))
    drawn = picture(BAR, grey=grey)
    bar_reading = reading_of_picture(np.where(drawn == grey, drawn, picture(*around, grey=255 - grey)), [WORDS])
    assert bar_reading is not None and (bar_reading.nm_per_pixel, bar_reading.length_px) == (5.0, 120)


def test_a_label_of_its_own_colour_is_no_bar():
    pixels = picture()
    pixels[370:430, 390:530] = 255  # a white label with black letters and a black bar
    for left in range(422, 498, 12):
        pixels[384:400, left : left + 5] = 0
    pixels[412:418, 400:520] = 0
    bar_reading = reading_of_picture(pixels, [WORDS])
    assert bar_reading is not None and bar_reading.length_px == 120


CUT_OFF, FAR, SHORT_AND_THIN, AWAY, SQUARE = (
    *((520, 412, 640, 418), (400, 470, 520, 480), (430, 412, 450, 413)),
    *((100, 100, 220, 106), (420, 408, 440, 424)),
)
THIN, NOISE_LINE = (400, 412, 520, 413), (444, 430, 459, 433)


@pytest.mark.parametrize("blocks", [(THIN,), (BAR, NOISE_LINE), (BAR, (385, 380, 400, 383))])
def test_a_thin_line_is_a_bar_and_the_longest_of_several_counts(blocks):
    bar_reading = reading_of_picture(picture(*blocks), [WORDS])
    assert bar_reading is not None and bar_reading.sure and bar_reading.length_px == 120
    assert bar_reading.ends[::2] == (400, 520)


def test_two_lines_of_about_equal_length_leave_it_open():
    bar_reading = reading_of_picture(picture(BAR, (300, 412, 396, 418)), [WORDS])
    assert bar_reading is not None and not bar_reading.sure


def test_a_hollow_bar_is_measured_from_edge_to_edge_and_a_frame_around_the_text_is_none():
    def hollow(left, top, right, bottom):
        edges = ((left, top, right, top + 2), (left, bottom - 2, right, bottom))
        return *edges, (left, top, left + 2, bottom), (right - 2, top, right, bottom)

    bar_reading = reading_of_picture(picture(*hollow(400, 412, 520, 424)), [WORDS])
    assert bar_reading is not None and bar_reading.sure and bar_reading.length_px == 120
    framed = reading_of_picture(picture(*hollow(405, 375, 515, 409)), [WORDS])
    assert framed is None or not framed.sure


@pytest.mark.parametrize("shadow", [0, 30, 60])
def test_a_black_bar_beside_white_letters_is_theirs(shadow):
    pixels = picture()
    for left in range(422, 498, 12):
        pixels[385:401, left + 5 : left + 6] = shadow
    pixels[388:397, 290:410] = 0
    bar_reading = reading_of_picture(pixels, [WORDS])
    assert bar_reading is not None and bar_reading.sure and bar_reading.length_px == 120


@pytest.mark.parametrize("grey", [0, 40])
@pytest.mark.parametrize("middle", [290, 414])
def test_a_particle_at_the_end_of_a_bar_makes_it_unsure(grey, middle):
    pixels = picture()
    cv2.circle(pixels, (middle, 392), 14, grey, -1)
    pixels[388:397, 290:410] = 0
    bar_reading = reading_of_picture(pixels, [replace(WORDS, left=440)])
    assert bar_reading is None or not bar_reading.sure or bar_reading.length_px == pytest.approx(120, rel=0.05)


def test_a_line_broken_by_its_text_is_whole():
    bar_reading = reading_of_picture(picture((330, 390, 410, 394), (510, 390, 590, 394)), [WORDS])
    assert bar_reading is not None and (bar_reading.length_px, bar_reading.ends[::2]) == (260, (330, 590))


@pytest.mark.parametrize("blocks", [(), (AWAY,), (FAR,)])
def test_a_sure_length_without_its_line_is_asked_about(blocks):
    bar_reading = _checked_reading(picture(*blocks), 0, lambda strip, seconds: [WORDS], reading_of_picture, 0.0)
    assert bar_reading is not None and bar_reading.is_in_question and not bar_reading.sure
    assert (bar_reading.length_nm, bar_reading.text, bar_reading.nm_per_pixel) == (600, "600 nm", 0)
    assert bar_reading.ends is None or bar_reading.ends == pytest.approx((400, 475, 520, 475), abs=2)
    assert (bar_reading.ends is None) is (FAR not in blocks)
    scale = scale_of(Calibration.absent(), asdict(bar_reading))
    assert scale.disagreements() == ["“600 nm” is written in the image. Where is its line?"]
    assert scale_of(Calibration(5.0, "metadata"), asdict(bar_reading)).disagreements() == []


@pytest.mark.parametrize(
    "texts", [[replace(WORDS, score=0.6)], [replace(WORDS, text="613 nm")], [WORDS, replace(WORDS, text="50 nm")]]
)
def test_an_unsure_length_is_not_asked_about(texts):
    assert _checked_reading(picture(), 0, lambda strip, seconds: texts, reading_of_picture, 0.0) is None


def test_a_bar_without_a_length_is_asked_about():
    bar_reading = _checked_reading(picture(BAR), 0, lambda strip, seconds: [], reading_of_picture, 0.0)
    assert bar_reading is not None and bar_reading.is_in_question and bar_reading.length_nm is None
    assert bar_reading.ends == (400, 415, 520, 415)
    assert "How long is it?" in scale_of(Calibration.absent(), asdict(bar_reading)).question
    two = picture(BAR, (100, 412, 220, 418))
    assert _checked_reading(two, 0, lambda strip, seconds: [], reading_of_picture, 0.0) is None


TICKS = tuple((300 + 20 * i, 360, 303 + 20 * i, 372) for i in range(11))


def test_ten_steps_of_ticks_over_the_image_are_a_bar():
    bar_reading = reading_of_picture(picture(*TICKS), [WORDS])
    assert bar_reading is not None and bar_reading.sure
    assert (bar_reading.length_px, bar_reading.steps) == (200, 10)
    hidden = reading_of_picture(picture(*TICKS, (390, 350, 412, 376)), [WORDS])
    assert hidden is not None and hidden.length_px == 200


@pytest.mark.parametrize(
    "blocks", [(CUT_OFF,), (FAR,), (SHORT_AND_THIN,), (AWAY,), (SQUARE,), TICKS[1:], TICKS[:-2], TICKS[:5]]
)
def test_what_is_no_bar(blocks):
    assert reading_of_picture(picture(*blocks), [WORDS]) is None


def test_a_working_distance_among_other_words_is_no_second_bar():
    words = Text("SU8010 5.0kV 9.2mm x6.00k", 10, 380, 200, 404, 0.95)
    bar_reading = reading_of_picture(picture(*TICKS), [WORDS, words])
    assert bar_reading is not None and bar_reading.sure


def test_bars_that_differ_and_lengths_without_a_bar_are_doubtful():
    other = Text("1 µm", 60, 380, 100, 404, 0.95, "1 µm")
    two = picture(BAR, (20, 412, 140, 418))
    two[384:400, 62:98:12] = 255
    bar_reading = reading_of_picture(two, [WORDS, other])
    assert bar_reading is not None and not bar_reading.sure
    lone = reading_of_picture(picture(BAR), [WORDS, replace(other, text="20 nm")])
    assert lone is not None and not lone.sure


def checked(*texts: Text) -> BarReading | None:
    return _checked_reading(picture(BAR), 0, lambda strip, seconds: list(texts), reading_of_picture, 0.0)


@pytest.mark.parametrize(
    ("text", "sure"),
    [(WORDS, True), (replace(WORDS, second_reading="600nm"), True), (replace(WORDS, second_reading="60 nm"), False),
     (replace(WORDS, second_reading=""), False), (replace(WORDS, score=0.7), False),
     (replace(WORDS, text="613 nm", second_reading="613 nm"), False)],
)  # fmt: skip
def test_one_text_alone_must_be_clear_round_and_read_twice(text, sure):
    bar_reading = checked(text)
    assert bar_reading is not None and bar_reading.sure is sure


@pytest.mark.parametrize(
    ("printed", "sure"), [("x50.0k", True), ("X50", True), ("X100", False), ("Mag = 0.50 K X", False)]
)
def test_a_magnification_can_exclude_it(printed, sure):
    bar_reading = checked(WORDS, Text(printed, 10, 10, 90, 30, 0.9))
    assert bar_reading is not None and bar_reading.sure is sure


def test_two_ways_that_agree_are_beyond_doubt_and_one_of_a_screen_is_not():
    strip = np.zeros((60, 400), np.uint8)
    strip[30:33, 60:160] = 255
    bar, width = Text("1 µm", 100, 5, 150, 21, 0.6), Text("Width = 4.000 um", 220, 5, 380, 21, 0.6)
    both = reading_of_bar(strip, [bar, width])
    assert both is not None and both.sure
    against = reading_of_bar(strip, [bar, replace(width, text="Width = 8.00 um")])
    assert against is not None and not against.sure
    screen = reading_of_bar(np.zeros((60, 400), np.uint8), [replace(width, text="Pixel Size = 9.9 nm", score=0.99)])
    assert screen is not None and not screen.sure


@pytest.mark.parametrize(
    ("text", "value"),
    [("Mag = 50.00 K X", 50_000), ("X25,000", 25_000), ("x100k SE(U)", 100_000), ("15 000 x", 15_000),
     ("SEM MAG: 50.0 kx", 50_000), ("1024 x 768", None), ("X:-567.85 Y: -134.59", None)],
)  # fmt: skip
def test_magnifications(text, value):
    assert magnifications([Text(text, 0, 0, 1, 1, 1.0)]) == ([value] if value else [])


def test_a_stored_reading_counts_only_where_it_is_sure():
    record = {"nm_per_pixel": 5.0, "relative_uncertainty": 0.005, "text": "600 nm", "sure": True}
    used = scale_of(Calibration.absent(), record).in_use
    assert used.nm_per_pixel == 5.0 and (used.source, used.detail) == ("read", "“600 nm”")
    for doubtful in ({**record, "sure": False}, {"nm_per_pixel": 5.0}, {}, None):
        assert scale_of(Calibration.absent(), doubtful).choose() == (Calibration.absent(), ScaleReason.NOT_KNOWN)


@pytest.mark.parametrize("text", ["5 1/nm", "5 nm-1", "2 nm⁻¹", "20 mrad", "50 px"])
def test_a_bar_of_another_unit_is_a_sentence_and_no_scale(text):
    bar_reading = checked(Text(text, 420, 380, 500, 404, 0.95, text))
    assert bar_reading is not None and not bar_reading.sure and not bar_reading.nm_per_pixel
    scale = scale_of(Calibration.absent(), asdict(bar_reading))
    assert text in scale.bar_note and not scale.bar.is_known
