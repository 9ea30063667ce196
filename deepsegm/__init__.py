"""DeepSegm as a library: outlines and sizes in electron micrographs (docs/use/library.md).

    import deepsegm
    result = deepsegm.analyse("image.tif", nm_per_pixel=7.34)

The names come from `segmentation.core.library` when they are first used: this package is also the
configuration of the site (settings, addresses, Celery). Neither needs the other.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from segmentation import __version__ as __version__

if TYPE_CHECKING:
    from segmentation.core.library import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """What the library offers (`segmentation.core.library.__all__`), and `__all__` with it."""
    # Python asks here for its own names, and for a module of this package before it imports that.
    if name != "__all__" and (name.startswith("_") or find_spec(f"{__name__}.{name}")):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    library = import_module("segmentation.core.library")
    if name == "__all__":
        return [*library.__all__, "__version__"]
    if name not in library.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(library, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
