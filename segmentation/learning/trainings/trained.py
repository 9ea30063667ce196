"""Stores what a training makes: its progress with pictures while it runs, and at the end its files and
its model. A worker calls these functions."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Max
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils.text import slugify

from ...core.learning.training_summary import takes_nothing
from ...core.network.cards import GRAPH, TEST, read_card
from ...models import Dataset, DatasetImage, Training, TrainingFile
from ...services.access.webhooks import announce
from ...services.ground.files import delete_with_files, remove_files, undo_on_failure
from ...services.ground.refusal import Refused
from ...services.results.publishing import store_file

CARD_SUFFIX, WEIGHTS_SUFFIX = ".toml", ".safetensors"
NO_DATASET = "The dataset of this training was deleted, so it cannot go on."
NOT_SHARED = "The dataset of this training is no longer shared with its account, so it cannot go on."
REMOVED = "{name} was removed from the dataset after the training was asked for: ask for a new training."
ALTERED = "The stored file {name} of this training was altered or is gone: train the model again."
LONGEST_NAME = 28  # characters; the name of the weights must fit into a TrainingFile (50)


def runs_folder() -> Path:
    """The folder on this machine with the files of unfinished trainings."""
    return Path(settings.DEEPSEGM_DATA) / "trainings"


@transaction.atomic
def begin_version(*, training: Training) -> None:
    """Give a training its version, the next number among the trainings of its dataset, if it has none;
    raises `Superseded`."""
    if training.version:
        return
    Dataset.objects.locked(training.dataset_id)  # so that two trainings never get the same number
    others = Training.objects.filter(dataset=training.dataset_id).exclude(pk=training.pk)
    training.version = (others.aggregate(last=Max("version"))["last"] or 0) + 1
    training.change(version=training.version)


def model_name_of(training: Training) -> str:
    """The name of the model of a training: the name of the dataset, four characters of its id, and
    the version."""
    dataset_name = str(training.dataset or "dataset")
    short_id = f"{training.dataset_id or training.pk}"[:4]
    return f"{slugify(dataset_name)[:LONGEST_NAME].strip('-_') or 'own'}-{short_id}-{training.version}"


def report_training(*, training: Training, pictures: Iterable[Path], brings_progress: bool, **values: Any) -> None:
    """Store new pictures and the progress of a training (`values`, fields of its row); raises
    `Superseded`.

    brings_progress: whether the training is further than any earlier attempt; then earlier deaths and
    faults are no longer counted.
    """
    stored_names = set(training.artifacts.values_list("name", flat=True))
    new = [path for path in pictures if path.name not in stored_names]
    if brings_progress:
        training.deaths = training.faults = 0
        values |= {"deaths": 0, "faults": 0}
    training.change(**values)
    for path in new:
        _store_copy(training, path).save()


def publish_training(*, training: Training, card: Path, files: Iterable[Path], summary: Mapping[str, Any]) -> None:
    """Store card, weights and pictures of a training, install its model on the site, and set the
    training done.

    The model is offered if it is better than its base model. Raises `Superseded`, and Refused if
    its files were altered or an image was removed from the dataset.
    """
    stored_names = set(training.artifacts.values_list("name", flat=True))
    graph = [file for end in (GRAPH, TEST) if (file := card.with_suffix(end)).exists()]
    new = [path for path in (card, card.with_suffix(WEIGHTS_SUFFIX), *graph, *files) if path.name not in stored_names]
    rows: list[TrainingFile] = []
    with undo_on_failure(lambda: remove_files(row.file.name for row in rows)):
        rows += (_store_copy(training, path) for path in new)
        with transaction.atomic():
            check_training_images(training)
            # The row is stored before the model, because everybody can use an installed model without a row.
            training.change(model_name=card.stem, summary=summary)
            TrainingFile.objects.bulk_create(rows)
    training.model_name = card.stem
    install_model(training)
    improved = bool(summary.get("outcome", {}).get("improved"))
    with transaction.atomic():
        training.finish("done", ends=None, offered=improved and not takes_nothing(summary))
        announce(training, "training.done")


@transaction.atomic
def check_training_images(training: Training) -> None:
    """Lock the dataset of a training. Raises Refused (409) if it is deleted or no longer shared with the
    owner of the training, or if one of the training's images was removed from it."""
    dataset = Dataset.objects.locked(training.dataset_id)
    if dataset is None:
        raise Refused(NO_DATASET, 409)
    if dataset.owner_id != training.owner_id and not dataset.is_visible_to(training.owner):
        raise Refused(NOT_SHARED, 409)
    ids = {str(pk) for pk in DatasetImage.objects.filter(dataset=training.dataset_id).values_list("pk", flat=True)}
    for entry in training.frozen:
        if entry["image"] not in ids:
            raise Refused(REMOVED.format(name=entry["name"]), 409)


def remove_run(training: Training) -> None:
    """Remove all files and numbers of an unfinished training, because one of its images was removed from
    the dataset."""
    delete_with_files(training.artifacts.all())
    Training.objects.filter(pk=training.pk).update(summary={})
    transaction.on_commit(lambda: shutil.rmtree(runs_folder() / str(training.pk), ignore_errors=True))


@receiver(pre_delete, sender=DatasetImage)
def remove_from_trainings(instance: DatasetImage, **kwargs: Any) -> None:
    """When an image is deleted from a dataset, remove it from the trainings, too. A finished model stays,
    without pictures of the image. A running training is stopped by its worker. Of any other training
    only the row stays."""
    for training in Training.objects.filter(dataset=instance.dataset_id).exclude(state=Training.State.RUNNING):
        if str(instance.pk) not in {entry["image"] for entry in training.frozen}:
            continue
        if training.state == Training.State.DONE:
            summary = training.summary
            parts = summary.get("pictures", []), summary.get("images", [])
            files = [picture["file"] for part in parts for picture in part if picture["image"] == instance.name]
            delete_with_files(training.artifacts.filter(name__in=files))
            summary["pictures"] = [picture for picture in parts[0] if picture["image"] != instance.name]
            summary["images"] = [
                {**image, "file": ""} if image["image"] == instance.name else image for image in parts[1]
            ]
            Training.objects.filter(pk=training.pk).update(summary=summary)
        else:
            remove_run(training)


def _store_copy(training: Training, path: Path) -> TrainingFile:
    """Copy a file into the storage; returns its row, not saved yet. The file stays, because the training
    needs it again if it is killed."""
    stored = store_file(f"{training.folder}/{training.attempt}", path, {}, keep=True)
    return TrainingFile(training=training, attempt=training.attempt, **stored)


def install_model(training: Training) -> None:
    """Copy card, weights and graph of a training from the storage to the site's folder of models, if
    they are missing there.

    The card is copied last, because files without a card are no model. Raises Refused (409) if files
    were altered.
    """
    folder, name = Path(settings.DEEPSEGM_MODELS), training.model_name
    if (folder / f"{name}{CARD_SUFFIX}").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    stored = set(training.artifacts.values_list("name", flat=True))
    # Models of version 1.0.0 have no such files.
    graph = (end for end in (GRAPH, TEST) if f"{name}{end}" in stored)
    partial_files = {end: folder / f".{name}{end}.part" for end in (WEIGHTS_SUFFIX, *graph, CARD_SUFFIX)}
    try:
        for end, file in partial_files.items():
            _copy(training, f"{name}{end}", file)
        _check_files(partial_files, name)
        for end, file in partial_files.items():
            file.replace(folder / f"{name}{end}")
    finally:
        for file in partial_files.values():
            file.unlink(missing_ok=True)


def _copy(training: Training, name: str, target: Path) -> None:
    """Copy a stored file of a training to a path; raises Refused (409) if it is missing."""
    row = training.artifacts.filter(name=name).first()
    try:
        if row is None:
            raise FileNotFoundError(name)
        with default_storage.open(row.file.name, "rb") as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, 2**20)
    except FileNotFoundError as error:
        raise Refused(ALTERED.format(name=name), 409) from error


def _check_files(files: Mapping[str, Path], name: str) -> None:
    """Raises Refused (409) if the checksums of weights or graph differ from the card. files: by suffix.
    name: of the model."""
    card = files[CARD_SUFFIX]
    renamed = card.with_name(f"{name}{CARD_SUFFIX}.check") / f"{name}{CARD_SUFFIX}"
    try:
        renamed.parent.mkdir(exist_ok=True)
        shutil.copyfile(card, renamed)
        model = read_card(renamed)  # which takes the name of the model from the file
    except ValueError as error:
        raise Refused(ALTERED.format(name=f"{name}{CARD_SUFFIX}"), 409) from error
    finally:
        shutil.rmtree(renamed.parent, ignore_errors=True)
    for end, expected in ((WEIGHTS_SUFFIX, model.sha256), (GRAPH, model.graph)):
        if expected and (end not in files or hashlib.sha256(files[end].read_bytes()).hexdigest() != expected):
            raise Refused(ALTERED.format(name=f"{name}{end}"), 409)
