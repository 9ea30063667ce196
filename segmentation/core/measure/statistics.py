"""What the kept particles say together."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .filters import ALWAYS, Reason
from .table import ParticleTable, Unit

NANO_NM = 100.0
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Statistics:
    """The size distribution, by number, of the minimum Feret diameter of the kept particles.

    unit: of every size here, "nm" or "px".
    n_kept, n_set_aside: particles; set_aside counts the latter by reason, in the order of judging.
    mean, median, sd: sd is the sample standard deviation (n - 1); None where undefined (n = 0; sd: n < 2).
    d10, d50, d90: percentiles by linear interpolation between order statistics (numpy's default).
    fraction_100nm: fraction by number of sizes <= 100 nm, and its Wilson 95 % interval; None in pixels.
    ecd_median: median of the equivalent circular diameter.
    without_filter: n, median and fraction_100nm if the filter were off; None where it removes nothing.
    """

    unit: Unit
    n_kept: int
    n_set_aside: int
    set_aside: dict[str, int]
    mean: float | None
    median: float | None
    sd: float | None
    d10: float | None
    d50: float | None
    d90: float | None
    fraction_100nm: float | None
    fraction_low: float | None
    fraction_high: float | None
    ecd_median: float | None
    without_filter: dict[str, Any] | None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a fraction after Wilson (1927); n must be at least 1."""
    p, z2 = successes / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == n else centre + half


def summarise(table: ParticleTable) -> Statistics:
    """The statistics of a table whose particles have been judged (`filters.set_aside`)."""
    sizes = table.length("min_feret")[table.kept]
    nano = _nano(sizes, table.unit)
    d10, d50, d90 = np.percentile(sizes, [10, 50, 90]).tolist() if len(sizes) else (None, None, None)
    return Statistics(
        unit=table.unit,
        n_kept=len(sizes),
        n_set_aside=len(table) - len(sizes),
        set_aside=_by_reason(table),
        mean=float(sizes.mean()) if len(sizes) else None,
        median=d50,
        sd=float(sizes.std(ddof=1)) if len(sizes) > 1 else None,
        d10=d10,
        d50=d50,
        d90=d90,
        fraction_100nm=None if nano is None else nano / len(sizes),
        fraction_low=None if nano is None else wilson(nano, len(sizes))[0],
        fraction_high=None if nano is None else wilson(nano, len(sizes))[1],
        ecd_median=_median(table.length("ecd")[table.kept]),
        without_filter=_without_filter(table),
    )


def _nano(sizes: NDArray[np.float64], unit: Unit) -> int | None:
    return int((sizes <= NANO_NM).sum()) if unit == "nm" and len(sizes) else None


def _median(values: NDArray[np.float64]) -> float | None:
    return float(np.median(values)) if len(values) else None


def _by_reason(table: ParticleTable) -> dict[str, int]:
    counts = Counter(table.reasons[~table.kept].tolist())
    known = [str(reason) for reason in Reason if reason in counts]
    return {reason: counts[reason] for reason in [*known, *sorted(set(counts) - set(known))]}


def _without_filter(table: ParticleTable) -> dict[str, Any] | None:
    sizes = table.length("min_feret")[~np.isin(table.reasons, [str(reason) for reason in ALWAYS])]
    if len(sizes) == table.kept.sum():
        return None
    nano = _nano(sizes, table.unit)
    fraction = None if nano is None else nano / len(sizes)
    return {"n": len(sizes), "median": _median(sizes), "fraction_100nm": fraction}
