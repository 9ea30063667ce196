"""Data bars read as pixel sizes: rendered in the makers' layouts, real ones, and never fatal."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from segmentation.core.micrograph.confinement import forking
from segmentation.core.micrograph.confinement.children import NewProcess
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.scale_bar import ocr
from segmentation.core.micrograph.scale_bar.barline import find_line
from segmentation.core.micrograph.scale_bar.barreading import CUT_OFF, read_bar, reading_of_bar
from segmentation.core.micrograph.scale_bar.barresult import BarReading, with_other_tick_count
from segmentation.core.micrograph.scale_bar.barwords import lengths
from segmentation.core.micrograph.scale_bar.ocr import Text, texts_by_child
from segmentation.core.micrograph.scale_bar.readings import scale_of
from segmentation.core.micrograph.types import Calibration, Micrograph
from tests.core.micrograph import bars
from tests.core.micrograph.test_databar import micrograph, shared
from tests.core.micrograph.vendors.test_shared_files import VENDORS

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "static" / "sample" / "sem-sample.tif"


def reading(strip: np.ndarray) -> BarReading:
    """The reading of a strip, its text recognised in this process, which is quicker than one for each."""
    pytest.importorskip("rapidocr")
    return reading_of_bar(strip, [Text(str(text[0]), *text[1:]) for text in ocr.texts_of(strip)])


@pytest.mark.parametrize(
    "layout", [pytest.param(name, marks=() if name == "zeiss" else pytest.mark.slow) for name in bars.LAYOUTS]
)
def test_rendered_bars(layout: str) -> None:
    """Every other one in another font."""
    draw, nm, length, pixels = bars.LAYOUTS[layout]
    bar = reading(draw(bars.FONTS[3 * (list(bars.LAYOUTS).index(layout) % 2)]))
    assert bar.nm_per_pixel == pytest.approx(nm, rel=0.01)
    assert bar.length_nm == length
    assert bar.length_px == pytest.approx(pixels, abs=1.01)
    assert abs(bar.nm_per_pixel / nm - 1) < max(0.002, 3 * bar.relative_uncertainty)
    assert bar.confidence > 0.7


def test_a_text_is_misread_in_picometres_only_where_it_can_be() -> None:
    assert [length.nm for length in lengths([Text("2 pm", 0, 0, 40, 10, 0.9)])] == [2000]
    assert [length.nm for length in lengths([Text("Pixel Size = 850 pm", 0, 0, 90, 10, 0.9)])] == [0.85]


@pytest.mark.parametrize(
    ("text", "nm", "meaning"),
    [("200 nm", 200, "scale bar"), ("1µm", 1000, "scale bar"), ("1 μm", 1000, "scale bar"), ("2um", 2000, "scale bar"),
     ("5.00um", 5000, "scale bar"), ("2,5 µm", 2500, "scale bar"), ("2O0 nm", 200, "scale bar"),
     ("50 Å", 5, "scale bar"), ("1 cm", 1e7, "scale bar"), ("2 mm", 2e6, "scale bar"), ("500 pm", 5e5, "scale bar"),
     ("1.00mm", 1e6, "scale bar"), ("Width = 7.520 um", 7520, "width"), ("Image Width = 7.520 um", 7520, "width"),
     ("HFW: 453 µm", 453_000, "width"), ("View field: 13.8 µm", 13_800, "width"),
     ("Pixel Size = 7.344 nm", 7.344, "pixel size"), ("Pixel = 5 nm", 5, "pixel size"),
     ("PW 3.37 nm", 3.37, "pixel size"), ("Pixel width 1.22 nm", 1.22, "pixel size"), ("WD = 2.8 mm", 2.8e6, "other"),
     ("WD 10.0mm", 1e7, "other"), ("Energy slit width 10 µm", 1e4, "other"), ("10 mm WD", 1e7, "other"),
     ("Vertical field width 5 µm", 5000, "other"), ("Line width 2 nm", 2, "other"),
     ("Window width 5 µm", 5000, "other"), ("2 micron", 2000, "scale bar"), ("500 microns", 5e5, "scale bar"),
     ("2 µ", 2000, "scale bar"), ("100 Angstrom", 10, "scale bar"), ("10 Ångström", 1, "scale bar")],
)  # fmt: skip
def test_what_a_text_means(text: str, nm: float, meaning: str) -> None:
    (length,) = lengths([Text(text, 0, 0, 100, 12, 0.9)])
    assert length.nm == pytest.approx(nm)
    assert length.meaning == meaning


@pytest.mark.parametrize(
    "text",
    [*("", "30 µs", "15.0kV", "X10,000", "5.99e-1 Torr", "1024 * 768", "nm", "3 m", "20 nA", "4 nm2"),
     *("20 mA", "2 µA", "Signal 2 A"),
     *("1 500 nm", "2:30 PM", "2 50 nm", "5 1 nm", "1/2 µm", "HFW 1 500 nm", "5 nm−1", "5 nm -1")],
)  # fmt: skip
def test_what_is_no_length(text: str) -> None:
    assert lengths([Text(text, 0, 0, 100, 12, 0.9)]) == []


def test_one_line_of_text_may_hold_several() -> None:
    read_lengths = lengths([Text("SEI 15.0kV X10,000 1µm WD 10.0mm", 0, 0, 320, 12, 0.9)])
    assert [(length.nm, length.meaning) for length in read_lengths] == [(1000, "scale bar"), (1e7, "other")]
    assert read_lengths[0].part.left == pytest.approx(190)


def test_headings_of_a_table_and_numbers_apart_from_their_unit() -> None:
    texts = [Text("HFW", 100, 0, 140, 20, 0.9), Text("453", 100, 24, 140, 44, 0.9), Text("µm", 150, 24, 180, 44, 0.8)]
    (length,) = lengths(texts)
    assert (length.nm, length.meaning, length.part.score) == (453_000, "width", 0.8)


WORDS = Text("1 µm", 100, 5, 150, 21, 0.9)


def strip(*blocks: tuple[int, int, int, int], rows: int = 60, columns: int = 400) -> np.ndarray:
    """Black, with white blocks (left, top, right, bottom)."""
    pixels = np.zeros((rows, columns), np.uint8)
    for left, top, right, bottom in blocks:
        pixels[top:bottom, left:right] = 255
    return pixels


@pytest.mark.parametrize("length", [12, 27, 100, 290])
@pytest.mark.parametrize("thick", [1, 3, 6])
def test_lines_are_measured_from_edge_to_edge(length: int, thick: int) -> None:
    line = find_line(strip((60, 30, 60 + length, 30 + thick)), WORDS)
    assert line is not None or length < 3 * thick
    assert line is None or line.length == length


@pytest.mark.parametrize("text", ["X5,000 1µm", "X 5,000 1 µm", "11/22/2026 1 µm", "10:22:33 AM 1 µm", "5.0kV 1 µm"])
def test_what_else_stands_before_a_length_is_no_part_of_it(text: str) -> None:
    (length,) = lengths([Text(text, 0, 0, 100, 12, 0.99)])
    assert (length.nm, length.meaning, length.is_doubtful) == (1000, "scale bar", False)


@pytest.mark.parametrize(
    ("text", "nm"),
    [("1,000 nm", 1000), ("HFW 1,280 nm", 1280), ("5,170 µm", 5170), ("05 µm", 5000), ("10 mm", 1e7), ("5 cm", 5e7),
     ("2 × 100 nm", 200), ("2x100nm", 200), (".5 µm", 500), ("1. µm", 1000), ("10 A", 1)],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_doubtful(text: str, nm: float) -> None:
    (length,) = lengths([Text(text, 0, 0, 100, 12, 0.99)])
    assert (length.nm, length.is_doubtful) == (nm, True)
    reading = reading_of_bar(strip((100, 30, 250, 33), rows=40, columns=640), [Text(text, 120, 8, 220, 22, 0.99)])
    assert reading is None or not reading.sure


def test_two_widths_or_two_bars_are_never_sure() -> None:
    plain = strip(rows=40, columns=1024)
    two = strip((100, 30, 200, 33), (700, 30, 800, 33), rows=40, columns=1024)
    widths = [Text("HFW 5.00 µm", 10, 8, 120, 22, 0.99), Text("HFW 2.00 µm", 600, 8, 720, 22, 0.99)]
    assert reading_of_bar(plain, widths[:1]).sure and not reading_of_bar(plain, widths).sure
    bars = [Text("1 µm", 120, 8, 180, 22, 0.99), Text("200 nm", 720, 8, 780, 22, 0.99)]
    assert reading_of_bar(two, bars[:1]).sure and not reading_of_bar(two, bars).sure


def test_a_bar_that_may_be_of_picometres_is_never_sure() -> None:
    bar = strip((100, 30, 221, 33), rows=40, columns=512)
    sure = {
        text: reading_of_bar(bar, [Text(text, 120, 8, 180, 22, 0.99)]).sure for text in ("2 pm", "200 pm", "200 nm")
    }
    assert sure == {"2 pm": True, "200 pm": False, "200 nm": True}
    assert reading_of_bar(bar, [Text("200 pm", 120, 8, 180, 22, 0.99)]).nm_per_pixel == pytest.approx(0.2 / 121)


def test_a_third_text_that_contradicts_two_is_told() -> None:
    drawn = strip((100, 30, 300, 33), rows=40, columns=1024)
    texts = [Text("1 µm", 170, 8, 230, 22, 0.99), Text("Pixel size 5.0 nm", 400, 8, 520, 22, 0.99)]
    assert reading_of_bar(drawn, texts).sure
    bar = reading_of_bar(drawn, [*texts, Text("HFW 10.24 µm", 700, 8, 820, 22, 0.99)])
    assert bar.nm_per_pixel == pytest.approx(5) and not bar.sure
    assert "“HFW 10.24 µm” gives 10 nm" in scale_of(Calibration.absent(), asdict(bar)).bar_note


LINES = {
    "ends with ticks, between their centres": (((60, 34, 162, 36), (60, 28, 62, 42), (160, 28, 162, 42)), 100),
    "broken by its text": (((60, 12, 96, 13), (154, 12, 190, 13)), 130),
    "a row of ticks": (tuple((60 + 17 * i, 30, 62 + 17 * i, 40) for i in range(11)), 170),
    "a block that begins with the strip": (((60, 0, 160, 6),), 100),
}


@pytest.mark.parametrize("name", LINES)
def test_lengths_of_lines(name: str) -> None:
    blocks, length = LINES[name]
    line = find_line(strip(*blocks), WORDS)
    assert line is not None and line.length == length


def test_a_line_is_found_though_the_box_of_a_text_reaches_over_it() -> None:
    """As JEOL's, which lie beside their text: how wide a text is said to be hangs on the size at which it was read."""
    wide = Text("1 µm", 100, 2, 210, 30, 0.97)
    line = find_line(strip((100, 14, 110, 28), (155, 6, 195, 12), (60, 59, 140, 60)), wide)
    assert (line.left, line.length) == (155, 40)


def ticks(lost: tuple[int, ...] = ()) -> BarReading:
    """A drawn bar of eleven ticks 30 px apart with its text in a box that reaches over them, as readers tell it."""
    return reading_of_bar(bars.hitachi("1.00um", 30, lost=lost), [Text("1.00um", 1150, 14, 1270, 62, 0.95, "1.00um")])


def test_a_dotted_bar_is_read_by_its_ticks_whatever_its_text_reaches_over() -> None:
    bar = ticks()
    assert (bar.nm_per_pixel, bar.steps, bar.sure) == (pytest.approx(1000 / 300, rel=0.004), 10, True)


@pytest.mark.parametrize("lost", [(5,), (2, 8)])
def test_a_tick_between_others_may_be_hidden(lost: tuple[int, ...]) -> None:
    assert ticks(lost).steps == 10


@pytest.mark.parametrize("lost", [(0,), (10,), (0, 1)])
def test_another_number_of_ticks_is_never_sure(lost: tuple[int, ...]) -> None:
    bar = ticks(lost)
    assert (bar.steps, bar.sure) == (10 - len(lost), False)


def test_a_miscounted_tick_is_told_by_the_file() -> None:
    read = ticks((0,))
    assert with_other_tick_count(read, 1000 / 300).nm_per_pixel == pytest.approx(1000 / 300, rel=0.005)
    record = asdict(with_other_tick_count(read, 1000 / 300))
    assert record["steps"] == 10 and not record["sure"] and "9 steps" in scale_of(Calibration.absent(), record).bar_note
    for other in (None, read.nm_per_pixel, 2 * read.nm_per_pixel):
        assert with_other_tick_count(read, other) == read


NO_LINES = {
    "nothing": strip(),
    "border": strip((0, 30, 400, 32)),
    "border of a cell": strip((0, 30, 200, 32)),
    "cell": strip((50, 0, 52, 60), (52, 30, 300, 31)),
    "letters": strip((102, 8, 140, 10), (119, 8, 123, 20)),
    "first row": strip((60, 0, 160, 2)),
    "last row": strip((60, 58, 160, 60)),
    "far away": strip((60, 58, 160, 60), rows=200, columns=1200)[:, 300:],
    "too wide": strip((10, 30, 380, 33)),
    "too short": strip((60, 30, 66, 32)),
}


@pytest.mark.parametrize("name", NO_LINES)
def test_what_is_no_line(name: str) -> None:
    assert find_line(NO_LINES[name], WORDS) is None


def test_noise_and_one_grey_have_no_line() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (60, 400)).astype(np.uint8)
    assert find_line(noise, WORDS) is None
    assert find_line(np.full((60, 400), 90, np.uint8), WORDS) is None


def test_ways_that_contradict_each_other_are_both_shown_and_doubted() -> None:
    """A bar of 1 µm over 100 px, and a printed width that says twice as much: as after a careless resize."""
    texts = [WORDS, Text("Width = 8.00 um", 220, 5, 380, 21, 0.9)]
    bar = reading_of_bar(strip((60, 30, 160, 33)), texts)
    assert bar.nm_per_pixel == pytest.approx(10)
    assert bar.ways["width"].nm_per_pixel == pytest.approx(20)
    assert bar.confidence < 0.5


def test_ways_that_agree_give_the_surest() -> None:
    texts = [WORDS, Text("Width = 4.000 um", 220, 5, 380, 21, 0.9), Text("Pixel Size = 9.9 nm", 220, 40, 380, 56, 0.9)]
    bar = reading_of_bar(strip((60, 30, 160, 33)), texts, 700)
    assert bar.nm_per_pixel == pytest.approx(10)
    assert bar.text == "Width = 4.000 um"
    assert bar.relative_uncertainty == pytest.approx(0.0005 / 4 / 3**0.5)
    assert bar.ways["scale bar"].relative_uncertainty == pytest.approx(0.01 / 3**0.5)
    assert set(bar.ways) == {"width", "pixel size", "scale bar"}
    assert bar.box == (56, 701, 328, 36)
    assert json.loads(json.dumps(asdict(bar)))["box"] == [56, 701, 328, 36]


def test_nothing_to_read_gives_no_reading() -> None:
    assert reading_of_bar(strip((60, 30, 160, 33)), []) is None
    assert reading_of_bar(strip(), [WORDS]) is None
    assert reading_of_bar(strip((60, 30, 160, 33)), [Text("0 nm", 100, 5, 150, 21, 0.9)]) is None
    absurd = [Text("Width = 99999 mm", 0, 5, 150, 21, 0.9)]
    assert reading_of_bar(strip(), absurd) is None


def test_an_image_without_a_bar_is_looked_through_unless_it_is_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        "segmentation.core.micrograph.scale_bar.burntin.texts_by_child",
        lambda strip, _: looked.append(strip.shape) or [],
    )
    image = Micrograph(micrograph(), "a.tif", "", Calibration.absent())
    assert read_bar(image) is None
    assert read_bar(replace(image, pixels=image.pixels[:100])) is None
    assert looked == [image.shape]


def answering(monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Replace the child that reads text by a shell command."""
    monkeypatch.setattr(ocr, "_start_child", lambda *_: NewProcess(["sh", "-c", does]))


@pytest.mark.parametrize("failure", [OSError("no more processes"), MemoryError()])
def test_a_reader_that_does_not_start_reads_nothing(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    monkeypatch.setattr(ocr, "_start_child", Mock(side_effect=failure))
    assert texts_by_child(strip()) == []
    assert read_bar(read(SAMPLE)) is None


@pytest.mark.parametrize("does", ["exit 1", ":", *(
    f"echo '{answer}'" for answer in ("{}", "null", "[[1]]", "garbage", '[["a", "b", 1, 2, 3, 4]]', "[7]")
)])  # fmt: skip
def test_a_reader_that_fails_or_talks_nonsense_reads_nothing(monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    answering(monkeypatch, does)
    assert texts_by_child(strip()) == []


@pytest.mark.parametrize("by", ["PROF", "ALRM", "KILL", "ABRT"])
def test_a_reading_that_was_cut_off_says_so(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    answering(monkeypatch, f"kill -s {by} $$")
    reading = read_bar(read(SAMPLE))
    assert reading is not None and reading.note == CUT_OFF and not reading.nm_per_pixel


def test_a_reader_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "exec sleep 600")
    with pytest.raises(ocr.RecognitionTimeout):
        texts_by_child(strip(), 0.01)


def test_a_fork_and_a_child_of_the_server_read_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And nobody is told of it: what onnxruntime would report to its makers would lie in the home folder."""
    pytest.importorskip("rapidocr")
    monkeypatch.setenv("HOME", str(tmp_path))
    server = forking.ForkServer(forking.OCR)
    monkeypatch.setattr(ocr, "TEXT_SERVER", server)
    texts = []
    for can_fork in (False, True):
        monkeypatch.setattr(ocr, "has_one_thread", lambda can_fork=can_fork: can_fork)
        texts.append(texts_by_child(read(SAMPLE).pixels[704:], 300))
    assert texts[0] == texts[1] and "500 nm" in [text.text for text in texts[0]]
    assert "Threads:\t1\n" in Path(f"/proc/{server.pid}/status").read_text()
    server.close()
    assert [*tmp_path.rglob("*.db")] == []


@pytest.mark.slow
def test_real_zeiss_bars_say_what_the_header_says() -> None:
    """Read only: nothing is tuned on these files."""
    pytest.importorskip("rapidocr")
    for path in shared("evaluation-only/tio2-sem/images", "*.tif")[:2]:
        image = read(path)
        bar = reading(image.pixels[712:])
        assert bar.nm_per_pixel == pytest.approx(image.calibration.nm_per_pixel, rel=1e-6)
        assert bar.ways["scale bar"].nm_per_pixel == pytest.approx(image.calibration.nm_per_pixel, rel=0.03)


@pytest.mark.slow
def test_real_jeol_bars() -> None:
    """JEOL's field is 120 mm wide at magnification 1: the printed magnification gives the pixel size anew."""
    for number in (1, 2):
        path = VENDORS / f"jeol-{number}.jpg"
        bar = reading(read(path).pixels[964:])
        (printed,) = [text for text in bar.texts if text.startswith("X")]
        expected = 120e6 / float(printed[1:].replace(",", "")) / 1280
        assert bar.nm_per_pixel == pytest.approx(expected, rel=0.02)


@pytest.mark.slow
def test_real_fei_bars() -> None:
    for name, first in (("quanta_image.tif", 884), ("scios_multigis_metadata_sections.tif", 2048)):
        image = read(VENDORS / name)
        assert reading(image.pixels[first:]).nm_per_pixel == pytest.approx(image.calibration.nm_per_pixel, rel=0.005)


@pytest.mark.parametrize(("texts", "nm"), [(("1μm", "x20,000", "WD 10mm"), 1000 / 214), (("1μm", "2μm"), None)])
def test_the_only_block_belongs_to_the_only_length_at_any_distance(texts: tuple[str, ...], nm: float | None) -> None:
    drawn = strip((496, 4, 710, 18), rows=64, columns=1280)
    places = [Text(text, 850 + 140 * n, 6, 900 + 140 * n, 26, 0.99, text) for n, text in enumerate(texts)]
    reading = reading_of_bar(drawn, places)
    assert (reading and reading.nm_per_pixel) == (pytest.approx(nm) if nm else None)
