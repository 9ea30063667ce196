"""A model is trained further on a user's own images, with a table on held-out images that says what it brought.

Every stage has a folder of its own in `out`, and whatever is finished there is not done again: after any kill the same
call goes on and comes to the same end.

    plan.json     what is done, decided once; recipe.json: what all trainings have in common
    replay/       the base model's own data (training.replay)
    before/       what the base model finds in each image
    split-0/ ...  trainings, each without some of the images; heldout/ in them: what they find in those; share-30/ ...:
                  what means of their weights and the base's find there (training.blend)
    curve-0-3/ .. the same with three of their images, for the learning curve
    tuned/        the training on all images
    final/        the model: weights and card
    files/        the pictures of the summary
"""

from __future__ import annotations

import json
import math
import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ...core import planning
from ...core.learning import ImageChange, Picture, Plan, Point, Step, TrainingSummary
from ...core.network.cards import ModelCard, read_card
from ...core.network.likeness import ENTRY, OWN, describe, learn
from ...core.network.runtime import Runtime, unload
from ...core.truth import BadDataset, Pair
from . import blend, outcome, runs, tasks
from .contract import Labels, Scoring
from .data import as_seen, held_out, load, pairs_of, resample
from .evaluation.predictions import Options as HowScored
from .evaluation.predictions import Predictor
from .evaluation.scores import Scorer, plain, summarise
from .files import write_whole
from .finetune import fine_tuning
from .instances.readings import Found, Way, best_way, chosen_apart, read_in_every_way, with_options
from .pretrained import base_card, maps_of
from .publish import DONE, set_entries, trained_model
from .replay import Replay, replay
from .settings import FolderEntry, TrainingRecipe, number_of_classes
from .sheets import FOUND, TRUE, in_rows, outlined
from .start import Run, resolved
from .train import train

SHOWN = 384  # px, side of the pictures of a held-out image as the training goes on
FILES, HELD = "files", "heldout"
WEIGHT = 0.25  # share of the crops that show the base model's own data
TRIAL_STEPS = 3
LAST: dict[str, Any] = {"patience": 0, "choose_by": ""}  # the last step is published
ENOUGH = 0.02  # of the whole, from which on its own progress tells the time left
Report = Callable[[str, float, TrainingSummary, float | None], None]


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


def adapt(
    folder: Path,
    base: str,
    out: Path,
    options: Options,
    report: Report = lambda stage, fraction, summary, left: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> TrainingSummary:
    """Train `base` further on the images and labels in `folder`; returns what a training's page shows.

    The model is in `out/final`, the pictures of the summary in `out/files`. report(stage, fraction of all, summary so
    far, seconds left or None): called often, also from the middle of a training. Raises BadDataset and BadRecipe where
    the folder or the base cannot be used, Cancelled soon after `is_cancelled` says so, CannotWrite.
    """
    return Adaptation(folder, base, out, options, report, is_cancelled).go()


class Adaptation:
    """One call of `adapt`: its plan, what this rests on, its trainings, and what its caller hears."""

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

    def go(self) -> TrainingSummary:
        self.out.mkdir(parents=True, exist_ok=True)
        self._say("checking the images")
        plan = self.plan()
        self.summary["plan"], self.began = plan, time.monotonic()
        self._say("scoring the base model")
        every = range(len(self.pairs))
        before = {number: ways[0] for number, ways in self._found(self.card, every, self.out / "before").items()}
        after: dict[int, list[Found]] = {}
        for split in range(len(plan["held_out"])):
            name = f"split-{split}"
            stage = f"training {split + 1} of {len(plan['held_out'])}"
            card = self._trained(self._of_split(split, name), self.out / name, stage, split)
            after |= self._found(card, self._places(split), self.out / name / HELD)
        tuned = self._final()
        read = [[reading.record for reading in ways] for ways in after.values()]
        way = self.scoring.ways(tuned)[best_way(self.scoring, read)]
        self._blended(tuned, way, before, after)
        if self.options.learning_curve:
            self._learning_curve(before, after)
        self._say("done")
        return self.summary

    # Plan

    def plan(self) -> Plan:
        file = self.out / "plan.json"
        if not file.exists():
            recipe = resolved(fine_tuning(self.folder, self.base), self.out / "none.toml")
            recipe = recipe.replaced(device=self.options.device, threads=self.options.threads, **self.options.recipe)
            write_whole(self.out / "recipe.json", recipe.model_dump_json().encode())
            truths = [pair.load()[1] for pair in self.pairs]
            count = sum(len(np.unique(truth)) - 1 for truth in truths)
            if count < planning.LEAST_OBJECTS and not tasks.find(self.card.task).classes:
                raise BadDataset(planning.few_objects(count, "objects"))
            self._say("planning")
            chosen = planning.choose(
                len({pair.group for pair, truth in zip(self.pairs, truths, strict=True) if truth.any()}),
                sum(truth.size for truth in truths) / 1e6,
                pace=self.options.pace or self._measured_pace(),
                minutes=self.options.minutes,
                steps=self.options.steps,
                usual=self.recipe.steps,
                curve=self.options.learning_curve,
            )
            folds = [
                self.recipe.replaced(folds=chosen.folds, steps=chosen.steps, fold=fold) for fold in range(chosen.splits)
            ]
            notes = planning.notes(len(self.pairs), chosen)
            if not self.replay.training:
                notes.append(f"No data of {self.card.name} are at hand, so that what it forgets cannot be measured.")
            plan = Plan(
                steps=chosen.steps,
                trainings=chosen.trainings,
                held_out=[sorted(one.pair.image.name for one in held_out(fold, self.out)) for fold in folds],
                seconds=round(chosen.seconds),
                of_step=chosen.of_step,
                notes=notes,
            )
            write_whole(file, json.dumps({**plan, "folds": chosen.folds}).encode())
        content = json.loads(file.read_text())
        self.folds, self.of_step = content.pop("folds"), content["of_step"]
        return Plan(**content)

    @cached_property
    def recipe(self) -> TrainingRecipe:
        """What all trainings have in common."""
        shared = TrainingRecipe.model_validate_json((self.out / "recipe.json").read_text(), strict=False)
        source = next(entry for entry in shared.sources if isinstance(entry, FolderEntry))
        facts = {"title": self.options.data, "licence": self.options.licence}
        # Relative, so that the data folder may move.
        sources = [source.replaced(path=os.path.relpath(self.folder.resolve(), self.out.resolve()), **facts)]
        if self.replay.training:
            count = number_of_classes(shared.task, shared.heads)
            licences = [facts.get("licence", "") or "unknown" for facts in self.card.data if "base" not in facts]
            sources.append(
                FolderEntry(
                    path="replay/training",
                    use="training",
                    classes=list(range(1, count + 1)),
                    weight=WEIGHT / (1 - WEIGHT),
                    title=f"the data of {self.card.name} that were at hand",
                    licence=", ".join(dict.fromkeys(licences)),
                )
            )
        return shared.replaced(sources=sources)

    @cached_property
    def replay(self) -> Replay:
        return replay(self.card, self.out / "replay")

    @cached_property
    def pairs(self) -> list[Pair]:
        own_images = next(entry for entry in self.recipe.sources if isinstance(entry, FolderEntry))
        return pairs_of(self.folder, own_images, number_of_classes(self.card.task, maps_of(self.card)))

    @cached_property
    def scoring(self) -> Scoring:
        return tasks.find(self.card.task).scoring(maps_of(self.card))

    def _measured_pace(self) -> float:
        """Seconds of a step on this machine, from a few steps."""
        folder = self.out / "trial"
        few = {"steps": TRIAL_STEPS, "checkpoint": 1, "validation_batches": 1, "folds": 0, "fold": 0, **LAST}
        shutil.rmtree(folder, ignore_errors=True)
        run = train(self.recipe.replaced(**few, schedule={}), folder, self.out, say=nothing, time_is_up=self._stop)
        shutil.rmtree(folder, ignore_errors=True)
        return min(row.seconds_per_step for row in run.rows[1:])

    # Trainings

    def _places(self, split: int) -> list[int]:
        """The numbers of the images that a split holds out."""
        names = self.summary["plan"]["held_out"][split]
        return [number for number, pair in enumerate(self.pairs) if pair.image.name in names]

    def _of_split(self, split: int, name: str, images: int = 0) -> TrainingRecipe:
        own_images, *others = self.recipe.sources
        steps = self.summary["plan"]["steps"]
        entries = {
            "fold": split,
            "folds": self.folds,
            "steps": steps,
            "sources": [own_images.replaced(count=images), *others],
        }
        return self.recipe.replaced(name=name, **entries)

    def _final(self) -> ModelCard:
        """Train on all images for as long as the held-out trainings found best (their median)."""
        steps, best = self.summary["plan"]["steps"], []
        for split in range(len(self.summary["plan"]["held_out"])):
            rows = runs.read_metrics(self.out / f"split-{split}" / runs.METRICS, steps)
            row = runs.best_of(rows, self.recipe.rule) if self.recipe.rule else rows[-1]
            best.append(row.step if row else 0)
        count = len(self.pairs)
        own_images, *others = self.recipe.sources
        recipe = self.recipe.replaced(
            name=self.options.name,
            title=self.options.title,
            version=self.options.version,
            summary=f"{self.card.title} fine-tuned on {count} images of {self.options.data}.",
            limits=[
                f"Learnt from {count} images of {self.options.data}; it may do worse than {self.card.name} on others.",
                "Its figures are those of trainings without the images that were scored; it learnt from all of them.",
            ],
            steps=max(int(statistics.median_low(best)), min(self.recipe.checkpoint, steps)),
            folds=0,
            fold=0,
            validation_batches=0,
            **LAST,
            sources=[own_images.replaced(use="training"), *others],
        )
        return self._trained(recipe, self.out / "tuned", "the final training", -1)

    def _trained(self, recipe: TrainingRecipe, folder: Path, stage: str, split: int | None) -> ModelCard:
        """The published model of a training, which is done unless it is there. split: of its points; None for none."""
        before, step, checkpoint = self.done, 0, folder / runs.CHECKPOINT
        example = None if split is None or split < 0 else self._shown(split)

        def advanced() -> bool:
            nonlocal step
            step += 1
            self.done = before + self.of_step * step
            self._say(stage)
            return self._stop()

        def watch(run: Run) -> None:
            nonlocal step
            step = run.step
            if example:
                self._draw(run, *example, self._picture_of(split or 0, run.step))
            self._note(split, run.rows, example)
            self._say(stage)

        if (folder / DONE).exists():
            self.found += self.of_step * recipe.steps
        elif checkpoint.exists():
            step = runs.load_state(checkpoint)["step"]
            self.found += self.of_step * step
            self._note(split, runs.read_metrics(folder / runs.METRICS, step), example)
        card = trained_model(recipe, folder, self.out, nothing, advanced, watch)
        self._note(split, runs.read_metrics(folder / runs.METRICS, recipe.steps), example)
        self.done = before + self.of_step * recipe.steps
        self._say(stage)
        return card

    def _note(self, split: int | None, rows: Sequence[runs.CheckpointScores], example: Any) -> None:
        """Put a training's checkpoints into the summary, in place of what is there of it."""
        if split is None:
            return
        held = split >= 0
        points = [
            Point(
                split=split,
                step=row.step,
                loss=plain(row.loss),
                validation_loss=plain(row.validation_loss) if held else None,
                score=plain(row.validation_score) if held else None,
                error=plain(row.quantity_error) if held else None,
            )
            for row in rows
        ]
        self.summary["curve"] = [p for p in self.summary["curve"] if p["split"] != split] + points
        if example:
            drawn = [
                Picture(image=example[0].image.name, split=split, step=row.step, file=self._picture_of(split, row.step))
                for row in rows
            ]
            self.summary["pictures"] = [p for p in self.summary["pictures"] if p["split"] != split] + drawn

    # Pictures

    @staticmethod
    def _picture_of(split: int, step: int) -> str:
        return f"split-{split}-step-{step:05d}.webp"

    def _shown(self, split: int) -> tuple[Pair, Any, Labels]:
        """The middle of the held-out image with the most objects, as the network sees it, and its labels."""
        loaded = [load(self.pairs[number]) for number in self._places(split)]
        fullest = max(loaded, key=lambda image: len(np.unique(image.labels)))
        classes = bool(fullest.pair.classes)
        taught = math.sqrt(math.prod(self.recipe.sizes))
        scale = self.recipe.options.get("scale", 1.0) if classes else taught / (fullest.diameter or taught)
        side = min(round(SHOWN / scale), *fullest.grey.shape)
        top, left = ((length - side) // 2 for length in fullest.grey.shape)
        window = slice(top, top + side), slice(left, left + side)
        grey, labels = resample(fullest.grey[window], fullest.labels[window], SHOWN, classes=classes)
        return fullest.pair, grey, labels

    @torch.inference_mode()
    def _draw(self, run: Run, pair: Pair, grey: Any, truth: Labels, name: str) -> None:
        """What the training finds now, in colour, and what is there."""
        task, device = tasks.find(self.card.task), next(run.averaged.parameters()).device
        picture = torch.from_numpy(grey[None, None].astype(np.float32) / 127.5 - 1).to(device)
        maps = (255 * task.activation(run.averaged(picture).float()))[0].round().to(torch.uint8).cpu().numpy()
        predicted = task.preview(maps[: len(maps_of(self.card))])
        self._save(in_rows([[outlined(grey, truth, TRUE), outlined(grey, predicted, FOUND)]]), name)

    def _save(self, picture: NDArray[np.uint8], name: str) -> None:
        folder = self.out / FILES
        folder.mkdir(exist_ok=True)
        aside = folder / f".{name}"
        Image.fromarray(picture).save(aside, "WEBP", quality=75)
        os.replace(aside, folder / name)

    # Scores

    def _found(
        self, card: ModelCard, numbers: Sequence[int], folder: Path, ways: Callable[[int], list[Way]] | None = None
    ) -> dict[int, list[Found]]:
        """What a model finds in the images of these numbers, by number, read in each way; kept in `place`. ways: of an
        image; None reads what was held out in every way, and else in the model's own."""
        every = folder.name == HELD
        predictor, readings = Predictor(card, self.runtime), {}
        for number in numbers:
            file = folder / f"{number:04d}.npz"
            is_stored = file.exists()
            if not is_stored:
                image_ways = ways(number) if ways else self.scoring.ways(card) if every else [{}]
                scoring = replace(self.scoring, ways=lambda card, image_ways=image_ways: image_ways)
                write_whole(file, outcome.packed_found(read_in_every_way(scoring, predictor, self.pairs[number])))
            readings[number] = outcome.unpacked_found(file.read_bytes())
            seconds = (planning.WAYS if every else 1.0) * planning.IMAGE_SECONDS * readings[number][0].labels.size / 1e6
            self.done += seconds
            self.found += seconds if is_stored else 0.0
            self._say("scoring the base model" if folder.name == "before" else "scoring held-out images")
            self._stop()
        return readings

    def _blended(
        self, tuned: ModelCard, way: Way, before: Mapping[int, Found], after: Mapping[int, Sequence[Found]]
    ) -> None:
        """Choose the share of the tuned weights by the held-out images and the base model's own data; publish that
        mean, and tell what it brings and forgets. way: in which the model's maps are read."""
        ways = self._ways_apart(after)
        held = {blend.WHOLE: {number: readings[ways[number]] for number, readings in after.items()}}
        for share in blend.SHARES[1:]:
            held[share] = {}
            for split in range(len(self.summary["plan"]["held_out"])):
                folder = self.out / f"split-{split}"
                card, part = read_card(folder / f"split-{split}.toml"), folder / f"share-{100 * share:.0f}"
                every, mean = self.scoring.ways(card), blend.mean_of(self.card, card, share, part)
                read = self._found(mean, self._places(split), part, lambda number, every=every: [every[ways[number]]])
                held[share] |= {number: readings[0] for number, readings in read.items()}
                unload(mean)
                mean.weights.unlink()
        forgotten = self._known(tuned, way)
        groups = {number: self.pairs[number].group for number in sorted(after)}

        def chosen(numbers: Sequence[int]) -> float:
            records = {share: [readings[number].record for number in numbers] for share, readings in held.items()}
            return blend.choose(self.scoring, records, forgotten)

        apart = {
            group: chosen([number for number, other in groups.items() if other != group] or list(groups))
            for group in dict.fromkeys(groups.values())
        }
        self._tell(before, {number: held[apart[group]][number] for number, group in groups.items()})
        share = chosen(list(groups))
        self.summary["forgetting"] = [kind.kept(share) for kind in forgotten]
        worse = [image["image"] for image in self.summary["images"] if image["verdict"] == "worse"]
        self.summary["share"] = blended = blend.told(self.card, share, self.summary["forgetting"], worse)
        card = blend.mean_of(self.card, tuned, share, self.out / "final")
        options = {**way, **self._own_images(card)}
        set_entries(
            card.weights.with_suffix(".toml"),
            {
                "scores": [self._score],
                "limits": [*card.limits, blended["sentence"]],
                "training": {"share": share, "share_keeps": blended["keeps"] or "not known", "share_rule": blend.RULE},
                **({"options": options} if options else {}),
            },
        )

    def _ways_apart(self, readings: Mapping[int, Sequence[Found]]) -> dict[int, int]:
        """The number of the way in which each image is read, as the images of other groups choose."""
        groups = [self.pairs[number].group for number in readings]
        read = [[one.record for one in ways] for ways in readings.values()]
        return dict(zip(readings, chosen_apart(self.scoring, read, groups), strict=True))

    def _own_images(self, card: ModelCard) -> dict[str, Any]:
        """What the images are like, for the card of a task that does not describe its images by itself."""
        if ENTRY in card.options:
            return {}
        described = [describe(as_seen(pair.load()[0].pixels)) for pair in self.pairs]
        return {OWN: learn(described, [pair.group for pair in self.pairs])[ENTRY]}

    def _tell(self, before: Mapping[int, Found], after: Mapping[int, Found]) -> None:
        """The table, the images and the outcome."""
        groups = [self.pairs[number].group for number in after]
        old, new = ([readings[number].record for number in after] for readings in (before, after))
        table, figures = outcome.changes(self.scoring, old, new, groups)
        self._score = outcome.score_entry(self.options.data, len(after), figures)
        images = []
        for number in after:
            pair, sides, name = self.pairs[number], (before[number], after[number]), f"image-{number:04d}.webp"
            if not (self.out / FILES / name).exists():
                micrograph, truth = pair.load()
                panels = [self.scoring.panels(micrograph, side.labels, truth) for side in sides]
                self._save(in_rows([[panels[0][0], panels[0][-1], panels[1][-1]]]), name)
            one, other = (outcome.figures_of(self.scoring, side.record) for side in sides)
            verdict = outcome.verdict(self.scoring, one, other)
            images.append(ImageChange(image=pair.image.name, before=one, after=other, file=name, verdict=verdict))
        self.summary["table"], self.summary["images"] = table, images
        self.summary["legend"] = [(name, f"#{bytes(colour).hex()}") for name, colour in self.scoring.legend.items()]
        self.summary["outcome"] = outcome.outcome(self.scoring, table, groups)
        self._say("comparing")

    def _learning_curve(self, before: Mapping[int, Found], after: Mapping[int, Sequence[Found]]) -> None:
        """The same held-out images, with a third and two thirds of the others to learn from; tuned weights alone."""
        splits = range(len(self.summary["plan"]["held_out"]))
        most = min(len(self.pairs) - len(self._places(split)) for split in splits)
        steps = [self._step(0, before, dict.fromkeys(sorted(after), 0))]
        for images in [*sorted({max(1, round(most / 3)), max(1, round(2 * most / 3))} - {most}), most]:
            readings = dict[int, Sequence[Found]](after) if images == most else {}
            for split in splits if images < most else ():
                name = f"curve-{split}-{images}"
                recipe, stage = self._of_split(split, name, images), f"with {images} images"
                card = self._trained(recipe, self.out / name, stage, None)
                readings |= self._found(card, self._places(split), self.out / name / HELD)
            ways = self._ways_apart(readings)
            steps.append(
                self._step(images, {number: ways_of[ways[number]] for number, ways_of in readings.items()}, ways)
            )
        self.summary["learning_curve"] = steps

    def _step(self, images: int, readings: Mapping[int, Found], numbers: Mapping[int, int]) -> Step:
        ordered = sorted(numbers)
        groups = [self.pairs[number].group for number in ordered]
        figures = summarise(self.scoring, [readings[number].record for number in ordered], nm=False, groups=groups)
        error = figures[self.scoring.compared[0]]
        interval = None if error.low is None or error.high is None else (error.low, error.high)
        score = figures[self.scoring.tracked.score].value
        return Step(images=images, error=error.value, error_interval=interval, score=score)

    def _known(self, tuned: ModelCard, way: Way) -> list[blend.Known]:
        """What the base model finds in its own data, and what each share of the tuned weights finds there."""
        name = next(score for score in ("ap50", self.scoring.tracked.score) if score in self.scoring.definitions)
        measured = []
        for number, (title, pairs) in enumerate(self.replay.kept.items()):
            file = self.out / f"kept-{number}.json"
            if not file.exists():
                values = [self._figure(name, self.card, pairs)]
                for share in blend.SHARES:
                    mean = blend.mean_of(self.card, tuned, share, self.out / "mean")
                    values.append(self._figure(name, with_options(mean, way), pairs))
                    unload(mean)
                write_whole(file, json.dumps(values).encode())
            old, *new = json.loads(file.read_text())
            if old is not None and None not in new:
                figure = self.scoring.definitions[name].title
                after = dict(zip(blend.SHARES, new, strict=True))
                measured.append(blend.Known(title, len(pairs), figure, old, after))
        return measured

    def _figure(self, name: str, card: ModelCard, pairs: Sequence[Pair]) -> float | None:
        scorer = Scorer(self.scoring, Predictor(card, self.runtime), HowScored(thresholds=False))
        for pair in pairs:
            scorer.image(pair)
            self._say("measuring what it forgets")
            self._stop()
        return plain(scorer.figures()[name])

    # What the caller hears

    def _say(self, stage: str) -> None:
        plan = self.summary.get("plan")
        fraction = self.done / plan["seconds"] if plan and plan["seconds"] else 0.0
        left = None
        if plan:
            planned, spent = self.done - self.found, time.monotonic() - self.began
            pace = spent / planned if planned > ENOUGH * plan["seconds"] else 1.0
            left = pace * max(plan["seconds"] - self.done, 0.0)
        self.report(stage, 1.0 if stage == "done" else min(fraction, 0.99), self.summary, left)

    def _stop(self) -> bool:
        if self.is_cancelled():
            raise Cancelled
        return False


def nothing(line: str) -> None:
    """Nobody hears what a training says; the report tells its caller."""
