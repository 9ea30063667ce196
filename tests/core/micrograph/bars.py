"""Data bars as makers of microscopes draw them, rendered with a known scale."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSerif.ttf")
FOLDER = Path(matplotlib.get_data_path(), "fonts", "ttf")


class Bar:
    """A strip to draw on: `paper` and `ink` greys, letters `size` px high."""

    def __init__(self, columns: int, rows: int, font: str = FONTS[0], size: int = 18, paper: int = 0, ink: int = 255):
        self.image = Image.new("L", (columns, rows), paper)
        self.draw = ImageDraw.Draw(self.image)
        self.font = ImageFont.truetype(str(FOLDER / font), size)
        self.ink = ink

    def text(self, x: float, y: float, words: str) -> None:
        self.draw.text((x, y), words, font=self.font, fill=self.ink)

    def block(self, left: int, top: int, right: int, bottom: int) -> None:
        """A rectangle of right - left columns."""
        self.draw.rectangle([left, top, right - 1, bottom - 1], fill=self.ink)

    def pixels(self) -> np.ndarray:
        return np.asarray(self.image)


def zeiss(length: str, across: int, width: str, font: str = FONTS[0], paper: int = 0, ink: int = 255) -> np.ndarray:
    """A bracket under its text, whose ticks' centres are `across` px apart; 1024 x 56."""
    bar = Bar(1024, 56, font, 15, paper, ink)
    bar.text(20, 4, "EHT = 20.00 kV")
    bar.text(20, 30, "WD =  2.8 mm")
    bar.text(230, 4, "Signal A = InLens")
    bar.text(230, 30, f"Width = {width}")
    bar.text(480, 4, "Date :18 Jul 2019")
    bar.text(480, 30, "Mag =   50.00 K X")
    bar.text(760, 2, length)
    bar.block(760, 36, 760 + across + 2, 38)
    bar.block(760, 27, 762, 48)
    bar.block(760 + across, 27, 762 + across, 48)
    return bar.pixels()


def jeol(length: str, across: int, font: str = FONTS[0]) -> np.ndarray:
    """A thick line above its text; 1280 x 64."""
    bar = Bar(1280, 64, font, 26)
    for x, words in ((60, "EMC"), (420, "SEI"), (560, "15.0kV"), (700, "X10,000"), (880, length), (1020, "WD 10.0mm")):
        bar.text(x, 22, words)
    bar.block(985 - across, 4, 985, 10)
    return bar.pixels()


def fei(length: str, across: int, field: str, font: str = FONTS[0]) -> np.ndarray:
    """A table with headings, and a line that its text breaks, `across` px between its ticks; 1024 x 60, in frames."""
    bar = Bar(1024, 60, font, 18, 40, 255)
    for x, heading, value in ((10, "HV", "30.00 kV"), (140, "WD", "6.85 mm"), (270, "HFW", field), (420, "det", "LFD")):
        bar.text(x, 4, heading)
        bar.text(x, 32, value)
        bar.block(x - 6, 0, x - 5, 60)
    bar.block(560, 0, 561, 60)
    bar.block(560, 30, 1024, 31)
    bar.block(0, 0, 1024, 1)
    words = bar.draw.textlength(length, font=bar.font)
    middle = 792
    bar.text(middle - words / 2, 5, length)
    left, right = middle - across // 2, middle - across // 2 + across
    bar.block(left - 1, 15, int(middle - words / 2) - 6, 17)
    bar.block(int(middle + words / 2) + 6, 15, right + 1, 17)
    bar.block(left - 1, 9, left + 1, 23)
    bar.block(right - 1, 9, right + 1, 23)
    return bar.pixels()


def hitachi(
    length: str, step: float, font: str = FONTS[0], *, dots: bool = False, lost: tuple[int, ...] = ()
) -> np.ndarray:
    """Eleven ticks `step` px apart over the text at their right end, those at the ends and in the middle taller, or
    dots; 1280 x 68. lost: numbers of ticks that are not drawn."""
    bar = Bar(1280, 68, font, 26)
    bar.text(20, 32, "SU8020 5.0kV 8.1mm x10.0k SE(U)")
    for i in sorted({*range(11)} - {*lost}):
        x, top = round(1268 - (10 - i) * step), 10 if i % 5 else 4
        bar.block(x, 16 if dots else top, x + 3, 19 if dots else 22)
    bar.text(1262 - bar.draw.textlength(length, font=bar.font), 30, length)
    return bar.pixels()


def jeol_on_top(length: str, across: int, font: str = FONTS[0]) -> np.ndarray:
    """A short block that begins with the strip, beside its text; 1280 x 64."""
    bar = Bar(1280, 64, font, 22)
    bar.text(20, 36, "SEI   20kV   WD10mm   SS30      x200")
    bar.block(900, 0, 900 + across, 8)
    bar.text(960 + across, 3, length)
    return bar.pixels()


def tescan(length: str, across: int, field: str, font: str = FONTS[0]) -> np.ndarray:
    """Cells with keys, and a solid line under its text; 1024 x 80, black on white."""
    bar = Bar(1024, 80, font, 17, 255, 0)
    bar.text(20, 8, "SEM HV: 10.0 kV")
    bar.text(20, 44, f"View field: {field}")
    bar.text(280, 8, "WD: 5.10 mm")
    bar.text(280, 44, "Det: InBeam SE")
    bar.text(560, 8, length)
    bar.block(560, 40, 560 + across, 44)
    bar.text(860, 24, "MIRA3 TESCAN")
    return bar.pixels()


# By name: the bar in a font, its nanometres per pixel, and the length of its line in nanometres and in px.
LAYOUTS = {
    "zeiss": (lambda font: zeiss("200 nm", 27, "7.520 µm", font), 7520 / 1024, 200, 27),
    "zeiss, black on white": (lambda font: zeiss("10 µm", 128, "80.00 µm", font, 255, 0), 78.125, 10_000, 128),
    "jeol": (lambda font: jeol("1µm", 107, font), 1000 / 107, 1000, 107),
    "fei": (lambda font: fei("100 µm", 226, "453 µm", font), 453_000 / 1024, 100_000, 226),
    "hitachi": (lambda font: hitachi("5.00um", 30, font), 5000 / 300, 5000, 300),
    "hitachi, dotted": (lambda font: hitachi("50.0um", 30.24, font, dots=True), 50_000 / 302.4, 50_000, 302),
    "jeol, on top": (lambda font: jeol_on_top("100 µm", 40, font), 100_000 / 40, 100_000, 40),
    "tescan": (lambda font: tescan("500 nm", 99, "5,17 µm", font), 5170 / 1024, 500, 99),
    "jeol, smaller": (lambda font: jeol("100nm", 64, font), 100 / 64, 100, 64),
    "fei, smaller": (lambda font: fei("4 µm", 340, "12.0 µm", font), 12_000 / 1024, 4000, 340),
    "hitachi, smaller": (lambda font: hitachi("500nm", 22, font), 500 / 220, 500, 220),
    "tescan, larger": (lambda font: tescan("2 µm", 148, "13.8 µm", font), 13_800 / 1024, 2000, 148),
}


def over_picture(
    length: str,
    across: int,
    *,
    ink: int = 255,
    paper: int = 95,
    shape: tuple[int, int] = (700, 900),
    size: int = 28,
    thick: int = 6,
    frame: int = 0,
    label: int | None = None,
    halo: bool = False,
    below: bool = False,
    beside: bool = False,
    on_the_left: bool = False,
    quality: int = 0,
    seed: int = 1,
) -> np.ndarray:
    """A noisy picture with a scale bar in a corner, its text above it.

    paper: mean grey of the ground. frame: px of white around the picture. label: grey of a box behind the bar. halo:
    a rim of the other grey. quality: of a JPEG, 0 for none.
    """
    random = np.random.default_rng(seed)
    rows, columns = shape
    soft = cv2.GaussianBlur(random.normal(0, 1, shape), (0, 0), 1.2) * 14
    picture = paper + soft + random.normal(0, 5, shape)
    for _ in range(40):  # none in the corners
        x, y = int(random.integers(40, columns - 40)), int(random.integers(40, int(0.7 * rows)))
        cv2.circle(picture, (x, y), int(random.integers(8, 26)), 45.0 if paper > 128 else 200.0, -1)
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(str(FOLDER / FONTS[0]), size)
    words = draw.textlength(length, font=font)
    wide, tall = (across + 12 + words if beside else max(words, across)), 1.25 * size + thick + 6
    x, y = (30 if on_the_left else columns - wide - 30), rows - tall - 26
    if label is not None:
        draw.rectangle([x - 10, y - 6, x + wide + 10, y + tall + 8], fill=label)
    left, top = round(x if beside else x + (wide - across) / 2), round(y if below else y + 1.25 * size + 4)
    text = (x + (wide - words) / 2, y + thick + 4 if below else y)
    if beside:
        top, text = round(y + 0.6 * size), (left + across + 12, y)
    if halo:
        draw.rectangle([left - 2, top - 2, left + across + 1, top + thick + 1], fill=255 - ink)
    draw.text(text, length, font=font, fill=ink, stroke_width=2 * halo, stroke_fill=255 - ink)
    draw.rectangle([left, top, left + across - 1, top + thick - 1], fill=ink)
    if frame:
        framed = Image.new("L", (columns + 2 * frame, rows + 2 * frame), 255)
        framed.paste(image, (frame, frame))
        image = framed
    if quality:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        image = Image.open(file)
    return np.asarray(image)


DARK, LIGHT = 40, 185
# What is drawn over a picture, by name: the arguments of `over_picture`, and the length in nanometres.
OVER = {
    "white on a dark picture": (("5 µm", 160), {}, 5000),
    "on the left": (("100 nm", 120), {"on_the_left": True}, 100),
    "black on a light picture": (("100 nm", 140), {"ink": 0, "paper": LIGHT}, 100),
    "black, of a JPEG": (("100 nm", 140), {"ink": 0, "paper": LIGHT, "quality": 75}, 100),
    "black, text below": (("200 nm", 143), {"ink": 0, "paper": LIGHT, "below": True, "thick": 9}, 200),
    "black and small": (("100 nm", 71), {"ink": 0, "paper": LIGHT, "shape": (1024, 1024), "size": 34}, 100),
    "in a white frame": (("100µm", 150), {"frame": 60, "quality": 80, "on_the_left": True}, 100_000),
    "in a narrow frame": (("100 µm", 201), {"frame": 12, "quality": 60, "paper": DARK}, 100_000),
    "black in a white frame": (("100 nm", 140), {"ink": 0, "paper": LIGHT, "frame": 25, "quality": 92}, 100),
    "with a halo": (("5 µm", 133), {"halo": True}, 5000),
    "on a black label": (("2 µm", 99), {"label": 0}, 2000),
    "on a white label": (("20 nm", 111), {"label": 255, "ink": 0, "paper": LIGHT}, 20),
    "beside its text": (("1 µm", 88), {"beside": True}, 1000),
    "on a large picture": (("10 µm", 310), {"shape": (1536, 2048), "size": 48, "thick": 14}, 10_000),
    "on a small picture": (("1µm", 97), {"shape": (480, 640), "size": 18, "thick": 3}, 1000),
}
