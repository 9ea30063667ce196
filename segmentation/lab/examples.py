"""Fixed validation crops with truth and prediction, drawn at every checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .files import write_picture
from .sheets import in_colour, outlined
from .tasks.base import LearningTask

TRUE, FOUND = (255, 200, 0), (0, 220, 255)  # colours of outlines
GAP = 4  # px between panels


def draw_examples(
    file: Path,
    pictures: NDArray[np.float32],
    truths: Sequence[NDArray[np.int32]],
    maps: NDArray[np.uint8],
    task: LearningTask,
) -> None:
    """One row for each crop: the crop, true outlines, found outlines and the maps, as PNG.

    pictures: (n, S, S) in -1..1. truths: n times (S, S) true labels. maps: (n, C, S, S) the network's, 0..255.
    """
    rows = [_row(*each, task) for each in zip(pictures, truths, maps, strict=True)]
    sheet = _stacked(rows, axis=0)
    picture = Image.new("RGB", (sheet.shape[1], sheet.shape[0] + 14), "white")
    picture.paste(Image.fromarray(sheet), (0, 14))
    pen = ImageDraw.Draw(picture)
    for column, heading in enumerate(("crop", "truth", "found", *task.channels)):
        pen.text((2 + column * (pictures.shape[2] + GAP), 1), heading.replace("_", " "), fill="black")
    write_picture(file, picture)


def _row(
    picture: NDArray[np.float32], truth: NDArray[np.int32], maps: NDArray[np.uint8], task: LearningTask
) -> NDArray[np.uint8]:
    grey = (127.5 * (picture + 1)).astype(np.uint8)
    panels = [
        in_colour(grey),
        outlined(grey, truth, TRUE),
        outlined(grey, task.preview(maps), FOUND),
        *map(in_colour, maps),
    ]
    return _stacked(panels, axis=1)


def _stacked(panels: Sequence[NDArray[np.uint8]], axis: int) -> NDArray[np.uint8]:
    shape = list(panels[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    return np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=axis)
