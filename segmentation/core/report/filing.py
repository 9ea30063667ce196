"""`Filing`: administrative data of a result that its files contain, such as its date, the address
of its page and its specification."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ..quality.specification import Specification


class Filing(NamedTuple):
    """Administrative data of a result, which no measurement gives.

    created: when the result was computed; also the date of creation in the PDF.
    address: of its page.
    sample: the name of the sample to which an image belongs.
    image: the uploaded file, for a notebook entry.
    specification: the limits.
    link: an address by which everybody who has it may see the result.
    link_ends: when this link expires.
    method: name and version of the method.
    number: of the papers, which tells one state of a result from others.

    A text is "" if there is none.
    """

    created: datetime | None = None
    address: str = ""
    sample: str = ""
    image: Path | None = None
    specification: Specification | None = None
    link: str = ""
    link_ends: datetime | None = None
    method: str = ""
    number: str = ""

    @property
    def date(self) -> str:
        """The date `created` in words, in UTC; "" if it is not known."""
        return f"{self.created.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if self.created else ""


UNFILED = Filing()  # for results that are on no site
