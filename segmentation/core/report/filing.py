"""What the files of a result say beside its numbers: when it was made, the address of its page, and what it is held
against."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ..quality.specification import Specification


class Filing(NamedTuple):
    """created: when the result was made, which is also the date in the PDF. address: of its page; sample: to which an
    image belongs; "" without one. image: the file as it was uploaded, for a notebook entry. specification: its limits.
    link: the address by which everybody who has it may look at the result, "" without one. link_ends: its last moment.
    method: its name and version, "" without one."""

    created: datetime | None = None
    address: str = ""
    sample: str = ""
    image: Path | None = None
    specification: Specification | None = None
    link: str = ""
    link_ends: datetime | None = None
    method: str = ""

    @property
    def date(self) -> str:
        return f"{self.created.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if self.created else ""


UNFILED = Filing()
