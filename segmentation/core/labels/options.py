"""Card entries of particle models that only the analysis of particles reads."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field

from ..network.card_entries import Between, Fraction, ModelOptions, Px, Times, Weight
from ..network.cards import ModelCard

OUTLINE_FEATURES = (  # .confidence
    *("foreground", "peak", "sure", "size", "size_squared", "others", "contrast", "excess_brightness"),
)
BORDER_FEATURES = (  # .region_merging
    *("saddle", "lower", "higher", "size", "ratio", "border_darkness", "step", "roundness"),
    "touching",  # of networks that predict it
)
INTERCEPT = "intercept"
# The probability that a border which merging gave up is real, by its odds and the size of the image's outlines, and
# the SD of its error from image to image, all in log-odds: `labels.cuts`.
CUT_FEATURES = ("border", "size", "spread")
OUTLINE_ERRORS = ("seen", "seen_share", "all", "all_share")
CUTS = {INTERCEPT: 6.86, "border": 0.944, "size": -1.923, "spread": 1.0}
MERGE_LIMIT = "limit"  # beside the weights: probability of a border below which regions are merged
FAINT = 0.2  # relative contrast under which an outline is more often a speck than a particle
LOW_MERGE_LIMIT = 0.2  # the limit for small particles
EVEN = 0.5  # probability of being right under which an outline is more likely wrong
MOSTLY = 0.75  # expected share of right outlines under which a warning asks the user to check them


def _weights_validator(others: tuple[str, ...], *needed: str) -> AfterValidator:
    """A validator of weights: all needed ones and any known ones are there, or none at all."""

    def check(weights: dict[str, float]) -> dict[str, float]:
        if weights and not {*needed} <= {*weights} <= {*needed, *others}:
            raise ValueError(f"it has {' and '.join(needed)} and some of {', '.join(others)}, or none.")
        if not 0 < weights.get(MERGE_LIMIT, EVEN) < 1:
            raise ValueError(f"its {MERGE_LIMIT} is a number between 0 and 1.")
        return weights

    return AfterValidator(check)


Weights = dict[str, Weight]


class ParticleOptions(ModelOptions):
    """How a network's maps become particles."""

    FITTED: ClassVar[frozenset[str]] = frozenset({"confidence", "region_merging", "cuts", "outline_error"})
    INHERITED: ClassVar[frozenset[str]] = FITTED | {
        *("seed_threshold", "diameter", "second_scale", "coarsest", "search_threshold", "noise", "faint")
    }

    seed_threshold: Between = Field(0.5, description="inner distance from which a pixel belongs to a particle's core")
    diameter: Px = Field(
        28.0, description="length-weighted median diameter, in px, to which particles are brought for the network"
    )
    second_scale: Times = Field(
        1.0, description="how much larger a picture is shown once more, for the mean of both maps; 1: it is not"
    )
    confidence: Annotated[Weights, _weights_validator(OUTLINE_FEATURES, INTERCEPT)] = Field(
        {}, description="weights of the probability that an outline is right (core/labels/confidence.py); see `fit`"
    )
    region_merging: Annotated[Weights, _weights_validator(BORDER_FEATURES, INTERCEPT, MERGE_LIMIT)] = Field(
        {}, description="weights and limit by which touching particles stay apart; see `fit`"
    )
    cuts: Annotated[Weights, _weights_validator((), INTERCEPT, *CUT_FEATURES)] = Field(
        CUTS,
        description="weights of the probability that a possible cut is right;"
        " see `python -m tests.tools.accuracy contacts`",
    )
    outline_error: Annotated[Weights, _weights_validator((), *OUTLINE_ERRORS)] = Field(
        {},
        description=(
            "standard uncertainty from wrong outlines, of particles that can be seen and of all: of an image's median,"
            " relative, and of a share p, in units of √(p (1 − p)); see `python -m tests.tools.accuracy contacts`"
        ),
    )
    coarsest: Fraction = Field(
        0.0,
        description="the smallest copy of a picture, as a share, on which particles are looked for to tell their size",
    )
    search_threshold: Between | None = Field(
        None, description="the threshold while that is done, where it is another than the card's"
    )
    faint: Fraction = Field(
        FAINT, description="contrast, relative to the image's typical one, under which an outline is left out"
    )
    noise: Fraction = Field(
        EVEN, description="expected share of right outlines under which an image is taken for noise"
    )

    @classmethod
    def of(cls, card: ModelCard) -> Self:
        options = super().of(card)
        if "touching" in options.region_merging and "touching" not in card.maps:
            raise ValueError("region_merging names touching, a map that the network does not predict.")
        return options
