"""What templates ask about an upload's calibration, so that any page may include the fragments."""

from __future__ import annotations

from typing import Any

from django import template

from ..forms import disagreements
from ..models import Job, Upload
from ..views import calibration
from ..views.present import used_calibration

register = template.Library()


@register.simple_tag
def suggestion(upload: Upload, job: Job | str = "") -> calibration.Suggestion | None:
    """What was read in the data bar, beside the calibration of the job if there is one."""
    return calibration.suggestion(upload, job or None)


@register.simple_tag
def calibration_warnings(upload: Upload, job: Job | str = "", said: Any = ()) -> list[str]:
    """Sentences about calibrations that disagree, but for those that the page has already."""
    found = disagreements(upload, used_calibration(job) if job else None)
    return [sentence for sentence in found if sentence not in (said or ())]


@register.simple_tag
def ruler_box(upload: Upload) -> str:
    """Where the scale bar should be looked for: left, top, right and bottom in px of the upload; "" if unknown."""
    box = calibration.box_of(upload)
    if box is None and upload.data_bar is not None:
        box = (0, upload.data_bar, upload.width, upload.height)
    return " ".join(f"{each:g}" for each in box or ())
