"""Queues, cancels, repeats and deletes trainings, and offers and shares their models."""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import tomlkit
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone

from ...core.learning import planning
from ...core.learning.training_summary import OVERRULED, overruled_limit
from ...core.names import clean_text
from ...core.network import cards
from ...core.tasks import find
from ...models import RESTART_FIELDS, Dataset, Training
from ...services.ground import bounds
from ...services.ground.callers import check_may_train, fingerprint, submission_id
from ...services.ground.queue import enqueue_after_commit
from ...services.ground.refusal import Refused, change_state, lock
from ...services.ground.space import with_disk_reserve
from ...services.results.models_offered import card_for, chosen_default, is_usable, offered_models, trainings_by_model
from .trained import check_training_images, runs_folder

logger = logging.getLogger(__name__)
LONGEST_TITLE = 80  # characters of the title of a model
FEW_IMAGES, FEW_OUTLINES = 5, 100  # with fewer images or outlines the page of a dataset shows a note
RECENT_TRAININGS = 20  # finished trainings by which the time of a step is estimated
LEAST_SHARE = 0.25  # of its threads; a training gets at least this share on a busy machine
NOT_THERE = "There is no such dataset."
NO_IMAGES = "The dataset has no images yet: add images with checked outlines first."
ONE_IMAGE = "One image is not enough: a training learns from some images and is judged on others. Add a second one."
NO_OUTLINES = "No image of the dataset has an outline, so there is nothing to learn."
UNCHECKED = "The dataset is still being checked: wait until that is finished."
BROKEN = "The dataset could not be checked. {why}"
ERRORS = "Correct the dataset before you train on it. {why}"
UNDER_WAY = "A training of yours on this dataset is already waiting or running: wait for it, or cancel it first."
OTHER_KIND = "The model {model} is for {its}, and this dataset is of {here}: choose a base model of the same kind."
UNKNOWN_BASE = "There is no base model named {name!r} here: choose one of {names}."
NOT_COUNTED = "It is not known yet what can be composed of this dataset: press Check again on its page."
OTHER_REQUEST = "This Idempotency-Key belongs to another training of yours: use a new key."
GONE = "This training has been deleted."
ENDED = "This training has already ended, so there is nothing to cancel."
NO_RETRY = "Only a training that failed or was cancelled can be tried again."
NO_MODEL = "This training has made no model, so there is nothing to do with it."
NO_BETTER = (
    "The error on held-out images did not fall, so the model is not offered by itself. You may offer it all the same;"
    " its card then says so."
)
NOTHING_TAKEN = "The training took nothing of what was learnt: its model is the base model, so there is none to offer."
NO_CARD = "The card of this model cannot be changed: ask the administrator to look at the folder of models."
NOT_OFFERED = "This model is not offered: offer it before you share it."
STAFF_SHARE = "Only staff with the right to change trainings may share a model with every account."


@transaction.atomic
def create_training(
    *,
    dataset: Dataset,
    base: str,
    options: Mapping[str, Any],
    user: Any,
    address: str = "",
    token: str = "",
    key: str = "",
) -> Training:
    """Queue a training of a base model on all present images of a dataset.

    base: name of the base model. options: "title" of the model, "learning_curve" and "composed"
    (bool: whether agglomerates are composed of the particles). token, key: identify a submission
    (`submission_id`), so that a double click makes one training. Raises Refused (401, 403 no right,
    404, 409, 422, 429).
    """
    check_may_train(user)
    lock(dataset, NOT_THERE)
    if not dataset.is_visible_to(user):
        raise Refused(NOT_THERE, 404)
    title = clean_text(str(options.get("title") or ""), LONGEST_TITLE)
    chosen = {"title": title, **{name: bool(options.get(name)) for name in ("learning_curve", "composed")}}
    content = fingerprint(str(dataset.pk), base, chosen)
    pk = UUID(submission_id("training", user, None, token=token, key=key, content=content)[:32])
    existing = Training.objects.filter(pk=pk).first()
    if existing is not None:
        if fingerprint(str(existing.dataset_id), existing.base, existing.options) != content:
            raise Refused(OTHER_REQUEST, 409)
        return existing
    _check_torch()
    _check_dataset(dataset)
    _check_base(base, dataset, user)
    if chosen["composed"] and (problem := composing_obstacle(dataset)):
        raise Refused(problem, 422)
    _check_free(dataset, user)
    training = Training.objects.create(
        pk=pk,
        dataset=dataset,
        base=base,
        options=chosen,
        frozen=frozen_images(dataset),
        **Training.fields_of(user, None, address),
    )
    enqueue_after_commit(training.pk, Training)
    return training


@with_disk_reserve
@transaction.atomic
def cancel_training(*, training: Training) -> Training:
    """Stop a training that waits or runs. A second call changes nothing."""
    change_state(training, Training.UNFINISHED, ENDED, GONE, state=Training.State.CANCELLED, finished=timezone.now())
    return training


@transaction.atomic
def retry_training(*, training: Training) -> Training:
    """Queue a failed or cancelled training again, with the same images. It continues where it stopped.
    Raises Refused."""
    check_may_train(training.owner)
    ended = (Training.State.FAILED, Training.State.CANCELLED)
    if training.state in ended:
        check_training_images(training)
        lock(training.dataset, NOT_THERE)
        _check_torch()
        _check_free(training.dataset, training.owner)
    change_state(training, ended, NO_RETRY, GONE, queued=timezone.now(), **RESTART_FIELDS)
    enqueue_after_commit(training.pk, Training)
    return training


@with_disk_reserve
@transaction.atomic
def delete_training(*, training: Training) -> None:
    """Delete a training in any state, with its files and its model. Results of the model stay (each has
    a copy of the card). If the model is a default, this default has no effect any more."""
    Training.objects.filter(pk=training.pk).delete()


@transaction.atomic
def offer_model(*, training: Training, user: Any, overrule: bool = False) -> Training:
    """Offer the model of a training in form and API, if its error on held-out images fell.

    overrule: offer it although the error did not fall; page and card then name the user. Raises
    Refused (401, 403 no right, 404, 409 no model of its own or no overrule, 503 the card cannot be changed).
    """
    check_may_train(user)
    row = _locked_with_model(training)
    if row.takes_nothing:
        raise Refused(NOTHING_TAKEN, 409)
    improved = bool(row.summary.get("outcome", {}).get("improved"))
    if not improved and not overrule:
        raise Refused(NO_BETTER, 409)
    if not improved:
        _write_overruled(row, user)
        row.overruled_by = user
    row.offered = True
    return _save_fields(training, row, "offered", "overruled_by")


@transaction.atomic
def withdraw_model(*, training: Training) -> Training:
    """Stop offering the model of a training. Its results stay. If it is a default, this default has no
    effect any more."""
    row = _locked_with_model(training)
    row.offered = row.shared = False
    return _save_fields(training, row, "offered", "shared")


@transaction.atomic
def share_model(*, training: Training, user: Any, shared: bool = True) -> Training:
    """Let all accounts use the model of a training, or only its owner (shared=False). Raises Refused
    (403, 404, 409)."""
    if not training.staff_may(user, "change"):
        raise Refused(STAFF_SHARE, 403)
    row = _locked_with_model(training)
    if shared and not row.offered:
        raise Refused(NOT_OFFERED, 409)
    row.shared = shared
    return _save_fields(training, row, "shared")


def frozen_images(dataset: Dataset) -> list[dict[str, Any]]:
    """The present images of a dataset as the dicts that `Training.frozen` stores."""
    return [
        {
            "image": str(image.pk),
            "name": image.name,
            "sha256": image.sha256,
            "labels_sha256": image.labels_sha256,
            "group": image.group,
            "region": image.region,
        }
        for image in dataset.images.all()
    ]


def bases_for(dataset: Dataset, user: Any) -> list[cards.ModelCard]:
    """The models that can be trained further on a dataset; models for comparison come last."""
    classes, bases = list(dataset.class_names or []), []
    for card in offered_models(user):
        model_classes = list(find(card.task).class_names) or list(card.maps)
        # Outlines without classes fit every model.
        if card.task == dataset.task and (not classes or not model_classes or model_classes == classes):
            bases.append(card)
    return sorted(bases, key=lambda card: card.comparison)


def usual_base(dataset: Dataset, bases: Sequence[cards.ModelCard], user: Any) -> str:
    """The name of the base model that the form proposes: the model that outlined most images of the
    dataset, otherwise the default of its kind, otherwise the first of `bases`; "" without bases."""
    outlined = Counter(summary.get("model") for summary in dataset.images.values_list("summary", flat=True))
    names = [*(name for name, _ in outlined.most_common()), chosen_default(dataset.task, user)]
    offered_names = [card.name for card in bases]
    return next((name for name in names if name in offered_names), next(iter(offered_names), ""))


def training_obstacle(dataset: Dataset, user: Any) -> str:
    """A sentence why no training can start on a dataset now; "" if a training can."""
    try:
        check_may_train(user)
        _check_torch()
        _check_dataset(dataset)
        _check_free(dataset, user)
    except Refused as refusal:
        return refusal.sentence
    return ""


def composing_obstacle(dataset: Dataset) -> str:
    """A sentence why agglomerates cannot be composed of the particles of a checked dataset; "" if
    they can."""
    task, counts = find(dataset.task), dataset.summary.get("composed")
    if task.composable and counts is None:
        return NOT_COUNTED
    return planning.composing_obstacle(task, (counts or {}).get("whole", {}))


def expected_seconds(dataset: Dataset, *, curve: bool = False, composed: bool = False) -> float:
    """The approximate duration of a training in seconds, computed as in its later plan (`core.learning.planning`).

    The time of a step is the median of recent trainings of this site, otherwise of a typical
    computer, times `slowdown`. curve: with a learning curve. composed: with composed agglomerates.
    """
    usable = [image for image in dataset.images.all() if image.summary.get("objects", 1)]
    groups = {image.group or image.name for image in usable}
    sides = [image.region or (0, 0, image.height, image.width) for image in usable]
    megapixels = sum((bottom - top) * (right - left) for top, left, bottom, right in sides) / 1e6
    rows = Training.objects.filter(state=Training.State.DONE).order_by("-finished")
    plans = rows.values_list("summary__plan", flat=True)[:RECENT_TRAININGS]
    step_seconds = sorted(
        plan["of_step"] - planning.CHECKPOINT_SECONDS / planning.CHECKPOINT_STEPS for plan in plans if plan
    )
    chosen = planning.choose_plan(
        max(len(groups), 2),
        megapixels,
        pace=slowdown() * (step_seconds[len(step_seconds) // 2] if step_seconds else planning.STEP_SECONDS),
        minutes=planning.MINUTES,
        curve=curve,
        composed=composed,
    )
    return chosen.seconds


def slowdown() -> float:
    """The factor by which other work on this machine makes a training slower; 1.0 if trainings run on
    other machines. (A training has the lowest priority.)"""
    if not settings.DEEPSEGM_EMBEDDED:
        return 1.0
    threads = settings.DEEPSEGM_TRAINING_THREADS
    free = (os.cpu_count() or 1) - os.getloadavg()[0]
    return max(threads / max(free, LEAST_SHARE * threads), 1.0)


def size_notes(dataset: Dataset) -> list[str]:
    """Sentences about a dataset with few images or outlines; [] if it has enough."""
    images = list(dataset.images.all())
    objects = count_outlines(dataset)
    sentences = []
    if len(images) < FEW_IMAGES:
        sentences.append(f"With fewer than {FEW_IMAGES} images, the test of the new model is less reliable.")
    if not find(dataset.task).semantic and objects < FEW_OUTLINES:
        sentences.append(f"There are {objects} outlines. The model learns better from {FEW_OUTLINES} or more.")
    return sentences


def count_outlines(dataset: Dataset) -> int:
    """The number of outlines in all images of a dataset."""
    return sum(int(summary.get("objects") or 0) for summary in dataset.images.values_list("summary", flat=True))


def _check_dataset(dataset: Dataset) -> None:
    """Raises Refused if a dataset is not checked, has errors, or is too small for a training."""
    count = dataset.images.count()
    if not count:
        raise Refused(NO_IMAGES, 422)
    if dataset.state == Dataset.State.FAILED:
        raise Refused(BROKEN.format(why=dataset.error), 409)
    if dataset.state != Dataset.State.DONE:
        raise Refused(UNCHECKED, 409)
    findings = [finding["sentence"] for finding in dataset.summary.get("findings", []) if finding.get("error")]
    if errors := [*findings, *dataset.images.exclude(error="").values_list("error", flat=True)]:
        raise Refused(ERRORS.format(why=errors[0]), 422)
    if dataset.images.filter(labels="").exists():
        raise Refused(UNCHECKED, 409)
    if count == 1:
        raise Refused(ONE_IMAGE, 422)
    if find(dataset.task).semantic:
        return
    objects = count_outlines(dataset)
    if not objects:
        raise Refused(NO_OUTLINES, 422)
    if objects < planning.LEAST_OBJECTS:
        raise Refused(planning.few_objects(objects, find(dataset.task).things), 422)


def _check_base(name: str, dataset: Dataset, user: Any) -> None:
    """Raises Refused if a training with this dataset cannot start from the model with this name."""
    bases = bases_for(dataset, user)
    if any(card.name == name for card in bases):
        return
    if is_usable(name, user) and not cards.released(name):
        card = card_for(user, name)
        if card.task != dataset.task:
            things, things_here = find(card.task).things, find(dataset.task).things
            raise Refused(OTHER_KIND.format(model=card.title, its=things, here=things_here), 422)
    names = ", ".join(card.name for card in bases) or "none"
    raise Refused(UNKNOWN_BASE.format(name=name, names=names), 422)


def _check_torch() -> None:
    """Raises Refused (503) if this machine should train and torch is not installed."""
    if settings.DEEPSEGM_EMBEDDED:  # on other sites another machine trains
        try:
            cards.need_torch("A training")
        except cards.TorchMissing as error:
            raise Refused(str(error), 503) from None


def _check_free(dataset: Dataset, user: Any) -> None:
    """Raises Refused (409, 429) if the user has an unfinished training on the dataset, or too many
    in all."""
    under_way = Training.objects.filter(state__in=Training.UNFINISHED, owner=user)
    if under_way.filter(dataset=dataset).exists():
        raise Refused(UNDER_WAY, 409)
    bounds.ask(Training, user=user)


def _locked_with_model(training: Training) -> Training:
    """The locked row of a finished training with a model; raises Refused (404 deleted, 409 no model)."""
    row = Training.objects.locked(training.pk)
    if row is None:
        raise Refused(GONE, 404)
    if row.state != Training.State.DONE or not row.model_name:
        raise Refused(NO_MODEL, 409)
    return row


def _save_fields(training: Training, row: Training, *fields: str) -> Training:
    """Save fields of the locked `row`, and read `training` again, which is returned."""
    row.save(update_fields=fields)
    training.refresh_from_db()
    return training


def _write_overruled(row: Training, user: Any) -> None:
    """Write into the "limits" of a model's card that a person offered it although its error did not
    fall: into the installed card and its copy in the storage, which other machines install. Raises
    Refused (503)."""
    who, name = user.get_full_name() or user.get_username(), row.model_name
    try:
        file = cards.find(name).weights.with_name(f"{name}.toml")
        document = tomlkit.parse(file.read_text(encoding="utf-8"))
        limits = [limit for limit in document.get("limits", []) if not overruled_limit([limit])]
        new_limits = [*limits, OVERRULED.format(who=who)]
        if "limits" in document:
            document["limits"] = new_limits
            text = tomlkit.dumps(document)
        else:  # a new key of TOML's top level must come before the tables
            text = tomlkit.dumps({"limits": new_limits}) + tomlkit.dumps(document)
        artifact = row.artifacts.filter(name=file.name).first()
        if artifact is not None:
            artifact.file.name = default_storage.save(artifact.file.name, ContentFile(text.encode()))
            artifact.size = len(text.encode())
            artifact.save(update_fields=["file", "size"])
        partial = file.with_name(f".{name}.part")
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except (OSError, ValueError, cards.UnknownModel) as error:
        logger.exception("The card of the model %s could not be changed.", name)
        raise Refused(NO_CARD, 503) from error


@receiver(post_delete, sender=Training)
def remove_its_model(instance: Training, **kwargs: Any) -> None:
    """Remove the model of a deleted training, because everybody can use an installed model without a row.
    The files of an unfinished training are removed, too. Django calls this, also in cascades."""
    # Read before the commit, because Django removes the id from a deleted instance.
    name, run = instance.model_name, runs_folder() / str(instance.pk)
    transaction.on_commit(lambda: shutil.rmtree(run, ignore_errors=True))
    if name and name not in cards.released_names() and not trainings_by_model([name]):
        transaction.on_commit(lambda: remove_model(name))


def remove_model(name: str) -> None:
    """Remove the files of a model from the site's folder of models: the card first, because files without
    a card are no model."""
    folder = settings.DEEPSEGM_MODELS
    files = [folder / f"{name}{suffix}" for suffix in (".toml", ".safetensors", cards.GRAPH, cards.TEST)]
    files += [folder / f"{name}-{which}.webp" for which in cards.PICTURES]
    for file in files:
        try:
            file.unlink(missing_ok=True)
        except OSError:
            logger.exception("The file %s of a deleted model could not be removed.", file)


def versions_of_dataset(training: Training) -> QuerySet:
    """The trainings on the same dataset that made a model, the newest first."""
    if training.dataset_id is None:
        return Training.objects.filter(pk=training.pk).exclude(model_name="")
    return Training.objects.filter(dataset=training.dataset_id).exclude(model_name="").order_by("-version", "-created")
