"""Text in a strip of pixels, by rapidocr in a child process, so that its faults and delays do not reach the caller.

A process with one thread, as a reader of files is, forks this child itself; elsewhere a server does that has loaded
the networks (`forking.TEXTS`) runs `python -m segmentation.core.micrograph.ocr SECONDS [bar] < strip.png`, which prints
the texts as one line of JSON. The models (PP-OCR, Apache-2.0) lie in rapidocr's wheel: nothing is fetched.
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
from PIL import Image

from .children import Child, ForkOfThis, Late, output_of
from .forking import OCR, TEXTS, has_one_thread

logger = logging.getLogger(__name__)

SECONDS = 35.0  # of processor time
PATIENCE = 20  # times that on the clock, after which a child hangs: a busy machine must not change what is read
LEAST_SCORE = 0.5
SMALL_ROWS = 44  # strips of fewer rows are enlarged: their letters are smaller than those the models know
LONGEST_SIDE = 4096
AGAIN_PX = 40.0  # height of a text at its second reading; one that has about this height gets 1.5 times its own
# px to which a smaller side of a picture is enlarged before text is searched in it
PICTURE_SIDE, STRIP_SIDE, AGAIN_SIDE = 736, 256, 128
STRIP_ROWS = 128  # at most so many rows: a strip, with letters that fill a large part of its height
MAY_BE_LENGTH = re.compile(r"[0-9].*m", re.IGNORECASE)


@dataclass(frozen=True)
class Text:
    """A run of text on a strip: its box in pixels (right and bottom just outside), how sure the reader is, 0..1.

    again: the second reading of a possible length, alone and at another size.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    score: float
    again: str = ""

    def enlarged(self, factor: float) -> Text:
        """The same text on a strip so many times as large."""
        left, top, right, bottom = (factor * end for end in (self.left, self.top, self.right, self.bottom))
        return Text(self.text, left, top, right, bottom, self.score, self.again)

    def part(self, start: int, stop: int) -> Text:
        """The characters from `start` up to `stop`, in the box that they have if all are equally wide."""
        step = (self.right - self.left) / max(1, len(self.text))
        left, right = self.left + start * step, self.left + stop * step
        return Text(self.text[start:stop], left, self.top, right, self.bottom, self.score, self.again)


class CutOff(Exception):
    """Reading the text took longer than it may, or its process was killed."""


def texts_by_child(strip: NDArray[np.uint8], seconds: float = SECONDS, *, is_bar: bool = False) -> list[Text]:
    """The texts on a grey strip (h, w), read in a child process; none where that fails or is not installed.

    seconds: of processor time (PATIENCE times as many on the clock). is_bar: as of `texts_of`. Raises CutOff if it
    takes more or is killed.
    """
    try:
        with _started(strip, seconds, is_bar) as child:
            try:
                output, errors = output_of(child, PATIENCE * seconds)
            finally:
                child.kill_group()
        status = child.returncode or 0
        if status < 0:  # killed: by its own alarm, or where memory is short
            raise CutOff
        if status:
            raise ChildProcessError(f"status {status}, {errors.decode(errors='replace')}")
        return [
            Text(str(text), float(left), float(top), float(right), float(bottom), float(score), str(again))
            for text, left, top, right, bottom, score, again in json.loads(output.splitlines()[-1])
        ]
    except Late as error:
        raise CutOff from error
    except (OSError, MemoryError, ValueError, IndexError, TypeError) as error:
        logger.warning("The data bar was not read: %s", error)
        return []


def _started(strip: NDArray[np.uint8], seconds: float, is_bar: bool) -> Child:
    """A child that reads a strip."""
    if has_one_thread():
        return ForkOfThis(partial(_print_texts, strip, seconds, is_bar=is_bar))
    file = io.BytesIO()
    Image.fromarray(strip).save(file, "PNG", compress_level=1)
    return TEXTS.start(OCR, [str(seconds), *(["bar"] if is_bar else [])], file.getvalue())


def main(arguments: Sequence[str]) -> int:
    """Read the strip on standard input, within so many seconds of processor time."""
    with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=["PNG"]) as image:
        strip = np.asarray(image.convert("L"))
    return _print_texts(strip, float(arguments[0]), is_bar=list(arguments[1:]) == ["bar"])


def _print_texts(strip: NDArray[np.uint8], seconds: float, *, is_bar: bool) -> int:
    """Print the texts on a strip; killed by its own alarm, should its parent no longer be there to do so."""
    whole = max(1, int(seconds))
    signal.setitimer(signal.ITIMER_PROF, whole)  # a child of a confined process may set no limits
    signal.alarm(PATIENCE * whole + 1)
    logging.disable(logging.CRITICAL)
    sys.stdout.write("\n" + json.dumps(texts_of(strip, is_bar=is_bar)) + "\n")
    return 0


def preload() -> None:
    """Load the networks, but for the one that searches text in a whole picture: it would need 150 MB to do so."""
    nothing = np.zeros((32, 64, 3), np.uint8)
    with suppress(Exception):  # the child that reads says what is missing
        for side in (AGAIN_SIDE, STRIP_SIDE, PICTURE_SIDE):
            _engine(side)(nothing, use_det=False, use_rec=True)
        for side in (AGAIN_SIDE, STRIP_SIDE):
            _engine(side)(nothing, use_det=True, use_rec=True)


def texts_of(strip: NDArray[np.uint8], *, is_bar: bool = False) -> list[list[Any]]:
    """Text, box, score and second reading of each text on a grey strip (h, w), as of `Text`, read in this process.

    is_bar: whether it is a data bar, of which only the text is read again that decides; else each possible length is.
    """
    bar = strip if is_bar else None
    scale = min(2.0 if len(strip) < SMALL_ROWS else 1.0, LONGEST_SIDE / max(strip.shape))
    if scale != 1:
        size = (max(1, round(strip.shape[1] * scale)), max(1, round(strip.shape[0] * scale)))
        strip = np.asarray(Image.fromarray(strip).resize(size, Image.Resampling.BICUBIC))
    side = STRIP_SIDE if len(strip) <= STRIP_ROWS else PICTURE_SIDE
    recognised = _recognised(strip, side)
    texts: list[list[Any]] = []
    if recognised.boxes is None:
        return texts
    for corners, text, score in zip(recognised.boxes, recognised.txts, recognised.scores, strict=True):
        if score >= LEAST_SCORE:
            (left, top), (right, bottom) = np.min(corners, axis=0) / scale, np.max(corners, axis=0) / scale
            texts.append([text, float(left), float(top), float(right), float(bottom), float(score), ""])
    for text in texts if bar is None else _decisive(bar, texts):
        if MAY_BE_LENGTH.search(text[0]):
            text[-1] = _text_read_again(strip, [scale * end for end in text[1:5]])
    return texts


def _decisive(bar: NDArray[np.uint8], texts: list[list[Any]]) -> list[list[Any]]:
    from .barreading import decisive_text  # which knows this module

    number = decisive_text(bar, [Text(*text) for text in texts])
    return [] if number is None else [texts[number]]


def _text_read_again(strip: NDArray[np.uint8], box: Sequence[float]) -> str:
    """The text in a box of a strip, read alone, with a wider margin and at another size."""
    left, top, right, bottom = box
    height = max(4.0, bottom - top)
    rows = slice(max(0, int(top - 0.6 * height)), int(bottom + 0.6 * height) + 1)
    columns = slice(max(0, int(left - 2 * height)), int(right + 2 * height) + 1)
    part = Image.fromarray(strip[rows, columns])
    factor = AGAIN_PX / height if not 0.8 < AGAIN_PX / height < 1.25 else 1.5
    size = (max(1, round(factor * part.width)), max(1, round(factor * part.height)))
    larger = np.asarray(part.resize(size, Image.Resampling.BICUBIC))
    recognised = _recognised(larger, AGAIN_SIDE)
    return " | ".join(recognised.txts) if recognised.boxes is not None else ""


def _recognised(strip: NDArray[np.uint8], side: int) -> Any:
    """What rapidocr finds on a grey strip (h, w); it keeps what an earlier call asked for, unless it is told."""
    return _engine(side)(np.repeat(strip[..., np.newaxis], 3, axis=2), use_det=True, use_rec=True)


@cache
def _engine(side: int) -> Any:
    """rapidocr on one core, without the turning of upside-down text; imported here, because only this function needs
    it."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime would report each network that it loads to its makers
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
