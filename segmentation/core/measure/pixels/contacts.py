"""Finds which objects touch each other, and along which share of their borders."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...labels.bands import Band, Ids, by_band, ids_in, summed_by_id

Ints = NDArray[np.int64]


class Borders(NamedTuple):
    """The borders of n objects, counted in sides of pixels.

    length: (n,) the border of each with background or other objects; sides at the image's edge do
    not count. shared: three arrays (p,): the indices of two objects that touch, and how many sides
    they share; each pair occurs in both orders."""

    length: Ints
    shared: tuple[Ints, Ints, Ints]


def borders(labels: NDArray[np.int32], ids: Ids) -> Borders:
    """The borders of the objects of labels (H, W) with the ids (n,), ascending."""
    parts = by_band("borders", labels, 1, _borders_in)
    pairs = np.concatenate([part_ids[pair] for part_ids, _, pair, _ in parts])
    places = np.searchsorted(ids, pairs)
    keys, inverse = np.unique(places[:, 0] * len(ids) + places[:, 1], return_inverse=True)
    counts = np.bincount(inverse, np.concatenate([counts for *_, counts in parts]), len(keys)).astype(np.int64)
    length = summed_by_id(ids, ((part_ids, lengths) for part_ids, lengths, *_ in parts))
    one, other = np.divmod(keys, max(len(ids), 1))
    return Borders(length, (one, other, counts))


def _borders_in(band: Band) -> tuple[NDArray[np.int32], Ints, Ints, Ints]:
    """For the rows of a band, and its last row with the row below: the ids (k,) of the objects, the
    length (k,) of their borders, pairs (p, 2) of indices of objects that touch, and how many sides
    (p,) they share."""
    rows, n = band.labels[band.rows.start : band.rows.stop + 1], len(band.ids)
    band_labels, length, keys = band.labels[band.rows], np.zeros(n + 1, np.int64), list[Ints]()
    for one, other in ((rows[:-1], rows[1:]), (band_labels[:, :-1], band_labels[:, 1:])):
        is_edge = one != other
        sides = np.stack([one[is_edge], other[is_edge]])
        for inner, outer in (sides, sides[::-1]):
            length += np.bincount(inner, minlength=n + 1)
            is_shared = (inner > 0) & (outer > 0)
            keys.append((inner[is_shared] - 1).astype(np.int64) * n + outer[is_shared] - 1)
    pairs, counts = np.unique(np.concatenate(keys), return_counts=True)
    return band.ids, length[1:], np.stack(np.divmod(pairs, max(n, 1)), axis=1), counts


def longest_contacts(labels: NDArray[np.int32], ids: Ids | None = None) -> NDArray[np.float64]:
    """(n,) the largest share of each object's border that one neighbour shares, from 0 to 1; 0 for
    an object without a border within the image. labels: (H, W) with the ids (n,), or 1..n."""
    length, (one, _, counts) = borders(labels, ids_in(labels, ids))
    longest = np.zeros(len(length), np.int64)
    np.maximum.at(longest, one, counts)
    return np.asarray(longest / np.maximum(length, 1), np.float64)
