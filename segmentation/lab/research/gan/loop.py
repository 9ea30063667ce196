"""Shared by the stages of the GAN route: `train_stage` trains networks, `make_pictures` makes numbered pictures. Both
continue where an earlier run was stopped."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ....core.network.runtime import Runtime
from ....core.network.with_torch import dtype_of
from ....core.stages.pace import time_left
from ...training import runs
from ...training.contract import Field, Picture, Say
from ...training.files import write_picture, write_whole
from .settings import CycleSettings, GanRecipe, OutlineSettings

SAMPLES = "samples"  # folder of pictures by which a person judges the stage
ORIGIN = "made_from.json"  # settings and states from which the pictures of a stage were made
SAMPLE_EVERY = 50  # pictures
Figures = dict[str, Any]  # a row of metrics.csv, or the table in a JSON file
# Makes the picture with a number; returns its row of metrics.csv and a picture for the folder SAMPLES.
MakePicture = Callable[[int], tuple[Figures, Picture]]
MAY_DIFFER = {"steps", "checkpoint", "fall"}  # settings of a stage that may be changed before it is resumed


def deadline(minutes: float | None = None) -> Callable[[], bool]:
    """A function that returns whether `minutes` have passed since this call; without minutes always False."""
    end = math.inf if minutes is None else time.monotonic() + 60 * minutes
    return lambda: time.monotonic() >= end


@dataclass(frozen=True)
class Work:
    """One run of the GAN route. out: holds a folder for each stage. base: the paths of the recipe are relative to it.
    minutes: how long each stage may take, None for no limit."""

    recipe: GanRecipe
    out: Path
    base: Path
    device: torch.device
    minutes: float | None
    say: Say

    @property
    def dtype(self) -> torch.dtype:
        """The number format in which the CycleGAN calculates."""
        return dtype_of(Runtime(str(self.device), self.recipe.precision))


class GanTrainer:
    """The networks and optimisers of one stage; `advance` makes a training step (see `runs.Trainer`).

    A step depends only on the seed, its number and the state. parts: names of the attributes that a checkpoint holds.
    """

    step = 0
    parts: tuple[str, ...]

    def measure(self) -> dict[str, float]:
        """Measures of what the stage has learned, by name; always the same names."""
        raise NotImplementedError

    def picture(self) -> Picture:
        """(H, W) uint8: samples of what the networks make now."""
        raise NotImplementedError


def step_optimiser(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Make one step of the optimiser that lowers the loss."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def train_stage(
    work: Work,
    stage: str,
    settings: OutlineSettings | CycleSettings,
    time_is_up: Callable[[], bool],
    begin: Callable[[], GanTrainer],
) -> bool:
    """Train a stage from its checkpoint, or from the start; returns whether the last step was reached.

    begin: makes the trainer. Each checkpoint adds a row to metrics.csv and a picture to samples/. Raises BadRecipe if
    the stage was begun with other settings.
    """
    folder, steps = work.out / stage, settings.steps
    state = checkpoint_of(folder, settings) if (folder / runs.CHECKPOINT).exists() else {}
    if state and state["step"] >= steps:
        work.say(f"{stage}: finished before")
        return True
    (folder / SAMPLES).mkdir(parents=True, exist_ok=True)
    trainer = begin()
    if state:
        runs.restore(trainer, state, folder / runs.CHECKPOINT)
        work.say(f"{stage}: resuming at step {trainer.step}")
    runs.write_rows(folder / runs.METRICS, runs.read_rows(folder / runs.METRICS, trainer.step))

    def at_checkpoint(losses: dict[str, float], seconds: float) -> None:
        row = {**losses, **trainer.measure()}
        runs.add_row(folder / runs.METRICS, {"step": trainer.step, **row, "seconds_per_step": seconds})
        write_picture(folder / SAMPLES / f"{trainer.step:06d}.png", trainer.picture())
        figures = "  ".join(f"{name} {value:.3f}" for name, value in row.items())
        work.say(f"{stage} {trainer.step}/{steps}  {figures}  {runs.pace(seconds, trainer.step, steps)}")
        runs.save_checkpoint(trainer, folder / runs.CHECKPOINT, settings=settings.model_dump())

    runs.run_steps(
        trainer,
        every=settings.checkpoint,
        ends=[steps],
        is_over=lambda: trainer.step >= steps,
        time_is_up=time_is_up,
        at_checkpoint=at_checkpoint,
    )
    return trainer.step >= steps


def checkpoint_of(folder: Path, settings: OutlineSettings | CycleSettings) -> runs.State:
    """A stage's checkpoint; raises BadRecipe if it was made with other settings."""
    state = runs.load_state(folder / runs.CHECKPOINT)
    runs.refuse_changes(state["settings"], settings.model_dump(), MAY_DIFFER, folder)
    return state


def to_grey(values: Field | torch.Tensor) -> Picture:
    """Values from -1 to 1 as grey 0..255."""
    array = values.detach().float().cpu().numpy() if isinstance(values, torch.Tensor) else values
    return np.rint((np.clip(array, -1, 1) + 1) * 127.5).astype(np.uint8)


def make_pictures(
    work: Work,
    stage: str,
    folders: tuple[str, ...],
    origin: dict[str, Any],
    count: int,
    time_is_up: Callable[[], bool],
    begin: Callable[[], MakePicture],
) -> bool:
    """Make the pictures of a stage that are missing; returns whether all `count` are there.

    folders: names of the folders of the stage that hold its pictures. origin: what the pictures are made from; pictures
    of another origin (other settings, an earlier state of the stage before) are removed first. begin: returns the
    function that writes the files of a number, and returns its row of metrics.csv and a picture for samples/. A row is
    added after the files of its number, so the number of rows is the number of finished pictures.
    """
    folder = work.out / stage
    for name in (*folders, SAMPLES):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if read_json(folder / ORIGIN) != json.loads(json.dumps(origin)):
        old = [f for name in (*folders, SAMPLES) for f in numbered_pictures(folder / name)]
        if old:
            work.say(f"{stage}: {len(old)} pictures of another origin are removed")
        for picture in (*old, folder / runs.METRICS):
            picture.unlink(missing_ok=True)
        write_whole(folder / ORIGIN, json.dumps(origin, indent=2).encode())
    rows = runs.read_rows(folder / runs.METRICS)
    runs.write_rows(folder / runs.METRICS, rows)  # without a row that was half written when the process was killed
    if len(rows) >= count:
        work.say(f"{stage}: finished before")
        return True
    make, start_time = begin(), time.monotonic()
    for number in range(len(rows), count):
        if time_is_up():
            return False
        row, sample = make(number)
        runs.add_row(folder / runs.METRICS, {"number": number + 1, **row})
        if number % SAMPLE_EVERY == 0 or number == count - 1:
            write_picture(folder / SAMPLES / f"{number:06d}.png", sample)
            figures = "  ".join(f"{name} {value}" for name, value in row.items())
            time_note = time_left(start_time, number + 1 - len(rows), count - len(rows))
            work.say(f"{stage} {number + 1}/{count}  {figures}{time_note}")
    return True


def read_json(file: Path) -> Figures:
    """The table in a JSON file; empty if the file is missing or damaged."""
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def numbered_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their numbers, which have leading zeros."""
    return sorted(folder.glob("[0-9]*.png"))
