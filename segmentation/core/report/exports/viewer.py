"""The files that pages show: outlines.json and small pictures of a result, and the picture and
tiles of a micrograph, which worker/fetching.py writes."""

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
from ...analysis import Analysis, ExportedObjects
from ...archive import write_zip
from ...labels.bands import numbered
from ...measure.objects.filters import Reason
from ...measure.outlines.borders import find_pixel_borders
from ...measure.outlines.polygons import Shifts
from ...measure.pixels.contacts import longest_contacts
from ...measure.review.doubts import DOUBT
from ...measure.review.similarity import CONTACT
from ...measure.shape.descriptors import DESCRIPTORS, measures_of
from ...micrograph.contrast import display_picture, preview
from ...remembered import calculated_once
from ..figures.picture import (
    NO_COLOUR,
    PALETTE,
    colours_by_direction,
    display_pixels,
    sampled_labels,
    with_coloured_objects,
    with_rims,
)
from ..outlines import Points, smooth_outlines, smooth_rings, thin_outline, whole_outlines
from ..wording import write_json
from .base import FIGURE, FIRST, Export

if TYPE_CHECKING:
    from ...labels.segmentation import Segmentation
    from ...micrograph.types import Micrograph
    from ..figures.panels import Drawing

PICTURE, TILES = "image.webp", "tiles.zip"  # names of the files of a micrograph
THUMBNAIL_FILE = "thumbnail.webp"
SECTOR_DEGREES = 10.0  # directions in one sector have one colour
TOLERANCE_PX = 0.6  # by which the outline on a page may differ from the smooth outline
LONGEST_PX = 1024  # longest side of the picture that a page shows first
TILE_PX = 512  # side of a tile
THUMBNAIL_PX = 320  # longest side
FIGURE_LOOK = (1000, 60)  # of figure-small.webp: longest side in px, quality of WebP
WEBP_QUALITY = 80
ON_PAGE = "shown on the page"
WEBP_EFFORT = 1  # `method` of WebP, 0 to 6: the default 4 takes three times as long and saves 2 %
# Measures by which the page colours objects.
COLOURING_MEASURES = ("neighbour_distance", "neighbour_gap", "local_density")
OBJECTS = "particles"  # name of the list of objects in outlines.json, for all kinds of analysis
CELLS = "cells"  # name of their numbers in words; also an entry of an object that corrections changed
MOST_DOUBTS = 500  # listed at once; the next ones are listed after each correction
MOST_COORDINATES = 1_000_000  # in all further rings of classes: about 5 MB, or 1 MB compressed


def outlines(analysis: Analysis, drawing: Drawing | None = None) -> dict[str, Any]:
    """The objects for the viewer and the histogram of a result's page, in plain JSON types.
    outlines.json has these entries and the words of `in_words`.

    Keys: "width", "height", "rows", "unit", "pixel_size", "left_out", "cuts", "particles". drawing:
    gives the outlines of the figure; without it they are traced here. "pixel_size" is the side of a
    pixel in "unit". "rows" is the number of analysed rows.

    Each of "particles" has "id", "kept" (it counts), "reason" and "outline". If they are known it
    also has "class", "cut", "weight", measures_of(task.size), "confidence", "chance" (the
    probability that it is an object), "visible_length", "length", "width", COLOURING_MEASURES,
    "shape", "shape_chance", "contact" (see `longest_contacts`) and, for classes, "certainty" and
    "area_fraction". Lengths are in "unit". Sizes, probabilities and weights have all digits, so
    that the page draws the same histogram as the figure. A number that is not known is None. "cut":
    it counts but touches the frame, so its size is not known. "weight": its weight in the border
    correction. "outline": [x0, y0, x1, y1, ...] in px from the top left corner of the image, true
    to about a pixel; the first point is not repeated. "whole": the outline of a completed object, with what others
    cover.

    If pixels belong to classes, each class has the "colour" of the figure, and "rings": the
    outlines of its further pieces and of its holes, the largest first, up to MOST_COORDINATES;
    "left_out" is the number of rings above this limit.

    "cuts" has columns of the possible cuts of objects that count or touch the frame, the most
    probable first. "place" is the index of the cut among all cuts of the image, "id" the object,
    "line" [x0, y0, ...], "chance" its probability; `Cut` explains "after" and "sides". "pieces" has
    the sizes of the pieces into which the cut divides its object, or None if the cut is too
    improbable to be shown to people (DOUBT).
    """
    rows, columns = analysis.micrograph.shape
    objects, table, segmentation = ExportedObjects.of(analysis), analysis.table, analysis.segmentation
    columns_of_measures = _columns(analysis) if len(table) == len(segmentation) else {}
    task = tasks.find(segmentation.provenance.task)
    lines = (
        drawing.outlines
        if drawing
        else smooth_outlines(find_pixel_borders(segmentation.dense[: segmentation.rows]), len(segmentation))
    )
    wholes = drawing.wholes if drawing else whole_outlines(segmentation, table)
    particles = [
        object_row(
            object_id,
            objects.reasons[i],
            class_name=objects.classes[i] if len(segmentation.class_names) > 1 else "",
            is_cut=bool(objects.touches_frame[i]),
            by_hand=object_id in segmentation.by_hand,
            **{name: values[i] for name, values in columns_of_measures.items()},
            **({"whole": outline_coordinates(wholes[i])} if i in wholes else {}),
            outline=outline_coordinates(line),
        )
        for i, (object_id, line) in enumerate(zip(objects.ids.tolist(), lines, strict=True))
    ]
    frame: dict[str, Any] = {"width": columns, "height": rows, "rows": segmentation.rows}
    if task.semantic or task.parted:
        borders = drawing.pixel_borders if drawing else find_pixel_borders(segmentation.dense[: segmentation.rows])
        frame["left_out"] = _add_rings(particles, smooth_rings(borders, len(segmentation)))
    if task.parted and columns_of_measures:
        for particle, colour in zip(particles, colours_by_direction(table["direction"], SECTOR_DEGREES), strict=True):
            particle |= {"colour": f"#{colour.tobytes().hex()}"} if particle["kept"] else {}
        for particle, direction in zip(particles, rounded_values(table["direction"]), strict=True):
            particle["direction"] = direction
    if task.semantic:
        for particle, number in zip(particles, segmentation.classes.tolist(), strict=True):
            particle["colour"] = PALETTE[number % len(PALETTE)]
    ids = {particle["id"] for particle in particles if particle["kept"] or particle["reason"] == Reason.FRAME}
    # services/ground/tables.read_in_parts reads the file in parts, so the objects are last and each begins with its id.
    frame |= {
        "unit": table.unit,
        "pixel_size": table.nm_per_pixel or 1.0,
        "cuts": _cuts(segmentation, ids, table.nm_per_pixel),
    }
    return {**frame, OBJECTS: particles}


def object_row(
    object_id: int, reason: str, *, class_name: str = "", is_cut: bool = False, by_hand: bool = False, **measured: Any
) -> dict[str, Any]:
    """The row of an object in `outlines`. class_name: only if there are several classes."""
    flags = {"cut": is_cut, "by_hand": by_hand}
    head = {"id": object_id, **({"class": class_name} if class_name else {}), "kept": not reason, "reason": reason}
    return {**head, **{name: True for name, holds in flags.items() if holds}, **measured}


def _cuts(segmentation: Segmentation, object_ids: set[int], nm_per_pixel: float | None) -> dict[str, list[Any]]:
    """The columns of the possible cuts of these objects; see `outlines`."""
    ids = [cut.divides(lambda box: segmentation.labels[box[0] :, box[1] :]) for cut in segmentation.cuts]
    places = [index for index, number in enumerate(ids) if number in object_ids]
    cuts = [segmentation.cuts[index] for index in places]
    piece_sizes = _piece_sizes(segmentation, nm_per_pixel) if cuts else {}
    return {
        "place": places,
        "id": [ids[index] for index in places],
        "chance": [cut.probability for cut in cuts],
        **{name: [getattr(cut, name) for cut in cuts] for name in ("after", "sides")},
        "line": [coordinates(np.array(cut.line)) for cut in cuts],
        "pieces": [piece_sizes.get(place) for place in places],
    }


def _piece_sizes(segmentation: Segmentation, nm_per_pixel: float | None) -> dict[int, list[float | None]]:
    """For each cut of a probability of DOUBT or more: its index among all cuts -> the sizes of the
    pieces that it makes."""
    from ...measure.review.possible_pieces import pieces_of
    from ...measure.shape.cut_out_tables import table_and_part_counts

    likely_places = [place for place, cut in enumerate(segmentation.cuts) if cut.probability >= DOUBT]
    pieces = pieces_of(segmentation.dense, segmentation.cuts, likely_places, Shifts.of(segmentation.maps))
    if not pieces:
        return {}
    size, frame = tasks.find(segmentation.provenance.task).size, (segmentation.rows, segmentation.labels.shape[1])
    table, _ = table_and_part_counts(
        [piece for cut_pieces in pieces.values() for piece in cut_pieces], nm_per_pixel, frame
    )
    lengths = iter(rounded_values(table.length(size)))
    return {place: [next(lengths) for _ in cut_pieces] for place, cut_pieces in pieces.items()}


def _add_rings(particles: list[dict[str, Any]], rings_of_objects: list[list[Points]]) -> int:
    """Add "rings" to each object; its first ring is already its "outline". Returns the number of
    rings that are left out."""
    left_out = 0
    for particle, rings in zip(particles, rings_of_objects, strict=True):
        particle["rings"] = further_rings(rings, MOST_COORDINATES / len(particles))
        left_out += len(rings[1:]) - len(particle["rings"])
    return left_out


def further_rings(rings: list[Points], most_coordinates: float) -> list[list[float]]:
    """The coordinates of the rings of an object after the first one, up to `most_coordinates` in
    all."""
    lines = [coordinates(thin_outline(ring, TOLERANCE_PX)) for ring in rings[1:]]
    count = int(np.count_nonzero(np.cumsum([len(line) for line in lines]) <= most_coordinates))
    return lines[:count]


def _columns(analysis: Analysis) -> dict[str, list[Any]]:
    """The measures of all objects by name, as lists; None for a number that is not known."""
    table = analysis.table
    known_names = {quantity.name for quantity in table.quantities}
    size = tasks.find(analysis.segmentation.provenance.task).size
    sizes = [name for name in measures_of(size) if name not in DESCRIPTORS]
    columns: dict[str, list[Any]] = {name: _exact(table.length(name)) for name in sizes if name in known_names}
    shapes = [
        name
        for name in (*DESCRIPTORS, "confidence", "relative_contrast", "certainty", "area_fraction")
        if name in known_names and np.isfinite(table[name]).any()
    ]
    columns |= {name: rounded_values(table[name]) for name in shapes}
    segmentation = analysis.segmentation
    touching = longest_contacts(segmentation.labels[: segmentation.rows], segmentation.ids) if size else None
    if touching is not None and touching.any():
        columns[CONTACT] = rounded_values(touching)
    if "chance" in known_names:
        columns["chance"] = _exact(table["chance"])
    lengths = [name for name in ("visible_length", "length", "width", *COLOURING_MEASURES) if name in known_names]
    columns |= {name: rounded_values(table.length(name)) for name in lengths}
    if "shape" in known_names:
        columns |= {"shape": table["shape"].tolist(), "shape_chance": rounded_values(table["shape_chance"])}
    weighted = analysis.settings.measurement.border_correction == "weight"
    return columns | ({"weight": _exact(table["edge_weight"])} if weighted and "edge_weight" in known_names else {})


def _exact(values: NDArray[np.float64]) -> list[float | None]:
    """The values for JSON with all digits; None if not finite, as in the table of a refused
    image."""
    return [value if math.isfinite(value) else None for value in values.tolist()]


def rounded_values(values: NDArray[np.float64], digits: int = 4) -> list[float | None]:
    """The values for JSON with `digits` significant digits; None if not finite."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in values.tolist()]


def outline_coordinates(line: Points) -> list[float]:
    """The coordinates of a smooth outline as the page draws it, with fewer points; kept in
    memory between analyses."""
    return calculated_once(lambda: ("drawn", line.tobytes()), lambda: coordinates(thin_outline(line, TOLERANCE_PX)))


def coordinates(line: NDArray[np.float64]) -> list[float]:
    """The coordinates of points (k, 2) as [x0, y0, x1, ...]. Whole numbers are integers, which are
    shorter in JSON."""
    return [int(value) if value == int(value) else value for value in line.ravel().tolist()]


def image_webp(micrograph: Micrograph) -> bytes:
    """The whole image for display as WebP. Hot and cold pixels are clipped, and no side is over
    LONGEST_PX."""
    return webp(preview(micrograph, LONGEST_PX))


def write_tiles(micrograph: Micrograph, path: Path) -> None:
    """Write a ZIP of `tiles`."""
    write_zip(path, tiles(micrograph))


def tiles(micrograph: Micrograph) -> Iterator[tuple[str, bytes]]:
    """The whole image for display as PNG tiles, with their names "level/column-row.png".

    A tile has TILE_PX px a side, or less at the right and lower edge. Level 0 has all pixels. Each
    further level has half the width and height; the last one is still larger than `image_webp`.
    """
    level, level_picture = 0, display_picture(micrograph)
    while not level or max(level_picture.shape) > LONGEST_PX:
        for top in range(0, level_picture.shape[0], TILE_PX):
            for left in range(0, level_picture.shape[1], TILE_PX):
                tile = level_picture[top : top + TILE_PX, left : left + TILE_PX]
                file = io.BytesIO()
                Image.fromarray(tile).save(file, "PNG", compress_level=1)
                yield f"{level}/{left // TILE_PX}-{top // TILE_PX}.png", file.getvalue()
        level, level_picture = level + 1, np.asarray(Image.fromarray(level_picture).reduce(2))


def webp(pixels: NDArray[np.uint8], longest: int = LONGEST_PX, quality: int = WEBP_QUALITY) -> bytes:
    """Pixels (h, w) or (h, w, 3) uint8 as a WebP file, no side over `longest` px."""
    picture, file = Image.fromarray(pixels), io.BytesIO()
    picture.thumbnail((longest, longest), reducing_gap=2.0)
    picture.save(file, "WEBP", quality=quality, method=WEBP_EFFORT)
    return file.getvalue()


def thumbnail(analysis: Analysis, longest: int = THUMBNAIL_PX) -> bytes:
    """The analysed area as a WebP file, no side over `longest` px, with rims of the objects;
    classes are in colour.

    If the image is refused, all objects have red rims, because a person has to judge them. If no
    object counts, the picture has no rims.
    """
    picture, segmentation = display_pixels(analysis, longest), analysis.segmentation
    labels = numbered(sampled_labels(segmentation.labels[: segmentation.rows], picture.shape), segmentation.ids)
    is_counted = ExportedObjects.of(analysis).kept
    counts = np.r_[False, is_counted | analysis.refused]
    if not counts[labels].any():
        return webp(picture)
    if not tasks.find(segmentation.provenance.task).semantic:
        return webp(with_rims(picture, labels, is_counted))
    numbers = np.r_[0, segmentation.classes].astype(np.intp)
    return webp(with_coloured_objects(picture, labels, 0.6, np.where(counts, numbers, NO_COLOUR)))


def page_outlines(context: Any) -> dict[str, Any]:
    """The `outlines` of a result with the words of its page. context: a `context.Context`."""
    from ..corrected.in_words import with_page_words
    from ..corrected.quick_numbers import quick_numbers_of

    content = outlines(context.analysis, context.drawing)
    return with_page_words(content, quick_numbers_of(context.analysis, content, OBJECTS), OBJECTS, MOST_DOUBTS)


def _page_file(name: str, place: int, write: Callable[[Any, Path], object], **fields: Any) -> Export:
    """The export of a file that a page shows and no list offers. fields: further ones of
    `Export`."""
    return Export(name, "", place=place, write=write, image=ON_PAGE, for_the_page=True, **fields)


EXPORTS = (
    _page_file(
        "outlines.json", 300, lambda context, path: write_json(page_outlines(context), path), stored=True, turn=FIRST
    ),
    _page_file(
        THUMBNAIL_FILE,
        320,
        lambda context, path: path.write_bytes(thumbnail(context.analysis)),
        stored=True,
        turn=FIRST,
    ),
    _page_file(
        "figure-small.webp",
        330,
        lambda context, path: path.write_bytes(webp(context.pixels, *FIGURE_LOOK)),
        sample=ON_PAGE,
        turn=FIGURE,
    ),
)
