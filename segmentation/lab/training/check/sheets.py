"""The pictures of a check of a dataset: a contact sheet, and a chart of the sizes or of the shares of the classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ....core.report.figures.picture import COLOURS
from ..classes import with_classes
from ..files import write_picture
from ..settings import SIZES
from ..sheets import TRUE, with_outlines
from .findings import CheckedFolder
from .pairs import SHEET_PX, CheckedPair

PER_ROW, MOST_PICTURES = 6, 60  # pictures in a row, and in all
LINE_PX = 14  # height of a line of text


def write_pictures(checked: CheckedFolder, folder: Path) -> list[Path]:
    """Write contact-sheet.png, and sizes.png or, for classes, fractions.png; returns the files. Without pairs nothing
    is written."""
    if not checked.pairs:
        return []
    sheet, chart = folder / "contact-sheet.png", folder / ("fractions.png" if checked.classes else "sizes.png")
    draw_sheet(sheet, checked.pairs[:MOST_PICTURES])
    (draw_fractions if checked.classes else draw_sizes)(chart, checked)
    return [sheet, chart]


def draw_sheet(file: Path, pairs: list[CheckedPair]) -> None:
    """Draw every image with the outlines of its labels; its name is red if it has errors."""
    rows = -(-len(pairs) // PER_ROW)
    cell = max(pair.small.shape[0] for pair in pairs) + 2 * LINE_PX
    sheet = Image.new("RGB", (min(PER_ROW, len(pairs)) * (SHEET_PX + 8), rows * cell), "white")
    pen = ImageDraw.Draw(sheet)
    for number, pair in enumerate(pairs):
        x, y = number % PER_ROW * (SHEET_PX + 8), number // PER_ROW * cell
        count = pair.labels_used if pair.classes else len(pair.diameters)
        labels = pair.small_labels
        picture = with_classes(pair.small, labels) if pair.classes else with_outlines(pair.small, labels, TRUE)
        sheet.paste(Image.fromarray(picture), (x, y + LINE_PX))
        pen.text((x + 1, y), f"{pair.name[:24]}  {count}", fill="red" if pair.wrong else "black")
    write_picture(file, sheet)


def draw_fractions(file: Path, checked: CheckedFolder) -> None:
    """Draw the share of each class: a bar for the mean of the images, a dot for each image."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    shares = 100 * np.array([pair.shares for pair in checked.pairs])
    for column in range(shares.shape[1]):
        axes.bar(column, shares[:, column].mean(), 0.6, color=COLOURS[column % len(COLOURS)] / 255)
        axes.plot(np.linspace(column - 0.2, column + 0.2, len(shares)), np.sort(shares[:, column]), "k.", ms=4)
    axes.set_xticks(range(shares.shape[1]), [f"{column} ({n})" for column, n in enumerate(checked.classes)])
    axes.set(xlabel="class (number in the files)", ylabel="% of the labelled pixels, a dot for each image")
    write_picture(file, figure)


def draw_sizes(file: Path, checked: CheckedFolder) -> None:
    """Draw a histogram of particle diameters; the band is the range of sizes that networks are taught."""
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
