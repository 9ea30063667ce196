"""What a run measured at its checkpoints: metrics.csv and curves.png."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .files import write_whole


class Row(NamedTuple):
    """One checkpoint: losses are means, Dice is that of the foreground on the validation crops."""

    step: int
    loss: float
    validation_loss: float
    validation_dice: float
    seconds_per_step: float
    rate: float = float("nan")


def rounded(row: Row) -> Row:
    """The row as the file holds it, so that a resumed run decides as an unbroken one."""
    return Row(row.step, *(round(value, 4) for value in row[1:4]), row.seconds_per_step, row.rate)


def write_metrics(file: Path, rows: Sequence[Row]) -> None:
    """All rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(Row._fields)
    for row in rows:
        losses = (f"{value:.4f}" for value in row[1:4])
        writer.writerow([row.step, *losses, f"{row.seconds_per_step:.3f}", f"{row.rate:.3g}"])
    write_whole(file, text.getvalue().encode())


def read_metrics(file: Path, last: int) -> list[Row]:
    """The rows up to step `last`: what was noted after the checkpoint that a run resumes from is left out.

    Raises ValueError for a file that is not ours.
    """
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        rows = [Row(int(row[0]), *map(float, row[1:])) for row in list(csv.reader(lines))[1:]]
    return [row for row in rows if row.step <= last]


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
    dice.set(xlabel="step", ylabel="Dice of the foreground, validation crops")
    if best := best_of(rows):
        for axes in (loss, dice):
            axes.axvline(best.step, color="grey", ls="--", lw=0.8)
    figure.suptitle(title)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    write_whole(file, content.getbuffer())
