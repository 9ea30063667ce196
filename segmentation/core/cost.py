"""What the analysis of an image costs in memory and time, estimated from its declared size before anything is decoded.

Measured on two cores without AMX with dense images of many particles (docs/development/engine.md); bounds.
"""

from __future__ import annotations

BASE_MB = 2300  # libraries, network, windows and the figure's canvas
BYTES_PER_PIXEL = 40  # pixels, maps, labels and those of other thresholds, hulls
SECONDS_PER_MEGAPIXEL = 6.0


def affordable_pixels(megabytes: int, seconds: int) -> int:
    """The most pixels that can be analysed within this memory (0: any amount) and this time."""
    by_time = int(seconds / SECONDS_PER_MEGAPIXEL * 1e6)
    by_memory = max(0, megabytes - BASE_MB) * 2**20 // BYTES_PER_PIXEL if megabytes else by_time
    return max(1_000_000, min(by_time, by_memory))
