"""DeepSegm as a library: outlines and sizes in electron micrographs (docs/use/library.md).

    import deepsegm
    result = deepsegm.analyse("image.tif", nm_per_pixel=7.34)

The names of the library are in `segmentation.core.library`, which is imported when one is first
used. This package is also the configuration of the site (settings, addresses, Celery); library and
site do not need each other.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from segmentation import __version__ as __version__

if TYPE_CHECKING:
    from segmentation.core.library import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """A name of the library (one of `segmentation.core.library.__all__`), or `__all__` itself."""
    # Python also calls this function for its special names (such as __path__), and for modules of
    # this package that are not imported yet.
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
