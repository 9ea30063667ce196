"""Tries other ways to analyse an image, such as another model, if its result is doubtful. The page
of the result shows the outcomes as small pictures.

This is the least urgent work: it stops as soon as other work waits, and goes on later.
"""

from __future__ import annotations

from base64 import b64encode
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from segmentation import models
from segmentation.core.labels.particles.options import EVEN_PROBABILITY
from segmentation.core.network import cards
from segmentation.services.results.models_offered import offered_models

from ..fetching import load_micrograph
from ..heartbeat import Progress, has_more_urgent_work, stopping_for_urgent_work
from ..processes.device import device_now


def propose_others(proposals: models.Proposals, progress: Progress, folder: Path) -> None:
    """Try one way after the other, until MOST_SHOWN of them have found something; each outcome is stored
    at once."""
    from segmentation.core.network.runtime import Runtime
    from segmentation.core.stages.proposing import FEWEST_OBJECTS, MOST_SHOWN, Part, try_way, ways

    report = stopping_for_urgent_work(progress, partial(has_more_urgent_work, models.Proposals))
    job, report_alive = proposals.job, partial(report, "trying other ways", 0.0)
    proposed: list[dict[str, Any]] = proposals.result.get("shown", [])
    tried: int = proposals.result.get("tried", 0)
    report_alive()
    requested, offered_cards = job.get_settings(), offered_models(job.owner)
    part = Part.of(load_micrograph(job.micrograph, folder, report_alive), requested)
    stored = job.stored
    # A way is proposed only if more of its outlines are probably right (share `least`) and if it finds
    # enough outlines (`fewest`). If both polarities of an image are equally likely ("beside"), both
    # are shown.
    least, fewest = (0.0, 1) if stored.used.beside else (EVEN_PROBABILITY, FEWEST_OBJECTS)
    least = least if stored.is_refused or stored.used.beside else max(least, stored.used.entries.get("expected", 0.0))
    runtime = Runtime(device_now(), settings.DEEPSEGM_PRECISION)
    for way in ways(part, requested, stored, offered_cards)[tried:]:
        if len(proposed) == MOST_SHOWN:
            break
        card = cards.find(way.settings["model"])
        few = 0 if card.name == stored.used.advised_model else fewest  # the advised model is always shown
        if outcome := try_way(part, requested, way, card, least=least, fewest=few, runtime=runtime, progress=report):
            count, picture = outcome[0], b64encode(outcome[1]).decode()
            proposed.append({"words": way.words, "settings": way.settings, "count": count, "picture": picture})
        tried += 1
        proposals.change(result={"tried": tried, "shown": proposed})
    proposals.finish(models.Proposals.State.DONE, result={"tried": tried, "shown": proposed})
