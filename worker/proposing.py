"""Other ways to analyse an image where nothing sure was found, shown small on the page of its result.

They come last: the work stops as soon as what comes first waits, and goes on with the next way afterwards.
"""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from segmentation import models
from segmentation.core.labels.options import EVEN
from segmentation.core.network import cards
from segmentation.services.results.models_offered import offered

from .fetching import pixels_of
from .heartbeat import Progress, giving_way

# What comes first.
FIRST = (models.Job, models.ExportJob, models.Comparison, models.Sample, models.Dataset)


def propose_others(proposals: models.Proposals, progress: Progress, folder: Path) -> None:
    """Try one way after the other, until enough have found something."""
    from segmentation.core.pipeline import Runtime
    from segmentation.core.proposing import SHOWN, Part, ways

    report = giving_way(progress, lambda: any(kind.objects.waiting().exists() for kind in FIRST))
    job, alive = proposals.job, partial(report, "trying other ways", 0.0)
    proposed: list[dict[str, Any]] = proposals.result.get("shown", [])
    tried: int = proposals.result.get("tried", 0)
    alive()
    requested, here = job.get_settings(), offered(job.owner)
    part = Part.of(pixels_of(job.micrograph, folder, alive), requested)
    used, model, refused = job.summary["used"], job.summary["model"]["name"], job.summary["refused"]
    least = EVEN if refused else max(EVEN, used.get("expected", 0.0))  # what is no better is not advised
    runtime = Runtime(settings.DEEPSEGM_DEVICE, settings.DEEPSEGM_PRECISION)
    for way in ways(part, requested, used, model, here, refused=refused)[tried:]:
        if len(proposed) == SHOWN:
            break
        if proposal := _looked_at(part, requested, way, least=least, runtime=runtime, progress=report):
            proposed.append(proposal)
        tried += 1
        proposals.change(result={"tried": tried, "shown": proposed})
    proposals.finish(models.Proposals.State.DONE, result={"tried": tried, "shown": proposed})


def _looked_at(part: Any, requested: Any, way: Any, **how: Any) -> dict[str, Any] | None:
    """What a way finds, in plain JSON types; None where it is nothing sure. how: as of `look`."""
    from segmentation.core.proposing import look

    proposal = look(part, requested, way, cards.find(way.settings["model"]), **how)
    if proposal is None:
        return None
    count, picture = proposal
    return {"words": way.words, "settings": way.settings, "count": count, "picture": b64encode(picture).decode()}
