"""Sums and boxes of the objects of a label image, calculated band by band (a band is BAND_ROWS rows).

The result of each band is kept in a cache (`core.remembered`), under a checksum of the band's pixels. After a
correction only the bands with changed pixels are calculated again. The labels must therefore be ids, which a
correction does not change. Numbers 1..n would all change after a deleted object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..remembered import calculated_once, current_memory

T = TypeVar("T")
Ids = NDArray[np.integer[Any]]
BAND_ROWS = 128  # height of a band
PIXELS_AT_ONCE = 2**17  # px: so many indices fit into the processor's cache


class Band(NamedTuple):
    """A band of a label image, with some rows above and below it.

    labels: (h, W) the band and the rows around it, numbered 1..k in the order of the ids; 0 is background. ids: (k,)
    the objects' ids in the whole image, ascending. rows: which rows of `labels` are the band. top: the row of the
    image that is the first row of `labels`.
    """

    labels: NDArray[np.int32]
    ids: NDArray[np.int32]
    rows: slice
    top: int


def ids_in(labels: NDArray[np.int32], ids: Ids | None) -> Ids:
    """(n,) the given ids; for None the numbers 1..n up to the highest label (H, W)."""
    return np.arange(1, int(labels.max(initial=0)) + 1) if ids is None else ids


def numbered(labels: NDArray[np.int32], ids: Ids) -> NDArray[np.int32]:
    """The labels (H, W) numbered 1..n in the order of the ids (n,)."""
    if np.array_equal(ids, np.arange(1, len(ids) + 1)):
        return labels
    numbers = np.zeros(int(ids.max(initial=0)) + 1, np.int32)
    numbers[ids] = np.arange(1, len(ids) + 1, dtype=np.int32)
    return numbers[labels]


def by_band(
    kind: str, labels: NDArray[np.int32], margin: int, make: Callable[..., T], *images: NDArray[Any]
) -> list[T]:
    """The results of `make` for each band of labels (H, W), from top to bottom.

    make: called with the Band, and with the same rows of each of the images (H, W). Its result must depend on their
    pixels and on `kind` alone, because it is kept in the cache, if there is one. kind: the name of the result in the
    cache, with all parameters. margin: how many rows above and below the band `make` gets, at most BAND_ROWS.
    """
    has_memory, results = current_memory() is not None, list[T]()
    checksums = [_checksums(image) for image in (labels, *images)] if has_memory else []
    for number, top in enumerate(range(0, max(len(labels), 1), BAND_ROWS)):
        above = min(top, margin)
        place = slice(top - above, min(top + BAND_ROWS + margin, len(labels)))
        bands_used = slice(max(number - bool(margin), 0), number + 1 + bool(margin))

        def band(top: int = top, above: int = above, place: slice = place) -> T:
            numbers, ids = _numbered_rows(labels[place])
            rows = slice(above, above + min(BAND_ROWS, len(labels) - top))
            return make(Band(numbers, ids, rows, place.start), *(image[place] for image in images))

        key = (kind, above, place.stop, *(part for of_image in checksums for part in of_image[bands_used]))
        results.append(calculated_once(lambda key=key: key, band))  # type: ignore[misc]
    return results


def whole_image(kind: str, image: NDArray[Any], make: Callable[[], T], *parameters: Any) -> T:
    """The result of `make`, kept in the cache as in `by_band`. It may depend on a whole image (H, W) and on hashable
    parameters."""
    return calculated_once(lambda: (kind, *parameters, *_checksums(image)), make)


def summed_by_id(ids: Ids, parts: Iterable[tuple[NDArray[np.int32], NDArray[Any]]]) -> NDArray[np.int64]:
    """(n, ...) the sums over all parts for each of the ids (n,). A part: some ids (k,) and whole numbers (k, ...)."""
    parts = [*parts]
    shape = parts[0][1].shape[1:] if parts else ()
    total = np.zeros((len(ids), *shape), np.int64)
    for part_ids, values in parts:  # no id is twice in a part
        total[np.searchsorted(ids, part_ids)] += values.astype(np.int64)
    return total


def sums_of_objects(labels: NDArray[np.int32], ids: Ids, *images: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
    """(n,) each: the area in px of each object with one of these ids (n,), and the sum of each image (H, W) over it."""
    if any(image.dtype.kind == "f" for image in images):  # adding floats band by band would change the last digits
        return sums_over_labels(numbered(labels, ids), *images)

    def sums(band: Band, *parts: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        band_labels = band.labels[band.rows]
        return band.ids, np.stack(sums_over_labels(band_labels, *(part[band.rows] for part in parts)), axis=1)

    names = "/".join(str(image.dtype) for image in images)
    return tuple(summed_by_id(ids, by_band(f"sums {names}", labels, 0, sums, *images)).astype(np.float64).T)


def sums_over_labels(labels: NDArray[np.int32], *images: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
    """(n,) each: the area in px of each label 1..n, and the sums of each of the images (H, W) over it."""
    count = int(labels.max(initial=0)) + 1
    sums = np.zeros((1 + len(images), count))
    for part, *images_part in labelled_pixels(labels, *images):
        for total, values in zip(sums, (None, *images_part), strict=True):
            total += np.bincount(part, values, count)
    return tuple(sums[:, 1:])


def labelled_pixels(labels: NDArray[np.int32], *images: NDArray[Any]) -> Iterator[list[NDArray[Any]]]:
    """Yields, some rows at a time, the labels (k,) of all pixels with a label, and their values (k,) in each image."""
    step = rows_at_once(labels)
    for top in range(0, len(labels), step):
        part = labels[top : top + step].ravel()
        inside = np.flatnonzero(part > 0)
        yield [part[inside].astype(np.intp), *(values[top : top + step].ravel()[inside] for values in images)]


def rows_at_once(labels: NDArray[np.int32]) -> int:
    """How many rows of labels (H, W) to process at a time, so that their arrays fit into the processor's cache."""
    return max(1, PIXELS_AT_ONCE // max(1, len(labels.T)))


def boxes(labels: NDArray[np.int32], ids: Ids) -> NDArray[np.int64]:
    """(n, 4) top, left, bottom and right of the objects with these ids (n,); bottom and right are exclusive."""

    def corners(band: Band) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        owner, row, start, stop = runs_in_rows(band.labels, band.top)
        low, high = np.full((len(band.ids), 2), np.iinfo(np.int64).max), np.zeros((len(band.ids), 2), np.int64)
        np.minimum.at(low, owner, np.stack([row, start], axis=1))
        np.maximum.at(high, owner, np.stack([row + 1, stop], axis=1))
        return band.ids, low, high

    low, high = np.full((len(ids), 2), np.iinfo(np.int64).max), np.zeros((len(ids), 2), np.int64)
    for part_ids, lowest, highest in by_band("boxes", labels, 0, corners):
        index = np.searchsorted(ids, part_ids)
        low[index], high[index] = np.minimum(low[index], lowest), np.maximum(high[index], highest)
    return np.concatenate([low, high], axis=1)


def rows_and_columns(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column (k,) of each pixel of a mask (H, W), like np.nonzero, which takes ten times as long."""
    row, column = np.divmod(np.flatnonzero(mask), max(mask.shape[1], 1))
    return row, column


def runs_in_rows(block: NDArray[np.int32], first_row: int) -> tuple[NDArray[np.int64], ...]:
    """(r,) each: label - 1, row, first column, and last column + 1 of every run of equal labels in rows (h, W).

    first_row: the row of the image with which `block` begins.
    """
    begins = block != 0
    ends = begins.copy()
    changes = block[:, 1:] != block[:, :-1]
    begins[:, 1:] &= changes
    ends[:, :-1] &= changes
    row, start = rows_and_columns(begins)
    stop = rows_and_columns(ends)[1] + 1
    return block[row, start].astype(np.int64) - 1, row + first_row, start, stop


def _numbered_rows(rows: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows (h, W) of labels, numbered 1..k in the order of the ids in them, and these ids (k,)."""
    flat = rows.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])[: flat.size]
    ids, numbers = np.unique(flat[starts], return_inverse=True)
    has_background = bool(len(ids)) and ids[0] == 0
    numbers = np.asarray(numbers + (not has_background), np.int32)
    lengths = np.diff(np.append(starts, flat.size))
    labels = np.asarray(np.repeat(numbers, lengths), np.int32).reshape(rows.shape)
    return labels, np.asarray(ids[int(has_background) :], np.int32)


def _checksums(image: NDArray[Any]) -> Sequence[bytes]:
    """The checksum of each band of an image (H, W)."""
    memory = current_memory()
    return memory.value_for_image(image, _calculated_checksums) if memory else _calculated_checksums(image)


def _calculated_checksums(image: NDArray[Any]) -> list[bytes]:
    def checksum(top: int) -> bytes:
        total = sha256(f"{image.dtype.str} {image.shape[1:]}".encode())
        total.update(np.ascontiguousarray(image[top : top + BAND_ROWS]).data)
        return total.digest()

    with ThreadPoolExecutor(2) as pool:  # sha256 runs without Python's lock
        return list(pool.map(checksum, range(0, len(image), BAND_ROWS)))
