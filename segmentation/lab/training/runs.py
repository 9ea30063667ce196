"""What every training does, of one network or of a GAN: the loop, checkpoints, and tables with a row for each."""

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

from ...core.pace import time_words
from .files import write_picture, write_whole
from .settings import BadRecipe

State = dict[str, Any]
CHECKPOINT, METRICS = "checkpoint.pt", "metrics.csv"


class Trainer(Protocol):
    """What a loop advances. step: how many steps it has made."""

    @property
    def step(self) -> int: ...

    def advance(self) -> Mapping[str, Tensor]:
        """One step; returns its losses by name, always the same names."""


def run_steps(
    trainer: Trainer,
    *,
    every: int,
    ends: Collection[int],
    is_over: Callable[[], bool],
    time_is_up: Callable[[], bool],
    at_checkpoint: Callable[[dict[str, float], float], None],
) -> None:
    """Advance until it is over or, asked after each step, the time is up.

    at_checkpoint(losses, seconds): called every so many steps, at `ends` and when the time is up, with the means of a
    step since the last time. Raises BadRecipe where a loss is no number any more.
    """
    totals: dict[str, Tensor] = {}
    count, began = 0, time.monotonic()
    while not is_over():
        for name, loss in trainer.advance().items():
            totals[name] = loss.double() + totals.get(name, 0)
        count, late = count + 1, time_is_up()
        if trainer.step % every == 0 or trainer.step in ends or late:
            means = {name: float(total) / count for name, total in totals.items()}
            check_finite(means.values(), trainer.step)
            at_checkpoint(means, (time.monotonic() - began) / count)
            if late:
                return
            totals, count, began = {}, 0, time.monotonic()


def check_finite(losses: Iterable[float], step: int) -> None:
    """Raise BadRecipe where a loss is no number any more."""
    if not all(map(math.isfinite, losses)):
        raise BadRecipe(f"The loss is not a number any more at step {step}: lower learning_rate.")


def pace(seconds: float, step: int, steps: int) -> str:
    """Such as "0.20 s/step, about 3 minutes left". seconds: of a step."""
    return f"{seconds:.2f} s/step" + (f", {time_words(seconds * (steps - step))} left" if step < steps else "")


@contextmanager
def computing(device: torch.device, threads: int) -> Iterator[None]:
    """Give torch so many threads for good, 0 leaves it its own; raises BadRecipe where the device's memory runs out."""
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise BadRecipe(f"{device} has too little memory for batches of this size: lower batch.") from error


def refuse_changes(old: Mapping[str, Any], new: Mapping[str, Any], free: Collection[str], folder: Path) -> None:
    """Raise BadRecipe where a run was begun with other entries than these, but for those that are free."""
    if changed := [name for name in {**new, **old} if name not in free and old.get(name) != new.get(name)]:
        names = ", ".join(changed)
        raise BadRecipe(f"{folder} holds a run of another recipe ({names} differ): name another folder with --out.")


def save_checkpoint(trainer: Any, file: Path, **more: Any) -> None:
    """The step, the state of each of the `parts` of a training, and more.

    The checkpoint is whole or, when it cannot be written, the one before; raises CannotWrite.
    """
    content = io.BytesIO()
    parts = {name: getattr(trainer, name).state_dict() for name in trainer.parts}
    torch.save({"step": trainer.step, **parts, **more}, content)
    write_whole(file, content.getbuffer())


def restore(trainer: Any, state: State, file: Path) -> None:
    """Go on from the checkpoint in `file`; raises BadRecipe when it is of another network."""
    try:
        for name in trainer.parts:
            getattr(trainer, name).load_state_dict(state[name])
        trainer.step = state["step"]
    except (KeyError, RuntimeError, ValueError) as error:
        raise BadRecipe(f"{file} is of another network: delete it, or name another folder with --out.") from error


def load_state(file: Path, device: torch.device | str = "cpu") -> State:
    """A checkpoint; raises BadRecipe where the file is damaged."""
    try:
        state: State = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:  # a damaged archive fails in many ways
        raise BadRecipe(f"{file} is damaged: delete it to begin again, or name another folder with --out.") from error
    return state


def read_rows(file: Path, last: int | None = None) -> list[dict[str, str]]:
    """The rows of a table by column, up to the one numbered `last` in its first; none where there is no file.

    A row that lacks columns, half written, is left out. Raises ValueError where `last` meets a row without a number.
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
    """One more row, with four decimals; the columns' names come first where the file is new."""
    fresh = not file.exists()
    with file.open("a", newline="") as lines:
        writer = csv.writer(lines)
        if fresh:
            writer.writerow(row)
        writer.writerow([f"{value:.4f}" if isinstance(value, float) else value for value in row.values()])


class CheckpointScores(NamedTuple):
    """One checkpoint. Losses are means; Dice, score and error of the quantity are the task's figures of the validation
    crops (see `Scoring.tracked`), NaN where undefined."""

    step: int
    loss: float
    validation_loss: float
    validation_dice: float
    seconds_per_step: float
    learning_rate: float
    validation_score: float
    quantity_error: float

    def rounded(self) -> CheckpointScores:
        """The losses and figures as the file holds them, so that a resumed run decides as an unbroken one."""
        measured = "loss", "validation_loss", "validation_dice", "validation_score", "quantity_error"
        return self._replace(**{name: round(getattr(self, name), 4) for name in measured})

    def as_text(self) -> dict[str, str | int | float]:
        seconds, rate = f"{self.seconds_per_step:.3f}", f"{self.learning_rate:.3g}"
        return {**self._asdict(), "seconds_per_step": seconds, "learning_rate": rate}


def read_metrics(file: Path, last: int) -> list[CheckpointScores]:
    """The rows up to step `last`. A resumed run leaves out later rows, which are newer than its checkpoint.

    Raises ValueError, TypeError or KeyError for a file that is not ours.
    """
    rows = [{name: float(value) for name, value in row.items()} for row in read_rows(file, last)]
    return [CheckpointScores(**{**row, "step": int(row["step"])}) for row in rows]  # type: ignore[arg-type]


RULES: dict[str, Callable[[CheckpointScores], float]] = {  # what is lowest at the best checkpoint
    "loss": lambda row: row.validation_loss,
    "score": lambda row: -row.validation_score,
    "quantity": lambda row: row.quantity_error,
}


def best_of(rows: Sequence[CheckpointScores], rule: str = "loss") -> CheckpointScores | None:
    """The first of the rows that are best by a rule of RULES."""
    measure = RULES[rule]
    return min(rows, key=lambda row: (math.isnan(measure(row)), measure(row)), default=None)


def draw_curves(
    file: Path, rows: Sequence[CheckpointScores], title: str, score: str, error: str, rule: str = "loss"
) -> None:
    """Loss, Dice and score, and error of the quantity against steps as PNG; a dashed line marks the best by the rule.

    score, error: what these are called.
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
