"""Fields that understand what people write; the sentence of each error says what to do."""

from __future__ import annotations

import math
from typing import Any

from django import forms

LEAST_THRESHOLD, GREATEST_THRESHOLD = 0.05, 0.95
LEAST_SCALE, GREATEST_SCALE = 0.02, 2.0  # as in core.network.scale_search, which the web process must not import
NO_SCALE = f"The working scale is auto or a factor from {LEAST_SCALE:g} to {GREATEST_SCALE:g}, such as 0.5."
YES, NO = {"on", "true", "1", "yes"}, {"off", "false", "0", "no", ""}


def row_count(text: str, otherwise: str) -> int:
    """A plain number of rows; raises ValidationError with the sentence `otherwise`."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise forms.ValidationError(otherwise)
    return int(text)


def number_within(text: str, least: float, greatest: float, otherwise: str) -> float:
    """A number with a point or a comma; raises ValidationError with the sentence `otherwise`."""
    try:
        number = float(text.strip().replace(",", "."))
    except ValueError:
        number = math.nan
    if not least <= number <= greatest:
        raise forms.ValidationError(otherwise)
    return number


def scale_factor(text: str) -> float:
    """A factor by which images are resampled, to four decimals."""
    return round(number_within(text, LEAST_SCALE, GREATEST_SCALE, NO_SCALE), 4)


class ThresholdField(forms.CharField):
    """A probability typed with a point or a comma; None where left empty."""

    def clean(self, value: Any) -> float | None:
        text = str(value or "").strip()
        if not text:
            return None
        return number_within(
            text,
            LEAST_THRESHOLD,
            GREATEST_THRESHOLD,
            f"The threshold is a number from {LEAST_THRESHOLD} to {GREATEST_THRESHOLD};"
            " leave it empty to use the model's own.",
        )


class SwitchField(forms.CharField):
    """on or off, also written true/false, yes/no, 1/0; missing means off."""

    def __init__(self, *, what: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.what = what

    def clean(self, value: Any) -> bool:
        text = str(value or "").strip().lower()
        if text not in YES | NO:
            raise forms.ValidationError(f"{self.what} is either on or off.")
        return text in YES


class DataBarField(forms.CharField):
    """auto, none, rows, or (from scripts) the number of rows itself."""

    def clean(self, value: Any) -> str | int:
        text = str(value or "auto").strip().lower()
        if text in {"auto", "none", "rows"}:
            return text
        return row_count(text, "The data bar is auto, none, or a number of rows at the bottom.")


class ScaleField(forms.CharField):
    """auto, factor, size, or (from scripts) the factor itself."""

    def clean(self, value: Any) -> str | float:
        text = str(value or "auto").strip().lower()
        return text if text in {"auto", "factor", "size"} else scale_factor(text)
