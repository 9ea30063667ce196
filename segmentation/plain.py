"""Values that any database can store as JSON: what forms and workers send goes through here before it is kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def storable(value: Any) -> Any:
    """The same as plain JSON types.

    Numbers that are not finite become None, and text loses NULs and lone surrogates: SQLite refuses the first,
    PostgreSQL all of them, and image files hold them all.
    """
    if isinstance(value, dict):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [storable(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "ignore").decode()
    return value
