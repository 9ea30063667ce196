"""Draws of a figure, and the interval that they make."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .distribution import SAME, Floats

Interval = list[float] | None
Tails = tuple[float, float]

UNBOUNDED = 100.0  # ln(figure); a draw that far off comes of a resample of equal sizes
MIDDLE: Tails = (0.025, 0.025)


class Drawn(NamedTuple):
    """Draws (b,) of ln(figure), and the tails that their interval leaves out.

    down (at most 0), up (at least 0): how far from each draw the figure may lie by the step of the sizes (`steps`);
    -inf down where it may be 0.
    """

    draws: Floats
    tails: Tails = MIDDLE
    down: Floats | float = 0.0
    up: Floats | float = 0.0

    @classmethod
    def of_logs(cls, draws: Floats, half: Floats, tails: Tails = MIDDLE) -> Drawn:
        """Draws of ln(size), where the true size is up to `half` (b,) a step away."""
        if not half.any():
            return cls(draws, tails)
        share = half / np.exp(draws)
        return cls(draws, tails, np.log1p(-share), np.log1p(share))

    @classmethod
    def between(cls, least: Floats, most: Floats) -> Drawn:
        """Draws of a figure that may be anything from `least`, 0 or more, to `most`."""
        middle = (least + most) / 2
        with np.errstate(invalid="ignore"):  # 0 of a figure that can only be 0
            return cls(logs(middle), MIDDLE, logs(least / middle), logs(most / middle))

    def widened(self, figure: float | None, factor: float) -> Drawn:
        """Draws `factor` times as far from the figure; the step of the sizes does not grow with them.

        Nothing is a multiple as far from a span of 0, so its draws are left as they are.
        """
        if figure == 0:
            return self
        middle = np.nan if figure is None else float(np.log(figure))
        return self._replace(draws=middle + factor * (self.draws - middle))

    def limits(self, calibration: Floats | int) -> Interval:
        """The interval, with draws (b,) of ln(calibration); None where there cannot be one."""
        usable = ~np.isnan(self.draws)
        if usable.mean() < 0.9 or min(self.tails) < 0:
            return None
        both = self.draws + calibration
        least, most = (np.clip(both + far, -UNBOUNDED, UNBOUNDED)[usable] for far in (self.down, self.up))
        low, high = float(np.quantile(least, self.tails[0])), float(np.quantile(most, 1 - self.tails[1]))
        from_zero = low == -UNBOUNDED and bool(np.isneginf(self.down).any())
        if high - low <= SAME or high == UNBOUNDED or (low == -UNBOUNDED and not from_zero):
            return None
        return [0.0 if from_zero else float(np.exp(low)), float(np.exp(high))]


def logs(values: Floats) -> Floats:
    """Natural logarithms; -inf of 0, NaN of less."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(values), np.float64)
