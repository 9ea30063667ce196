"""What a finished job looks like, without having run one."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any
from uuid import UUID, uuid4

from django.core import signing

from segmentation.core.measure.results import Nano, Statistics

VISITOR = uuid4()  # whose browser made what nobody owns
SHOWN = ("figure-small.webp", "outlines.json", "thumbnail.webp")
FILES = ("figure.png", "figure.svg", "particles.csv", "result.json", *SHOWN)
ZEISS = {
    "nm_per_pixel": 7.34375,
    "source": "metadata",
    "detail": "Zeiss tag 34118, Image Pixel Size",
    "relative_uncertainty": None,
}
NANO = Nano(
    fraction=0.2187,
    low=0.1726,
    high=0.2731,
    n=261,
    threshold=0.5,
    least_nm=None,
    verdict="below",
    reason="",
    sentence="",
    decides="",
    asked="",
    sensitivity=[],
)
STATISTICS = Statistics(
    unit="nm",
    n_kept=261,
    n_set_aside=34,
    set_aside={"touches the frame": 30, "a few pixels only": 4},
    mean=160.14159,
    median=155.4321,
    sd=73.61,
    d10=62.51,
    d50=155.4321,
    d90=255.6,
    fraction_100nm=0.2187,
    fraction_low=0.1726,
    fraction_high=0.2731,
    ecd_median=173.2,
    nano=NANO,
)
SUMMARY: dict[str, Any] = {
    "task": "particles",
    "order": [],
    "quantities": {},
    "found": 295,
    "refused": False,
    "statistics": STATISTICS.as_dict(),
    "calibration": ZEISS,
    "model": {"name": "particles", "title": "Particles", "version": "1.2", "sha256": "ab" * 32},
    "image": {"width": 64, "height": 48},
    "data_bar": 40,
    "polarity": "bright",
    "scale": 1.0,
    "threshold": 0.5,
    "used": {},
    "filter": False,
    "edge": "exclude",
    "reused": False,
    "unread": False,
    "warnings": [],
    "flags": [],
    "timings": {"network": 1.25, "measure": 0.5},
}


def summary(**statistics: Any) -> dict[str, Any]:
    """The summary of a finished job with some of its statistics changed."""
    made = deepcopy(SUMMARY)
    made["statistics"] |= statistics
    return made


def visit(client: Any, visitor: UUID) -> Any:
    """Give a client the browser's cookie of a visitor."""
    client.cookies["visitor"] = signing.get_cookie_signer(salt="visitorvisitor").sign(str(visitor))
    return client


def words(response: Any) -> str:
    """The text of a page with its white space in order, tags and all."""
    return " ".join(response.content.decode().split())


def templates(response: Any) -> set[str | None]:
    """The templates that a page was made of."""
    return {template.name for template in response.templates}


def visible(response: Any) -> str:
    """What a reader sees of a page: no tag, so none of its random tokens."""
    return re.sub("<[^>]*>", " ", words(response))
