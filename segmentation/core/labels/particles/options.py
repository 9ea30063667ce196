"""The options on the card of a particle model: how the analysis of particles uses its network's maps."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field

from ...network.card_entries import BetweenZeroAndOne, Fraction, ModelOptions, OneToFour, Px, Weight
from ...network.cards import ModelCard

# Names of the weights for the probability that an outline is right, as the card stores them; see
# `labels.confidence`.
OUTLINE_FEATURES = (*("foreground", "peak", "sure", "size", "size_squared", "others", "contrast", "excess_brightness"),)
# Names of the weights for the probability that a border is real, see `labels.region_merging`.
BORDER_FEATURES = (
    *("saddle", "lower", "higher", "size", "ratio", "border_darkness", "step", "roundness"),
    "touching",  # only for networks that predict a map of contacts
)
INTERCEPT = "intercept"  # the constant of a logistic regression
# Names of the weights for the probability that a possible cut is real, see `labels.cuts`: for the log-odds of its
# border, and for the size of the image's outlines. "spread" is the SD, from image to image, of the error of the
# log-odds.
CUT_FEATURES = ("border", "size", "spread")
OUTLINE_ERRORS = ("seen", "seen_share", "all", "all_share")  # see `ParticleOptions.outline_error`
CUTS = {INTERCEPT: 6.86, "border": 0.944, "size": -1.923, "spread": 1.0}  # the default
MERGE_LIMIT = "limit"  # stored beside the weights of borders: regions are merged if their border is less probable
FAINT = 0.2  # relative contrast; an outline with less is more often a speck than a particle
LOW_MERGE_LIMIT = 0.2  # the value of MERGE_LIMIT for small particles
EVEN_PROBABILITY = 0.5  # an outline with a lower confidence is more likely wrong than right
LEAST_EXPECTED = 0.75  # expected share of right outlines; below it a warning asks the user to check them


def _weights_validator(optional: tuple[str, ...], *required: str) -> AfterValidator:
    """A validator of a dictionary of weights: it is empty, or has all required names and any optional ones."""

    def check(weights: dict[str, float]) -> dict[str, float]:
        if weights and not {*required} <= {*weights} <= {*required, *optional}:
            raise ValueError(f"it has {' and '.join(required)} and some of {', '.join(optional)}, or none.")
        if not 0 < weights.get(MERGE_LIMIT, EVEN_PROBABILITY) < 1:
            raise ValueError(f"its {MERGE_LIMIT} is a number between 0 and 1.")
        return weights

    return AfterValidator(check)


Weights = dict[str, Weight]


class ParticleOptions(ModelOptions):
    """How a network's maps become particles.

    FITTED: options that are fitted to images with ground truth. INHERITED: options that a model trained from this one
    takes over.
    """

    FITTED: ClassVar[frozenset[str]] = frozenset({"confidence", "region_merging", "cuts", "outline_error"})
    INHERITED: ClassVar[frozenset[str]] = FITTED | {
        *("seed_threshold", "diameter", "second_scale", "coarsest", "search_threshold", "noise", "faint")
    }

    seed_threshold: BetweenZeroAndOne = Field(
        0.5, description="value of the map inner_distance from which a pixel belongs to a particle's core"
    )
    diameter: Px = Field(
        28.0, description="length-weighted median diameter, in px, to which particles are scaled for the network"
    )
    second_scale: OneToFour = Field(
        1.0,
        description=(
            "factor by which the picture is enlarged for a second run of the network, whose maps are averaged with"
            " those of the first run; 1: no second run"
        ),
    )
    confidence: Annotated[Weights, _weights_validator(OUTLINE_FEATURES, INTERCEPT)] = Field(
        {},
        description=(
            "weights of the probability that an outline is right (core/labels/particles/confidence.py), "
            "fitted by `manage.py fit`"
        ),
    )
    region_merging: Annotated[Weights, _weights_validator(BORDER_FEATURES, INTERCEPT, MERGE_LIMIT)] = Field(
        {}, description="weights and limit by which touching particles stay apart, fitted by `manage.py fit`"
    )
    cuts: Annotated[Weights, _weights_validator((), INTERCEPT, *CUT_FEATURES)] = Field(
        CUTS,
        description="weights of the probability that a possible cut is right; see `python -m tools.accuracy contacts`",
    )
    outline_error: Annotated[Weights, _weights_validator((), *OUTLINE_ERRORS)] = Field(
        {},
        description=(
            "standard uncertainty that wrong outlines cause. seen, all: of the median, relative, if visible or all"
            " particles are counted; seen_share, all_share: of a share p, in units of √(p (1 − p)); see"
            " `python -m tools.accuracy contacts`"
        ),
    )
    coarsest: Fraction = Field(
        0.0,
        description=(
            "size of the smallest copy of a picture, as a share of its own, on which particles are searched to"
            " estimate their size"
        ),
    )
    search_threshold: BetweenZeroAndOne | None = Field(
        None, description="the threshold in the search for the size (`coarsest`); None: the card's"
    )
    faint: Fraction = Field(
        FAINT, description="contrast, relative to the image's typical one, under which an outline is left out"
    )
    noise: Fraction = Field(
        EVEN_PROBABILITY, description="expected share of right outlines under which an image is taken for noise"
    )

    @classmethod
    def of(cls, card: ModelCard) -> Self:
        options = super().of(card)
        if "touching" in options.region_merging and "touching" not in card.maps:
            raise ValueError("region_merging names touching, a map that the network does not predict.")
        return options
