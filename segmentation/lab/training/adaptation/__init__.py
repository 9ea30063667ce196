"""Fine-tuning: a model is trained further on a user's images. A table on held-out images says how much better it
became.

Every stage has a folder in `out`. Finished stages are not repeated: if the process was killed, the same call continues
and gives the same model. (A result is what a model finds in one image; an option set contains the options by
which the model's maps become outlines, see `instances.option_sets`.)

    plan.json     the plan, decided once
    recipe.json   the recipe that all trainings share
    replay/       the base model's own data (training.replay)
    before/       results of the base model for each image
    split-0/ ...  trainings, each without the images of one split. heldout/ has its results for those images,
                  share-30/ ... the results of means of its weights and the base model's (training.blend)
    composed-0/   like split-0/, with composed agglomerates, if the options say so
    kept-0.json   the score of each share of the tuned weights on one part of the base model's own data
    mean/         temporary: the mean of the weights that is scored for kept-0.json ...
    curve-0-3/ .. trainings of a split with three images, for the learning curve
    tuned/        the training on all images
    final/        the new model: weights and card
    files/        the pictures of the summary
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ....core.learning import planning
from ....core.learning.training_summary import ImageChange, Step, TrainingSummary
from ....core.masks.truth import Pair
from ....core.network.cards import ModelCard, read_card
from ....core.network.likeness import LIKENESS, OWN_IMAGES, describe, likeness_entry
from ....core.network.runtime import unload
from .. import blend, outcome
from ..data import clipped_picture
from ..evaluation.predictions import Options as ScoringOptions
from ..evaluation.predictions import Predictor
from ..evaluation.scores import Scorer, finite_or_none, summarise
from ..files import CannotWrite, write_whole
from ..instances.option_sets import (
    OptionSet,
    OptionSetResult,
    best_option_set,
    option_sets_by_other_groups,
    results_of_option_sets,
    with_options,
)
from ..pretrained import base_card
from ..publish import add_graph, add_images, set_entries
from ..sheets import in_rows
from .material import FILES, Options, Report
from .trainings import Trainings, training_name

HELD_OUT = "heldout"  # name of a folder
Choice = TypeVar("Choice")


def adapt(
    folder: Path, base: str, out: Path, options: Options, report: Report = lambda stage, fraction, summary, left: None
) -> TrainingSummary:
    """Train `base` further on the images and labels in `folder`. Returns the summary that a training's page shows.

    The model is written to `out/final`, the pictures of the summary to `out/files`. report(stage, fraction of all,
    summary so far, seconds left or None) is called often, also during a training; it may raise to stop, and
    finished stages are kept. Raises BadDataset or BadRecipe if the folder or the base cannot be used, and CannotWrite.
    """
    return Adaptation(folder, base, out, options, report).run()


class Adaptation(Trainings):
    """One call of `adapt`: its plan, its trainings, and their scores on the held-out images.

    `after` in the methods below: by number of a held-out image its results by the training without it, one for each
    option set.
    """

    def run(self) -> TrainingSummary:
        """Run all stages; returns the summary."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.progress.say("checking the images")
        plan = self.plan()
        self.progress.begin(plan)
        self.progress.say("scoring the base model")
        results = self._results_of(self.card, range(len(self.pairs)), self.out / "before")
        before = {number: in_one_set[0] for number, in_one_set in results.items()}
        plain_results = after = self._held_out(composed=False)
        self.training_of = self._trainings_by_image(dict.fromkeys(after, False))
        composed = False
        if self.options.composed:
            composed, after = self._chosen_material(plain_results, self._held_out(composed=True))
        tuned = self.train_final(composed=composed)
        records = [[result.record for result in results] for results in after.values()]
        option_set = self.scoring.option_sets(tuned)[best_option_set(self.scoring, records)]
        self._publish_blend(tuned, option_set, before, after)
        if self.options.learning_curve:
            self._learning_curve(before, plain_results)
        self.progress.say("done")
        return self.summary

    def _held_out(self, *, composed: bool) -> dict[int, list[OptionSetResult]]:
        """The results for each held-out image, with every option set, by the training without it."""
        results, splits = dict[int, list[OptionSetResult]](), len(self.summary["plan"]["held_out"])
        for split in range(splits):
            name = training_name(split, composed=composed)
            stage = f"training {split + 1} of {splits}" + (", with composed agglomerates" if composed else "")
            recipe = self.recipe_without_split(split, name, composed=composed)
            # The page shows curves and pictures of the trainings without composed agglomerates.
            card = self.train_once(recipe, self.out / name, stage, None if composed else split)
            results |= self._results_of(card, self.numbers_of_split(split), self.out / name / HELD_OUT)
        return results

    def _trainings_by_image(self, composed: Mapping[int, bool]) -> dict[int, str]:
        """The name of the training without each held-out image. composed: whether it learns from composed
        agglomerates."""
        splits = range(len(self.summary["plan"]["held_out"]))
        return {
            number: training_name(n, composed=composed[number]) for n in splits for number in self.numbers_of_split(n)
        }

    def _chosen_material(
        self, plain: Mapping[int, list[OptionSetResult]], composed: Mapping[int, list[OptionSetResult]]
    ) -> tuple[bool, dict[int, list[OptionSetResult]]]:
        """(whether the model learns from composed agglomerates, the results for the held-out images).

        plain, composed: the results of the trainings without and with composed agglomerates. The images of other groups
        choose which of both trainings counts for an image. The summary says what composed agglomerates gain.
        """
        option_sets = [self._option_sets_by_other_groups(results) for results in (plain, composed)]
        # By image the record of both trainings, with the option set that the other groups choose.
        sides = [
            {n: side[n][option_set[n]].record for n in plain}
            for side, option_set in zip((plain, composed), option_sets, strict=True)
        ]
        groups = {number: self.pairs[number].group for number in plain}

        def help_in(numbers: Sequence[int]) -> bool:
            before, after = (blend.merit(self.scoring, [side[number] for number in numbers]) for side in sides)
            return after - before >= outcome.CLEAR_SCORE

        is_composed, composed_by_group = help_in(list(plain)), self._by_others(groups, help_in)
        records = ([side[number] for number in plain] for side in sides)
        self.summary["composed"] = outcome.composed_summary(
            self.scoring, *records, [*groups.values()], kept=is_composed
        )
        self.training_of = self._trainings_by_image({n: composed_by_group[group] for n, group in groups.items()})
        return is_composed, {n: (composed if composed_by_group[group] else plain)[n] for n, group in groups.items()}

    @staticmethod
    def _by_others(groups: Mapping[int, str], choose: Callable[[Sequence[int]], Choice]) -> dict[str, Choice]:
        """By group what the images of the other groups choose for it, so that no image chooses for itself.

        groups: the group of each image. choose(images): the choice. A single group chooses for itself.
        """
        return {
            group: choose([number for number, other_group in groups.items() if other_group != group] or list(groups))
            for group in dict.fromkeys(groups.values())
        }

    def _results_of(
        self,
        card: ModelCard,
        numbers: Sequence[int],
        folder: Path,
        option_sets: Callable[[int], list[OptionSet]] | None = None,
    ) -> dict[int, list[OptionSetResult]]:
        """The results of a model for these images, by number, with each of the option sets; `folder` stores them.

        option_sets(number): the option sets for an image. None: all option sets if `folder` is called HELD_OUT, else
        the model's own options.
        """
        every = folder.name == HELD_OUT
        predictor, results = Predictor(card, self.runtime), {}
        for number in numbers:
            file = folder / f"reading-{number:04d}.npz"  # another name than in 1.0.0, which wrote other content
            is_stored = file.exists()
            if not is_stored:
                image_sets = option_sets(number) if option_sets else self.scoring.option_sets(card) if every else [{}]
                scoring = replace(self.scoring, option_sets=lambda card, image_sets=image_sets: image_sets)
                write_whole(
                    file, outcome.packed_results(results_of_option_sets(scoring, predictor, self.pairs[number]))
                )
            results[number] = outcome.unpacked_results(file.read_bytes())
            times, megapixels = planning.AUGMENTED_TIMES if every else 1.0, results[number][0].labels.size / 1e6
            seconds = times * planning.IMAGE_SECONDS * megapixels
            self.progress.done += seconds
            self.progress.done_before += seconds if is_stored else 0.0
            self.progress.say("scoring the base model" if folder.name == "before" else "scoring held-out images")
        return results

    def _publish_blend(
        self,
        tuned: ModelCard,
        option_set: OptionSet,
        before: Mapping[int, OptionSetResult],
        after: Mapping[int, Sequence[OptionSetResult]],
    ) -> None:
        """Choose the share of the tuned weights by the held-out images and the base model's own data, and publish
        that mean of the weights. The summary says what it gains and what it forgets.

        option_set: the options for the maps of the published model. before: the base model's result for each image.
        """
        held_out = self._results_by_share(after)
        own_data = self._on_own_data(tuned, option_set)
        groups = {number: self.pairs[number].group for number in sorted(after)}

        def chosen(numbers: Sequence[int]) -> float:
            records = {share: [results[number].record for number in numbers] for share, results in held_out.items()}
            return blend.choose(self.scoring, records, own_data)

        share_by_group = self._by_others(groups, chosen)
        self._summarise(before, {n: held_out[share_by_group[group]][n] for n, group in groups.items()})
        share = chosen(list(groups))
        self.summary["forgetting"] = [part.at_share(share) for part in own_data]
        worse = [image["image"] for image in self.summary["images"] if image["verdict"] == "worse"]
        self.summary["share"] = blended = blend.share_summary(self.card, share, self.summary["forgetting"], worse)
        card = blend.mean_of(self.card, tuned, share, self.out / "final")
        options = dict(option_set)
        if LIKENESS not in card.options:  # with LIKENESS the task has described the images already
            descriptions = [describe(clipped_picture(pair.load()[0].pixels)) for pair in self.pairs]
            options[OWN_IMAGES] = likeness_entry(descriptions, [pair.group for pair in self.pairs])[LIKENESS]
        set_entries(
            card.weights.with_suffix(".toml"),
            {
                "scores": [self._score],
                "limits": [*card.limits, blended["sentence"]],
                "training": {"share": share, "share_keeps": blended["keeps"] or "not known", "share_rule": blend.RULE},
                **({"options": options} if options else {}),
            },
        )

    def _results_by_share(
        self, after: Mapping[int, Sequence[OptionSetResult]]
    ) -> dict[float, dict[int, OptionSetResult]]:
        """By share of the tuned weights the result for each held-out image, with the option set that the other groups
        choose.

        after: the results of the tuned weights alone, with every option set.
        """
        option_sets = self._option_sets_by_other_groups(after)
        held_out = {blend.TUNED_ONLY: {number: results[option_sets[number]] for number, results in after.items()}}
        for share in blend.SHARES[1:]:
            held_out[share] = {}
            for name in dict.fromkeys(self.training_of.values()):
                folder, numbers = self.out / name, [n for n, training in self.training_of.items() if training == name]
                card, part = read_card(folder / f"{name}.toml"), folder / f"share-{100 * share:.0f}"
                every, mean = self.scoring.option_sets(card), blend.mean_of(self.card, card, share, part)
                results = self._results_of(mean, numbers, part, lambda n, every=every: [every[option_sets[n]]])
                held_out[share] |= {number: in_one_set[0] for number, in_one_set in results.items()}
                unload(mean)
                mean.weights.unlink()
        return held_out

    def _option_sets_by_other_groups(self, results: Mapping[int, Sequence[OptionSetResult]]) -> dict[int, int]:
        """By image the number of its option set, which the images of other groups choose. results: of each image with
        every option set."""
        groups = [self.pairs[number].group for number in results]
        records = [[result.record for result in in_all_sets] for in_all_sets in results.values()]
        return dict(zip(results, option_sets_by_other_groups(self.scoring, records, groups), strict=True))

    def _summarise(self, before: Mapping[int, OptionSetResult], after: Mapping[int, OptionSetResult]) -> None:
        """Put the table of scores, the images (their pictures are drawn here) and the outcome into the summary; set the
        score for the card. before, after: the result for each image by the base model and by the new one."""
        groups = [self.pairs[number].group for number in after]
        old_records, new_records = ([results[number].record for number in after] for results in (before, after))
        table, figures = outcome.changes(self.scoring, old_records, new_records, groups)
        self._score = outcome.score_entry(self.options.data, len(after), figures)
        images = []
        for number in after:
            pair, sides, name = self.pairs[number], (before[number], after[number]), f"image-{number:04d}.webp"
            if not (self.out / FILES / name).exists():
                micrograph, truth = pair.load()
                panels = [self.scoring.panels(micrograph, side.labels, truth) for side in sides]
                self.save(in_rows([[panels[0][0], panels[0][-1], panels[1][-1]]]), name)
            figures_of_sides = (summarise(self.scoring, [side.record], nm=False) for side in sides)
            scores = [{name: values[name].value for name in self.scoring.compared} for values in figures_of_sides]
            verdict = outcome.verdict(self.scoring, *scores)
            change = ImageChange(image=pair.image.name, before=scores[0], after=scores[1], file=name, verdict=verdict)
            images.append(change)
        self.summary["table"], self.summary["images"] = table, images
        self.summary["legend"] = [(name, f"#{bytes(colour).hex()}") for name, colour in self.scoring.legend.items()]
        self.summary["outcome"] = outcome.outcome(self.scoring, table, groups)
        self.progress.say("comparing")

    def _learning_curve(
        self, before: Mapping[int, OptionSetResult], after: Mapping[int, Sequence[OptionSetResult]]
    ) -> None:
        """Put the learning curve into the summary: scores of the held-out images by trainings on none, a third, two
        thirds and all of the other images, with the tuned weights alone."""
        splits = range(len(self.summary["plan"]["held_out"]))
        available = min(len(self.pairs) - len(self.numbers_of_split(split)) for split in splits)
        steps = [self._curve_point(0, before, after)]
        for images in [
            *sorted({max(1, round(available / 3)), max(1, round(2 * available / 3))} - {available}),
            available,
        ]:
            results = dict[int, Sequence[OptionSetResult]](after) if images == available else {}
            for split in splits if images < available else ():
                name = f"curve-{split}-{images}"
                recipe, stage = self.recipe_without_split(split, name, images), f"with {images} images"
                card = self.train_once(recipe, self.out / name, stage, None)
                results |= self._results_of(card, self.numbers_of_split(split), self.out / name / HELD_OUT)
            option_sets = self._option_sets_by_other_groups(results)
            results_in_set = {number: in_all_sets[option_sets[number]] for number, in_all_sets in results.items()}
            steps.append(self._curve_point(images, results_in_set, option_sets))
        self.summary["learning_curve"] = steps

    def _curve_point(self, images: int, results: Mapping[int, OptionSetResult], numbers: Iterable[int]) -> Step:
        """A point of the learning curve. images: how many were learnt from. numbers: of the held-out images."""
        ordered = sorted(numbers)
        groups = [self.pairs[number].group for number in ordered]
        figures = summarise(self.scoring, [results[number].record for number in ordered], nm=False, groups=groups)
        error = figures[self.scoring.compared[0]]
        score = figures[self.scoring.tracked.score].value
        return Step(images=images, error=error.value, error_interval=error.interval, score=score)

    def _on_own_data(self, tuned: ModelCard, option_set: OptionSet) -> list[blend.OwnData]:
        """The score of the base model on each part of its own data, and that of each share of the tuned weights."""
        name = next(score for score in ("ap50", self.scoring.tracked.score) if score in self.scoring.definitions)
        own_data = []
        for number, (title, pairs) in enumerate(self.replay.withheld.items()):
            file = self.out / f"kept-{number}.json"
            if not file.exists():
                values = [self._figure(name, self.card, pairs)]
                for share in blend.SHARES:
                    mean = blend.mean_of(self.card, tuned, share, self.out / "mean")
                    values.append(self._figure(name, with_options(mean, option_set), pairs))
                    unload(mean)
                write_whole(file, json.dumps(values).encode())
            base_score, *share_scores = json.loads(file.read_text())
            if base_score is not None and None not in share_scores:
                figure = self.scoring.definitions[name].title
                after = dict(zip(blend.SHARES, share_scores, strict=True))
                own_data.append(blend.OwnData(title, len(pairs), figure, base_score, after))
        return own_data

    def _figure(self, name: str, card: ModelCard, pairs: Sequence[Pair]) -> float | None:
        """The score of this name of a model on these images; None where undefined."""
        scorer = Scorer(self.scoring, Predictor(card, self.runtime), ScoringOptions(thresholds=False))
        for pair in pairs:
            scorer.image(pair)
            self.progress.say("measuring what it forgets")
        return finite_or_none(scorer.figures()[name])
