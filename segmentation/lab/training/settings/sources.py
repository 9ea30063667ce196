"""Where pictures come from: the tables [[sources]] of a recipe."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ....core.network.card_entries import Text
from ....core.validation import Settings
from ..synthesis.draw import DIAMETERS
from ..synthesis.settings import BadSetting, checked
from .files import Above, Count, CountOrNone, Share, chosen

SIZES = (12.0, 80.0)  # typical diameters of objects, in px, that a network is taught


def _is_a_pattern(pattern: str) -> str:
    """A regular expression with a bracket, or none at all."""
    try:
        if not pattern or re.compile(pattern).groups > 0:
            return pattern
    except re.error:
        pass
    raise PydanticCustomError("pattern", "a pattern with a bracket")


class FolderEntry(Settings):
    """A folder of images with labels, its path relative to the checkout (or absolute); see `core.truth.find_pairs`."""

    kind: Literal["folder"] = Field("folder", description="labelled micrographs of one's own")
    path: str = Field(description="relative to the checkout, or absolute")
    images: str = Field("", description="folder of the images, where it has an unusual name")
    labels: str = Field("", description="folder of the labels, where it has an unusual name; files may lie deeper")
    label_suffix: str = Field("", description="added to the name of an image to get the name of its labels")
    only_labelled: bool = Field(False, description="images without labels are passed over")
    background: int = Field(0, description="the label that is no object")
    classes: list[int] = Field(
        [],
        description="the labels that stand for the task's classes, in their order; none: they are found in the files "
        "(of a task that knows classes, not objects)",
    )
    groups: str = Field("", description="file image,group,...: images of one group stay on one side of the split")
    group_pattern: Annotated[str, AfterValidator(_is_a_pattern)] = Field(
        "", description="its first bracket in the image's name is its group"
    )
    use: Literal["both", "training", "validation", "held-out"] = Field(
        "both",
        description="both: parted by group; held-out: the same without training on any; else all of it, but to train "
        "on no group that another source of the same folder holds out",
    )
    polarity: Literal["any", "bright", "dark"] = Field(
        "any", description="only images whose objects are so beside what surrounds them; in transmission most are dark"
    )
    count: CountOrNone = Field(0, description="images to train on, drawn by the recipe's seed; 0: all")
    weight: Above = Field(1.0, description="how often crops are drawn from it, beside the other sources")
    title: Text = Field("", description="for the card: what the data are called")
    licence: Text = Field("unknown", description="for the card: of the data")

    @model_validator(mode="after")
    def _one_way_to_group(self) -> Self:
        if self.groups and self.group_pattern:
            raise ValueError("groups and group_pattern exclude each other.")
        return self


class RenderedEntry(Settings):
    """Pictures of our renderer."""

    kind: Literal["rendered"] = Field("rendered", description="see docs/development/synthesis.md")
    count: Count = Field(1500, description="pictures, made once")
    blank: Share = Field(0.05, description="share without particles")
    weight: Above = Field(1.0, description="how often crops are drawn from it, beside the other sources")
    diameters: list[float] = Field(list(DIAMETERS), description="range of the typical particle diameter in px")
    settings: dict[str, Any] = Field(
        {}, description="what is fixed instead of drawn, by the names that `manage.py synthesise --list` gives"
    )

    @model_validator(mode="after")
    def _can_be_rendered(self) -> Self:
        if len(self.diameters) != 2 or not 3 <= self.diameters[0] <= self.diameters[1]:
            raise ValueError("diameters is the smallest (3 at least) and the largest typical diameter in px.")
        for name, value in self.settings.items():
            try:
                checked(name, value)
            except BadSetting as error:
                raise ValueError(f"settings: {error}") from error
        return self


SourceEntry = FolderEntry | RenderedEntry
SOURCES = {"folder": FolderEntry, "rendered": RenderedEntry}


def read_source(data: Any) -> Any:
    return chosen("kind", SOURCES, data)
