"""How a network learns: tables of a recipe."""

from __future__ import annotations

from bisect import bisect_right
from typing import Annotated, Literal

from pydantic import (
    Field,
)

from ....core.validation import Settings
from .files import Amount, Count, CountOrNone, Part, Share


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
    jpeg: Share = Field(0.0, description="compression artefacts")
    elastic: Share = Field(0.0, description="smooth bending by about elastic_px")
    elastic_px: Amount = Field(3.0, description="SD of the displacement in px")


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
    warm_up: CountOrNone = Field(100, description="steps in which the rate rises from zero")
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
    restart_weight: Share = Field(
        0.7, description="of restarts: share of the newer weights in the mean with those that they began from"
    )

    def ends(self, steps: int) -> list[int]:
        """The last step of each cycle, in a run of so many steps."""
        return [*(step for step in self.restarts if step < steps), steps]

    def cycle(self, step: int) -> int:
        """How many restarts there were before this step, counted from 0."""
        return bisect_right(self.restarts, step)
