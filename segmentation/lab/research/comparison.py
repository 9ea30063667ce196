"""Compares trainings over folds and seeds, for the command `sweep`: tables, plots and pictures of their scores, and
the difference between two configurations."""

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
PLOTS_PER_ROW = 4
COLUMN_PX = 280  # width of each picture in the table of images
LETTER_PX = 7  # width of a letter of the headings
SUMMARY_NOTE = "Mean ± SD over folds and seeds; of counts the sum over the folds, ± SD over seeds."
GAIN_NOTE = "Gain over “{first}”, each training against that of the same fold and seed; mean ± SD."
Configuration = tuple[str, ...]  # the values of what was varied, as texts; the variant's title comes first


class TrainingScores(NamedTuple):
    """The scores of one training. figures: its scores by name, NaN where undefined."""

    configuration: Configuration
    fold: int
    seed: int
    figures: dict[str, float]


class Summary(NamedTuple):
    """One score of a configuration over its trainings. value: mean or sum. sd: standard deviation, NaN for a single
    training. trainings: (n,) the score of each training, NaN where undefined."""

    value: float
    sd: float
    trainings: Floats


def summaries_by_configuration(
    rows: Sequence[TrainingScores], definitions: Mapping[str, Definition]
) -> Iterator[tuple[Configuration, dict[str, Summary]]]:
    """Each configuration with a Summary of every score, by name; undefined scores are left out of the mean.

    A count is summed over the folds of each seed; only the seeds with the most folds are used.
    """
    for configuration in dict.fromkeys(row.configuration for row in rows):
        configuration_rows = [row for row in rows if row.configuration == configuration]
        seeds, folds = np.unique([row.seed for row in configuration_rows], return_counts=True)
        summaries = {}
        for name in configuration_rows[0].figures:
            figure_values = np.array([row.figures[name] for row in configuration_rows], float)
            values = figure_values[np.isfinite(figure_values)]
            if definitions[name].counted:
                complete_seeds = seeds[folds == folds.max()]
                values = np.array(
                    [
                        np.nansum(figure_values[[row.seed == seed for row in configuration_rows]])
                        for seed in complete_seeds
                    ]
                )
            mean = float(values.mean()) if len(values) else np.nan
            summaries[name] = Summary(mean, float(values.std(ddof=1)) if len(values) > 1 else np.nan, figure_values)
        yield configuration, summaries


def gains(rows: Sequence[TrainingScores]) -> list[TrainingScores]:
    """The difference between each training and the training of the first configuration with the same fold and seed."""
    reference = {(row.fold, row.seed): row.figures for row in rows if row.configuration == rows[0].configuration}
    paired = [row for row in rows if row.configuration != rows[0].configuration and (row.fold, row.seed) in reference]
    return [
        row._replace(figures={name: value - reference[row.fold, row.seed][name] for name, value in row.figures.items()})
        for row in paired
    ]


def write_tables(names: Sequence[str], rows: Sequence[TrainingScores], scoring: Scoring, out: Path) -> None:
    """Write `runs.csv`, `table.md`, `metrics.png` and, if the task has classes, `classes.png` into the folder `out`.

    names: the names of the parts of a configuration, "variant" first.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*names, "fold", "seed", *rows[0].figures])
    writer.writerows([*row.configuration, row.fold, row.seed, *row.figures.values()] for row in rows)
    write_whole(out / "runs.csv", text.getvalue().encode())
    definitions, reference = scoring.definitions, ", ".join(rows[0].configuration)
    class_figure_names = {figure for figures in scoring.by_class.values() for figure in figures}
    overall_rows = [
        row._replace(figures={n: v for n, v in row.figures.items() if n not in class_figure_names}) for row in rows
    ]
    parts, overall_gains = [SUMMARY_NOTE, _table(names, overall_rows, definitions)], gains(overall_rows)
    if overall_gains:
        parts += [GAIN_NOTE.format(first=reference), _table(names, overall_gains, definitions, "+")]
    plot_scores(out / "metrics.png", names, overall_rows, definitions, along=min(1, len(names) - 1))
    if class_figure_names:
        names = ["class", *names]
        rows_by_class = [rows_of_class(rows, name, figures) for name, figures in scoring.by_class.items()]
        definitions = {
            n.removeprefix(f"{c}_"): scoring.definitions[n]
            for c, class_figures in scoring.by_class.items()
            for n in class_figures
        }
        class_rows = [row for one_class_rows in rows_by_class for row in one_class_rows]
        parts += [_table(names, class_rows, definitions)]
        if overall_gains:
            class_gains = [row for one_class_rows in rows_by_class for row in gains(one_class_rows)]
            parts += [GAIN_NOTE.format(first=reference), _table(names, class_gains, definitions, "+")]
        plot_scores(out / "classes.png", names, class_rows, definitions, along=0)
    write_whole(out / "table.md", ("\n\n".join(parts) + "\n").encode())


def draw_images(
    file: Path, trainings: Sequence[str], images: Mapping[str, tuple[Picture, Picture, Sequence[Picture]]]
) -> None:
    """Write a table of pictures: a row for each image with the picture, its truth, and the result of each training.

    trainings: headings of the columns. images: image name -> (picture, truth, one result for each training), all
    (h, w, 3) uint8.
    """
    headings = [textwrap.wrap(heading, COLUMN_PX // LETTER_PX) for heading in ("image", "truth", *trainings)]
    top = 14 * max(map(len, headings)) + 6
    rows = []
    for name, (picture, truth, outlines) in images.items():
        resized = ((panel, round(COLUMN_PX * panel.shape[0] / panel.shape[1])) for panel in (picture, truth, *outlines))
        rows.append((name, [Image.fromarray(panel).resize((COLUMN_PX, height)) for panel, height in resized]))
    page_height = top + sum(row[0].height + 20 for _, row in rows)
    page = Image.new("RGB", (len(headings) * (COLUMN_PX + 6), page_height), "white")
    pen = ImageDraw.Draw(page)
    for column, lines in enumerate(headings):
        pen.multiline_text((column * (COLUMN_PX + 6) + 2, 3), "\n".join(lines), fill="black", spacing=2)
    for name, row in rows:
        pen.text((2, top + 2), name, fill="black")
        for column, picture in enumerate(row):
            page.paste(picture, (column * (COLUMN_PX + 6), top + 16))
        top += row[0].height + 20
    write_picture(file, page)


def rows_of_class(rows: Sequence[TrainingScores], name: str, figures: Sequence[str]) -> list[TrainingScores]:
    """The trainings with the scores of one class only; the name of the class becomes the first part of the
    configuration. figures: names of the scores of this class."""
    return [
        row._replace(
            configuration=(name, *row.configuration),
            figures={figure.removeprefix(f"{name}_"): row.figures[figure] for figure in figures},
        )
        for row in rows
    ]


def _table(
    names: Sequence[str], rows: Sequence[TrainingScores], definitions: Mapping[str, Definition], sign: str = ""
) -> str:
    """A Markdown table with a line for each configuration. sign: "+" shows the sign of every value, "" only a minus."""
    figures = list(rows[0].figures)
    lines = [f"| {' | '.join([*names, 'trainings', *figures])} |", "|---" * (len(names) + 1 + len(figures)) + "|"]
    for configuration, summaries in summaries_by_configuration(rows, definitions):
        count = len(summaries[figures[0]].trainings)
        texts = (_value_words(summary, definitions[name].decimals, sign) for name, summary in summaries.items())
        lines.append(f"| {' | '.join([*configuration, str(count), *texts])} |")
    return "\n".join(lines)


def _value_words(summary: Summary, decimals: int, sign: str) -> str:
    if not np.isfinite(summary.value):
        return "–"
    value = round(summary.value, decimals) + 0.0  # no minus before a zero
    return f"{value:{sign}.{decimals}f}" + (f" ± {summary.sd:.{decimals}f}" if np.isfinite(summary.sd) else "")


def plot_scores(
    file: Path, names: Sequence[str], rows: Sequence[TrainingScores], definitions: Mapping[str, Definition], along: int
) -> None:
    """Plot each score against one part of the configuration, with a line for each combination of the other parts.

    along: index of the part on the x axis. Small dots are single trainings.
    """
    from matplotlib.figure import Figure

    figures = list(rows[0].figures)
    plot_rows = -(-len(figures) // PLOTS_PER_ROW)
    sheet = Figure(figsize=(3.4 * PLOTS_PER_ROW, 2.7 * plot_rows + 0.5), layout="constrained")
    axes = sheet.subplots(plot_rows, PLOTS_PER_ROW, squeeze=False).ravel()
    categories = list(dict.fromkeys(row.configuration[along] for row in rows))
    series = [
        (configuration[along], configuration[:along] + configuration[along + 1 :], summaries)
        for configuration, summaries in summaries_by_configuration(rows, definitions)
    ]
    all_other_parts = list(dict.fromkeys(other_parts for _, other_parts, _ in series))
    for ax, name in zip(axes, figures, strict=False):
        for line_number, other_parts in enumerate(all_other_parts):
            points = [
                (categories.index(category), summaries[name])
                for category, group, summaries in series
                if group == other_parts
            ]
            shift = 0.08 * (line_number - (len(all_other_parts) - 1) / 2)
            colour, title = COLOURS[line_number % len(COLOURS)], ", ".join(other_parts)
            positions, values, spread = zip(
                *((x + shift, summary.value, summary.sd) for x, summary in points), strict=True
            )
            line_style = "o-" if along else "o"  # neither variants nor classes have an order
            ax.errorbar(
                positions, values, np.nan_to_num(spread), fmt=line_style, ms=5, capsize=3, color=colour, label=title
            )
            if not definitions[name].counted:  # a count is a sum over the folds
                for x, summary in points:
                    ax.plot([x + shift] * len(summary.trainings), summary.trainings, ".", ms=3, color=colour, alpha=0.5)
        ax.set_xticks(range(len(categories)), [textwrap.fill(category, 14) for category in categories], fontsize=7)
        ax.set_xlim(-0.5, len(categories) - 0.5)
        ax.set_ylabel(textwrap.fill(definitions[name].axis, 34), fontsize=8)
        ax.set_xlabel(names[along].replace("_", " "), fontsize=8)
    for ax in axes[len(figures) :]:
        ax.set_axis_off()
    if len(all_other_parts) > 1:
        sheet.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    write_picture(file, sheet)
