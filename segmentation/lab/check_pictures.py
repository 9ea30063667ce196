"""The pictures of a dataset check: a contact sheet of outlines over images, and the particles' sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .check import Checked
from .files import write_picture
from .look import SHEET, Looked
from .settings import SIZES
from .sheets import TRUE, outlined

ACROSS, MOST = 6, 60
LINE = 14  # px of a line of text


def write_pictures(checked: Checked, folder: Path) -> list[Path]:
    """Write contact-sheet.png and sizes.png; returns what was written, nothing where there are no pairs."""
    if not checked.pairs:
        return []
    sheet, sizes = folder / "contact-sheet.png", folder / "sizes.png"
    draw_sheet(sheet, checked.pairs[:MOST])
    draw_sizes(sizes, checked)
    return [sheet, sizes]


def draw_sheet(file: Path, pairs: list[Looked]) -> None:
    """Every image with its labels' outlines, its name in red where something must be mended."""
    rows = -(-len(pairs) // ACROSS)
    cell = max(pair.small.shape[0] for pair in pairs) + 2 * LINE
    sheet = Image.new("RGB", (min(ACROSS, len(pairs)) * (SHEET + 8), rows * cell), "white")
    pen = ImageDraw.Draw(sheet)
    for number, pair in enumerate(pairs):
        x, y = number % ACROSS * (SHEET + 8), number // ACROSS * cell
        sheet.paste(Image.fromarray(outlined(pair.small, pair.small_labels, TRUE)), (x, y + LINE))
        pen.text((x + 1, y), f"{pair.name[:24]}  {len(pair.diameters)}", fill="red" if pair.wrong else "black")
    write_picture(file, sheet)


def draw_sizes(file: Path, checked: Checked) -> None:
    """Histogram of particle diameters; the band is the range that networks are taught."""
    from matplotlib.figure import Figure

    diameters = checked.diameters
    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    if len(diameters):
        bins = np.geomspace(min(diameters.min(), 3), max(diameters.max(), 100) * 1.01, 40)
        axes.hist(diameters, bins=bins, color="#1f5fa8")
    axes.axvspan(*SIZES, color="#b8860b", alpha=0.15, label="typical sizes that networks are taught")
    axes.set(xscale="log", xlabel="equivalent circle diameter in px", ylabel="particles")
    axes.set_title(f"{len(diameters)} particles in {len(checked.pairs)} images")
    axes.legend(frameon=False)
    write_picture(file, figure)
