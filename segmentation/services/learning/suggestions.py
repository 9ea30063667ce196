"""Suggestions for a dataset: results of an account that would improve the model most, if a person
corrected their outlines and put them into the dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.core.cache import cache
from django.db.models import Q
from django.db.models.fields.files import FieldFile
from PIL import Image

from ...core.suggesting import OCTAVES, SIDE, UNLIKE, ExpectedErrors, Floats, expected_wrong, rank_images, texture
from ...models import Dataset, Job, Micrograph
from ..ground import tables

LOOKED_AT = 100  # results
SHOWN = 5  # suggestions
CACHED_FOR = 7 * 24 * 3600  # seconds
NO_TEXTURE = np.zeros(OCTAVES + 1)  # of an image whose preview cannot be read


@dataclass(frozen=True)
class Suggestion:
    """A result that should be corrected. wrong: which outlines are probably wrong. unlike: whether
    its image differs much from all images of the dataset and of the suggestions before it."""

    job: Job
    wrong: ExpectedErrors
    unlike: bool

    @property
    def gain(self) -> str:
        """The reason for the suggestion, as a sentence."""
        words = self.wrong.words[:1].upper() + self.wrong.words[1:]
        return f"{words}, and it looks unlike the other images." if self.unlike else f"{words}."


def suggestions(dataset: Dataset, user: Any, limit: int = SHOWN) -> list[Suggestion]:
    """At most `limit` results of the account that should be corrected, the best first. Each has at
    least half a wrong outline, as expected value.

    The newest 2 * LOOKED_AT results are read, and at most LOOKED_AT of the dataset's kind are
    examined, one of each image. Images that were corrected or are in the dataset are left out (by
    their SHA-256).
    """
    doubtful = [(job, wrong) for job in _candidates(dataset, user) if (wrong := _wrong(job)) and wrong.has_any]
    textures = [_texture(job.micrograph.preview, job.micrograph_id) for job, _ in doubtful]
    # Only images of results have a preview without outlines. So the dataset's images from archives
    # are not compared.
    taught = Micrograph.objects.filter(jobs__dataset_images__dataset=dataset).distinct()
    taught_textures = [_texture(image.preview, image.pk) for image in taught]
    ranked = rank_images([wrong.expected for _, wrong in doubtful], textures, taught_textures)
    return [Suggestion(*doubtful[number], UNLIKE <= apart < float("inf")) for number, apart in ranked[:limit]]


def _candidates(dataset: Dataset, user: Any) -> list[Job]:
    """The results that are examined, the newest first."""
    mine = Job.objects.visible_to(user, None).filter(state=Job.State.DONE)
    corrected = mine.filter(Q(corrects__isnull=False) | Q(edit_count__gt=0) | ~Q(outlines={}))
    rows = mine.exclude(micrograph__sha256__in=corrected.values("micrograph__sha256"))
    rows = rows.exclude(micrograph__sha256__in=dataset.images.values("sha256"))
    newest: dict[str, Job] = {}
    for job in rows.select_related("micrograph").order_by("-created")[: 2 * LOOKED_AT]:
        if job.settings["task"] == dataset.task and not job.summary.get("refused"):
            newest.setdefault(job.micrograph.sha256, job)
    return list(newest.values())[:LOOKED_AT]


def _wrong(job: Job) -> ExpectedErrors | None:
    """Which outlines of a result are probably wrong, from its stored objects; None if they cannot
    be judged. It is cached, because an uncorrected result does not change."""
    key = f"wrong {job.pk} {job.attempt}".replace(" ", "-")
    if (cached := cache.get(key)) is not None:
        return cached or None
    wrong = expected_wrong(tables.objects_of(job) or [])
    cache.set(key, wrong or False, CACHED_FOR)
    return wrong


def _texture(preview: FieldFile, pk: UUID) -> Floats:
    """The texture (OCTAVES + 1,) of an image, from its preview; it is cached. pk: of the image."""
    key = f"texture-{pk}"
    values: Floats | None = cache.get(key)
    if values is None:
        try:
            with preview.open("rb") as file, Image.open(file, formats=["PNG"]) as picture:
                small = picture.convert("L")
                small.thumbnail((SIDE, SIDE))
                values = texture(np.asarray(small))
        except (OSError, ValueError, Image.DecompressionBombError):
            values = NO_TEXTURE
        cache.set(key, values, CACHED_FOR)
    return values
