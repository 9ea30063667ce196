"""The sentence for the user when an attempt fails."""

from __future__ import annotations

import logging

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from segmentation.core.errors import UserError
from segmentation.core.labels.segmentation import UnusableSegmentation
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network import cards
from segmentation.core.network.served import ServerGone
from segmentation.core.tasks import UnknownTask
from segmentation.models import Attempted, Training
from segmentation.services.ground.queue import WORK_KINDS
from segmentation.services.ground.refusal import Refused

from .decoding import Killed

logger = logging.getLogger(__name__)

# Parts of the messages of libraries that lack memory.
OUT_OF_MEMORY = ("not enough memory", "out of memory", "allocate memory", "bad_alloc", "Insufficient memory")
BROKEN = (
    "Something went wrong in our software, not in what you sent: try again, and if it happens once more tell the "
    "administrator the number of this {what}, {id}."
)


def sentence_for(row: Attempted, error: Exception) -> str:
    """The sentence for the user about an error. Errors that do not have such a sentence themselves are also
    logged."""
    if isinstance(error, (UnreadableImage, Killed, ServerGone, UnusableSegmentation, Refused)):
        return str(error)
    if isinstance(row, Training) and isinstance(error, UserError):
        return error.on_page  # without folders and commands, which users of the site do not know
    kind = WORK_KINDS[type(row)]
    name, number = kind.noun.capitalize(), row.attempt
    # `each`: repeated lines pass the filter of the log, too.
    logger.error("%s %s: attempt %s failed.", name, row.pk, number, exc_info=error, extra={"each": True})
    if isinstance(error, (cards.UnknownModel, cards.AlteredWeights, cards.NoDevice, UnknownTask)):
        return str(error)
    if isinstance(error, SoftTimeLimitExceeded):
        hours, seconds = settings.DEEPSEGM_TRAINING_HOURS, settings.DEEPSEGM_SOFT_LIMIT_SECONDS
        limit = f"{seconds // 60} minutes" if seconds >= 120 else f"{seconds} seconds"
        return kind.too_long(f"{hours} hours" if isinstance(row, Training) else limit)
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        return kind.needs_memory()
    return BROKEN.format(what=kind.noun, id=row.pk)
