"""Recognises text on a strip of pixels, by rapidocr in a child process, so that its faults do not reach the caller.

A process with one thread, such as a reader of files, forks this child itself. For other processes a server that has
loaded the networks (`forking.TEXT_SERVER`) forks a child, which runs the same code as
`python -m segmentation.core.micrograph.scale_bar.ocr SECONDS [bar] < strip.png`: it prints the texts as one line of
JSON. The
networks (PP-OCR, Apache-2.0) are in rapidocr's wheel, so nothing is downloaded.
"""

from __future__ import annotations

import importlib
import io
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ..confinement.children import Child, ForkOfThisProcess, OutOfTime, output_of
from ..confinement.forking import OCR, TEXT_SERVER, has_one_thread

logger = logging.getLogger(__name__)

OCR_SECONDS = 35.0  # of processor time for one strip
CLOCK_FACTOR = 20  # a child that takes so many times its processor time on the clock hangs, even on a busy machine
LEAST_SCORE = 0.5  # texts with a lower score are left out
SMALL_STRIP_ROWS = 44  # a strip with fewer rows is enlarged, because the networks have learnt larger letters
LONGEST_SIDE = 4096  # px
REREAD_HEIGHT_PX = 40.0  # height of a text at its second reading; if it has about this height, it is enlarged 1.5 times
# Least px of the shorter side to which rapidocr enlarges a picture, a strip, and a text at its second reading.
PICTURE_SIDE, STRIP_SIDE, REREAD_SIDE = 736, 256, 128
STRIP_ROWS = 128  # a strip has so many rows at most; its letters fill a large part of its height
MAY_BE_LENGTH = re.compile(r"[0-9].*[mµμÅ]|[0-9]\s?A\b", re.IGNORECASE)
MAY_BE_MICRO = re.compile(r"([0-9.,]\s?)p(\s?m)\W*", re.IGNORECASE)  # at the end of a text


@dataclass(frozen=True)
class Text:
    """A text on a strip.

    left, top, right, bottom: its box in px; right and bottom are just outside. score: how sure the recognition is,
    0..1. second_reading: the text of a possible length as it was read once more, alone and at another size; else "".
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    score: float
    second_reading: str = ""

    def enlarged(self, factor: float) -> Text:
        """The same text on a strip that is `factor` times as large."""
        left, top, right, bottom = (factor * end for end in (self.left, self.top, self.right, self.bottom))
        return Text(self.text, left, top, right, bottom, self.score, self.second_reading)

    def part(self, start: int, stop: int) -> Text:
        """The characters from `start` up to `stop`, with their box as if all characters were equally wide."""
        step = (self.right - self.left) / max(1, len(self.text))
        left, right = self.left + start * step, self.left + stop * step
        return Text(self.text[start:stop], left, self.top, right, self.bottom, self.score, self.second_reading)


class RecognitionTimeout(Exception):
    """Text recognition took longer than allowed, or its process was killed."""


def texts_by_child(strip: NDArray[np.uint8], seconds: float = OCR_SECONDS, *, is_bar: bool = False) -> list[Text]:
    """The texts on a grey strip (h, w), read in a child process; [] if recognition fails or is not installed.

    seconds: of processor time (CLOCK_FACTOR times as many on the clock). is_bar: see `texts_of`. Raises
    RecognitionTimeout if the child takes more or is killed.
    """
    try:
        with _start_child(strip, seconds, is_bar) as child:
            try:
                output, errors = output_of(child, CLOCK_FACTOR * seconds)
            finally:
                child.kill_group()
        status = child.returncode or 0
        if status < 0:  # killed by its own alarm, or because memory was short
            raise RecognitionTimeout
        if status:
            raise ChildProcessError(f"status {status}, {errors.decode(errors='replace')}")
        return [
            Text(str(text), float(left), float(top), float(right), float(bottom), float(score), str(second_reading))
            for text, left, top, right, bottom, score, second_reading in json.loads(output.splitlines()[-1])
        ]
    except OutOfTime as error:
        raise RecognitionTimeout from error
    except (OSError, MemoryError, ValueError, IndexError, TypeError) as error:
        logger.warning("The data bar was not read: %s", error)
        return []


def _start_child(strip: NDArray[np.uint8], seconds: float, is_bar: bool) -> Child:
    """A child process that recognises the texts on a strip and prints them."""
    if has_one_thread():
        return ForkOfThisProcess(partial(_print_texts, strip, seconds, is_bar=is_bar))
    file = io.BytesIO()
    Image.fromarray(strip).save(file, "PNG", compress_level=1)
    return TEXT_SERVER.start(OCR, [str(seconds), *(["bar"] if is_bar else [])], file.getvalue())


def main(arguments: Sequence[str]) -> int:
    """Print the texts on the strip (a PNG) on standard input. arguments: seconds of processor time, and "bar" for a
    data bar."""
    with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=["PNG"]) as image:
        strip = np.asarray(image.convert("L"))
    return _print_texts(strip, float(arguments[0]), is_bar=list(arguments[1:]) == ["bar"])


def _print_texts(strip: NDArray[np.uint8], seconds: float, *, is_bar: bool) -> int:
    """Print the texts on a strip. An alarm kills this process after its time, even if its parent has ended."""
    whole = max(1, int(seconds))
    signal.setitimer(signal.ITIMER_PROF, whole)  # and no limit: a child of a confined process may not set one
    signal.alarm(CLOCK_FACTOR * whole + 1)
    logging.disable(logging.CRITICAL)
    sys.stdout.write("\n" + json.dumps(texts_of(strip, is_bar=is_bar)) + "\n")
    return 0


def preload() -> None:
    """Load the networks before forking. Detection in whole pictures is not run here: that would take 150 MB of
    memory."""
    black = np.zeros((32, 64, 3), np.uint8)
    with suppress(Exception):  # the child that reads reports what is missing
        for side in (REREAD_SIDE, STRIP_SIDE, PICTURE_SIDE):
            _engine(side)(black, use_det=False, use_rec=True)
        for side in (REREAD_SIDE, STRIP_SIDE):
            _engine(side)(black, use_det=True, use_rec=True)


def texts_of(strip: NDArray[np.uint8], *, is_bar: bool = False) -> list[list[Any]]:
    """The texts on a grey strip (h, w), read in this process, each as a list of the fields of `Text`.

    is_bar: whether the strip is a data bar. Then only the decisive text (`barreading.decisive_text`) is read a
    second time; otherwise all possible lengths are.
    """
    bar = strip if is_bar else None
    scale = min(2.0 if len(strip) < SMALL_STRIP_ROWS else 1.0, LONGEST_SIDE / max(strip.shape))
    if scale != 1:
        size = (max(1, round(strip.shape[1] * scale)), max(1, round(strip.shape[0] * scale)))
        strip = np.asarray(Image.fromarray(strip).resize(size, Image.Resampling.BICUBIC))
    side = STRIP_SIDE if len(strip) <= STRIP_ROWS else PICTURE_SIDE
    result = _recognise(strip, side)
    texts: list[list[Any]] = []
    if result.boxes is None:
        return texts
    for corners, text, score in zip(result.boxes, result.txts, result.scores, strict=True):
        if score >= LEAST_SCORE:
            (left, top), (right, bottom) = np.min(corners, axis=0) / scale, np.max(corners, axis=0) / scale
            texts.append([text, float(left), float(top), float(right), float(bottom), float(score), ""])
    for text in texts:
        if MAY_BE_LENGTH.search(text[0]):
            strip = _read_without_line(strip, text, scale)
    for text in texts if bar is None else _decisive_texts(bar, texts):
        if MAY_BE_LENGTH.search(text[0]):
            text[-1] = _second_reading(strip, [scale * end for end in text[1:5]])
    from .closeup import has_hole  # here, because closeup imports this module

    for text in texts:
        if MAY_BE_MICRO.search(text[0]) and has_hole(strip, [scale * end for end in text[1:5]]) is False:
            text[0], text[-1] = (MAY_BE_MICRO.sub(r"\1µ\2", words) for words in (text[0], text[-1]))
    return texts


def _read_without_line(strip: NDArray[np.uint8], text: list[Any], scale: float) -> NDArray[np.uint8]:
    """The strip after the lines that end in the box of a text were painted over, and the text was read again; the same
    strip without such lines. scale: px of the strip per px of the text's box."""
    from .closeup import line_through  # here, because closeup imports this module

    box = Text(*text).enlarged(scale)
    lines = line_through(strip, box)
    if lines is None:
        return strip
    top, bottom = max(0, int(box.top)), int(box.bottom) + 1
    paper = np.median(strip[top:bottom, max(0, int(box.left)) : int(box.right) + 1])
    near = np.asarray(Image.fromarray(lines).convert("L").filter(ImageFilter.MaxFilter(5))) > 0
    painted = np.where(near, np.uint8(paper), strip)
    columns = np.flatnonzero(lines[top:bottom].any(axis=0))
    middle = (box.left + box.right) / 2
    left = float(max([box.left, *(columns[columns < middle] + 2)]))
    right = float(min([box.right, *(columns[columns >= middle] - 1)]))
    result = _recognise_in(painted, [left, box.top, right, box.bottom])
    if result.boxes is None or not result.txts:
        return strip
    text[0], text[5] = " ".join(result.txts), float(min(result.scores))
    text[1], text[3] = left / scale, right / scale
    return painted


def _decisive_texts(bar: NDArray[np.uint8], texts: list[list[Any]]) -> list[list[Any]]:
    """The text on a data bar that decides whether its reading is sure, [] without one."""
    from .barreading import decisive_text  # here, because barreading imports this module

    number = decisive_text(bar, [Text(*text) for text in texts])
    return [] if number is None else [texts[number]]


def _second_reading(strip: NDArray[np.uint8], box: Sequence[float]) -> str:
    """The text in a box of a strip, read once more: alone, with a wider margin and at another size."""
    result = _recognise_in(strip, box)
    return " | ".join(result.txts) if result.boxes is not None else ""


def _recognise_in(strip: NDArray[np.uint8], box: Sequence[float]) -> Any:
    """The result of rapidocr for a box of a strip, with a margin, at another size."""
    left, top, right, bottom = box
    height = max(4.0, bottom - top)
    rows = slice(max(0, int(top - 0.6 * height)), int(bottom + 0.6 * height) + 1)
    columns = slice(max(0, int(left - 2 * height)), int(right + 2 * height) + 1)
    part = Image.fromarray(strip[rows, columns])
    factor = REREAD_HEIGHT_PX / height if not 0.8 < REREAD_HEIGHT_PX / height < 1.25 else 1.5
    size = (max(1, round(factor * part.width)), max(1, round(factor * part.height)))
    larger = np.asarray(part.resize(size, Image.Resampling.BICUBIC))
    return _recognise(larger, REREAD_SIDE)


def _recognise(strip: NDArray[np.uint8], side: int) -> Any:
    """The result of rapidocr for a grey strip (h, w). Both flags are given, because it keeps those of an earlier
    call."""
    return _engine(side)(np.repeat(strip[..., np.newaxis], 3, axis=2), use_det=True, use_rec=True)


@cache
def _engine(side: int) -> Any:
    """rapidocr on one core, without the search for upside-down text. side: px of the shorter side of its input, at
    least."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else onnxruntime reports each network that it loads to its makers
    one_core = {f"EngineConfig.onnxruntime.{name}_op_num_threads": 1 for name in ("intra", "inter")}
    settings = {
        "Det.limit_side_len": side,
        "Global.use_cls": False,
        "Global.log_level": "critical",
        "Global.max_side_len": LONGEST_SIDE,
    }
    return importlib.import_module("rapidocr").RapidOCR(params={**settings, **one_core})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
