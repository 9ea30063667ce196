"""Converts values to plain JSON types. Forms and workers pass every value for a JSON field of the
database through `storable`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def storable(value: Any) -> Any:
    """The value with only JSON types in it, so that any database can store it.

    Numbers that are not finite become None; NULs and lone surrogates are removed from text. Image
    files contain all of these. SQLite refuses such numbers, and PostgreSQL also such text.
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
