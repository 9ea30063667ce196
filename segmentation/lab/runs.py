"""What a run of training keeps: checkpoints, and tables that grow by a row at each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from .files import write_picture, write_whole
from .settings import BadRecipe

State = dict[str, Any]
CHECKPOINT, METRICS = "checkpoint.pt", "metrics.csv"


def save_state(state: State, file: Path) -> None:
    """The whole checkpoint or, when it cannot be written, the one before; raises CannotWrite."""
    content = io.BytesIO()
    torch.save(state, content)
    write_whole(file, content.getbuffer())


def load_state(file: Path, device: torch.device | str = "cpu") -> State:
    """A checkpoint; raises BadRecipe where the file is damaged."""
    try:
        state: State = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:  # a damaged archive fails in many ways
        raise BadRecipe(f"{file} is damaged: delete it to begin again, or name another folder with --out.") from error
    return state


def read_rows(file: Path, last: int | None = None) -> list[dict[str, str]]:
    """The rows of a table by column, up to the one numbered `last` in its first; none where there is no file.

    A half-written row is left out. Raises ValueError for a file that is not ours.
    """
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if None not in row and None not in row.values()]
    return [row for row in rows if last is None or int(next(iter(row.values()))) <= last]


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """The whole table; no file where there are no rows."""
    file.unlink(missing_ok=True)
    for row in rows:
        add_row(file, row)


def add_row(file: Path, row: Mapping[str, Any]) -> None:
    """One more row; the columns' names come first where the file is new."""
    fresh = not file.exists()
    with file.open("a", newline="") as lines:
        writer = csv.writer(lines)
        if fresh:
            writer.writerow(row)
        writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in row.values()])


class Row(NamedTuple):
    """One checkpoint: losses are means, Dice is the task's score on the validation crops."""

    step: int
    loss: float
    validation_loss: float
    validation_dice: float
    seconds_per_step: float
    learning_rate: float = float("nan")

    def rounded(self) -> Row:
        """The row as the file holds it, so that a resumed run decides as an unbroken one."""
        return Row(self.step, *(round(value, 4) for value in self[1:4]), *self[4:])

    def as_text(self) -> dict[str, str | int | float]:
        seconds, rate = f"{self.seconds_per_step:.3f}", f"{self.learning_rate:.3g}"
        return {**self._asdict(), "seconds_per_step": seconds, "learning_rate": rate}


def read_metrics(file: Path, last: int) -> list[Row]:
    """The rows up to step `last`: what was noted after the checkpoint that a run resumes from is left out.

    Raises ValueError for a file that is not ours.
    """
    found = [list(row.values()) for row in read_rows(file, last)]
    return [Row(int(step), *map(float, values)) for step, *values in found]


def best_of(rows: Sequence[Row]) -> Row | None:
    """The first row with the lowest validation loss."""
    return min(rows, key=lambda row: row.validation_loss, default=None)


def draw_curves(file: Path, rows: Sequence[Row], title: str) -> None:
    """Loss and Dice against steps as PNG; a dashed line marks the lowest validation loss."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    steps = [row.step for row in rows]
    loss, dice = figure.subplots(1, 2)
    loss.plot(steps, [row.loss for row in rows], "o-", ms=3, color="#b8860b", label="training")
    loss.plot(steps, [row.validation_loss for row in rows], "o-", ms=3, color="#1f5fa8", label="validation")
    loss.set(xlabel="step", ylabel="loss")
    loss.legend(frameon=False)
    dice.plot(steps, [row.validation_dice for row in rows], "o-", ms=3, color="#1f5fa8")
    dice.set(xlabel="step", ylabel="Dice, validation crops")
    if best := best_of(rows):
        for axes in (loss, dice):
            axes.axvline(best.step, color="grey", ls="--", lw=0.8)
    figure.suptitle(title)
    write_picture(file, figure)
