"""What people type, turned into settings and Calibrations; every error is a sentence that says what to do."""

from ..services.calibration import (
    badge,
    calibration_for,
    disagreements,
    file_calibration,
    own_badge,
    refuse_tall_bar,
    width_text,
    with_site_uncertainty,
)
from .settings import SettingsForm, model_choices

__all__ = [
    "SettingsForm",
    "badge",
    "calibration_for",
    "disagreements",
    "file_calibration",
    "model_choices",
    "own_badge",
    "refuse_tall_bar",
    "width_text",
    "with_site_uncertainty",
]
