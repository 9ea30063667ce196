"""Measures the truth masks of `evaluation-only`, to compare them with the reference values in SCIENCE.md, section 5.

python -m tools.accuracy.real.reference [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage

from segmentation.core.measure.objects.filters import Reason, judge
from segmentation.core.measure.shape.shapes import measure
from segmentation.core.measure.table import Table

MASKS = Path(__file__).resolve().parents[4] / "shared" / "data" / "evaluation-only" / "tio2-sem" / "masks"
NM_PER_PIXEL = 7.34375


def tables(folder: Path = MASKS) -> list[Table]:
    """One table of particles for each binary mask, in which pixels that share an edge belong together; particles at the
    frame are left out."""
    judged = []
    for file in sorted(folder.glob("*.tif")):
        labels = ndimage.label(tifffile.imread(file) > 0)[0].astype(np.int32)
        n = int(labels.max())
        table = measure(labels, np.zeros(labels.shape, np.uint8), np.ones(n, np.float32), NM_PER_PIXEL, len(labels))
        judged.append(judge(table, False))
    return judged


def lines(folder: Path = MASKS) -> Iterator[str]:
    images = tables(folder)
    filled = [table for table in images if len(table)]
    size = np.concatenate([table["min_feret_nm"][table.kept] for table in filled])
    ecd = np.concatenate([table["ecd_nm"][table.kept] for table in filled])
    yield f"| | {len(images)} files, measured here | 40 files, SCIENCE.md |"
    yield "|---|---|---|"
    yield f"| particles kept | {len(size)} | 5516 |"
    yield f"| minimum Feret, mean (SD) | {size.mean():.1f} ({size.std(ddof=1):.1f}) nm | 160.1 (73.6) nm |"
    tenths = "/".join(f"{value:.1f}" for value in np.percentile(size, (10, 50, 90)))
    yield f"| minimum Feret, D10/D50/D90 | {tenths} nm | 62.5/157.1/255.6 nm |"
    yield f"| ECD, mean and median | {ecd.mean():.1f}, {np.median(ecd):.1f} nm | 176.4, 173.2 nm |"
    for least, published in ((9, "22.1"), (25, "20.0"), (50, "16.9"), (100, "10.6")):
        yield f"| fraction up to 100 nm, area from {least} px | {100 * fraction(filled, least):.1f} % | {published} % |"


def fraction(images: list[Table], least: int) -> float:
    """The share of particles up to 100 nm, among those that do not touch the frame and have at least `least` pixels."""
    sizes = []
    for table in images:
        chosen = (table.reasons != Reason.FRAME) & (np.rint(table.rescaled(None)["area_px2"]) >= least)
        sizes.append(table["min_feret_nm"][chosen])
    return float((np.concatenate(sizes) <= 100).mean())


def main() -> None:
    for line in lines(Path(sys.argv[1]) if len(sys.argv) > 1 else MASKS):
        print(line)


if __name__ == "__main__":
    main()
