"""Completes and checks the settings that a user requests for an analysis."""

from __future__ import annotations

from django.conf import settings

from ...core.analysis import AnalysisSettings
from ...models import Micrograph


def with_site_uncertainty(requested: AnalysisSettings, *, by_method: bool = False) -> AnalysisSettings:
    """The settings, with the site's uncertainty of the scale if the user typed none.

    by_method: whether the settings follow a method; then nothing is added, because a method decides
    all settings.
    """
    is_typed = requested.measurement.scale_uncertainty != "auto"
    if by_method or is_typed or not settings.DEEPSEGM_SCALE_UNCERTAINTY:
        return requested
    return requested.replaced(
        scale_uncertainty=settings.DEEPSEGM_SCALE_UNCERTAINTY,
        scale_uncertainty_k=1.0,
        scale_uncertainty_source=settings.DEEPSEGM_SCALE_UNCERTAINTY_SOURCE,
    )


def refuse_tall_bar(requested: AnalysisSettings, micrograph: Micrograph) -> None:
    """Raises ValueError if the requested data bar takes all pixel rows of the image."""
    rows = requested.segmentation.data_bar
    if rows != "auto" and rows >= micrograph.height:
        raise ValueError(f"The data bar cannot take {rows} rows: the image has only {micrograph.height}.")
