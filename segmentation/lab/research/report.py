"""Evaluates a model on images with truth, for the commands `evaluate` and `sweep`: scores as JSON and as an HTML
page."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from ...core.masks.truth import BadDataset, Pair
from ...core.network.cards import ModelCard, check_weights
from ...core.stages.pace import time_left
from ..training.contract import Picture, Say, Scoring
from ..training.evaluation.predictions import Options, Predictor
from ..training.evaluation.scores import INTERVALS, Scorer, pooled_scores
from ..training.files import fingerprint, write_whole
from .page import html_page

LABELS = "labels"  # folder of the report with the labels that the model found
SHOWN_PER_KIND = 2  # how many of the best, of the median and of the worst images the page shows


def evaluate(
    pairs: Sequence[Pair],
    scoring: Scoring,
    predictor: Predictor,
    options: Options,
    out: Path,
    title: str,
    say: Say = print,
) -> dict[str, Any]:
    """Score a model on images with truth; write `out/report.html`, `out/report.json` and `out/labels/NAME.tif`.

    title: name of the data in the report. Returns the content of the JSON.
    Raises BadDataset, AlteredWeights, UnknownArchitecture or OSError, the first three before any prediction.
    """
    card = predictor.card
    check_weights(card)
    if not pairs:
        raise BadDataset("There are no images to score.")
    say(f"checking {len(pairs)} images and their labels")  # before the slow part begins
    pixel_sizes = [options.nm or pair.load(options.rows)[0].calibration.nm_per_pixel for pair in pairs]
    in_nm = None not in pixel_sizes
    predictor.network()
    (out / LABELS).mkdir(parents=True, exist_ok=True)
    scorer = Scorer(scoring, predictor, options)
    images: list[dict[str, Any]] = []
    start_time = time.monotonic()
    for number, (pair, size) in enumerate(zip(pairs, pixel_sizes, strict=True), start=1):
        prediction, labels = scorer.image(pair, (size or 1.0) if in_nm else 1.0)
        tifffile.imwrite(out / LABELS / f"{pair.name}.tif", labels, compression="zlib")
        entry = {"name": pair.name, "group": pair.group, **pooled_scores(scorer.records[-1:], scoring, in_nm)}
        entry["figures"] = {name: figure["value"] for name, figure in entry["figures"].items()}
        view = {"polarity": prediction.view.polarity, "scale": prediction.view.scale, "rows": len(prediction.grey)}
        images.append({**entry, **view, "seconds": round(prediction.seconds, 3)})
        error_counts = ", ".join(f"{n} {kind}" for kind, n in entry["errors"].items() if n)
        say(
            f"{number}/{len(pairs)} {pair.name}: {error_counts}".rstrip(": ")
            + time_left(start_time, number, len(pairs))
        )
    report = {
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "data": {
            "name": title,
            "images": len(images),
            "unit": "nm" if in_nm else "px",
            "rows": options.rows,
            "trained_on": names_of_training_images(card, pairs),
        },
        "definitions": {name: definition.text for name, definition in scoring.definitions.items()}
        | dict(scoring.kinds),
        "intervals": INTERVALS,
        **scorer.report(in_nm),
        "images": images,
    }
    write_whole(out / "report.json", json.dumps(report, indent=1).encode())
    by_name, ranked = {pair.name: pair for pair in pairs}, scoring.ranked(images)
    examples = []
    for rank, why in shown_ranks(len(ranked), SHOWN_PER_KIND).items():
        panels = panels_of(by_name[ranked[rank]["name"]], out, scoring, options.rows)
        examples.append({"why": why, "image": ranked[rank], "panels": panels})
    write_whole(out / "report.html", html_page(report, scoring, examples).encode())
    return report


def names_of_training_images(card: ModelCard, pairs: Sequence[Pair]) -> list[str]:
    """Names of those images in `pairs` that the card lists as training images of the model."""
    training_images = set(card.training.get("images", ()))
    return [pair.name for pair in pairs if training_images and fingerprint(pair.image) in training_images]


def shown_ranks(n: int, per_kind: int) -> dict[int, str]:
    """Which ranks of n images to show, each with the word for why: "best", "median" or "worst".

    per_kind: number of ranks for each word. Each rank occurs once.
    """
    middle = max(0, (n - per_kind) // 2)
    kinds = {"median": range(middle, middle + per_kind), "worst": range(n - per_kind, n), "best": range(per_kind)}
    # A later word replaces an earlier one.
    words = {rank: why for why, ranks in kinds.items() for rank in ranks if 0 <= rank < n}
    return dict(sorted(words.items()))


def panels_of(pair: Pair, report: Path, scoring: Scoring, rows: int | None = None) -> list[Picture]:
    """(H, W, 3) panels of an image: picture, truth, labels that the model found. report: the folder of the report."""
    micrograph, truth = pair.load(rows)
    labels = tifffile.imread(report / LABELS / f"{pair.name}.tif").astype(np.int32)
    return scoring.panels(micrograph, labels, truth)
