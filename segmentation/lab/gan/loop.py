"""What the trained stages share: a loop that checkpoints, resumes, keeps to its time and notes what it sees."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..files import write_picture, write_whole
from ..runs import CHECKPOINT, METRICS, add_row, load_state, read_rows, save_state, write_rows
from ..settings import BadRecipe

Say = Callable[[str], None]
SAMPLES, ORIGIN = "samples", "made_from.json"
SAMPLE_EVERY = 50  # pictures
Row = dict[str, Any]
MAY_DIFFER = {"steps", "checkpoint", "fall"}  # of a stage's settings, between a checkpoint and its resumption


class Deadline:
    """When a stage has to stop. minutes: from now on; None is never."""

    def __init__(self, minutes: float | None = None) -> None:
        self.end = None if minutes is None else time.monotonic() + 60 * minutes

    def over(self) -> bool:
        return self.end is not None and time.monotonic() >= self.end


class Trainer(Protocol):
    """One stage's networks and what moves them. The n-th step depends on the seed, n and the state alone.

    parts: names of all that a checkpoint holds.
    """

    step: int
    parts: tuple[str, ...]

    def advance(self) -> dict[str, float]:
        """One step; returns its losses by name, always the same names."""
        ...

    def measure(self) -> dict[str, float]:
        """What the stage has learned, by name; always the same names."""
        ...

    def picture(self) -> NDArray[np.uint8]:
        """(H, W) samples to look at."""
        ...


def run_steps(
    trainer: Trainer, folder: Path, settings: dict[str, Any], steps: int, every: int, deadline: Deadline, say: Say
) -> bool:
    """Advance to `steps`, from `folder`'s checkpoint where there is one; whether the end was reached.

    Each checkpoint adds a row to metrics.csv and a picture to samples/. A checkpoint is also made when the time is up.
    settings: of the stage; a checkpoint made with others is refused with BadRecipe.
    """
    (folder / SAMPLES).mkdir(parents=True, exist_ok=True)
    _resume(trainer, folder, settings, say)
    losses: list[dict[str, float]] = []
    began = time.monotonic()
    while trainer.step < steps and not deadline.over():
        losses.append(trainer.advance())
        if trainer.step % every == 0 or trainer.step == steps or deadline.over():
            seconds = (time.monotonic() - began) / len(losses)
            _note(trainer, folder, losses, seconds, f"{folder.name} {trainer.step}/{steps}", say)
            state = {name: getattr(trainer, name).state_dict() for name in trainer.parts}
            save_state({"settings": settings, "step": trainer.step, **state}, folder / CHECKPOINT)
            losses, began = [], time.monotonic()
    return trainer.step >= steps


def _resume(trainer: Trainer, folder: Path, settings: dict[str, Any], say: Say) -> None:
    file = folder / CHECKPOINT
    if file.exists():
        state = load_state(file)
        refuse_others(state["settings"], settings, folder)
        trainer.step = state["step"]
        for name in trainer.parts:
            getattr(trainer, name).load_state_dict(state[name])
        say(f"{folder.name}: resuming at step {trainer.step}")
    write_rows(folder / METRICS, read_rows(folder / METRICS, trainer.step))


def refuse_others(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """Raise BadRecipe where a checkpoint's settings differ from the recipe's in what may not differ."""
    for name in old.keys() | new.keys():
        if name not in MAY_DIFFER and old.get(name) != new.get(name):
            raise BadRecipe(
                f"{folder} was begun with {name} = {old.get(name)!r}, the recipe now says {new.get(name)!r}: "
                "take the old recipe or another RUN."
            )


def _note(trainer: Trainer, folder: Path, losses: list[dict[str, float]], seconds: float, where: str, say: Say) -> None:
    means = {name: sum(row[name] for row in losses) / len(losses) for name in losses[0]}
    if not np.isfinite(list(means.values())).all():
        raise BadRecipe(
            f"The losses of {folder.name} are no numbers any more at step {trainer.step}: lower its learning_rate."
        )
    row = {**means, **trainer.measure()}
    add_row(folder / METRICS, {"step": trainer.step, **row, "seconds_per_step": seconds})
    save_array(trainer.picture(), folder / SAMPLES / f"{trainer.step:06d}.png")
    say(f"{where}  " + "  ".join(f"{name} {value:.3f}" for name, value in row.items()) + f"  {seconds:.2f} s/step")


def save_array(picture: NDArray[np.uint8] | NDArray[np.uint16], file: Path) -> None:
    """A PNG, whole or not there at all."""
    write_picture(file, Image.fromarray(picture))


def sheet(rows: Iterable[Iterable[NDArray[np.uint8]]], gap: int = 2) -> NDArray[np.uint8]:
    """Pictures of one size (h, w) uint8 side by side in rows, `gap` px of grey between them."""

    def padded(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.pad(picture, gap, constant_values=128)

    return np.concatenate([np.concatenate([padded(picture) for picture in row], axis=1) for row in rows])


def shade(values: NDArray[np.float32] | torch.Tensor) -> NDArray[np.uint8]:
    """Values from -1 to 1 as grey 0..255."""
    array = values.detach().float().cpu().numpy() if isinstance(values, torch.Tensor) else values
    return np.rint((np.clip(array, -1, 1) + 1) * 127.5).astype(np.uint8)


def begin(folder: Path, kinds: tuple[str, ...], origin: dict[str, Any], say: Say) -> int:
    """Make the folders and return how many pictures are there already.

    Those made from something else (an earlier state of the stage before, other settings) are removed first.
    """
    for kind in (*kinds, SAMPLES):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    file = folder / ORIGIN
    if read_json(file) != json.loads(json.dumps(origin)):
        old = [f for kind in (*kinds, SAMPLES) for f in (folder / kind).glob("[0-9]*.png")]
        if old:
            say(f"{folder.name}: {len(old)} pictures of another origin are removed")
        for picture in (*old, folder / METRICS):
            picture.unlink(missing_ok=True)
        write_whole(file, json.dumps(origin, indent=2).encode())
    rows = read_rows(folder / METRICS)
    write_rows(folder / METRICS, rows)  # without what a kill left half written
    return len(rows)


def read_json(file: Path) -> Row:
    """The table in a JSON file; empty where there is none or it is damaged."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def make_pictures(
    folder: Path,
    start: int,
    count: int,
    make: Callable[[int], tuple[Row, NDArray[np.uint8]]],
    deadline: Deadline,
    say: Say,
) -> bool:
    """Make pictures start..count-1; whether the end was reached.

    make(number): writes the files of that number; returns its row of metrics.csv and a picture to look at.
    """
    for number in range(start, count):
        if deadline.over():
            return False
        row, sample = make(number)
        add_row(folder / METRICS, {"number": number + 1, **row})
        if number % SAMPLE_EVERY == 0 or number == count - 1:
            save_array(sample, folder / SAMPLES / f"{number:06d}.png")
            say(f"{folder.name} {number + 1}/{count}  " + "  ".join(f"{name} {value}" for name, value in row.items()))
    return True


def numbered(folder: Path) -> list[Path]:
    """The pictures of a folder in their order."""
    return sorted(folder.glob("[0-9]*.png"))
