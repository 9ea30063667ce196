"""The work on a training: from its row to its model.

The folder of the run stays after a killed attempt, so the next attempt on the same machine goes on
where it stopped. On another machine it begins again.
"""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from segmentation.core.learning.training_summary import TrainingSummary
from segmentation.core.network.cards import need_torch
from segmentation.core.tasks import find
from segmentation.learning.trainings import trained
from segmentation.learning.trainings.trained import check_training_images, remove_run, runs_folder
from segmentation.models import DatasetImage, Training
from segmentation.plain import storable
from segmentation.services.ground.callers import check_has_lab
from segmentation.services.ground.queue import WORK_KINDS
from segmentation.services.ground.refusal import Refused
from segmentation.services.upkeep.upkeep import MAX_DEATHS

from ..heartbeat import Progress
from ..processes.device import device_now
from ..reading.decoding import Killed
from .dataset_images import write_folder_dataset

logger = logging.getLogger(__name__)
RUN_KEEP_DAYS = 7  # for which the folder of a failed or cancelled training stays, so that it can be continued
DATASET_CHECK_SECONDS = 5.0  # between two checks whether an image was removed from the dataset
END_REPORT_SECONDS = 30.0  # between two changes of the stored expected end
LOADER_ERROR = "DataLoader worker"  # the beginning of torch's error if a process that prepares crops has died
CHANGED = "{name} or its outlines were changed after the training was asked for: ask for a new training."
OTHER_TASK = "The dataset shows {things}, and the model {model} is for {others}: choose a base model of the same kind."


def train(training: Training, progress: Progress, folder: Path) -> None:
    """Train a model with the images that the row names, store its progress, publish the model, and
    remove the folder of the run. Raises UserError, Killed, Refused."""
    check_has_lab()
    need_torch("A training")
    from segmentation.lab.training.adaptation import FILES, CannotWrite, Options, adapt, add_graph, add_images

    sweep_runs()
    work = runs_folder() / str(training.pk)
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    run = work / "run"
    report = TrainingReport(training, progress, run)
    try:
        check_training_images(training)
        _check_same_kind(training)
        trained.begin_version(training=training)
        data = _write_images(training, work, partial(progress, "fetching the images", 0.0))
        with _training_limits():
            summary = adapt(data, training.base, run, Options(**_options(training), data=str(training.dataset)), report)
            card = run / "final" / f"{trained.model_name_of(training)}.toml"
            add_images(card, [entry["sha256"] for entry in training.frozen])
            # It may fail for lack of memory, because the training still occupies much.
            if problem := add_graph(card):
                logger.warning(problem)
        pictures = [run / FILES / name for name in pictures_of(summary)]
        trained.publish_training(training=training, card=card, files=pictures, summary=storable(dict(summary)))
    except Refused:
        remove_run(training)
        raise
    except RuntimeError as error:
        if str(error).startswith(LOADER_ERROR):  # handled as if this process had been killed
            raise Killed(WORK_KINDS[Training].gave_up(MAX_DEATHS)) from error
        raise
    except CannotWrite as error:  # a library may report a full disk without an error number
        raise OSError(error.errno or errno.ENOSPC, str(error)) from error
    shutil.rmtree(work, ignore_errors=True)


class TrainingReport:
    """The report function for `adapt`: it stores stage, curve and expected end in the row, and new
    pictures in the storage."""

    def __init__(self, training: Training, progress: Progress, run: Path) -> None:
        self.training, self.progress, self.run = training, progress, run
        self.most_points = _point_count(training.summary)  # of the curve, in all attempts so far
        self.stored_counts: Any = None  # `counts` when the summary was stored last
        self.checked_at = self.end_stored_at = time.monotonic()

    def __call__(self, stage: str, fraction: float, summary: TrainingSummary, left: float | None) -> None:
        """Store new content of the summary at once, and check now and then whether the training may
        go on. left: seconds until the end."""
        from segmentation.lab.training.adaptation import FILES

        self.progress(stage, fraction)
        if time.monotonic() - self.checked_at > DATASET_CHECK_SECONDS:
            check_training_images(self.training)
            self.checked_at = time.monotonic()
        ends = None if left is None else timezone.now() + timedelta(seconds=left)
        # The machine may be more or less busy now.
        if ends and time.monotonic() - self.end_stored_at > END_REPORT_SECONDS:
            self.training.change(ends=ends)
            self.end_stored_at = time.monotonic()
        counts = len(summary.get("curve", [])), len(summary.get("pictures", [])), sorted(summary)
        if counts != self.stored_counts:
            self.stored_counts = counts
            points = _point_count(summary)
            files = [self.run / FILES / name for name in pictures_of(summary)]
            # Until a new attempt has come as far as the one before, the page shows the earlier
            # summary.
            update = {"summary": storable(dict(summary))} if points >= self.most_points else {}
            trained.report_training(
                training=self.training,
                pictures=[file for file in files if file.exists()],
                brings_progress=points > self.most_points,
                ends=ends,
                **update,
            )
            self.most_points = max(self.most_points, points)


def pictures_of(summary: TrainingSummary) -> list[str]:
    """The names of the pictures that a summary shows."""
    return [picture["file"] for picture in (*summary.get("pictures", []), *summary.get("images", []))]


def _point_count(summary: Any) -> int:
    """The number of points of the curve in a summary."""
    return len(summary.get("curve", []))


def _check_same_kind(training: Training) -> None:
    """Raises Refused if dataset and base model are of different kinds."""
    from segmentation.lab.training.adaptation import base_card

    card, dataset = base_card(training.base), training.dataset
    assert dataset
    if card.task != dataset.task:
        noun, others = find(dataset.task).things, find(card.task).things
        raise Refused(OTHER_TASK.format(things=noun, model=card.title, others=others))


def _options(training: Training) -> dict[str, Any]:
    """The arguments of `Options` without the data, from the options of the form."""
    options, dataset = training.options, training.dataset
    assert dataset
    title = str(options.get("title") or dataset.name)
    return {
        "name": trained.model_name_of(training),
        "title": f"{title}, version {training.version}",
        "version": str(training.version),
        "licence": dataset.licence or "of its owner",
        "learning_curve": bool(options.get("learning_curve")),
        "composed": bool(options.get("composed")),
        "device": device_now(),
        "threads": settings.DEEPSEGM_TRAINING_THREADS,
    }


def _write_images(training: Training, work: Path, report_alive: Callable[[], None]) -> Path:
    """The images of the training as a folder dataset, which is written once. Raises Refused if one
    was changed after the training was requested."""
    data = work / "data"
    if data.exists():
        return data
    partial_data = work / "data.part"
    shutil.rmtree(partial_data, ignore_errors=True)
    rows = {str(row.pk): row for row in DatasetImage.objects.filter(dataset=training.dataset)}
    chosen = []
    for entry in training.frozen:
        row = rows[entry["image"]]
        if (row.sha256, row.labels_sha256) != (entry["sha256"], entry["labels_sha256"]):
            raise Refused(CHANGED.format(name=entry["name"]))
        row.group, row.region = entry["group"], entry["region"]
        chosen.append(row)
    write_folder_dataset(chosen, partial_data, report_alive)
    os.replace(partial_data, data)
    return data


@contextmanager
def _training_limits() -> Iterator[None]:
    """A block with the memory limit and the threads of a training instead of those of an analysis.
    Processes that prepare crops may be started in it."""
    import torch

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = settings.DEEPSEGM_TRAINING_MEMORY_MB << 20
    if soft != resource.RLIM_INFINITY:  # only in a child of the pool
        resource.setrlimit(resource.RLIMIT_DATA, (min(limit, hard) if limit and hard >= 0 else limit or hard, hard))
    threads, process = torch.get_num_threads(), multiprocessing.current_process()
    is_daemonic, process.daemon = process.daemon, False
    torch.set_num_threads(settings.DEEPSEGM_TRAINING_THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        process.daemon = is_daemonic


def sweep_runs() -> None:
    """Remove the folders of trainings that are deleted, done, or ended more than RUN_KEEP_DAYS ago."""
    if not runs_folder().is_dir():
        return
    late = timezone.now() - timedelta(days=RUN_KEEP_DAYS)
    unfinished = Training.objects.exclude(state=Training.State.DONE).exclude(finished__lt=late)
    names = {str(pk) for pk in unfinished.values_list("pk", flat=True)}
    for folder in runs_folder().iterdir():
        if folder.name not in names:
            shutil.rmtree(folder, ignore_errors=True)
