"""Comparisons of trainings: variants of a recipe, a grid of values, folds and seeds, each scored on held-out images.

One variant over folds and seeds is a cross-validation.
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
from ...core.pace import time_left
from ...core.validation import Settings
from ..training import tasks
from ..training.check import check_sources
from ..training.contract import Say
from ..training.data import count_groups, held_out_pairs
from ..training.evaluation.predictions import Options, Predictor
from ..training.publish import trained_model
from ..training.settings import BadRecipe, TrainingRecipe, checked_as, read_recipe, read_toml, recipe_from
from ..training.start import resolved
from ..training.train import refuse_another
from .comparison import Trained, draw_images, write_tables
from .report import evaluate, panels_of, shown_ranks

ALL = "all"  # folds: as many as there are groups
NAMED_APART = {"seed", "fold", "folds", "name"}


def _parts(value: Any) -> Any:
    if value == ALL or (isinstance(value, int) and value != 1 and value >= 0):
        return value
    raise PydanticCustomError("folds", "2 or more, all, or 0")


class Variant(Settings):
    """`[[variants]]`: one of the things that are compared."""

    title: Line = Field(description="of the variant, as tables name it")
    changes: dict[str, Any] = Field({}, description="of the recipe, for this variant alone")


class Sweep(Settings):
    """What is trained: every variant with every value of the grid, on every fold with every seed."""

    recipe: str = Field("", description="file of the recipe that is varied, beside this one")
    changes: dict[str, Any] = Field(
        {},
        description='of the recipe, for every training; an entry is replaced whole; `"loss.rarity"` is one of a table',
    )
    variants: list[Variant] = Field([], description="tables `[[variants]]`; none: the recipe alone")
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        {}, description="values of entries of the recipe; every combination is trained"
    )
    folds: Annotated[int | str, BeforeValidator(_parts)] = Field(
        0,
        description="parts of the groups, of which each is held out once; all: each group once; 0: as the recipe says",
    )
    figures: list[str] = Field([], description="of a report, that tables tell; none: those that `evaluate` prints")
    seeds: list[Annotated[int, Field(ge=0)]] = Field([], description="of crops and first weights; none: the recipe's")

    @model_validator(mode="after")
    def _titles_differ(self) -> Self:
        if len({one.title for one in self.variants}) < len(self.variants):
            raise ValueError("the titles of variants differ from each other.")
        return self


class PlannedTraining(NamedTuple):
    """One training. setting: what of it was varied, the variant's title first."""

    setting: tuple[str, ...]
    recipe: TrainingRecipe


def read_sweep(file: Path, recipe: Path | None = None) -> tuple[Sweep, TrainingRecipe]:
    """The sweep in a TOML file and the recipe that it varies; a recipe's file is a sweep of that recipe alone.

    recipe: another one instead. Raises BadRecipe.
    """
    entries = read_toml(file)
    if "sources" in entries:
        return Sweep(), recipe_from(entries, str(file))
    sweep = checked_as(Sweep, entries, str(file))
    if not (recipe or sweep.recipe):
        raise BadRecipe(f"{file}: it lacks recipe.")
    return sweep, read_recipe(recipe or file.parent / sweep.recipe)


def planned(sweep: Sweep, recipe: TrainingRecipe, base: Path) -> Iterator[PlannedTraining]:
    """Every training, seed by seed and fold by fold so that whole rows are there early; raises BadRecipe, BadDataset.

    base: the recipe's paths are relative to it.
    """
    variants = sweep.variants or [Variant(title=recipe.title)]
    grid = list(itertools.product(*sweep.grid.values()))
    common = changed(recipe, sweep.changes, "changes")
    if apart := NAMED_APART & {name for names in (sweep.grid, *(one.changes for one in variants)) for name in names}:
        raise BadRecipe(f"{', '.join(sorted(apart))}: a sweep varies these by its own entries seeds and folds.")
    folds = count_groups(common, base) if sweep.folds == ALL else int(sweep.folds)
    if sweep.folds and folds < 2:
        raise BadRecipe("Of fewer than two groups of images none can be held out.")
    for seed, fold in itertools.product(sweep.seeds or [common.seed], range(folds) if folds else [common.fold]):
        parted = {"seed": seed, "fold": fold, "folds": folds or common.folds}
        for (number, variant), (point, values) in itertools.product(enumerate(variants), enumerate(grid)):
            name = f"{recipe.name}-{number}-{point}-{fold}-{seed}"
            changes = {**variant.changes, **dict(zip(sweep.grid, values, strict=True)), **parted, "name": name}
            one = changed(common, changes, variant.title)
            words = (f"{value:g}" if isinstance(value, float) else str(value) for value in values)
            yield PlannedTraining((variant.title, *words), one)


def changed(recipe: TrainingRecipe, changes: Mapping[str, Any], where: str) -> TrainingRecipe:
    """The recipe with other entries, `a.b` being entry b of table a; raises BadRecipe."""
    entries: dict[str, Any] = recipe.model_dump(exclude_unset=True)
    for name, value in changes.items():
        table, *deeper = entries, *name.split(".")
        while len(deeper) > 1:
            table = table.setdefault(deeper.pop(0), {})
            if not isinstance(table, dict):
                raise BadRecipe(f"{where}: {name} leads into no table.")
        table[deeper[0]] = deepcopy(value)
    return recipe_from(entries, where)


def run_sweep(sweep: Sweep, recipe: TrainingRecipe, out: Path, base: Path, say: Say) -> list[Trained]:
    """Train and score everything into `out`, going on where it was stopped; write tables and plots anew after each
    training, images.png at the end. Raises as `train`, and BadRecipe where `out` holds trainings of another sweep."""
    runs = list(planned(sweep, recipe, base))
    definitions = tasks.find(recipe.task).scoring(runs[0].recipe.heads).definitions
    if unknown := [name for name in sweep.figures if name not in definitions]:
        figure_names = ", ".join(definitions)
        raise BadRecipe(f"There are no figures {', '.join(unknown)}; those of {recipe.task} are {figure_names}.")
    new = [not _report(out, varied).exists() for _, varied in runs]
    if all(new):
        for varied in {repr(varied.sources): varied for _, varied in runs}.values():
            check_sources(varied, base, say)
    rows: list[Trained] = []
    began, time_note = time.monotonic(), ""
    for number, (setting, varied) in enumerate(runs, start=1):
        parts = [*setting, *([f"fold {varied.fold}"] if varied.folds else []), f"seed {varied.seed}"]
        heading, left = f"{number}/{len(runs)} {', '.join(parts)}", f" (of all{time_note})" if time_note else ""
        figures = _figures(varied, out, base, lambda line, heading=heading, left=left: say(f"{heading}: {line}{left}"))
        scoring = tasks.find(varied.task).scoring(varied.heads)
        names = dict.fromkeys([*(sweep.figures or scoring.printed), *itertools.chain(*scoring.by_class.values())])
        rows.append(Trained(setting, varied.fold, varied.seed, {name: figures[name] for name in names}))
        write_tables(["variant", *sweep.grid], rows, scoring, out)
        time_note = time_left(began, sum(new[:number]), sum(new)).replace(",", "")
    of_first = [one for one in runs if (one.recipe.fold, one.recipe.seed) == (rows[0].fold, rows[0].seed)]
    _draw_images(of_first, out, base)
    return rows


def _draw_images(trainings: Sequence[PlannedTraining], out: Path, base: Path) -> None:
    """images.png: the best, the median and the worst image of the first training under every training of its fold and
    seed, where all have held them out."""
    reports = [json.loads(_report(out, one.recipe).read_text()) for one in trainings]
    recipe, scoring = trainings[0].recipe, tasks.find(trainings[0].recipe.task).scoring(trainings[0].recipe.heads)
    names = set.intersection(*({image["name"] for image in report["images"]} for report in reports))
    ranked = scoring.ranked(image for image in reports[0]["images"] if image["name"] in names)
    pairs = {pair.name: pair for pair in held_out_pairs(recipe, base)}
    drawn_images = {}
    for name in (ranked[rank]["name"] for rank in shown_ranks(len(ranked), 1)):
        drawn = [panels_of(pairs[name], _report(out, one.recipe).parent, scoring) for one in trainings]
        drawn_images[name] = drawn[0][0], drawn[0][1], [panels[2] for panels in drawn]
    if drawn_images:
        draw_images(out / "images.png", [", ".join(one.setting) for one in trainings], drawn_images)


def _report(out: Path, recipe: TrainingRecipe) -> Path:
    return out / recipe.name / "report" / "report.json"


def _figures(recipe: TrainingRecipe, out: Path, base: Path, say: Say) -> dict[str, float]:
    """All figures of one training on its held-out images, NaN where undefined; trains and evaluates what is not yet."""
    folder, report = out / recipe.name, _report(out, recipe)
    refuse_another(resolved(recipe, folder / "recipe.toml"), folder)
    if not report.exists():
        scoring = tasks.find(recipe.task).scoring(recipe.heads)
        predictor = Predictor(trained_model(recipe, folder, base, say), Runtime(recipe.device))
        evaluate(held_out_pairs(recipe, base), scoring, predictor, Options(), report.parent, recipe.title, say)
    figures = json.loads(report.read_text())["pooled"]["figures"]
    return {name: float("nan") if figure["value"] is None else figure["value"] for name, figure in figures.items()}
