"""Makes, describes, shares and deletes datasets; adds images from results or archives and removes them;
and stores the files that a worker has written for a dataset."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import numpy as np
from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from ...core import tasks
from ...core.labels.segmentation import objects_in_file
from ...core.names import clean_text, portable_name
from ...core.report.wording import day_of
from ...models import RESTART_FIELDS, SHOWN_NAME, Arrival, Dataset, DatasetImage, Job, Micrograph, Sample, shown_name
from ...services.ground import bounds
from ...services.ground.callers import check_may_train
from ...services.ground.files import remove_folder, undo_on_failure
from ...services.ground.queue import enqueue_after_commit
from ...services.ground.refusal import Refused, lock
from ...services.ground.space import undo_failed_storing, with_disk_reserve
from ...services.results.corrections.edits import NO_OUTLINES
from ...services.results.corrections.steps import check_measured
from ...services.results.jobs import GONE
from ...services.results.uploads import is_zip, sha256_of_upload

logger = logging.getLogger(__name__)
LEAST_SIDE_PX = 32  # of a region; a model learns nothing from a smaller one
LONGEST_TEXT = 200  # characters of material, instrument or licence
CHECK_PREFIX = "check-"  # begin of the name of the file with the check of an image
DELETED = "This dataset has been deleted."
UNNAMED = "Give the dataset a name."
NO_TASK = "There is no kind of analysis named {name!r}: choose one of {names}."
NO_NAMES = "Objects of this kind of analysis have no classes: leave the names of the classes empty."
TWO_NAMES = "Name two classes at least, each once, in the order of their numbers from 0."
NOT_YOURS = "Only the account that made this result may give it as training data."
NOBODYS = "This result belongs to no account: keep it in your account first, under My results."
UNREVIEWED = "Confirm that you have checked every outline. Unchecked outlines cannot be used for training."
NO_CONSENT = "Agree that models may learn from this image, or leave it out."
NOT_DONE = "Only a finished result can be training data: wait until it is finished."
NOT_MEASURED = (
    "The image was taken for another kind, so its outlines were left out: measure it all the same, correct its"
    " outlines, and use that result."
)
OTHER_TASK = "This dataset is of {here}, and the result of {other}: choose a dataset of the same kind of analysis."
OTHER_CLASSES = "This dataset has the classes {here}, and the result {other}: choose a dataset of the same classes."
NO_REGION = (
    f"A rectangle is top, left, bottom and right in pixels, within the analysed image, {LEAST_SIDE_PX} px or more on"
    " each side."
)
NO_ARCHIVE = "Send a ZIP archive: images in one folder and their labels in another, or images and a COCO JSON file."
LARGE = "The archive has {size:,.0f} MB and the limit is {limit:,.0f} MB: make several archives."
# The number in a series at the end of a name: "a (3)", "a_03" or "a003", but not the one of "tio2".
SERIES_NUMBER = re.compile(r"(?:[\s_.\-]*\(\d+\)|[\s_.\-]+\d+|(?<=\D)\d{3,})$")


@transaction.atomic
def create_dataset(*, user: Any, name: str, task: str, class_names: Sequence[str] = (), **described: str) -> Dataset:
    """Make a dataset for an account.

    class_names: for a kind of analysis in which each pixel has a class; () means the classes of the
    first result. described: material, instrument, licence. Raises Refused.
    """
    check_may_train(user)
    task_by_name = {task.name: task for task in tasks.every()}
    if task not in task_by_name:
        raise Refused(NO_TASK.format(name=task, names=", ".join(task_by_name)), 422)
    names = [*filter(None, map(clean_text, class_names))]
    if names and not task_by_name[task].semantic:
        raise Refused(NO_NAMES, 422)
    if names and (len(set(names)) < max(2, len(names))):
        raise Refused(TWO_NAMES, 422)
    fields = _visible_texts({"name": name, **described})
    bounds.ask(Dataset, user=user)
    return Dataset.objects.create(owner=user, task=task, class_names=names, **fields)


@transaction.atomic
def change_dataset(*, dataset: Dataset, shared: bool | None = None, **described: str) -> None:
    """Change the description of a dataset, or share it with every account of this site. Raises
    Refused."""
    fields: dict[str, Any] = _visible_texts(described)
    if shared is not None:
        fields["shared"] = shared
    if not Dataset.objects.filter(pk=dataset.pk).update(**fields):
        raise Refused(DELETED, 404)
    dataset.refresh_from_db()


@with_disk_reserve
@transaction.atomic
def delete_dataset(*, dataset: Dataset) -> None:
    """Remove a dataset with all its files; models that were trained on it stay."""
    dataset.delete()


@transaction.atomic
def use_as_training_data(
    *,
    job: Job,
    dataset: Dataset,
    user: Any,
    consent: bool,
    reviewed: bool,
    region: Sequence[int] | None = None,
    group: str = "",
) -> DatasetImage:
    """Put the image of a finished result into a dataset; a worker then copies image and outlines.

    consent: whether models may learn from the image. reviewed: whether a person has checked every outline
    of the image, or of its `region` [top, left, bottom, right] in pixels. group: specimen or
    session; "" means `default_group`. An image is in a dataset only once: another result of it
    replaces the earlier one. Raises Refused.
    """
    check_may_train(user)
    lock(dataset, DELETED)
    if Job.objects.locked(job.pk) is None:
        raise Refused(GONE, 404)
    if job.owner_id != user.pk:
        raise Refused(NOT_YOURS if job.owner_id else NOBODYS, 403)
    _check_promises(consent, reviewed)
    _check_result(job, dataset)
    micrograph = job.micrograph
    fields = {
        "job": job,
        "width": micrograph.width,
        "height": micrograph.height,
        "nm_per_pixel": job.calibration.nm_per_pixel,
        "group": clean_text(group, SHOWN_NAME) or default_group(job),
        "region": _region(job, region),
        "by": user,
        "consented": timezone.now(),
        "labels": "",  # a worker writes them anew
        "labels_sha256": "",
        "error": "",
    }
    image = dataset.images.filter(sha256=micrograph.sha256).first()
    if image is None:
        bounds.ask(DatasetImage, of=dataset, **dataset.maker)
        image = DatasetImage(dataset=dataset, sha256=micrograph.sha256, name=unique_name(dataset, micrograph.name))
    for name, value in fields.items():
        setattr(image, name, value)
    image.save()
    _prepare(dataset)
    return image


@transaction.atomic
def group_image(*, image: DatasetImage, group: str) -> None:
    """Set the group (specimen or session) of an image; "" means the name of its file without suffix."""
    lock(image.dataset, DELETED)
    image.group = clean_text(group, SHOWN_NAME) or stem_of(image.name)
    if DatasetImage.objects.filter(pk=image.pk).exclude(group=image.group).update(group=image.group):
        _prepare(image.dataset)


@with_disk_reserve
@transaction.atomic
def remove_image(*, image: DatasetImage) -> None:
    """Take an image out of its dataset; its files are deleted, and no later training learns from it."""
    lock(image.dataset, DELETED)
    image.delete()
    _prepare(image.dataset)


def add_archive(*, dataset: Dataset, file: Any, user: Any, consent: bool, reviewed: bool) -> None:
    """Store a ZIP archive of images with labels; a worker then puts them into the dataset. Notes on
    earlier archives are removed.

    file: a Django `File`. consent, reviewed: as in `use_as_training_data`. Raises Refused (413 too
    large, 422 no archive, 429 too many, 507 no room); then nothing is stored.
    """
    check_may_train(user)
    _check_promises(consent, reviewed)
    limit = min(settings.DEEPSEGM_MAX_REQUEST_BYTES, settings.DEEPSEGM_MAX_ARCHIVE_MB * 2**20)
    if file.size > limit:
        raise Refused(LARGE.format(size=file.size / 2**20, limit=limit / 2**20), 413)
    sender = {"user": user, "visitor": None, "address": ""}
    bounds.ask(Arrival, size=file.size, **sender)
    if not is_zip(file):
        raise Refused(NO_ARCHIVE, 422)
    Arrival.objects.create(**Arrival.fields_of(**sender))
    entry = {"name": shown_name(file.name or ""), "size": file.size, "sha256": sha256_of_upload(file), "by": user.pk}
    entry["sent"] = timezone.now().isoformat()
    path = f"{dataset.folder}/incoming/{uuid4().hex}.zip"
    with undo_failed_storing(lambda: default_storage.delete(path)):
        entry["file"] = default_storage.save(path, file)
    with undo_on_failure(lambda: default_storage.delete(entry["file"])), transaction.atomic():
        lock(dataset, DELETED)
        waiting, summary = [*dataset.incoming, entry], {**dataset.summary, "notes": []}
        Dataset.objects.filter(pk=dataset.pk).update(incoming=waiting, summary=summary)
        _prepare(dataset)


@transaction.atomic
def check_again(*, dataset: Dataset) -> None:
    """Let a worker write images with errors again and check the dataset again."""
    lock(dataset, DELETED)
    dataset.images.exclude(error="").update(error="")
    _prepare(dataset)


def default_group(job: Job) -> str:
    """The group (specimen or session) that the form proposes for a result's image: in a sample by
    `groups_of`, otherwise the name of the image without its number in a series."""
    image = job.micrograph
    return groups_of(job.sample)[image.pk] if job.sample is not None else default_group_of(image.name)


def groups_of(sample: Sample) -> dict[Any, str]:
    """The group of each image of a sample, by the id of the image: the name of the sample and a text
    that differs between images.

    This text is the day of the image, otherwise the beginning of its name, otherwise its complete
    name, whichever first differs. (A training needs several groups, to test on some of them.)
    """
    images = Micrograph.objects.filter(jobs__sample=sample).distinct()
    for part_of in (
        lambda image: day_of(str(image.metadata.get("date", ""))),
        lambda image: default_group_of(image.name),
        lambda image: stem_of(image.name),
    ):
        parts = {image.pk: part_of(image) for image in images}
        if len(set(parts.values())) > 1:
            break
    else:
        parts = dict.fromkeys(parts, "")
    return {pk: ", ".join(filter(None, (sample.name, part)))[:SHOWN_NAME] for pk, part in parts.items()}


def default_group_of(name: str) -> str:
    """A file name without suffix and without its number in a series."""
    stem = stem_of(name)
    return SERIES_NUMBER.sub("", stem).strip() or stem


def stem_of(name: str) -> str:
    """A file name without its suffix."""
    return PurePosixPath(name).stem or name


def unique_name(dataset: Dataset, name: str) -> str:
    """A name for a new file in a dataset that all file systems allow, and whose stem differs from the
    stems of the other files."""
    clean = portable_name(shown_name(name))
    stems = {stem_of(other).casefold() for other in dataset.images.values_list("name", flat=True)}
    suffix = PurePosixPath(clean).suffix
    stem = unique = clean.removesuffix(suffix)[: SHOWN_NAME - 20]
    number = 1
    while unique.casefold() in stems:
        number += 1
        unique = f"{stem} ({number})"
    return f"{unique}{suffix}"


def publish_image(*, dataset: Dataset, image: DatasetImage, files: Mapping[str, Path], **fields: Any) -> None:
    """Store the files of an image that a worker has written ("image", "labels", "preview", "coco"), and
    remove earlier ones.

    fields: other fields of its row that change; fields that users have changed meanwhile stay.
    Raises `Superseded`, and Refused (507) if a new image from an archive exceeds the quota of the
    owner.
    """

    def remove() -> None:
        if not DatasetImage.objects.filter(pk=image.pk).exists():
            remove_folder(image.folder)

    size = sum(path.stat().st_size for path in files.values())
    if image._state.adding:  # a new image from the first archive, whose bytes will be freed
        freed = sum(archive["size"] for archive in dataset.incoming[:1])
        bounds.ask(DatasetImage, of=dataset, size=size - freed, **dataset.maker)
    with undo_on_failure(remove):
        names_in_storage = {name: _store(f"{image.folder}/{path.name}", path) for name, path in files.items()}
        file_fields = {name: names_in_storage[name] for name in ("image", "labels", "preview")}
        with transaction.atomic():
            dataset.change()
            values = {**fields, **file_fields, "size": size, "error": ""}
            for name, value in values.items():
                setattr(image, name, value)
            image.save(update_fields=None if image._state.adding else values)
    names = {PurePosixPath(name).name for name in names_in_storage.values()}
    try:
        for stored in set(default_storage.listdir(image.folder)[1]) - names:
            default_storage.delete(f"{image.folder}/{stored}")
    except OSError:
        logger.exception("The earlier files under %s could not be removed.", image.folder)


def store_check(*, image: DatasetImage, file: Path) -> None:
    """Store the file with the check of an image, and remove checks of earlier labels.

    A superseded attempt may call this, too: checks can be made again.
    """
    _store(f"{image.folder}/{file.name}", file)
    if not DatasetImage.objects.filter(pk=image.pk).exists():
        remove_folder(image.folder)
        return
    for name in default_storage.listdir(image.folder)[1]:
        if name.startswith(CHECK_PREFIX) and name != file.name:
            default_storage.delete(f"{image.folder}/{name}")


def remove_archive(*, dataset: Dataset, notes: Sequence[tuple[str, str]]) -> None:
    """Remove the first archive after its images were put into the dataset or refused. Raises
    `Superseded`.

    notes: (name, sentence) of each file that was left out. For the next archive deaths of workers are
    counted from 0.
    """
    archive = dataset.incoming[0]
    notes_of_archive = [{"archive": archive["name"], "name": name, "sentence": sentence} for name, sentence in notes]
    dataset.incoming, dataset.deaths = dataset.incoming[1:], 0
    dataset.summary = {**dataset.summary, "notes": [*dataset.summary.get("notes", []), *notes_of_archive]}
    dataset.change(incoming=dataset.incoming, summary=dataset.summary, deaths=0)
    default_storage.delete(archive["file"])


def publish_dataset(*, dataset: Dataset, summary: dict[str, Any]) -> None:
    """Store the outcome of checking a dataset and set it done; raises `Superseded`."""
    notes = dataset.summary.get("notes", [])
    dataset.finish(Dataset.State.DONE, summary={**summary, "notes": notes})


def coco_path(image: DatasetImage) -> str:
    """The path of the file with the COCO annotations of an image in the storage, beside the labels."""
    return str(PurePosixPath(image.labels.name).with_suffix(".json.gz"))


def _store(name: str, path: Path) -> str:
    """Store a file; returns its path. Its name depends on its content, so an existing file with the same
    size is equal; a file with another size was left by a crash."""
    if default_storage.exists(name):
        if default_storage.size(name) == path.stat().st_size:
            return name
        default_storage.delete(name)
    with path.open("rb") as opened:
        return default_storage.save(name, File(opened))


def _check_promises(consent: bool, reviewed: bool) -> None:
    """Raises Refused (422) if the user has not agreed, or has not checked the outlines."""
    if not reviewed:
        raise Refused(UNREVIEWED, 422)
    if not consent:
        raise Refused(NO_CONSENT, 422)


def _check_result(job: Job, dataset: Dataset) -> None:
    """Raises Refused if a result cannot be put into the dataset. A dataset without classes gets the
    classes of the result."""
    if not job.is_done:
        raise Refused(NOT_DONE, 409)
    if job.segmentation is None:
        raise Refused(NO_OUTLINES, 409)
    check_measured(job)
    if job.stored.is_refused:
        raise Refused(NOT_MEASURED, 409)
    task = tasks.find(job.get_settings().task)
    if task.name != dataset.task:
        raise Refused(OTHER_TASK.format(here=tasks.find(dataset.task).things, other=task.things), 422)
    if not task.semantic:
        return
    try:
        with job.segmentation.file.open("rb") as file, np.load(file, allow_pickle=False) as data:
            names = list(objects_in_file(data).class_names)
    except (OSError, ValueError, KeyError) as error:
        raise Refused(NO_OUTLINES, 409) from error
    if not dataset.class_names:
        dataset.class_names = names
        dataset.save(update_fields=["class_names"])
    if names != dataset.class_names:
        raise Refused(OTHER_CLASSES.format(here=", ".join(dataset.class_names), other=", ".join(names)), 422)


def _region(job: Job, requested: Sequence[int] | None) -> list[int] | None:
    """The checked region of an image, [top, left, bottom, right] in px without the data bar; None for
    the whole image. Raises Refused (422) if it is not within the image."""
    width, height = job.micrograph.width, job.micrograph.height
    rows = job.stored.used_value("data_bar") or height
    whole = [0, 0, rows, width]
    if requested is None:
        return whole if rows < height else None
    if len(requested) != 4:
        raise Refused(NO_REGION, 422)
    top, left, bottom, right = requested
    region = [top, left, min(bottom, rows) if bottom <= height else bottom, right]
    if not is_within(region, rows, width):
        raise Refused(NO_REGION, 422)
    return None if region == [0, 0, height, width] else region


def is_within(region: Sequence[int], rows: int, columns: int) -> bool:
    """Whether a region is within an image of this size, and not smaller than LEAST_SIDE_PX."""
    top, left, bottom, right = region
    return (
        min(top, left) >= 0 and bottom <= rows and right <= columns and min(bottom - top, right - left) >= LEAST_SIDE_PX
    )


def _visible_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """The texts without invisible characters, shortened if too long; raises Refused (422) for an empty
    name."""
    longest = {"name": SHOWN_NAME}
    cleaned = {name: clean_text(value, longest.get(name, LONGEST_TEXT)) for name, value in texts.items()}
    if cleaned.get("name") == "":
        raise Refused(UNNAMED, 422)
    return cleaned


def _prepare(dataset: Dataset) -> None:
    """Queue a dataset: a worker writes its changed images and checks it. A running attempt is
    superseded."""
    Dataset.objects.filter(pk=dataset.pk).update(**RESTART_FIELDS)
    enqueue_after_commit(dataset.pk, Dataset)
    dataset.state = Dataset.State.QUEUED
