"""What people type, turned into settings and Calibrations; every error is a sentence that says what to do."""

from ..services.calibration import (
    accepted,
    badge,
    calibration_for,
    disagreements,
    file_badge,
    own_calibration,
    refuse_tall_bar,
    suggested,
    width_text,
)
from .settings import SettingsForm, model_choices

__all__ = [
    "SettingsForm",
    "accepted",
    "badge",
    "calibration_for",
    "disagreements",
    "file_badge",
    "model_choices",
    "own_calibration",
    "refuse_tall_bar",
    "suggested",
    "width_text",
]
