"""All statistics of the sizes in one image, or in several images together
(`results.Statistics`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from .arrangement.agglomerates import agglomerates
from .nano.card import Terms, doubtful_fractions, nano_card, variants_of
from .nano.fraction_outlines import fraction_outlines
from .nano.recommendation import recommendation
from .objects.filters import FILTER_REASONS, by_reason, with_reasons_lifted
from .results import Other, Spread, Statistics, WithoutFilter
from .shape.descriptors import DESCRIPTORS
from .shape.shape_classes import class_shares, rods
from .sizes.distribution import WEIGHTINGS, Edge, WeightedSizes, figures, nano_share, quantile
from .sizes.fitting import log_normal
from .table import Table
from .uncertainty.bootstrap import intervals, median_interval, why_no_intervals
from .uncertainty.budget import DEFAULT_CONDITIONS, OUTLINES_ALONE, Case, Conditions, budget
from .uncertainty.cautions import cautions
from .uncertainty.convergence import converge

SAME_MAGNIFICATION = 1.02  # largest ratio of pixel sizes of images with one magnification
# Fields that only particles have, because only they are judged as nanomaterials; None for other
# objects.
ONLY_SCREENED = ("fraction_100nm", "fraction_low", "fraction_high", "without_filter", "agglomerates")


def seed_of(sha256: str) -> int:
    """The seed of the random draws for an image, from the sha256 of its file in hexadecimal digits:
    the same file gives the same intervals everywhere."""
    return int(sha256[:16] or "0", 16)


def summarise(table: Table, conditions: Conditions = DEFAULT_CONDITIONS) -> Statistics:
    """The statistics of the judged table (`filters.set_aside`) of one image."""
    return Statistics(**describe([table], conditions)[0])


def describe(tables: Sequence[Table], conditions: Conditions) -> tuple[dict[str, Any], WeightedSizes]:
    """The fields of Statistics by name, and the sizes that they are computed from.

    tables: the judged tables of one image or of several.
    """
    edge, uncertainty, screened = conditions.edge, conditions.uncertainty, conditions.screened
    sizes = WeightedSizes.of(*tables, edge=edge, by=conditions.size, pieces=conditions.pieces)
    size_fields = _size_fields(sizes, uncertainty, np.random.default_rng(conditions.seed))
    with_ends = [name for name, ends in size_fields["intervals"].items() if ends]
    described = {
        **size_fields,
        "cautions": cautions(sizes, [*with_ends, "fraction_100nm"] if screened else with_ends),
        "size": conditions.size,
        "counted": conditions.counted,
        "screened": screened,
        "unit": sizes.unit,
        "edge": edge,
        "relative_uncertainty": conditions.calibration.standard_uncertainty,
        "n_kept": sizes.number,
        "n_set_aside": sum(int((~table.kept).sum()) for table in tables),
        "set_aside": by_reason(tables),
        "shape": _shape(tables),
        **dict.fromkeys(ONLY_SCREENED),
    }
    if not screened:
        described["intervals"]["fraction_100nm"] = None
        return described, sizes
    variants = variants_of(tables, conditions)
    pixels = [table.nm_per_pixel for table in tables if table.nm_per_pixel is not None]
    coarsest, mixed = max(pixels, default=None), bool(pixels) and max(pixels) > SAME_MAGNIFICATION * min(pixels)
    terms = Terms(conditions, coarsest, mixed)
    shares = {"fraction_100nm": terms.fraction(sizes), **doubtful_fractions(variants, terms)}
    share = shares["fraction_100nm"]
    low, high = (share.low, share.high) if share else (None, None)
    described["intervals"]["fraction_100nm"] = [share.low, share.high] if share else None
    groups = agglomerates(tables, conditions.seed)
    lengths = np.concatenate([table.length("max_feret")[table.kept] for table in tables])
    uncertainties = budget(Case(variants, conditions, coarsest or 0.0, terms.counted_words, described["intervals"]))
    return {
        **described,
        "nano": nano_card(variants, terms, uncertainties),
        "budget": uncertainties,
        "recommendation": recommendation(sizes, lengths, groups, terms),
        "without_filter": _without_filter(tables, edge),
        **{name: share.fraction if share else None for name, share in shares.items()},
        "fraction_low": low,
        "fraction_high": high,
        "fraction_outlines": fraction_outlines(tables, conditions.pieces) if share else None,
        "agglomerates": groups,
        "shape_classes": class_shares(tables),
        "rods": rods(tables, edge, uncertainty, conditions.seed),
    }, sizes


def other_measurand(table: Table, conditions: Conditions) -> Other | None:
    """The numbers of the other measurand: all particles, hidden ones too. table: judged, of one
    image, with the objects of this measurand counted. None without sizes."""
    edge = conditions.edge
    sizes = WeightedSizes.of(table, edge=edge, pieces=conditions.pieces)
    if not len(sizes):
        return None
    variants = {"as analysed": sizes, OUTLINES_ALONE: WeightedSizes.of(table, edge=edge)} | {
        name: WeightedSizes.of(other, edge=edge)
        for name, other in conditions.alternatives.items()
        if name.startswith("threshold")
    }
    rng, terms = np.random.default_rng(conditions.seed), Terms(conditions, table.nm_per_pixel)
    share = terms.fraction(sizes)
    intervals = {
        "median": None if why_no_intervals(sizes) else median_interval(sizes, rng, conditions.uncertainty),
        "fraction_100nm": [share.low, share.high] if share else None,
    }
    total = budget(Case(variants, conditions, table.nm_per_pixel or 0.0, terms.counted_words, intervals))
    return Other(
        n=sizes.number,
        median=quantile(sizes.size, sizes.weights["number"], 0.5),
        median_ends=total["median"]["ends"] if total else None,
        fraction_100nm=share.fraction if share else None,
        fraction_ends=total["fraction_100nm"]["ends"] if total else None,
    )


def _size_fields(sizes: WeightedSizes, uncertainty: float, rng: np.random.Generator) -> dict[str, Any]:
    """The fields of Statistics that need only the sizes: the figures by number, area and volume
    with their intervals, the fitted law, the convergence."""
    by_ecd = sizes.by_ecd()
    # The order of the random draws decides the last digits of all intervals: ECD, figures,
    # convergence.
    by_weighting = {weighting: figures(sizes.size, sizes.weights[weighting], weighting) for weighting in WEIGHTINGS}
    with threadpool_limits(1, "blas"):  # with more threads the last digits of its sums may differ
        ecd_limits = None if why_no_intervals(by_ecd) else median_interval(by_ecd, rng, uncertainty)
        limits = intervals(sizes, by_weighting, rng, uncertainty)
    number, median_limits = by_weighting["number"], limits["number"]["d50"]
    return {
        **{name: number[name] for name in ("mean", "sd", "d10", "d50", "d90")},
        "median": number["d50"],
        "ecd_median": figures(by_ecd.size, by_ecd.weights["number"])["d50"],
        "intervals": {**limits["number"], "median": median_limits, "ecd_median": ecd_limits},
        "interval_note": why_no_intervals(sizes),
        "weighted": {
            weighting: {
                **by_weighting[weighting],
                "intervals": limits[weighting],
                "note": why_no_intervals(sizes, weighting),
            }
            for weighting in by_weighting
        },
        "fit": log_normal(sizes.size, sizes.weights["number"]),
        # With several images convergence is by image (`pooling.pool`).
        "convergence": None if sizes.by_image else converge(sizes, median_limits, uncertainty, rng),
    }


def _without_filter(tables: Sequence[Table], edge: Edge) -> WithoutFilter | None:
    """The numbers with the filter off; None if they are the same."""
    sizes = WeightedSizes.of(*(with_reasons_lifted(table, FILTER_REASONS) for table in tables), edge=edge)
    if len(sizes) == sum(int(table.kept.sum()) for table in tables):
        return None
    weights = sizes.weights["number"]
    median = quantile(sizes.size, weights, 0.5) if len(sizes) else None
    nano = nano_share(sizes.size, weights) if sizes.unit == "nm" and len(sizes) else None
    return WithoutFilter(n=len(sizes), median=median, fraction_100nm=nano)


def _shape(tables: Sequence[Table]) -> dict[str, Spread]:
    """Median, D10 and D90 by number of each descriptor of shape, by its name. One particle has no
    D10 and D90. A descriptor without values has no entry."""
    spreads: dict[str, Spread] = {}
    for name in DESCRIPTORS:
        values = np.concatenate([table[name][table.kept] for table in tables])
        values = values[~np.isnan(values)]  # an object has no elongation, or an older stored table has no such column
        if len(values):
            median, d10, d90 = np.percentile(values, [50, 10, 90]).tolist()
            spreads[name] = {"median": median} | ({"d10": d10, "d90": d90} if len(values) > 1 else {})
    return spreads
