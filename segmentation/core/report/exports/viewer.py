"""The files that pages show: outlines and small pictures of a result, picture and tiles of a micrograph."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ... import tasks
from ...analysis import Analysis, Objects
from ...archive import write_zip
from ...labels.bands import numbered
from ...measure.contacts import longest_contacts
from ...measure.descriptors import DESCRIPTORS, measures_of
from ...measure.doubts import DOUBT
from ...measure.filters import Reason
from ...measure.similar import CONTACT
from ...micrograph.contrast import displayed, preview
from ...remembered import remembered
from ..outlines import Points, find_pixel_borders, smooth_outlines, smooth_rings, thinned
from ..picture import (
    NO_COLOUR,
    PALETTE,
    colours_by_direction,
    display_pixels,
    sampled_labels,
    with_coloured_objects,
    with_rims,
)
from ..wording import write_json
from .base import FIGURE, FIRST, Export

if TYPE_CHECKING:
    from ...labels.segmentation import Segmentation
    from ...micrograph.types import Micrograph
    from ..panels import Drawing

PICTURE, TILES = "image.webp", "tiles.zip"  # files of a micrograph
THUMBNAIL_FILE = "thumbnail.webp"
SECTOR = 10.0  # degrees of directions with one colour
TOLERANCE = 0.6
LONGEST = 1024  # px of the picture that is seen at first
TILE = 512  # px
THUMBNAIL = 320
FIGURE_LOOK = (1000, 60)  # px, quality
QUALITY = 80
IN = "shown on the page"
METHOD = 1  # of 0 to 6: the default 4 takes three times as long and saves 2 %
COLOURED = ("neighbour_distance", "neighbour_gap", "local_density")  # by which the page colours objects
OBJECTS = "particles"  # the list of objects in the file, whatever the kind
CELLS = "cells"  # their numbers in words; also an entry of an object that corrections changed
MOST_DOUBTS = 500  # each answer to a correction brings the next ones
MOST_COORDINATES = 1_000_000  # of the further pieces of classes: about 5 MB, 1 MB as sent


def outlines(analysis: Analysis, drawing: Drawing | None = None) -> dict[str, Any]:
    """The objects for the viewer and the histogram of the result page, as plain JSON types.

    {"width", "height", "rows", "unit", "pixel_size", "left_out", "cuts", "particles": [...]}. drawing: what the figure
    draws; None draws it anew. pixel_size: the side of a pixel in `unit`.

    Each particle has "id", "kept", "reason" and "outline". Where they are known it has "class", "cut", "weight",
    measures_of(task.size), "confidence", "chance", "visible_length", "length", "width", COLOURED, "shape",
    "shape_chance", "contact" (see `longest_contacts`) and, of classes, "certainty" and "area_fraction".
    Sizes are in `unit`. They, probabilities and weights have all their digits, so that the page has the bars of the
    figure. None stands where there is no number. cut: it is kept but touches the frame, so that its size is not known.
    weight: that of the border correction. outline: [x0, y0, x1, y1, ...] in pixel-corner coordinates of the upload,
    true to about a pixel, without the first point again.

    Where pixels belong to classes, a class has the "colour" of the figure. Its "rings" are its further pieces and its
    holes, the largest first, as far as there is room; "left_out" counts the others.

    cuts: columns of the possible cuts of what is kept or touches the frame, the most probable first. "place" is its
    number among all of the image, "id" the object, "line" [x0, y0, ...]; "chance" is its probability; `Cut` explains
    "after" and "sides". "pieces": the sizes of what a cut that is worth a look makes of its object, with those that it
    ends at; else None.
    """
    rows, columns = analysis.micrograph.shape
    objects, table, used = Objects.of(analysis), analysis.table, analysis.segmentation
    descriptor_columns = _columns(analysis) if len(table) == len(used) else {}
    task = tasks.find(used.provenance.task)
    lines = drawing.outlines if drawing else smooth_outlines(find_pixel_borders(used.dense[: used.rows]), len(used))
    particles: list[dict[str, Any]] = [
        {
            "id": int(objects.ids[i]),
            **({"class": objects.classes[i]} if len(used.class_names) > 1 else {}),
            "kept": bool(objects.kept[i]),
            "reason": objects.reasons[i],
            **({"cut": True} if objects.cut[i] else {}),
            **({"by_hand": True} if int(objects.ids[i]) in used.by_hand else {}),
            **{name: values[i] for name, values in descriptor_columns.items()},
            "outline": drawn(line),
        }
        for i, line in enumerate(lines)
    ]
    frame: dict[str, Any] = {"width": columns, "height": rows, "rows": used.rows}
    if task.semantic or task.parted:
        borders = drawing.pixel_borders if drawing else find_pixel_borders(used.dense[: used.rows])
        frame["left_out"] = _add_rings(particles, smooth_rings(borders, len(used)))
    if task.parted and descriptor_columns:
        for particle, colour in zip(particles, colours_by_direction(table["direction"], SECTOR), strict=True):
            particle |= {"colour": f"#{colour.tobytes().hex()}"} if particle["kept"] else {}
        for particle, direction in zip(particles, short(table["direction"]), strict=True):
            particle["direction"] = direction
    if task.semantic:
        for particle, number in zip(particles, used.classes.tolist(), strict=True):
            particle["colour"] = PALETTE[number % len(PALETTE)]
    ids = {particle["id"] for particle in particles if particle["kept"] or particle["reason"] == Reason.FRAME}
    # The objects come last and begin with their id: services/ground/tables.parts reads the file in pieces.
    frame |= {"unit": table.unit, "pixel_size": table.nm_per_pixel or 1.0, "cuts": _cuts(used, ids, table.nm_per_pixel)}
    return {**frame, OBJECTS: particles}


def _cuts(segmentation: Segmentation, numbers_shown: set[int], nm_per_pixel: float | None) -> dict[str, list[Any]]:
    ids = [cut.divides(lambda box: segmentation.labels[box[0] :, box[1] :]) for cut in segmentation.cuts]
    places = [index for index, number in enumerate(ids) if number in numbers_shown]
    cuts = [segmentation.cuts[index] for index in places]
    piece_sizes = _sizes_made(segmentation, nm_per_pixel) if cuts else {}
    return {
        "place": places,
        "id": [ids[index] for index in places],
        "chance": [cut.probability for cut in cuts],
        **{name: [getattr(cut, name) for cut in cuts] for name in ("after", "sides")},
        "line": [coordinates(np.array(cut.line)) for cut in cuts],
        "pieces": [piece_sizes.get(place) for place in places],
    }


def _sizes_made(segmentation: Segmentation, nm_per_pixel: float | None) -> dict[int, list[float | None]]:
    """The sizes of the pieces that each cut makes which is as probable as a DOUBT, by its place among all cuts."""
    from ...measure.apart import measured_apart
    from ...measure.possible import pieces_of

    likely = [place for place, cut in enumerate(segmentation.cuts) if cut.probability >= DOUBT]
    pieces = pieces_of(segmentation.dense, segmentation.cuts, likely)
    if not pieces:
        return {}
    size, frame = tasks.find(segmentation.provenance.task).size, (segmentation.rows, segmentation.labels.shape[1])
    table, _ = measured_apart([piece for cut_pieces in pieces.values() for piece in cut_pieces], nm_per_pixel, frame)
    lengths = iter(short(table.length(size)))
    return {place: [next(lengths) for _ in cut_pieces] for place, cut_pieces in pieces.items()}


def _add_rings(particles: list[dict[str, Any]], every: list[list[Points]]) -> int:
    """Give each class its rings; the first is its outline already. Returns how many rings have no room."""
    left_out = 0
    for particle, rings in zip(particles, every, strict=True):
        particle["rings"] = further_rings(rings, MOST_COORDINATES / len(particles))
        left_out += len(rings[1:]) - len(particle["rings"])
    return left_out


def further_rings(rings: list[Points], room: float) -> list[list[float]]:
    """The rings of an object beside its outline, the largest first, as far as there is room for their coordinates."""
    lines = [coordinates(thinned(ring, TOLERANCE)) for ring in rings[1:]]
    fit = int(np.count_nonzero(np.cumsum([len(line) for line in lines]) <= room))
    return lines[:fit]


def _columns(analysis: Analysis) -> dict[str, list[Any]]:
    """The measures of each object by name, None where not known: sizes, shapes, and of fibres lengths."""
    table = analysis.table
    measured = {quantity.name for quantity in table.quantities}
    size = tasks.find(analysis.segmentation.provenance.task).size
    sizes = [name for name in measures_of(size) if name not in DESCRIPTORS]
    columns: dict[str, list[Any]] = {name: _exact(table.length(name)) for name in sizes if name in measured}
    shapes = [
        name
        for name in (*DESCRIPTORS, "confidence", "relative_contrast", "certainty", "area_fraction")
        if name in measured and np.isfinite(table[name]).any()
    ]
    columns |= {name: short(table[name]) for name in shapes}
    used = analysis.segmentation
    touching = longest_contacts(used.labels[: used.rows], used.ids) if size else None
    if touching is not None and touching.any():
        columns[CONTACT] = short(touching)
    if "chance" in measured:
        columns["chance"] = _exact(table["chance"])
    lengths = [name for name in ("visible_length", "length", "width", *COLOURED) if name in measured]
    columns |= {name: short(table.length(name)) for name in lengths}
    if "shape" in measured:
        columns |= {"shape": table["shape"].tolist(), "shape_chance": short(table["shape_chance"])}
    weighted = analysis.settings.measurement.border_correction == "weight"
    return columns | ({"weight": _exact(table["edge_weight"])} if weighted and "edge_weight" in measured else {})


def _exact(values: NDArray[np.float64]) -> list[float | None]:
    """The values with all their digits, None where not finite: JSON has no NaN; the table of a refused image has it."""
    return [value if math.isfinite(value) else None for value in values.tolist()]


def short(values: NDArray[np.float64], digits: int = 4) -> list[float | None]:
    """The values for JSON: rounded to `digits` significant digits, None where not finite."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values.tolist()]


def drawn(line: Points) -> list[float]:
    """The coordinates of an outline as the page draws it."""
    return remembered(lambda: ("drawn", line.tobytes()), lambda: coordinates(thinned(line, TOLERANCE)))


def coordinates(line: NDArray[np.float64]) -> list[float]:
    """The coordinates in turn. Whole ones are integers, which take less room in JSON."""
    return [int(value) if value == int(value) else value for value in line.ravel().tolist()]


def image_webp(micrograph: Micrograph) -> bytes:
    """The whole upload for display as WebP. Hot and cold pixels are clipped, and no side is over 1024 px."""
    return webp(preview(micrograph, LONGEST))


def write_tiles(micrograph: Micrograph, path: Path) -> None:
    """A ZIP of `tiles`."""
    write_zip(path, tiles(micrograph))


def tiles(micrograph: Micrograph) -> Iterator[tuple[str, bytes]]:
    """The whole upload for display as PNG squares, by name "level/column-row.png". A square has 512 px a side, fewer at
    the far edges.

    Level 0 has every pixel. Each further level has half as many a side, as long as it has more than `image_webp`.
    """
    level, whole = 0, displayed(micrograph)
    while not level or max(whole.shape) > LONGEST:
        for top in range(0, whole.shape[0], TILE):
            for left in range(0, whole.shape[1], TILE):
                tile = whole[top : top + TILE, left : left + TILE]
                file = io.BytesIO()
                Image.fromarray(tile).save(file, "PNG", compress_level=1)
                yield f"{level}/{left // TILE}-{top // TILE}.png", file.getvalue()
        level, whole = level + 1, np.asarray(Image.fromarray(whole).reduce(2))


def webp(pixels: NDArray[np.uint8], longest: int = LONGEST, quality: int = QUALITY) -> bytes:
    """Pixels (h, w) or (h, w, 3) for the page as WebP, no side over `longest` px."""
    picture, file = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((longest, longest), reducing_gap=2.0)
    picture.save(file, "WEBP", quality=quality, method=METHOD)
    return file.getvalue()


def thumbnail(analysis: Analysis, longest: int = THUMBNAIL) -> bytes:
    """The analysed area as WebP, no side over `longest` px, with the rims of objects that count, and in red of all of
    a refused image, whose outlines a person judges; classes are painted. It is the bare picture if there are none."""
    picture, used = display_pixels(analysis, longest), analysis.segmentation
    labels = numbered(sampled_labels(used.labels[: used.rows], picture.shape), used.ids)
    kept = Objects.of(analysis).kept
    counts = np.r_[False, kept | analysis.refused]
    if not counts[labels].any():
        return webp(picture)
    if not tasks.find(used.provenance.task).semantic:
        return webp(with_rims(picture, labels, kept))
    numbers = np.r_[0, used.classes].astype(np.intp)
    return webp(with_coloured_objects(picture, labels, 0.6, np.where(counts, numbers, NO_COLOUR)))


def page_outlines(context: Any) -> dict[str, Any]:
    """The `outlines` of a result with the words of its page (`in_words.worded`). context: a `context.Context`."""
    from ..in_words import worded
    from ..quick_numbers import quick_numbers_of

    content = outlines(context.analysis, context.drawing)
    return worded(content, quick_numbers_of(context.analysis, content, OBJECTS), OBJECTS, MOST_DOUBTS)


def _page_layer(name: str, place: int, write: Callable[[Any, Path], object], **kind_of: Any) -> Export:
    return Export(name, "", place=place, write=write, image=IN, for_the_page=True, **kind_of)


EXPORTS = (
    _page_layer(
        "outlines.json", 300, lambda context, path: write_json(page_outlines(context), path), stored=True, turn=FIRST
    ),
    _page_layer(
        THUMBNAIL_FILE,
        320,
        lambda context, path: path.write_bytes(thumbnail(context.analysis)),
        stored=True,
        turn=FIRST,
    ),
    _page_layer(
        "figure-small.webp",
        330,
        lambda context, path: path.write_bytes(webp(context.pixels, *FIGURE_LOOK)),
        sample=IN,
        turn=FIGURE,
    ),
)
