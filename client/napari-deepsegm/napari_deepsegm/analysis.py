"""Analyses an open image, by a site or by the library on this machine. `widget` has the window that
calls this."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from deepsegm_client import Client, Result
from numpy.typing import NDArray

from .files import decode
from .layers import Outcome, Unusable, outcome_of_files

KINDS = ("particles", "grains", "bubbles", "phases", "layers", "fibres")
PIXEL, WIDTH_NM, WIDTH_UM = "nm per pixel", "nm, whole width", "µm, whole width"
UNITS = {PIXEL: 1.0, WIDTH_NM: 1.0, WIDTH_UM: 1000.0}  # choice in the window -> nm of one unit
Progress = Callable[[str, float], None]  # called with the stage in words, and progress from 0 to 1


@dataclass(frozen=True)
class TypedScale:
    """The scale that a person typed.

    text: a number, or "" to use the scale of the file or of a bar in the image. unit: a key of
    UNITS. Raises Unusable for a text that is no positive number.
    """

    text: str = ""
    unit: str = PIXEL

    def __post_init__(self) -> None:
        if self.text and not (math.isfinite(self.number) and self.number > 0):
            raise Unusable(f"“{self.text}” is no length: type a number such as 7.34, or nothing.")

    @property
    def number(self) -> float:
        """The number that was typed, in the unit; NaN if it is no number."""
        try:
            return float(self.text.replace(",", "."))
        except ValueError:
            return math.nan

    def width(self, columns: int) -> str | None:
        """The width of an image with so many columns, as text for a site; None if nothing was
        typed."""
        if not self.text:
            return None
        if self.unit == PIXEL:
            return f"{self.number * columns:.10g} nm"
        return f"{self.text.replace(',', '.')} {self.unit.partition(',')[0]}"

    def calibration(self, columns: int) -> Any:
        """The `deepsegm.Calibration` of an image with so many columns; None if nothing was typed.

        Its uncertainty comes from the last typed digit."""
        if not self.text:
            return None
        import deepsegm

        length, typed = self.number * UNITS[self.unit], self.text.replace(",", ".")
        if self.unit == PIXEL:
            return deepsegm.Calibration.of_pixel(length, typed=typed)
        return deepsegm.Calibration.of_width(length, columns, typed=typed)


@dataclass(frozen=True)
class Picture:
    """The image of a layer.

    pixels: (H, W) or (H, W, 3). file: the file with these pixels; None if the layer does not come
    from a file, or was changed.
    """

    name: str
    pixels: NDArray[Any]
    file: Path | None = None

    @property
    def columns(self) -> int:
        return int(self.pixels.shape[1])


def picture_of(data: Any, name: str, *, rgb: bool = False, path: str | None = None) -> Picture:
    """The image of a layer, for an analysis.

    data: (H, W) numbers, or (H, W, 3 or 4) if rgb is true; opacity is not used. name: of the layer.
    path: of the file from which the layer was opened. Raises Unusable for a stack and for a layer
    without pixels.
    """
    dimensions = data.ndim - int(rgb)
    if dimensions != 2:
        raise Unusable(
            f"The layer “{name}” has {dimensions} dimensions: DeepSegm analyses single images."
            " Make a layer of one plane of it."
        )
    pixels = np.asarray(data)
    if 0 in pixels.shape:
        raise Unusable(f"The layer “{name}” is empty.")
    pixels = pixels[..., :3] if rgb else pixels
    file = Path(path) if path else None
    return Picture(name, pixels, file if file and _has_pixels(file, pixels) else None)


def _has_pixels(file: Path, pixels: NDArray[Any]) -> bool:
    """Whether a file can be read and holds exactly these pixels."""
    try:
        content = decode(file.read_bytes(), file.suffix)
    except OSError:
        return False
    return content is not None and np.array_equal(content, pixels)


def has_library() -> bool:
    """Whether the library `deepsegm` is installed on this machine."""
    return find_spec("deepsegm") is not None


def analyse_by_library(
    picture: Picture, kind: str, size: TypedScale, progress: Progress
) -> Outcome:
    """Analyse a picture by the library on this machine; raises Unusable."""
    import deepsegm

    try:
        calibration = size.calibration(picture.columns)
        image = picture.file or deepsegm.read(
            picture.pixels, name=picture.name, nm_per_pixel=calibration
        )
        result = deepsegm.analyse(image, calibration, kind, progress=progress)
    except deepsegm.UserError as error:
        raise Unusable(str(error)) from None
    return Outcome(
        name=picture.name,
        labels=result.labels,
        table=result.table,
        sentence=result.sentence,
        warnings=result.warnings,
        nm_per_pixel=result.analysis.calibration.nm_per_pixel,
    )


def open_site(url: str, token: str) -> Client:
    """The client of a site; raises Unusable for an invalid address.

    token: from the account page, or the secret of earlier results; without one a secret is made."""
    try:
        return Client(url.strip(), token=token.strip() or None, retries=2)
    except ValueError as error:
        raise Unusable(str(error)) from None


def analyse_by_site(
    client: Client, picture: Picture, kind: str, size: TypedScale, progress: Progress
) -> Outcome:
    """Analyse a picture at a site; raises DeepSegmError with one sentence."""
    width, file = size.width(picture.columns), picture.file
    image = file or _as_tiff_pixels(picture.pixels)
    name = file.name if file else f"{picture.name}.tif"
    return outcome_of(
        client.analyse(image, width, name=name, task=kind, progress=progress), client.url
    )


def _as_tiff_pixels(pixels: NDArray[Any]) -> NDArray[Any]:
    """The pixels as uint8, uint16 or float32, which a TIFF of a micrograph can hold."""
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * 255
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels
    return pixels.astype(np.float32)


def open_result(client: Client, address: str, progress: Progress) -> Outcome:
    """A result of the site. address: its id, or the address of its page. Raises DeepSegmError, and
    Unusable for an empty address."""
    id = address.strip().partition("?")[0].rstrip("/").rpartition("/")[2]
    if not id:
        raise Unusable("Type the id of a result: the end of the address of its page.")
    return outcome_of(client.job(id).wait(progress=progress), client.url)


def outcome_of(result: Result[Any], site: str) -> Outcome:
    """The Outcome of a result of a site, from its files, which include corrections.

    site: address of the site."""
    outcome = outcome_of_files(lambda name: result.read(name) if name in result.files else None)
    return outcome.with_source(site, result.id)


def send_outlines(client: Client, job: str, labels: Any, progress: Progress) -> tuple[Outcome, str]:
    """Measure corrected outlines as a new version of a result of the site; returns the
    version and the address of its page.

    job: id of the result. labels: (H, W) whole numbers. Raises DeepSegmError.
    """
    result = client.job(job).wait()
    outlines = np.asarray(labels, np.int32)
    version = result.send_outlines(outlines, name="napari.tif", progress=progress)
    return outcome_of(version, client.url), version.page
