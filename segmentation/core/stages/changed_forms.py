"""Tests the robustness of a method: analyses a picture again in changed forms, which leave its particles as they are.

The forms are made of the analysed rows, without the data bar. Each is analysed with the same settings, without
corrections. The worker calls `measure_robustness` for a study of a method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..analysis import Analysis, AnalysisSettings
from ..measure.objects.tilt import Tilt
from ..micrograph.types import Micrograph
from ..micrograph.vendors.facts import MARKS
from ..quality.robustness import JPEG_QUALITY, NOISE, TITLES, Robustness
from .preparation import analysed_rows, without_coloured_marks

Grey = NDArray[np.float64]
Analyse = Callable[[Micrograph, AnalysisSettings], Analysis]
LARGEST_PX = 2**24  # pixels of a picture that is analysed
HAS_REGIONS = "it has regions to ignore"
TOO_LARGE = "it is larger than 16 megapixels"
NO_NUMBER = "analysed again without corrections it has no such number"


def _noisy(grey: Grey) -> Grey:
    return grey + np.random.default_rng(0).normal(0, NOISE, grey.shape)


def _blurred(grey: Grey) -> Grey:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(grey, 1.0))


def _jpeg(grey: Grey) -> Grey:
    import imagecodecs

    encoded = imagecodecs.jpeg_encode(grey.astype(np.uint8), level=JPEG_QUALITY)
    return np.asarray(imagecodecs.jpeg_decode(encoded))


def _halved(grey: Grey) -> Grey:
    rows, columns = (n // 2 * 2 for n in grey.shape)
    return np.asarray(grey[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2).mean((1, 3)))


def _doubled(grey: Grey) -> Grey:
    from scipy import ndimage

    return np.asarray(ndimage.zoom(grey, 2, order=1))


@dataclass(frozen=True)
class Form:
    """One way to change a picture.

    change: gives the changed grey levels (H', W') of grey levels (H, W) in 0..255. restore: turns labels (H', W') of
    the changed picture into labels of the original. pixel_size: side of its pixels, in pixels of the original.
    is_turned: whether rows become columns.
    """

    change: Callable[[Grey], Grey]
    restore: Callable[[NDArray[Any]], NDArray[Any]] = lambda labels: labels
    pixel_size: float = 1.0
    is_turned: bool = False


FORMS = {
    "inverted": Form(lambda grey: 255 - grey),
    "turned": Form(np.rot90, lambda labels: np.rot90(labels, -1), is_turned=True),
    "mirrored": Form(np.fliplr, np.fliplr),
    "half size": Form(_halved, lambda labels: np.kron(labels, np.ones((2, 2), labels.dtype)), pixel_size=2.0),
    "double size": Form(_doubled, lambda labels: labels[::2, ::2], pixel_size=0.5),
    "noise": Form(_noisy),
    "blur": Form(_blurred),
    "jpeg": Form(_jpeg),
}


def grey_levels(pixels: NDArray[Any]) -> Grey:
    """Pixels (H, W) as grey levels in 0..255. Pixels of 8 bits are unchanged; of others the darkest becomes 0 and the
    brightest 255."""
    grey = pixels.astype(np.float64)
    if pixels.dtype == np.uint8:
        return grey
    low, high = float(grey.min()), float(grey.max())
    return np.asarray((grey - low) * (255 / (high - low) if high > low else 0.0))


def in_form(grey: Grey, form: Form) -> NDArray[np.uint8]:
    """The grey levels (H, W) of a picture, changed by a form."""
    return np.ascontiguousarray(np.clip(np.rint(form.change(grey)), 0, 255).astype(np.uint8))


class Outcome(TypedDict):
    """Of one analysis: the number, the half width of its 95 % interval, and whether the result has a warning. None for
    what it has not."""

    value: float | None
    half_width: float | None
    is_doubted: bool


class NotTested(ValueError):
    """A picture that cannot be analysed in other forms; the message says why, in half a sentence."""


def measure_robustness(
    micrograph: Micrograph,
    settings: AnalysisSettings,
    quantity: str,
    analyse: Analyse,
    progress: Callable[[str, float], None],
    outcomes: dict[str, Outcome] | None = None,
) -> Robustness:
    """Analyse a picture as it is and in every form. quantity: the name of the number that is compared. progress: called
    with the title of a form and the fraction done, before each analysis. outcomes: of earlier calls, by the name of the
    form, "" for the picture as it is; these are not analysed again, and further ones are added. Raises NotTested, and
    what `analyse` and `progress` raise."""
    outcomes = {} if outcomes is None else outcomes
    if settings.measurement.ignore:
        raise NotTested(HAS_REGIONS)
    if micrograph.pixels.size > LARGEST_PX:
        raise NotTested(TOO_LARGE)
    calibration = settings.measurement.scaled(micrograph.scale).in_use
    grey = grey_levels(without_coloured_marks(micrograph).pixels[: analysed_rows(micrograph, settings.segmentation)])
    metadata = {name: fact for name, fact in micrograph.metadata.items() if name != MARKS}

    def outcome_of(name: str, form: Form, title: str, done: float) -> Outcome:
        if name in outcomes:
            return outcomes[name]
        progress(title, done)
        size = calibration.nm_per_pixel and calibration.nm_per_pixel * form.pixel_size
        own_scale = replace(calibration, nm_per_pixel=size)
        picture = Micrograph(in_form(grey, form), micrograph.name, micrograph.sha256, own_scale, metadata)
        analysis = analyse(picture, _settings_in(form, settings).replaced(calibration=own_scale, data_bar=0))
        outcomes[name] = _outcome(analysis, quantity)
        return outcomes[name]

    original = outcome_of("", Form(lambda grey: grey), "again", 0.0)
    value = original["value"]
    if value is None:
        raise NotTested(NO_NUMBER)
    moved: dict[str, float | None] = {}
    warned = []
    forms = dict(_forms_for(grey, settings, metadata))
    for done, (name, form) in enumerate(forms.items(), 1):
        outcome = outcome_of(name, form, TITLES[name], done / (len(forms) + 1))
        after = outcome["value"]
        moved[name] = None if after is None else after - value
        if outcome["is_doubted"] and not original["is_doubted"]:
            warned.append(name)
    return Robustness(micrograph.name, value, original["half_width"], moved, warned)


def _outcome(analysis: Analysis, quantity: str) -> Outcome:
    number = analysis.quantities.get(quantity)
    is_doubted = any(flag.doubt for flag in analysis.flags)
    if analysis.refused or number is None or number.value is None:
        return Outcome(value=None, half_width=None, is_doubted=is_doubted)
    ends = [abs(end - number.value) for end in (number.reported.low, number.reported.high) if end is not None]
    return Outcome(value=number.value, half_width=max(ends) if ends else None, is_doubted=is_doubted)


def _forms_for(grey: Grey, settings: AnalysisSettings, metadata: Mapping[str, Any]) -> Iterator[tuple[str, Form]]:
    """The forms of a picture that are analysed, by name. A picture whose tilt is corrected is not turned, and no form
    has more than LARGEST_PX."""
    is_tilted = Tilt.to_correct(settings.measurement, metadata) is not None
    for name, form in FORMS.items():
        if not (form.is_turned and is_tilted) and grey.size / form.pixel_size**2 <= LARGEST_PX:
            yield name, form


def _settings_in(form: Form, settings: AnalysisSettings) -> AnalysisSettings:
    """The settings for a form. A working scale in the settings is adapted to the size of the form's pixels."""
    scale = getattr(settings.segmentation, "scale", None)
    if not isinstance(scale, float) or form.pixel_size == 1:
        return settings
    return settings.replaced(scale=scale * form.pixel_size)
