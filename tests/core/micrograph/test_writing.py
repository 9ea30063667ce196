"""Writing and drawing in black and white on a picture: where to look for it, and what of it is left out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from segmentation.core.micrograph.drawn import writing
from segmentation.core.micrograph.drawn.drawing import _lines_of_one_grey, draw_lines
from segmentation.core.micrograph.drawn.marks import fill_in
from segmentation.core.micrograph.drawn.writing import strokes_of, writing_on
from segmentation.core.micrograph.scale_bar import burntin
from segmentation.core.micrograph.scale_bar.barquestion import reading_to_ask_about
from segmentation.core.micrograph.scale_bar.letters import bar_boxes, places_of_writing
from segmentation.core.micrograph.scale_bar.ocr import Text

from .bars import over_picture


def specimen(seed: int = 1, paper: int = 95, discs: int = 40) -> np.ndarray:
    """Noise with discs in its upper half, 500 x 640, nothing written."""
    random = np.random.default_rng(seed)
    picture = np.full((500, 640), float(paper))
    for _ in range(discs):
        x, y = random.integers(0, (640, 250)).tolist()
        cv2.circle(picture, (x, y), int(random.integers(8, 26)), 45.0 if paper > 128 else 200.0, -1)
    picture = cv2.GaussianBlur(picture, (0, 0), 1.5)
    picture += cv2.GaussianBlur(random.normal(0, 14, (500, 640)), (0, 0), 1.2) + random.normal(0, 5, (500, 640))
    return picture.clip(10, 245).astype(np.uint8)


@pytest.fixture
def no_detector(monkeypatch):
    """The detector must not be asked."""

    def asked(picture, seconds):
        raise AssertionError("looked for text")

    monkeypatch.setattr(burntin, "texts_by_child", asked)


@pytest.mark.parametrize("turns", [0, 1])
@pytest.mark.parametrize("paper", [60, 95, 185])
def test_a_picture_without_writing_is_not_looked_through(paper, turns, no_detector):
    assert writing_on(np.rot90(specimen(paper=paper), turns)) is None


def test_letters_and_bars_say_where_to_look():
    picture = over_picture("5 µm", 160)
    places = places_of_writing(picture)
    assert places and all(left > 500 and top > 500 for left, top, _, _ in places)


def test_small_text_is_looked_at_again_where_letters_are_suggested(monkeypatch):
    seen = []

    def texts(picture, seconds):
        seen.append(picture.shape)
        return [Text("5 µm", 30, 40, 90, 70, 0.99)] if len(seen) == 2 else []

    monkeypatch.setattr(burntin, "texts_by_child", texts)
    (text,) = burntin.texts_on_picture(over_picture("5 µm", 160), 30.0)
    assert seen[0] == (700, 900) and seen[1][1] < 450
    assert text.left > 500 and text.top > 500, "in px of the picture"


def written(words: str = "5 um") -> tuple[np.ndarray, Text]:
    """A picture with white letters, and their box."""
    picture = specimen()
    cv2.putText(picture, words, (430, 440), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 3)
    (wide, tall), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 1.2, 3)
    return picture, Text(words, 428, 440 - tall - 2, 432 + wide, 444, 0.97)


@pytest.mark.parametrize("is_dark", [False, True])
def test_the_strokes_of_a_text_are_found_whatever_its_polarity(is_dark):
    picture, text = written()
    strokes = strokes_of(255 - picture if is_dark else picture, text)
    assert strokes is not None and strokes.is_dark is is_dark
    mask = np.zeros(picture.shape, np.bool_)
    strokes.draw(mask)
    letters = picture == 255
    assert mask[letters].mean() > 0.99 and mask.sum() < 4 * letters.sum()


def test_a_texture_that_is_read_as_a_letter_has_no_strokes():
    picture = specimen()
    assert strokes_of(picture, Text("4", 300, 200, 320, 230, 0.99)) is None
    disc = specimen()
    cv2.circle(disc, (300, 200), 14, 230, 3)
    assert strokes_of(disc, Text("0", 284, 184, 316, 216, 0.97)) is None, "a ring is no digit by itself"
    _, text = written()
    assert strokes_of(picture, text) is None


def test_what_is_written_is_left_out_with_its_bar():
    picture = over_picture("5 µm", 160)
    writing = writing_on(picture)
    assert writing is not None
    mask = writing.all
    assert mask[picture == 255].mean() > 0.98 and mask.mean() < 0.03


@pytest.mark.parametrize("grey", [0, 255])
def test_arrows_and_circles_that_end_sharply_are_left_out(grey):
    picture = specimen(paper=125).clip(20, 235)
    drawn = np.zeros(picture.shape, np.uint8)
    cv2.arrowedLine(drawn, (100, 400), (190, 330), 1, 3)
    cv2.circle(drawn, (450, 380), 60, 1, 3)
    picture[drawn > 0] = grey
    mask = np.zeros(picture.shape, np.bool_)
    draw_lines(picture, np.zeros_like(mask), mask)
    assert mask[drawn > 0].mean() > 0.7 and mask.mean() < 0.06


def marked(grey: int, line: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture with arrow, circle, bar and frame of one grey and a measuring line over a disc, and what was drawn."""
    plain = specimen(paper=95)
    cv2.circle(plain, (120, 400), 30, 150, -1)
    picture = (plain + np.random.default_rng(3).normal(0, 5, plain.shape)).clip(10, 245).astype(np.uint8)
    before = picture.copy()
    cv2.arrowedLine(picture, (330, 300), (280, 350), grey, 3, cv2.LINE_AA)
    cv2.circle(picture, (450, 400), 34, grey, 2, cv2.LINE_AA)
    cv2.rectangle(picture, (300, 450), (400, 460), grey, -1)
    cv2.rectangle(picture, (530, 300), (600, 360), grey, 2)
    cv2.line(picture, (90, 400), (150, 400), line, 2)
    cv2.line(picture, (90, 394), (90, 406), line, 2)
    return picture, picture != before


@pytest.mark.parametrize(("grey", "line"), [(160, 255), (130, 0), (66, 230)])
def test_marks_of_any_grey_are_found_and_filled_in(grey, line):
    picture, drawn = marked(grey, line)
    lines = np.zeros(picture.shape, np.bool_)
    draw_lines(picture, np.zeros_like(lines), lines)
    assert lines[drawn].mean() > 0.97 and lines.mean() < 0.06
    filled = fill_in(picture, lines)
    assert np.all(filled[397:404, 100:140] > 125), "the disc is whole again"


def test_the_edge_of_a_bright_specimen_is_no_line():
    """Thin parts of a specimen that are as bright as the picture allows have blurred edges."""
    picture = np.random.default_rng(2).normal(110, 5, (300, 400))
    for row in range(60, 260, 40):
        cv2.line(picture, (60, row), (120, row + 9), 420.0, 3)
    bright = cv2.GaussianBlur(picture, (0, 0), 1.6).clip(0, 255).astype(np.uint8)
    assert (bright == 255).sum() > 300 and not [*_lines_of_one_grey(bright)]


def test_many_rods_are_a_specimen():
    picture = specimen(paper=125).clip(20, 235)
    random = np.random.default_rng(7)
    for _ in range(60):
        x, y, angle = random.uniform(60, 580), random.uniform(60, 440), random.uniform(0, np.pi)
        ends = [(round(x + s * 25 * np.cos(angle)), round(y + s * 25 * np.sin(angle))) for s in (-1, 1)]
        cv2.line(picture, *ends, 255, 4)
    mask = np.zeros(picture.shape, np.bool_)
    draw_lines(picture, np.zeros_like(mask), mask)
    assert not mask.any()


def test_a_detector_that_is_cut_off_finds_no_text(monkeypatch):
    def cut_off(picture, seconds, places):
        raise writing.RecognitionTimeout

    monkeypatch.setattr(writing, "texts_on_picture", cut_off)
    picture, _ = written()
    assert writing_on(picture) is None


@pytest.mark.parametrize(("paper", "thick"), [(165, 1), (60, 2), (120, 3)])
def test_a_hollow_bar_without_a_length_is_asked_about(paper, thick):
    """A frame around letters is a label and no bar."""
    picture = specimen(paper=paper)
    cv2.rectangle(picture, (400, 430), (519, 444), 255, thick)
    (bar,) = bar_boxes(picture)
    assert abs(bar[0] - 400) <= thick and abs(bar[2] - 120) <= 2 * thick and bar[4] == 255
    reading = reading_to_ask_about(picture, [], 0)
    assert reading is not None and reading.is_in_question and reading.ends is not None
    assert reading.ends[2] - reading.ends[0] == pytest.approx(120, abs=2 * thick)
    cv2.rectangle(picture, (420, 436), (470, 440), 255 if thick == 2 else 0, -1)
    assert list(bar_boxes(picture)) == []
