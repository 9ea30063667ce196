"""What a run measured at its checkpoints: metrics.csv and curves.png."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .files import write_picture
from .runs import read_rows


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
