"""Helpers of the other modules: they make the parts of a form, save files, and read values of answers and tables."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from ._errors import DeepSegmError

File = str | os.PathLike[str]

if TYPE_CHECKING:
    import numpy as np

    Image = File | bytes | np.ndarray[Any, Any]


def _part(image: Image, name: str, stack: ExitStack) -> tuple[str, IO[bytes] | bytes]:
    """An image as a part of a form: its name, and an open file or bytes. stack: closes the file."""
    if isinstance(image, str | os.PathLike):
        return name or Path(image).name, stack.enter_context(Path(image).open("rb"))
    if isinstance(image, bytes):
        return name or "image", image
    file = io.BytesIO()
    _import_optional("tifffile", "save the array as a file").imwrite(file, image)
    return name or "array.tif", file.getvalue()


def _form(fields: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a form as texts for the site; fields that are None are left out."""
    return {name: _form_value(value) for name, value in fields.items() if value is not None}


def _form_value(value: Any) -> str:
    """A value as the text of a form field."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return json.dumps(value) if isinstance(value, list | tuple) else str(value)


def _import_optional(module: str, otherwise: str) -> Any:
    """A module that may not be installed; raises DeepSegmError. otherwise: what the user can do without it."""
    try:
        return __import__(module)
    except ImportError:
        raise DeepSegmError(f"This needs {module} (pip install {module}); {otherwise}.") from None


def _save(target: Path, content: bytes) -> Path:
    """Write a file completely or not at all; gives its path."""
    part = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _retry_after(answer: httpx.Response) -> float:
    """The pause in seconds that an answer asks for; 0 if it asks for none."""
    try:
        return max(float(answer.headers.get("Retry-After", "")), 0.0)
    except ValueError:
        return 0.0


def _cell_value(text: str) -> Any:
    """The value of a cell of a table: a bool, int, float or text; None for an empty cell."""
    if text in ("TRUE", "FALSE"):
        return text == "TRUE"
    for number_type in (int, float):
        try:
            return number_type(text)
        except ValueError:
            continue
    return text or None


def _id(row: Any) -> str:
    """The id of a row; an id is returned unchanged."""
    return row if isinstance(row, str) else row.id


def _new_key() -> str:
    """A random Idempotency-Key."""
    return uuid4().hex
