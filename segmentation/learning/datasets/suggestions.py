"""Suggests results of an account for a dataset: those from which the model would learn most, if a person
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

from ...core.learning.suggesting import (
    OCTAVES,
    SIDE,
    UNLIKE,
    ExpectedErrors,
    Floats,
    expected_wrong,
    rank_images,
    texture,
)
from ...models import Dataset, Job, Micrograph
from ...services.ground import tables

MOST_EXAMINED = 100  # results that are examined
MOST_SHOWN = 5  # suggestions on the page
CACHED_SECONDS = 7 * 24 * 3600  # a week
NO_TEXTURE = np.zeros(OCTAVES + 1)  # used if a preview cannot be read


@dataclass(frozen=True)
class Suggestion:
    """A result that should be corrected. wrong: the expected number and kind of wrong outlines. unlike:
    whether its image differs much from the dataset and from the suggestions before it."""

    job: Job
    wrong: ExpectedErrors
    unlike: bool

    @property
    def gain(self) -> str:
        """The reason for the suggestion, as a sentence."""
        words = self.wrong.words[:1].upper() + self.wrong.words[1:]
        return f"{words}, and it looks unlike the other images." if self.unlike else f"{words}."


def suggestions(dataset: Dataset, user: Any, limit: int = MOST_SHOWN) -> list[Suggestion]:
    """At most `limit` results of the account that should be corrected, the most useful first. In each,
    at least half an outline is expected to be wrong.

    The newest 2 * MOST_EXAMINED results are read; of the dataset's kind at most MOST_EXAMINED are
    examined, one for each image. Images that were corrected or are in the dataset (by their SHA-256)
    are left out.
    """
    doubtful = [(job, wrong) for job in _candidates(dataset, user) if (wrong := _probably_wrong(job)) and wrong.has_any]
    textures = [_texture(job.micrograph.preview, job.micrograph_id) for job, _ in doubtful]
    # Images from archives are not compared, because their previews show outlines.
    dataset_images = Micrograph.objects.filter(jobs__dataset_images__dataset=dataset).distinct()
    dataset_textures = [_texture(image.preview, image.pk) for image in dataset_images]
    ranked = rank_images([wrong.expected for _, wrong in doubtful], textures, dataset_textures)
    return [Suggestion(*doubtful[number], UNLIKE <= apart < float("inf")) for number, apart in ranked[:limit]]


def _candidates(dataset: Dataset, user: Any) -> list[Job]:
    """The results that are examined, the newest first."""
    mine = Job.objects.visible_to(user, None).filter(state=Job.State.DONE)
    corrected = mine.filter(Q(corrects__isnull=False) | Q(edit_count__gt=0) | ~Q(outlines={}))
    rows = mine.exclude(micrograph__sha256__in=corrected.values("micrograph__sha256"))
    rows = rows.exclude(micrograph__sha256__in=dataset.images.values("sha256"))
    newest: dict[str, Job] = {}
    for job in rows.select_related("micrograph").order_by("-created")[: 2 * MOST_EXAMINED]:
        if job.settings["task"] == dataset.task and not job.stored.is_refused:
            newest.setdefault(job.micrograph.sha256, job)
    return list(newest.values())[:MOST_EXAMINED]


def _probably_wrong(job: Job) -> ExpectedErrors | None:
    """The expected wrong outlines of a result, from its stored objects; None if they cannot be judged.
    Cached, because an uncorrected result does not change."""
    key = f"wrong {job.pk} {job.attempt}".replace(" ", "-")
    if (cached := cache.get(key)) is not None:
        return cached or None
    wrong = expected_wrong(tables.objects_of(job) or [])
    cache.set(key, wrong or False, CACHED_SECONDS)
    return wrong


def _texture(preview: FieldFile, pk: UUID) -> Floats:
    """The texture (OCTAVES + 1,) of an image, from its preview; cached by the id `pk` of the image."""
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
        cache.set(key, values, CACHED_SECONDS)
    return values
