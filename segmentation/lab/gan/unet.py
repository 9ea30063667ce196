"""Stage unet: the MultiRes U-Net on the painted masks, and its ModelCard."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from ... import __version__
from ..curves import read_metrics
from ..publish import publish
from ..runs import CHECKPOINT, METRICS
from ..settings import TrainingRecipe
from ..start import Run, start_run
from ..train import scores_of, train
from .loop import Deadline, Say
from .settings import GanRecipe, unet_recipe


class TimeUp(Exception):
    """The time is up, and a checkpoint of this run lies there to go on from."""


def train_unet(recipe: GanRecipe, out: Path, device: torch.device, deadline: Deadline, say: Say) -> bool:
    """Train in `out/unet` and publish weights and card there; False when the time was up before the end.

    Then the weights of the last checkpoint are published, and the card's limits say at which step they are.
    """
    made, folder = unet_recipe(recipe), out / "unet"
    try:
        run = train(made, folder, out, device, until(deadline, folder / CHECKPOINT, say))
    except TimeUp:
        run = _at_checkpoint(made, folder, device)
    stopped = [f"Training was stopped at step {run.step} of {made.steps}."] if run.step < made.steps else []
    extra = {"limits": [*made.limits, *stopped], "scores": scores_of(run, made)}
    card = publish(run.averaged, made, folder, version=__version__, extra=extra)
    say(f"unet: weights and ModelCard: {card}")
    return not stopped


def _at_checkpoint(made: TrainingRecipe, folder: Path, device: torch.device) -> Run:
    run = start_run(made, device)
    run.load(folder / CHECKPOINT, device)
    run.rows = read_metrics(folder / METRICS, run.step)
    return run


def until(deadline: Deadline, checkpoint: Path, say: Say) -> Say:
    """What training says is passed on; the first thing said after the deadline and a new checkpoint ends it."""
    began = time.time()

    def said(line: str) -> None:
        say(f"unet: {line}")
        if deadline.over() and checkpoint.exists() and checkpoint.stat().st_mtime >= began:
            raise TimeUp

    return said
