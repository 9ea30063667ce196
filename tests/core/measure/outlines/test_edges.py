"""Contours lie where a drawn and blurred picture has its edges, whatever the network's map says within a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.measure.outlines.borders import find_pixel_borders
from segmentation.core.measure.outlines.contours import SHIFT_STEPS, SHIFT_ZERO, contours, moved, typical_shift
from segmentation.core.measure.outlines.edges import edge_shifts
from segmentation.core.measure.outlines.polygons import ObjectOutlines, Polygons, Shifts
from segmentation.core.measure.shape.shapes import measure
from tools.accuracy.drawn.edges import Drawing

TOO_FAR_PX = 0.6  # out: as the network's contour lies


def scene(drawing, seed=3, too_far=TOO_FAR_PX):
    """Grey, labels and a map of a drawing whose labels reach too far out."""
    grey = drawing.picture(seed)
    dark = drawing.kind != "shining"
    clean = Drawing(drawing.shape, "flat", drawing.size, 0.0).picture(seed).astype(float)
    inside = clean < (clean.max() + clean.min()) / 2
    distance = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    foreground = np.clip(0.5 + (distance - np.sign(distance) / 2 + too_far) / 3, 0, 1)
    labels, _ = ndimage.label(foreground >= 0.5)
    return (255 - grey if dark else grey), labels.astype(np.int32), (255 * foreground).astype(np.uint8)


def sizes(labels, shifts, name="ecd"):
    n, grey, outlines = int(labels.max()), labels.astype(np.uint8), ObjectOutlines(labels, shifts)
    table = measure(labels, grey, np.ones(n, np.float32), None, len(labels), outlines=outlines)
    return table.length(name)[table.whole]


@pytest.mark.parametrize(
    ("shape", "kind"), [("discs", "sphere"), ("discs", "flat"), ("rods", "shining"), ("squares", "flat")]
)
@pytest.mark.parametrize("size", [14, 30])
def test_sizes_are_those_drawn(shape, kind, size):
    drawing = Drawing(shape, kind, size, 0.03)
    grey, labels, foreground = scene(drawing)
    shifts = Shifts(edge_shifts(labels, foreground, 0.5, grey))
    before = abs(np.median(sizes(labels, Shifts())) - drawing.truth[1])
    after = abs(np.median(sizes(labels, shifts)) - drawing.truth[1])
    assert before > 0.8 and after < 0.45
    assert abs(np.median(sizes(labels, shifts, "min_feret")) - size) < 0.9


@pytest.mark.parametrize("change", [lambda image: image[::-1].copy(), np.rot90, lambda image: image.T.copy()])
def test_a_turned_or_inverted_picture_has_the_same_edges(change):
    grey, labels, foreground = scene(Drawing("ellipses", "flat", 20, 0.03))
    one = sizes(labels, Shifts(edge_shifts(labels, foreground, 0.5, grey)))
    other = change(labels), change(foreground), change(255 - grey)
    turned = sizes(np.ascontiguousarray(other[0]), Shifts(edge_shifts(other[0], other[1], 0.5, other[2])))
    assert np.median(turned) == pytest.approx(np.median(one), abs=0.1)


def test_without_an_edge_in_the_grey_the_map_of_the_network_decides():
    _, labels, foreground = scene(Drawing("discs", "flat", 30, 0.0))
    noise = np.random.default_rng(1).integers(90, 160, labels.shape).astype(np.uint8)
    wide = ndimage.grey_dilation(labels, footprint=np.ones((3, 3)))
    shifts = Shifts(edge_shifts(wide, foreground, 0.5, noise))
    assert 30 < np.median(sizes(wide, shifts)) < np.median(sizes(wide, Shifts())) - 0.4


def test_where_the_map_says_nothing_an_outline_stays():
    labels = np.zeros((40, 40), np.int32)
    labels[10:30, 8:28] = 1
    lines = contours(find_pixel_borders(labels))
    nothing = moved(lines, np.zeros(labels.shape, np.uint8))
    plain, same = (Polygons.of(part).areas(1)[0] for part in (lines, nothing))
    assert same == pytest.approx(plain, rel=0.003)
    half = np.full(labels.shape, SHIFT_ZERO - SHIFT_STEPS // 2, np.uint8)
    assert typical_shift(half) == -0.5 and typical_shift(np.zeros((3, 3), np.uint8)) == 0
    smaller = moved(lines, half)
    assert Polygons.of(smaller).areas(1)[0] == pytest.approx(19 * 19, rel=0.02)


def test_no_objects_have_no_edges():
    nothing = np.zeros((20, 30), np.int32)
    assert not edge_shifts(nothing, nothing.astype(np.uint8), 0.5, nothing.astype(np.uint8)).any()
