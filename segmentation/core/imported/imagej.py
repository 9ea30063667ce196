"""Reads outlines from ImageJ's regions of interest: a single ROI, or a ZIP file of them from the ROI Manager."""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..micrograph.types import UnreadableImage
from .shapes import LONGEST_REASON, MANY, MOST_OUTLINES, Outline, OutlineFacts, Ring, Shape, box_of, outline_of

if TYPE_CHECKING:
    from roifile import ImagejRoi

LARGEST_ROI = 1 << 24  # bytes unpacked; a traced outline of 65,535 corners takes 800 kB
LARGEST_SET = 1 << 29  # bytes unpacked, of all ROIs of a ZIP file
STEPS = 8  # straight lines that replace a curve
DAMAGED = "The ROI {name} is damaged or of a kind that is not read here: save it again with ImageJ."
DAMAGED_ZIP = "The ZIP file is damaged or has a password: save the ROIs again with ImageJ's ROI Manager."
LARGE = "The ROIs of this ZIP file unpack to too many bytes: save fewer of them in one file."
NONE = "The ZIP file holds no ROI: save the outlines with ImageJ's ROI Manager, More, Save."
POINTS_OF_VERB = {0: 1, 1: 1, 2: 2, 3: 3, 4: 0}  # number of points after each verb of a path (see `_path`)
OUR_NAME = re.compile(r"(\d{4,9})(?: (.*))?")  # the name of a ROI in our rois.zip: id, and why it was left out

logging.getLogger("roifile").setLevel(logging.CRITICAL + 1)  # the user gets a sentence about damaged files instead


class NoArea(Exception):
    """The ROI is a line, a point or a text."""


def read_rois(path: Path, shape: Shape, left_out: list[str]) -> Iterator[Outline]:
    """The outlines in a .roi or .zip file; raises UnreadableImage.

    shape: (H, W) of the image. left_out: the names of lines, points and texts are added to this list.
    """
    for name, content in _contents(path):
        try:
            yield _outline(content, shape)
        except NoArea:
            left_out.append(name)
        except UnreadableImage:
            raise
        except Exception as error:  # roifile raises exceptions of many types for damaged bytes
            raise UnreadableImage(DAMAGED.format(name=name[:100])) from error


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each ROI, one after the other; raises UnreadableImage."""
    if path.suffix == ".roi":
        yield path.name, path.read_bytes()
        return
    bytes_left = LARGEST_SET
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.lower().endswith(".roi")]
            if not entries:
                raise UnreadableImage(NONE)
            if len(entries) > MOST_OUTLINES:
                raise UnreadableImage(MANY)
            for entry in entries:
                with archive.open(entry) as opened:
                    content = opened.read(LARGEST_ROI + 1)
                bytes_left -= len(content)
                if len(content) > LARGEST_ROI or bytes_left < 0:
                    raise UnreadableImage(LARGE)
                yield entry.filename, content
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # zipfile and its decompressors raise exceptions of many types
        raise UnreadableImage(DAMAGED_ZIP) from error


def _outline(content: bytes, shape: Shape) -> Outline:
    """The pixels of one ROI; raises NoArea, and what roifile raises for damaged bytes."""
    from roifile import ROI_SUBTYPE, ROI_TYPE, ImagejRoi

    roi = ImagejRoi.frombytes(content)
    match = OUR_NAME.fullmatch(roi.name or "")
    facts = OutlineFacts(int(match[1]), (match[2] or "")[:LONGEST_REASON]) if match else OutlineFacts()
    if roi.subtype in (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.ARROW, ROI_SUBTYPE.IMAGE):
        raise NoArea
    if roi.multi_coordinates is not None:
        return outline_of(_path(roi.multi_coordinates.tolist()), shape, facts)
    if roi.roitype in (ROI_TYPE.RECT, ROI_TYPE.OVAL):
        return _rounded_rectangle(roi, shape, facts, oval=roi.roitype == ROI_TYPE.OVAL)
    if roi.roitype in (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED):
        return outline_of([np.asarray(roi.coordinates(), np.float64)], shape, facts)
    raise NoArea


def _rounded_rectangle(roi: ImagejRoi, shape: Shape, facts: OutlineFacts, *, oval: bool) -> Outline:
    """The pixels of a rectangle with round corners. In an oval the corners take the whole width and height."""
    if roi.subpixelrect:
        left, top, width, height = roi.xd, roi.yd, roi.widthd, roi.heightd
    else:
        left, top, width, height = roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top
    box = box_of([np.array([(left, top), (left + width, top + height)], np.float64)], shape)
    y, x = np.ogrid[box[0] : box[2], box[1] : box[3]]
    arc = roi.rounded_rect_arc_size
    arc_width, arc_height = (width, height) if oval else (min(arc, width), min(arc, height))
    inside = np.ones((box[2] - box[0], box[3] - box[1]), bool)
    for pixels, start, side in ((x, left, width), (y, top, height)):
        inside &= abs(pixels + 0.5 - start - side / 2) < side / 2
    if arc_width > 0 and arc_height > 0:
        into_corner = (  # along each axis, 0 where the corner begins and 1 at the edge of the rectangle
            np.maximum(abs(pixels + 0.5 - start - side / 2) - (side - corner) / 2, 0) / (corner / 2)
            for pixels, start, side, corner in ((x, left, width, arc_width), (y, top, height, arc_height))
        )
        inside &= sum(distance**2 for distance in into_corner) <= 1
    return Outline(box, inside, facts)


def _path(words: list[float]) -> list[Ring]:
    """The rings of an ImageJ path, which is a list of verbs, each followed by its points (x, y).

    Verbs: 0 moves, 1 draws a line, 2 and 3 draw curves, 4 closes the ring. Raises ValueError, KeyError.
    """
    rings: list[list[tuple[float, float]]] = []
    index = 0
    while index < len(words):
        verb = int(words[index])
        count = POINTS_OF_VERB[verb]
        numbers = words[index + 1 : index + 1 + 2 * count]
        if len(numbers) < 2 * count or (verb != 0 and not rings):
            raise ValueError("the path breaks off")
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if verb == 0:
            rings.append(points)
        elif verb in (2, 3):
            rings[-1] += _curve([rings[-1][-1], *points])
        else:
            rings[-1] += points
        index += 1 + 2 * count
    return [np.array(ring, np.float64) for ring in rings]


def _curve(control: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """STEPS points on the Bézier curve of these control points, without the first point (de Casteljau)."""
    curve = []
    for share in np.arange(1, STEPS + 1) / STEPS:
        points = np.array(control)
        while len(points) > 1:
            points = points[:-1] + share * (points[1:] - points[:-1])
        curve.append((float(points[0, 0]), float(points[0, 1])))
    return curve
