"""Proposes other ways to analyse an image whose result is doubtful.

A way uses another model (whose training images look like the image), the other polarity, or half or twice the working
scale. The worker tries each plausible way on a part of the image, and a page shows the results as small pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import tasks
from ..analysis import Analysis, AnalysisSettings
from ..labels.particles.options import EVEN_PROBABILITY
from ..measure.quantities import number
from ..micrograph.contrast import clip_outliers
from ..micrograph.types import Calibration, Micrograph
from ..network.cards import ModelCard
from ..network.resample import middle
from ..network.runtime import Runtime
from ..network.scale_search import SCALE_LIMITS
from ..network.textures import nearest
from ..pipeline import analyse
from ..report.exports.viewer import thumbnail
from ..stored import StoredResult
from .coarse import COARSE
from .pace import Progress, quiet
from .preparation import analysed_rows

LONGEST_SIDE_PX = 2048  # an image with a longer side is reduced, because its objects may be larger than the part
PART_SIDE_PX = 768
MOST_MODELS, MOST_SHOWN = 4, 3  # models that are tried, and ways that a page shows
FEWEST_OBJECTS = 3  # counted objects that a way must find to be shown
SCALES = {0.5: "Larger {things}, at half the scale", 2.0: "Smaller {things}, at twice the scale"}


def without_scale(micrograph: Micrograph, pixels: NDArray[Any]) -> Micrograph:
    """A micrograph of these pixels (H, W), a part of another one, without scale, metadata and notes."""
    absent, copy = Calibration.absent(), np.ascontiguousarray(pixels)
    return replace(micrograph, pixels=copy, metadata={}, calibration=absent, reading=absent, notes=())


@dataclass(frozen=True)
class Way:
    """One way to analyse an image. words: its title. settings: the changed settings, by name."""

    words: str
    settings: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Part:
    """The part of an image on which ways are tried, without data bar and scale. divisor: the whole number by which each
    side was divided."""

    micrograph: Micrograph
    divisor: int

    @classmethod
    def of(cls, micrograph: Micrograph, settings: AnalysisSettings) -> Part:
        """The middle of the analysed rows. Only an image larger than LONGEST_SIDE_PX is made smaller."""
        pixels: NDArray[Any] = micrograph.pixels[: analysed_rows(micrograph, settings.segmentation)]
        divisor = max(1, -(-max(pixels.shape) // LONGEST_SIDE_PX))
        if divisor > 1:
            rows, columns = (side // divisor for side in pixels.shape)
            blocks = pixels[: rows * divisor, : columns * divisor].reshape(rows, divisor, columns, divisor)
            pixels = blocks.mean((1, 3), dtype=np.float32).astype(pixels.dtype)
        return cls(without_scale(micrograph, pixels[middle(pixels.shape, PART_SIDE_PX)]), divisor)

    @property
    def picture(self) -> NDArray[np.float32]:
        """(H, W) in 0..1."""
        return clip_outliers(self.micrograph.pixels)


def ways(
    part: Part, requested: AnalysisSettings, stored: StoredResult, offered_cards: Sequence[ModelCard]
) -> list[Way]:
    """The plausible ways besides that of the result, the likeliest first; models of the same kind come before other
    models. If the other polarity shows many objects, too, the ways are the two polarities.

    requested, stored: the settings of the result, and what it says; if the image seems to be of another kind, only
    other models are tried. offered_cards: the models that may be used.
    """
    task, used, model = tasks.find(requested.task), stored.used, stored.model.name
    if used.beside:
        polarities = used.polarity, used.beside["polarity"]
        return [Way(f"{one.capitalize()} {task.things}", {"model": model, "polarity": one}) for one in polarities]
    others = [card for card in nearest(part.picture, offered_cards) if card.name != model]
    others.sort(key=lambda card: (card.name != used.advised_model, card.task != requested.task))
    # A coarse working scale misses small objects: another model of the same kind looks for them at scale 1.
    is_coarse = "scale" in task.settings.model_fields and (used.scale or 1.0) <= COARSE
    fine = {"scale": 1.0} if is_coarse else {}
    models = [
        Way(card.title, {"model": card.name} | (fine if card.task == requested.task else {}))
        for card in others[:MOST_MODELS]
    ]
    varied, names = list[Way](), task.settings.model_fields
    if not stored.is_refused and any(card.name == model for card in offered_cards):
        if "polarity" in names and used.polarity:
            other = "bright" if used.polarity == "dark" else "dark"
            varied.append(Way(f"{other.capitalize()} {task.things}", {"model": model, "polarity": other}))
        for factor, words in SCALES.items() if used.scale and "scale" in names and not task.semantic else ():
            scale = round((used.scale or 1.0) * factor, 4)
            if SCALE_LIMITS[0] <= scale <= SCALE_LIMITS[1]:
                varied.append(Way(words.format(things=task.things), {"model": model, "scale": scale}))
    return [way for pair in zip_longest(models, varied) for way in pair if way is not None]


def try_way(
    part: Part,
    requested: AnalysisSettings,
    way: Way,
    card: ModelCard,
    *,
    least: float = EVEN_PROBABILITY,
    fewest: int = FEWEST_OBJECTS,
    runtime: Runtime | None = None,
    progress: Progress = quiet,
) -> tuple[str, bytes] | None:
    """Try one way on the part. Returns the count of objects in words ("" for classes or none) and a small picture of
    the outlines (WebP); None if the result is not sure enough to be shown.

    card: the model of the way. least: the least expected share of right outlines, if the model gives that share.
    fewest: the least number of counted objects; with 0 every result is shown.
    """
    changed = {**way.settings, "data_bar": 0}
    if "scale" in changed:
        changed["scale"] = min(changed["scale"] * part.divisor, SCALE_LIMITS[1])
    task = tasks.find(card.task)
    is_same = task.name == requested.task
    segmentation = requested.segmentation.replaced(**changed) if is_same else task.settings(**changed)
    settings = AnalysisSettings(segmentation, requested.measurement.replaced(calibration=None), task.name)
    analysis = analyse(part.micrograph, settings, progress, runtime=runtime)
    is_doubtful = analysis.refused or (not is_same and any(flag.doubt for flag in analysis.flags))
    count, expected = _counted(analysis), analysis.segmentation.used.get("expected", 1.0)
    is_sure = bool(len(analysis.segmentation)) if task.semantic else count >= fewest and expected >= least
    if fewest and (is_doubtful or not is_sure):
        return None
    return f"{count} {task.things}" if count and not task.semantic else "", thumbnail(analysis)


def _counted(analysis: Analysis) -> int:
    """The count that the page of a result would show: the first number of the kind if it is a count, else the number
    of counted objects."""
    headline = tasks.find(analysis.settings.task).quantities[0]
    if number(headline).kind == "integer":
        return int(analysis.quantities[headline].value or 0)
    return int(analysis.table.kept.sum())
