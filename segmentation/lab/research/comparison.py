"""Scores of trainings over folds and seeds, and the gain of one setting over another: tables, plots, pictures."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ..training.contract import Definition, Floats, Picture, Scoring
from ..training.files import write_picture, write_whole

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
ACROSS = 4  # plots
COLUMN = 280  # px, of a picture of one training
TELLS = "Mean ± SD over folds and seeds; of counts the sum over the folds, ± SD over seeds."
GAIN = "Gain over “{first}”, each training against that of the same fold and seed; mean ± SD."
Setting = tuple[str, ...]


class Trained(NamedTuple):
    """One training and what it reached. setting: what was varied, in one order for all. figures: by name, NaN where
    undefined."""

    setting: Setting
    fold: int
    seed: int
    figures: dict[str, float]


class Summary(NamedTuple):
    """A figure of a setting. sd: NaN of a single value. trainings: (n,) what each reached, NaN where undefined."""

    value: float
    sd: float
    trainings: Floats


def over_trainings(
    rows: Sequence[Trained], definitions: Mapping[str, Definition]
) -> Iterator[tuple[Setting, dict[str, Summary]]]:
    """For each setting the summaries of its figures, over the trainings that define them.

    Counts are summed over the folds; only the seeds with the most folds are used.
    """
    for setting in dict.fromkeys(row.setting for row in rows):
        of_setting = [row for row in rows if row.setting == setting]
        seeds, folds = np.unique([row.seed for row in of_setting], return_counts=True)
        summaries = {}
        for name in of_setting[0].figures:
            figure_values = np.array([row.figures[name] for row in of_setting], float)
            values = figure_values[np.isfinite(figure_values)]
            if definitions[name].counted:
                compared = seeds[folds == folds.max()]
                values = np.array(
                    [np.nansum(figure_values[[row.seed == seed for row in of_setting]]) for seed in compared]
                )
            mean = float(values.mean()) if len(values) else np.nan
            summaries[name] = Summary(mean, float(values.std(ddof=1)) if len(values) > 1 else np.nan, figure_values)
        yield setting, summaries


def gains(rows: Sequence[Trained]) -> list[Trained]:
    """The difference between each training and the training of the first setting with the same fold and seed."""
    reference = {(row.fold, row.seed): row.figures for row in rows if row.setting == rows[0].setting}
    paired = [row for row in rows if row.setting != rows[0].setting and (row.fold, row.seed) in reference]
    return [
        row._replace(figures={name: value - reference[row.fold, row.seed][name] for name, value in row.figures.items()})
        for row in paired
    ]


def write_tables(names: Sequence[str], rows: Sequence[Trained], scoring: Scoring, out: Path) -> None:
    """Write `runs.csv`, `table.md`, `metrics.png` and, where there are classes, `classes.png`.

    names: names of the settings, the variant first.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*names, "fold", "seed", *rows[0].figures])
    writer.writerows([*row.setting, row.fold, row.seed, *row.figures.values()] for row in rows)
    write_whole(out / "runs.csv", text.getvalue().encode())
    definitions, reference = scoring.definitions, ", ".join(rows[0].setting)
    of_classes = {figure for figures in scoring.by_class.values() for figure in figures}
    whole = [row._replace(figures={n: v for n, v in row.figures.items() if n not in of_classes}) for row in rows]
    parts, gained = [TELLS, _table(names, whole, definitions)], gains(whole)
    if gained:
        parts += [GAIN.format(first=reference), _table(names, gained, definitions, "+")]
    draw(out / "metrics.png", names, whole, definitions, along=min(1, len(names) - 1))
    if of_classes:
        names = ["class", *names]
        apart = [by_class(rows, class_figures, figures) for class_figures, figures in scoring.by_class.items()]
        definitions = {
            n.removeprefix(f"{c}_"): scoring.definitions[n]
            for c, class_figures in scoring.by_class.items()
            for n in class_figures
        }
        class_rows = [row for of_class in apart for row in of_class]
        parts += [_table(names, class_rows, definitions)]
        if gained:
            gained_by_class = [row for of_class in apart for row in gains(of_class)]
            parts += [GAIN.format(first=reference), _table(names, gained_by_class, definitions, "+")]
        draw(out / "classes.png", names, class_rows, definitions, along=0)
    write_whole(out / "table.md", ("\n\n".join(parts) + "\n").encode())


def draw_images(
    file: Path, trainings: Sequence[str], images: Mapping[str, tuple[Picture, Picture, Sequence[Picture]]]
) -> None:
    """The same images under each training: a row for each image with the picture, its truth, and what each found.

    trainings: their headings. images: by name the picture, its truth and (trainings) what was found, all (h, w, 3).
    """
    headings = [textwrap.wrap(heading, COLUMN // 7) for heading in ("image", "truth", *trainings)]
    top = 14 * max(map(len, headings)) + 6
    rows = []
    for name, (picture, truth, outlines) in images.items():
        sized = ((one, round(COLUMN * one.shape[0] / one.shape[1])) for one in (picture, truth, *outlines))
        rows.append((name, [Image.fromarray(one).resize((COLUMN, height)) for one, height in sized]))
    high = top + sum(row[0].height + 20 for _, row in rows)
    page = Image.new("RGB", (len(headings) * (COLUMN + 6), high), "white")
    pen = ImageDraw.Draw(page)
    for column, lines in enumerate(headings):
        pen.multiline_text((column * (COLUMN + 6) + 2, 3), "\n".join(lines), fill="black", spacing=2)
    for name, row in rows:
        pen.text((2, top + 2), name, fill="black")
        for column, picture in enumerate(row):
            page.paste(picture, (column * (COLUMN + 6), top + 16))
        top += row[0].height + 20
    write_picture(file, page)


def by_class(rows: Sequence[Trained], name: str, figures: Sequence[str]) -> list[Trained]:
    """The same trainings with the figures of one class, which comes first in the setting."""
    return [
        row._replace(
            setting=(name, *row.setting),
            figures={figure.removeprefix(f"{name}_"): row.figures[figure] for figure in figures},
        )
        for row in rows
    ]


def _table(names: Sequence[str], rows: Sequence[Trained], definitions: Mapping[str, Definition], sign: str = "") -> str:
    """A line of Markdown for each setting; sign: "+" shows the sign of every value."""
    figures = list(rows[0].figures)
    lines = [f"| {' | '.join([*names, 'trainings', *figures])} |", "|---" * (len(names) + 1 + len(figures)) + "|"]
    for setting, summaries in over_trainings(rows, definitions):
        count = len(summaries[figures[0]].trainings)
        texts = (_value_words(summary, definitions[name].decimals, sign) for name, summary in summaries.items())
        lines.append(f"| {' | '.join([*setting, str(count), *texts])} |")
    return "\n".join(lines)


def _value_words(summary: Summary, decimals: int, sign: str) -> str:
    if not np.isfinite(summary.value):
        return "–"
    value = round(summary.value, decimals) + 0.0  # no minus before a zero
    return f"{value:{sign}.{decimals}f}" + (f" ± {summary.sd:.{decimals}f}" if np.isfinite(summary.sd) else "")


def draw(
    file: Path, names: Sequence[str], rows: Sequence[Trained], definitions: Mapping[str, Definition], along: int
) -> None:
    """Each figure against one part of the settings (`along`), a line for each of the others; dots: trainings."""
    from matplotlib.figure import Figure

    figures = list(rows[0].figures)
    down = -(-len(figures) // ACROSS)
    sheet = Figure(figsize=(3.4 * ACROSS, 2.7 * down + 0.5), layout="constrained")
    axes = sheet.subplots(down, ACROSS, squeeze=False).ravel()
    places = list(dict.fromkeys(row.setting[along] for row in rows))
    drawn = [
        (setting[along], setting[:along] + setting[along + 1 :], summaries)
        for setting, summaries in over_trainings(rows, definitions)
    ]
    lines = list(dict.fromkeys(line for _, line, _ in drawn))
    for ax, name in zip(axes, figures, strict=False):
        for number, line in enumerate(lines):
            points = [(places.index(where), summaries[name]) for where, group, summaries in drawn if group == line]
            aside = 0.08 * (number - (len(lines) - 1) / 2)
            colour, title = COLOURS[number % len(COLOURS)], ", ".join(line)
            at, values, spread = zip(*((x + aside, summary.value, summary.sd) for x, summary in points), strict=True)
            joined = "o-" if along else "o"  # neither variants nor classes have an order
            ax.errorbar(at, values, np.nan_to_num(spread), fmt=joined, ms=5, capsize=3, color=colour, label=title)
            if not definitions[name].counted:  # a count is a sum over the folds
                for x, summary in points:
                    ax.plot([x + aside] * len(summary.trainings), summary.trainings, ".", ms=3, color=colour, alpha=0.5)
        ax.set_xticks(range(len(places)), [textwrap.fill(where, 14) for where in places], fontsize=7)
        ax.set_xlim(-0.5, len(places) - 0.5)
        ax.set_ylabel(textwrap.fill(definitions[name].axis, 34), fontsize=8)
        ax.set_xlabel(names[along].replace("_", " "), fontsize=8)
    for ax in axes[len(figures) :]:
        ax.set_axis_off()
    if len(lines) > 1:
        sheet.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    write_picture(file, sheet)
