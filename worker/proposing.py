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
from .heartbeat import Progress, comes_before, giving_way


def propose_others(proposals: models.Proposals, progress: Progress, folder: Path) -> None:
    """Try one way after the other, until enough have found something."""
    from segmentation.core.network.runtime import Runtime
    from segmentation.core.proposing import FEWEST, SHOWN, Part, look, named_model, ways

    report = giving_way(progress, partial(comes_before, models.Proposals))
    job, alive = proposals.job, partial(report, "trying other ways", 0.0)
    proposed: list[dict[str, Any]] = proposals.result.get("shown", [])
    tried: int = proposals.result.get("tried", 0)
    alive()
    requested, offered_cards = job.get_settings(), offered(job.owner)
    part = Part.of(pixels_of(job.micrograph, folder, alive), requested)
    used, model, refused = job.summary["used"], job.summary["model"]["name"], job.summary["refused"]
    named = named_model(used)
    # What is no better is not advised; of two readings side by side both are shown.
    least, fewest = (0.0, 1) if "beside" in used else (EVEN, FEWEST)
    least = least if refused or "beside" in used else max(least, used.get("expected", 0.0))
    runtime = Runtime(settings.DEEPSEGM_DEVICE, settings.DEEPSEGM_PRECISION)
    for way in ways(part, requested, used, model, offered_cards, refused=refused)[tried:]:
        if len(proposed) == SHOWN:
            break
        card = cards.find(way.settings["model"])
        few = 0 if card.name == named else fewest  # what the page names is offered in any case
        if outcome := look(part, requested, way, card, least=least, fewest=few, runtime=runtime, progress=report):
            count, picture = outcome[0], b64encode(outcome[1]).decode()
            proposed.append({"words": way.words, "settings": way.settings, "count": count, "picture": picture})
        tried += 1
        proposals.change(result={"tried": tried, "shown": proposed})
    proposals.finish(models.Proposals.State.DONE, result={"tried": tried, "shown": proposed})
