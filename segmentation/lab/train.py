"""The training loop: resumable at any kill, the same curve either way."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tomlkit
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from . import tasks
from .curves import Row, best_of, draw_curves, read_metrics
from .data import Crops, Sources, make_sources
from .examples import draw_examples
from .files import alone_in, check_room, write_whole
from .runs import CHECKPOINT, METRICS, add_row, write_rows
from .settings import MACHINE, BadRecipe, TrainingRecipe, read_recipe
from .start import Run, device_of, rate_factor, settled, start_run

EXAMPLES = 5
ROOM = 64 * 2**20  # bytes for metrics, pictures and the published weights
Batch = tuple[Tensor, Tensor]
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Held:
    """The fixed crops on which every checkpoint is measured, and the labels (S, S) of the first few."""

    batches: list[Batch]
    labels: list[np.ndarray]


def train(recipe: TrainingRecipe, out: Path, base: Path, device: torch.device | None = None, say: Say = print) -> Run:
    """Train to `recipe.steps` or until patience is at an end, resuming from `out/checkpoint.pt` where there is one.

    base: the folder from which the recipe's paths go out. device: None takes the recipe's.
    Returns the run; its `averaged` are the weights to publish. Raises BadRecipe, BadDataset,
    UnknownArchitecture, CannotWrite, InUse.
    """
    recipe = settled(recipe, out / "recipe.toml")
    device = device or device_of(recipe)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    run = start_run(recipe, device)
    if _goes_on(recipe, out):
        _resume(run, out, device)
        say(f"resuming at step {run.step}")
    if not is_over(run, recipe):
        # Network, average, two moments and best, in single precision; the old checkpoint stays until the new is whole.
        checkpoint = 5 * 4 * sum(p.numel() for p in run.network.parameters())
        written = sum(file.stat().st_size for file in out.glob("*") if file.is_file())
        check_room(out, max(checkpoint, 2 * checkpoint + ROOM - written))
    with alone_in(out):
        write_whole(out / "recipe.toml", tomlkit.dumps(recipe.model_dump()).encode())
        try:
            if not is_over(run, recipe):
                say("preparing the data")
                sources = make_sources(recipe, base)
                _train(run, recipe, sources, hold(recipe, sources), out, device, say)
        except torch.OutOfMemoryError as error:
            raise BadRecipe(f"{device} has too little memory for batches of {recipe.batch}: lower batch.") from error
    if recipe.patience and run.best:
        run.averaged.load_state_dict(run.best)
    return run


def _goes_on(recipe: TrainingRecipe, out: Path) -> bool:
    """Whether `out` holds a run of the same recipe to go on with.

    Raises BadRecipe when it holds a run of another recipe.
    """
    file, resumes = out / "recipe.toml", (out / CHECKPOINT).exists()
    if resumes and file.exists():
        frozen = read_recipe(file)
        names = (name for name in TrainingRecipe.model_fields if name not in MACHINE)
        if changed := [name for name in names if getattr(frozen, name) != getattr(recipe, name)]:
            raise BadRecipe(
                f"{out} holds a run of another recipe ({', '.join(changed)} differ): name another folder with --out."
            )
    return resumes


def _resume(run: Run, out: Path, device: torch.device) -> None:
    run.load(out / CHECKPOINT, device)
    try:
        run.rows = read_metrics(out / METRICS, run.step)
    except (ValueError, TypeError) as error:
        raise BadRecipe(f"{out / METRICS} was altered and cannot be read; name another --out.") from error
    write_rows(out / METRICS, (row.as_text() for row in run.rows))


def _train(
    run: Run, recipe: TrainingRecipe, sources: Sources, held: Held, out: Path, device: torch.device, say: Say
) -> None:
    if recipe.start_from and not run.step:
        _note(run, recipe, held, out, device, math.nan, 0.0, say)
    batches = _batches(recipe, sources, run.step, device)
    began, since, total = time.monotonic(), run.step, torch.zeros((), dtype=torch.float64, device=device)
    while not is_over(run, recipe):
        total += _one_step(run, next(batches), recipe, device)
        if run.step % recipe.checkpoint == 0 or run.step == recipe.steps:
            count = run.step - since
            loss, seconds = float(total) / count, (time.monotonic() - began) / count
            _note(run, recipe, held, out, device, loss, seconds, say)
            run.save(out / CHECKPOINT)
            began, since, total = time.monotonic(), run.step, torch.zeros_like(total)
    if run.step < recipe.steps:
        say(f"stopped at step {run.step}: {recipe.patience} checkpoints brought nothing better")


def is_over(run: Run, recipe: TrainingRecipe) -> bool:
    """Whether there is nothing left to train."""
    return run.step >= recipe.steps or patience_is_over(run.rows, recipe.patience)


def patience_is_over(rows: list[Row], patience: int) -> bool:
    """Whether the last `patience` checkpoints were no better than one before them; never with 0."""
    best = best_of(rows)
    return bool(patience and best and sum(row.step > best.step for row in rows) >= patience)


def scores_of(run: Run, recipe: TrainingRecipe) -> list[dict[str, object]]:
    """What the card says of the run itself: Dice on the validation crops, of the weights that are published."""
    row = best_of(run.rows) if recipe.patience else run.rows[-1]
    if row is None:
        return []
    before = {"dice_before": run.rows[0].validation_dice} if run.rows[0].step == 0 else {}
    split = "held out, but the checkpoint was chosen on them" if recipe.patience else "held out"
    return [{"data": "validation crops", "split": split, "step": row.step, "dice": row.validation_dice, **before}]


def _batches(recipe: TrainingRecipe, sources: Sources, step: int, device: torch.device) -> Iterator[Batch]:
    crops, cores = _crops(recipe, sources, validation=False), len(os.sched_getaffinity(0))
    return iter(
        DataLoader(
            crops,
            batch_size=recipe.batch,
            sampler=range(step * recipe.batch, recipe.steps * recipe.batch),
            # one process beside a processor that trains, several beside a GPU that waits; the curve is the same
            num_workers=recipe.workers or (1 if device.type == "cpu" else min(12, max(1, cores - 2))),
            prefetch_factor=4,
            pin_memory=device.type == "cuda",
        )
    )


def _crops(recipe: TrainingRecipe, sources: Sources, *, validation: bool) -> Crops:
    return Crops(
        sources.validation if validation else sources.training,
        sources.validation_weights if validation else sources.weights,
        recipe.crop,
        recipe.seed + validation,
        augmentation=recipe.augmentation,
        targets=partial(tasks.find(recipe.task).targets, channels=recipe.heads),
    )


def hold(recipe: TrainingRecipe, sources: Sources) -> Held:
    """Fixed crops of the held-out groups and of unseen rendered pictures."""
    crops = _crops(recipe, sources, validation=True)
    batches = []
    for number in range(recipe.validation_batches):
        samples = [crops[number * recipe.batch + i] for i in range(recipe.batch)]
        picture, target = (torch.stack(part) for part in zip(*samples, strict=True))
        batches.append((picture, target))
    return Held(batches, [crops.labelled(i)[1] for i in range(min(EXAMPLES, recipe.batch))])


def _one_step(run: Run, batch: Batch, recipe: TrainingRecipe, device: torch.device) -> Tensor:
    run.network.train()
    if recipe.freeze:  # the encoder's weights and batch statistics stay as they are
        resting, encoder = run.step < recipe.freeze, run.network.encoder
        encoder.requires_grad_(not resting).train(not resting)
    if recipe.keep_statistics:  # a few crops of a few images say less of their kind than what was seen before
        for module in run.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    factor = rate_factor(run.step, recipe.steps, recipe.schedule, [row.validation_loss for row in run.rows])
    for group in run.optimiser.param_groups:
        group["lr"] = group["top"] * factor
    picture, target = (t.to(device, non_blocking=True) for t in batch)
    loss = recipe.loss(_forward(run.network, picture, recipe), target)
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if recipe.optimiser.clip:
        nn.utils.clip_grad_norm_(run.network.parameters(), recipe.optimiser.clip)
    run.optimiser.step()
    run.step += 1
    _update_average(run.averaged, run.network, min(recipe.ema_decay, (1 + run.step) / (10 + run.step)))
    return loss.detach()


def _forward(network: nn.Module, picture: Tensor, recipe: TrainingRecipe) -> Tensor:
    with torch.autocast(picture.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        logits: Tensor = network(picture.contiguous(memory_format=torch.channels_last))
    return logits


@torch.no_grad()
def _update_average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Move every float tensor of the average (batch statistics too) towards the network's."""
    for mine, theirs in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(theirs, 1 - decay)
        else:
            mine.copy_(theirs)


@torch.inference_mode()
def validate(run: Run, recipe: TrainingRecipe, held: Held, device: torch.device) -> tuple[float, float, np.ndarray]:
    """(loss, Dice) of the averaged weights on the held crops, and the first maps (n, C, S, S) uint8."""
    task, losses, scores, shown = tasks.find(recipe.task), [], [], []
    for picture, target in ((p.to(device), t.to(device)) for p, t in held.batches):
        logits = _forward(run.averaged, picture, recipe)
        losses.append(float(recipe.loss(logits, target)))
        scores.append(task.score(logits, target))
        if not shown:
            shown.append(
                (255 * logits[:EXAMPLES, : len(task.channels)].float().sigmoid()).round().to(torch.uint8).cpu().numpy()
            )
    return sum(losses) / len(losses), sum(scores) / len(scores), shown[0]


def _note(
    run: Run,
    recipe: TrainingRecipe,
    held: Held,
    out: Path,
    device: torch.device,
    loss: float,
    seconds: float,
    say: Say,
) -> None:
    """Measure and draw; keep the averaged weights when they are the best so far.

    loss, seconds: a step's means since the last checkpoint; loss is nan before the first step.
    """
    held_loss, dice, maps = validate(run, recipe, held, device)
    if not math.isfinite(held_loss) or (run.step and not math.isfinite(loss)):
        raise BadRecipe(f"The loss is not a number any more at step {run.step}: lower learning_rate.")
    rate = run.optimiser.param_groups[0]["lr"]
    run.rows.append(Row(run.step, loss, held_loss, dice, seconds, rate).rounded())
    if recipe.patience and best_of(run.rows) is run.rows[-1]:
        run.best = {name: value.detach().clone() for name, value in run.averaged.state_dict().items()}
    pictures = held.batches[0][0][:EXAMPLES, 0].numpy()
    draw_examples(out / f"examples-{run.step:06d}.png", pictures, held.labels, maps, tasks.find(recipe.task))
    add_row(out / METRICS, run.rows[-1].as_text())
    draw_curves(out / "curves.png", run.rows, recipe.title)
    spent = f"loss {loss:.4f}  {seconds:.2f} s/step" if run.step else "before training"
    say(f"step {run.step}/{recipe.steps}  validation {held_loss:.4f}  Dice {dice:.4f}  {spent}")
