"""A model is trained further on a user's images. A table on held-out images says how much better it became.

Every stage has a folder in `out`. Finished stages are not done again, so the same call goes on after any kill and
comes to the same end.

    plan.json     what is done, decided once
    recipe.json   what all trainings have in common
    replay/       the base model's own data (training.replay)
    before/       readings of each image by the base model
    split-0/ ...  trainings, each without some of the images. heldout/ has its readings of those images. share-30/ ...
                  have readings by means of its weights and the base model's (training.blend)
    composed-0/   the same with composed agglomerates, if asked for
    kept-0.json   what each share of the tuned weights finds in one kind of the base model's own data; mean/ serves it
    curve-0-3/ .. trainings of a split with three images, for the learning curve
    tuned/        the training on all images
    final/        the model: weights and card
    files/        the pictures of the summary
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ....core import planning
from ....core.learning import ImageChange, Step, TrainingSummary
from ....core.network.cards import ModelCard, read_card
from ....core.network.likeness import ENTRY, OWN, describe, learn
from ....core.network.runtime import unload
from ....core.truth import Pair
from .. import blend, outcome
from ..data import as_seen
from ..evaluation.predictions import Options as HowScored
from ..evaluation.predictions import Predictor
from ..evaluation.scores import Scorer, finite_or_none, summarise
from ..files import CannotWrite, write_whole
from ..instances.readings import Found, Way, best_way, chosen_apart, read_in_every_way, with_options
from ..pretrained import base_card
from ..publish import add_graph, add_images, set_entries
from ..sheets import in_rows
from .material import FILES, Options, Report
from .trainings import Trainings, folder_of

HELD = "heldout"
Choice = TypeVar("Choice")


def adapt(
    folder: Path, base: str, out: Path, options: Options, report: Report = lambda stage, fraction, summary, left: None
) -> TrainingSummary:
    """Train `base` further on the images and labels in `folder`. Returns the summary that a training's page shows.

    The model is written to `out/final`, the pictures of the summary to `out/files`. report(stage, fraction of all,
    summary so far, seconds left or None) is called often, also during a training; it may raise to stop, and what is
    done stays. Raises BadDataset or BadRecipe if the folder or the base cannot be used, and CannotWrite.
    """
    return Adaptation(folder, base, out, options, report).go()


class Adaptation(Trainings):
    """One call of `adapt`: its plan, its trainings, and what the held-out images say of them."""

    def go(self) -> TrainingSummary:
        self.out.mkdir(parents=True, exist_ok=True)
        self.progress.say("checking the images")
        plan = self.plan()
        self.progress.begin(plan)
        self.progress.say("scoring the base model")
        every = range(len(self.pairs))
        before = {number: ways[0] for number, ways in self._readings_of(self.card, every, self.out / "before").items()}
        plain = after = self._held_out(composed=False)
        self.judges = self._judges(dict.fromkeys(after, False))
        composed = False
        if self.options.composed:
            composed, after = self._chosen_material(plain, self._held_out(composed=True))
        tuned = self.final(composed=composed)
        read = [[reading.record for reading in ways] for ways in after.values()]
        way = self.scoring.ways(tuned)[best_way(self.scoring, read)]
        self._publish_blend(tuned, way, before, after)
        if self.options.learning_curve:
            self._learning_curve(before, plain)
        self.progress.say("done")
        return self.summary

    def _held_out(self, *, composed: bool) -> dict[int, list[Found]]:
        """The readings of each held-out image, in every way, by the training without it."""
        readings, splits = dict[int, list[Found]](), len(self.summary["plan"]["held_out"])
        for split in range(splits):
            name = folder_of(split, composed=composed)
            stage = f"training {split + 1} of {splits}" + (", with composed agglomerates" if composed else "")
            recipe = self.of_split(split, name, composed=composed)
            # The curves and pictures of the page are those of the plain trainings.
            card = self.trained(recipe, self.out / name, stage, None if composed else split)
            readings |= self._readings_of(card, self.places(split), self.out / name / HELD)
        return readings

    def _judges(self, composed: Mapping[int, bool]) -> dict[int, str]:
        """The name of the training that judges each held-out image. composed: whether with composed agglomerates."""
        splits = range(len(self.summary["plan"]["held_out"]))
        return {number: folder_of(n, composed=composed[number]) for n in splits for number in self.places(n)}

    def _chosen_material(
        self, plain: Mapping[int, list[Found]], composed: Mapping[int, list[Found]]
    ) -> tuple[bool, dict[int, list[Found]]]:
        """(whether the model learns from composed agglomerates, the readings of the held-out images). The images of
        other groups choose which of both trainings judges an image. The summary says what agglomerates gain."""
        ways = [self._ways_apart(readings) for readings in (plain, composed)]
        sides = [{n: side[n][way[n]].record for n in plain} for side, way in zip((plain, composed), ways, strict=True)]
        groups = {number: self.pairs[number].group for number in plain}

        def help_in(numbers: Sequence[int]) -> bool:
            before, after = (blend.worth(self.scoring, [side[number] for number in numbers]) for side in sides)
            return after - before >= outcome.CLEAR_SCORE

        kept, apart = help_in(list(plain)), self._by_others(groups, help_in)
        of_side = ([side[number] for number in plain] for side in sides)
        self.summary["composed"] = outcome.composing(self.scoring, *of_side, [*groups.values()], kept=kept)
        self.judges = self._judges({number: apart[group] for number, group in groups.items()})
        return kept, {n: (composed if apart[group] else plain)[n] for n, group in groups.items()}

    @staticmethod
    def _by_others(groups: Mapping[int, str], choose: Callable[[Sequence[int]], Choice]) -> dict[str, Choice]:
        """What the images of the other groups choose for each group: none chooses its own. groups: by image. A single
        group chooses for itself."""
        return {
            group: choose([number for number, other in groups.items() if other != group] or list(groups))
            for group in dict.fromkeys(groups.values())
        }

    def _readings_of(
        self, card: ModelCard, numbers: Sequence[int], folder: Path, ways: Callable[[int], list[Way]] | None = None
    ) -> dict[int, list[Found]]:
        """The readings of these images by a model, by number; `folder` keeps them. ways(number): how the image is read.

        None reads in every way where `folder` is called HELD, else in the model's own way."""
        every = folder.name == HELD
        predictor, readings = Predictor(card, self.runtime), {}
        for number in numbers:
            file = folder / f"reading-{number:04d}.npz"  # not as 1.0.0 called and wrote them
            is_stored = file.exists()
            if not is_stored:
                image_ways = ways(number) if ways else self.scoring.ways(card) if every else [{}]
                scoring = replace(self.scoring, ways=lambda card, image_ways=image_ways: image_ways)
                write_whole(file, outcome.packed_found(read_in_every_way(scoring, predictor, self.pairs[number])))
            readings[number] = outcome.unpacked_found(file.read_bytes())
            seconds = (planning.WAYS if every else 1.0) * planning.IMAGE_SECONDS * readings[number][0].labels.size / 1e6
            self.progress.done += seconds
            self.progress.done_before += seconds if is_stored else 0.0
            self.progress.say("scoring the base model" if folder.name == "before" else "scoring held-out images")
        return readings

    def _publish_blend(
        self, tuned: ModelCard, way: Way, before: Mapping[int, Found], after: Mapping[int, Sequence[Found]]
    ) -> None:
        """Choose the share of the tuned weights by the held-out images and the base model's own data, and publish that
        mean. The summary says what it gains and forgets. way: how the model's maps are read."""
        held = self._readings_by_share(after)
        forgotten = self._on_own_data(tuned, way)
        groups = {number: self.pairs[number].group for number in sorted(after)}

        def chosen(numbers: Sequence[int]) -> float:
            records = {share: [readings[number].record for number in numbers] for share, readings in held.items()}
            return blend.choose(self.scoring, records, forgotten)

        apart = self._by_others(groups, chosen)
        self._tell(before, {number: held[apart[group]][number] for number, group in groups.items()})
        share = chosen(list(groups))
        self.summary["forgetting"] = [kind.at(share) for kind in forgotten]
        worse = [image["image"] for image in self.summary["images"] if image["verdict"] == "worse"]
        self.summary["share"] = blended = blend.described(self.card, share, self.summary["forgetting"], worse)
        card = blend.mean_of(self.card, tuned, share, self.out / "final")
        options = dict(way)
        if ENTRY not in card.options:  # else the task of the card describes the images by itself
            described = [describe(as_seen(pair.load()[0].pixels)) for pair in self.pairs]
            options[OWN] = learn(described, [pair.group for pair in self.pairs])[ENTRY]
        set_entries(
            card.weights.with_suffix(".toml"),
            {
                "scores": [self._score],
                "limits": [*card.limits, blended["sentence"]],
                "training": {"share": share, "share_keeps": blended["keeps"] or "not known", "share_rule": blend.RULE},
                **({"options": options} if options else {}),
            },
        )

    def _readings_by_share(self, after: Mapping[int, Sequence[Found]]) -> dict[float, dict[int, Found]]:
        """Of each share of the tuned weights the readings of the held-out images, by number, each in the way that the
        other groups choose. after: those of the tuned weights alone, in every way."""
        ways = self._ways_apart(after)
        held = {blend.WHOLE: {number: readings[ways[number]] for number, readings in after.items()}}
        for share in blend.SHARES[1:]:
            held[share] = {}
            for name in dict.fromkeys(self.judges.values()):
                folder, numbers = self.out / name, [n for n, judge in self.judges.items() if judge == name]
                card, part = read_card(folder / f"{name}.toml"), folder / f"share-{100 * share:.0f}"
                every, mean = self.scoring.ways(card), blend.mean_of(self.card, card, share, part)
                read = self._readings_of(mean, numbers, part, lambda n, every=every: [every[ways[n]]])
                held[share] |= {number: readings[0] for number, readings in read.items()}
                unload(mean)
                mean.weights.unlink()
        return held

    def _ways_apart(self, readings: Mapping[int, Sequence[Found]]) -> dict[int, int]:
        """The number of the way in which each image is read. The images of other groups choose it."""
        groups = [self.pairs[number].group for number in readings]
        read = [[one.record for one in ways] for ways in readings.values()]
        return dict(zip(readings, chosen_apart(self.scoring, read, groups), strict=True))

    def _tell(self, before: Mapping[int, Found], after: Mapping[int, Found]) -> None:
        """Put table, images (with pictures that it draws) and outcome into the summary; set the score of the card."""
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
                self.save(in_rows([[panels[0][0], panels[0][-1], panels[1][-1]]]), name)
            figures_of_sides = (summarise(self.scoring, [side.record], nm=False) for side in sides)
            one, other = ({name: values[name].value for name in self.scoring.compared} for values in figures_of_sides)
            verdict = outcome.verdict(self.scoring, one, other)
            images.append(ImageChange(image=pair.image.name, before=one, after=other, file=name, verdict=verdict))
        self.summary["table"], self.summary["images"] = table, images
        self.summary["legend"] = [(name, f"#{bytes(colour).hex()}") for name, colour in self.scoring.legend.items()]
        self.summary["outcome"] = outcome.outcome(self.scoring, table, groups)
        self.progress.say("comparing")

    def _learning_curve(self, before: Mapping[int, Found], after: Mapping[int, Sequence[Found]]) -> None:
        """Score the held-out images by trainings on a third and on two thirds of the others, tuned weights alone."""
        splits = range(len(self.summary["plan"]["held_out"]))
        available = min(len(self.pairs) - len(self.places(split)) for split in splits)
        steps = [self._step(0, before, after)]
        for images in [
            *sorted({max(1, round(available / 3)), max(1, round(2 * available / 3))} - {available}),
            available,
        ]:
            readings = dict[int, Sequence[Found]](after) if images == available else {}
            for split in splits if images < available else ():
                name = f"curve-{split}-{images}"
                recipe, stage = self.of_split(split, name, images), f"with {images} images"
                card = self.trained(recipe, self.out / name, stage, None)
                readings |= self._readings_of(card, self.places(split), self.out / name / HELD)
            ways = self._ways_apart(readings)
            steps.append(self._step(images, {number: read[ways[number]] for number, read in readings.items()}, ways))
        self.summary["learning_curve"] = steps

    def _step(self, images: int, readings: Mapping[int, Found], numbers: Iterable[int]) -> Step:
        """A point of the learning curve. numbers: of the held-out images."""
        ordered = sorted(numbers)
        groups = [self.pairs[number].group for number in ordered]
        figures = summarise(self.scoring, [readings[number].record for number in ordered], nm=False, groups=groups)
        error = figures[self.scoring.compared[0]]
        score = figures[self.scoring.tracked.score].value
        return Step(images=images, error=error.value, error_interval=error.interval, score=score)

    def _on_own_data(self, tuned: ModelCard, way: Way) -> list[blend.OwnData]:
        """What the base model finds in its own data, and what each share of the tuned weights finds there."""
        name = next(score for score in ("ap50", self.scoring.tracked.score) if score in self.scoring.definitions)
        measured = []
        for number, (title, pairs) in enumerate(self.replay.withheld.items()):
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
                measured.append(blend.OwnData(title, len(pairs), figure, old, after))
        return measured

    def _figure(self, name: str, card: ModelCard, pairs: Sequence[Pair]) -> float | None:
        """The figure of this name of a model on these pairs; None where undefined."""
        scorer = Scorer(self.scoring, Predictor(card, self.runtime), HowScored(thresholds=False))
        for pair in pairs:
            scorer.image(pair)
            self.progress.say("measuring what it forgets")
        return finite_or_none(scorer.figures()[name])
