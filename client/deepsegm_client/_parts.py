"""What is sent and what comes back: parts of forms, files, values of tables."""

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
    """An image as a part of a form; a file is read while it is sent."""
    if isinstance(image, str | os.PathLike):
        return name or Path(image).name, stack.enter_context(Path(image).open("rb"))
    if isinstance(image, bytes):
        return name or "image", image
    file = io.BytesIO()
    _import_optional("tifffile", "save the array as a file").imwrite(file, image)
    return name or "array.tif", file.getvalue()


def _form(fields: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a form, as the site reads them; those that are None are not sent."""
    return {name: _typed(value) for name, value in fields.items() if value is not None}


def _typed(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return json.dumps(value) if isinstance(value, list | tuple) else str(value)


def _import_optional(module: str, otherwise: str) -> Any:
    try:
        return __import__(module)
    except ImportError:
        raise DeepSegmError(f"This needs {module} (pip install {module}); {otherwise}.") from None


def _save(target: Path, content: bytes) -> Path:
    """Write a file as a whole or not at all."""
    part = target.with_name(f".{target.name}.{uuid4().hex[:8]}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _retry_after(answer: httpx.Response) -> float:
    """Seconds that the site asks for, 0 where it does not say."""
    try:
        return max(float(answer.headers.get("Retry-After", "")), 0.0)
    except ValueError:
        return 0.0


def _value(text: str) -> Any:
    """A cell of a table: a bool, int, float or text; None where it is empty."""
    if text in ("TRUE", "FALSE"):
        return text == "TRUE"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None


def _id(row: Any) -> str:
    return row if isinstance(row, str) else row.id


def _new_key() -> str:
    return uuid4().hex
