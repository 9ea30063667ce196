"""The evaluation itself: each image is predicted once, compared in all ways, and reported in one JSON and one page."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tifffile

from ...core.network.cards import ModelCard, check_weights
from ...core.pace import time_left
from ...core.truth import BadDataset, Pair
from ..contract import Floats, Scoring
from ..files import fingerprint, write_whole
from .page import Shown, page
from .predictions import Options, Predictor, padded

RESAMPLES = 1000
FEWEST = 5  # groups; an interval from fewer would be an invention
LABELS = "labels"  # folder of the report with what was found, named as the truth is
INTERVALS = (
    f"95 %, from {RESAMPLES} bootstrap samples of groups of images; none for fewer than {FEWEST} groups. Tiles of one"
    " image, turned and mirrored ones too, are one group."
)
Say = Callable[[str], None]


class Figure(NamedTuple):
    """A value and its 95 % interval; None where undefined or where there are fewer than FEWEST images."""

    value: float | None
    low: float | None
    high: float | None


def summarise(
    scoring: Scoring, images: Sequence[Any], *, nm: bool, groups: Sequence[str] = (), seed: int = 0
) -> dict[str, Figure]:
    """Every figure of a task, pooled over at least one image as its Examiner left it.

    The interval is the 2.5th to 97.5th percentile of RESAMPLES bootstrap samples of groups (not of images or objects:
    those of one group resemble each other). nm: whether lengths are nanometres. groups: of the images; without any each
    image is one.
    """
    named = list(groups) or list(map(str, range(len(images))))
    every = list(dict.fromkeys(named))
    members = np.array([[name == group for name in named] for group in every], float)
    weights, count = np.ones((1, len(images))), len(every)
    if count >= FEWEST:
        draws = np.random.default_rng(seed).integers(0, count, (RESAMPLES, count))
        drawn = np.stack([np.bincount(draw, minlength=count) for draw in draws]).astype(float)
        weights = np.concatenate([weights, drawn @ members])
    values = scoring.metrics(images, weights) | scoring.quantity_errors(images, weights, nm)
    return {name: Figure(plain(each[0]), *_interval(each[1:])) for name, each in values.items()}


def share(part: Floats, whole: Floats) -> Floats:
    """part / whole, NaN where whole is 0."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def _interval(values: np.ndarray) -> tuple[float | None, float | None]:
    if not len(values):
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a figure may be undefined in every sample
        low, high = np.nanpercentile(values, [2.5, 97.5])
    return plain(low), plain(high)


def plain(value: float) -> float | None:
    """As JSON has it."""
    return float(value) if np.isfinite(value) else None


def evaluate(
    examples: Sequence[Pair],
    scoring: Scoring,
    predictor: Predictor,
    options: Options,
    out: Path,
    title: str,
    say: Say = print,
) -> dict[str, Any]:
    """Score a model on examples; write `out/report.html`, `out/report.json` and `out/labels/NAME.tif`.

    title: the report's name for the data. Returns the content of the JSON.
    Raises BadDataset, AlteredWeights, UnknownArchitecture or OSError, the first three before any prediction.
    """
    card = predictor.card
    check_weights(card)
    if not examples:
        raise BadDataset("There are no images to score.")
    say(f"checking {len(examples)} images and their labels")  # before any time is spent on networks
    sizes = [options.nm or pair.load(options.rows)[0].calibration.nm_per_pixel for pair in examples]
    nm = None not in sizes
    predictor.network()
    (out / LABELS).mkdir(parents=True, exist_ok=True)
    examiner = scoring.examine(predictor, options)
    records: list[Any] = []
    images: list[dict[str, Any]] = []
    began = time.monotonic()
    for number, (pair, size) in enumerate(zip(examples, sizes, strict=True), start=1):
        micrograph, truth = pair.load(options.rows)
        seen = predictor.see(micrograph, len(truth))
        found, record = examiner.find(seen, truth, (size or 1.0) if nm else 1.0)
        records.append(record)
        tifffile.imwrite(out / LABELS / f"{pair.name}.tif", padded(found, truth.shape), compression="zlib")
        alone = {"name": pair.name, "group": pair.group, **pooled([record], scoring, nm)}
        alone["figures"] = {name: figure["value"] for name, figure in alone["figures"].items()}
        how = {"polarity": seen.view.polarity, "scale": seen.view.scale, "rows": len(found)}
        images.append({**alone, **how, "seconds": round(seen.seconds, 3)})
        counted = ", ".join(f"{n} {kind}" for kind, n in alone["errors"].items() if n)
        say(f"{number}/{len(examples)} {pair.name}: {counted}".rstrip(": ") + time_left(began, number, len(examples)))
    groups = [pair.group for pair in examples]
    report = {
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "data": {
            "name": title,
            "images": len(records),
            "unit": "nm" if nm else "px",
            "rows": options.rows,
            "trained_on": trained_on(card, examples),
        },
        "definitions": {name: each.text for name, each in scoring.definitions.items()} | dict(scoring.kinds),
        "intervals": INTERVALS,
        "pooled": pooled(records, scoring, nm, groups),
        **examiner.report(records, groups, nm),
        "groups": _by_group(examples, records, scoring, nm),
        "images": images,
    }
    write_whole(out / "report.json", json.dumps(report, indent=1).encode())
    shown = _shown(examples, images, scoring, options, out)
    write_whole(out / "report.html", page(report, scoring, shown).encode())
    return report


def trained_on(card: ModelCard, examples: Sequence[Pair]) -> list[str]:
    """Names of the images that the model was trained on, as far as its card knows."""
    known = set(card.training.get("images", ()))
    return [pair.name for pair in examples if known and fingerprint(pair.image) in known]


def pooled(records: Sequence[Any], scoring: Scoring, nm: bool, groups: Sequence[str] = ()) -> dict[str, Any]:
    """Some images together: counts, and figures with their intervals; groups: as of `summarise`."""
    figures = summarise(scoring, records, nm=nm, groups=groups)
    return {**scoring.tally(records), "figures": {name: figure._asdict() for name, figure in figures.items()}}


def _by_group(examples: Sequence[Pair], records: Sequence[Any], scoring: Scoring, nm: bool) -> list[dict[str, Any]]:
    """The images of each group together, without intervals; nothing where each image is a group."""
    groups: dict[str, list[Any]] = {}
    for pair, record in zip(examples, records, strict=True):
        groups.setdefault(pair.group, []).append(record)
    if len(groups) == len(records):
        return []
    every = sorted(groups.items())
    return [
        {"name": name, "images": len(some), **pooled(some, scoring, nm, [name] * len(some))} for name, some in every
    ]


def choice(n: int, each: int) -> dict[int, str]:
    """Places in a ranking of n to show -> why: `each` best, median and worst, none of them twice."""
    middle = max(0, (n - each) // 2)
    wanted = [(place, "best") for place in range(each)]
    wanted += [(n - 1 - place, "worst") for place in range(each)]
    wanted += [(middle + place, "median") for place in range(each)]
    places: dict[int, str] = {}
    for place, why in wanted:
        if 0 <= place < n:
            places.setdefault(place, why)
    return dict(sorted(places.items()))


def _shown(
    examples: Sequence[Pair], images: Sequence[dict[str, Any]], scoring: Scoring, options: Options, out: Path
) -> list[Shown]:
    order = sorted(range(len(images)), key=lambda place: scoring.rank(images[place]))
    shown = []
    for place, why in choice(len(order), options.pictures).items():
        pair = examples[order[place]]
        micrograph, truth = pair.load(options.rows)
        found = tifffile.imread(out / LABELS / f"{pair.name}.tif").astype(np.int32)
        shown.append(Shown(why, images[order[place]], scoring.panels(micrograph, found, truth)))
    return shown
