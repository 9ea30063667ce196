"""The report of an evaluation as one HTML page, with its style and pictures inside the file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from ...core.report.figures.picture import COLOURS as CLASS_COLOURS
from ..training.contract import Picture, Scoring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#8c959f"
PINK, YELLOW = "#cc79a7", "#e69f00"
MOST_LEGEND_ENTRIES = 6  # entries of a legend that fit into a plot; a longer legend is put below it
COLOURS, STROKES = (BLUE, ORANGE, GREEN, PINK, YELLOW, GREY), ("-", "--", ":")


def html_page(report: Mapping[str, Any], scoring: Scoring, examples: Sequence[Mapping[str, Any]]) -> str:
    """The HTML page of a report (the content of report.json) with its pictures; parts without data are left out.

    examples: images with `why` ("best", "median" or "worst"), `image` (its entry in the report) and `panels`.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"jpeg": jpeg, "colour": lambda rgb: "#{:02x}{:02x}{:02x}".format(*rgb)}

    def number(name: str, value: float | None) -> str:
        return "–" if value is None else f"{value:.{scoring.definitions[name].decimals}f}"

    def average(name: str) -> float | None:
        values = [value for image in report["images"] if (value := image["figures"][name]) is not None]
        return sum(values) / len(values) if values else None

    charts = {name: chart(draw, report) for draw in PARTS if (name := draw.__name__.removeprefix("_draw_")) in report}
    return templates.get_template("report.html").render(
        report=report,
        scoring=scoring,
        examples=examples,
        charts=charts,
        number=number,
        average=average,
        class_colours=CLASS_COLOURS.tolist(),
    )


def jpeg(picture: Picture) -> str:
    """The picture as a JPEG inside a data: address."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def chart(draw: Any, report: Mapping[str, Any]) -> str:
    """The plot that `draw(axes, report)` makes, as an SVG inside a data: address."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    draw(axes, report)
    axes.grid(color="#e6e9ec")
    handles, names = axes.get_legend_handles_labels()
    if len(names) > MOST_LEGEND_ENTRIES:
        figure.set_figheight(4.6)
        figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=7, frameon=False)
    else:
        axes.legend(fontsize=8, frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _draw_thresholds(axes: Axes, report: Mapping[str, Any]) -> None:
    """Precision, recall and F1 against the threshold.

    Colours show the three scores, line styles the curves. For classes, which have no threshold, colours show the
    curves and line styles the scores.
    """
    thresholds = report["thresholds"]
    tried = [point["threshold"] for point in thresholds["points"]]
    for number, (key, name) in enumerate(thresholds["curves"].items()):
        for column, figure in enumerate(("precision", "recall", "f1")):
            values = np.array([point[f"{figure}_{key}"] for point in thresholds["points"]], float)  # None becomes NaN
            colour, stroke = (number, column) if thresholds["used"] is None else (column, number)
            style = {"color": COLOURS[colour % len(COLOURS)], "ls": STROKES[stroke % len(STROKES)]}
            axes.plot(tried, values, label=f"{'F1' if figure == 'f1' else figure}, {name}", **style)
    for name, value, stroke in (("in use", thresholds["used"], "-"), ("best by the rule", thresholds["best"], ":")):
        if value is not None:
            axes.axvline(value, color=GREY, ls=stroke, label=f"{name}: {value:g}")
    axes.set(xlabel="threshold of the probability", ylabel="pooled over the images", ylim=(0, 1))


def _draw_reliability(axes: Axes, report: Mapping[str, Any]) -> None:
    bins = report["reliability"]["bins"]
    right = np.array([b["right"] for b in bins])
    bars = np.abs(np.array([[b["low"] for b in bins], [b["high"] for b in bins]]) - right)
    axes.plot([0, 1], [0, 1], "--", color=GREY, label="as it should be")
    if bins:
        label = "found objects, with 95 % interval"
        axes.errorbar([b["confidence"] for b in bins], right, bars, fmt="o", color=BLUE, label=label)
    axes.set(xlabel="confidence of an object", ylabel="share correct at IoU 0.5", xlim=(0, 1), ylim=(0, 1))


def _draw_sizes(axes: Axes, report: Mapping[str, Any]) -> None:
    true, predicted = (np.array(report["sizes"][side], float) for side in ("true", "found"))
    sizes = np.concatenate([true, predicted])
    edges = np.linspace(0, float(np.percentile(sizes, 99.5)) if len(sizes) else 1.0, 31)
    for name, values, colour in (("true", true, BLUE), ("found", predicted, ORANGE)):
        axes.hist(values, edges, histtype="step", color=colour, label=f"{name} ({len(values)})")
    unit = report["data"]["unit"]
    axes.set(xlabel=f"{report['sizes']['measure']}, {unit} (the largest may lie beyond)", ylabel="objects")


def _draw_values(axes: Axes, report: Mapping[str, Any]) -> None:
    """Histogram of the network's values; certainty and abundance follow from it."""
    values = report["values"]
    for name, label, colour in (("annotated", "annotated pixels", GREEN), ("others", "other pixels", GREY)):
        axes.stairs(values[name], values["edges"], color=colour, label=label)
    axes.axvline(values["threshold"], color=ORANGE, ls=":", label=f"threshold: {values['threshold']:g}")
    axes.set(xlabel="predicted value (probability, 0 to 1)", ylabel="number of pixels", xlim=(0, 1), yscale="log")


def _draw_by_iou(axes: Axes, report: Mapping[str, Any]) -> None:
    points = report["by_iou"]
    for name, key, colour in (("TP / (TP + FP + FN)", "ap", BLUE), ("F1", "f1", GREEN)):
        values = [np.nan if point[key] is None else point[key] for point in points]
        axes.plot([point["iou"] for point in points], values, color=colour, label=name)
    axes.set(xlabel="least IoU of a correct object", ylabel="pooled", xlim=(0.5, 1), ylim=(0, 1))


def _draw_by_size(axes: Axes, report: Mapping[str, Any]) -> None:
    rows = [row for row in report["by_size"]["rows"][:-1] if row["true"] or row["found"]]
    positions, bottom = np.arange(len(rows)), np.zeros(len(rows))
    true = np.maximum([row["true"] for row in rows], 1)
    for name, colour in (("right", GREEN), ("split", PINK), ("swallowed", YELLOW), ("background", GREY)):
        share = np.array([row[name] for row in rows]) / true
        axes.bar(positions, share, 0.75, bottom, color=colour, label=name)
        bottom += share
    false = [row["false"] / row["found"] if row["found"] else np.nan for row in rows]
    axes.plot(positions, false, "D", color=ORANGE, label="found ones that are false")
    axes.set_xticks(positions, [f"{row['diameter']}\n({row['true']})" for row in rows], fontsize=8)
    axes.set(xlabel="diameter of equal area, px (true objects)", ylabel="share of the true objects", ylim=(0, 1.65))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_axisbelow(True)


def _draw_frequency(axes: Axes, report: Mapping[str, Any]) -> None:
    for point in report["frequency"]:
        if point["iou"] is not None:
            axes.plot(100 * point["frequency"], point["iou"], "o", color=BLUE)
            axes.annotate(point["class"], (100 * point["frequency"], point["iou"]), (5, 5), textcoords="offset points")
    axes.plot([], [], "o", color=BLUE, label="a class, all images pooled")
    axes.set(xlabel="% of the labelled pixels", ylabel="IoU", xscale="log", ylim=(0, 1.05))
    axes.margins(x=0.35)


# Each function draws one entry of a report: `_draw_sizes` draws the entry `sizes`.
PARTS = (_draw_frequency, _draw_thresholds, _draw_reliability, _draw_values, _draw_sizes, _draw_by_iou, _draw_by_size)
