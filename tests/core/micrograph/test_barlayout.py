"""The same data bar in another picture is known again by its pixels, and nothing else is."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from itertools import combinations
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from segmentation.core.micrograph.scale_bar import ocr
from segmentation.core.micrograph.scale_bar.barreading import decisive_text, reading_of_bar
from segmentation.core.micrograph.scale_bar.barresult import BarReading, reading_of_same_bar
from segmentation.core.micrograph.scale_bar.ocr import Text
from segmentation.core.micrograph.types import Calibration, Micrograph
from tests.core.micrograph.bars import FONTS, Bar

ROWS, COLUMNS = 640, 800  # of the picture: whole blocks of JPEG
LINE = 96  # px


def drawn(
    length: str = "200 nm",
    *,
    across: int = LINE,
    shift: int = 0,
    size: int = 15,
    time: str = "10:01:22",
    number: str = "0041",
    distance: str = "WD 8.1 mm",
    magnification: str = "x50.0k",
    extra: str = "",
) -> tuple[np.ndarray, list[Text]]:
    """A strip, and what a perfect reader would read on it."""
    bar, texts = Bar(COLUMNS, 56, FONTS[0], size), []
    words = (time, 20, 12), (number, 140, 12), (distance, 230, 12), (magnification, 360, 12), (length, 520, 10)
    for text, x, y in (*words, *([(extra, 700, 12)] if extra else [])):
        bar.text(x, y, text)
        if text:
            texts.append(Text(text, *map(float, bar.draw.textbbox((x, y), text, font=bar.font)), 0.95))
    bar.block(520 + shift, 18 + size, 520 + shift + across, 21 + size)
    return bar.pixels(), texts


def image_with(strip: np.ndarray, seed: int = 0, *, rows: int = ROWS, quality: int = 0) -> Micrograph:
    noise = np.random.default_rng(seed).normal(120, 40, (rows, strip.shape[1])).clip(0, 255).astype(np.uint8)
    pixels = np.concatenate([noise, strip])
    if quality:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        pixels = np.asarray(Image.open(file))
    return Micrograph(pixels, "drawn.tif", "0" * 64, Calibration.absent())


def reading_in(image: Micrograph, texts: list[Text], first: int = ROWS) -> BarReading:
    reading = reading_of_bar(image.pixels[first:], texts, first)
    assert reading is not None and reading.layout is not None
    return replace(reading, same_as="earlier.tif")


FIRST_STRIP, FIRST_TEXTS = drawn()
EARLIER = reading_in(image_with(FIRST_STRIP), FIRST_TEXTS)


def test_the_bar_of_the_next_picture_says_the_same() -> None:
    strip, _ = drawn(time="11:47:08", number="0107", distance="WD 12.5 mm")
    reading = reading_of_same_bar(image_with(strip, 1), ROWS, [EARLIER])
    assert reading == replace(EARLIER, texts=())
    assert reading.nm_per_pixel == pytest.approx(200 / LINE) and reading.same_as == "earlier.tif"


@pytest.mark.parametrize(
    "change",
    [{"length": "300 nm"}, {"length": "200 µm"}, {"length": "1200 nm"}, {"across": LINE + 1}, {"across": 2 * LINE},
     {"shift": 1}, {"magnification": "x60.0k"}, {"extra": "500 nm"}],
    ids=str,
)  # fmt: skip
def test_a_bar_in_which_anything_of_the_scale_differs_is_another_one(change: dict) -> None:
    strip, _ = drawn(**change)
    assert reading_of_same_bar(image_with(strip), ROWS, [EARLIER]) is None


def test_ticks_of_another_place_are_another_bar() -> None:
    strip = FIRST_STRIP.copy()
    strip[28:42, 520:522] = strip[28:42, 614:616] = 255
    assert reading_of_same_bar(image_with(strip), ROWS, [EARLIER]) is None


def test_a_picture_of_another_size_has_another_bar() -> None:
    assert reading_of_same_bar(image_with(FIRST_STRIP, rows=ROWS + 8), ROWS + 8, [EARLIER]) is None
    assert reading_of_same_bar(image_with(FIRST_STRIP[:, :-8]), ROWS, [EARLIER]) is None
    assert reading_of_same_bar(image_with(FIRST_STRIP), ROWS + 1, [EARLIER]) is None
    assert reading_of_same_bar(image_with(FIRST_STRIP), ROWS + len(FIRST_STRIP), [EARLIER]) is None
    assert reading_of_same_bar(image_with(FIRST_STRIP), ROWS, []) is None


@pytest.mark.parametrize("quality", [60, 75, 95])
def test_the_bar_of_a_jpeg_is_known_again_but_not_a_noisy_one(quality: int) -> None:
    image = image_with(FIRST_STRIP, quality=quality)
    earlier = reading_in(image, FIRST_TEXTS)
    strip, _ = drawn(time="11:47:08")
    following = image_with(strip, 1, quality=quality)
    assert not np.array_equal(image.pixels[ROWS:], following.pixels[ROWS:])
    assert reading_of_same_bar(following, ROWS, [earlier]) is not None
    other_quality = image_with(strip, 1, quality=quality - 10)
    assert reading_of_same_bar(other_quality, ROWS, [earlier]) is None, "the letters have other pixels"
    noisy = following.pixels.copy()
    noisy[ROWS:] += np.random.default_rng(2).integers(0, 2, strip.shape, np.uint8)
    assert reading_of_same_bar(replace(following, pixels=noisy), ROWS, [earlier]) is None


@pytest.mark.parametrize("quality", [0, 30, 75])
@pytest.mark.parametrize("size", [8, 11])
def test_small_letters_of_other_numbers_and_units_are_never_the_same(size: int, quality: int) -> None:
    written = (*(f"{digit}00 nm" for digit in range(1, 10)), "100 µm", "1 nm")
    strips = {text: drawn(text, size=size) for text in written}
    images = {text: image_with(strip, quality=quality) for text, (strip, _) in strips.items()}
    readings = {text: reading_in(image, strips[text][1]) for text, image in images.items()}
    assert all(reading_of_same_bar(images[text], ROWS, [readings[text]]) for text in strips)
    assert not any(reading_of_same_bar(images[one], ROWS, [readings[other]]) for one, other in combinations(strips, 2))


def test_a_stored_reading_serves_as_well() -> None:
    stored = BarReading.of(json.loads(json.dumps(asdict(EARLIER))))
    again = reading_of_same_bar(image_with(FIRST_STRIP, 1), ROWS, [stored])
    assert again is not None
    assert json.dumps(asdict(again)) == json.dumps({**asdict(EARLIER), "texts": ()})


def test_ticks_are_counted_by_the_file_of_each_image() -> None:
    """Ten steps were seen. A file whose scale fits nine says that one was seen too many."""
    earlier = replace(EARLIER, steps=10)
    image = image_with(FIRST_STRIP)
    fits_nine = replace(image, calibration=Calibration(EARLIER.nm_per_pixel * 10 / 9, "metadata", "", 0.0))
    reading = reading_of_same_bar(fits_nine, ROWS, [earlier])
    assert reading is not None and (reading.steps, reading.sure) == (9, False)
    assert "miscounted" in reading.note and reading.layout is None
    assert reading_of_same_bar(image, ROWS, [reading]) is None


def test_a_text_is_read_twice_only_where_this_decides() -> None:
    strip, texts = drawn()
    assert texts[decisive_text(strip, texts)].text == "200 nm"
    two_ways = [*texts, Text(f"Width {COLUMNS * 200 / LINE:.0f} nm", 700.0, 12.0, 790.0, 28.0, 0.95)]
    assert decisive_text(strip, two_ways) is None
    doubtful = [replace(text, score=0.6) for text in texts]
    assert decisive_text(strip, doubtful) is None
    apart = [*texts[:-1], Text("200", 520.0, 12.0, 550.0, 26.0, 0.95), Text("nm", 556.0, 12.0, 580.0, 26.0, 0.95)]
    assert reading_of_bar(strip, apart) and decisive_text(strip, apart) is None  # two texts are not read again as one


@pytest.mark.parametrize(("is_bar", "read_twice"), [(True, ["200 nm"]), (False, ["WD 8.1 mm", "200 nm"])])
def test_of_a_bar_one_text_is_read_twice(monkeypatch: pytest.MonkeyPatch, is_bar: bool, read_twice: list[str]) -> None:
    strip, texts = drawn()
    corners = [[[text.left, text.top], [text.right, text.bottom]] for text in texts]
    words = [text.text for text in texts]
    recognised = SimpleNamespace(boxes=np.array(corners), txts=words, scores=[0.95] * len(texts))
    monkeypatch.setattr(ocr, "_engine", lambda side: lambda pixels, **how: recognised)
    again = Mock(return_value="again")
    monkeypatch.setattr(ocr, "_second_reading", again)
    answer = ocr.texts_of(strip, is_bar=is_bar)
    assert [text[0] for text in answer] == words
    assert [text[0] for text in answer if text[-1]] == read_twice and again.call_count == len(read_twice)
