"""The form of a method's requirements other than its settings: the number that is its answer, sources of the scale,
texts that must be filled in, least numbers of images and particles, when a sample is large enough, and limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from pydantic import ValidationError

from ...core.measure.quantities import NUMBERS, number
from ...core.micrograph.calibration.sources import Source
from ...core.quality.method import MethodDescription, text_title
from ...core.quality.specification import Specification, names_for_limits
from ...core.settings import TEXTS
from ...core.tasks import find
from ...core.typed import number_of
from ...core.validation import sentence
from ..limits.forms import SpecificationForm

PERCENT = 100  # also the greatest half width, in per cent
LEAST_HALF_WIDTH_PERCENT = 0.01
BAD_COUNT = dict.fromkeys(("required", "invalid", "min_value"), "Type a whole number of at least 1.")
BAD_HALF_WIDTH = f"Type per cent from {LEAST_HALF_WIDTH_PERCENT} to {PERCENT}, or leave it empty."


def answer_choices(task: str) -> list[tuple[str, str]]:
    """The numbers that can be the answer of a method of this kind of analysis: (name, title) of each."""
    names = [name for name in find(task).quantities if name in NUMBERS and NUMBERS[name].kind != "text"]
    return [(name, number(name).label) for name in names]


class MethodForm(forms.Form):
    """The form of a method's description. If the form is valid, `description` is the typed `MethodDescription`.

    texts: settings that must be filled in. half_width: half the width of the interval at which a sample is large
    enough, in per cent of the answer. limits: the form of the limits that each new result has.
    """

    quantity = forms.ChoiceField()
    scale_sources = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        choices=[(source.value, source.words) for source in Source if source != Source.NONE],
        error_messages={"required": "Tick at least one source of a scale."},
    )
    texts = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(name, text_title(name)) for name in TEXTS],
    )
    least_images = forms.IntegerField(min_value=1, error_messages=BAD_COUNT)
    least_particles = forms.IntegerField(min_value=1, error_messages=BAD_COUNT)
    half_width = forms.CharField(required=False)

    def __init__(self, data: Any, description: MethodDescription) -> None:
        super().__init__(data)
        self.previous = description
        stopping = description.stopping
        choices = answer_choices(description.task)
        offered = [number(name) for name in names_for_limits([name for name, _ in choices])]
        limits = Specification.model_construct(limits=description.limits) if description.limits else None
        self.limits = SpecificationForm(data, offered, limits, needs_limits=False)
        if description.quantity not in dict(choices):
            choices.append((description.quantity, number(description.quantity).label))
        self.fields["quantity"].choices = choices
        self.initial = {
            "quantity": description.quantity,
            "scale_sources": [source.value for source in description.scale_sources],
            "texts": list(description.texts),
            "least_images": description.least_images,
            "least_particles": description.least_particles,
            "half_width": f"{PERCENT * stopping.half_width:g}" if stopping else "",
        }

    def clean_half_width(self) -> float | None:
        """The typed half width in per cent; None for an empty field."""
        if not (text := self.cleaned_data["half_width"]):
            return None
        per_cent = number_of(text)
        if not LEAST_HALF_WIDTH_PERCENT <= per_cent <= PERCENT:
            raise forms.ValidationError(BAD_HALF_WIDTH)
        return per_cent

    def clean(self) -> Mapping[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        if not self.limits.is_valid():
            for error in self.limits.error_sentences:
                self.add_error(None, error)
            return data
        fields = {name: data[name] for name in self.fields if name != "half_width"}
        if self.limits.has_changed():  # else the limits of a script keep a rule each
            limits = self.limits.cleaned_data["specification"]
            fields["limits"] = [limit.model_dump() for limit in limits.limits] if limits else []
        half_width = data["half_width"]
        stopping = {"quantity": data["quantity"], "half_width": half_width / PERCENT} if half_width else None
        try:
            self.description = MethodDescription.from_dict({**self.previous.as_dict(), **fields, "stopping": stopping})
        except ValidationError as error:
            self.add_error(None, sentence(error))
        return data
