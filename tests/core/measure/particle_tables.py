"""Tables of particles of which only some measures matter."""

from __future__ import annotations

import numpy as np

from segmentation.core.measure.quantities import COLUMNS
from segmentation.core.measure.table import Table


def table_of(sizes, reasons=None, nm_per_pixel=1.0, **measures):
    """A table of particles with these minimum Ferets (px), twice them as ECD, and nothing else of interest."""
    n = len(sizes)
    columns = {name: np.ones(n) for name in COLUMNS if name not in ("class", "area_fraction", "by_hand")}
    columns |= {"min_feret": np.array(sizes, float), "ecd": np.array(sizes, float) * 2, "area": np.full(n, 1e4)}
    columns |= {"touches_frame": np.zeros(n, bool), "group": np.arange(1, n + 1)}
    columns |= {name: np.asarray(values) for name, values in measures.items()}
    reasons = np.array(reasons if reasons is not None else [""] * n, "U40")
    return Table.of_pixels(columns | {"kept": reasons == "", "reason": reasons}, nm_per_pixel)


def log_normal(n, median=110.0, gsd=1.5, seed=0):
    return np.exp(np.log(median) + np.log(gsd) * np.random.default_rng(seed).standard_normal(n))
