"""What a report for filing says of its making: the date of the result and the address of its page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple


class Filing(NamedTuple):
    """created: when the result was made, which is also the date in the PDF. address: of its page; sample: to which an
    image belongs; "" without one. image: the file as it was uploaded, for a notebook entry."""

    created: datetime | None = None
    address: str = ""
    sample: str = ""
    image: Path | None = None

    @property
    def date(self) -> str:
        return f"{self.created.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if self.created else ""


UNFILED = Filing()
