"""What people type, turned into Recipes; every error is a sentence that says what to do."""

from __future__ import annotations

import math
from typing import Any

from django import forms

from .core.micrograph import parse_width
from .core.micrograph.types import Calibration
from .core.network import cards
from .core.recipe import DEFAULT_MODEL, DEFAULT_WIDTH_NM, Recipe
from .models import Upload

LEAST_THRESHOLD, GREATEST_THRESHOLD = 0.05, 0.95
POLARITIES = [
    ("auto", "find out from the image"),
    ("bright", "brighter than their surroundings"),
    ("dark", "darker than their surroundings"),
]
NO_ROWS = "Say how many rows at the bottom the data bar takes, such as 56."
YES, NO = {"on", "true", "1", "yes"}, {"off", "false", "0", "no", ""}


def model_choices() -> list[tuple[str, str]]:
    """Name and title of every model that can be chosen, the default one first."""
    return [(card.name, card.title) for card in cards.available()] or [(DEFAULT_MODEL, "Particles")]


def width_text(width_nm: float) -> str:
    """A width as it stands in the field: plain digits, at most two decimals."""
    return f"{width_nm:.2f}".rstrip("0").rstrip(".")


def own_calibration(upload: Upload) -> Calibration | None:
    """What the file itself says, or None where it says nothing."""
    said = Calibration(**upload.calibration) if upload.calibration else Calibration.absent()
    return said if said.nm_per_pixel else None


def calibration_for(text: str, origin: str, upload: Upload) -> Calibration | None:
    """The calibration meant by the text of a width field; None means what the file says.

    origin: "file", "default" or "typed" as the page noted it, "" where it noted nothing.
    Raises ValueError with a sentence where the text is not a width.
    """
    own = own_calibration(upload)
    if own and origin != "typed" and text.strip() in _untouched(own, origin, upload):
        return None
    width = parse_width(text)
    if width is None:
        return Calibration.absent()
    source = "default" if width == DEFAULT_WIDTH_NM and origin != "typed" else "typed"
    return Calibration.of_width(width, upload.width, source)


def _untouched(own: Calibration, origin: str, upload: Upload) -> set[str]:
    """What a field shows while nobody has edited it."""
    shown = {width_text(own.width_nm(upload.width) or 0.0)}
    return shown if origin == "file" else shown | {width_text(DEFAULT_WIDTH_NM)}


def row_count(text: str, otherwise: str) -> int:
    """A plain number of rows; raises ValidationError with the sentence `otherwise`."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise forms.ValidationError(otherwise)
    return int(text)


class ThresholdField(forms.CharField):
    """A probability typed with a point or a comma; None where left empty."""

    def clean(self, value: Any) -> float | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            threshold = float(text.replace(",", "."))
        except ValueError:
            threshold = math.nan
        if not LEAST_THRESHOLD <= threshold <= GREATEST_THRESHOLD:
            raise forms.ValidationError(
                f"The threshold is a number from {LEAST_THRESHOLD} to {GREATEST_THRESHOLD};"
                " leave it empty to use the model's own."
            )
        return threshold


class SwitchField(forms.CharField):
    """on or off, also written true/false, yes/no, 1/0; missing means off."""

    def clean(self, value: Any) -> bool:
        text = str(value or "").strip().lower()
        if text not in YES | NO:
            raise forms.ValidationError("The segmentation filter is either on or off.")
        return text in YES


class DataBarField(forms.CharField):
    """auto, none, rows, or (from scripts) the number of rows itself."""

    def clean(self, value: Any) -> str | int:
        text = str(value or "auto").strip().lower()
        if text in {"auto", "none", "rows"}:
            return text
        return row_count(text, "The data bar is auto, none, or a number of rows at the bottom.")


class SettingsForm(forms.Form):
    """Everything of a Recipe but the calibration, which belongs to one image."""

    model = forms.ChoiceField(required=False)
    threshold = ThresholdField(required=False)
    polarity = forms.ChoiceField(choices=POLARITIES, required=False)
    filter = SwitchField(required=False)
    data_bar = DataBarField(required=False)
    data_bar_rows = forms.CharField(required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        model, polarity = self.fields["model"], self.fields["polarity"]
        model.choices = model_choices()
        model.error_messages["invalid_choice"] = "There is no such model here; choose one from the list."
        polarity.error_messages["invalid_choice"] = "The particles are auto, bright or dark."

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        bar = data.get("data_bar")
        if bar == "rows":
            try:
                data["data_bar"] = row_count(data.get("data_bar_rows", ""), NO_ROWS)
            except forms.ValidationError as error:
                self.add_error("data_bar_rows", error)
        elif bar == "none":
            data["data_bar"] = 0
        return data

    def recipe(self, calibration: Calibration | None = None) -> Recipe:
        """The Recipe of a valid form."""
        data = self.cleaned_data
        return Recipe(
            model=data["model"] or model_choices()[0][0],
            threshold=data["threshold"],
            polarity=data["polarity"] or "auto",
            filter=data["filter"],
            data_bar=data["data_bar"],
            calibration=calibration,
        )

    @staticmethod
    def initial_of(recipe: Recipe) -> dict[str, Any]:
        """The fields as they stand for a Recipe."""
        rows = recipe.data_bar
        return {
            "model": recipe.model,
            "threshold": "" if recipe.threshold is None else f"{recipe.threshold:g}",
            "polarity": recipe.polarity,
            "filter": "on" if recipe.filter else "off",
            "data_bar": "auto" if rows == "auto" else "rows" if rows else "none",
            "data_bar_rows": rows if rows != "auto" and rows else "",
        }


def refuse_tall_bar(recipe: Recipe, upload: Upload) -> None:
    """Raises ValueError where the data bar leaves no row to analyse."""
    if recipe.data_bar != "auto" and recipe.data_bar >= upload.height:
        raise ValueError(f"The data bar cannot take {recipe.data_bar} rows: the image has only {upload.height}.")


def file_badge(own: Calibration) -> str:
    """Where a file's own calibration comes from, and what it is."""
    source = f" ({own.detail})" if own.detail else ""
    return f"from the file{source}: {own.nm_per_pixel:.4g} nm/px"


def badge(text: str, origin: str, upload: Upload) -> dict[str, str]:
    """What the text of a width field means, as its badge says it; `static/js/width.js` says the same."""
    try:
        calibration = calibration_for(text, origin, upload)
    except ValueError:
        return {"text": "not a width", "look": "bad"}
    if calibration is None:
        return {"text": file_badge(own_calibration(upload) or Calibration.absent()), "look": "good"}
    if calibration.nm_per_pixel is None:
        return {"text": "measured in pixels", "look": ""}
    scale = f"{calibration.nm_per_pixel:.4g} nm/px"
    if calibration.source == "default":
        return {"text": f"default, please check: {scale}", "look": "check"}
    return {"text": f"typed: {scale}", "look": ""}
