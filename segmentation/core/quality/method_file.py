"""A version of a method with its name, number and state (`WrittenMethod`): users download it as a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import ValidationError

from ..analysis import Analysis, AnalysisSettings, MethodUsed
from ..labels.segmentation import MASKS
from ..validation import sentence
from .method import MethodDescription, checksum_of, departures

FORMAT = "deepsegm-method/1"  # stored in the file
STATES = ("draft", "approved", "withdrawn")
NO_METHOD = "{name} is no description of a method: download one on the page of the method."
ALTERED = "{name} was changed since it was written: its checksum is another one. Download it once more."
UNAPPROVED = "This version of the method is a draft: nobody has approved it."
OWN_APPROVAL = "An author of this version of the method approved it."
UNREADABLE = "This release cannot read the method: {why}"


class WrittenMethod(NamedTuple):
    """One version of a method. description: plain JSON types, unchanged since they were stored. checksum: the SHA-256
    of the description."""

    name: str
    version: int
    state: str
    description: Mapping[str, Any]
    checksum: str

    @classmethod
    def of_file(cls, file: Path) -> Self:
        """The method in a file; raises OSError, or ValueError with a sentence."""
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            fields = {name: data[name] for name in cls._fields}
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ValueError(NO_METHOD.format(name=file.name)) from None
        kinds = {"name": str, "version": int, "state": str, "description": dict, "checksum": str}
        if data.get("format") != FORMAT or any(not isinstance(fields[name], kinds[name]) for name in kinds):
            raise ValueError(NO_METHOD.format(name=file.name))
        if fields["state"] not in STATES or fields["checksum"] != checksum_of(fields["description"]):
            raise ValueError(ALTERED.format(name=file.name))
        return cls(**fields)

    def as_dict(self) -> dict[str, Any]:
        """The content of its file, as plain JSON types."""
        return {"format": FORMAT, **self._asdict()}

    def read(self) -> MethodDescription:
        """The parsed description; raises ValueError with a sentence if this release cannot read it."""
        try:
            return MethodDescription.from_dict(self.description)
        except ValidationError as error:
            raise ValueError(UNREADABLE.format(why=sentence(error))) from None

    def record_for(self, analysis: Analysis) -> MethodUsed:
        """The record of this method for an analysis that was made by it, with the departures."""
        origin = analysis.segmentation.provenance
        weights = "" if origin.card.get("name") == MASKS else origin.weights
        try:
            method = self.read()
            lines = tuple(departures(method, analysis.settings, weights, analysis.calibration.source))
        except ValueError as error:
            lines = (str(error),)
        approval = UNAPPROVED if self.state == "draft" else ""
        return MethodUsed(self.name, self.version, self.state, self.checksum, lines, approval=approval)


def settings_of_method(written: WrittenMethod, left_open: Mapping[str, Any]) -> AnalysisSettings:
    """The settings with which an image is analysed by a method. left_open: the laboratory's values by name; they are
    used for settings that the method leaves open. Raises ValueError."""
    method = written.read()
    return method.analysis.replaced(**{name: value for name, value in left_open.items() if method.leaves_open(name)})
