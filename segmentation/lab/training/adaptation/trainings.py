"""The trainings of a fine-tuning: some hold out a part of the images (a split), the final one uses all images. Their
curves and pictures are put into the summary."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ....core.learning.training_summary import Picture, Point
from ....core.masks.truth import Pair
from ....core.network.cards import ModelCard
from .. import runs, tasks
from ..contract import Labels
from ..data import load, resample
from ..evaluation.scores import finite_or_none
from ..pretrained import maps_of
from ..publish import DONE, trained_model
from ..settings import TrainingRecipe
from ..sheets import FOUND, TRUE, in_rows, with_outlines
from ..start import Run
from .material import LAST_STEP, PlannedAdaptation, ignore_line

EXAMPLE_SIDE = 384  # px, side of the pictures of a held-out image that are drawn during a training


def training_name(split: int, *, composed: bool) -> str:
    """The name of the training without the images of a split, and of its folder."""
    return f"{'composed' if composed else 'split'}-{split}"


class Trainings(PlannedAdaptation):
    """Makes the trainings of one call of `adapt`, each once, and puts their checkpoints and pictures into the
    summary."""

    def recipe_without_split(self, split: int, name: str, images: int = 0, *, composed: bool = False) -> TrainingRecipe:
        """The recipe of a training without the images of a split.

        images: number of the other images to learn from; 0: all. composed: also learn from composed agglomerates.
        """
        own_images, *others = self.recipe.sources
        steps, sources = self.summary["plan"]["steps"], [own_images.replaced(count=images), *others]
        sources = self.with_composed(sources) if composed else sources
        return self.recipe.replaced(name=name, fold=split, folds=self.folds, steps=steps, sources=sources)

    def train_final(self, *, composed: bool = False) -> ModelCard:
        """Train on all images; returns the card.

        The number of steps is the median of the best steps of the trainings without some images. composed: also learn
        from composed agglomerates.
        """
        steps, best_steps = self.summary["plan"]["steps"], []
        for split in range(len(self.summary["plan"]["held_out"])):
            rows = runs.read_metrics(self.out / training_name(split, composed=composed) / runs.METRICS, steps)
            row = runs.best_of(rows, self.recipe.rule) if self.recipe.rule else rows[-1]
            best_steps.append(row.step if row else 0)
        count = len(self.pairs)
        own_images, *others = self.recipe.sources
        sources = [own_images.replaced(use="training"), *others]
        recipe = self.recipe.replaced(
            name=self.options.name,
            title=self.options.title,
            version=self.options.version,
            summary=f"{self.card.title} fine-tuned on {count} images of {self.options.data}.",
            limits=[
                f"Learnt from {count} images of {self.options.data}; it may do worse than {self.card.name} on others.",
                "Its figures are those of trainings without the images that were scored; it learnt from all of them.",
            ],
            steps=max(int(statistics.median_low(best_steps)), min(self.recipe.checkpoint, steps)),
            folds=0,
            fold=0,
            validation_batches=0,
            **LAST_STEP,
            sources=self.with_composed(sources) if composed else sources,
        )
        return self.train_once(recipe, self.out / "tuned", "the final training", -1)

    def train_once(self, recipe: TrainingRecipe, folder: Path, stage: str, split: int | None) -> ModelCard:
        """The card of the model that a training publishes; a training that was finished before is not repeated.

        stage: name of the training in reports. split: number of the held-out split, -1 for the final training; None:
        the training is not shown in the summary.
        """
        done_before, step, checkpoint = self.progress.done, 0, folder / runs.CHECKPOINT
        example = None if split is None or split < 0 else self._example(split)

        def after_step() -> bool:
            nonlocal step
            step += 1
            self.progress.done = done_before + self.of_step * step
            self.progress.say(stage)
            return False

        def at_checkpoint(run: Run) -> None:
            nonlocal step
            step = run.step
            if example:
                self._draw(run, *example, self._picture_name(split or 0, run.step))
            self._put_into_summary(split, run.rows, example)
            self.progress.say(stage)

        if (folder / DONE).exists():
            self.progress.done_before += self.of_step * recipe.steps
        elif checkpoint.exists():
            step = runs.load_state(checkpoint)["step"]
            self.progress.done_before += self.of_step * step
            self._put_into_summary(split, runs.read_metrics(folder / runs.METRICS, step), example)
        card = trained_model(recipe, folder, self.out, ignore_line, after_step, at_checkpoint)
        self._put_into_summary(split, runs.read_metrics(folder / runs.METRICS, recipe.steps), example)
        self.progress.done = done_before + self.of_step * recipe.steps
        self.progress.say(stage)
        return card

    def _put_into_summary(self, split: int | None, rows: Sequence[runs.CheckpointScores], example: Any) -> None:
        """Put a training's checkpoints into the summary, in place of its earlier ones."""
        if split is None:
            return
        has_held_out = split >= 0
        points = [
            Point(
                split=split,
                step=row.step,
                loss=finite_or_none(row.loss),
                validation_loss=finite_or_none(row.validation_loss) if has_held_out else None,
                score=finite_or_none(row.validation_score) if has_held_out else None,
                error=finite_or_none(row.quantity_error) if has_held_out else None,
            )
            for row in rows
        ]
        self.summary["curve"] = [p for p in self.summary["curve"] if p["split"] != split] + points
        if example:
            pictures = [
                Picture(
                    image=example[0].image.name, split=split, step=row.step, file=self._picture_name(split, row.step)
                )
                for row in rows
            ]
            self.summary["pictures"] = [p for p in self.summary["pictures"] if p["split"] != split] + pictures

    @staticmethod
    def _picture_name(split: int, step: int) -> str:
        return f"split-{split}-step-{step:05d}.webp"

    def _example(self, split: int) -> tuple[Pair, Any, Labels]:
        """The held-out image with the most objects, and the grey and labels of its middle (S, S), S = EXAMPLE_SIDE,
        at the scale at which the network is trained."""
        loaded = [load(self.pairs[number]) for number in self.numbers_of_split(split)]
        fullest = max(loaded, key=lambda image: len(np.unique(image.labels)))
        has_classes = bool(fullest.pair.classes)
        usual_diameter = math.sqrt(math.prod(self.recipe.sizes))  # px, middle of the diameters that are taught
        scale = (
            self.recipe.options.get("scale", 1.0)
            if has_classes
            else usual_diameter / (fullest.diameter or usual_diameter)
        )
        side = min(round(EXAMPLE_SIDE / scale), *fullest.grey.shape)
        top, left = ((length - side) // 2 for length in fullest.grey.shape)
        window = slice(top, top + side), slice(left, left + side)
        grey, labels = resample(fullest.grey[window], fullest.labels[window], EXAMPLE_SIDE, has_classes=has_classes)
        return fullest.pair, grey, labels

    @torch.inference_mode()
    def _draw(self, run: Run, pair: Pair, grey: Any, truth: Labels, name: str) -> None:
        """Save a picture under this name: the true outlines, and beside them those that the network finds now."""
        task, device = tasks.find(self.card.task), next(run.averaged.parameters()).device
        picture = torch.from_numpy(grey[None, None].astype(np.float32) / 127.5 - 1).to(device)
        maps = (255 * task.activation(run.averaged(picture).float()))[0].round().to(torch.uint8).cpu().numpy()
        predicted = task.preview(maps[: len(maps_of(self.card))])
        self.save(in_rows([[with_outlines(grey, truth, TRUE), with_outlines(grey, predicted, FOUND)]]), name)
