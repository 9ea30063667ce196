"""The form of a specification: the smallest and the largest allowed value of each number that may have limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django import forms

from ...core.measure.quantities import Quantity, number
from ...core.micrograph.calibration.width import parse_length
from ...core.micrograph.vendors.units import may_be_thousands
from ...core.names import clean_text
from ...core.quality.conformity import Limit
from ...core.quality.specification import LONGEST_TITLE, Specification

RULES = [("guard band", "with a guard band"), ("simple", "simple acceptance")]
NO_LIMITS = "Type at least one limit."
NO_NUMBER = "“{}” is not a number: type a number such as {}."
NO_FACTOR = "The guard band is 0 to 3 times U, such as 1."
LONGEST_NUMBER = 40  # characters of a typed number
EXAMPLES = {1: "80 or 1.2 µm", 0: "10"}  # by the power of a length in the quantity's unit


def typed_number(quantity: Quantity | None, text: str) -> float:
    """The number in a typed text, in the unit of result.json; raises ValueError with a sentence.

    A length is typed in nm or with its unit, a fraction in per cent. quantity: None for a number without a unit.
    """
    typed = clean_text(text)
    try:
        if quantity is not None and quantity.power == 1:
            return parse_length(typed)
        digits = typed.removesuffix("%").strip()
        if may_be_thousands(digits):
            raise ValueError
        value = float(digits.replace(",", ".")) / _factor(quantity)
        if not math.isfinite(value):
            raise ValueError
    except ValueError:
        raise ValueError(NO_NUMBER.format(typed, EXAMPLES.get(quantity.power if quantity else 0, "10"))) from None
    return value


class LimitRow(NamedTuple):
    """A line of the form: the title and unit of a number, and its two bound fields."""

    title: str
    unit: str
    lower: Any
    upper: Any


class SentenceForm(forms.Form):
    """A form whose errors a page shows as sentences above it."""

    @property
    def error_sentences(self) -> list[str]:
        """The sentences of all errors, each once."""
        return list(dict.fromkeys(str(error) for errors in self.errors.values() for error in errors))


class SpecificationForm(SentenceForm):
    """A title, the limits of some numbers, and one decision rule for all of them.

    `cleaned_data` has the `Specification` as "specification"; None without limits, where none are needed. The fields of
    a number are named "least NAME" and "most NAME". factor: the guard band as a multiple of the expanded uncertainty U.
    """

    title = forms.CharField(required=False, max_length=LONGEST_TITLE)
    rule = forms.ChoiceField(choices=RULES, required=False)
    factor = forms.CharField(required=False, max_length=LONGEST_NUMBER)

    def __init__(
        self,
        data: Mapping[str, str] | None,
        quantities: Sequence[Quantity],
        specification: Specification | None = None,
        needs_limits: bool = True,
    ) -> None:
        """quantities: the numbers that may have limits, beside those of `specification`, which the fields show before
        anything is sent."""
        self.needs_limits = needs_limits
        limits = {limit.quantity: limit for limit in specification.limits} if specification else {}
        self.quantities = list({row.name: row for row in (*quantities, *map(number, limits))}.values())
        shown_limit = specification.limits[0] if specification else Limit(quantity="n_kept", lower=0)
        initial = {"title": specification.title if specification else "", "rule": shown_limit.rule}
        super().__init__(data, initial={**initial, "factor": f"{shown_limit.factor:g}"})
        for quantity in self.quantities:
            limit = limits.get(quantity.name)
            for side, end in (("least", limit and limit.lower), ("most", limit and limit.upper)):
                text = "" if end is None else f"{_factor(quantity) * end:.10g}"
                field = forms.CharField(required=False, max_length=LONGEST_NUMBER, initial=text)
                self.fields[f"{side} {quantity.name}"] = field

    @property
    def rows(self) -> Iterator[LimitRow]:
        """The lines of the table."""
        for quantity in self.quantities:
            unit = "%" if quantity.kind == "fraction" else quantity.unit("nm")
            yield LimitRow(quantity.title, unit, self[f"least {quantity.name}"], self[f"most {quantity.name}"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        rule, factor = data.get("rule") or "guard band", self._guard_band_factor(data.get("factor", ""))
        limits = []
        for quantity in self.quantities:
            ends = {
                end: self._read(quantity, f"{side} {quantity.name}")
                for side, end in (("least", "lower"), ("most", "upper"))
            }
            if any(value is not None for value in ends.values()):
                limits.append({"quantity": quantity.name, **ends, "rule": rule, "factor": factor})
        if self.errors:
            return data
        if not limits and self.needs_limits:
            raise forms.ValidationError(NO_LIMITS)
        data["specification"] = None
        if not limits:
            return data
        try:
            data["specification"] = Specification.read({"title": data.get("title", ""), "limits": limits})
        except ValueError as problem:
            raise forms.ValidationError(str(problem)) from None
        return data

    def _guard_band_factor(self, text: str) -> float:
        """The typed factor; 1 if the field is empty or wrong, which then gets an error."""
        try:
            factor = typed_number(None, text) if clean_text(text) else 1.0
        except ValueError:
            factor = math.nan
        if not 0 <= factor <= 3:
            self.add_error("factor", NO_FACTOR)
            return 1.0
        return factor

    def _read(self, quantity: Quantity, field: str) -> float | None:
        """The limit typed in a field, in the unit of result.json; None if it is empty, or wrong (an error)."""
        text = clean_text(self.cleaned_data.get(field, ""))
        try:
            return typed_number(quantity, text) if text else None
        except ValueError as problem:
            self.add_error(field, str(problem))
            return None


def _factor(quantity: Quantity | None) -> float:
    """The factor from a stored value to the number in the form: fractions are shown in per cent."""
    return 100.0 if quantity is not None and quantity.kind == "fraction" else 1.0
