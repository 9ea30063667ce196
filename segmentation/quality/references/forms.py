"""The form of a reference material, as its certificate states it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from ...core.measure.quantities import Quantity, number
from ...core.quality.conformity import COUNTED_KINDS
from ...core.quality.reference import ReferenceMaterial
from ...core.tasks import every
from ..limits.forms import SentenceForm, typed_number

# The fields of plain text, each with the hint that the page shows.
TEXTS = {
    "name": "With its number, such as ERM-FD100.",
    "measurand": "In the certificate's words, with the technique: modal diameter by number, TEM.",
    "certificate": "Its number or date.",
    "source": "Its address, if it has one.",
    "batch": "Of your own unit, if the certificate is of one.",
    "expires": "The last day on which it holds, such as 2027-06-30, if it names one.",
}
# The error of an empty required field, and how this sentence names each field.
NEEDED = "Fill in {}."
REQUIRED = {
    "name": "the name of the material",
    "value": "the certified value",
    "expanded": "its expanded uncertainty",
    "measurand": "the measurand",
    "certificate": "the number or date of the certificate",
}


def certifiable() -> list[tuple[str, list[Quantity]]]:
    """For each kind of analysis its title, and the numbers that a certificate may state: all but counts."""
    numbers = [(task.title, [number(name) for name in task.quantities]) for task in every()]
    return [(title, [each for each in quantities if each.kind not in COUNTED_KINDS]) for title, quantities in numbers]


class ReferenceForm(SentenceForm):
    """The form of one material. `cleaned_data` has the `ReferenceMaterial` as "material", and as "group" the name of
    the group of people who see the material in their list, or "".

    expanded, k: expanded uncertainty of the certified value, and its coverage factor.
    """

    name = forms.CharField(max_length=200, required=False)
    quantity = forms.CharField(initial="median", required=False)
    value = forms.CharField(max_length=40, required=False)
    expanded = forms.CharField(max_length=40, required=False)
    k = forms.CharField(max_length=10, initial="2", required=False)
    measurand = forms.CharField(max_length=500, required=False)
    certificate = forms.CharField(max_length=200, required=False)
    source = forms.CharField(max_length=500, required=False)
    batch = forms.CharField(max_length=100, required=False)
    expires = forms.CharField(max_length=20, required=False)
    group = forms.CharField(max_length=150, required=False)

    def __init__(self, data: Mapping[str, str] | None = None, groups: Iterable[str] = ()) -> None:
        """groups: names of the groups that can be chosen."""
        super().__init__(data)
        self.groups, self.quantities = list(groups), certifiable()

    @property
    def texts(self) -> list[tuple[Any, str]]:
        """The fields of plain text, each with its hint."""
        return [(self[name], hint) for name, hint in TEXTS.items()]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        offered = {quantity.name: quantity for _, quantities in self.quantities for quantity in quantities}
        quantity = offered.get(data.get("quantity", ""))
        if quantity is None:
            raise forms.ValidationError("Choose the number that the certificate states.")
        for name, words in REQUIRED.items():
            if not data.get(name):
                self.add_error(name, NEEDED.format(words))
        numbers = {name: self._read(quantity, name) for name in ("value", "expanded")}
        numbers["k"] = self._read(None, "k") if data.get("k") else 2.0
        if self.errors:
            return data
        texts = {name: data.get(name, "") for name in TEXTS}
        try:
            data["material"] = ReferenceMaterial.read({"quantity": quantity.name, **texts, **numbers})
        except ValueError as problem:
            raise forms.ValidationError(str(problem)) from None
        return data

    def _read(self, quantity: Quantity | None, field: str) -> float | None:
        """The number typed in a field; None if the field is empty or wrong, which then gets an error."""
        text = self.cleaned_data.get(field, "")
        try:
            return typed_number(quantity, text) if text else None
        except ValueError as problem:
            self.add_error(field, str(problem))
            return None
