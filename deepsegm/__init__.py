"""DeepSegm as a library: outlines and sizes in electron micrographs (docs/use/library.md).

    import deepsegm
    result = deepsegm.analyse("image.tif", nm_per_pixel=7.34)

The names come from `segmentation.core.library` when they are first used: this package is also the
configuration of the site (settings, addresses, Celery). Neither needs the other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from segmentation import __version__

if TYPE_CHECKING:
    from segmentation.core.library import (
        Calibration,
        Micrograph,
        Number,
        Pooled,
        Result,
        UserError,
        analyse,
        measure,
        pool,
        read,
    )

__all__ = [
    "Calibration",
    "Micrograph",
    "Number",
    "Pooled",
    "Result",
    "UserError",
    "__version__",
    "analyse",
    "measure",
    "pool",
    "read",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("segmentation.core.library"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
