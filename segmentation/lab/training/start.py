"""Starts a run: network, first weights, optimiser. Also gives the learning rate and the frozen layers at each step."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...core.network.architectures import build
from ...core.network.cards import NoDevice
from ...core.network.runtime import Runtime
from ...core.network.with_torch import device_of as torch_device
from ...core.network.with_torch import dtype_of
from .pretrained import base_card, load_encoder, load_model, maps_of
from .runs import CheckpointScores, load_state, restore, save_checkpoint
from .settings import BadRecipe, Schedule, TrainingRecipe, read_recipe


@dataclass(eq=False)
class Run:
    """The state of a training. A checkpoint holds it, except `rows`, which are in metrics.csv.

    averaged: the moving average of the network's weights. best: the averaged weights of the best checkpoint, if the
    recipe has a rule that chooses it. before: the averaged weights at the last restart. rows: the scores of each
    checkpoint.
    """

    # Attributes, and keys of the checkpoint.
    parts: ClassVar = ("network", "averaged", "optimiser")

    network: nn.Module
    averaged: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    before: dict[str, Tensor] = field(default_factory=dict)
    rows: list[CheckpointScores] = field(default_factory=list)

    def save(self, file: Path) -> None:
        """Write a checkpoint; if that fails, the earlier one stays. Raises CannotWrite."""
        random_state = {"cpu": torch.get_rng_state()}  # for dropout
        if torch.cuda.is_available():
            random_state["cuda"] = torch.cuda.get_rng_state()
        save_checkpoint(self, file, best=self.best, before=self.before, random_state=random_state)

    def load(self, file: Path, device: torch.device) -> None:
        """Set the run to the state of a checkpoint; raises BadRecipe if it is no checkpoint of this network."""
        state = load_state(file, device)
        restore(self, state, file)
        self.best, self.before = state.get("best", {}), state.get("before", {})
        random_state = state.get("random_state", {})
        if "cpu" in random_state:
            torch.set_rng_state(random_state["cpu"].cpu())
        if "cuda" in random_state and torch.cuda.is_available():
            torch.cuda.set_rng_state(random_state["cuda"].cpu())


def resolve_recipe(recipe: TrainingRecipe, stored: Path) -> TrainingRecipe:
    """The recipe with its missing entries filled in: architecture and maps from the model from which it starts, and the
    precision.

    stored: the file of the recipe in the folder of the run; if it exists, its precision is taken. Raises BadRecipe if
    there is no such model or device.
    """
    changes: dict[str, Any] = {}
    if recipe.start_from:
        base = base_card(recipe.start_from)
        if not recipe.architecture:
            changes["architecture"] = base.architecture
        if base.task == recipe.task and "heads" not in recipe.model_fields_set:
            changes["heads"] = list(maps_of(base))
    if recipe.precision == "auto" and stored.exists():
        changes["precision"] = read_recipe(stored).precision
    elif recipe.precision == "auto":
        fastest = dtype_of(Runtime("cpu" if device_of(recipe.device).type == "cpu" else recipe.device))
        changes["precision"] = "bfloat16" if fastest == torch.bfloat16 else "float32"
    return recipe.replaced(**changes)


def device_of(name: str) -> torch.device:
    """The device of this name; raises BadRecipe if there is none."""
    try:
        return torch_device(Runtime(name))
    except NoDevice as error:
        raise BadRecipe(str(error)) from error


def start_run(recipe: TrainingRecipe, device: torch.device) -> Run:
    """Seed torch, and make a run: a network with its first weights, the average and the optimiser. Raises BadRecipe."""
    torch.manual_seed(recipe.seed)
    network = build(recipe.architecture, len(recipe.heads))
    if recipe.pretrained:
        load_encoder(network, recipe.architecture, recipe.pretrained)
    if recipe.start_from:
        load_model(network, recipe.architecture, base_card(recipe.start_from))
    _check_shapes(network, recipe)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Run(network, copy.deepcopy(network).eval(), make_optimiser(network, recipe))


def _check_shapes(network: nn.Module, recipe: TrainingRecipe) -> None:
    """Raise BadRecipe unless the network turns a batch of crops into the maps of the recipe; tried with a copy of
    it."""
    try:
        picture = torch.zeros(recipe.batch, 1, recipe.crop, recipe.crop)
        with torch.random.fork_rng(), torch.no_grad():
            maps = copy.deepcopy(network).train()(picture)
    except (RuntimeError, ValueError, AssertionError, TypeError) as error:  # TypeError: for numbers beyond 64 bits
        reason = str(error).partition("\n")[0]
        if "allocate memory" in reason or "overflow" in reason.lower():
            reason = "there is not enough memory"
        raise BadRecipe(f"The network takes no batch of {recipe.batch} crops of {recipe.crop} px: {reason}.") from error
    if maps.shape != (recipe.batch, len(recipe.heads), recipe.crop, recipe.crop):
        raise BadRecipe(f"The network turns {recipe.crop} px into {tuple(maps.shape[2:])} px, not into the same.")


@torch.no_grad()
def encoder_stages(network: nn.Module, crop: int, device: torch.device) -> list[list[nn.Module]]:
    """The encoder's modules that have weights, in the order of the forward pass, a list for each resolution of their
    maps.

    crop: side in px. Raises BadRecipe if the network has no encoder.
    """
    encoder = getattr(network, "encoder", None)
    if encoder is None:
        raise BadRecipe("freeze and unfreeze need a network with an encoder.")
    stages: list[list[nn.Module]] = []
    side = crop + 1

    def add_module(module: nn.Module, _: object, out: Tensor) -> None:
        nonlocal side
        # Maps of 1 px belong to squeeze-and-excitation, and are no stage.
        is_smaller = out.dim() == 4 and 1 < out.shape[-1] < side
        if not stages or is_smaller:
            side = min(side, out.shape[-1]) if out.dim() == 4 else side
            stages.append([])
        stages[-1].append(module)

    layers = [module for module in encoder.modules() if next(module.parameters(recurse=False), None) is not None]
    hooks = [module.register_forward_hook(add_module) for module in layers]
    was_training = encoder.training
    encoder.eval()(torch.zeros(1, 1, crop, crop, device=device))
    encoder.train(was_training)
    for hook in hooks:
        hook.remove()
    return stages


def unfreeze(encoder: nn.Module, stages: Sequence[Sequence[nn.Module]], step: int, every: int) -> None:
    """Unfreeze the encoder's stages one after the other, the deepest first. Weights and batch statistics of frozen
    stages do not change.

    step: steps since the first stage is unfrozen, negative before. every: steps from one stage to the next; 0: all at
    once.
    """
    stages_to_learn = 0 if step < 0 else 1 + step // every if every else len(stages)
    encoder.requires_grad_(stages_to_learn >= len(stages)).train(stages_to_learn >= len(stages))
    for module in (module for stage in stages[len(stages) - min(stages_to_learn, len(stages)) :] for module in stage):
        module.training = True
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(True)


def make_optimiser(network: nn.Module, recipe: TrainingRecipe) -> torch.optim.Optimizer:
    """The recipe's optimiser. The parameters of an encoder that was trained before are a group with another learning
    rate ("top")."""
    is_pretrained = bool(recipe.pretrained or recipe.start_from)
    encoder = [p for n, p in network.named_parameters() if is_pretrained and n.startswith("encoder.")]
    encoder_ids = {id(p) for p in encoder}
    others = [p for p in network.parameters() if id(p) not in encoder_ids]
    groups = [{"params": others, "top": recipe.learning_rate}, {"params": encoder, "top": recipe.encoder_learning_rate}]
    groups = [group for group in groups if group["params"]]
    settings, rate, decay = recipe.optimiser, recipe.learning_rate, recipe.weight_decay
    if settings.name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, weight_decay=decay)
    adam = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return adam(groups, lr=rate, betas=tuple(settings.betas), weight_decay=decay)


def rate_factor(step: int, steps: int, schedule: Schedule | None = None, losses: Sequence[float] = ()) -> float:
    """The factor of the learning rate at a step: a linear warm-up, then the schedule; both again after each restart.

    steps: of the run. losses: the validation losses so far, one for each checkpoint.
    """
    schedule = schedule or Schedule()
    cycle = schedule.cycle(step)
    begin, end = [0, *schedule.ends(steps)][cycle : cycle + 2]
    top, after_warm_up = schedule.restart_rate if cycle else 1.0, step - begin - schedule.warm_up
    if after_warm_up < 0:
        return top * ((step - begin + 1) / schedule.warm_up)
    if schedule.name == "cosine":
        progress = min(1.0, after_warm_up / max(1, end - begin - schedule.warm_up))
        return top * (schedule.last + (1 - schedule.last) * 0.5 * (1 + math.cos(math.pi * progress)))
    if schedule.name == "steps":
        return top * schedule.factor ** (after_warm_up // schedule.every)
    if schedule.name == "plateau":
        return top * schedule.factor ** plateaus(losses, schedule.wait)
    return top


def plateaus(losses: Sequence[float], wait: int) -> int:
    """How many times `wait` consecutive losses were not lower than the lowest one before them."""
    best, waited, count = math.inf, 0, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited == wait:
            waited, count = 0, count + 1
    return count
