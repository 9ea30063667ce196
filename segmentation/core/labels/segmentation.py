"""The class Segmentation: the outlined objects of a micrograph with their provenance, and the file in which they are
stored. A segmentation can be measured again at any time without its model."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bands import numbered
from .npz import write_npz

FORMAT = "deepsegm-segmentation/2"
MOST_IDS = 100_000_000  # highest id; no image has so many objects, and a table of this length still fits into memory
# Beginnings of array names in the file, for `alternatives`, `layers` and `maps`.
ALTERNATIVE, LAYER, MAP = "alternative ", "layer ", "map "
COMPRESSION = 3  # of zlib: at half the time of 6 (8192 x 8192 px: 9 s -> 4 s) files are 4 to 24 % larger
MASKS = "masks of other tools"  # in place of a model's name if no model was used
NONE_IN_MASK = "The mask shows no {things}."
DAMAGED = "The stored segmentation of this image is damaged: try again to segment the image again."
OTHER_FORMAT = "The stored segmentation has another format: update DeepSegm, or try again to segment the image again."
FOREIGN = "The stored segmentation belongs to another image: try again to segment this one."


class UnusableSegmentation(ValueError):
    """A stored segmentation cannot be measured; the message is one sentence with the reason and the remedy."""


@dataclass(frozen=True)
class Provenance:
    """Where a segmentation comes from.

    micrograph: SHA-256 of the image's file. task: the kind of analysis. settings: the SegmentationSettings as
    requested. card: the entries of the ModelCard at that time; {"name": MASKS} if no model was used. version: of
    DeepSegm, "" if not known. parent: id of the segmentation before the corrections. edits: the operations of the
    corrections.
    """

    micrograph: str
    task: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    parent: str = ""
    edits: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Provenance:
        return cls(**{**data, "edits": tuple(data.get("edits", ()))})

    def as_dict(self) -> dict[str, Any]:
        """The provenance in plain JSON types."""
        return {**asdict(self), "edits": list(self.edits)}

    @property
    def model(self) -> str:
        """The model's name; MASKS if no model was used."""
        return str(self.card.get("name", ""))

    @property
    def weights(self) -> str:
        """SHA-256 of the model's weights, "" without a model."""
        return str(self.card.get("sha256", ""))


class Cut(NamedTuple):
    """A possible cut, a line through an object from one edge to another, or to the line of another cut.

    probability: that the line lies between two particles. line: points [x, y] in pixels of the image. after: the
    places, in the list of all cuts of the image, of the cuts on which this one ends; they come before it. sides: [x, y,
    x, y], pixels on both sides of the line's middle.
    """

    probability: float
    line: list[list[float]]
    after: list[int]
    sides: list[int]

    def divides(self, crop: Callable[[tuple[int, int, int, int]], NDArray[np.int32]]) -> int:
        """The id of the object on both sides of the cut; 0 if there are two objects, or none. crop: gives the labels in
        a box (top, left, bottom, right); it may give more rows and columns below and to the right."""
        x0, y0, x1, y1 = self.sides
        one, other = (int(crop((y, x, y + 1, x + 1))[0, 0]) for x, y in ((x0, y0), (x1, y1)))
        return one if one == other else 0

    def shifted(self, right: int, down: int) -> Cut:
        """The same cut, moved to the right and down by so many pixels."""
        x0, y0, x1, y1 = self.sides
        line = [[x + right, y + down] for x, y in self.line]
        return self._replace(line=line, sides=[x0 + right, y0 + down, x1 + right, y1 + down])


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The outlined objects of a micrograph (for phases: its regions).

    labels: (H, W) int32 of the uploaded image's full size; 0 is background, other numbers are ids.
    ids: (n,) int32, ascending, all ids in `labels`; an id is never given to another object (`next_id`).
    classes: (n,) int32, place of each object's class in `class_names`.
    confidence: (n,) float32; NaN if it is not known, and for objects `by_hand`.
    rows: number of analysed rows, counted from the top; the data bar, if any, begins below them.
    used: values that the settings left open, and diagnostics, by name (plain JSON types). They depend on the kind of
        analysis; for particles: polarity, scale, threshold, clarity, expected, dropped, worth and second_scale.
    alternatives: other labels (H, W) int32 of the same image, by the name of a changed setting. Measuring them shows
        how much a number depends on this setting.
    layers: further images (H, W) uint8 by name, which are measured or shown beside the labels.
    maps: the network's maps (H, W) uint8 by name, from which objects can be split or added later; for particles also
        the edges of the picture (`edges.EDGES`).
    next_id: the lowest number that was never an id here; 0 means the highest id plus one.
    by_hand: ids of the objects that a person drew, changed or confirmed; no filter leaves them out.
    set_aside: ids of the objects that a person left out, with the reason.
    cuts: the possible cuts of the outlines before corrections, the most probable first.
    """

    labels: NDArray[np.int32]
    ids: NDArray[np.int32]
    classes: NDArray[np.int32]
    class_names: tuple[str, ...]
    confidence: NDArray[np.float32]
    rows: int
    provenance: Provenance
    used: dict[str, Any] = field(default_factory=dict)
    alternatives: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    layers: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    maps: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    next_id: int = 0
    by_hand: frozenset[int] = frozenset()
    set_aside: Mapping[int, str] = field(default_factory=dict)
    cuts: tuple[Cut, ...] = ()

    def __post_init__(self) -> None:
        if not self.next_id:
            object.__setattr__(self, "next_id", int(self.ids.max(initial=0)) + 1)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def dense(self) -> NDArray[np.int32]:
        """(H, W) int32 the labels numbered 1..n in the order of `ids`, for measuring and drawing."""
        return numbered(self.labels, self.ids)

    def save(self, file: Path | BinaryIO) -> None:
        """Write the segmentation as a compressed .npz without pickles; equal segmentations give equal bytes.

        file: a path, or a file that is open for reading and writing.
        """
        header = {
            "format": FORMAT,
            "rows": self.rows,
            "class_names": list(self.class_names),
            "used": self.used,
            "next_id": self.next_id,
            "by_hand": sorted(self.by_hand),
            "set_aside": {str(number): self.set_aside[number] for number in sorted(self.set_aside)},
            "provenance": self.provenance.as_dict(),
            "cuts": self.cuts,
        }
        arrays: dict[str, NDArray[np.generic]] = {
            "header": np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8),
            "labels": self.labels,
            "ids": self.ids,
            "classes": self.classes,
            "confidence": self.confidence,
        }
        arrays |= {f"{ALTERNATIVE}{name}": labels for name, labels in self.alternatives.items()}
        arrays |= {f"{LAYER}{name}": layer for name, layer in self.layers.items()}
        arrays |= {f"{MAP}{name}": values for name, values in self.maps.items()}
        write_npz(file, arrays, COMPRESSION)

    @classmethod
    def load(
        cls, file: Path | BinaryIO, origin: Provenance | None = None, *, alternatives: bool = True
    ) -> Segmentation:
        """The segmentation in a file. Raises UnusableSegmentation if the file is damaged, has another format, or
        belongs to another image than `origin`; disk errors are raised unchanged.

        origin: the provenance that the caller expects. alternatives: whether to read them, too.
        """
        content = file.read_bytes() if isinstance(file, Path) else file.read()
        with open_arrays(lambda: io.BytesIO(content)) as data:
            outlines = replace(
                objects_in_file(data),
                labels=data["labels"],
                alternatives=_arrays_of_kind(data, ALTERNATIVE) if alternatives else {},
                layers=_arrays_of_kind(data, LAYER),
                maps=_arrays_of_kind(data, MAP),
            )
            _check_outlines(outlines)
        if origin is not None and outlines.provenance.micrograph != origin.micrograph:
            raise UnusableSegmentation(FOREIGN)
        return outlines


@contextmanager
def open_arrays(opens: Callable[[], BinaryIO]) -> Iterator[Any]:
    """A context with the arrays of a file. `opens`: opens the file. Exceptions in the context become
    UnusableSegmentation (damaged bytes), except errors of the disk, which are raised unchanged."""
    try:
        with opens() as file, np.load(file, allow_pickle=False) as data:
            yield data
    except UnusableSegmentation:
        raise
    except Exception as error:  # zipfile, zlib, bz2, numpy and json raise various exceptions for damaged bytes
        if isinstance(error, OSError) and (error.errno or type(error) is not OSError):
            raise
        raise UnusableSegmentation(DAMAGED) from error


def objects_in_file(data: Any) -> Segmentation:
    """The segmentation in an opened file without its images: labels (0, 0), no alternatives, layers and maps. The
    caller checks it with `check_objects`."""
    header = json.loads(data["header"].tobytes())
    if header["format"] != FORMAT:
        raise UnusableSegmentation(OTHER_FORMAT)
    return Segmentation(
        np.zeros((0, 0), np.int32),
        data["ids"],
        data["classes"],
        tuple(header["class_names"]),
        data["confidence"],
        header["rows"],
        Provenance.from_dict(header["provenance"]),
        header["used"],
        next_id=header["next_id"],
        by_hand=frozenset(header["by_hand"]),
        set_aside={int(number): reason for number, reason in header["set_aside"].items()},
        cuts=tuple(Cut(*cut) for cut in header["cuts"]),
    )


def names_of(data: Any, kind: str) -> list[str]:
    """The names of the alternatives, layers or maps in an opened file. kind: ALTERNATIVE, LAYER or MAP."""
    return [name.removeprefix(kind) for name in data.files if name.startswith(kind)]


def _check_outlines(outlines: Segmentation) -> None:
    """Raise ValueError if the parts of a file do not fit together."""
    shape = outlines.labels.shape
    arrays = [outlines.labels, *outlines.alternatives.values()]
    if len(shape) != 2 or any(image.dtype != np.int32 or image.shape != shape for image in arrays):
        raise ValueError("the label images are not alike")
    if any(image.dtype != np.uint8 or image.shape != shape for image in (outlines.layers | outlines.maps).values()):
        raise ValueError("the layers or maps are not those of the labels")
    highest = int(outlines.ids.max(initial=0))
    if outlines.labels.size and not 0 <= outlines.labels.min() <= outlines.labels.max() <= highest <= MOST_IDS:
        raise ValueError("the labels are not those of the ids")
    check_objects(outlines, shape[0], np.flatnonzero(np.bincount(outlines.labels.ravel())))


def check_objects(outlines: Segmentation, height: int, present: NDArray[Any]) -> None:
    """Raise ValueError if the data of the objects does not fit the image. height: of the image. present: the ids in its
    labels, with or without 0."""
    highest, count = int(outlines.ids.max(initial=0)), len(outlines.ids)
    changed_by_people = sorted(outlines.by_hand | outlines.set_aside.keys())
    if outlines.next_id <= highest or not np.isin(changed_by_people, outlines.ids).all():
        raise ValueError("what people did is not of these ids")
    if not np.array_equal(present[present != 0], outlines.ids) or not 0 < outlines.rows <= height or highest > MOST_IDS:
        raise ValueError("the labels are not those of the ids")
    if len(outlines.classes) != count or len(outlines.confidence) != count:
        raise ValueError("classes or confidences are missing")
    if count and not 0 <= outlines.classes.min() <= outlines.classes.max() < len(outlines.class_names):
        raise ValueError("a class has no name")


def _arrays_of_kind(data: Any, kind: str) -> dict[str, NDArray[Any]]:
    return {name: data[f"{kind}{name}"] for name in names_of(data, kind)}
