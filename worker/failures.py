"""What the user is told when an attempt fails."""

from __future__ import annotations

import logging

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network import cards
from segmentation.models import Job, Sample

logger = logging.getLogger(__name__)

MEMORY = "The image needs more memory than this computer has free: crop it or save it at a lower resolution."
POOLING_MEMORY = "Pooling needs more memory than this computer has free: exclude images or make two samples."
TOO_LONG = "The analysis took longer than the {time} allowed: crop the image, or ask the administrator."
BROKEN = (
    "Something went wrong in our software, not in your image: try again, and if it happens once more tell the "
    "administrator the number of this {what}, {id}."
)


def sentence_for(row: Job | Sample, error: Exception) -> str:
    """What the user is told; whatever is not the image's or the settings' fault goes to the log as well."""
    if isinstance(error, UnreadableImage):
        return str(error)
    what = "analysis" if isinstance(row, Job) else "sample"
    logger.error("%s %s: attempt %s failed.", what.capitalize(), row.pk, row.attempt, exc_info=error)
    if isinstance(error, (cards.UnknownModel, cards.AlteredWeights)):
        return str(error)
    if isinstance(error, SoftTimeLimitExceeded):
        return TOO_LONG.format(time=_words(settings.DEEPSEGM_SOFT_LIMIT_SECONDS))
    if _is_memory(error):
        return MEMORY if isinstance(row, Job) else POOLING_MEMORY
    return BROKEN.format(what=what, id=row.pk)


def _words(seconds: int) -> str:
    return f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"


def _is_memory(error: Exception) -> bool:
    """torch reports a failed allocation as RuntimeError."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("not enough memory" in str(error) or "out of memory" in str(error))
    )
