"""A training from its row to its model. Its run folder outlives attempts: after a kill it goes on where it stopped,
with a bucket also on another machine."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import shutil
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.utils import timezone

from segmentation import services
from segmentation.models import DatasetImage, Training
from segmentation.plain import plain
from segmentation.services.kinds import KINDS
from segmentation.services.trained import check_given, forget_run, runs_folder
from segmentation.services.upkeep import MAX_DEATHS

from .datasets import lay_out
from .inspection import Killed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmentation.core.learning import TrainingSummary

Progress = Callable[[str, float], None]
KEPT_DAYS = 7  # for which the run of a failed or cancelled training is kept, so that it may go on
MIRROR_SECONDS = 10.0
LOOK_SECONDS = 5.0  # from one look at what was taken back to the next
LOADER = "DataLoader worker"  # begins what torch says of a process that prepares crops and is gone
LAST = ("checkpoint.pt", "done", "plan.json")  # copied after what they rest on
CHANGED = "{name} or its outlines were changed after the training was asked for: ask for a new training."
OTHER_TASK = "The dataset shows {things}, and the model {model} is for {others}: choose a base model of the same kind."


def train(training: Training, progress: Progress, folder: Path) -> None:
    """Train on the frozen images, report on the way, and publish; raises UserError where that cannot be."""
    from segmentation.lab.adaptation import FILES, Options, adapt
    from segmentation.lab.files import CannotWrite
    from segmentation.lab.publish import add_images

    sweep_runs()
    place = runs_folder() / str(training.pk)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    run = place / "run"
    told = Told(training, progress, run)
    try:
        check_given(training)
        _check(training)
        services.begin_version(training=training)
        if settings.DEEPSEGM_BUCKET and not run.exists():
            fetch_run(training, run)
        data = _data(training, place, partial(progress, "fetching the images", 0.0))
        with _own_limits():
            summary = adapt(data, training.base, run, Options(**_options(training), data=str(training.dataset)), told)
        name = services.model_name_of(training)
        card = run / "final" / f"{name}.toml"
        add_images(card, [entry["sha256"] for entry in training.frozen])
        pictures = [run / FILES / name for name in pictures_of(summary)]
        services.publish_training(training=training, card=card, files=pictures, summary=plain(dict(summary)))
    except services.Refused:
        forget_run(training)
        raise
    except RuntimeError as error:
        if str(error).startswith(LOADER):  # somebody killed a process that prepares crops: go on as after any kill
            raise Killed(KINDS[Training].gave_up(MAX_DEATHS)) from error
        raise
    except CannotWrite as error:  # says by itself that the disk is full, but not in a number
        raise OSError(error.errno or errno.ENOSPC, str(error)) from error
    shutil.rmtree(place, ignore_errors=True)
    if settings.DEEPSEGM_BUCKET:
        services.files.remove_folder(f"{training.folder}/run")


class Told:
    """What `adapt` says, told to the row: stage, curve, time left; and new pictures to the storage."""

    def __init__(self, training: Training, progress: Progress, run: Path) -> None:
        self.training, self.progress, self.run = training, progress, run
        self.most = _points(training.summary)
        self.said: Any = None
        self.looked = self.mirrored = time.monotonic()
        self.copied = dict[str, tuple[int, int]]()

    def __call__(self, stage: str, fraction: float, summary: TrainingSummary, left: float | None) -> None:
        from segmentation.lab.adaptation import FILES

        self.progress(stage, fraction)
        if time.monotonic() - self.looked > LOOK_SECONDS:
            check_given(self.training)
            self.looked = time.monotonic()
        now = len(summary.get("curve", [])), len(summary.get("pictures", [])), sorted(summary)
        if now != self.said:
            self.said = now
            points = _points(summary)
            files = [self.run / FILES / name for name in pictures_of(summary)]
            # Early in a new attempt the page goes on showing what the one before had come to.
            shown = {"summary": plain(dict(summary))} if points >= self.most else {}
            services.report_training(
                training=self.training,
                pictures=[file for file in files if file.exists()],
                brings_progress=points > self.most,
                ends=None if left is None else timezone.now() + timedelta(seconds=left),
                **shown,
            )
            self.most = max(self.most, points)
        if settings.DEEPSEGM_BUCKET and time.monotonic() - self.mirrored > MIRROR_SECONDS:
            mirror_run(self.training, self.run, self.copied)
            self.mirrored = time.monotonic()


def pictures_of(summary: TrainingSummary) -> list[str]:
    """The names of the pictures that a summary shows."""
    return [each["file"] for each in (*summary.get("pictures", []), *summary.get("images", []))]


def _points(summary: Any) -> int:
    return len(summary.get("curve", []))


def _check(training: Training) -> None:
    """Raises Refused where dataset and base model are of two kinds."""
    from segmentation.core.tasks import find
    from segmentation.lab.pretrained import base_card

    card, dataset = base_card(training.base), training.dataset
    assert dataset
    if card.task != dataset.task:
        things, others = find(dataset.task).things, find(card.task).things
        raise services.Refused(OTHER_TASK.format(things=things, model=card.title, others=others))


def _options(training: Training) -> dict[str, Any]:
    """Of `adapt`, from what the form asked."""
    asked, dataset = training.options, training.dataset
    assert dataset
    title = str(asked.get("title") or dataset.name)
    return {
        "name": services.model_name_of(training),
        "title": f"{title}, version {training.version}",
        "version": str(training.version),
        "licence": dataset.licence or "of its owner",
        "learning_curve": bool(asked.get("learning_curve")),
        "device": settings.DEEPSEGM_DEVICE,
        "threads": settings.DEEPSEGM_TRAINING_THREADS,
    }


def _data(training: Training, place: Path, alive: Callable[[], None]) -> Path:
    """The frozen images as a folder dataset, laid out once; raises Refused where one was changed before."""
    data = place / "data"
    if data.exists():
        return data
    aside = place / "data.part"
    shutil.rmtree(aside, ignore_errors=True)
    rows = {str(row.pk): row for row in DatasetImage.objects.filter(dataset=training.dataset)}
    chosen = []
    for entry in training.frozen:
        row = rows[entry["image"]]
        if (row.sha256, row.labels_sha256) != (entry["sha256"], entry["labels_sha256"]):
            raise services.Refused(CHANGED.format(name=entry["name"]))
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
    before, own = torch.get_num_threads(), multiprocessing.process.current_process()
    daemonic = own._config.pop("daemon", None)  # type: ignore[attr-defined]
    torch.set_num_threads(settings.DEEPSEGM_TRAINING_THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        if daemonic is not None:
            own._config["daemon"] = daemonic  # type: ignore[attr-defined]


def sweep_runs() -> None:
    """Remove the runs of trainings that are deleted, done, or ended a while ago."""
    if not runs_folder().is_dir():
        return
    late = timezone.now() - timedelta(days=KEPT_DAYS)
    live = Training.objects.exclude(state=Training.State.DONE).exclude(finished__lt=late)
    known = {str(pk) for pk in live.values_list("pk", flat=True)}
    for folder in runs_folder().iterdir():
        if folder.name not in known:
            shutil.rmtree(folder, ignore_errors=True)


def mirror_run(training: Training, run: Path, copied: dict[str, tuple[int, int]]) -> None:
    """Copy what is new in a run to the storage, so that another machine may go on with it. Files that are only read
    back with `pickle` stay: the other machine makes them again.

    copied: time and size of what is there.
    """
    files = [file for file in run.rglob("*") if file.is_file() and not file.name.startswith(".")]
    for file in sorted(files, key=lambda file: (file.name in LAST, file.name)):
        name = file.relative_to(run)
        if file.parent.name in ("before", "heldout") or name.parts[0] == "trial" or file.stem.startswith("examples-"):
            continue
        facts = file.stat()
        if copied.get(str(name)) == (facts.st_mtime_ns, facts.st_size):
            continue
        stored = f"{training.folder}/run/{name}"
        if default_storage.exists(stored):
            default_storage.delete(stored)
        with file.open("rb") as opened:
            default_storage.save(stored, File(opened))
        copied[str(name)] = facts.st_mtime_ns, facts.st_size


def fetch_run(training: Training, run: Path) -> None:
    """The run as another machine left it in the storage; nothing where there is none."""
    aside = run.with_name("run.part")
    shutil.rmtree(aside, ignore_errors=True)
    _fetch(f"{training.folder}/run", aside)
    if aside.exists():
        os.replace(aside, run)


def _fetch(stored: str, place: Path) -> None:
    try:
        folders, names = default_storage.listdir(stored)
    except FileNotFoundError:
        return
    for name in filter(None, names):
        place.mkdir(parents=True, exist_ok=True)
        with default_storage.open(f"{stored}/{name}", "rb") as source, (place / name).open("wb") as copy:
            shutil.copyfileobj(source, copy, 2**20)
    for name in filter(None, folders):
        _fetch(f"{stored}/{name}", place / name)
