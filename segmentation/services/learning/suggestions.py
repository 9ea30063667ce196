"""Which uncorrected results of an account would teach the model of a dataset most, if they were corrected next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.core.cache import cache
from django.db.models import Q
from django.db.models.fields.files import FieldFile
from PIL import Image

from ...core.suggesting import OCTAVES, SIDE, UNLIKE, Floats, Wrong, expected_wrong, order, texture
from ...models import Dataset, Job, Micrograph
from ..ground import tables

LOOKED_AT = 100  # results
SHOWN = 5
KEPT_FOR = 7 * 24 * 3600  # seconds
BLANK = np.zeros(OCTAVES + 1)


@dataclass(frozen=True)
class Suggestion:
    """A result that would teach. wrong: what is probably wrong in it. unlike: whether it looks unlike all images of the
    dataset and all suggestions before it."""

    job: Job
    wrong: Wrong
    unlike: bool

    @property
    def gain(self) -> str:
        """What correcting it would bring, in words."""
        words = self.wrong.words[:1].upper() + self.wrong.words[1:]
        return f"{words}, and it looks unlike the other images." if self.unlike else f"{words}."


def suggestions(dataset: Dataset, user: Any, limit: int = SHOWN) -> list[Suggestion]:
    """The results of the account that would teach most, the best first; none with less than half a wrong outline.

    Of the newest 2 LOOKED_AT results at most LOOKED_AT of the dataset's kind are looked at, one of each image, and none
    of an image that was corrected or is in the dataset, also where its file was sent once more.
    """
    doubtful = [(job, wrong) for job in _candidates(dataset, user) if (wrong := _wrong(job)) and wrong.has_any]
    textures = [_texture(job.micrograph.preview, job.micrograph_id) for job, _ in doubtful]
    # Only pictures without outlines can be compared, so an import without a result counts as unlike.
    taught = Micrograph.objects.filter(jobs__dataset_images__dataset=dataset).distinct()
    taught_textures = [_texture(image.preview, image.pk) for image in taught]
    ranked = order([wrong.expected for _, wrong in doubtful], textures, taught_textures)
    return [Suggestion(*doubtful[number], UNLIKE <= apart < float("inf")) for number, apart in ranked[:limit]]


def _candidates(dataset: Dataset, user: Any) -> list[Job]:
    mine = Job.objects.visible_to(user, None).filter(state=Job.State.DONE)
    corrected = mine.filter(Q(corrects__isnull=False) | Q(edit_count__gt=0) | ~Q(outlines={}))
    rows = mine.exclude(micrograph__sha256__in=corrected.values("micrograph__sha256"))
    rows = rows.exclude(micrograph__sha256__in=dataset.images.values("sha256"))
    newest: dict[str, Job] = {}
    for job in rows.select_related("micrograph").order_by("-created")[: 2 * LOOKED_AT]:
        if job.settings["task"] == dataset.task and not job.summary.get("refused"):
            newest.setdefault(job.micrograph.sha256, job)
    return list(newest.values())[:LOOKED_AT]


def _wrong(job: Job) -> Wrong | None:
    """From the stored objects; a result never changes, so the answer is remembered."""
    key = f"wrong {job.pk} {job.attempt}".replace(" ", "-")
    if (cached := cache.get(key)) is not None:
        return cached or None
    wrong = expected_wrong(tables.objects_of(job) or [])
    cache.set(key, wrong or False, KEPT_FOR)
    return wrong


def _texture(preview: FieldFile, pk: UUID) -> Floats:
    key = f"texture-{pk}"
    values: Floats | None = cache.get(key)
    if values is None:
        try:
            with preview.open("rb") as file, Image.open(file, formats=["PNG"]) as picture:
                small = picture.convert("L")
                small.thumbnail((SIDE, SIDE))
                values = texture(np.asarray(small))
        except (OSError, ValueError, Image.DecompressionBombError):
            values = BLANK
        cache.set(key, values, KEPT_FOR)
    return values
