"""Reads the facts of pages that this program took out of stacks: JSON in the description (tag 270), by
`pages.write_page`."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from ..calibration.sources import Source
from .facts import MARKS, Facts, Tags, metadata_of, pixel_count, text_of

DESCRIPTION = 270
FORMAT = "deepsegm-page/1"
BEGINNING = f'{{"format": "{FORMAT}"'
MOST_NOTES, LONGEST_NOTE = 20, 500  # number of notes; characters of one
# Keys of metadata that come from the file of the page itself, not from the description. (MARKS is taken apart, because
# `metadata_of` would cut its text.)
FILE_KEYS = ("kind", "image_rows", "page", "pages", "panels", "channels", MARKS)


def read(tags: Tags) -> Facts | None:
    """The facts that the page had in its stack; None if the TIFF is no such page."""
    text = text_of(tags.raw(DESCRIPTION) or b"")
    if not text.startswith(BEGINNING):
        return None
    content = json.loads(text)
    scale, metadata = content["calibration"], dict(content["metadata"])
    return Facts(
        nm_per_pixel=_number(scale["nm_per_pixel"]),
        detail=str(scale["detail"])[:200],
        relative_uncertainty=_number(scale["relative_uncertainty"]),
        rows=pixel_count(_number(metadata.get("image_rows"))),
        source=Source.SIDE_FILE if scale["source"] == Source.SIDE_FILE else Source.METADATA,
        metadata=metadata_of(
            **{
                name[:40]: value if isinstance(value, str) else _number(value)
                for name, value in metadata.items()
                if name not in FILE_KEYS
            }
        )
        | {name: str(metadata[name]) for name in (MARKS,) if name in metadata},
        notes=tuple(str(note)[:LONGEST_NOTE] for note in content["notes"][:MOST_NOTES]),
    )


def _number(value: Any) -> float | None:
    """The value if it is a finite number, else None."""
    return value if isinstance(value, int | float) and isfinite(value) else None
