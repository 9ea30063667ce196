"""The form that makes or changes a control chart: its number, kind of chart, tests for alarms, and given limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from ...core.measure.quantities import number
from ...core.quality.control_chart import ChartPlan
from ...core.quality.control_limits import TESTS
from ..limits.forms import SentenceForm, typed_number

# The kinds of charts (`ChartPlan.way`), with their titles.
WAYS = (("individuals", "Individuals with moving ranges"), ("ewma", "Weighted moving average (EWMA)"))
BOTH_OR_NEITHER = "Type the centre line and the standard deviation, or leave both empty."
NO_QUANTITY = "Choose the number that the chart shows."


def rule_choices() -> list[tuple[str, str]]:
    """The tests that a chart may apply, as choices of a form field: (number, words) of each."""
    return [(str(rule), f"{rule}: a point {words}") for rule, (_, _, words) in TESTS.items()]


class ChartForm(SentenceForm):
    """The form of one chart. `cleaned_data` has the `ChartPlan` as "plan", and as "reference" the id of a reference
    material, or "".

    way: the kind of chart. centre, sigma: given centre line and standard deviation; fractions are typed in per cent.
    """

    quantity = forms.ChoiceField(error_messages={"required": NO_QUANTITY, "invalid_choice": NO_QUANTITY})
    reference = forms.ChoiceField(required=False)
    way = forms.ChoiceField(choices=WAYS)
    centre = forms.CharField(required=False, max_length=40)
    sigma = forms.CharField(required=False, max_length=40)
    rules = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(
        self,
        data: Any,
        plan: ChartPlan,
        quantities: Sequence[tuple[str, str]],
        references: Sequence[tuple[str, str]] = (),
    ) -> None:
        """plan: what the fields show at first. quantities, references: name (or id) and title of what can be chosen."""
        super().__init__(data)
        self.fields["quantity"].choices = quantities
        self.fields["reference"].choices = [("", "no reference material"), *references]
        self.fields["rules"].choices = rule_choices()
        factor = 100.0 if number(plan.quantity).kind == "fraction" else 1.0
        self.initial = {
            "quantity": plan.quantity,
            "reference": "",
            "way": plan.way,
            "centre": "" if plan.centre is None else f"{factor * plan.centre:.10g}",
            "sigma": "" if plan.sigma is None else f"{factor * plan.sigma:.10g}",
            "rules": [str(rule) for rule in plan.rules],
        }

    def clean(self) -> Mapping[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        limits: dict[str, float | None] = {}
        for name in ("centre", "sigma"):
            try:
                limits[name] = typed_number(number(data["quantity"]), data[name]) if data[name] else None
            except ValueError as problem:
                self.add_error(name, str(problem))
        if self.errors:
            return data
        if (limits["centre"] is None) != (limits["sigma"] is None):
            raise forms.ValidationError(BOTH_OR_NEITHER)
        rules = [int(rule) for rule in data["rules"]]
        try:
            data["plan"] = ChartPlan.read({"quantity": data["quantity"], "way": data["way"], "rules": rules, **limits})
        except ValueError as problem:
            raise forms.ValidationError(str(problem)) from None
        return data
