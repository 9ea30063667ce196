"""Data bars as the microscopes of five vendors lay them out, drawn anew: their fields agree with each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import floor, log10

from PIL import Image, ImageDraw, ImageFont

from ..contract import Rng

POLAROID = 127e6  # nm, width of the print that magnifications refer to
STEPS = 1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8  # of a magnification, times powers of ten
NARROW = 420  # px; in narrower pictures a bar has one line
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=64)
def font_of(size: int) -> Font:
    return ImageFont.load_default(size=size)


@dataclass(frozen=True)
class BarContent:
    """What a data bar says. wide: px of the picture. nm: of a pixel. length: of the scale bar in nm, a round
    number. kv: accelerating voltage. working: distance in mm."""

    wide: int
    nm: float
    length: float
    kv: float
    working: float
    detector: str
    date: str

    @classmethod
    def drawn(cls, wide: int, rng: Rng) -> BarContent:
        """Its scale bar takes a fifteenth to a third of the picture."""
        magnification = float(rng.choice(STEPS)) * 10 ** int(rng.integers(2, 6))
        nm = POLAROID / (wide * magnification)
        length = round_length(wide * nm * rng.uniform(0.17, 0.33))
        return cls(
            wide,
            nm,
            length,
            float(rng.choice([1, 2, 3, 5, 10, 15, 20, 30])),
            float(rng.uniform(2, 15)),
            str(rng.choice(["SE2", "InLens", "ETD", "TLD", "SE(U)", "BSE", "LEI", "CBS"])),
            f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.20{rng.integers(8, 26):02d}",
        )

    @property
    def bar(self) -> int:
        """px that the scale bar is long."""
        return round(self.length / self.nm)

    @property
    def magnification(self) -> int:
        return round(POLAROID / (self.wide * self.nm))


def round_length(nm: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is no longer."""
    power = 10.0 ** floor(log10(nm))
    return next(digit * power for digit in (5, 2, 1) if digit * power <= nm * (1 + 1e-9))


def length_words(nm: float) -> str:
    """Such as "500 nm" or "2 um": the font has no µ."""
    return f"{nm:g} nm" if nm < 1000 else f"{nm / 1000:g} um" if nm < 1e6 else f"{nm / 1e6:g} mm"


def draw_data_bar(image: Image.Image, hidden: Image.Image, size: int, rng: Rng) -> BarContent:
    """Draw one over the picture's lowest rows, and mark them in `hidden`; returns what it says.

    size: px that letters are high, if the picture is wide enough.
    """
    info = BarContent.drawn(image.size[0], rng)
    size = max(8, min(size, image.size[0] // 26))
    LAYOUTS[str(rng.choice(list(LAYOUTS)))](image, hidden, size, info)
    return info


def _strip(image: Image.Image, hidden: Image.Image, rows: int, grey: int) -> tuple[ImageDraw.ImageDraw, int]:
    """A strip of one grey over the lowest rows: what draws in it, and its first row."""
    wide, tall = image.size
    box = (0, max(0, tall - rows), wide, tall)
    ImageDraw.Draw(hidden).rectangle(box, fill=1)
    pen = ImageDraw.Draw(image)
    pen.rectangle(box, fill=grey)
    return pen, box[1]


def _spread(
    pen: ImageDraw.ImageDraw, fields: list[str], left: float, right: float, top: float, ink: int, font: Font
) -> None:
    """The fields from left to right, as many as there is room for, with equal gaps."""
    gap = pen.textlength("  ", font=font)
    while fields and sum(pen.textlength(text, font=font) + gap for text in fields) > right - left:
        fields = fields[:-1]
    room = (right - left) - sum(pen.textlength(text, font=font) for text in fields)
    for text in fields:
        pen.text((left, top), text, fill=ink, font=font)
        left += pen.textlength(text, font=font) + min(room / max(1, len(fields)), 4 * gap)


def _zeiss(image: Image.Image, hidden: Image.Image, size: int, info: BarContent) -> None:
    """A light strip; the scale bar with its length above at the left, two lines of fields beside it."""
    pen, top = _strip(image, hidden, round(2.9 * size), 225)
    font = font_of(size)
    left, line = size, top + round(1.9 * size)
    pen.text((left + info.bar / 2, top + 0.2 * size), length_words(info.length), fill=0, font=font, anchor="ma")
    pen.line([(left, line), (left + info.bar, line)], fill=0, width=max(1, size // 8))
    for end in (left, left + info.bar):
        pen.line([(end, line - size // 3), (end, line + size // 3)], fill=0, width=max(1, size // 8))
    magnified = f"Mag = {info.magnification / 1000:.2f} K X"
    first = [f"EHT = {info.kv:.2f} kV", f"Signal A = {info.detector}", f"Date :{info.date}"]
    second = [f"WD = {info.working:.1f} mm", magnified, f"Pixel Size = {info.nm:.4g} nm"]
    for lines, fields in enumerate((first, second)):
        _spread(pen, fields, left + info.bar + 2 * size, info.wide, top + (0.25 + 1.3 * lines) * size, 0, font)


def _fei(image: Image.Image, hidden: Image.Image, size: int, info: BarContent) -> None:
    """A dark table of one line of heads and one of values, parted by lines; the scale bar at the right."""
    pen, top = _strip(image, hidden, round(2.7 * size), 0)
    font, ink = font_of(size), 240
    right = info.wide - info.bar - 2 * size
    cells = [
        ("HV", f"{info.kv:.2f} kV"),
        ("mag", f"{info.magnification:,.0f} x".replace(",", " ")),
        ("WD", f"{info.working:.1f} mm"),
        ("det", info.detector),
        ("HFW", length_words(float(f"{info.wide * info.nm:.3g}"))),
    ]
    left = 0.5 * size
    for head, value in cells:
        wide = max(pen.textlength(text, font=font) for text in (head, value)) + size
        if left + wide > right:
            break
        pen.text((left + wide / 2, top + 0.1 * size), head, fill=ink, font=font, anchor="ma")
        pen.text((left + wide / 2, top + 1.3 * size), value, fill=ink, font=font, anchor="ma")
        left += wide
        pen.line([(left, top), (left, image.size[1])], fill=140)
    middle, words = right + size + info.bar / 2, length_words(info.length)
    line, room = top + round(1.35 * size), pen.textlength(words, font=font) / 2 + size / 3
    if 2 * room < 0.8 * info.bar:  # the line is broken by its length
        for a, b in ((-info.bar / 2, -room), (room, info.bar / 2)):
            pen.line([(middle + a, line), (middle + b, line)], fill=ink, width=max(1, size // 8))
        pen.text((middle, line), words, fill=ink, font=font, anchor="mm")
    else:
        pen.line([(middle - info.bar / 2, line), (middle + info.bar / 2, line)], fill=ink, width=max(1, size // 8))
        pen.text((middle, line + 0.15 * size), words, fill=ink, font=font, anchor="ma")
    for end in (middle - info.bar / 2, middle + info.bar / 2):
        pen.line([(end, line - size // 3), (end, line + size // 3)], fill=ink, width=max(1, size // 8))


def _jeol(image: Image.Image, hidden: Image.Image, size: int, info: BarContent) -> None:
    """White letters on a black strip in one line, the length at the right above its bar."""
    pen, top = _strip(image, hidden, round(2.1 * size), 0)
    font, line = font_of(size), image.size[1] - max(2, size // 3)
    right = info.wide - size - info.bar
    pen.line([(right, line), (right + info.bar, line)], fill=255, width=max(2, size // 5))
    pen.text((right + info.bar / 2, top + 0.25 * size), length_words(info.length), fill=255, font=font, anchor="ma")
    fields = [info.detector, f"{info.kv:.1f}kV", f"X{info.magnification:,.0f}", f"WD {info.working:.1f}mm"]
    _spread(pen, fields, size, right - size, top + 0.4 * size, 255, font)


def _hitachi(image: Image.Image, hidden: Image.Image, size: int, info: BarContent) -> None:
    """White letters on a black strip; eleven ticks at the right are the scale bar, its length below them."""
    pen, top = _strip(image, hidden, round(2.3 * size), 0)
    font, right = font_of(size), info.wide - size
    for tick in range(11):
        x = right - info.bar + info.bar * tick / 10
        pen.line([(x, top + 0.2 * size), (x, top + (0.8 if tick in (0, 5, 10) else 0.55) * size)], fill=255)
    pen.text((right, top + 1.0 * size), length_words(info.length), fill=255, font=font, anchor="ra")
    magnified = f"x{info.magnification / 1000:.1f}k" if info.magnification >= 1000 else f"x{info.magnification:.0f}"
    fields = [f"{info.kv:.1f}kV", f"{info.working:.1f}mm", magnified, info.detector, info.date]
    _spread(pen, fields, size, right - info.bar - size, top + 0.5 * size, 255, font)


def _tescan(image: Image.Image, hidden: Image.Image, size: int, info: BarContent) -> None:
    """A dark strip of boxes: fields in two columns, the scale bar between marks in a box of its own."""
    lines = 1 if info.wide < NARROW else 2
    pen, top = _strip(image, hidden, round((0.5 + 1.25 * lines) * size), 20)
    font, ink = font_of(round(0.9 * size)), 235
    columns = [
        [f"SEM HV: {info.kv:.1f} kV", f"WD: {info.working:.2f} mm"],
        [f"View field: {length_words(float(f'{info.wide * info.nm:.3g}'))}", f"Det: {info.detector}"],
    ]
    left, right = 0.4 * size, info.wide - info.bar - 1.5 * size
    for column in columns:
        wide = max(pen.textlength(text, font=font) for text in column[:lines]) + size
        if left + wide > right:
            break
        for line, text in enumerate(column[:lines]):
            pen.text((left, top + (0.25 + 1.2 * line) * size), text, fill=ink, font=font)
        left += wide
        pen.line([(left - 0.5 * size, top), (left - 0.5 * size, image.size[1])], fill=110)
    middle, line = right + 0.75 * size, image.size[1] - round(0.45 * size)
    for end in (0, info.bar):
        pen.line([(middle + end, line - size // 3), (middle + end, line + size // 4)], fill=ink)
    pen.line([(middle, line), (middle + info.bar, line)], fill=ink)
    pen.text((middle + info.bar / 2, line - 1.15 * size), length_words(info.length), fill=ink, font=font, anchor="ma")


LAYOUTS: dict[str, Callable[[Image.Image, Image.Image, int, BarContent], None]] = {
    "zeiss": _zeiss,
    "fei": _fei,
    "jeol": _jeol,
    "hitachi": _hitachi,
    "tescan": _tescan,
}
