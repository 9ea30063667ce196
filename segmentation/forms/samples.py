"""The form of a sample: which scale its images have."""

from __future__ import annotations

import math
import re
from typing import Any

from django import forms

from ..core.micrograph.calibration.width import parse_width
from ..core.micrograph.vendors.units import may_be_thousands
from ..core.names import clean_text
from ..models import Sample
from ..services.results.samples import ScaleRule

RULES = [
    (Sample.Rule.OWN, "each image's own"),
    (Sample.Rule.WIDTH, "one image width for all"),
    (Sample.Rule.PIXEL, "one pixel size for all"),
]
NO_RULE = "The scale is own, width or pixel."
NO_WIDTH = "Type how wide every image is, such as 7520 nm or 7.52 µm."
TWO_SIZES = "“{}” can mean two sizes, one a thousand times the other: type it without the comma, such as 7.344."
NOT_CHOSEN = "This field has a number, but each image keeps its own scale: choose “{}”, or empty the field."
NO_PIXEL = "Type the size of a pixel in nm, such as 7.344."
_PIXEL_SIZE = re.compile(r"([0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)\s*(?:nm)?(?:\s*/\s*px)?", re.IGNORECASE)


def parse_pixel_size(text: str) -> float:
    """The nm per pixel in a text such as "7.344", "7,344" or "7.344 nm/px"; raises ValueError with a sentence."""
    match = _PIXEL_SIZE.fullmatch(clean_text(text))
    if match and may_be_thousands(match[1]):
        raise ValueError(TWO_SIZES.format(match[1]))
    value = float(match[1].replace(",", ".")) if match else math.nan
    if not 1e-4 <= value <= 1e6:
        raise ValueError(NO_PIXEL)
    return value


def scale_rule(rule: str, text: str) -> ScaleRule:
    """The `ScaleRule` of a sample. rule: a `Sample.Rule`. text: what was typed for it. Raises ValueError with a
    sentence."""
    value = (parse_pixel_size if rule == Sample.Rule.PIXEL else parse_width)(text)
    if value is None and rule == Sample.Rule.WIDTH:
        raise ValueError(NO_WIDTH)
    return ScaleRule(rule, value, typed=text)


class ScaleForm(forms.Form):
    """The rule by which the images of a sample get their scale, and a text field for each rule. `cleaned_data` has the
    `ScaleRule` as "scale".

    rule_own: the width of images that have no scale; if it is empty, their sizes are in pixels.
    """

    rule = forms.ChoiceField(choices=RULES, required=False, error_messages={"invalid_choice": NO_RULE})
    rule_own = forms.CharField(required=False)
    rule_width = forms.CharField(required=False)
    rule_pixel = forms.CharField(required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        rule = data.get("rule") or Sample.Rule.OWN
        name = f"rule_{rule}"
        try:
            data["scale"] = scale_rule(rule, data.get(name, ""))
        except ValueError as error:
            self.add_error(name, str(error))
        other_rules = (Sample.Rule.WIDTH, Sample.Rule.PIXEL)
        filled_rule = next((other for other in other_rules if data.get(f"rule_{other}")), None)
        if rule == Sample.Rule.OWN and filled_rule:
            self.add_error(f"rule_{filled_rule}", NOT_CHOSEN.format(dict(RULES)[filled_rule]))
        return data
