"""Tables of a recipe: where pictures come from, how crops are changed, and how a network learns."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ....core.network.card_entries import Text
from ....core.validation import Settings
from ..synthesis import composites
from ..synthesis.draw import DIAMETERS
from ..synthesis.settings import BadSetting, checked_value
from .files import Above, Amount, Count, CountOrZero, Part, Share, chosen_model

SIZES = (12.0, 80.0)  # typical diameters of objects, in px, that a network is taught


def _checked_pattern(pattern: str) -> str:
    """The pattern, if it is a regular expression with a group in parentheses, or empty; raises PydanticCustomError."""
    try:
        if not pattern or re.compile(pattern).groups > 0:
            return pattern
    except re.error:
        pass
    raise PydanticCustomError("pattern", "a regular expression with a group in parentheses")


class FolderEntry(Settings):
    """A folder of images with labels; see `core.truth.find_pairs`. Who reads it says to what its path is relative."""

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
    group_pattern: Annotated[str, AfterValidator(_checked_pattern)] = Field(
        "",
        description="a regular expression; what its first parentheses match in the image's name is the group",
    )
    use: Literal["both", "training", "validation", "held-out"] = Field(
        "both",
        description="both: parted by group; held-out: the same without training on any; else all of it, but to train "
        "on no group that another source of the same folder holds out",
    )
    polarity: Literal["any", "bright", "dark"] = Field(
        "any", description="only images whose objects are so beside what surrounds them; in transmission most are dark"
    )
    count: CountOrZero = Field(0, description="images to train on, drawn by the recipe's seed; 0: all")
    weight: Above = Field(1.0, description="how often crops are drawn from it, beside the other sources")
    title: Text = Field("", description="for the card: what the data are called")
    licence: Text = Field("unknown", description="for the card: of the data")

    @model_validator(mode="after")
    def _one_way_to_group(self) -> Self:
        if self.groups and self.group_pattern:
            raise ValueError("groups and group_pattern exclude each other.")
        return self


class ComposedEntry(FolderEntry):
    """Agglomerates composed of particles that are cut out of a folder's micrographs."""

    kind: Literal["composed"] = Field(  # type: ignore[assignment]
        "composed", description="see docs/development/synthesis.md#composites"
    )
    pictures: Count = Field(400, description="pictures, made once")
    blank: Share = Field(0.0, description="share without particles")
    diameters: list[float] = Field(
        list(composites.DIAMETERS), description="range of the median particle diameter in px"
    )

    @model_validator(mode="after")
    def _can_be_composed(self) -> Self:
        low, high = composites.SMALLEST, composites.LARGEST
        if len(self.diameters) != 2 or not low <= self.diameters[0] <= self.diameters[1] <= high:
            raise ValueError(f"diameters is the smallest ({low:g} or more) and the largest ({high:g} or less) in px.")
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
                checked_value(name, value)
            except BadSetting as error:
                raise ValueError(f"settings: {error}") from error
        return self


SourceEntry = FolderEntry | ComposedEntry | RenderedEntry
SOURCES = {"folder": FolderEntry, "composed": ComposedEntry, "rendered": RenderedEntry}


def read_source(data: Any) -> Any:
    return chosen_model("kind", SOURCES, data)


class Augmentation(Settings):
    """How often (0..1) a crop is changed, and how much."""

    flips: bool = Field(True, description="quarter turns and mirrors")
    exposure: Share = Field(0.5, description="gamma, log-normal with exposure_spread")
    exposure_spread: Amount = Field(0.3, description="SD of ln(gamma)")
    focus: Share = Field(0.3, description="Gaussian blur of up to focus_px")
    focus_px: float = Field(1.3, ge=0.3, description="largest SD of the blur in px")
    noise: Share = Field(0.5, description="Gaussian noise of up to noise_spread of the range")
    noise_spread: Amount = Field(0.07, description="largest SD of the noise, as a share of the range")
    gradient: Share = Field(0.3, description="a ramp of gradient_spread")
    gradient_spread: Amount = Field(0.12, description="SD of its slopes, as a share of the range")
    invert: Share = Field(0.0, description="dark objects")


class Optimiser(Settings):
    """What moves the weights."""

    name: Literal["adamw", "adam", "sgd"] = Field("adamw", description="by its name in PyTorch")
    betas: list[Part] = Field([0.9, 0.999], min_length=2, max_length=2, description="Adam's")
    momentum: Part = Field(0.9, description="that of sgd")
    clip: Amount = Field(5.0, description="largest norm of a gradient; 0: any")


class Schedule(Settings):
    """How the learning rate goes on after `warm_up` steps."""

    name: Literal["cosine", "constant", "steps", "plateau"] = Field(
        "cosine",
        description="half a cosine down to the share `last` at the end; constant; times `factor` every `every` steps, "
        "or after every `wait` checkpoints without a better validation loss",
    )
    warm_up: CountOrZero = Field(100, description="steps in which the rate rises from zero")
    last: Share = Field(0.01, description="of the cosine: share of the rate at the end")
    factor: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="of steps and plateau: by which the rate falls"
    )
    every: Count = Field(1000, description="of steps: between two falls")
    wait: Count = Field(3, description="of plateau: checkpoints without a better validation loss")
    restarts: list[Count] = Field(
        [],
        description="of the cosine: steps at which it begins anew (Loshchilov & Hutter 2017), from the mean of the "
        "weights and with new rendered pictures",
    )
    restart_rate: Share = Field(0.5, description="of restarts: share of the rates from there on")
    restart_weight: Share = Field(0.7, description="restarts: share of the new weights in the mean of old and new")

    def ends(self, steps: int) -> list[int]:
        """How many steps are made at the end of each cycle, in a run of so many."""
        return [*(step for step in self.restarts if step < steps), steps]

    def cycle(self, step: int) -> int:
        """How many restarts there were up to this step, steps being counted from 0."""
        return bisect_right(self.restarts, step)
