"""A label image looked at in bands of rows, each of which is remembered by its pixels.

The objects have ids, which a correction leaves alone, and no numbers 1..n, of which it changes all behind a deleted
object. So of a corrected image only the bands are looked at again that the correction lies in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..remembered import present_memory, remembered

T = TypeVar("T")
Ids = NDArray[np.integer[Any]]
ROWS = 128
BAND = 2**17  # px of an image whose indices fit into the processor's cache


class Band(NamedTuple):
    """Some rows of a label image, with those around them.

    labels: (h, W) numbered 1..k in the order of the ids, 0 is background. ids: (k,) ascending, of the whole image.
    rows: where the band itself lies among these rows. top: the first of all these rows in the image.
    """

    labels: NDArray[np.int32]
    ids: NDArray[np.int32]
    rows: slice
    top: int


def ids_in(labels: NDArray[np.int32], ids: Ids | None) -> Ids:
    """(n,) the ids of the objects of labels (H, W), ascending; of None 1..n."""
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
    """What `make` gives of each band of labels (H, W) with up to `margin` rows above and below it, and of these rows of
    the images (H, W). It follows from these alone, and is remembered while there is a memory.

    kind: names what is made, with all on which it depends beside the pixels. margin: ROWS at most.
    """
    has_memory, results = present_memory() is not None, list[T]()
    sums = [_checksums(image) for image in (labels, *images)] if has_memory else []
    for number, top in enumerate(range(0, max(len(labels), 1), ROWS)):
        above = min(top, margin)
        place = slice(top - above, min(top + ROWS + margin, len(labels)))
        near = slice(max(number - bool(margin), 0), number + 1 + bool(margin))

        def band(top: int = top, above: int = above, place: slice = place) -> T:
            numbers, ids = _numbered_alone(labels[place])
            rows = slice(above, above + min(ROWS, len(labels) - top))
            return make(Band(numbers, ids, rows, place.start), *(image[place] for image in images))

        key = (kind, above, place.stop, *(part for checksums in sums for part in checksums[near]))
        results.append(remembered(lambda key=key: key, band))  # type: ignore[misc]
    return results


def whole_image(kind: str, image: NDArray[Any], make: Callable[[], T], *facts: Any) -> T:
    """What `make` gives of a whole image (H, W) and of hashable facts, remembered as in `by_band`."""
    return remembered(lambda: (kind, *facts, *_checksums(image)), make)


def added(ids: Ids, parts: Iterable[tuple[NDArray[np.int32], NDArray[Any]]]) -> NDArray[np.int64]:
    """(n, ...) whole numbers, the sums over all parts of the rows (k, ...) that each has for its ids (k,)."""
    parts = [*parts]
    shape = parts[0][1].shape[1:] if parts else ()
    total = np.zeros((len(ids), *shape), np.int64)
    for part_ids, values in parts:  # no id is twice in a part
        total[np.searchsorted(ids, part_ids)] += values.astype(np.int64)
    return total


def sums_of_objects(labels: NDArray[np.int32], ids: Ids, *images: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
    """(n,) each: `sums_over_labels` for the objects of these ids (n,)."""
    if any(image.dtype.kind == "f" for image in images):  # the order of the sums decides their last digits
        return sums_over_labels(numbered(labels, ids), *images)

    def sums(band: Band, *parts: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        band_labels = band.labels[band.rows]
        return band.ids, np.stack(sums_over_labels(band_labels, *(part[band.rows] for part in parts)), axis=1)

    names = "/".join(str(image.dtype) for image in images)
    return tuple(added(ids, by_band(f"sums {names}", labels, 0, sums, *images)).astype(np.float64).T)


def sums_over_labels(labels: NDArray[np.int32], *images: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
    """(n,) each: the area in px of each label 1..n, and the sums of each of the images (H, W) over it."""
    count = int(labels.max(initial=0)) + 1
    sums = np.zeros((1 + len(images), count))
    for part, *beside in labelled_pixels(labels, *images):
        for total, values in zip(sums, (None, *beside), strict=True):
            total += np.bincount(part, values, count)
    return tuple(sums[:, 1:])


def labelled_pixels(labels: NDArray[np.int32], *images: NDArray[Any]) -> Iterator[list[NDArray[Any]]]:
    """Of the pixels with a label: the labels as indices and the values of each image, flat, some rows at a time."""
    step = rows_at_once(labels)
    for top in range(0, len(labels), step):
        part = labels[top : top + step].ravel()
        inside = np.flatnonzero(part > 0)
        yield [part[inside].astype(np.intp), *(values[top : top + step].ravel()[inside] for values in images)]


def rows_at_once(labels: NDArray[np.int32]) -> int:
    """How many rows to process at a time, so that the results fit into the processor's cache."""
    return max(1, BAND // max(1, len(labels.T)))


def boxes(labels: NDArray[np.int32], ids: Ids) -> NDArray[np.int64]:
    """(n, 4) top, left, bottom and right of the objects of these ids; bottom and right lie outside."""

    def corners(band: Band) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        owner, row, start, stop = runs_in_rows(band.labels, band.top)
        low, high = np.full((len(band.ids), 2), np.iinfo(np.int64).max), np.zeros((len(band.ids), 2), np.int64)
        np.minimum.at(low, owner, np.stack([row, start], axis=1))
        np.maximum.at(high, owner, np.stack([row + 1, stop], axis=1))
        return band.ids, low, high

    low, high = np.full((len(ids), 2), np.iinfo(np.int64).max), np.zeros((len(ids), 2), np.int64)
    for part_ids, lowest, highest in by_band("boxes", labels, 0, corners):
        at = np.searchsorted(ids, part_ids)
        low[at], high[at] = np.minimum(low[at], lowest), np.maximum(high[at], highest)
    return np.concatenate([low, high], axis=1)


def places(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each pixel of a mask (H, W), as np.nonzero gives them, in a tenth of its time."""
    row, column = np.divmod(np.flatnonzero(mask), max(mask.shape[1], 1))
    return row, column


def runs_in_rows(block: NDArray[np.int32], first_row: int) -> tuple[NDArray[np.int64], ...]:
    """(r,) each: label - 1, row, first column, and the one behind the last of every run of some rows of an image."""
    begins = block != 0
    ends = begins.copy()
    changes = block[:, 1:] != block[:, :-1]
    begins[:, 1:] &= changes
    ends[:, :-1] &= changes
    row, start = places(begins)
    stop = places(ends)[1] + 1
    return block[row, start].astype(np.int64) - 1, row + first_row, start, stop


def _numbered_alone(rows: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows (h, W) of labels numbered 1..k in the order of their ids, and these (k,)."""
    flat = rows.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])[: flat.size]
    ids, numbers = np.unique(flat[starts], return_inverse=True)
    has_background = bool(len(ids)) and ids[0] == 0
    numbers = np.asarray(numbers + (not has_background), np.int32)
    lengths = np.diff(np.append(starts, flat.size))
    labels = np.asarray(np.repeat(numbers, lengths), np.int32).reshape(rows.shape)
    return labels, np.asarray(ids[int(has_background) :], np.int32)


def _checksums(image: NDArray[Any]) -> Sequence[bytes]:
    """Of each ROWS rows of an image (H, W)."""
    memory = present_memory()
    return memory.of_image(image, _checksums_made) if memory else _checksums_made(image)


def _checksums_made(image: NDArray[Any]) -> list[bytes]:
    def checksum(top: int) -> bytes:
        total = sha256(f"{image.dtype.str} {image.shape[1:]}".encode())
        total.update(np.ascontiguousarray(image[top : top + ROWS]).data)
        return total.digest()

    with ThreadPoolExecutor(2) as pool:  # it runs without Python's lock
        return list(pool.map(checksum, range(0, len(image), ROWS)))
