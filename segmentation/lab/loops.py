"""The data of dislocation loops, laid out so that no field of view is on both sides of a split.

    python -m segmentation.lab.loops ../shared/data/defects runs/loops

writes `tem` (to train on), `tem-held-out` and `stem`, each with `images` and `labels`, for the recipe loops.toml.
The 16 crops of loops-tem are the upper quarter of its one whole frame, magnified four times, so the frame's lower part
is what may be trained on, in strips at each MAGNIFICATION. The STEM images have boxes of open loops, not outlines:
the label of a loop is the ellipse within its box.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.truth import BadDataset

CUT = 256  # rows of the whole frame that the 16 crops show
GAP = 24  # rows below them that nobody uses: no loop is on both sides
STRIP = 256  # columns
MAGNIFICATIONS = (1, 2, 4)

Picture = NDArray[np.uint8]


def lay_out(data: Path, out: Path) -> None:
    """Write the three folders; data holds loops-tem and loops-stem-boxes. Raises BadDataset where they are not."""
    tem, stem = data / "loops-tem", data / "loops-stem-boxes"
    for folder in (tem, stem):
        if not (folder / "images").is_dir():
            raise BadDataset(f"There is no folder {folder / 'images'}.")
    frame, mask = _grey(tem / "images/full_3.png"), _mask(tem / "masks/full_3.png")
    for left in range(0, frame.shape[1], STRIP):
        window = slice(CUT + GAP, None), slice(left, left + STRIP)
        for times in MAGNIFICATIONS:
            _write(out / "tem", f"full_3_{left}_x{times}", *_magnified(frame[window], mask[window], times))
    for file in sorted((tem / "images").glob("crop_*.png")):
        _write(out / "tem-held-out", file.stem, _grey(file), _mask(tem / "masks" / file.name))
    for file in sorted((stem / "images").glob("*.jpg")):
        grey = _grey(file)
        _write(out / "stem", file.stem, grey, ellipses(_boxes(stem / f"boxes/{file.stem}.csv"), grey.shape))


def ellipses(boxes: NDArray[np.float64], shape: tuple[int, ...]) -> Picture:
    """(H, W) 1 where a pixel lies in the ellipse within one of the boxes (n, 4), top, left, bottom and right in px."""
    inside = np.zeros(shape, np.uint8)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    for top, left, bottom, right in boxes:
        down, across = max(bottom - top, 1) / 2, max(right - left, 1) / 2
        inside[((rows - top - down) / down) ** 2 + ((columns - left - across) / across) ** 2 <= 1] = 1
    return inside


def _magnified(grey: Picture, mask: Picture, times: int) -> tuple[Picture, Picture]:
    size = grey.shape[1] * times, grey.shape[0] * times
    larger = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC))
    return larger, np.repeat(np.repeat(mask, times, 0), times, 1)


def _grey(file: Path) -> Picture:
    return np.asarray(Image.open(file).convert("L"))


def _mask(file: Path) -> Picture:
    return (np.asarray(Image.open(file)) > 0).astype(np.uint8)


def _boxes(file: Path) -> NDArray[np.float64]:
    with file.open(encoding="utf-8", newline="") as rows:
        return np.array([[float(row[name]) for name in ("y0", "x0", "y1", "x1")] for row in csv.DictReader(rows)])


def _write(folder: Path, name: str, grey: Picture, mask: Picture) -> None:
    for kind, picture in (("images", grey), ("labels", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / kind / f"{name}.png")


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]), Path(sys.argv[2]))
