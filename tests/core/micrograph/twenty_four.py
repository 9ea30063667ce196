"""Twenty-four drawn texts and scale bars, for docs/method/calibration.md. All are drawn over discs on a noisy ground.

Run `PYTHONPATH=. python -m tests.core.micrograph.twenty_four` to write the table; with "all" they are drawn in all
LOOKS, and the outcomes are counted.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from segmentation.core.micrograph.scale_bar.barreading import read_bar
from segmentation.core.micrograph.scale_bar.barresult import BarReading
from segmentation.core.micrograph.types import Calibration, Micrograph
from tests.core.micrograph.bars import FOLDER, FONTS, Bar

RIGHT = 0.05  # relative: a pixel size that differs by less is right
LEFT, TOP, ACROSS = 420, 470, 125  # of the line, in px


@dataclass(frozen=True)
class Look:
    """How a case is drawn. size: height of the letters over the picture in px. quality: of a JPEG, 0 for none."""

    font: str = FONTS[0]
    size: int = 24
    quality: int = 0


USUAL = Look()
LOOKS = [Look(font, size, quality) for font in FONTS for size, quality in ((15, 0), (19, 60), (28, 0))]


def ground(paper: int = 165, seed: int = 11) -> Image.Image:
    """Dark discs on a ground with noise, 560 x 660 px, none in the lowest rows."""
    random, picture = np.random.default_rng(seed), Image.new("L", (660, 560), paper)
    draw = ImageDraw.Draw(picture)
    for x in range(45, 640, 75):
        for y in range(45, 400, 75):
            across, down = x + int(random.integers(-12, 12)), y + int(random.integers(-12, 12))
            size = int(random.integers(9, 15))
            draw.ellipse([across - size, down - size, across + size, down + size], fill=paper - 95)
    return Image.fromarray((np.asarray(picture) + random.normal(0, 5, (560, 660))).clip(0, 255).astype(np.uint8))


def over(
    text: str,
    *,
    look: Look = USUAL,
    ink: int = 0,
    bar: int | None = None,
    thick: int = 6,
    hollow: bool = False,
    beside: bool = False,
    shadow: bool = False,
    line: tuple[int, int] | None = None,
    slope: int = 0,
) -> np.ndarray:
    """A scale bar of ACROSS px, with its text below it or beside it.

    bar: grey of the bar, by default that of the letters; -1: none. shadow: a thin dark one of the letters. line: left
    and right of a second line, above the bar. slope: px by which the right end of the bar is lower.
    """
    picture = ground()
    draw, font = ImageDraw.Draw(picture), ImageFont.truetype(str(FOLDER / look.font), look.size)
    bar = ink if bar is None else bar
    words = draw.textlength(text, font=font)
    place = (LEFT + ACROSS + 10, TOP - 12) if beside else (LEFT + (ACROSS - words) / 2, TOP + thick + 6)
    if shadow:
        draw.text((place[0] + 1, place[1] + 1), text, font=font, fill=60)
    draw.text(place, text, font=font, fill=ink)
    box = [LEFT, TOP, LEFT + ACROSS - 1, TOP + thick - 1]
    if slope:
        draw.line([LEFT, TOP, LEFT + ACROSS, TOP + slope], fill=bar, width=thick)
    elif bar >= 0:
        draw.rectangle(box, fill=None if hollow else bar, outline=bar)
    if line:
        draw.rectangle([line[0], TOP + thick + 8, line[1] - 1, TOP + thick + 10], fill=bar)
    return np.asarray(picture)


tem_center = partial(over, ink=230, bar=0, thick=9, beside=True, shadow=True)


def in_bar(text: str, *, look: Look = USUAL, ticks: bool = True, after: bool = True) -> np.ndarray:
    """The picture over a black data bar: a white line with ticks at its ends and its text beside it, without a gap."""
    picture, bar = np.asarray(ground()), Bar(660, 30, look.font, 17)
    words = bar.draw.textlength(text, font=bar.font)
    left = 120 if after else round(120 + words + 8)
    bar.block(left, 14, left + ACROSS, 17)
    if ticks:
        bar.block(left, 8, left + 3, 23)
        bar.block(left + ACROSS - 3, 8, left + ACROSS, 23)
    bar.text(left + ACROSS + 6 if after else 120, 5, text)
    return np.concatenate([picture, bar.pixels()])


@dataclass(frozen=True)
class Case:
    """A drawn scale bar. words: what is drawn. draw: the picture. nm: of the bar, None if it is not written."""

    words: str
    draw: Callable[..., np.ndarray]
    nm: float | None

    def reading(self, look: Look = USUAL) -> BarReading | None:
        """What the program reads."""
        pixels = self.draw(look=look)
        if look.quality:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", quality=look.quality)
            pixels = np.asarray(Image.open(file))
        return read_bar(Micrograph(pixels, "drawn.png", "0" * 64, Calibration.absent()), seconds=120)

    def outcome(self, reading: BarReading | None) -> str:
        """The outcome in words: right or wrong, and whether it counts, is offered, or is a question."""
        if reading is None:
            return "nothing"
        if reading.is_in_question:
            return f"question{' with the ends of the line' if reading.ends else ''}"
        is_right = self.nm is not None and abs(reading.nm_per_pixel * ACROSS / self.nm - 1) <= RIGHT
        return f"{'right' if is_right else 'WRONG'}, {'sure' if reading.sure else 'offered'}"


CASES = (
    Case("black bar, white letters with a shadow (JEOL TEM Center)", partial(tem_center, "100.0nm"), 100),
    Case("black bar, white letters without a shadow", partial(tem_center, "0.2µm", shadow=False), 200),
    Case("thick black bar, white letters with a shadow", partial(tem_center, "50.0nm", thick=14), 50),
    Case("data bar, end tick beside its text", partial(in_bar, "200 nm"), 200),
    Case("data bar, end tick beside its text", partial(in_bar, "1 µm"), 1000),
    Case("data bar, text before the end tick", partial(in_bar, "500 nm", after=False), 500),
    Case("data bar, line without ticks", partial(in_bar, "20 nm", ticks=False), 20),
    Case("2 × 100 nm", partial(over, "2 × 100 nm"), 200),
    Case("2 micron", partial(over, "2 micron"), 2000),
    Case("500 microns", partial(over, "500 microns"), 5e5),
    Case("2 µ", partial(over, "2 µ"), 2000),
    Case("10 Å", partial(over, "10 Å"), 1),
    Case("100 Angstrom", partial(over, "100 Angstrom"), 10),
    Case(".5 µm", partial(over, ".5 µm"), 500),
    Case("1. µm", partial(over, "1. µm"), 1000),
    Case("200 pm", partial(over, "200 pm"), 0.2),
    Case("200 µm", partial(over, "200 µm"), 2e5),
    Case("line of one row", partial(over, "100 nm", thick=1), 100),
    Case("hollow bar", partial(over, "100 nm", thick=10, hollow=True), 100),
    Case("hollow white bar", partial(over, "5 µm", ink=255, thick=12, hollow=True), 5000),
    Case("a line of 15 px beside the bar", partial(over, "100 nm", line=(LEFT - 32, LEFT - 17)), 100),
    Case("slanted bar", partial(over, "100 nm", thick=3, slope=9), 100),
    Case("a length without a line", partial(over, "100 nm", bar=-1), 100),
    Case("a bar without a text", partial(over, "", ink=255), None),
)  # fmt: skip


def main(words: list[str]) -> None:
    if words:
        for look in LOOKS:
            print(look, dict(Counter(case.outcome(case.reading(look)) for case in CASES)), flush=True)
        return
    print("| drawn | length | outcome |\n|---|---|---|")
    for case in CASES:
        reading = case.reading()
        read = f"“{reading.text}”" if reading and reading.text else "-"
        print(f"| {case.words} | {read} | {case.outcome(reading)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
