"""The sources of a scale: the file, the image, or a person.

Every `Calibration` names its source. Page, API, result.json and report state the source in the words given here.
`crosscheck` compares the calibrations of two sources.
"""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """How the size of a pixel is known. The values are stored in result.json and sent by the API."""

    words: str  # as pages and reports state it: "7.34 nm per pixel, from the file"
    noun: str  # as a sentence on a contradiction names it: "The file gives 7.34 nm but the typed width ..."

    def __new__(cls, value: str, words: str = "", noun: str = "") -> Source:
        source = str.__new__(cls, value)
        source._value_, source.words, source.noun = value, words, noun
        return source

    METADATA = "metadata", "from the file", "file"
    SIDE_FILE = "side file", "from the file beside it", "side file"
    # READ: by the program. DATA_BAR: read by the program and confirmed by a person.
    READ = "read", "read from the image", "bar in the image"
    DATA_BAR = "data bar", "read from the image and confirmed", "bar in the image"
    DRAWN = "drawn", "drawn on the scale bar", "drawn line"
    TYPED = "typed", "typed in", "typed width"
    NONE = "none", "not known", ""
