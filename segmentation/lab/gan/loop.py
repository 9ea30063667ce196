"""What the stages share: loops that resume, keep to their time, and note what they see."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.network.runtime import Runtime
from ...core.pace import about, time_left
from ..files import write_picture, write_whole
from ..runs import CHECKPOINT, METRICS, State, add_row, load_state, read_rows, save_state, write_rows
from ..settings import BadRecipe
from .settings import CycleSettings, GanRecipe, OutlineSettings

SAMPLES, ORIGIN = "samples", "made_from.json"
SAMPLE_EVERY = 50  # pictures
Row = dict[str, Any]
Make = Callable[[int], tuple[Row, NDArray[np.uint8]]]
MAY_DIFFER = {"steps", "checkpoint", "fall"}  # of a stage's settings, between a checkpoint and its resumption


class Deadline:
    """When a stage has to stop. minutes: from now on; None is never."""

    def __init__(self, minutes: float | None = None) -> None:
        self.end = None if minutes is None else time.monotonic() + 60 * minutes

    def over(self) -> bool:
        return self.end is not None and time.monotonic() >= self.end


@dataclass(frozen=True)
class Work:
    """One run of the route: where its folders are, what it runs on, how long each stage may take."""

    recipe: GanRecipe
    out: Path
    base: Path
    device: torch.device
    minutes: float | None
    say: Callable[[str], None]

    @property
    def dtype(self) -> torch.dtype:
        """What the CycleGAN calculates in."""
        return Runtime(str(self.device), self.recipe.precision).torch_dtype()


class Trainer:
    """One stage's networks and what moves them. The n-th step depends on the seed, n and the state alone.

    parts: names of all that a checkpoint holds.
    """

    step = 0
    parts: tuple[str, ...]

    def advance(self) -> dict[str, float]:
        """One step; returns its losses by name, always the same names."""
        raise NotImplementedError

    def measure(self) -> dict[str, float]:
        """What the stage has learned, by name; always the same names."""
        raise NotImplementedError

    def picture(self) -> NDArray[np.uint8]:
        """(H, W) samples to look at."""
        raise NotImplementedError


def move(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step of the optimiser against the loss."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def run_steps(
    work: Work,
    stage: str,
    settings: OutlineSettings | CycleSettings,
    deadline: Deadline,
    begin: Callable[[], Trainer],
) -> bool:
    """Advance what `begin` makes to the last step, from the checkpoint where there is one; whether it was reached.

    Each checkpoint adds a row to metrics.csv and a picture to samples/. A checkpoint is also made when the time is up.
    Raises BadRecipe where the stage was begun with other settings.
    """
    folder, entries = work.out / stage, settings.model_dump()
    state = _state_of(folder, entries)
    if state and state["step"] >= settings.steps:
        work.say(f"{stage}: finished before")
        return True
    (folder / SAMPLES).mkdir(parents=True, exist_ok=True)
    trainer = begin()
    if state:
        trainer.step = state["step"]
        for name in trainer.parts:
            getattr(trainer, name).load_state_dict(state[name])
        work.say(f"{stage}: resuming at step {trainer.step}")
    write_rows(folder / METRICS, read_rows(folder / METRICS, trainer.step))
    losses: list[dict[str, float]] = []
    began = time.monotonic()
    while trainer.step < settings.steps and not deadline.over():
        losses.append(trainer.advance())
        if trainer.step % settings.checkpoint == 0 or trainer.step == settings.steps or deadline.over():
            seconds = (time.monotonic() - began) / len(losses)
            said = _note(trainer, folder, losses, seconds)
            left = f", {about(seconds * (settings.steps - trainer.step))} left" if trainer.step < settings.steps else ""
            work.say(f"{stage} {trainer.step}/{settings.steps}  {said}  {seconds:.2f} s/step{left}")
            parts = {name: getattr(trainer, name).state_dict() for name in trainer.parts}
            save_state({"settings": entries, "step": trainer.step, **parts}, folder / CHECKPOINT)
            losses, began = [], time.monotonic()
    return trainer.step >= settings.steps


def _state_of(folder: Path, settings: dict[str, Any]) -> State:
    """A stage's checkpoint, {} without one; raises BadRecipe where it was made with other settings."""
    if not (folder / CHECKPOINT).exists():
        return {}
    state = load_state(folder / CHECKPOINT)
    refuse_others(state["settings"], settings, folder)
    return state


def refuse_others(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """Raise BadRecipe where a checkpoint's settings differ from the recipe's in what may not differ."""
    for name in old.keys() | new.keys():
        if name not in MAY_DIFFER and old.get(name) != new.get(name):
            raise BadRecipe(
                f"{folder} was begun with {name} = {old.get(name)!r}, the recipe now says {new.get(name)!r}: "
                "take the old recipe or another RUN."
            )


def _note(trainer: Trainer, folder: Path, losses: list[dict[str, float]], seconds: float) -> str:
    """Write a row and a picture; returns the row for people."""
    means = {name: sum(row[name] for row in losses) / len(losses) for name in losses[0]}
    if not np.isfinite(list(means.values())).all():
        raise BadRecipe(
            f"The losses of {folder.name} are no numbers any more at step {trainer.step}: lower its learning_rate."
        )
    row = {**means, **trainer.measure()}
    add_row(folder / METRICS, {"step": trainer.step, **row, "seconds_per_step": seconds})
    write_picture(folder / SAMPLES / f"{trainer.step:06d}.png", trainer.picture())
    return "  ".join(f"{name} {value:.3f}" for name, value in row.items())


def shade(values: NDArray[np.float32] | torch.Tensor) -> NDArray[np.uint8]:
    """Values from -1 to 1 as grey 0..255."""
    array = values.detach().float().cpu().numpy() if isinstance(values, torch.Tensor) else values
    return np.rint((np.clip(array, -1, 1) + 1) * 127.5).astype(np.uint8)


def make_pictures(
    work: Work,
    stage: str,
    kinds: tuple[str, ...],
    origin: dict[str, Any],
    count: int,
    deadline: Deadline,
    begin: Callable[[], Make],
) -> bool:
    """Make as many pictures as are not there yet; whether the end was reached.

    Those made from something else (an earlier state of the stage before, other settings) are removed first. kinds:
    folders. What `begin` returns writes the files of a number, and gives its row of metrics.csv and a picture to look
    at.
    """
    folder = work.out / stage
    for kind in (*kinds, SAMPLES):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    if read_json(folder / ORIGIN) != json.loads(json.dumps(origin)):
        old = [f for kind in (*kinds, SAMPLES) for f in numbered(folder / kind)]
        if old:
            work.say(f"{stage}: {len(old)} pictures of another origin are removed")
        for picture in (*old, folder / METRICS):
            picture.unlink(missing_ok=True)
        write_whole(folder / ORIGIN, json.dumps(origin, indent=2).encode())
    rows = read_rows(folder / METRICS)
    write_rows(folder / METRICS, rows)  # without what a kill left half written
    if len(rows) >= count:
        work.say(f"{stage}: finished before")
        return True
    make, began = begin(), time.monotonic()
    for number in range(len(rows), count):
        if deadline.over():
            return False
        row, sample = make(number)
        add_row(folder / METRICS, {"number": number + 1, **row})
        if number % SAMPLE_EVERY == 0 or number == count - 1:
            write_picture(folder / SAMPLES / f"{number:06d}.png", sample)
            told = "  ".join(f"{name} {value}" for name, value in row.items())
            left = time_left(began, number + 1 - len(rows), count - len(rows))
            work.say(f"{stage} {number + 1}/{count}  {told}{left}")
    return True


def read_json(file: Path) -> Row:
    """The table in a JSON file; empty where there is none or it is damaged."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def numbered(folder: Path) -> list[Path]:
    """The pictures of a folder in their order."""
    return sorted(folder.glob("[0-9]*.png"))
