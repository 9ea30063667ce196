"""The tables of a recipe: the sources of pictures, the random changes of crops, and how the network learns."""

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
from .files import Above, Amount, Count, CountOrZero, Part, Share, read_chosen

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
    """A folder of images with labels; see `core.masks.truth.find_pairs`."""

    kind: Literal["folder"] = Field("folder", description="a folder of labelled micrographs")
    path: str = Field(description="relative to the checkout, or absolute")
    images: str = Field("", description="folder of the images, if it has an unusual name")
    labels: str = Field(
        "", description="folder of the labels, if it has an unusual name; files may lie in its subfolders"
    )
    label_suffix: str = Field("", description="added to the name of an image to get the name of its labels")
    only_labelled: bool = Field(False, description="images without labels are left out")
    background: int = Field(0, description="the label that is no object")
    classes: list[int] = Field(
        [],
        description="for a task with classes, the numbers in the labels that stand for them, in their order; none: "
        "they are found in the files",
    )
    groups: str = Field(
        "", description="CSV file with the columns image and group: a group is held out as a whole, or not at all"
    )
    group_pattern: Annotated[str, AfterValidator(_checked_pattern)] = Field(
        "",
        description="a regular expression; what its first parentheses match in the image's name is the group",
    )
    use: Literal["both", "training", "validation", "held-out"] = Field(
        "both",
        description="both: some groups are held out, the others trained on; held-out: the same groups are held out, "
        "none is trained on; training, validation: all groups are for this, except that no training uses a group that "
        "another source of the same folder holds out",
    )
    polarity: Literal["any", "bright", "dark"] = Field(
        "any",
        description="only images whose objects are brighter or darker than their surroundings; in transmission most "
        "are dark",
    )
    count: CountOrZero = Field(
        0, description="number of images to train on, drawn at random by the recipe's seed; 0: all"
    )
    weight: Above = Field(1.0, description="how often crops are drawn from it, beside the other sources")
    title: Text = Field("", description="for the card: name of the data")
    licence: Text = Field("unknown", description="for the card: licence of the data")

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
    pictures: Count = Field(400, description="number of pictures, made once")
    blank: Share = Field(0.0, description="share of pictures without particles")
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
    count: Count = Field(1500, description="number of pictures, made once")
    blank: Share = Field(0.05, description="share of pictures without particles")
    weight: Above = Field(1.0, description="how often crops are drawn from it, beside the other sources")
    diameters: list[float] = Field(list(DIAMETERS), description="range of the typical particle diameter in px")
    settings: dict[str, Any] = Field(
        {},
        description="settings that are fixed instead of drawn, by the names that `manage.py synthesise --list` prints",
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
    """The entry of a source, from a table of a recipe."""
    return read_chosen("kind", SOURCES, data)


class Augmentation(Settings):
    """How often (0..1) a crop is changed at random, and how much."""

    flips: bool = Field(True, description="quarter turns and mirrors")
    exposure: Share = Field(0.5, description="gamma, log-normal with exposure_spread")
    exposure_spread: Amount = Field(0.3, description="SD of ln(gamma)")
    focus: Share = Field(0.3, description="Gaussian blur of up to focus_px")
    focus_px: float = Field(1.3, ge=0.3, description="largest SD of the blur in px")
    noise: Share = Field(0.5, description="Gaussian noise of up to noise_spread of the range")
    noise_spread: Amount = Field(0.07, description="largest SD of the noise, as a share of the range")
    gradient: Share = Field(0.3, description="a brightness that increases across the crop, by gradient_spread")
    gradient_spread: Amount = Field(0.12, description="SD of the slopes of the gradient, as a share of the range")
    invert: Share = Field(0.0, description="inversion of the contrast, so that objects are dark")


class Optimiser(Settings):
    """The optimiser of the weights."""

    name: Literal["adamw", "adam", "sgd"] = Field("adamw", description="by its name in PyTorch")
    betas: list[Part] = Field([0.9, 0.999], min_length=2, max_length=2, description="betas of adamw and adam")
    momentum: Part = Field(0.9, description="momentum of sgd")
    clip: Amount = Field(5.0, description="largest norm of a gradient; 0: no limit")


class Schedule(Settings):
    """How the learning rate changes: it rises in `warm_up` steps, then falls by the schedule `name`."""

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
        """The numbers of the steps after which a cycle (from one restart to the next) ends, in a run of `steps`
        steps."""
        return [*(step for step in self.restarts if step < steps), steps]

    def cycle(self, step: int) -> int:
        """How many restarts there were up to this step, counted from 0."""
        return bisect_right(self.restarts, step)
