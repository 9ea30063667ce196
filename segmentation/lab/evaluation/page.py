"""The evaluation as one HTML page that needs nothing but itself: inline style, inline SVG, data: images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from .charts import Line, chart, legend, rounded_up
from .kinds import Kind
from .pictures import COLOURS

TITLES = {
    "iou": "IoU",
    "iou_mean": "IoU, mean of images",
    "dice": "Dice",
    "precision": "Pixel precision",
    "recall": "Pixel recall",
    "accuracy": "Pixel accuracy",
    "youden": "Youden",
    "ap50": "AP50 (pooled)",
    "ap75": "AP75 (pooled)",
    "ap": "AP[.5:.95] (pooled)",
    "f50": "F1 at 0.5",
    "f75": "F1 at 0.75",
    "pq": "PQ",
    "boundary_f1": "Boundary F1",
    "instance_iou_found": "Instance IoU, found to true",
    "instance_iou_true": "Instance IoU, true to found",
    "count_ratio": "Count ratio",
    "median_error": "Median size error, %",
    "mean_error": "Mean size error, %",
    "nano_true": "True sizes up to 100 nm, %",
    "nano_found": "Found sizes up to 100 nm, %",
    "nano_error": "Their difference, points",
    "ks": "KS distance of sizes",
    "wasserstein": "Wasserstein distance of sizes",
    "median_true": "True median size",
    "median_found": "Found median size",
}
SHORT = ("iou", "dice", "ap50", "f50", "f75", "pq", "boundary_f1", "count_ratio", "median_error")
ROUGH = ("median", "mean", "nano", "wasserstein")  # figures that begin so are sizes or percentages
ERRORS = tuple(kind for kind in Kind if kind is not Kind.RIGHT)
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1180px;margin:2em auto;padding:0 1em;color:#1b1f24;background:#fff}
h1{font-size:1.6em}h2{font-size:1.2em;margin-top:2em;border-bottom:1px solid #d0d7de}
table{border-collapse:collapse;margin:1em 0}
td,th{padding:.2em .5em;text-align:right;border-bottom:1px solid #e6e9ec;white-space:nowrap}
td:first-child,th:first-child,td.text,th.text{text-align:left}th{white-space:normal;vertical-align:bottom}td.text{white-space:normal;color:#57606a;font-size:.9em}
.interval{color:#57606a;font-size:.85em}.charts{display:flex;flex-wrap:wrap;gap:2em}.charts>div{flex:1 1 420px}
.wide{overflow-x:auto;font-size:.93em}
svg{width:100%;max-width:520px;font-size:11px}.grid{stroke:#e6e9ec}.mark{stroke:#57606a;stroke-dasharray:3 3}
.legend span{margin-right:1.2em;white-space:nowrap}
.legend i{display:inline-block;width:.9em;height:.9em;margin-right:.4em;vertical-align:-.1em;border:1px solid #8886}
figure{margin:1.5em 0}figure div{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:6px}
figure img{width:100%}figcaption{margin-bottom:.3em}
"""


@dataclass(frozen=True)
class Shown:
    """why: "best", "median" or "worst". image: its entry in the report. uris: image, truth, prediction, errors."""

    why: str
    image: Mapping[str, Any]
    uris: Sequence[str]


def page(report: Mapping[str, Any], shown: Sequence[Shown]) -> str:
    """The page of a report (the dictionary that the JSON holds) with its pictures."""
    name = f"{report['model']['name']} on {report['data']['name']}"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(name)}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>',
        f"<h1>{escape(name)}</h1>",
        _head(report),
        _key_figures(report),
        _chains(report),
        _errors(report),
        f'<div class="charts"><div>{_thresholds(report)}</div><div>{_reliability(report)}</div>',
        f"<div>{_sizes(report)}</div><div>{_by_iou(report)}</div></div>",
        _pictures(shown),
        _rows_of("By group", report["groups"]),
        _rows_of("By image", report["images"]),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _head(report: Mapping[str, Any]) -> str:
    model, data, all_of_it = report["model"], report["data"], report["pooled"]
    rows = f", first {data['rows']} rows" if data["rows"] else ""
    return (
        f"<p>Model {escape(model['name'])} {escape(model['version'])} (sha256 {model['sha256'][:12]}...), threshold"
        f" {report['threshold']:g}. {data['images']} images{rows} with {all_of_it['particles']} particles;"
        f" {all_of_it['found']} were found. Sizes are minimum Feret diameters in {data['unit']}, of particles at"
        " least 2 px away from the frame; objects under 9 px count on neither side.</p>"
        f"<p>Intervals: {escape(report['intervals'])}</p>"
    )


def _key_figures(report: Mapping[str, Any]) -> str:
    lines = [
        [
            title,
            _interval(name, report["pooled"]["figures"][name]),
            f'<td class="text">{report["definitions"][name]}</td>',
        ]
        for name, title in TITLES.items()
        if report["pooled"]["figures"][name]["value"] is not None
    ]
    return "<h2>Figures, all images pooled</h2>" + _table(["", "value", '<th class="text">what it is</th>'], lines)


def _interval(name: str, figure: Mapping[str, float | None]) -> str:
    value, low, high = (_number(name, figure[part]) for part in ("value", "low", "high"))
    return value if figure["low"] is None else f'{value} <span class="interval">{low} to {high}</span>'


def _number(name: str, value: float | None) -> str:
    """Sizes and percentages with one decimal, shares with three."""
    if value is None:
        return "–"
    return f"{value:.1f}" if name.startswith(ROUGH) else f"{value:.3f}"


def _table(head: Iterable[str], lines: Iterable[Sequence[str]]) -> str:
    """Cells are HTML; one that begins with <td or <th is taken as it is."""
    top = "".join(c if c.startswith("<th") else f"<th>{c}</th>" for c in head)
    body = ["".join(c if c.startswith("<td") else f"<td>{c}</td>" for c in line) for line in lines]
    rows = "".join(f"<tr>{line}</tr>" for line in body)
    return f'<div class="wide"><table><tr>{top}</tr>{rows}</table></div>'


def _chains(report: Mapping[str, Any]) -> str:
    parts = []
    if report["postprocess"]:
        parts.append("<h2>Post-processings of the same probability maps</h2>")
        parts.append(_compared(report["postprocess"]))
    if report["truth_through"]:
        parts.append("<h2>What each post-processing makes of perfect maps</h2>")
        parts.append(
            "<p>The true masks themselves (for ours also their true inner distance) went through each chain: whatever"
            " is wrong here, no network can mend.</p>"
        )
        parts.append(_compared(report["truth_through"]))
    return "\n".join(parts)


def _compared(chains: Mapping[str, Mapping[str, Any]]) -> str:
    some = [name for name in TITLES if any(chain["figures"][name]["value"] is not None for chain in chains.values())]
    lines = [["True particles", *(str(c["particles"]) for c in chains.values())]]
    lines += [["Found particles", *(str(c["found"]) for c in chains.values())]]
    lines += [[TITLES[name], *(_interval(name, c["figures"][name]) for c in chains.values())] for name in some]
    lines += [[kind.capitalize(), *(str(c["errors"][kind]) for c in chains.values())] for kind in Kind]
    return _table(["", *map(escape, chains)], lines)


def _errors(report: Mapping[str, Any]) -> str:
    counts, total = report["pooled"]["errors"], max(1, report["pooled"]["particles"])
    lines = [
        [
            f"<td>{legend([(kind, _colour(kind))])}</td>",
            str(counts[kind]),
            f"{100 * counts[kind] / total:.1f}",
            f'<td class="text">{escape(kind.definition)}</td>',
        ]
        for kind in Kind
    ]
    return "<h2>Errors by kind</h2>" + _table(
        ["", "count", "per 100 true", '<th class="text">what is counted</th>'], lines
    )


def _colour(kind: Kind) -> str:
    return "#{:02x}{:02x}{:02x}".format(*COLOURS[kind])


def _thresholds(report: Mapping[str, Any]) -> str:
    points, chosen = report["thresholds"]["points"], report["thresholds"]["chosen"]

    def line(name: str, key: str, colour: str, dashed: bool = False) -> Line:
        shown = f"{name} (dashed)" if dashed else name
        return Line(shown, colour, [(p["threshold"], p[key]) for p in points], dashed=dashed)

    lines = [
        line("precision", "precision_50", BLUE),
        line("recall", "recall_50", ORANGE),
        line("F1", "f1_50", GREEN),
        line("F1 at 0.75", "f1_75", GREEN, dashed=True),
        line("pixel precision", "precision_pixels", BLUE, dashed=True),
        line("pixel recall", "recall_pixels", ORANGE, dashed=True),
    ]
    mark = None if chosen is None else (chosen, f"chosen: {chosen:g}")
    return (
        "<h2>Precision and recall against threshold</h2>"
        + chart(lines, "threshold of the foreground probability", "of particles at IoU 0.5, or of pixels", mark=mark)
        + f"<p>{escape(report['thresholds']['rule'])}</p>"
    )


def _reliability(report: Mapping[str, Any]) -> str:
    found = report["reliability"]
    bins = found["bins"]
    lines = [
        Line("as it should be", "#8c959f", [(0, 0), (1, 1)], dashed=True),
        Line(
            "found particles, with 95 % interval",
            BLUE,
            [(b["confidence"], b["right"]) for b in bins],
            [(b["low"], b["high"]) for b in bins],
            dots=True,
        ),
    ]
    sides = [
        f"Of the {found[side]['n']} particles {word} a confidence of {found['limit']:g},"
        f" {100 * found[side]['wrong']:.0f} % are wrong."
        for side, word in (("under", "under"), ("over", "at or over"))
        if found[side]["n"]
    ]
    error = "" if found["error"] is None else f" Expected calibration error: {found['error']:.3f}."
    return (
        "<h2>Reliability of the confidence</h2>"
        + chart(lines, "confidence of a particle", "share right at IoU 0.5")
        + f"<p>{' '.join(sides)}{error}</p>"
    )


def _sizes(report: Mapping[str, Any]) -> str:
    true, found = (np.array(report["sizes"][side], float) for side in ("true", "found"))
    unit = report["data"]["unit"]
    head = "<h2>Sizes</h2>"
    if not len(true) and not len(found):
        return head + "<p>There are none.</p>"
    top = rounded_up(float(np.percentile(np.concatenate([true, found]), 99.5)))
    edges = np.linspace(0, top, 31)
    lines = [_histogram("true", BLUE, true, edges), _histogram("found", ORANGE, found, edges)]
    highest = max(y or 0 for line in lines for _, y in line.points)
    axis = f"minimum Feret diameter, {unit} (the largest may lie beyond)"
    return head + chart(lines, axis, "particles", x_range=(0, top), y_range=(0, rounded_up(highest)))


def _histogram(name: str, colour: str, values: np.ndarray, edges: np.ndarray) -> Line:
    counts = np.histogram(values, edges)[0].tolist()
    sides = np.repeat(edges, 2)[1:-1].tolist()
    return Line(f"{name} ({len(values)})", colour, list(zip(sides, np.repeat(counts, 2).tolist(), strict=True)))


def _by_iou(report: Mapping[str, Any]) -> str:
    points = report["by_iou"]
    lines = [
        Line("TP / (TP + FP + FN)", BLUE, [(p["iou"], p["ap"]) for p in points]),
        Line("F1", GREEN, [(p["iou"], p["f1"]) for p in points]),
    ]
    return "<h2>Particles against the IoU asked for</h2>" + chart(
        lines, "least IoU of a right particle", "pooled", x_range=(0.5, 1.0)
    )


def _pictures(shown: Sequence[Shown]) -> str:
    names = ("image", "truth", "prediction", "errors")
    figures = []
    for one in shown:
        image = one.image
        kinds = ", ".join(f"{image['errors'][kind]} {kind}" for kind in ERRORS if image["errors"][kind]) or "no errors"
        said = f"{one.why}: {image['name']}, AP50 {_number('ap50', image['figures']['ap50'])}, {kinds}"
        pictures = "".join(f'<img src="{uri}" alt="{name}">' for uri, name in zip(one.uris, names, strict=True))
        figures.append(f"<figure><figcaption>{escape(said)}</figcaption><div>{pictures}</div></figure>")
    key = legend([(kind, _colour(kind)) for kind in Kind] + [("true outlines", "#ffffff")])
    intro = "<p>Each row: the image, its truth, what was found, and what is wrong.</p>"
    return f"<h2>Best, median and worst images, by AP50</h2>{intro}{key}{''.join(figures)}"


def _rows_of(title: str, entries: Sequence[Mapping[str, Any]]) -> str:
    if not entries:
        return ""
    lines = []
    for entry in entries:
        figures = [(name, entry["figures"][name]) for name in SHORT]
        cells = [_interval(n, f) if isinstance(f, Mapping) else _number(n, f) for n, f in figures]
        errors = [str(entry["errors"][kind]) for kind in ERRORS]
        lines.append([escape(entry["name"]), str(entry["particles"]), *cells, *errors])
    head = ["", "particles", *(TITLES[name] for name in SHORT), *ERRORS]
    return f"<h2>{title}</h2>" + _table(head, lines)
