"""Finds lines, arrows, circles and bars that somebody drew on a picture in black, white or one grey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from ..scale_bar.barblocks import Mask
from ..scale_bar.letters import BAR_FULL, MOST_COMPONENTS, MOST_INK, PAD, TOLERANCES, Bytes, Component, component_of

RIM = 0.4  # blurred edge of strokes, in halves of their thickness
LINE_LEAST = 0.06  # of the picture's shorter side: least length of a drawn line
LINE_STEP, LINE_HALF = 100.0, 3.5  # grey levels of the step around a drawn line; half of its largest thickness in px
LINE_SPREAD = 4.0  # grey levels: largest standard deviation within a drawn line
LINE_RATIO = 4.0  # least ratio of length to width of a line
LONGEST_LINE = 0.75  # share of the picture's side: a longer line is an edge of the picture
# With more lines than MOST_LINES, or less than LINE_SHARE of all pixels of their grey, "lines" belong to the specimen.
MOST_LINES, LINE_SHARE = 10, 0.3
# Of lines of exactly one grey: least step in grey levels to three quarters of what surrounds them; the same of lines up
# to EXTREME_LEVELS from the brightest or darkest grey, and the least share of this step that they have at a distance of
# 2 px already; most area as a share of the length squared, so that flat areas of a specimen are none.
GREY_STEP, EXTREME_STEP, EXTREME_LEVELS, SHARP_SHARE, THIN_SHARE = 20.0, 65.0, 3, 0.9, 0.15
MOST_BOXES = 20.0  # of the picture's pixels: boxes of long components that cover it more often are a texture
CIRCLE_SPREAD = 0.06  # of the radius: largest standard deviation of the radii of a drawn circle


def widened(shape: Mask) -> Mask:
    """The strokes with their blurred edges; small holes in them, such as that of an e, are closed."""
    import cv2

    rim = 1 + round(RIM * half_thickness(shape))
    wide = cv2.dilate(shape.astype(np.uint8), np.ones((4 * rim + 1, 4 * rim + 1), np.uint8))
    closed: Mask = cv2.erode(wide, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0
    return closed


def half_thickness(shape: Mask) -> float:
    """Half of the usual thickness of strokes in px: their area over the pixels of their edge. The head of an arrow
    hardly changes it."""
    padded = np.pad(shape, 1)
    inner = padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return float(shape.sum() / max(1, int(shape.sum() - inner.sum())))


def draw_lines(picture: Bytes, written: Mask, lines: Mask) -> None:
    """Set arrows, lines, circles and bars in a mask `lines` (H, W). written: (H, W) the texts.

    They are long components of the extreme grey with sharp edges, or of exactly one grey. If much else in the picture
    has the extreme grey, or many of them have the same grey, they belong to the specimen and are left out."""
    for grey in (picture, 255 - picture):
        # More lines than MOST_LINES are not kept: each component is as large as its box.
        components = list(islice(_lines(grey), MOST_LINES + 1))
        area = sum(int(component.shape.sum()) for component in components)
        if len(components) <= MOST_LINES and area >= LINE_SHARE * np.count_nonzero(_extreme(grey) & ~written):
            _draw(components, lines)
    by_grey: dict[int, list[Component]] = {}
    for component in _lines_of_one_grey(picture):
        same_grey = by_grey.setdefault(_grey_of(picture, component), [])
        same_grey += [component] if len(same_grey) <= MOST_LINES else []
    for components in by_grey.values():
        _draw(components if len(components) <= MOST_LINES else [], lines)


def _draw(components: Sequence[Component], mask: Mask) -> None:
    """Set components, with their blurred edges, in a mask (H, W)."""
    for component in components:
        mask[_view(component)] |= widened(component.shape)


def _view(component: Component) -> tuple[slice, slice]:
    """The rows and columns of the picture that the shape of a component covers."""
    left, top = (max(0, place - PAD) for place in component.box[:2])
    return slice(top, top + component.shape.shape[0]), slice(left, left + component.shape.shape[1])


def _grey_of(picture: Bytes, component: Component) -> int:
    """The grey of a component of exactly one."""
    return int(picture[_view(component)][component.shape][0])


def _lines_of_one_grey(picture: Bytes) -> Iterator[Component]:
    """The thin components of exactly one grey of a picture (H, W).

    In a micrograph noise leaves only short ones, and a long one has nearly the grey of what surrounds it. The brightest
    and the darkest grey may be a specimen's, but then its edge is blurred."""
    from scipy import ndimage
    from skimage.measure import label

    least, longest = LINE_LEAST * min(picture.shape), LONGEST_LINE * np.array(picture.shape)
    pieces = label(picture.astype(np.int16), connectivity=2, background=-1)
    numbers = np.flatnonzero(np.bincount(pieces.ravel()) >= least)
    places = np.zeros(int(pieces.max()) + 1, np.int32)
    places[numbers] = np.arange(1, len(numbers) + 1)
    long_pieces, darkest, brightest = places[pieces], int(picture.min()), int(picture.max())
    boxes = ndimage.find_objects(long_pieces)
    covered = sum((rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in boxes)
    if len(boxes) > MOST_COMPONENTS or covered > MOST_BOXES * picture.size:
        return
    for number, (rows, columns) in enumerate(boxes, 1):
        sides = np.array([rows.stop - rows.start, columns.stop - columns.start])
        length = float(np.hypot(*sides))
        is_inside = min(rows.start, columns.start) > 0 and np.all([rows.stop, columns.stop] < np.array(picture.shape))
        if not is_inside or length < least or np.any(sides > longest):
            continue
        box = columns.start, rows.start, int(sides[1]), int(sides[0])
        view = slice(max(0, box[1] - PAD), rows.stop + PAD), slice(max(0, box[0] - PAD), columns.stop + PAD)
        component = Component(box, long_pieces[view] == number, 0.0, 0.0)
        area = int(component.shape.sum())
        is_bar = area >= BAR_FULL * sides.prod() and sides.max() >= LINE_RATIO * sides.min()
        if not is_bar and (half_thickness(component.shape) > LINE_HALF or area > THIN_SHARE * length**2):
            continue
        (near, far), grey = _steps(picture[view], component), _grey_of(picture, component)
        is_grey = darkest + EXTREME_LEVELS < grey < brightest - EXTREME_LEVELS
        if far >= (GREY_STEP if is_grey else EXTREME_STEP) and (is_grey or near >= SHARP_SHARE * far):
            yield component


def _steps(grey: Bytes, component: Component) -> tuple[float, float]:
    """The steps of grey between a component of one grey and three quarters of the pixels 2 px, and 3 to 4 px, from it,
    whether brighter or darker: a line may cross what has nearly its grey. grey: of the pixels of its shape."""
    import cv2

    wide = [cv2.dilate(component.shape.astype(np.uint8), np.ones((side, side), np.uint8)) > 0 for side in (3, 5, 9)]
    steps = np.abs(grey.astype(np.int16) - int(grey[component.shape][0]))
    near, far = (steps[wide[place + 1] & ~wide[place]] for place in (0, 1))
    return float(np.percentile(near, 25)), float(np.percentile(far, 25))


def _extreme(grey: Bytes) -> Mask:
    """(H, W) bool: the pixels of nearly the brightest grey."""
    return np.asarray(grey >= max(1, int(grey.max()) - TOLERANCES[0][0]))


def _lines(grey: Bytes) -> Iterator[Component]:
    """The bright components of a picture (H, W) that are drawn lines, arrows, circles or bars."""
    import cv2

    rows, columns = grey.shape
    ink = _extreme(grey).astype(np.uint8)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    left, upper, wide, tall, area = boxes.T
    length = np.hypot(wide, tall)
    is_long = (
        (length >= LINE_LEAST * min(rows, columns)) & (wide <= LONGEST_LINE * columns) & (tall <= LONGEST_LINE * rows)
    )
    is_long &= (left > 0) & (upper > 0) & (left + wide < columns) & (upper + tall < rows)
    is_bar = (area >= BAR_FULL * wide * tall) & (wide >= LINE_RATIO * tall)
    numbers = np.flatnonzero(is_long)
    covered = (wide * tall)[numbers].sum(dtype=np.int64)
    if len(numbers) > MOST_COMPONENTS or covered > MOST_BOXES * grey.size or ink.mean() > MOST_INK:
        return
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 3)
    for number in numbers.tolist():
        component = component_of(grey, labels, depth, number, boxes[number].tolist())
        if component.step < LINE_STEP or _spread(grey, component) > LINE_SPREAD:
            continue
        if is_bar[number] or (half_thickness(component.shape) <= LINE_HALF and _is_drawn(component)):
            yield component


def _spread(grey: Bytes, component: Component) -> float:
    """The standard deviation of the greys in a component, without its edge if it is thick enough."""
    import cv2

    rows, columns = component.shape.shape
    part = grey[max(0, component.box[1] - PAD) :, max(0, component.box[0] - PAD) :][:rows, :columns]
    core = cv2.erode(component.shape.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return float(part[core if core.any() else component.shape].std())


def _is_drawn(component: Component) -> bool:
    """Whether a component is straight, like lines and arrows, or a circle."""
    places = np.argwhere(component.shape).astype(np.float64)
    centred = places - places.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    along, across = (float(np.ptp(centred @ axis)) + 1 for axis in axes)
    if along >= LINE_RATIO * across:
        return True
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    radii = np.hypot(*(places - middle).T)
    directions = np.unique((np.arctan2(*(places - middle).T) * 18 / np.pi).astype(int))  # of 10 degrees
    return bool(len(directions) >= 30 and radii.std() <= CIRCLE_SPREAD * radii.mean() + 0.5)
