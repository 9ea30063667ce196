"""A grid of trainings, network x L2 strength x fold, each scored on what its fold holds out, as one table and plots."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from segmentation import __version__

from ..core.network.card_entries import Line
from ..core.network.cards import read_card
from ..core.network.runtime import Runtime
from ..core.validation import Settings
from . import tasks
from .data import held_out
from .evaluation.predictions import Options, Predictor
from .evaluation.report import evaluate
from .files import write_picture, write_whole
from .publish import publish
from .settings import TrainingRecipe, checked_as, read_recipe, read_toml, recipe_from
from .train import is_over, scores_of, train

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
SUMMED = (
    "number_true",
    "number_found",
    "l1",
    "every_true",
    "every_found",
)  # over the folds; of others the mean is told


class Network(Settings):
    """One network of the grid. changes: of the recipe, for this network alone."""

    title: Line
    architecture: dict[str, Any]
    pretrained: str = ""
    changes: dict[str, Any] = {}


class Sweep(Settings):
    """What is trained. recipe: its file, beside this one. changes: of the recipe, for every training."""

    recipe: str
    folds: int = Field(3, ge=2)
    weight_decay: list[Annotated[float, Field(ge=0)]] = Field(min_length=1)
    networks: list[Network] = Field(min_length=1)
    changes: dict[str, Any] = {}


def read_sweep(file: Path) -> tuple[Sweep, TrainingRecipe]:
    """The sweep in a TOML file and the recipe that it varies; raises BadRecipe."""
    sweep = checked_as(Sweep, read_toml(file), str(file))
    return sweep, read_recipe(file.parent / sweep.recipe)


def recipes(sweep: Sweep, base: TrainingRecipe) -> Iterator[tuple[Network, float, int, TrainingRecipe]]:
    """Every training of the grid, fold by fold so that the first rows are whole early; raises BadRecipe."""
    for fold in range(sweep.folds):
        for number, network in enumerate(sweep.networks):
            for decay in sweep.weight_decay:
                said = {
                    "name": f"{base.name}-{number}-{decay:g}-{fold}",
                    "architecture": network.architecture,
                    "pretrained": network.pretrained,
                    "weight_decay": decay,
                    "fold": fold,
                    "folds": sweep.folds,
                }
                merged = {**base.model_dump(), **sweep.changes, **network.changes, **said}
                yield network, decay, fold, recipe_from(merged, network.title)


def run_sweep(file: Path, out: Path, base: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Train and score the whole grid into `out`, going on where it was stopped; write the table and the plots anew
    after each training. Returns a row for each."""
    sweep, recipe = read_sweep(file)
    grid = list(recipes(sweep, recipe))
    rows = []
    for number, (network, decay, fold, one) in enumerate(grid, start=1):
        say(f"{number}/{len(grid)} {network.title}, L2 {decay:g}, fold {fold}")
        figures = _scored(one, out / one.name, base, say)
        rows.append({"network": network.title, "weight_decay": decay, "fold": fold, **figures})
        write_tables(rows, out)
    return rows


def _scored(recipe: TrainingRecipe, folder: Path, base: Path, say: Callable[[str], None]) -> dict[str, float | None]:
    """The figures of one training on its held-out images."""
    report = folder / "report" / "report.json"
    scoring = tasks.find(recipe.task).scoring(recipe.heads)
    if not report.exists():
        run = train(recipe, folder, base, say=say)
        assert is_over(run, recipe)
        recipe = read_recipe(folder / "recipe.toml")
        extra = {"limits": recipe.limits, "scores": scores_of(run, recipe)}
        card = read_card(publish(run.averaged, recipe, folder, version=__version__, extra=extra))
        pairs = [labelled.pair for labelled in held_out(recipe, base)]
        evaluate(pairs, scoring, Predictor(card, Runtime(recipe.device)), Options(), report.parent, recipe.title, say)
    figures = json.loads(report.read_text())["pooled"]["figures"]
    return {name: figures[name]["value"] for name in scoring.shown}


def write_tables(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Write `runs.csv`, `table.md` and `metrics.png`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_whole(out / "runs.csv", text.getvalue().encode())
    pooled = list(over_folds(rows))
    names = [name for name in rows[0] if name not in ("network", "weight_decay", "fold")]
    lines = [f"| network | L2 | folds | {' | '.join(names)} |", "|---" * (len(names) + 3) + "|"]
    for each in pooled:
        said = " | ".join(_said(*each[name]) for name in names)
        lines.append(f"| {each['network']} | {each['weight_decay']:g} | {each['folds']} | {said} |")
    write_whole(out / "table.md", ("\n".join(lines) + "\n").encode())
    draw(out / "metrics.png", pooled, names)


def over_folds(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each network and L2 strength the mean of each figure over the folds, the sum of those in SUMMED, and their
    standard deviation between folds (NaN for one)."""
    settings = dict.fromkeys((row["network"], row["weight_decay"]) for row in rows)
    for network, decay in settings:
        some = [row for row in rows if (row["network"], row["weight_decay"]) == (network, decay)]
        found: dict[str, Any] = {"network": network, "weight_decay": decay, "folds": len(some)}
        for name in (name for name in some[0] if name not in ("network", "weight_decay", "fold")):
            values = np.array([np.nan if row[name] is None else row[name] for row in some], float)
            middle = values.sum() if name in SUMMED else values.mean()
            found[name] = float(middle), float(values.std(ddof=1)) if len(values) > 1 else float("nan")
        yield found


def _said(value: float, spread: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 3
    return f"{value:.{digits}f}" + (f" ± {spread:.{digits}f}" if np.isfinite(spread) else "")


def draw(file: Path, pooled: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Each figure against the L2 strength, a line for each network, with the spread between folds."""
    from matplotlib.figure import Figure

    columns = 4
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.5 * lines + 0.4), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    decays = sorted({each["weight_decay"] for each in pooled})
    for ax, name in zip(axes, names, strict=False):
        for colour, network in zip(COLOURS * 9, dict.fromkeys(each["network"] for each in pooled), strict=False):
            mine = sorted(
                (each for each in pooled if each["network"] == network), key=lambda each: each["weight_decay"]
            )
            at = [decays.index(each["weight_decay"]) for each in mine]
            values, spread = zip(*(each[name] for each in mine), strict=True)
            ax.errorbar(at, values, np.nan_to_num(spread), fmt="o-", ms=4, capsize=3, color=colour, label=network)
        ax.set_xticks(range(len(decays)), [f"{decay:g}" for decay in decays], fontsize=8)
        ax.set_title(name.replace("_", " "), fontsize=9)
        ax.set_xlabel("L2 strength", fontsize=8)
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    write_picture(file, figure)
