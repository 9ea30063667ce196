"""Tries the rules of methods on real outlines and simulated days: python -m tools.accuracy methods

There are two "materials" whose outlines people drew: metal powder (AMPIS, 5 images) and the particles of the
publication with the most images in EMPS. A day is a random draw of particles, so the results concern the rules,
not a laboratory.

- Control charts: a point is the median of N particles drawn from the material. From point 21 on all sizes are larger by
  one half width of the median's 95 % interval. Counted are the points until the rules detect it, and alarms without a
  shift.
- Specification: batches of images of N drawn particles against an upper limit above the true median. Counted is
  how often three images are undecided, and how often two more images decide.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import stats

from segmentation.core.library import calls
from segmentation.core.library.results import Result
from segmentation.core.measure.quantities import Value
from segmentation.core.quality.conformity import Limit, decide
from segmentation.core.quality.control_limits import BASELINE, Chart, ewma_chart, individuals_chart

from .unseen import DATA

POWDER, EMPS = DATA / "ampis-powder", DATA / "emps-train"
# Particles of a point or image; simulated charts; points after the shift; seed; images of a material.
N, CHARTS, AFTER, SEED = 100, 400, 20, 11
IMAGES = 5
LIMITS = (1.02, 1.05, 1.1, 1.2, 1.5)  # times the median of the material
CHARTS_BY_NAME: dict[str, Callable[[list[float]], Chart]] = {
    "individuals, tests 1 to 8": individuals_chart,
    "individuals, tests 1 to 4": lambda values: individuals_chart(values, rules=range(1, 5)),
    "individuals, test 1 alone": lambda values: individuals_chart(values, rules=(1,)),
    "EWMA": ewma_chart,
}


def materials() -> dict[str, list[Path]]:
    """The files of label images of each material, at most IMAGES."""
    with (EMPS / "sources.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    source = Counter(row["doi"] for row in rows).most_common(1)[0][0]
    stems = sorted(Path(row["image"]).stem for row in rows if row["doi"] == source)
    files = {path.stem: path for path in (EMPS / "segmaps").glob("*.png")}
    return {
        "powder": sorted((POWDER / "particle_labels_DERIVED").rglob("*.png"))[:IMAGES],
        f"EMPS {source}": [files[stem] for stem in stems if stem in files][:IMAGES],
    }


def chart_lines(name: str, sizes: np.ndarray) -> Iterator[str]:
    """The rows of the table of charts. sizes: (n,) of all particles of a material."""
    rng = np.random.default_rng(SEED)
    medians = np.median(rng.choice(sizes, (4000, N)), axis=1)
    half_width = float(np.ptp(np.quantile(medians, [0.025, 0.975]))) / 2
    for title, chart_of in CHARTS_BY_NAME.items():
        waits, false = [], 0
        for _ in range(CHARTS):
            points = np.median(rng.choice(sizes, (BASELINE + AFTER, N)), axis=1)
            false += any(alarm.point >= BASELINE for alarm in chart_of(points.tolist()).alarms)
            points[BASELINE:] += half_width
            seen = [alarm.point for alarm in chart_of(points.tolist()).alarms if alarm.point >= BASELINE]
            waits.append(min(seen) - BASELINE + 1 if seen else AFTER + 1)
        within = np.mean(np.array(waits) <= AFTER)
        yield (
            f"| {name} | {title} | {half_width / np.median(sizes):.1%} | {np.median(waits):.0f} | {within:.0%} |"
            f" {false / CHARTS:.0%} |"
        )


def limit_lines(name: str, sizes: np.ndarray) -> Iterator[str]:
    """The rows of the table of limits. sizes: (n,) of all particles of a material. An image is a draw of N
    particles; the value of a batch is the mean of the medians of its images, with Student's t interval."""
    rng, median = np.random.default_rng(SEED), float(np.median(sizes))
    for upper in LIMITS:
        limit, verdicts = Limit(quantity="median", upper=upper * median), []
        for _ in range(CHARTS):
            images = np.median(rng.choice(sizes, (IMAGES, N)), axis=1)
            verdicts.append([decide(limit, _mean(images[:count])).verdict for count in (3, IMAGES)])
        undecided = [last for few, last in verdicts if few == "undecided"]
        decided = sum(last != "undecided" for last in undecided)
        passes = sum(last == "passes" for last in undecided)
        share = len(undecided) / CHARTS
        yield f"| {name} | {upper:.2f} | {share:.0%} | {decided} of {len(undecided)} | {passes} |"


def _mean(medians: np.ndarray) -> Value:
    reach = stats.t.ppf(0.975, len(medians) - 1) * medians.std(ddof=1) / np.sqrt(len(medians))
    return Value(float(medians.mean()), float(medians.mean() - reach), float(medians.mean() + reach), "nm")


def lines() -> Iterator[str]:
    pooled = {
        name: np.concatenate([_counted(calls.measure(file, 1.0)) for file in files])
        for name, files in materials().items()
    }
    yield "| material | chart | half width | points until seen | seen within 20 | alarm in 20 without a shift |"
    yield "|---" * 6 + "|"
    for name, sizes in pooled.items():
        yield from chart_lines(name, sizes)
    yield from ("", "| material | upper limit, times its median | undecided by 3 images | decided by 5 | passes |")
    yield "|---" * 5 + "|"
    for name, sizes in pooled.items():
        yield from limit_lines(name, sizes)


def _counted(result: Result) -> np.ndarray:
    return np.asarray(result.table["min_feret_nm"], float)[np.asarray(result.table["kept"], bool)]
