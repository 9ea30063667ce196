"""The forms of a dataset: its description, a result that becomes training data, an archive."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms

from ..core import tasks
from ..models import SHOWN_NAME, Dataset, Job
from ..services.ground.callers import may_train
from ..services.learning.datasets import LONGEST, default_group

NEW = "new"
WHOLE, PART = "whole", "part"
SIDES = ("top", "left", "bottom", "right")


class DescriptionForm(forms.Form):
    """What is said of a dataset."""

    name = forms.CharField(max_length=SHOWN_NAME, required=False)
    material = forms.CharField(max_length=LONGEST, required=False)
    instrument = forms.CharField(max_length=LONGEST, required=False)
    licence = forms.CharField(max_length=LONGEST, required=False)

    def described(self) -> dict[str, str]:
        return {name: self.cleaned_data[name] for name in ("name", "material", "instrument", "licence")}


class DatasetForm(DescriptionForm):
    """A new dataset. class_names: separated by commas, where each pixel has a class."""

    task = forms.CharField(max_length=100)
    class_names = forms.CharField(required=False, max_length=1000)

    def classes(self) -> list[str]:
        return [name.strip() for name in self.cleaned_data["class_names"].split(",") if name.strip()]


class TrainingDataForm(DescriptionForm):
    """A result that becomes training data of a dataset, or of a new one."""

    dataset = forms.CharField(max_length=36)
    group = forms.CharField(max_length=SHOWN_NAME, required=False)
    extent = forms.ChoiceField(choices=[(WHOLE, "the whole image"), (PART, "a rectangle of it")])
    top = forms.IntegerField(required=False)
    left = forms.IntegerField(required=False)
    bottom = forms.IntegerField(required=False)
    right = forms.IntegerField(required=False)
    reviewed = forms.BooleanField(required=False)
    consent = forms.BooleanField(required=False)

    def region(self) -> list[int] | None:
        """None for the whole image; a side that was not typed is -1, which no image has."""
        if self.cleaned_data["extent"] == WHOLE:
            return None
        return [-1 if self.cleaned_data[side] is None else self.cleaned_data[side] for side in SIDES]

    def chosen(self) -> UUID | None:
        """The id of the dataset, None for a new one; raises ValueError."""
        dataset = self.cleaned_data["dataset"]
        return None if dataset == NEW else UUID(dataset)


def training_data(user: Any, job: Job) -> dict[str, Any] | None:
    """What the form on the page of a result offers; None where this user cannot give it as training data."""
    if not may_train(user) or job.owner_id != user.pk or not job.is_done or job.segmentation_id is None:
        return None
    task = tasks.find(job.get_settings().task)
    mine = Dataset.objects.filter(owner=user, task=task.name)
    there = [image.dataset for image in job.dataset_images.select_related("dataset")]
    return {"datasets": list(mine), "there": there, "group": default_group(job), "task": task, "new": NEW}
