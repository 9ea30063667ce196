"""Shared by all trainings of one fine-tuning: the images, the base model and its data, the recipe and the plan."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ....core import tasks as core_tasks
from ....core.learning import planning
from ....core.learning.training_summary import Plan, TrainingSummary
from ....core.masks.truth import BadDataset, Pair
from ....core.network.runtime import Runtime
from .. import tasks
from ..contract import Picture, Scoring
from ..data import held_out_images, load, pairs_of, stock_of
from ..files import write_whole
from ..finetune import fine_tuning
from ..pretrained import base_card, maps_of
from ..replay import Replay, replay
from ..settings import ComposedEntry, FolderEntry, SourceEntry, TrainingRecipe, number_of_classes
from ..start import resolve_recipe
from ..train import train

FILES = "files"  # folder of the pictures of the summary
REPLAY_SHARE = 0.25  # share of the crops that show the base model's own data
COMPOSED_SHARE = 1 / 3  # share of the other crops that show composed agglomerates
COMPOSED_PICTURES = 48
TRIAL_STEPS = 3  # steps by which the pace is measured
# Entries of a recipe by which the weights of the last step are published.
LAST_STEP: dict[str, Any] = {"patience": 0, "choose_by": ""}
MEASURED_SHARE = 0.02  # share of the work after which the time left is estimated from the pace so far
# report(stage, fraction of the work done, summary so far, seconds left or None)
Report = Callable[[str, float, TrainingSummary, float | None], None]


@dataclass(frozen=True)
class Options:
    """The options of a fine-tuning.

    name, title, version: of the new model. data, licence: name and licence of the user's images. minutes: for all
    trainings together, as far as that is possible. steps: of each training; 0: as many as the minutes allow.
    learning_curve: also train with a third and with two thirds of the images. composed: also train with agglomerates
    that are composed of particles of the images, and use them if they help. device, threads: of torch.
    pace: seconds of a step; None: they are measured. recipe: further entries of the recipe.
    """

    name: str
    title: str
    version: str = "1"
    data: str = "own images"
    licence: str = "of its owner"
    minutes: float = planning.MINUTES
    steps: int = 0
    learning_curve: bool = False
    composed: bool = False
    device: str = "auto"
    threads: int = 0
    pace: float | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)


class Progress:
    """Reports to the caller: the summary so far, the share of the work that is done, and the seconds left.

    done: planned seconds of the work that is done. done_before: seconds of these that an earlier call did.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self.summary: TrainingSummary = {"curve": [], "pictures": []}
        self.done = self.done_before = self.start_time = 0.0

    def begin(self, plan: Plan) -> None:
        """Start to count the time."""
        self.summary["plan"], self.start_time = plan, time.monotonic()

    def say(self, stage: str) -> None:
        """Report what is being done now, in words."""
        plan = self.summary.get("plan")
        fraction = self.done / plan["seconds"] if plan and plan["seconds"] else 0.0
        left = None
        if plan:
            planned, elapsed = self.done - self.done_before, time.monotonic() - self.start_time
            is_measured = planned > MEASURED_SHARE * plan["seconds"]
            pace = elapsed / planned if is_measured else 1.0  # elapsed per planned second
            left = pace * max(plan["seconds"] - self.done, 0.0)
        self.report(stage, 1.0 if stage == "done" else min(fraction, 0.99), self.summary, left)


class PlannedAdaptation:
    """The plan of one call of `adapt`, and the data and settings that its trainings share."""

    def __init__(self, folder: Path, base: str, out: Path, options: Options, report: Report) -> None:
        self.folder, self.base, self.out, self.options = folder, base, out, options
        self.progress = Progress(report)
        self.summary, self.card = self.progress.summary, base_card(base)
        self.runtime = Runtime(options.device)

    def plan(self) -> Plan:
        """The plan, which is made once and stored in plan.json and recipe.json. Raises BadDataset, BadRecipe."""
        file = self.out / "plan.json"
        if not file.exists():
            # There is no file none.toml, as no training has begun.
            recipe = resolve_recipe(fine_tuning(self.folder, self.base), self.out / "none.toml")
            recipe = recipe.replaced(device=self.options.device, threads=self.options.threads, **self.options.recipe)
            # `self.recipe` and `self.pairs` read this file.
            write_whole(self.out / "recipe.json", recipe.model_dump_json().encode())
            truths = [pair.load()[1] for pair in self.pairs]
            count = sum(len(np.unique(truth)) - 1 for truth in truths)
            if count < planning.LEAST_OBJECTS and not tasks.find(self.card.task).classes:
                raise BadDataset(planning.few_objects(count, "objects"))
            if self.options.composed:
                self._check_composing()
            self.progress.say("planning")
            choice = planning.choose_plan(
                len({pair.group for pair, truth in zip(self.pairs, truths, strict=True) if truth.any()}),
                sum(truth.size for truth in truths) / 1e6,
                pace=self.options.pace or self._measured_pace(),
                minutes=self.options.minutes,
                steps=self.options.steps,
                usual=self.recipe.steps,
                curve=self.options.learning_curve,
                composed=self.options.composed,
            )
            folds = [self.recipe.replaced(folds=choice.folds, steps=choice.steps, fold=n) for n in range(choice.splits)]
            notes = planning.notes(len(self.pairs), choice)
            if not self.replay.training:
                notes.append(f"No data of {self.card.name} are at hand, so that what it forgets cannot be measured.")
            plan = Plan(
                steps=choice.steps,
                trainings=choice.trainings,
                held_out=[sorted(image.pair.image.name for image in held_out_images(fold, self.out)) for fold in folds],
                seconds=round(choice.seconds),
                of_step=choice.step_seconds,
                notes=notes,
            )
            write_whole(file, json.dumps({**plan, "folds": choice.folds}).encode())
        content = json.loads(file.read_text())
        self.folds, self.of_step = content.pop("folds"), content["of_step"]
        return Plan(**content)

    @cached_property
    def recipe(self) -> TrainingRecipe:
        """The recipe that all trainings share: the user's images and, if they are on this machine, data of the base
        model."""
        shared = TrainingRecipe.model_validate_json((self.out / "recipe.json").read_text(), strict=False)
        source = next(entry for entry in shared.sources if isinstance(entry, FolderEntry))
        names = {"title": self.options.data, "licence": self.options.licence}
        # A relative path, so that the data folder may be moved.
        sources = [source.replaced(path=os.path.relpath(self.folder.resolve(), self.out.resolve()), **names)]
        if self.replay.training:
            count = number_of_classes(shared.task, shared.heads)
            licences = [facts.get("licence", "") or "unknown" for facts in self.card.data if "base" not in facts]
            sources.append(
                FolderEntry(
                    path="replay/training",
                    use="training",
                    classes=list(range(1, count + 1)),
                    weight=REPLAY_SHARE / (1 - REPLAY_SHARE),
                    title=f"the data of {self.card.name} that were at hand",
                    licence=", ".join(dict.fromkeys(licences)),
                )
            )
        return shared.replaced(sources=sources)

    def with_composed(self, sources: Sequence[SourceEntry]) -> list[SourceEntry]:
        """The sources with one more: agglomerates composed of particles of the user's images, which are the first
        source."""
        own_images, *others = sources
        shared = own_images.model_dump(exclude={"kind", "use", "count", "weight"})
        composed = ComposedEntry(**shared, use="training", pictures=COMPOSED_PICTURES, weight=COMPOSED_SHARE)
        return [own_images.replaced(weight=1 - COMPOSED_SHARE), *others, composed]

    def _check_composing(self) -> None:
        """Raise BadDataset if no agglomerates can be composed of the images."""
        particles = Counter({pair.group: 0 for pair in self.pairs})
        particles.update(particle.group for particle in stock_of(map(load, self.pairs)).particles)
        if problem := planning.composing_obstacle(core_tasks.find(self.card.task), particles):
            raise BadDataset(problem)

    @cached_property
    def replay(self) -> Replay:
        """The base model's own data."""
        return replay(self.card, self.out / "replay")

    @cached_property
    def pairs(self) -> list[Pair]:
        """The user's images with their labels."""
        own_images = next(entry for entry in self.recipe.sources if isinstance(entry, FolderEntry))
        return pairs_of(self.folder, own_images, number_of_classes(self.card.task, maps_of(self.card)))

    @cached_property
    def scoring(self) -> Scoring:
        """How results of the base model's task are scored."""
        return tasks.find(self.card.task).scoring(maps_of(self.card))

    def _measured_pace(self) -> float:
        """Seconds of the fastest of a few trial steps on this machine."""
        folder = self.out / "trial"
        few_steps = {"steps": TRIAL_STEPS, "checkpoint": 1, "validation_batches": 1, "folds": 0, "fold": 0, **LAST_STEP}
        shutil.rmtree(folder, ignore_errors=True)
        recipe = self.recipe.replaced(**few_steps, schedule={})
        run = train(recipe, folder, self.out, say=ignore_line)
        shutil.rmtree(folder, ignore_errors=True)
        return min(row.seconds_per_step for row in run.rows[1:])

    def numbers_of_split(self, split: int) -> list[int]:
        """The numbers of the images that a split holds out."""
        names = self.summary["plan"]["held_out"][split]
        return [number for number, pair in enumerate(self.pairs) if pair.image.name in names]

    def save(self, picture: Picture, name: str) -> None:
        """Write a picture of the summary as WEBP."""
        content = io.BytesIO()
        Image.fromarray(picture).save(content, "WEBP", quality=75)
        write_whole(self.out / FILES / name, content.getbuffer())


def ignore_line(line: str) -> None:
    """Print nothing: the lines of a training are not shown, because `Report` informs the caller."""
