"""Trains a network by a recipe. A training that was killed continues from its last checkpoint, and gives the same
curve as an uninterrupted one."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tomlkit
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ...core.network.cards import ModelCard
from ...core.network.runtime import Runtime
from ...core.network.scale_search import View
from . import runs, tasks
from .contract import Say
from .data import Crops, DrawnSource, Sources, make_sources
from .evaluation.predictions import Options, Prediction, Predictor
from .evaluation.scores import Scorer
from .files import check_disk_space, lock_folder, write_whole
from .settings import MACHINE, BadRecipe, TrainingRecipe, read_recipe
from .sheets import draw_examples
from .start import Run, device_of, encoder_stages, rate_factor, resolve_recipe, start_run, unfreeze
from .teacher import Teacher

# Text in a card about the validation images, if the checkpoint was chosen by the scores on them.
CHOSEN_ON = "held out, but the checkpoint was chosen on them"
EXAMPLES = 5  # crops in the picture of a checkpoint
RESERVED_BYTES = 64 * 2**20  # for metrics, pictures and the published weights
Batch = tuple[Tensor, Tensor]  # inputs (B, 1, S, S) and targets (B, T, S, S)


def train(
    recipe: TrainingRecipe,
    out: Path,
    base: Path,
    device: torch.device | None = None,
    say: Say = print,
    time_is_up: Callable[[], bool] = lambda: False,
    watch: Callable[[Run], None] = lambda run: None,
) -> Run:
    """Train to `recipe.steps` or until `recipe.patience` ends it, from the checkpoint in `out` if there is one.

    base: folder to which the recipe's paths are relative. device: None for the recipe's. time_is_up: called after every
    step; the run stops with a checkpoint when it returns True. watch: called at every checkpoint, before it is
    written, and before the first step if the recipe starts from a model. Returns the run, with the weights to publish
    in `averaged`. Raises BadRecipe, BadDataset, UnknownArchitecture, CannotWrite, InUse.
    """
    recipe = resolve_recipe(recipe, out / "recipe.toml")
    device = device or device_of(recipe.device)
    run = start_run(recipe, device)
    with lock_folder(out), runs.computing(device, recipe.threads):
        resumed = (out / runs.CHECKPOINT).exists()
        if resumed:
            refuse_another(recipe, out)
            run.load(out / runs.CHECKPOINT, device)
            try:
                run.rows = runs.read_metrics(out / runs.METRICS, run.step)
            except (LookupError, ValueError, TypeError) as error:
                raise BadRecipe(f"{out / runs.METRICS} was altered and cannot be read; name another --out.") from error
            runs.write_rows(out / runs.METRICS, (row.as_text() for row in run.rows))
            say(f"resuming at step {run.step}")
        if not is_over(run, recipe):
            # Size of a checkpoint: network, average, two moments of the optimiser, best and before, in single
            # precision. The old checkpoint is there until the new one is written.
            checkpoint_bytes = (
                (5 + bool(recipe.schedule.restarts)) * 4 * sum(p.numel() for p in run.network.parameters())
            )
            bytes_in_folder = sum(file.stat().st_size for file in out.glob("*") if file.is_file())
            check_disk_space(out, max(checkpoint_bytes, 2 * checkpoint_bytes + RESERVED_BYTES - bytes_in_folder))
        if not resumed:  # the rows may be those of a run whose checkpoint was deleted
            (out / runs.METRICS).unlink(missing_ok=True)
        write_whole(out / "recipe.toml", tomlkit.dumps(recipe.model_dump()).encode())
        if not is_over(run, recipe):
            say("preparing the data")
            sources = make_sources(recipe, base, recipe.schedule.cycle(run.step))
            Training(run, recipe, sources, out, device, say, watch).train_to_end(time_is_up)
    if recipe.rule and run.best:
        run.averaged.load_state_dict(run.best)
    return run


def refuse_another(recipe: TrainingRecipe, out: Path) -> None:
    """Raise BadRecipe if `out` holds a run of another recipe than this resolved one."""
    if (out / "recipe.toml").exists():
        runs.refuse_changes(dict(read_recipe(out / "recipe.toml")), dict(recipe), MACHINE, out)


def is_over(run: Run, recipe: TrainingRecipe) -> bool:
    """Whether there is nothing left to train."""
    return run.step >= recipe.steps or patience_is_over(run.rows, recipe.patience, recipe.rule)


def patience_is_over(rows: list[runs.CheckpointScores], patience: int, rule: str = "loss") -> bool:
    """Whether the last `patience` checkpoints were not better than an earlier one; never if `patience` is 0."""
    best = runs.best_of(rows, rule) if patience else None
    return best is not None and sum(row.step > best.step for row in rows) >= patience


def scores_of(run: Run, recipe: TrainingRecipe) -> list[dict[str, object]]:
    """The entry of a card about scores of the published weights on the validation crops: a list of one entry, empty
    without such crops."""
    row = runs.best_of(run.rows, recipe.rule) if recipe.rule else run.rows[-1]
    if row is None or not recipe.validation_batches:
        return []
    dice_before = {"dice_before": run.rows[0].validation_dice} if run.rows[0].step == 0 else {}
    split = CHOSEN_ON if recipe.rule else "held out"
    origin = {"data": "validation crops", "split": split, "step": row.step}
    return [{**origin, **_figures(row, recipe), **dice_before}]


def choices_of(run: Run, recipe: TrainingRecipe) -> list[str]:
    """The lines of a card about checkpoints: which one each rule would choose, with its scores, and which was
    published.

    If nothing was held out, there are no scores by which a rule could choose.
    """
    scoring = tasks.find(recipe.task).scoring(recipe.heads)
    titles = ["", *(f" ({scoring.definitions[name].title})" for name in scoring.tracked[1:])]
    lines = []
    for rule, title in zip(runs.RULES, titles, strict=True) if recipe.validation_batches else ():
        if row := runs.best_of(run.rows, rule):
            values = {"loss": row.validation_loss, **_figures(row, recipe)}
            scores = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
            lines.append(f"step {row.step} by {rule}{title}: {scores}{' (published)' if rule == recipe.rule else ''}")
    return lines if recipe.rule else [*lines, f"step {run.step} is published: the last"]


def _figures(row: runs.CheckpointScores, recipe: TrainingRecipe) -> dict[str, float]:
    """The scores of a checkpoint by their names in reports, without undefined ones."""
    tracked = tasks.find(recipe.task).scoring(recipe.heads).tracked
    values = zip(("dice", *tracked[1:]), (row.validation_dice, row.validation_score, row.quantity_error), strict=True)
    return {name: value for name, value in values if math.isfinite(value)}


@dataclass(eq=False)
class Training:
    """A run with its recipe and its sources. `advance` needs the batches that `train_to_end` opens.

    out: the folder of the run. say: prints a line. watch: called at each checkpoint, see `train`.
    """

    run: Run
    recipe: TrainingRecipe
    sources: Sources
    out: Path
    device: torch.device
    say: Say
    watch: Callable[[Run], None] = lambda run: None

    def __post_init__(self) -> None:
        """Make the validation crops, on which all checkpoints are measured: of held-out groups, and of rendered
        pictures."""
        recipe = self.recipe
        self.task, size = tasks.find(recipe.task), recipe.batch
        self.map_names = self.task.channels or recipe.heads
        self.scoring = self.task.scoring(recipe.heads)
        maps = [] if recipe.heads == list(self.task.channels) else recipe.heads
        identity = {"task": recipe.task, "maps": maps, "options": recipe.options}
        # A card with the entries that the Examiner needs; it has no weights.
        self.card = ModelCard("plain", "-", "", "-", {"name": "none"}, "0" * 64, Path(), **identity)
        numbers = range(recipe.validation_batches * size)
        crops = self._crops(validation=bool(numbers))
        self.validation_crops = [crops.with_labels(number) for number in numbers]
        tensors = [crops.tensors(*crop) for crop in self.validation_crops]
        batches = (tensors[start : start + size] for start in range(0, len(tensors), size))
        self.validation_batches = [tuple(torch.stack(part) for part in zip(*b, strict=True)) for b in batches]
        self.teacher = Teacher(recipe, self._forward, self.device) if recipe.teacher else None
        is_frozen_at_first = recipe.freeze or recipe.unfreeze
        self.stages = encoder_stages(self.run.network, recipe.crop, self.device) if is_frozen_at_first else []

    @property
    def step(self) -> int:
        """How many steps were made."""
        return self.run.step

    def train_to_end(self, time_is_up: Callable[[], bool]) -> None:
        """Train from the present step to the end, or until the time is up."""
        run, recipe = self.run, self.recipe
        if recipe.start_from and not run.step:
            self.measure(math.nan, 0.0)

        def at_checkpoint(losses: dict[str, float], seconds: float) -> None:
            self.measure(losses["loss"], seconds)
            run.save(self.out / runs.CHECKPOINT)

        with closing(self._batches()) as self.batches:  # or its processes would keep the folder locked
            runs.run_steps(
                self,
                every=recipe.checkpoint,
                ends=recipe.schedule.ends(recipe.steps),
                is_over=lambda: is_over(run, recipe),
                time_is_up=time_is_up,
                at_checkpoint=at_checkpoint,
            )
        if run.step < recipe.steps and is_over(run, recipe):
            self.say(f"stopped at step {run.step}: {recipe.patience} checkpoints brought nothing better")

    def advance(self) -> dict[str, Tensor]:
        """Make one step; returns the loss. Ends a cycle if the step is its last."""
        loss, ends = self.one_step(next(self.batches)), self.recipe.schedule.ends(self.recipe.steps)
        if self.run.step in ends and len(ends) > 1:
            self.end_cycle()
        return {"loss": loss}

    def _crops(self, *, validation: bool) -> Crops:
        """The crops for training or for validation."""
        return Crops(
            self.sources.validation if validation else self.sources.training,
            self.sources.validation_weights if validation else self.sources.weights,
            self.recipe.crop,
            self.recipe.seed + validation,
            augmentation=self.recipe.augmentation,
            targets=partial(self.task.targets, channels=self.recipe.heads),
            densest=1 if validation else self.recipe.densest,
        )

    def end_cycle(self) -> None:
        """Start a new cycle from the mean of the averaged weights at the ends of this and of the last cycle, with a
        new state of the optimiser."""
        run, recipe = self.run, self.recipe
        if run.before:
            new_average = {name: value.clone() for name, value in run.averaged.state_dict().items()}
            run.averaged.load_state_dict(run.before)
            update_average(run.averaged, new_average, 1 - recipe.schedule.restart_weight)
        run.before = {name: value.clone() for name, value in run.averaged.state_dict().items()}
        run.network.load_state_dict(run.before)
        run.optimiser.state.clear()

    def _batches(self) -> Generator[Batch, None, None]:
        """The batches to the end; each cycle after the first begins with new rendered pictures."""
        while True:
            yield from self._batches_of_cycle()
            self.say("rendering new pictures")
            for source in self.sources.training:
                if isinstance(source, DrawnSource):
                    source.renew(self.recipe.schedule.cycle(self.run.step))

    def _batches_of_cycle(self) -> Iterator[Batch]:
        """The batches to the end of the cycle."""
        recipe, cores = self.recipe, len(os.sched_getaffinity(0))
        last_step = recipe.schedule.ends(recipe.steps)[recipe.schedule.cycle(self.run.step)]
        # Processes that prepare crops: one if the processor trains, too, several if a GPU waits for them.
        usual_workers = 1 if self.device.type == "cpu" else min(12, max(1, cores - 2))
        loader = DataLoader(
            self._crops(validation=False),
            batch_size=recipe.batch,
            sampler=range(self.run.step * recipe.batch, last_step * recipe.batch),
            num_workers=recipe.workers or usual_workers,
            prefetch_factor=4,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # else each resumption would change the random numbers of dropout
        )
        return iter(loader)

    def one_step(self, batch: Batch) -> Tensor:
        """Change the weights and their average by one batch; returns the loss."""
        run, recipe = self.run, self.recipe
        run.network.train()
        if self.stages:
            unfreeze(run.network.encoder, self.stages, run.step - recipe.freeze, recipe.unfreeze)
        if recipe.keep_statistics:  # the statistics of few images are worse than the earlier ones
            for module in run.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        factor = rate_factor(run.step, recipe.steps, recipe.schedule, [row.validation_loss for row in run.rows])
        for group in run.optimiser.param_groups:
            group["lr"] = group["top"] * factor
        picture, target = (t.to(self.device, non_blocking=True) for t in batch)
        logits = self._forward(run.network, picture)
        loss = recipe.loss(logits, target)
        if self.teacher:
            loss = loss + recipe.teacher_weight * self.teacher.loss(logits, picture)
        run.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if recipe.optimiser.clip:
            nn.utils.clip_grad_norm_(run.network.parameters(), recipe.optimiser.clip)
        run.optimiser.step()
        run.step += 1
        update_average(run.averaged, run.network.state_dict(), min(recipe.ema_decay, (1 + run.step) / (10 + run.step)))
        return loss.detach()

    def _forward(self, network: nn.Module, picture: Tensor) -> Tensor:
        """The logits of a network (B, C, S, S) for pictures (B, 1, S, S), in the recipe's precision."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            logits: Tensor = network(picture.contiguous(memory_format=torch.channels_last))
        return logits

    @torch.inference_mode()
    def validate(self) -> tuple[float, list[float], np.ndarray]:
        """Loss and tracked scores (`Scoring.tracked`) of the averaged weights on the validation crops, and the maps
        of the first of these crops, (EXAMPLES, C, S, S) uint8."""
        losses, maps = [], []
        for picture, target in ((p.to(self.device), t.to(self.device)) for p, t in self.validation_batches):
            logits = self._forward(self.run.averaged, picture)
            losses.append(float(self.recipe.loss(logits, target)))
            maps.extend((255 * self.task.activation(logits.float())).round().to(torch.uint8).cpu().numpy())
        scorer = Scorer(self.scoring, Predictor(self.card, Runtime("cpu")), Options(thresholds=False))
        for predicted, (grey, labels) in zip(maps, self.validation_crops, strict=True):
            scorer.score_maps(Prediction(predicted, grey, View(), 0.0), labels)
        all_figures = scorer.figures()
        figures = [all_figures[name] for name in self.scoring.tracked]
        return sum(losses) / len(losses), figures, np.stack(maps[:EXAMPLES])[:, : len(self.map_names)]

    def measure(self, loss: float, seconds: float) -> None:
        """Measure the averaged weights, and store them if they are the best so far. Adds a row to `run.rows` and to
        metrics.csv, draws examples and curves, prints a line and calls `watch`.

        loss, seconds: means of a step since the last checkpoint; the loss is NaN before the first step.
        """
        run, recipe, out = self.run, self.recipe, self.out
        if self.validation_batches:
            validation_loss, (dice, score, error), maps = self.validate()
            runs.check_finite([validation_loss], run.step)
        else:
            validation_loss = dice = score = error = math.nan
        rate = run.optimiser.param_groups[0]["lr"]
        run.rows.append(
            runs.CheckpointScores(run.step, loss, validation_loss, dice, seconds, rate, score, error).rounded()
        )
        if recipe.rule and runs.best_of(run.rows, recipe.rule) is run.rows[-1]:
            run.best = {name: value.detach().clone() for name, value in run.averaged.state_dict().items()}
        if self.validation_batches:
            pictures = torch.cat([picture[:, 0] for picture, _ in self.validation_batches])[:EXAMPLES].numpy()
            labels = [labels for _, labels in self.validation_crops[:EXAMPLES]]
            draw_examples(out / f"examples-{run.step:06d}.png", pictures, labels, maps, self.task, self.map_names)
        runs.add_row(out / runs.METRICS, run.rows[-1].as_text())
        titles = [self.scoring.definitions[name].title for name in self.scoring.tracked[1:]]
        runs.draw_curves(out / "curves.png", run.rows, recipe.title, *titles, recipe.rule or "loss")
        training_words = (
            f"loss {loss:.4f}  {runs.pace(seconds, run.step, recipe.steps)}" if run.step else "before training"
        )
        validation_words = f"Dice {dice:.4f}  {titles[0]} {score:.4f}  {titles[1].lower()} {error:.2f}"
        self.say(
            f"step {run.step}/{recipe.steps}  validation {validation_loss:.4f}  {validation_words}  {training_words}"
        )
        self.watch(run)


@torch.no_grad()
def update_average(averaged: nn.Module, weights: Mapping[str, Tensor], decay: float) -> None:
    """Move the average towards the weights of a network with the same layers, also the batch statistics.

    decay: share of the old average in the new one. Tensors that are not float are copied.
    """
    for average, weight in zip(averaged.state_dict().values(), weights.values(), strict=True):
        if average.is_floating_point():
            average.lerp_(weight, 1 - decay)
        else:
            average.copy_(weight)
