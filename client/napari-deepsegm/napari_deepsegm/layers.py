"""A result as the layers of napari: arrays and options, without napari itself."""

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
ReadFile = Callable[[str], bytes | None]  # the content of a file of a result; None: it is not there
RESULT = "result.json"
FORMAT, SAMPLE_FORMAT = "deepsegm-result/1", "deepsegm-sample/1"
LABELS = ("labels-all.tif", "labels.tif")  # the first has what was left out, too
TABLES = ("particles.csv", "objects.csv")
CLASSES = "classes.csv"
NOT_ANALYSED = 255  # in labels.tif where each pixel has a class
CAPTION = "caption-and-method.txt"
FRONT_LINE = re.compile(r"# (?!image: |more: |warning: )(.+?): ?(.+)")


class Unusable(ValueError):
    """What was given cannot be used, in one sentence for people."""


@dataclass(frozen=True)
class Outcome:
    """What layers show of a result.

    name: of the image. labels: (H, W) int32, 0 for background, else the column `label` of the
    table. table: one row for each object, also for those left out (`kept` is False); None where
    the result has none. sentence: the main numbers. warnings: what there is to say about them.
    nm_per_pixel: None where it is not known. sha256: of the file of the image, "" if not known.
    site, job: the address of the site and the id of the result there; "" elsewhere.
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
        """The scale as options of a layer: nm per pixel, or nothing."""
        if self.nm_per_pixel is None:
            return {}
        return {"scale": (self.nm_per_pixel, self.nm_per_pixel), "units": ("nm", "nm")}

    def at(self, site: str, job: str) -> Outcome:
        """The same as the result `job` of a site."""
        return replace(self, site=site, job=job)


def outcome_of_files(read: ReadFile) -> Outcome:
    """The result in files that DeepSegm wrote: result.json and label image, with the table and the
    caption where they are there.

    Raises Unusable for files that are missing, damaged, or of a sample of several images.
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
    table, words = _table(read)
    return Outcome(
        name=name,
        labels=_labels(read),
        table=table,
        sentence=_sentence(read(CAPTION), name, words),
        warnings=warnings,
        nm_per_pixel=nm_per_pixel,
        sha256=sha256,
    )


def details_of(content: bytes | None) -> dict[str, Any]:
    """What result.json says of one image; raises Unusable."""
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


def _whichever(read: ReadFile, *names: str) -> bytes | None:
    """The content of the first file that is there."""
    return next((content for name in names if (content := read(name)) is not None), None)


def _labels(read: ReadFile) -> NDArray[np.int32]:
    """Of a label image of objects the largest set there is; of classes their numbers in the table,
    from 1 on."""
    content = _whichever(read, *LABELS)
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
    """The table, and its front lines in words."""
    content = _whichever(read, *TABLES, CLASSES)
    if content is None:
        return None, ""
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    front = [match for line in lines if (match := FRONT_LINE.fullmatch(line))]
    rows = "\n".join(line for line in lines if not line.startswith("#"))
    try:
        table = pd.read_csv(io.StringIO(rows))
        table["label"].astype(np.int32), table["kept"].astype(bool)
    except (KeyError, ValueError):
        raise Unusable("The table beside result.json is damaged.") from None
    return table, "; ".join(f"{match[1]} {match[2]}" for match in front)


def _sentence(caption: bytes | None, name: str, words: str) -> str:
    """The caption that the result has, else the front lines of its table."""
    if caption is not None:
        return caption.decode("utf-8", errors="replace").split("\n\n")[0].strip()
    return f"{name}: {words}." if words else f"{name}: a result without a table."


def labels_layers(outcome: Outcome, **placement: Any) -> list[LayerData]:
    """Layers of the objects that count, and of those left out, if any, hidden behind them.

    placement: options of both layers in place of the result's scale.
    """
    labels, table = outcome.labels, outcome.table
    stem = PurePath(outcome.name).stem or "result"
    placement = placement or outcome.placement
    if table is None:
        return [_layer(outcome, labels, None, f"{stem} outlines", placement)]
    is_kept = table["kept"].astype(bool)
    aside = np.isin(labels, table["label"][~is_kept])
    counted_labels = np.where(aside, 0, labels)
    counted = _layer(outcome, counted_labels, table[is_kept], f"{stem} outlines", placement)
    if not aside.any():
        return [counted]
    hidden = {**placement, "visible": False, "opacity": 0.4}
    left_out = np.where(aside, labels, 0)
    return [_layer(outcome, left_out, table[~is_kept], f"{stem} left out", hidden), counted]


def _layer(
    outcome: Outcome,
    labels: NDArray[np.int32],
    table: pd.DataFrame | None,
    name: str,
    options: dict[str, Any],
) -> LayerData:
    metadata: dict[str, Any] = {"sentence": outcome.sentence, "warnings": list(outcome.warnings)}
    if outcome.job:
        metadata |= {"site": outcome.site, "job": outcome.job}
    with_features: dict[str, Any] = {} if table is None else {"features": features(table)}
    return labels, {"name": name, "metadata": metadata, **with_features, **options}, "labels"


def features(table: pd.DataFrame) -> pd.DataFrame:
    """The table of a labels layer: napari finds the row of a label by the column `index`."""
    numbered = table.reset_index(drop=True)
    numbered.insert(0, "index", numbered["label"])
    return numbered


def image_layer(outcome: Outcome, pixels: NDArray[Any]) -> LayerData:
    """The layer of the micrograph. pixels: (H, W), or (H, W, 3) in colour."""
    options = {"name": PurePath(outcome.name).name, "rgb": pixels.ndim == 3, **outcome.placement}
    return pixels, options, "image"
