"""Comparisons of trainings: variants of a recipe, a grid of values, folds and seeds. Each training is scored on
held-out images. Used by the command `sweep`. A sweep of one variant over several folds is a cross-validation.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ...core.network.card_entries import Line
from ...core.network.runtime import Runtime
from ...core.stages.pace import time_left
from ...core.validation import Settings
from ..training import tasks
from ..training.check import check_sources
from ..training.contract import Say
from ..training.data import count_groups, held_out_pairs
from ..training.evaluation.predictions import Options, Predictor
from ..training.publish import trained_model
from ..training.settings import BadRecipe, TrainingRecipe, checked_as, read_recipe, read_toml, recipe_from
from ..training.start import resolve_recipe
from ..training.train import refuse_another
from .comparison import Configuration, TrainingScores, draw_images, write_tables
from .report import evaluate, panels_of, shown_ranks

ALL = "all"  # as a number of folds: as many as there are groups
SET_BY_SWEEP = {"seed", "fold", "folds", "name"}  # entries of a recipe that neither variants nor grid may change


def _checked_folds(value: Any) -> Any:
    """The number of folds of a sweep, if it is possible; raises PydanticCustomError."""
    if value == ALL or (isinstance(value, int) and value != 1 and value >= 0):
        return value
    raise PydanticCustomError("folds", "2 or more, all, or 0")


class Variant(Settings):
    """A table `[[variants]]`: changes of the recipe that are compared with those of other variants."""

    title: Line = Field(description="name of the variant in the tables")
    changes: dict[str, Any] = Field({}, description="changes of the recipe, for this variant alone")


class Sweep(Settings):
    """What a sweep trains: every variant with every combination of the grid, on every fold with every seed."""

    recipe: str = Field("", description="file of the recipe that is varied, in the same folder")
    changes: dict[str, Any] = Field(
        {},
        description="changes of the recipe, for every training; an entry is replaced whole; `loss.rarity` in quotation"
        " marks is one entry of the table `[loss]`",
    )
    variants: list[Variant] = Field([], description="tables `[[variants]]`; none: the recipe alone")
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        {}, description="values of entries of the recipe; every combination is trained"
    )
    folds: Annotated[int | str, BeforeValidator(_checked_folds)] = Field(
        0,
        description="number of parts of the groups, each held out once; all: each group once; 0: as the recipe says",
    )
    figures: list[str] = Field([], description="scores that the tables show; none: those that `evaluate` prints")
    seeds: list[Annotated[int, Field(ge=0)]] = Field(
        [], description="random seeds of crops and first weights; none: the recipe's"
    )

    @model_validator(mode="after")
    def _titles_differ(self) -> Self:
        if len({one.title for one in self.variants}) < len(self.variants):
            raise ValueError("the titles of variants differ from each other.")
        return self


class PlannedTraining(NamedTuple):
    """One training of a sweep."""

    configuration: Configuration
    recipe: TrainingRecipe


def read_sweep(file: Path, recipe: Path | None = None) -> tuple[Sweep, TrainingRecipe]:
    """The sweep in a TOML file, and the recipe that it varies. The file may also be a recipe: a sweep without variants.

    recipe: file of another recipe to vary. Raises BadRecipe.
    """
    entries = read_toml(file)
    if "sources" in entries:
        return Sweep(), recipe_from(entries, str(file))
    sweep = checked_as(Sweep, entries, str(file))
    if not (recipe or sweep.recipe):
        raise BadRecipe(f"{file}: it lacks recipe.")
    return sweep, read_recipe(recipe or file.parent / sweep.recipe)


def plan_trainings(sweep: Sweep, recipe: TrainingRecipe, base: Path) -> Iterator[PlannedTraining]:
    """Every training, seed by seed and fold by fold, so that the first tables already compare the variants.

    base: folder to which the recipe's paths are relative. Raises BadRecipe, BadDataset.
    """
    variants = sweep.variants or [Variant(title=recipe.title)]
    grid = list(itertools.product(*sweep.grid.values()))
    common_recipe = changed_recipe(recipe, sweep.changes, "changes")
    if forbidden := SET_BY_SWEEP & {
        name for names in (sweep.grid, *(varied.changes for varied in variants)) for name in names
    }:
        raise BadRecipe(f"{', '.join(sorted(forbidden))}: a sweep varies these by its own entries seeds and folds.")
    folds = count_groups(common_recipe, base) if sweep.folds == ALL else int(sweep.folds)
    if sweep.folds and folds < 2:
        raise BadRecipe("Of fewer than two groups of images none can be held out.")
    for seed, fold in itertools.product(
        sweep.seeds or [common_recipe.seed], range(folds) if folds else [common_recipe.fold]
    ):
        fold_entries = {"seed": seed, "fold": fold, "folds": folds or common_recipe.folds}
        for (number, variant), (point, values) in itertools.product(enumerate(variants), enumerate(grid)):
            name = f"{recipe.name}-{number}-{point}-{fold}-{seed}"
            changes = {**variant.changes, **dict(zip(sweep.grid, values, strict=True)), **fold_entries, "name": name}
            varied = changed_recipe(common_recipe, changes, variant.title)
            words = (f"{value:g}" if isinstance(value, float) else str(value) for value in values)
            yield PlannedTraining((variant.title, *words), varied)


def changed_recipe(recipe: TrainingRecipe, changes: Mapping[str, Any], where: str) -> TrainingRecipe:
    """The recipe with these entries changed; the name `a.b` is entry b of table a. where: for messages.
    Raises BadRecipe."""
    entries: dict[str, Any] = recipe.model_dump(exclude_unset=True)
    for name, value in changes.items():
        table, *path = entries, *name.split(".")
        while len(path) > 1:
            table = table.setdefault(path.pop(0), {})
            if not isinstance(table, dict):
                raise BadRecipe(f"{where}: {name} leads into no table.")
        table[path[0]] = deepcopy(value)
    return recipe_from(entries, where)


def run_sweep(sweep: Sweep, recipe: TrainingRecipe, out: Path, base: Path, say: Say) -> list[TrainingScores]:
    """Run all trainings in folders of `out`, score them, and return the scores. Trainings that an earlier run
    finished are not repeated.

    Tables and plots are written after each training, images.png at the end. Raises what `train` raises, and BadRecipe
    if `out` holds trainings of another sweep.
    """
    trainings = list(plan_trainings(sweep, recipe, base))
    definitions = tasks.find(recipe.task).scoring(trainings[0].recipe.heads).definitions
    if unknown := [name for name in sweep.figures if name not in definitions]:
        figure_names = ", ".join(definitions)
        raise BadRecipe(f"There are no figures {', '.join(unknown)}; those of {recipe.task} are {figure_names}.")
    is_new = [not _report(out, varied).exists() for _, varied in trainings]
    if all(is_new):
        for varied in {repr(varied.sources): varied for _, varied in trainings}.values():
            check_sources(varied, base, say)
    rows: list[TrainingScores] = []
    start_time, time_note = time.monotonic(), ""
    for number, (configuration, varied) in enumerate(trainings, start=1):
        parts = [*configuration, *([f"fold {varied.fold}"] if varied.folds else []), f"seed {varied.seed}"]
        heading = f"{number}/{len(trainings)} {', '.join(parts)}"
        time_left_words = f" (of all{time_note})" if time_note else ""
        figures = _figures(
            varied,
            out,
            base,
            lambda line, heading=heading, time_left_words=time_left_words: say(f"{heading}: {line}{time_left_words}"),
        )
        scoring = tasks.find(varied.task).scoring(varied.heads)
        names = dict.fromkeys([*(sweep.figures or scoring.printed), *itertools.chain(*scoring.by_class.values())])
        rows.append(TrainingScores(configuration, varied.fold, varied.seed, {name: figures[name] for name in names}))
        write_tables(["variant", *sweep.grid], rows, scoring, out)
        time_note = time_left(start_time, sum(is_new[:number]), sum(is_new)).replace(",", "")
    first_fold_and_seed = [
        training
        for training in trainings
        if (training.recipe.fold, training.recipe.seed) == (rows[0].fold, rows[0].seed)
    ]
    _draw_images(first_fold_and_seed, out, base)
    return rows


def _draw_images(trainings: Sequence[PlannedTraining], out: Path, base: Path) -> None:
    """images.png: the best, the median and the worst image of the first training under every training of its fold and
    seed, if all of these trainings held them out."""
    reports = [json.loads(_report(out, one.recipe).read_text()) for one in trainings]
    recipe, scoring = trainings[0].recipe, tasks.find(trainings[0].recipe.task).scoring(trainings[0].recipe.heads)
    names = set.intersection(*({image["name"] for image in report["images"]} for report in reports))
    ranked = scoring.ranked(image for image in reports[0]["images"] if image["name"] in names)
    pairs = {pair.name: pair for pair in held_out_pairs(recipe, base)}
    pictures = {}
    for name in (ranked[rank]["name"] for rank in shown_ranks(len(ranked), 1)):
        panels_by_training = [panels_of(pairs[name], _report(out, one.recipe).parent, scoring) for one in trainings]
        pictures[name] = (
            panels_by_training[0][0],
            panels_by_training[0][1],
            [panels[2] for panels in panels_by_training],
        )
    if pictures:
        draw_images(out / "images.png", [", ".join(one.configuration) for one in trainings], pictures)


def _report(out: Path, recipe: TrainingRecipe) -> Path:
    return out / recipe.name / "report" / "report.json"


def _figures(recipe: TrainingRecipe, out: Path, base: Path, say: Say) -> dict[str, float]:
    """All scores of one training on its held-out images, by name, NaN where undefined. Trains and evaluates first,
    if there is no report yet."""
    folder, report = out / recipe.name, _report(out, recipe)
    refuse_another(resolve_recipe(recipe, folder / "recipe.toml"), folder)
    if not report.exists():
        scoring = tasks.find(recipe.task).scoring(recipe.heads)
        predictor = Predictor(trained_model(recipe, folder, base, say), Runtime(recipe.device))
        evaluate(held_out_pairs(recipe, base), scoring, predictor, Options(), report.parent, recipe.title, say)
    figures = json.loads(report.read_text())["pooled"]["figures"]
    return {name: float("nan") if figure["value"] is None else figure["value"] for name, figure in figures.items()}
