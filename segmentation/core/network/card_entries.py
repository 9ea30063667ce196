"""The types of the entries of a ModelCard. pydantic checks every entry by them, because people write cards by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WrapValidator
from pydantic import create_model as table_of
from pydantic_core import PydanticCustomError

from ..validation import Settings

if TYPE_CHECKING:
    from .cards import ModelCard

CHARACTER = r"[^\x00-\x08\x0b-\x1f\x7f]"  # no control characters, which XML and databases do not store
# Names of the numbers in a score that lie from 0 to 1.
FRACTIONS = ("dice", "iou", "boundary_f1", "accuracy", "ap50", "ap75", "f50", "f75", "pq")
FIGURES = {  # name of a number in a score -> its title and definition
    "dice": ("Dice", "Overlap of the found pixels with the truth: 2 TP / (2 TP + FP + FN)."),
    "iou": ("IoU", "The same as TP / (TP + FP + FN), by pixels."),
    "boundary_f1": ("Boundary F1", "F1 of the pixels of outlines, right within 2 px; the mean of the classes."),
    "accuracy": ("Accuracy", "Share of the pixels whose class is right."),
    "ap50": ("AP50", "By outlines that overlap the truth by half or more: TP / (TP + FP + FN)."),
    "ap75": ("AP75", "By outlines that overlap the truth by three quarters or more: TP / (TP + FP + FN)."),
    "f50": ("F1 at 0.5", "By outlines that overlap the truth by half or more: 2 TP / (2 TP + FP + FN)."),
    "f75": ("F1 at 0.75", "By outlines that overlap the truth by three quarters or more: 2 TP / (2 TP + FP + FN)."),
    "pq": ("PQ", "Panoptic quality: F1 at 0.5 times the mean overlap of the outlines found."),
    "median_error": (
        "Median off, %",
        "Found less true median minimum Feret diameter of all, per cent of the true one.",
    ),
    "median_error_seen": ("Median of those seen off, %", "The same of particles that others do not mostly hide."),
    "wrong_over": ("Wrong from 50 %, %", "Outlines with a confidence of 50 % and more that are wrong, per cent."),
    "merges": ("Merged, %", "True objects that lie with others in one outline, per cent."),
    "fraction_error": ("Error of a fraction, points", "Mean over images and classes of |found - true|, in per cent."),
    "splits": ("Split, %", "Outlines that are pieces of a true object, per cent."),
}
LARGEST_PX = 10_000
STRICT = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")


def worded(words: str) -> WrapValidator:
    """A validator that replaces pydantic's message about a wrong entry by these words for an allowed entry."""

    def check(value: Any, read: Callable[[Any], Any]) -> Any:
        try:
            return read(value)
        except ValidationError:
            raise PydanticCustomError("card", "{words}", {"words": words}) from None

    return WrapValidator(check)


def readable_as(kind: Any) -> AfterValidator:
    """A validator that checks that the value can be read as this type, and returns it unchanged."""
    return AfterValidator(lambda value: (TypeAdapter(kind).validate_python(value), value)[1])


Text = Annotated[str, Field(pattern=f"^{CHARACTER}*$"), worded("text")]
Line = Annotated[Text, Field(pattern=r"^[^\n]*\S[^\n]*$"), worded("one line of text")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$"), worded("small letters, digits, dots and dashes")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$"), worded("64 hexadecimal digits in small letters")]
BetweenZeroAndOne = Annotated[float, Field(gt=0, lt=1), worded("a number between 0 and 1")]
Fraction = Annotated[float, Field(ge=0, le=1), worded("a number from 0 to 1")]
PerCent = Annotated[float, Field(ge=-100, le=1e6), worded("a number of per cent, from -100 on")]
Px = Annotated[float, Field(ge=1, le=LARGEST_PX), worded(f"a number of px from 1 to {LARGEST_PX}")]
OneToFour = Annotated[float, Field(ge=1, le=4), worded("a factor from 1 to 4")]
Weight = Annotated[float, Field(ge=-1e9, le=1e9), worded("a finite number")]
Figure = Annotated[Text | Annotated[float, Field(ge=-1e12, le=1e12)], worded("a finite number or text")]
Texts = Annotated[list[Text], worded("a list of sentences")]
Names = Annotated[list[Text], worded("a list of names")]
YesNo = Annotated[bool, worded("true or false")]
Table = Annotated[dict[str, Any], worded("a table")]
Tables = Annotated[list[dict[str, Any]], worded("a list of tables")]


class OpenTable(BaseModel):
    """A table that may have further entries besides those named here."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")


class Figures(OpenTable):
    """A table whose further entries are numbers or texts."""

    __pydantic_extra__: dict[str, Figure] = Field(init=False)


class Likeness(BaseModel):
    """How images look, for `core.network.likeness`. taught: descriptions of a model's training images. limit: the
    distance from these within which an image is like them."""

    model_config = STRICT

    taught: Annotated[list[list[Weight]], worded("a list of lists of numbers")]
    limit: Annotated[float, Field(gt=0, le=1e9), worded("a number above 0")]


class ModelOptions(Settings):
    """The table [options] of a card: entries that only its kind of analysis uses. A task may have a subclass.

    INHERITED: names of the options that a fine-tuned model takes from its base model. FITTED: inherited options that
    were fitted to the maps of one decoder.
    """

    INHERITED: ClassVar[frozenset[str]] = frozenset()
    FITTED: ClassVar[frozenset[str]] = frozenset()

    likeness: Likeness | None = Field(
        None, description="what the images taught are like (core/network/likeness.py); training writes it"
    )
    own_images: Likeness | None = Field(
        None, description="the same of the images of a fine-tuning; an image unlike them gets a warning"
    )

    @classmethod
    def of(cls, card: ModelCard) -> Self:
        """The options of a card; raises ValidationError."""
        return cls.model_validate(card.options)


# Fields of the classes below: name -> (type, default).
TRAINING_FIELDS: dict[str, Any] = dict.fromkeys(
    ("pretrained", "start_from", "start_version", "start_sha256"), (Text, "")
)
TRAINING_FIELDS |= {"choices": (list[Text], [])}
TRAINING_FIELDS |= dict.fromkeys(("wrong_under_limit", "wrong_over_limit"), (Fraction, 0))
SCORE_FIELDS: dict[str, Any] = {name: (Fraction if name in FRACTIONS else PerCent, 0) for name in FIGURES}

Architecture = table_of("Architecture", __base__=OpenTable, name=(Line, ...))
Source = table_of(
    "Source", __base__=OpenTable, title=(Text, ...), licence=(Text, ""), split=(Text, ""), base=(Text, "")
)
Score = table_of("Score", __base__=Figures, data=(Line, ...), split=(Text, ...), **SCORE_FIELDS)
Training = table_of("Training", __base__=OpenTable, **TRAINING_FIELDS)
