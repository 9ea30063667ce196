"""The data of dislocation loops, laid out so that no field of view is on both sides of a split, and their scores.

    python -m segmentation.lab.loops ../shared/data/defects runs/loops
    python -m segmentation.lab.loops ../shared/data/defects runs/loops CARD.toml RECIPE.toml

The first writes `tem` (to train on), `tem-held-out` and `stem`, each with `images` and `labels`, for the recipe
loops.toml; the second scores a model on what its recipe holds out. The 16 crops of loops-tem are the upper quarter of
its one whole frame, magnified four times, so the frame's lower part is what may be trained on, in strips at each of
MAGNIFICATIONS. The STEM images have boxes of open loops, not outlines: the label of a loop is the ellipse in its box.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from ..core.measure.matching import RIGHT, match, overlap_of
from ..core.network.cards import read_card
from ..core.network.runtime import Runtime
from ..core.truth import BadDataset
from . import tasks
from .contract import Floats, Labels, Picture
from .data import held_out_pairs
from .evaluation.predictions import Predictor
from .evaluation.scores import Scorer, precision_recall_f1
from .pretrained import maps_of
from .settings import read_recipe

CUT = 256  # rows of the whole frame that the 16 crops show
GAP = 24  # rows below them that nobody uses: no loop is on both sides
STRIP = 256  # columns
MAGNIFICATIONS = (1, 2, 4)


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


def ellipses(boxes: Floats, shape: tuple[int, ...]) -> Picture:
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


def _boxes(file: Path) -> Floats:
    with file.open(encoding="utf-8", newline="") as rows:
        return np.array([[float(row[name]) for name in ("y0", "x0", "y1", "x1")] for row in csv.DictReader(rows)])


def _write(folder: Path, name: str, grey: Picture, mask: Picture) -> None:
    for kind, picture in (("images", grey), ("labels", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / kind / f"{name}.png")


def score(data: Path, out: Path, card: Path, recipe: Path) -> Iterator[str]:
    """Lines on how many of the held-out loops a model finds: in TEM by outlines and boxes, in STEM by boxes alone.

    Not every STEM loop has a box, so further finds there may be right.
    """
    predictor = Predictor(read_card(card), Runtime("cpu"))
    scorer = Scorer(tasks.find(predictor.card.task).scoring(maps_of(predictor.card)), predictor)
    for kind in ("tem-held-out", "stem"):
        counts = np.zeros((2, 3))  # loops found, invented and missed, by boxes and by outlines
        for pair in held_out_pairs(read_recipe(recipe), Path()):
            if pair.image.parent.parent != out / kind:
                continue
            _, found = scorer.image(pair)
            name = pair.image.stem
            if kind == "stem":
                overlaps = [box_overlaps(_boxes(data / f"loops-stem-boxes/boxes/{name}.csv"), boxes_of(found))]
            else:
                masks = np.asarray(Image.open(data / f"loops-tem/masks/{name}.png")).astype(np.int32)
                overlaps = [box_overlaps(boxes_of(masks), boxes_of(found)), overlap_of(found, masks).iou]
            counts[: len(overlaps)] += [match(each, RIGHT) for each in overlaps]
            yield f"{kind} {name}: {[*overlaps[0].shape, match(overlaps[0], RIGHT)[0]]} true, found, matched by boxes"
        figures = precision_recall_f1(*counts.T)
        for place, (hits, spurious, missed) in enumerate(counts):
            if hits + missed:
                recall, precision, f1 = (np.nan_to_num(figures[name][place]) for name in ("recall", "precision", "f1"))
                yield (
                    f"{kind}, {('boxes', 'outlines')[place]} at {RIGHT}: {hits + missed:.0f} true,"
                    f" {hits + spurious:.0f} found; recall {recall:.3f}, precision {precision:.3f}, F1 {f1:.3f}"
                )


def boxes_of(labels: Labels) -> Floats:
    """(n, 4): top, left, bottom and right in px of the boxes around the objects."""
    found = [box for box in ndimage.find_objects(labels) if box]
    return np.array([[rows.start, columns.start, rows.stop, columns.stop] for rows, columns in found]).reshape(-1, 4)


def box_overlaps(true: Floats, found: Floats) -> Floats:
    """(n, m) intersection over union of boxes (n, 4) and (m, 4)."""
    low = np.maximum(true[:, None, :2], found[None, :, :2])
    high = np.minimum(true[:, None, 2:], found[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(-1)
    areas = [(each[:, 2:] - each[:, :2]).prod(-1) for each in (true, found)]
    return np.asarray(both / np.maximum(areas[0][:, None] + areas[1][None] - both, 1e-9), float)


if __name__ == "__main__":
    folders = [Path(each) for each in sys.argv[1:]]
    if len(folders) == 2:
        lay_out(*folders)
    else:
        for line in score(*folders):
            print(line, flush=True)
