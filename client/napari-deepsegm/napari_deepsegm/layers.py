"""Converts a result (`Outcome`) to layers for napari: arrays and options. napari is not imported
here."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray

LayerData = tuple[Any, dict[str, Any], str]  # data, options, kind of layer
ReadFile = Callable[[str], bytes | None]  # name of a file of a result -> content, None if missing
RESULT = "result.json"
FORMAT, SAMPLE_FORMAT = "deepsegm-result/1", "deepsegm-sample/1"
LABELS = ("labels-all.tif", "labels.tif")  # the first has outlines that are left out, too
TABLES = ("particles.csv", "objects.csv")
CLASSES = "classes.csv"
NOT_ANALYSED = 255  # value in a labels.tif of classes
CAPTION = "caption-and-method.txt"
# A line above the table, "# name: value", except those for the image, warnings and the like.
FRONT_LINE = re.compile(r"# (?!image: |more: |warning: )(.+?): ?(.+)")


class Unusable(ValueError):
    """A file, layer or text that cannot be used; the message is one sentence for people."""


@dataclass(frozen=True)
class Outcome:
    """A result, as far as layers show it.

    name: of the image. labels: (H, W) int32, 0 for background, else the number in the column
    `label` of the table. table: one row for each object, also for those that are left out (`kept`
    is False); None if the result has no table. sentence: the main numbers. warnings: sentences.
    nm_per_pixel: None if it is not known. sha256: of the file of the image, "" if not known. site,
    job: address of the site and id of the result there; "" if it is not from a site.
    """

    name: str
    labels: NDArray[np.int32]
    table: pd.DataFrame | None
    sentence: str
    warnings: tuple[str, ...] = ()
    nm_per_pixel: float | None = None
    sha256: str = ""
    site: str = ""
    job: str = ""

    @property
    def placement(self) -> dict[str, Any]:
        """The scale as options of a layer; {} without a scale."""
        if self.nm_per_pixel is None:
            return {}
        return {"scale": (self.nm_per_pixel, self.nm_per_pixel), "units": ("nm", "nm")}

    def with_source(self, site: str, job: str) -> Outcome:
        """This outcome with the address of its site and the id of its job."""
        return replace(self, site=site, job=job)


def outcome_of_files(read: ReadFile) -> Outcome:
    """The Outcome of a result in files: result.json and label image, and table and caption if
    there.

    Raises Unusable for files that are missing or damaged, or belong to a sample.
    """
    details = details_of(read(RESULT))
    try:
        name, calibration = str(details["image"]["name"]), details["calibration"]
        warnings = tuple(map(str, details["warnings"]))
        size = calibration["nm_per_pixel"]
        sha256 = str(details["image"].get("sha256") or "")
        nm_per_pixel = None if size is None else float(size)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise Unusable(f"{RESULT} lacks what a result of DeepSegm says of its image.") from None
    table, table_words = _table(read)
    return Outcome(
        name=name,
        labels=_labels(read),
        table=table,
        sentence=_sentence(read(CAPTION), name, table_words),
        warnings=warnings,
        nm_per_pixel=nm_per_pixel,
        sha256=sha256,
    )


def details_of(content: bytes | None) -> dict[str, Any]:
    """The content of the result.json of one image; raises Unusable."""
    if content is None:
        raise Unusable(f"There is no {RESULT} here.")
    try:
        details = json.loads(content)
    except ValueError:
        raise Unusable(f"{RESULT} is damaged.") from None
    layout = details.get("format") if isinstance(details, dict) else None
    if layout == SAMPLE_FORMAT:
        raise Unusable("This is the result of a sample: open the folder of one of its images.")
    if layout != FORMAT:
        raise Unusable(f"{RESULT} is not of this version of DeepSegm, or of another program.")
    return dict(details)


def _first_file(read: ReadFile, *names: str) -> bytes | None:
    """The content of the first of these files that is there; None without any."""
    return next((content for name in names if (content := read(name)) is not None), None)


def _labels(read: ReadFile) -> NDArray[np.int32]:
    """(H, W) int32: the label image. For objects it includes those that are left out, if there is a
    file with them; for classes its values are their numbers in the table, from 1 on."""
    content = _first_file(read, *LABELS)
    if content is None:
        raise Unusable(f"There is no labels.tif beside {RESULT}: save it with the result.")
    try:
        values: NDArray[Any] = tifffile.imread(io.BytesIO(content))
    except Exception:  # tifffile raises errors of many kinds for damaged files
        raise Unusable("labels.tif is damaged.") from None
    if values.ndim != 2:
        raise Unusable(f"labels.tif has {values.ndim} dimensions, and not two.")
    if read(CLASSES) is None:
        return values.astype(np.int32)
    return np.where(values == NOT_ANALYSED, 0, values.astype(np.int32) + 1).astype(np.int32)


def _table(read: ReadFile) -> tuple[pd.DataFrame | None, str]:
    """The table, and the lines above it as one text; (None, "") without a table."""
    content = _first_file(read, *TABLES, CLASSES)
    if content is None:
        return None, ""
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    front_lines = [match for line in lines if (match := FRONT_LINE.fullmatch(line))]
    rows = "\n".join(line for line in lines if not line.startswith("#"))
    try:
        table = pd.read_csv(io.StringIO(rows))
        table["label"].astype(np.int32), table["kept"].astype(bool)
    except (KeyError, ValueError):
        raise Unusable("The table beside result.json is damaged.") from None
    return table, "; ".join(f"{match[1]} {match[2]}" for match in front_lines)


def _sentence(caption: bytes | None, name: str, words: str) -> str:
    """The first paragraph of the caption, else a sentence from the lines above the table
    (words)."""
    if caption is not None:
        return caption.decode("utf-8", errors="replace").split("\n\n")[0].strip()
    return f"{name}: {words}." if words else f"{name}: a result without a table."


def labels_layers(outcome: Outcome, **placement: Any) -> list[LayerData]:
    """The layers of a result: a layer of the counted objects and, behind it, a hidden layer of the
    objects that are left out, if there are any.

    placement: options for the place of both layers, instead of the scale of the result.
    """
    labels, table = outcome.labels, outcome.table
    stem = PurePath(outcome.name).stem or "result"
    placement = placement or outcome.placement
    if table is None:
        return [_layer(outcome, labels, None, f"{stem} outlines", placement)]
    is_kept = table["kept"].astype(bool)
    is_left_out = np.isin(labels, table["label"][~is_kept])
    counted_labels = np.where(is_left_out, 0, labels)
    counted = _layer(outcome, counted_labels, table[is_kept], f"{stem} outlines", placement)
    if not is_left_out.any():
        return [counted]
    hidden = {**placement, "visible": False, "opacity": 0.4}
    left_out = np.where(is_left_out, labels, 0)
    return [_layer(outcome, left_out, table[~is_kept], f"{stem} left out", hidden), counted]


def _layer(
    outcome: Outcome,
    labels: NDArray[np.int32],
    table: pd.DataFrame | None,
    name: str,
    options: dict[str, Any],
) -> LayerData:
    """A labels layer with the sentence, the warnings and the rows of a result."""
    metadata: dict[str, Any] = {"sentence": outcome.sentence, "warnings": list(outcome.warnings)}
    if outcome.job:
        metadata |= {"site": outcome.site, "job": outcome.job}
    with_features: dict[str, Any] = {} if table is None else {"features": features(table)}
    return labels, {"name": name, "metadata": metadata, **with_features, **options}, "labels"


def features(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a column `index`, in which napari looks up the label of an object."""
    numbered = table.reset_index(drop=True)
    numbered.insert(0, "index", numbered["label"])
    return numbered


def image_layer(outcome: Outcome, pixels: NDArray[Any]) -> LayerData:
    """The layer of the image of a result. pixels: (H, W), or (H, W, 3) in colour."""
    options = {"name": PurePath(outcome.name).name, "rgb": pixels.ndim == 3, **outcome.placement}
    return pixels, options, "image"
