"""The settings of an analysis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from django import forms

from ..core.micrograph.types import Calibration
from ..core.network import cards
from ..core.settings import DEFAULT_MODEL, AnalysisSettings
from .fields import (
    GREATEST_SCALE,
    LEAST_SCALE,
    DataBarField,
    ScaleField,
    SwitchField,
    ThresholdField,
    number_within,
    row_count,
    scale_factor,
)

POLARITIES = [
    ("auto", "find out from the image"),
    ("bright", "brighter than their surroundings"),
    ("dark", "darker than their surroundings"),
]
EDGES = [
    ("exclude", "are set aside"),
    ("weight", "are set aside, and the others weighted for it"),
]
NO_ROWS = "Say how many rows at the bottom the data bar takes, such as 56."


def model_choices() -> list[tuple[str, str]]:
    """Name and title of every model that can be chosen, the default one first."""
    return [(card.name, card.title) for card in cards.available()] or [(DEFAULT_MODEL, "Particles")]


class SettingsForm(forms.Form):
    """Everything of a Recipe but the calibration, which belongs to one image."""

    model = forms.ChoiceField(required=False)
    threshold = ThresholdField(required=False)
    polarity = forms.ChoiceField(choices=POLARITIES, required=False)
    filter = SwitchField(what="The segmentation filter", required=False)
    edge = forms.ChoiceField(choices=EDGES, required=False)
    data_bar = DataBarField(required=False)
    data_bar_rows = forms.CharField(required=False)
    scale = ScaleField(required=False)
    scale_factor = forms.CharField(required=False)
    particle_px = forms.CharField(required=False)
    flips = SwitchField(what="Averaging over mirrored images", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["model"].choices = model_choices()
        for name, sentence in (
            ("model", "There is no such model here; choose one from the list."),
            ("polarity", "The particles are auto, bright or dark."),
            ("edge", "Particles at the frame are handled by exclude or weight."),
        ):
            self.fields[name].error_messages["invalid_choice"] = sentence

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        bar, scale = data.get("data_bar"), data.get("scale")
        if bar == "rows":
            self._settle("data_bar", "data_bar_rows", lambda typed: row_count(typed, NO_ROWS))
        elif bar == "none":
            data["data_bar"] = 0
        if scale == "auto":
            data["scale"] = None
        elif scale == "factor":
            self._settle("scale", "scale_factor", scale_factor)
        elif scale == "size":
            self._settle("scale", "particle_px", self._factor_of_size)
        return data

    def _settle(self, name: str, typed_in: str, meaning: Callable[[str], float]) -> None:
        """Replace a choice by the number typed in another field; an error belongs to that one."""
        try:
            self.cleaned_data[name] = meaning(self.cleaned_data.get(typed_in, ""))
        except forms.ValidationError as error:
            self.add_error(typed_in, error)

    def _factor_of_size(self, typed: str) -> float:
        """The factor at which particles of the typed size have the size that the model likes best."""
        best = cards.find(self.cleaned_data.get("model") or model_choices()[0][0]).diameter
        least, greatest = math.ceil(best / GREATEST_SCALE), math.floor(best / LEAST_SCALE)
        sentence = f"The typical size of a particle is a number of pixels from {least} to {greatest}."
        return round(best / number_within(typed, least, greatest, sentence), 4)

    def recipe(self, calibration: Calibration | None = None) -> AnalysisSettings:
        """The Recipe of a valid form."""
        data = self.cleaned_data
        return AnalysisSettings.of(
            model=data["model"] or model_choices()[0][0],
            threshold=data["threshold"],
            polarity=data["polarity"] or "auto",
            filter=data["filter"],
            data_bar=data["data_bar"],
            scale=data["scale"],
            flips=data["flips"],
            edge=data["edge"] or "exclude",
            calibration=calibration,
        )

    @staticmethod
    def initial_of(recipe: AnalysisSettings) -> dict[str, Any]:
        """The fields as they stand for a Recipe."""
        rows, scale = recipe.segmentation.data_bar, recipe.segmentation.scale
        return {
            "model": recipe.segmentation.model,
            "threshold": "" if recipe.segmentation.threshold is None else f"{recipe.segmentation.threshold:g}",
            "polarity": recipe.segmentation.polarity,
            "filter": "on" if recipe.measurement.filter else "off",
            "edge": recipe.measurement.border_correction,
            "data_bar": "auto" if rows == "auto" else "rows" if rows else "none",
            "data_bar_rows": rows if rows != "auto" and rows else "",
            "scale": "auto" if scale is None else "factor",
            "scale_factor": "" if scale is None else f"{scale:g}",
            "flips": "on" if recipe.segmentation.flips else "off",
        }

    @classmethod
    def asked(cls, query: Any) -> SettingsForm:
        """The form as a first visit sees it; `?model=NAME` chooses a model that there is."""
        recipe, wanted = AnalysisSettings.of(), query.get("model", "")
        if wanted in dict(model_choices()):
            recipe = recipe.with_(model=wanted)
        return cls(initial=cls.initial_of(recipe))
