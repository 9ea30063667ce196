"""Shared by all trainings, of one network or of a GAN: the loop, checkpoints, and tables with a row for each
checkpoint."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ...core.stages.pace import time_words
from .files import write_picture, write_whole
from .settings import BadRecipe

State = dict[str, Any]  # content of a checkpoint
CHECKPOINT, METRICS = "checkpoint.pt", "metrics.csv"


class Trainer(Protocol):
    """An object that `run_steps` trains. step: how many steps were made."""

    @property
    def step(self) -> int: ...

    def advance(self) -> Mapping[str, Tensor]:
        """Make one step; returns its losses by name, always the same names."""


def run_steps(
    trainer: Trainer,
    *,
    every: int,
    ends: Collection[int],
    is_over: Callable[[], bool],
    time_is_up: Callable[[], bool],
    at_checkpoint: Callable[[dict[str, float], float], None],
) -> None:
    """Make steps until `is_over()`, or until `time_is_up()` after a step.

    at_checkpoint(losses, seconds): called after every `every` steps, at the steps `ends` (ends of cycles) and when
    the time is up, with the mean losses and the mean seconds of a step since the last call. Raises BadRecipe if a
    loss is not a number any more.
    """
    totals: dict[str, Tensor] = {}
    count, start_time = 0, time.monotonic()
    while not is_over():
        for name, loss in trainer.advance().items():
            totals[name] = loss.double() + totals.get(name, 0)
        count, is_last = count + 1, time_is_up()
        if trainer.step % every == 0 or trainer.step in ends or is_last:
            means = {name: float(total) / count for name, total in totals.items()}
            check_finite(means.values(), trainer.step)
            at_checkpoint(means, (time.monotonic() - start_time) / count)
            if is_last:
                return
            totals, count, start_time = {}, 0, time.monotonic()


def check_finite(losses: Iterable[float], step: int) -> None:
    """Raise BadRecipe if a loss is not a number any more."""
    if not all(map(math.isfinite, losses)):
        raise BadRecipe(f"The loss is not a number any more at step {step}: lower learning_rate.")


def pace(seconds: float, step: int, steps: int) -> str:
    """A text such as "0.20 s/step, about 3 minutes left". seconds: of a step."""
    return f"{seconds:.2f} s/step" + (f", {time_words(seconds * (steps - step))} left" if step < steps else "")


@contextmanager
def computing(device: torch.device, threads: int) -> Iterator[None]:
    """Set the number of torch's threads (0 leaves it; it also stays afterwards), and raise BadRecipe if the memory of
    the device is full."""
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise BadRecipe(f"{device} has too little memory for batches of this size: lower batch.") from error


def refuse_changes(old: Mapping[str, Any], new: Mapping[str, Any], may_differ: Collection[str], folder: Path) -> None:
    """Raise BadRecipe if entries of the recipe have changed since the run in `folder` began.

    old: the entries at the begin. new: those of the recipe now. may_differ: names of entries that are not compared."""
    if changed := [name for name in {**new, **old} if name not in may_differ and old.get(name) != new.get(name)]:
        names = ", ".join(changed)
        raise BadRecipe(f"{folder} holds a run of another recipe ({names} differ): name another folder with --out.")


def save_checkpoint(trainer: Any, file: Path, **more: Any) -> None:
    """Write a checkpoint: the step, the state of each attribute that `trainer.parts` names, and the entries `more`.

    If it cannot be written, the earlier checkpoint stays; raises CannotWrite.
    """
    content = io.BytesIO()
    parts = {name: getattr(trainer, name).state_dict() for name in trainer.parts}
    torch.save({"step": trainer.step, **parts, **more}, content)
    write_whole(file, content.getbuffer())


def restore(trainer: Any, state: State, file: Path) -> None:
    """Set a trainer to the state of a checkpoint, which was read from `file`; raises BadRecipe if it is of another
    network."""
    try:
        for name in trainer.parts:
            getattr(trainer, name).load_state_dict(state[name])
        trainer.step = state["step"]
    except (KeyError, RuntimeError, ValueError) as error:
        raise BadRecipe(f"{file} is of another network: delete it, or name another folder with --out.") from error


def load_state(file: Path, device: torch.device | str = "cpu") -> State:
    """Read a checkpoint; raises BadRecipe if the file is damaged."""
    try:
        state: State = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:  # a damaged archive fails in many ways
        raise BadRecipe(f"{file} is damaged: delete it to begin again, or name another folder with --out.") from error
    return state


def read_rows(file: Path, last: int | None = None) -> list[dict[str, str]]:
    """The rows of a CSV file, each by column, whose number in the first column is at most `last`; none without a file.

    A half-written row, which lacks columns, is left out. Raises ValueError if `last` is given and a row has no number.
    """
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if None not in row and None not in row.values()]
    return [row for row in rows if last is None or int(next(iter(row.values()))) <= last]


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file with these rows in place of the old one; no file without rows."""
    file.unlink(missing_ok=True)
    for row in rows:
        add_row(file, row)


def add_row(file: Path, row: Mapping[str, Any]) -> None:
    """Add a row to a CSV file, with four decimals; a new file begins with the names of the columns."""
    is_new = not file.exists()
    with file.open("a", newline="") as lines:
        writer = csv.writer(lines)
        if is_new:
            writer.writerow(row)
        writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in row.values()])


class CheckpointScores(NamedTuple):
    """A row of metrics.csv about one checkpoint. Losses are means. Dice, score and error of the quantity are those of
    the validation crops (see `Scoring.tracked`), NaN if undefined."""

    step: int
    loss: float
    validation_loss: float
    validation_dice: float
    seconds_per_step: float
    learning_rate: float
    validation_score: float
    quantity_error: float

    def rounded(self) -> CheckpointScores:
        """The losses and scores rounded as in the file, so that a resumed run chooses the same checkpoint."""
        names = "loss", "validation_loss", "validation_dice", "validation_score", "quantity_error"
        return self._replace(**{name: round(getattr(self, name), 4) for name in names})

    def as_text(self) -> dict[str, str | int | float]:
        """The row for the file, by column."""
        seconds, rate = f"{self.seconds_per_step:.3f}", f"{self.learning_rate:.3g}"
        return {**self._asdict(), "seconds_per_step": seconds, "learning_rate": rate}


def read_metrics(file: Path, last: int) -> list[CheckpointScores]:
    """The rows of metrics.csv up to step `last`. (Later rows are newer than the checkpoint from which a run is
    resumed.)

    Raises ValueError, TypeError or KeyError if the file has other content.
    """
    rows = [{name: float(value) for name, value in row.items()} for row in read_rows(file, last)]
    return [CheckpointScores(**{**row, "step": int(row["step"])}) for row in rows]  # type: ignore[arg-type]


RULES: dict[str, Callable[[CheckpointScores], float]] = {  # how a checkpoint is chosen: the lowest is best
    "loss": lambda row: row.validation_loss,
    "score": lambda row: -row.validation_score,
    "quantity": lambda row: row.quantity_error,
}


def best_of(rows: Sequence[CheckpointScores], rule: str = "loss") -> CheckpointScores | None:
    """The best row by a rule of RULES, the first if several are equal; None without rows."""
    measure = RULES[rule]
    return min(rows, key=lambda row: (math.isnan(measure(row)), measure(row)), default=None)


def draw_curves(
    file: Path, rows: Sequence[CheckpointScores], title: str, score: str, error: str, rule: str = "loss"
) -> None:
    """Draw loss, Dice and score, and error of the quantity against steps, as PNG; a dashed line marks the best
    checkpoint.

    score, error: titles of these. rule: by which the best is chosen.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    steps = [row.step for row in rows]
    panels = {
        "loss": {"training": "loss", "validation": "validation_loss"},
        "validation crops": {"Dice": "validation_dice", score: "validation_score"},
        error: {error: "quantity_error"},
    }
    best = best_of(rows, rule)
    for axes, (heading, lines) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for (label, name), colour in zip(lines.items(), ("#b8860b", "#1f5fa8"), strict=False):
            axes.plot(steps, [getattr(row, name) for row in rows], "o-", ms=3, color=colour, label=label)
        axes.set(xlabel="step", ylabel=heading)
        if len(lines) > 1:
            axes.legend(frameon=False)
        if best:
            axes.axvline(best.step, color="grey", ls="--", lw=0.8)
    figure.suptitle(title)
    write_picture(file, figure)
