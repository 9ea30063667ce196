"""All the files of an analysis in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..analysis import Analysis
from . import figure, labels, result, table, viewer

Progress = Callable[[str, float], None]


def write_all(analysis: Analysis, folder: Path, *, progress: Progress | None = None) -> dict[str, Path]:
    """Write every file a user takes away into `folder` (made if need be): file name -> path.

    progress(stage, fraction): told before each file, fraction being the part of this writing that is done;
    it may raise to stop. An exception leaves the files written so far.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}
    writers = _writers(analysis)
    for i, (name, write) in enumerate(writers.items()):
        if progress is not None:
            stage = "drawing the figure" if name.startswith("figure") else "writing the files"
            progress(stage, i / len(writers))
        write(folder / name)
        written[name] = folder / name
    return written


def _writers(analysis: Analysis) -> dict[str, Callable[[Path], object]]:
    drawn = figure.draw(analysis)
    return {
        "figure.png": lambda path: figure.write(drawn, path, "png"),
        "figure.svg": lambda path: figure.write(drawn, path, "svg"),
        "figure.pdf": lambda path: figure.write(drawn, path, "pdf"),
        "particles.csv": lambda path: _write_table(analysis, path),
        "labels.tif": lambda path: labels.write_tiff(analysis, path),
        "labels-all.tif": lambda path: labels.write_tiff(analysis, path, all=True),
        "result.json": lambda path: _write_json(result.as_dict(analysis), path, indent=2),
        "outlines.json": lambda path: _write_json(viewer.outlines(analysis), path, indent=None),
        "image.png": lambda path: path.write_bytes(viewer.image_png(analysis)),
        "thumbnail.png": lambda path: path.write_bytes(viewer.thumbnail_png(analysis)),
        "segmentation.npz": lambda path: analysis.segmentation.save(path),
    }


def _write_table(analysis: Analysis, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table.write_csv(analysis, file)


def _write_json(data: dict[str, Any], path: Path, indent: int | None) -> None:
    separators = None if indent else (",", ":")
    text = json.dumps(data, indent=indent, separators=separators, ensure_ascii=True, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
