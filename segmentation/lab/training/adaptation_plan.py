"""What training a model further on a folder will do: decided once, kept in plan.json, told to the caller."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...core import planning
from ...core.learning import Plan, TrainingSummary
from ...core.network.cards import ModelCard
from ...core.network.runtime import Runtime
from ...core.truth import BadDataset, Pair
from . import tasks
from .contract import Labels, Scoring
from .data import held_out, pairs_of
from .files import write_whole
from .finetune import fine_tuning
from .pretrained import base_card, maps_of
from .replay import Replay, replay
from .settings import FolderEntry, TrainingRecipe, number_of_classes
from .start import resolved
from .train import train

WEIGHT = 0.25  # share of the crops that show the base model's own data
TRIAL_STEPS = 3
LAST: dict[str, Any] = {"patience": 0, "choose_by": ""}  # the last step is published
Report = Callable[[str, float, TrainingSummary, float | None], None]
ENOUGH = 0.02  # of the whole, from which on its own progress tells the time left


class Cancelled(Exception):
    """The caller wants no more; what is done stays."""


@dataclass(frozen=True)
class Options:
    """name, title, version: of the model. data, licence: what the images are called, and theirs.

    minutes: for all of it, as far as that is possible. steps: of each training; 0 takes what there is time for.
    learning_curve: also train with a third and with two thirds of the images. device, threads: where it runs.
    pace: seconds of a step, where they are known; None measures them. recipe: further entries of the recipe.
    """

    name: str
    title: str
    version: str = "1"
    data: str = "own images"
    licence: str = "of its owner"
    minutes: float = planning.MINUTES
    steps: int = 0
    learning_curve: bool = False
    device: str = "auto"
    threads: int = 0
    pace: float | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)


class Planned:
    """The plan of one call of `adapt`, what it rests on, and what its caller hears."""

    def __init__(
        self, folder: Path, base: str, out: Path, options: Options, report: Report, is_cancelled: Callable[[], bool]
    ) -> None:
        self.folder, self.out, self.options, self.base = folder, out, options, base
        self.is_cancelled, self.report = is_cancelled, report
        self.card = base_card(base)
        self.summary: TrainingSummary = {"curve": [], "pictures": []}
        self.done = self.found = 0.0  # seconds, as planned: what is done, and what of it an earlier call had done
        self.began = 0.0
        self.runtime = Runtime(options.device)

    def plan(self) -> Plan:
        file = self.out / "plan.json"
        if not file.exists():
            recipe = self._checked()
            write_whole(self.out / "recipe.json", recipe.model_dump_json().encode())
            self._refuse_few()
            self._say("planning")
            groups = len({pair.group for pair in self.pairs if self.truth(pair).any()})
            chosen = planning.choose(
                groups,
                sum(self.truth(pair).size for pair in self.pairs) / 1e6,
                pace=self.options.pace or self._measured_pace(),
                minutes=self.options.minutes,
                steps=self.options.steps,
                usual=self.recipe.steps,
                curve=self.options.learning_curve,
            )
            recipe = self.recipe.replaced(folds=chosen.folds, steps=chosen.steps)
            held = [sorted(self._held(recipe.replaced(fold=fold))) for fold in range(chosen.splits)]
            notes = planning.notes(len(self.pairs), chosen)
            plan = Plan(
                steps=chosen.steps,
                trainings=chosen.trainings,
                held_out=held,
                seconds=round(chosen.seconds),
                of_step=chosen.of_step,
                notes=[*notes, *self._notes],
            )
            write_whole(file, json.dumps({**plan, "folds": chosen.folds}).encode())
        stored = json.loads(file.read_text())
        self.folds, self.of_step = stored.pop("folds"), stored["of_step"]
        return Plan(**stored)

    def _checked(self) -> TrainingRecipe:
        """The recipe that all trainings have in common, once the folder has been checked."""
        recipe = resolved(fine_tuning(self.folder, self.base), self.out / "none.toml")
        return recipe.replaced(device=self.options.device, threads=self.options.threads, **self.options.recipe)

    @cached_property
    def recipe(self) -> TrainingRecipe:
        own = TrainingRecipe.model_validate_json((self.out / "recipe.json").read_text(), strict=False)
        source = next(entry for entry in own.sources if isinstance(entry, FolderEntry))
        facts = {"title": self.options.data, "licence": self.options.licence}
        # Relative, so that the data folder may move.
        sources = [source.replaced(path=os.path.relpath(self.folder.resolve(), self.out.resolve()), **facts)]
        if self.replay.training:
            count = number_of_classes(own.task, own.heads)
            sources.append(
                FolderEntry(
                    path="replay/training",
                    use="training",
                    classes=list(range(1, count + 1)),
                    weight=WEIGHT / (1 - WEIGHT),
                    title=f"the data of {self.card.name} that were at hand",
                    licence=_licences(self.card),
                )
            )
        return own.replaced(sources=sources)

    @cached_property
    def replay(self) -> Replay:
        return replay(self.card, self.out / "replay")

    @cached_property
    def pairs(self) -> list[Pair]:
        own = next(entry for entry in self.recipe.sources if isinstance(entry, FolderEntry))
        return pairs_of(self.folder, own, number_of_classes(self.card.task, maps_of(self.card)))

    @cached_property
    def scoring(self) -> Scoring:
        return tasks.find(self.card.task).scoring(maps_of(self.card))

    @staticmethod
    def truth(pair: Pair) -> Labels:
        return pair.load()[1]

    def _refuse_few(self) -> None:
        if tasks.find(self.card.task).classes:
            return
        count = sum(len(np.unique(self.truth(pair))) - 1 for pair in self.pairs)
        if count < planning.LEAST_OBJECTS:
            raise BadDataset(planning.few_objects(count, "objects"))

    @property
    def _notes(self) -> list[str]:
        if self.replay.training:
            return []
        return [f"No data of {self.card.name} are at hand, so that what it forgets cannot be measured."]

    def _held(self, recipe: TrainingRecipe) -> list[str]:
        return [one.pair.image.name for one in held_out(recipe, self.out)]

    def _measured_pace(self) -> float:
        """Seconds of a step on this machine, from a few steps."""
        place = self.out / "trial"
        few = {"steps": TRIAL_STEPS, "checkpoint": 1, "validation_batches": 1, "folds": 0, "fold": 0, **LAST}
        shutil.rmtree(place, ignore_errors=True)
        run = train(self.recipe.replaced(**few, schedule={}), place, self.out, say=nothing, time_is_up=self._stop)
        shutil.rmtree(place, ignore_errors=True)
        return min(row.seconds_per_step for row in run.rows[1:])

    # What the caller hears

    def _seconds(self, recipe: TrainingRecipe) -> float:
        """Of a training, as planned."""
        return self.of_step * recipe.steps

    def _say(self, stage: str) -> None:
        plan = self.summary.get("plan")
        fraction = self.done / plan["seconds"] if plan and plan["seconds"] else 0.0
        left = None
        if plan:
            own, spent = self.done - self.found, time.monotonic() - self.began
            pace = spent / own if own > ENOUGH * plan["seconds"] else 1.0
            left = pace * max(plan["seconds"] - self.done, 0.0)
        self.report(stage, 1.0 if stage == "done" else min(fraction, 0.99), self.summary, left)

    def _stop(self) -> bool:
        if self.is_cancelled():
            raise Cancelled
        return False


def _licences(card: ModelCard) -> str:
    return ", ".join(
        dict.fromkeys(source.get("licence", "") or "unknown" for source in card.data if "base" not in source)
    )


def nothing(line: str) -> None:
    """Nobody hears what a training says; the report tells its caller."""
