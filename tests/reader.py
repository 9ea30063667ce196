"""`Reader`, which inspects uploads in the process of a test, without a child process for each."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from tests.web.finished import ZEISS
from worker.reading import decoding

CALIBRATED = b"calibrated"


@dataclass
class Reader:
    """Takes the place of `decoding.inspect` in tests: reads the files that Pillow can read.

    refusal: the sentence about other files. preview: the preview of every image. facts: further facts of every image; a
    file that ends in `CALIBRATED` gets the calibration of a Zeiss microscope. calls: name, side files and `read_bar` of
    each call.
    """

    refusal: str
    preview: bytes
    facts: dict[str, Any] = field(default_factory=lambda: {"metadata": {}, "notes": [], "data_bar": None})
    calls: list[tuple[str, list[str], bool]] = field(default_factory=list)

    def __call__(
        self, path: Path, *, name: str, side=(), read_bar=True, later=False, keep_as="", known=(), report_alive=None
    ):
        self.calls.append((name, [beside for beside, _ in side], read_bar))
        content = path.read_bytes()
        try:
            with Image.open(io.BytesIO(content)) as image:
                image.load()
                width, height = image.size
        except OSError:
            raise decoding.Unreadable(self.refusal) from None
        facts = {"width": width, "height": height, "kind": "PNG, 8 bit"}
        scale = ZEISS if content.endswith(CALIBRATED) else {**ZEISS, "nm_per_pixel": None, "source": "none"}
        return decoding.Inspection({**facts, "calibration": scale, **self.facts}, self.preview)
