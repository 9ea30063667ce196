"""Other ways to analyse an image where nothing sure was found, shown small on the page of its result; and the outlines
in the middle of an upload, before its analysis.

They come last: the work stops as soon as other work waits, and goes on with the next way when there is none.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings

from segmentation import models, services
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.options import EVEN
from segmentation.core.network import cards
from segmentation.plain import storable
from segmentation.services.ground.queue import enqueue
from segmentation.services.results.models_offered import offered

from .fetching import pixels_of

Progress = Callable[[str, float], None]
# What comes first.
FIRST = (models.Job, models.ExportJob, models.Comparison, models.Sample, models.Dataset, models.OutlinePreview)
EVERY_SECONDS = 0.3  # from one look at what waits to the next


class WorkWaits(Exception):
    """Work that somebody waits for waits for this worker."""


class GivingWay:
    """A progress that reports to the row and raises WorkWaits as soon as work of the `first` kinds waits."""

    def __init__(self, progress: Progress, first: tuple[type[models.Attempted], ...]) -> None:
        self._progress, self._looked, self._first = progress, 0.0, first

    def __call__(self, stage: str = "trying other ways", fraction: float = 0.0) -> None:
        self._progress(stage, fraction)
        now = time.monotonic()
        if now - self._looked > EVERY_SECONDS:
            self._looked = now
            if any(kind.objects.waiting().exists() for kind in self._first):
                raise WorkWaits


def propose_others(proposals: models.Proposals, progress: Progress, folder: Path) -> None:
    """Try one way after the other, until enough have found something."""
    from segmentation.core.pipeline import Runtime
    from segmentation.core.proposing import SHOWN, Part, ways

    job, alive = proposals.job, GivingWay(progress, FIRST)
    proposed: list[dict[str, Any]] = proposals.result.get("shown", [])
    count: int = proposals.result.get("tried", 0)
    try:
        alive()
        requested, here = job.get_settings(), offered(job.owner)
        part = Part.of(pixels_of(job.micrograph, folder, alive), requested)
        used, model = job.summary["used"], job.summary["model"]["name"]
        refused = job.summary["refused"]
        least = EVEN if refused else max(EVEN, used.get("expected", 0.0))  # what is no better is not advised
        runtime = Runtime(settings.DEEPSEGM_DEVICE, settings.DEEPSEGM_PRECISION)
        for way in ways(part, requested, used, model, here, refused=refused)[count:]:
            if len(proposed) == SHOWN:
                break
            if proposal := _looked_at(part, requested, way, least=least, runtime=runtime, progress=alive):
                proposed.append(proposal)
            count += 1
            proposals.change(result={"tried": count, "shown": proposed})
    except WorkWaits:
        services.pause_proposals(proposals=proposals)
        return
    proposals.finish(models.Proposals.State.DONE, result={"tried": count, "shown": proposed})


def preview_outlines(row: models.OutlinePreview, progress: Progress, folder: Path) -> None:
    """Outline the middle of an upload; a job that comes meanwhile is done first."""
    from segmentation.core.pipeline import Runtime
    from segmentation.core.proposing import preview

    alive, runtime = GivingWay(progress, (models.Job,)), Runtime(settings.DEEPSEGM_DEVICE, settings.DEEPSEGM_PRECISION)
    try:
        alive("outlining", 0.1)
        requested = AnalysisSettings.from_dict(row.settings)
        outlined = preview(pixels_of(row.micrograph, folder, alive), requested, runtime, alive)
    except WorkWaits:
        row.change(**models.AGAIN)
        enqueue([row.pk], models.OutlinePreview)
        return
    result = {**asdict(outlined), "picture": b64encode(outlined.picture).decode()}
    row.finish(models.OutlinePreview.State.DONE, result=storable(result))


def _looked_at(part: Any, requested: Any, way: Any, **how: Any) -> dict[str, Any] | None:
    """What a way finds, in plain JSON types; None where it is nothing sure. how: as of `look`."""
    from segmentation.core.proposing import look

    proposal = look(part, requested, way, cards.find(way.settings["model"]), **how)
    if proposal is None:
        return None
    count, picture = proposal
    return {"words": way.words, "settings": way.settings, "count": count, "picture": b64encode(picture).decode()}
