"""The types of the input of a comparison: numbers, sizes and, for a single image, labels of each of two results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..measure.quantities import Value
from ..measure.sizes.distribution import Floats
from ..measure.table import Table

COUNT, FRACTION = "n_kept", "fraction_100nm"
SIZE_NUMBERS = ("median", "mean", "sd", "d10", "d90")
NUMBERS = (COUNT, FRACTION, *SIZE_NUMBERS)  # names of the numbers that are compared


@dataclass(frozen=True, eq=False)
class Sizes:
    """The sizes of n objects, each with its weight, the number of its image (from 0, without gaps) and its id there."""

    size: Floats
    weight: Floats
    image: NDArray[np.int64]
    label: NDArray[np.int64]

    @property
    def images(self) -> int:
        """The number of images."""
        return int(self.image.max(initial=0)) + 1

    @classmethod
    def of_objects(cls, objects: Iterable[Mapping[str, Any]], size: str) -> Sizes:
        """The sizes of the counted objects in outlines.json of one image. size: the name of the measure."""
        counted = [item for item in objects if item["kept"] and not item.get("cut")]
        counted = [item for item in counted if item.get(size) is not None]
        weights = [item["weight"] if item.get("weight") is not None else 1.0 for item in counted]
        labels = np.array([item["id"] for item in counted], np.int64)
        sizes = np.array([item[size] for item in counted], np.float64)
        return cls(sizes, np.array(weights, np.float64), np.zeros(len(counted), np.int64), labels)

    @classmethod
    def of_tables(cls, tables: Iterable[Table], size: str, *, weighted: bool, screened: bool) -> Sizes:
        """The sizes in the tables of several images; an image without any is left out.

        size: the name of the measure. weighted: whether the border correction weights them. screened: `Task.screened`;
        then all counted objects are included, else only those that do not touch the frame.
        """
        parts = []
        for table in tables:
            counted = table.kept if screened else table.whole
            weights = np.nan_to_num(table["edge_weight"][counted], nan=1.0) if weighted else np.ones(int(counted.sum()))
            parts.append((table.length(size)[counted], weights, table["label"][counted].astype(np.int64)))
        parts = [part for part in parts if len(part[0])] or [(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))]
        image = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
        size_, weight, label = (np.concatenate([part[i] for part in parts]) for i in range(3))
        return cls(size_, weight, image, label)


@dataclass(frozen=True, eq=False)
class Side:
    """One of two results.

    images: SHA-256 of its images. unit: of the sizes. size: the name of the measure. values: its NUMBERS that are
    known, with their intervals. labels: (H, W) ids of the counted objects; None if they are not stored, or if there
    are several images. classes: (H, W) instead of labels, if each pixel belongs to a class; -1 where not analysed.
    """

    images: Sequence[str]
    unit: str
    size: str
    values: Mapping[str, Value] = field(default_factory=dict)
    sizes: Sizes | None = None
    labels: NDArray[np.int32] | None = None
    classes: NDArray[np.int32] | None = None
