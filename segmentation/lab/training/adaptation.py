"""A model is trained further on a user's own images, with a table on held-out images that says what it brought.

Every stage has a folder of its own in `out`, and whatever is finished there is not done again: after any kill the same
call goes on and comes to the same end.

    plan.json     what is done, decided once
    replay/       the base model's own data (lab.replay)
    before/       what the base model finds in each image
    split-0/ ...  trainings, each without some of the images; heldout/ in them: what they find in those
    curve-0-3/ .. the same with three of their images, for the learning curve
    final/        the training on all images: weights and card
    files/        the pictures of the summary
"""

from __future__ import annotations

import io
import json
import math
import os
import statistics
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ...core import planning
from ...core.learning import ImageChange, Kept, Picture, Point, Step, TrainingSummary
from ...core.network.cards import ModelCard, read_card
from ...core.network.likeness import ENTRY, OWN, describe, learn
from ...core.truth import Pair
from . import outcome, runs, tasks
from .adaptation_plan import LAST, Cancelled, Options, Planned, Report, nothing
from .contract import Labels
from .data import as_seen, load, resample
from .evaluation.predictions import Options as HowScored
from .evaluation.predictions import Predictor
from .evaluation.scores import Scorer, plain, summarise
from .files import packed, unpacked, write_whole
from .instances.counts import ImageCounts
from .instances.readings import Found, best_way, chosen_apart, read_in_every_way
from .masks import Compared
from .pretrained import maps_of
from .publish import publish_run, set_entries
from .settings import TrainingRecipe
from .sheets import FOUND, TRUE, in_rows, outlined
from .start import Run
from .train import train

SHOWN = 384  # px, side of the pictures of a held-out image as the training goes on
FILES = "files"
# What an Examiner says of an image, by its name in a file.
RECORDS: dict[str, type] = {"array": np.ndarray, "ImageCounts": ImageCounts, "Compared": Compared}


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


class Adaptation(Planned):
    """One call of `adapt`."""

    def go(self) -> TrainingSummary:
        self.out.mkdir(parents=True, exist_ok=True)
        self._say("checking the images")
        plan = self.plan()
        self.summary["plan"], self.began = plan, time.monotonic()
        self._say("scoring the base model")
        before = {number: ways[0] for number, ways in self._found(self.card, self._all, self.out / "before").items()}
        after: dict[int, list[Found]] = {}
        for split in range(len(plan["held_out"])):
            after |= self._held_out_training(split)
        chosen = self._chosen(after)
        self._tell(before, chosen)
        if self.options.learning_curve:
            self._learning_curve(before, chosen)
        card = self._final(after)
        self._forgetting(card)
        self._say("done")
        return self.summary

    # Trainings

    def _held_out_training(self, split: int) -> dict[int, list[Found]]:
        """Train without a part of the images; returns what it finds in these, read in each way."""
        place, name = self.out / f"split-{split}", f"training {split + 1} of {len(self.summary['plan']['held_out'])}"
        recipe = self._of_split(split, f"split-{split}")
        card = self._trained(recipe, place, name, split)
        return self._found(card, self._places(split), place / "heldout")

    def _chosen(self, after: Mapping[int, Sequence[Found]]) -> dict[int, Found]:
        """What the held-out trainings find, each image read as the images of other groups choose."""
        groups = [self.pairs[number].group for number in after]
        ways = chosen_apart(self.scoring, [_records(found) for found in after.values()], groups)
        return {number: found[way] for (number, found), way in zip(after.items(), ways, strict=True)}

    @property
    def _all(self) -> range:
        return range(len(self.pairs))

    def _places(self, split: int) -> list[int]:
        """The numbers of the images that a split holds out."""
        names = self.summary["plan"]["held_out"][split]
        return [number for number, pair in enumerate(self.pairs) if pair.image.name in names]

    def _of_split(self, split: int, name: str, images: int = 0) -> TrainingRecipe:
        own, *others = self.recipe.sources
        steps = self.summary["plan"]["steps"]
        entries = {"fold": split, "folds": self.folds, "steps": steps, "sources": [own.replaced(count=images), *others]}
        return self.recipe.replaced(name=name, **entries)

    def _final(self, after: Mapping[int, Sequence[Found]]) -> ModelCard:
        """Train on all images for as long as the held-out trainings found best, and publish; the maps are read as the
        held-out images choose."""
        place, count = self.out / "final", len(self.pairs)
        own, *others = self.recipe.sources
        limits = [
            f"Learnt from {count} images of {self.options.data}; it may do worse than {self.card.name} on others.",
            "Its figures are those of trainings without the images that were scored; it learnt from all of them.",
        ]
        about = {"name": self.options.name, "title": self.options.title, "version": self.options.version}
        recipe = self.recipe.replaced(
            **about,
            summary=f"{self.card.title} fine-tuned on {count} images of {self.options.data}.",
            limits=limits,
            steps=self._best_steps(),
            folds=0,
            fold=0,
            validation_batches=0,
            **LAST,
            sources=[own.replaced(use="training"), *others],
        )
        card = self._trained(recipe, place, "the final training", -1)
        read = [_records(found) for found in after.values()]
        way = self.scoring.ways(card)[best_way(self.scoring, read)]
        if card.scores != [self._score]:
            options = {**way, **self._own_images(card)}
            set_entries(
                place / f"{recipe.name}.toml", {"scores": [self._score], **({"options": options} if options else {})}
            )
        return read_card(place / f"{recipe.name}.toml")

    def _own_images(self, card: ModelCard) -> dict[str, Any]:
        """What the images are like, for the card of a task that does not describe its images by itself."""
        if ENTRY in card.options:
            return {}
        described = [describe(as_seen(pair.load()[0].pixels)) for pair in self.pairs]
        return {OWN: learn(described, [pair.group for pair in self.pairs])[ENTRY]}

    def _best_steps(self) -> int:
        """The middle of what the held-out trainings found best."""
        best = []
        for split in range(len(self.summary["plan"]["held_out"])):
            rows = runs.read_metrics(self.out / f"split-{split}" / runs.METRICS, self.summary["plan"]["steps"])
            row = runs.best_of(rows, self.recipe.rule) if self.recipe.rule else rows[-1]
            best.append(row.step if row else 0)
        return max(int(statistics.median_low(best)), min(self.recipe.checkpoint, self.summary["plan"]["steps"]))

    def _trained(self, recipe: TrainingRecipe, place: Path, stage: str, split: int | None) -> ModelCard:
        """The published model of a training, which is done unless it is there. split: of its points; None for none."""
        file, before = place / f"{recipe.name}.toml", self.done
        shown = None if split is None or split < 0 else self._shown(split)
        done = place / "done"  # the card is there before it is whole
        if not done.exists():
            step = [0]

            def advanced() -> bool:
                step[0] += 1
                self.done = before + self._seconds(recipe) * step[0] / recipe.steps
                self._say(stage)
                return self._stop()

            def watch(run: Run) -> None:
                step[0] = run.step
                if shown:
                    self._draw(run, *shown, self._picture_of(split or 0, run.step))
                if split is not None:
                    self._note(split, run.rows, shown)
                self._say(stage)

            checkpoint = place / runs.CHECKPOINT
            if checkpoint.exists():
                step[0] = runs.load_state(checkpoint)["step"]
                self.found += self._seconds(recipe) * step[0] / recipe.steps
                if split is not None:
                    self._note(split, runs.read_metrics(place / runs.METRICS, step[0]), shown)
            run = train(recipe, place, self.out, say=nothing, time_is_up=advanced, watch=watch)
            publish_run(run, place, self.out)
            write_whole(done, b"")
            checkpoint.unlink(missing_ok=True)
        else:
            self.found += self._seconds(recipe)
        if split is not None:
            self._note(split, runs.read_metrics(place / runs.METRICS, recipe.steps), shown)
        self.done = before + self._seconds(recipe)
        self._say(stage)
        return read_card(file)

    def _note(self, split: int, rows: Sequence[runs.CheckpointScores], shown: Any) -> None:
        """Put a training's checkpoints into the summary, in place of what is there of it."""
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
        if shown:
            drawn = [
                Picture(image=shown[0].image.name, split=split, step=row.step, file=self._picture_of(split, row.step))
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
        one = max(loaded, key=lambda each: len(np.unique(each.labels)))
        classes = bool(one.pair.classes)
        taught = math.sqrt(math.prod(self.recipe.sizes))
        scale = self.recipe.options.get("scale", 1.0) if classes else taught / (one.diameter or taught)
        side = min(round(SHOWN / scale), *one.grey.shape)
        top, left = ((length - side) // 2 for length in one.grey.shape)
        window = slice(top, top + side), slice(left, left + side)
        grey, labels = resample(one.grey[window], one.labels[window], SHOWN, classes=classes)
        return one.pair, grey, labels

    @torch.inference_mode()
    def _draw(self, run: Run, pair: Pair, grey: Any, truth: Labels, name: str) -> None:
        """What the training finds now, in colour, and what is there."""
        task, device = tasks.find(self.card.task), next(run.averaged.parameters()).device
        picture = torch.from_numpy(grey[None, None].astype(np.float32) / 127.5 - 1).to(device)
        maps = (255 * task.activation(run.averaged(picture).float()))[0].round().to(torch.uint8).cpu().numpy()
        maps = maps[: len(maps_of(self.card))]
        self._save(
            np.asarray(in_rows([[outlined(grey, truth, TRUE), outlined(grey, task.preview(maps), FOUND)]])), name
        )

    def _save(self, picture: Any, name: str) -> None:
        place = self.out / FILES
        place.mkdir(exist_ok=True)
        aside = place / f".{name}"
        Image.fromarray(picture).save(aside, "WEBP", quality=75)
        os.replace(aside, place / name)

    # Scores

    def _found(self, card: ModelCard, numbers: Sequence[int], place: Path) -> dict[int, list[Found]]:
        """What a model finds in the images of these numbers, by number, read in each way; kept in `place`. The base
        model is read in its own way alone."""
        predictor = Predictor(card, self.runtime)
        held = place.name == "heldout"
        found = {}
        for number in numbers:
            file = place / f"{number:04d}.npz"
            known = file.exists()
            if not known:
                scoring = self.scoring if held else replace(self.scoring, ways=lambda card: [{}])
                write_whole(file, _packed(read_in_every_way(scoring, predictor, self.pairs[number])))
            found[number] = _unpacked(file.read_bytes())
            seconds = (planning.WAYS if held else 1.0) * planning.IMAGE_SECONDS * found[number][0].labels.size / 1e6
            self.done += seconds
            self.found += seconds if known else 0.0
            self._say("scoring held-out images" if held else "scoring the base model")
            if self._stop():
                raise Cancelled
        return found

    def _scorer(self, card: ModelCard) -> Scorer:
        return Scorer(self.scoring, Predictor(card, self.runtime), HowScored(thresholds=False))

    def _tell(self, before: Mapping[int, Found], after: Mapping[int, Found]) -> None:
        """The table, the images and the outcome."""
        numbers = sorted(after)
        groups = [self.pairs[number].group for number in numbers]
        old, new = ([found[number].record for number in numbers] for found in (before, after))
        table, figures = outcome.changes(self.scoring, old, new, groups)
        self._score = outcome.score_entry(self.options.data, len(numbers), figures)
        images = []
        for number in numbers:
            sides = before[number], after[number]
            name = f"image-{number:04d}.webp"
            if not (self.out / FILES / name).exists():
                self._save(self._both(self.pairs[number], *sides), name)
            one, other = (outcome.figures_of(self.scoring, side.record) for side in sides)
            shown = self.pairs[number].image.name
            verdict = outcome.verdict(self.scoring, one, other)
            images.append(ImageChange(image=shown, before=one, after=other, file=name, verdict=verdict))
        self.summary["table"], self.summary["images"] = table, images
        self.summary["legend"] = [(name, f"#{bytes(colour).hex()}") for name, colour in self.scoring.legend.items()]
        self.summary["outcome"] = outcome.outcome(self.scoring, table, groups)
        self._say("comparing")

    def _both(self, pair: Pair, before: Found, after: Found) -> Any:
        """The image, and the errors in it before and after."""
        micrograph, truth = pair.load()
        old, new = (self.scoring.panels(micrograph, side.labels, truth) for side in (before, after))
        return in_rows([[old[0], old[-1], new[-1]]])

    def _learning_curve(self, before: Mapping[int, Found], after: Mapping[int, Found]) -> None:
        """The same held-out images, with a third and two thirds of the others to learn from."""
        numbers, splits = sorted(after), range(len(self.summary["plan"]["held_out"]))
        most = min(len(self.pairs) - len(self._places(split)) for split in splits)
        groups = [self.pairs[number].group for number in numbers]
        steps = [self._step(0, [before[number].record for number in numbers], groups)]
        for images in sorted({max(1, round(most / 3)), max(1, round(2 * most / 3))} - {most}):
            found: dict[int, list[Found]] = {}
            for split in splits:
                name = f"curve-{split}-{images}"
                card = self._trained(
                    self._of_split(split, name, images), self.out / name, f"with {images} images", None
                )
                found |= self._found(card, self._places(split), self.out / name / "heldout")
            read = self._chosen(found)
            steps.append(self._step(images, [read[number].record for number in numbers], groups))
        steps.append(self._step(most, [after[number].record for number in numbers], groups))
        self.summary["learning_curve"] = steps

    def _step(self, images: int, records: Sequence[Any], groups: Sequence[str]) -> Step:
        figures = summarise(self.scoring, records, nm=False, groups=groups)
        error = figures[self.scoring.compared[0]]
        interval = None if error.low is None or error.high is None else (error.low, error.high)
        score = figures[self.scoring.tracked.score].value
        return Step(images=images, error=error.value, error_interval=interval, score=score)

    def _forgetting(self, card: ModelCard) -> None:
        """What base and new model find in the base model's own data."""
        name = next(each for each in ("ap50", self.scoring.tracked.score) if each in self.scoring.definitions)
        kept = []
        for title, pairs in self.replay.kept.items():
            file = self.out / f"kept-{len(kept)}.json"
            if not file.exists():
                scorers = [self._scorer(each) for each in (self.card, card)]
                for pair in pairs:
                    for scorer in scorers:
                        scorer.image(pair)
                    self._say("measuring what it forgets")
                    if self._stop():
                        raise Cancelled
                values = [plain(scorer.figures()[name]) for scorer in scorers]
                write_whole(file, json.dumps(values).encode())
            old, new = json.loads(file.read_text())
            if old is not None and new is not None:
                figure = self.scoring.definitions[name].title
                kept.append(Kept(data=title, images=len(pairs), figure=figure, before=old, after=new))
        self.summary["forgetting"] = kept


def _records(found: Sequence[Found]) -> list[Any]:
    return [each.record for each in found]


def _packed(found: Sequence[Found]) -> bytes:
    """An .npz of what is read in each way."""
    name, kind = next(each for each in RECORDS.items() if isinstance(found[0].record, each[1]))
    labels = np.stack([each.labels.astype(np.int32) for each in found])
    compressed = np.frombuffer(zlib.compress(labels, 1), np.uint8)  # numpy's own compression takes five times as long
    content = io.BytesIO()
    np.savez(content, kind=name, labels=compressed, shape=labels.shape, **packed(list[kind], _records(found)))  # type: ignore[valid-type]
    return content.getvalue()


def _unpacked(content: bytes) -> list[Found]:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = dict(stored)
    labels = np.frombuffer(zlib.decompress(arrays["labels"]), np.int32).reshape(arrays["shape"])
    records = unpacked(list[RECORDS[str(arrays["kind"])]], arrays)  # type: ignore[misc]
    return [Found(*each) for each in zip(records, labels, strict=True)]
