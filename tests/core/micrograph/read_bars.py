"""Data bars read right, for docs/method/calibration.md.

Run `PYTHONPATH=. python -m tests.core.micrograph.read_bars [IMAGE...]`.
Without images, the rendered bars of five makers in four fonts. An image's reading is compared with its own header, or,
where it has none, with the printed magnification (a field of 127 mm at magnification 1 for Hitachi, else of 120 mm).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.scale_bar.barreading import read_bar, reading_of_bar
from segmentation.core.micrograph.scale_bar.barresult import BarReading
from segmentation.core.micrograph.scale_bar.barwords import magnifications
from segmentation.core.micrograph.scale_bar.ocr import Text, texts_of
from tests.core.micrograph import bars

RIGHT = 0.02
HITACHI = re.compile(r"S-?[34][0-9]{3}|SU[0-9]{4}")


def rendered() -> Iterator[tuple[str, float | None, BarReading | None]]:
    for font in bars.FONTS:
        for name, (draw, nm, _, _) in bars.LAYOUTS.items():
            strip = draw(font)
            texts = [Text(str(text[0]), *text[1:]) for text in texts_of(strip)]
            yield f"{name}, {font}", nm, reading_of_bar(strip, texts)


def real(paths: list[Path]) -> Iterator[tuple[str, float | None, BarReading | None]]:
    for path in paths:
        image = read(path)
        reading = read_bar(image, seconds=120)
        yield (
            f"{path.parent.name}/{path.name}",
            image.calibration.nm_per_pixel or _magnified(reading, image.shape[1]),
            reading,
        )


def _magnified(reading: BarReading | None, columns: int) -> float | None:
    texts = reading.texts if reading else ()
    printed = magnifications([Text(text, 0, 0, 1, 1, 1.0) for text in texts])
    display = 127e6 if any(HITACHI.match(text) for text in texts) else 120e6
    return display / printed[0] / columns if printed else None


def main(paths: list[Path]) -> None:
    right = total = 0
    for name, nm, bar in real(paths) if paths else rendered():
        total += 1
        fits = bool(bar and nm and abs(bar.nm_per_pixel / nm - 1) <= RIGHT)
        right += fits
        line = (
            f"{bar.nm_per_pixel:.5g} nm ({bar.text}), {bar.confidence:.2f}{', sure' if bar.sure else ''}"
            if bar
            else "nothing"
        )
        if bar and bar.is_in_question:
            line = f"asked about ({bar.text})"
        print(f"{'right' if fits else 'WRONG' if nm else '-'}  {name}: {line}; expected {nm or float('nan'):.5g} nm")
    print(f"{right} of {total} right within {RIGHT:.0%}")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
