"""Checks one image with its labels: finds errors, and measures the values that the rules for a folder need
(rules.py)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.segmentation import find_boundaries

from ....core.masks.label_images import as_labels, read_numbers
from ....core.masks.truth import Pair
from ....core.measure.pixels.hulls import find_hulls, hull_areas
from ....core.measure.pixels.runs import find_runs
from ....core.micrograph.scale_bar.databar import find_first_bar_row
from ..agreement import LEAST_SCORE, agreement, has_shape_of_gaps, reduced_labels
from ..contract import STORED, Field, Floats, Labels, Picture, Shape
from ..data import as_labelled_image, eight_bit_picture, stock_of
from ..synthesis.scene import split_pieces
from .findings import sentence_of

SPECK_PX = 9  # area; smaller pieces (specks) are taken as slips of the pen
NOISE_SPECKS = 100  # specks in an image; from here on they are noise, if most labelled pieces or pixels are specks
LEAST_SOLIDITY = 0.9  # of a piece that is one particle; two discs that touch have 0.87
EXCESS = 0.45  # px2 of a hull for each px of outline, see `solidities`
THUMBNAIL_PX = 48  # side of the pictures by which copies are found
SHEET_PX = 220  # longest side of a picture on the contact sheet
FLAT_RANGE = 3  # grey values; a picture with a smaller range shows nothing
FEW_NUMBERS = 10  # if all files together have at most so many different numbers, these may be classes
# Limits of `are_lines`.
LEAST_SPAN = 0.9  # share of both sides of the frame
LARGEST_SHARE = 0.8  # of the labelled pixels
THIN_PX = 10.0  # in a picture of 512 px
LEAST_MESHES = 10
BETTER_FACTOR = 1.8  # labels are reported as mirrored if their mirror image follows the edges so many times better
MIRRORED = {"left and right": (slice(None), slice(None, None, -1)), "top and bottom": (slice(None, None, -1),)}


@dataclass(frozen=True, eq=False)
class CheckedPair:
    """An image with its labels, as checked. The names occur in stored files (`folder.write_pair`).

    For all labels. thumbnail: (48, 48) of mean 0 and norm 1. small, small_labels: the picture and its labels for the
    contact sheet. labels_used: how many numbers besides 0, or how many classes, the file has. labelled_area: px.
    bar_rows: rows of a data bar. astray: whether the outlines do not follow edges of the image. wrong: sentences
    about errors. classes: whether the labels are classes, not objects.

    For classes. shares: of the labelled pixels, by class. strange: number in the file that is no class -> its pixels.

    For objects. diameters: (n,) ECD in px. merged_area: px of pieces that look like several particles. shared: number
    of labels with several pieces. gaps: see `has_shape_of_gaps`, for masks only. numbers: the numbers in the file, if
    they are few. pieces: number of pieces of all labels. lines: see `are_lines`, for masks only. whole: number of
    particles that can be cut out for composed agglomerates.
    """

    name: str
    group: str
    shape: Shape
    thumbnail: Annotated[Field, *STORED]
    small: Annotated[Picture, *STORED]
    small_labels: Annotated[Labels, *STORED]
    labels_used: int
    labelled_area: int
    bar_rows: int
    diameters: Floats = field(default_factory=lambda: np.zeros(0))
    merged_area: int = 0
    shared: int = 0
    astray: bool = False
    gaps: bool = False
    wrong: list[str] = field(default_factory=list)
    classes: bool = False
    numbers: tuple[int, ...] = ()
    pieces: int = 0
    lines: bool = False
    whole: int = 0
    shares: tuple[float, ...] = ()
    strange: dict[int, int] = field(default_factory=dict)

    @property
    def has_labels(self) -> bool:
        """Whether anything is labelled."""
        return bool(self.labelled_area if self.classes else len(self.diameters))

    @property
    def labelled(self) -> float:
        """Share of labelled pixels."""
        return self.labelled_area / (self.shape[0] * self.shape[1])

    @property
    def median(self) -> float:
        """Median ECD in px; 0 without particles."""
        return float(np.median(self.diameters)) if len(self.diameters) else 0.0


def check_pair(pair: Pair) -> CheckedPair:
    """Read and check one pair; raises BadDataset if a file cannot be read or the sizes of both differ."""
    assert pair.labels
    micrograph, loaded = pair.load()
    grey = eight_bit_picture(micrograph.pixels)
    raw, wrong = pair.cut(read_numbers(pair.labels)), list[str]()
    if int(grey.max()) - int(grey.min()) < FLAT_RANGE:
        wrong.append(sentence_of("black" if grey.max() < FLAT_RANGE else "grey", image=pair.image.name))
    if pair.classes:
        return _checked_classes(pair, grey, raw, loaded, wrong)
    whole = len(stock_of([as_labelled_image(pair, micrograph.pixels, loaded)]).particles)
    return replace(_checked_objects(pair, grey, raw, wrong), whole=whole)


def _checked_classes(
    pair: Pair, grey: Picture, raw: NDArray[np.int64], classes: Labels, wrong: list[str]
) -> CheckedPair:
    """The checked pair for labels that are classes.

    grey: (H, W). raw: (H, W) the numbers in the file. classes: (H, W) 1..C, 0 unlabelled. wrong: errors of the picture.
    """
    assert pair.labels
    pixels = np.bincount(classes.ravel(), minlength=len(pair.classes) + 1)[1:]
    values, counts = np.unique(raw, return_counts=True)
    pixels_by_number = dict(zip(values.tolist(), counts.tolist(), strict=True))
    return CheckedPair(
        **_common_entries(pair, grey, classes),
        labels_used=int((pixels > 0).sum()),
        astray=_is_astray(pair.labels.name, grey, classes, wrong),
        wrong=wrong,
        classes=True,
        shares=tuple((pixels / max(1, pixels.sum())).tolist()),
        strange={v: n for v, n in pixels_by_number.items() if v not in pair.classes and len(pair.classes) > 1},
    )


def _checked_objects(pair: Pair, grey: Picture, raw: NDArray[np.int64], wrong: list[str]) -> CheckedPair:
    """The checked pair for labels that are objects; raw: the numbers in the file. wrong: errors of the picture."""
    assert pair.labels
    # 0, 1, ... for the numbers in the file; a label stays one, even if it is in several pieces.
    labels = as_labels(raw, kind="labels", background=pair.background)[0]
    values = np.concatenate([[0], np.unique(raw[labels > 0])])
    pieces = split_pieces(labels)
    sizes = np.bincount(pieces.ravel())[1:]
    merged = sizes[(solidities(pieces) < LEAST_SOLIDITY) & (sizes >= 4 * SPECK_PX)].sum()
    lines = are_lines(labels)
    if not lines:
        wrong += _wrong_labels(pair.labels.name, grey, labels, values, sizes)
    astray = _is_astray(pair.labels.name, grey, labels, wrong)
    label_of_piece = np.zeros(len(sizes) + 1, np.int64)
    label_of_piece[pieces.ravel()] = labels.ravel()
    labels_of_large_pieces = label_of_piece[1:][(sizes >= SPECK_PX) & (label_of_piece[1:] > 0)]
    return CheckedPair(
        **_common_entries(pair, grey, pieces),
        labels_used=len(values) - 1,
        diameters=np.sqrt(4 * sizes[sizes >= SPECK_PX] / np.pi),
        merged_area=int(merged),
        shared=int((np.bincount(labels_of_large_pieces) > 1).sum()),
        astray=astray,
        gaps=len(values) <= 2 and not wrong and not lines and has_shape_of_gaps(labels),
        wrong=wrong,
        numbers=tuple(values[1:].tolist()) if len(values) <= FEW_NUMBERS + 1 else (),
        pieces=len(sizes),
        lines=lines and len(values) <= 2,
    )


def _is_astray(name: str, grey: Picture, labels: Labels, wrong: list[str]) -> bool:
    """Whether the outlines follow no edges of the image; False if there are errors. Adds an error to `wrong` if the
    labels are shifted."""
    fit = None if wrong else agreement(grey, labels)
    if fit and fit.shift != (0, 0):
        right, down = fit.shift
        parts = [(abs(right), "left" if right < 0 else "right"), (abs(down), "up" if down < 0 else "down")]
        move = " and ".join(f"{pixels} px {side}" for pixels, side in parts if pixels)
        wrong.append(sentence_of("shifted", name=name, move=move))
    return fit is not None and fit.score < LEAST_SCORE and not wrong


def _common_entries(pair: Pair, grey: Picture, labels: Labels) -> dict[str, Any]:
    """The entries of a checked pair that do not depend on what its labels mean."""
    scale = SHEET_PX / max(grey.shape)
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    thumbnail = np.asarray(Image.fromarray(grey).resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BOX), np.float32)
    thumbnail = thumbnail - thumbnail.mean()
    return {
        "name": pair.image.name,
        "group": pair.group,
        "shape": grey.shape,
        "thumbnail": thumbnail / max(float(np.linalg.norm(thumbnail)), 1e-6),
        "small": np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX)),
        "small_labels": np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST)),
        "labelled_area": int((labels > 0).sum()),
        "bar_rows": grey.shape[0] - find_first_bar_row(grey),
    }


def solidities(pieces: Labels) -> Floats:
    """(n,) area of each piece 1..n divided by the area of its hull, about 1 for convex pieces of any size.

    A hull of pixel corners is too large by EXCESS px2 for each px of outline (measured on discs of 6 to 40 px).
    """
    if not pieces.any():
        return np.zeros(0)
    sizes = np.bincount(pieces.ravel())[1:]
    excess = EXCESS * 2 * np.sqrt(np.pi * sizes)
    return sizes / np.maximum(hull_areas(find_hulls(find_runs(pieces))) - excess, 1)


def surrounding_label(labels: Labels) -> int:
    """The label that surrounds the objects and so should be the background; 0 if there is none.

    It has a pixel on every side of the frame and most pixels of the frame, and all other labels together are more
    convex than it and than LEAST_SOLIDITY.
    """
    frame = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    label = int(np.bincount(frame).argmax())
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    if label == 0 or (frame == label).mean() < 0.5 or not all((side == label).any() for side in sides):
        return 0
    pieces, _ = ndimage.label(labels != label)
    components, _ = ndimage.label(labels == label)
    return label if not pieces.any() or _convexity(pieces) > max(LEAST_SOLIDITY, _convexity(components)) else 0


def _convexity(pieces: Labels) -> float:
    """Area-weighted mean solidity of pieces that are not specks; 0 without any."""
    sizes = np.bincount(pieces.ravel())[1:]
    large = sizes >= SPECK_PX
    piece_solidities = solidities(pieces.astype(np.int32))
    return float(np.average(piece_solidities[large], weights=sizes[large])) if large.any() else 0.0


def _wrong_labels(
    name: str, grey: Picture, labels: Labels, values: NDArray[np.int64], sizes: NDArray[np.int64]
) -> list[str]:
    """A list of the first error of the labels, or of none.

    values: the numbers in the file for labels 0, 1, ... sizes: px of the labelled pieces.
    """
    surrounding, specks = surrounding_label(labels), sizes < SPECK_PX
    if has_soft_edges(labels):
        return [sentence_of("soft", name=name)]
    if surrounding:
        rule = "inverted" if len(values) <= 2 else "surrounding"
        return [sentence_of(rule, name=name, value=values[surrounding])]
    if sides := exchanged_sides(grey, labels):
        return [sentence_of("mirrored", name=name, sides=sides)]
    mostly_specks = sizes[specks].sum() > 0.5 * sizes.sum() or (len(values) > 2 and specks.mean() > 0.5)
    is_noise = specks.sum() >= NOISE_SPECKS and mostly_specks
    return [sentence_of("noise", name=name, pieces=len(sizes), speck=SPECK_PX)] if is_noise else []


def has_soft_edges(labels: Labels) -> bool:
    """Whether nearly all pixels have one of two values, and many other values lie along the edges, as in a scaled
    mask."""
    counts = np.bincount(labels.ravel())
    two_most_frequent = np.argsort(counts)[-2:]
    is_other = ~np.isin(labels, two_most_frequent)
    if (counts > 0).sum() <= 8 or not 0 < is_other.mean() < 0.2:
        return False
    is_flat = ndimage.minimum_filter(labels, 3) == ndimage.maximum_filter(labels, 3)
    return bool(is_flat[is_other].mean() < 0.1)


def exchanged_sides(grey: Picture, labels: Labels) -> str:
    """Which sides of the labels must be exchanged so that the outlines follow the edges of the picture far better; ""
    for none."""
    steepness_map = ndimage.gaussian_gradient_magnitude(grey.astype(np.float32), 1.5)
    outlines = find_boundaries(labels)
    if not outlines.any() or not steepness_map.any():
        return ""
    mean = float(steepness_map.mean())
    as_labelled = float(steepness_map[outlines].mean()) / mean
    steepness = {name: float(steepness_map[outlines[window]].mean()) / mean for name, window in MIRRORED.items()}
    best = max(steepness, key=lambda name: steepness[name])
    return best if steepness[best] > BETTER_FACTOR * max(as_labelled, 1e-6) else ""


def are_lines(labels: Labels) -> bool:
    """Whether the labels are one thin net across the picture, as boundaries between grains are drawn.

    The largest piece spans LEAST_SPAN of both sides of the frame and has LARGEST_SHARE of the labelled pixels. The
    lines are thin: at nine pixels of ten at most THIN_PX px wide in a picture of 512 px (or 3 px). The net encloses
    at least LEAST_MESHES areas, and at least as many as there are pieces.
    """
    inside = reduced_labels(labels) > 0
    pieces, count = ndimage.label(inside, np.ones((3, 3)))
    if not count or inside.all():
        return False
    sizes = np.bincount(pieces.ravel())[1:]
    window = ndimage.find_objects(pieces)[int(sizes.argmax())]
    spans = all(side.stop - side.start >= LEAST_SPAN * n for side, n in zip(window, inside.shape, strict=True))
    if not spans or sizes.max() < LARGEST_SHARE * inside.sum() or ndimage.label(~inside)[1] < max(count, LEAST_MESHES):
        return False
    width = 2 * float(np.percentile(ndimage.distance_transform_edt(inside)[inside], 90))
    return width <= max(3.0, THIN_PX * max(inside.shape) / 512)
