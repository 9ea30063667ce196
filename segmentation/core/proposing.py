"""Other ways to analyse an image where nothing sure was found: which are plausible, and what each finds.

Each is tried on a part of the image, so that a page can show several small pictures side by side: models whose training
images look most like the image, the other polarity, and half and twice the working scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import tasks
from .analysis import Analysis, AnalysisSettings
from .coarse import COARSE
from .labels.options import EVEN
from .measure.quantities import number
from .micrograph.contrast import clip_outliers
from .micrograph.types import Calibration, Micrograph
from .network.cards import ModelCard
from .network.resample import middle
from .network.runtime import Runtime
from .network.scale_search import LIMITS
from .network.textures import nearest
from .pace import Progress, quiet
from .pipeline import analyse
from .preparation import analysed_rows
from .report.exports.viewer import thumbnail

SHRUNK = 2048  # px of the longest side: a larger image is shrunk to fewer, or objects as large would fill the part
SIDE = 768  # px of a side of the part
MODELS, SHOWN = 4, 3
FEWEST = 3  # objects that count, from which on a way is worth showing
SCALES = {0.5: "Larger {things}, at half the scale", 2.0: "Smaller {things}, at twice the scale"}


def without_scale(micrograph: Micrograph, pixels: NDArray[Any]) -> Micrograph:
    """A part of a micrograph, without scale, metadata and notes."""
    absent, copy = Calibration.absent(), np.ascontiguousarray(pixels)
    return replace(micrograph, pixels=copy, metadata={}, calibration=absent, reading=absent, notes=())


@dataclass(frozen=True)
class Way:
    """One way to analyse an image. words: for people. settings: by name, all others staying as they are."""

    words: str
    settings: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Part:
    """The part of an image that is looked at, without data bar and scale. shrunk: by this whole number a side."""

    micrograph: Micrograph
    shrunk: int

    @classmethod
    def of(cls, micrograph: Micrograph, settings: AnalysisSettings) -> Part:
        """The middle of the analysed rows, in which objects are as large as they are unless the image is large."""
        pixels: NDArray[Any] = micrograph.pixels[: analysed_rows(micrograph, settings.segmentation)]
        shrunk = max(1, -(-max(pixels.shape) // SHRUNK))
        if shrunk > 1:
            rows, columns = (side // shrunk for side in pixels.shape)
            blocks = pixels[: rows * shrunk, : columns * shrunk].reshape(rows, shrunk, columns, shrunk)
            pixels = blocks.mean((1, 3), dtype=np.float32).astype(pixels.dtype)
        return cls(without_scale(micrograph, pixels[middle(pixels.shape, SIDE)]), shrunk)

    @property
    def picture(self) -> NDArray[np.float32]:
        return clip_outliers(self.micrograph.pixels)


def named_model(used: Mapping[str, Any]) -> str:
    """The model that the warnings of a result name, "" without one: the one that sees small objects, else the one whose
    images the picture resembles."""
    return str((used.get("small") or used.get("resembles") or {}).get("model", ""))


def ways(
    part: Part,
    requested: AnalysisSettings,
    used: Mapping[str, Any],
    model: str,
    offered_cards: Sequence[ModelCard],
    *,
    refused: bool = False,
) -> list[Way]:
    """The plausible ways other than the one that was tried, models of the same kind first, then the likeliest; where
    the other polarity shows more, both polarities.

    model: the name of the one that was used. used: what was used where the settings leave it open. offered_cards: of
    the models that may be used. refused: whether the image is of another kind, so that only other models make sense.
    """
    task = tasks.find(requested.task)
    if other := used.get("beside"):
        polarities = used["polarity"], other["polarity"]
        return [Way(f"{one.capitalize()} {task.things}", {"model": model, "polarity": one}) for one in polarities]
    named = named_model(used)  # is advised only by what it finds
    others = [card for card in nearest(part.picture, offered_cards) if card.name != model]
    others.sort(key=lambda card: (card.name != named, card.task != requested.task))
    # What a coarse reading leaves out is small: another model of the kind looks for it in the picture's own size.
    is_coarse = "scale" in task.settings.model_fields and used.get("scale", 1.0) <= COARSE
    fine = {"scale": 1.0} if is_coarse else {}
    models = [
        Way(card.title, {"model": card.name} | (fine if card.task == requested.task else {}))
        for card in others[:MODELS]
    ]
    varied, names = list[Way](), task.settings.model_fields
    if not refused and any(card.name == model for card in offered_cards):
        if "polarity" in names and used.get("polarity"):
            other = "bright" if used["polarity"] == "dark" else "dark"
            varied.append(Way(f"{other.capitalize()} {task.things}", {"model": model, "polarity": other}))
        for factor, words in SCALES.items() if used.get("scale") and "scale" in names and not task.semantic else ():
            scale = round(used["scale"] * factor, 4)
            if LIMITS[0] <= scale <= LIMITS[1]:
                varied.append(Way(words.format(things=task.things), {"model": model, "scale": scale}))
    return [way for pair in zip_longest(models, varied) for way in pair if way is not None]


def look(
    part: Part,
    requested: AnalysisSettings,
    way: Way,
    card: ModelCard,
    *,
    least: float = EVEN,
    fewest: int = FEWEST,
    runtime: Runtime | None = None,
    progress: Progress = quiet,
) -> tuple[str, bytes] | None:
    """What one way finds in the part, in words, and a small picture of it (WebP); None where it is nothing sure.

    least: expected share of right outlines from which on it is sure, where the model knows that share. fewest: objects
    that count; with 0 it is shown whatever it finds.
    """
    changed = {**way.settings, "data_bar": 0}
    if "scale" in changed:
        changed["scale"] = min(changed["scale"] * part.shrunk, LIMITS[1])
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
    """What the page of a result would say: the count that the kind answers with, else the objects that count."""
    headline = tasks.find(analysis.settings.task).quantities[0]
    if number(headline).kind == "integer":
        return int(analysis.quantities[headline].value or 0)
    return int(analysis.table.kept.sum())
