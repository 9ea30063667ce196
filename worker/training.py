"""A training from its row to its model. Its run folder outlives attempts: after a kill it goes on where it stopped. On
another machine it begins again."""

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

from segmentation.core.learning import TrainingSummary
from segmentation.core.network.cards import need_torch
from segmentation.core.tasks import find
from segmentation.models import DatasetImage, Training
from segmentation.plain import storable
from segmentation.services.ground.callers import check_has_lab
from segmentation.services.ground.queue import KINDS
from segmentation.services.ground.refusal import Refused
from segmentation.services.learning import trained
from segmentation.services.learning.trained import check_given, forget_run, runs_folder
from segmentation.services.upkeep.upkeep import MAX_DEATHS

from .dataset_images import lay_out
from .heartbeat import Progress
from .inspection import Killed

logger = logging.getLogger(__name__)
KEPT_DAYS = 7  # for which the run of a failed or cancelled training is kept, so that it may go on
LOOK_SECONDS = 5.0  # from one look at what was taken back to the next
TOLD_SECONDS = 30.0  # from one correction of the time left to the next
LOADER = "DataLoader worker"  # begins what torch says of a process that prepares crops and is gone
CHANGED = "{name} or its outlines were changed after the training was asked for: ask for a new training."
OTHER_TASK = "The dataset shows {things}, and the model {model} is for {others}: choose a base model of the same kind."


def train(training: Training, progress: Progress, folder: Path) -> None:
    """Train on the frozen images, report on the way, publish, and remove the run folder; raises UserError, Killed."""
    check_has_lab()
    need_torch("A training")
    from segmentation.lab.training.adaptation import FILES, CannotWrite, Options, adapt, add_graph, add_images

    sweep_runs()
    work = runs_folder() / str(training.pk)
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    run = work / "run"
    report = TrainingReport(training, progress, run)
    try:
        check_given(training)
        _check_material(training)
        trained.begin_version(training=training)
        data = _data(training, work, partial(progress, "fetching the images", 0.0))
        with _own_limits():
            summary = adapt(data, training.base, run, Options(**_options(training), data=str(training.dataset)), report)
            card = run / "final" / f"{trained.model_name_of(training)}.toml"
            add_images(card, [entry["sha256"] for entry in training.frozen])
            if problem := add_graph(card):  # what the training has taken is more than an analysis may have
                logger.warning(problem)
        pictures = [run / FILES / name for name in pictures_of(summary)]
        trained.publish_training(training=training, card=card, files=pictures, summary=storable(dict(summary)))
    except Refused:
        forget_run(training)
        raise
    except RuntimeError as error:
        if str(error).startswith(LOADER):  # somebody killed a process that prepares crops: go on as after any kill
            raise Killed(KINDS[Training].gave_up(MAX_DEATHS)) from error
        raise
    except CannotWrite as error:  # says by itself that the disk is full, but not in a number
        raise OSError(error.errno or errno.ENOSPC, str(error)) from error
    shutil.rmtree(work, ignore_errors=True)


class TrainingReport:
    """What `adapt` says, told to the row: stage, curve, time left; and new pictures to the storage."""

    def __init__(self, training: Training, progress: Progress, run: Path) -> None:
        self.training, self.progress, self.run = training, progress, run
        self.most_points = _points(training.summary)
        self.reported: Any = None
        self.looked = self.end_reported = time.monotonic()

    def __call__(self, stage: str, fraction: float, summary: TrainingSummary, left: float | None) -> None:
        """Tell the row at once what is new, and ask now and then whether the training may go on."""
        from segmentation.lab.training.adaptation import FILES

        self.progress(stage, fraction)
        if time.monotonic() - self.looked > LOOK_SECONDS:
            check_given(self.training)
            self.looked = time.monotonic()
        ends = None if left is None else timezone.now() + timedelta(seconds=left)
        if ends and time.monotonic() - self.end_reported > TOLD_SECONDS:  # it may be busy or free by now
            self.training.change(ends=ends)
            self.end_reported = time.monotonic()
        now = len(summary.get("curve", [])), len(summary.get("pictures", [])), sorted(summary)
        if now != self.reported:
            self.reported = now
            points = _points(summary)
            files = [self.run / FILES / name for name in pictures_of(summary)]
            # Early in a new attempt the page goes on showing what the one before had come to.
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


def _points(summary: Any) -> int:
    return len(summary.get("curve", []))


def _check_material(training: Training) -> None:
    """Raises Refused where dataset and base model are of two kinds."""
    from segmentation.lab.training.adaptation import base_card

    card, dataset = base_card(training.base), training.dataset
    assert dataset
    if card.task != dataset.task:
        noun, others = find(dataset.task).things, find(card.task).things
        raise Refused(OTHER_TASK.format(things=noun, model=card.title, others=others))


def _options(training: Training) -> dict[str, Any]:
    """The arguments of `Options` but the data, from what the form asked."""
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
        "device": settings.DEEPSEGM_DEVICE,
        "threads": settings.DEEPSEGM_TRAINING_THREADS,
    }


def _data(training: Training, work: Path, alive: Callable[[], None]) -> Path:
    """The frozen images as a folder dataset, laid out once; raises Refused where one was changed before."""
    data = work / "data"
    if data.exists():
        return data
    aside = work / "data.part"
    shutil.rmtree(aside, ignore_errors=True)
    rows = {str(row.pk): row for row in DatasetImage.objects.filter(dataset=training.dataset)}
    chosen = []
    for entry in training.frozen:
        row = rows[entry["image"]]
        if (row.sha256, row.labels_sha256) != (entry["sha256"], entry["labels_sha256"]):
            raise Refused(CHANGED.format(name=entry["name"]))
        row.group, row.region = entry["group"], entry["region"]
        chosen.append(row)
    lay_out(chosen, aside, alive)
    os.replace(aside, data)
    return data


@contextmanager
def _own_limits() -> Iterator[None]:
    """Memory and threads are those of a training, not of an analysis. Processes may be started to prepare crops."""
    import torch

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = settings.DEEPSEGM_TRAINING_MEMORY_MB << 20
    if soft != resource.RLIM_INFINITY:  # a child of the pool
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
    """Remove the runs of trainings that are deleted, done, or ended a while ago."""
    if not runs_folder().is_dir():
        return
    late = timezone.now() - timedelta(days=KEPT_DAYS)
    live = Training.objects.exclude(state=Training.State.DONE).exclude(finished__lt=late)
    names = {str(pk) for pk in live.values_list("pk", flat=True)}
    for folder in runs_folder().iterdir():
        if folder.name not in names:
            shutil.rmtree(folder, ignore_errors=True)
