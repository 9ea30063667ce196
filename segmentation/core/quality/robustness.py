"""The robustness of a method: how much its number changed when pictures were analysed again in changed forms, which
leave the particles as they are (`core.stages.changed_forms`). A method is robust against a form if the change is
smaller than
the half width of the number's interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..measure.quantities import number

NOISE, JPEG_QUALITY = 20.0, 60  # of the forms: standard deviation in grey levels of 255; quality from 0 to 100
TITLES = {  # of the forms, after "the image"
    "inverted": "inverted",
    "turned": "turned by 90°",
    "mirrored": "mirrored",
    "half size": "half as many pixels across",
    "double size": "twice as many pixels across",
    "noise": f"with noise (σ {NOISE:g} of 255)",
    "blur": "blurred (σ 1 px)",
    "jpeg": f"as JPEG of quality {JPEG_QUALITY}",
}
ANALYSES_OF_IMAGE = 1 + len(TITLES)  # as it is, and in each form


@dataclass(frozen=True)
class Robustness:
    """The number of one picture, unchanged and in changed forms.

    name: of the picture's file. value: the number of the unchanged picture. half_width: of its 95 % interval; None
    without an interval. moved: form -> the value in this form minus `value`; None where it has no such number. warned:
    the forms whose result has a warning, if the unchanged picture has none. Numbers are in the unit of `Quantity`.
    """

    name: str
    value: float
    half_width: float | None
    moved: Mapping[str, float | None]
    warned: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**vars(self), "moved": dict(self.moved), "warned": list(self.warned)}

    def is_within(self, form: str) -> bool:
        """Whether the number stays within its own interval in a form."""
        moved = self.moved.get(form)
        return moved is not None and self.half_width is not None and abs(moved) <= self.half_width


def sentences(quantity: str, tested: Sequence[Robustness], left_out: Sequence[str]) -> list[str]:
    """Sentences about the results of several pictures. left_out: a half sentence for each picture that could not be
    tested."""
    label, lines = number(quantity).label, []
    if tested:
        images = "1 image was" if len(tested) == 1 else f"{len(tested)} images were"
        lines.append(f"{images} analysed again without corrections, as they are and in the forms of the table.")
        moves = [(picture, form, moved) for picture in tested for form, moved in picture.moved.items()]
        compared = [picture.is_within(form) for picture, form, _ in moves if picture.half_width is not None]
        if compared:
            reach = f"the {label} stays within the 95 % interval of the image as it is"
            lines.append(f"In {sum(compared)} of {len(compared)} {reach}.")
        else:
            lines.append("None of these images has an interval with which the changes could be compared.")
        changes = [(picture, form, moved) for picture, form, moved in moves if moved is not None]
        if changes:
            picture, form, moved = max(changes, key=lambda move: abs(move[2]) / (abs(move[0].value) or 1))
            change = change_words(quantity, picture.value, moved)
            lines.append(f"The largest change is {change}, of {picture.name} {TITLES[form]}.")
        if warned := sum(len(picture.warned) for picture in tested):
            lines.append(f"In {warned} of {len(moves)} a new warning stands beside the number.")
    return [*lines, *(f"Not analysed again: {words}." for words in left_out)]


def change_words(quantity: str, value: float, moved: float | None) -> str:
    """A change in words, such as "+3.1 %", "+1.2 points" (of a share), or "no number"."""
    if moved is None:
        return "no number"
    if number(quantity).kind == "fraction":
        return f"{100 * moved:+z.1f} points"
    return f"{100 * moved / abs(value):+z.1f} %" if value else f"{moved:+.3g}"
