"""Tries other ways to analyse an image (such as another model) if its result is doubtful. The page
of the result shows them as small pictures.

This is the least urgent work: it stops as soon as other work waits, and later goes on with the next
way.
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
from .heartbeat import Progress, comes_before, giving_way


def propose_others(proposals: models.Proposals, progress: Progress, folder: Path) -> None:
    """Try one way after the other, until MOST_SHOWN of them have found something; each outcome is stored
    at once."""
    from segmentation.core.network.runtime import Runtime
    from segmentation.core.proposing import FEWEST_OBJECTS, MOST_SHOWN, Part, named_model, try_way, ways

    report = giving_way(progress, partial(comes_before, models.Proposals))
    job, alive = proposals.job, partial(report, "trying other ways", 0.0)
    proposed: list[dict[str, Any]] = proposals.result.get("shown", [])
    tried: int = proposals.result.get("tried", 0)
    alive()
    requested, offered_cards = job.get_settings(), offered(job.owner)
    part = Part.of(pixels_of(job.micrograph, folder, alive), requested)
    used, model, refused = job.summary["used"], job.summary["model"]["name"], job.summary["refused"]
    model_on_page = named_model(used)  # that the page of the result advises
    # Only a way with a better share of outlines that are probably right (`least`) and enough
    # outlines (`fewest`) is proposed. Of an image whose two polarities are equally likely
    # ("beside"), both are shown.
    least, fewest = (0.0, 1) if "beside" in used else (EVEN, FEWEST_OBJECTS)
    least = least if refused or "beside" in used else max(least, used.get("expected", 0.0))
    runtime = Runtime(settings.DEEPSEGM_DEVICE, settings.DEEPSEGM_PRECISION)
    for way in ways(part, requested, used, model, offered_cards, refused=refused)[tried:]:
        if len(proposed) == MOST_SHOWN:
            break
        card = cards.find(way.settings["model"])
        few = 0 if card.name == model_on_page else fewest  # the advised model is always shown
        if outcome := try_way(part, requested, way, card, least=least, fewest=few, runtime=runtime, progress=report):
            count, picture = outcome[0], b64encode(outcome[1]).decode()
            proposed.append({"words": way.words, "settings": way.settings, "count": count, "picture": picture})
        tried += 1
        proposals.change(result={"tried": tried, "shown": proposed})
    proposals.finish(models.Proposals.State.DONE, result={"tried": tried, "shown": proposed})
