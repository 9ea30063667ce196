"""Reads results in folders and archives, and the image that belongs to a result."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from .layers import (
    RESULT,
    LayerData,
    Outcome,
    Unusable,
    details_of,
    image_layer,
    labels_layers,
    outcome_of_files,
)

ARCHIVES = (".zip", ".eln")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
UPLOADED = "micrograph"  # the name, before its suffix, of the image in notebook.eln
Folder = Path | zipfile.Path  # a folder on the disk or in an archive


def has_result(path: Path) -> bool:
    """Whether a folder, an archive or a file seems to contain results of DeepSegm."""
    if path.is_dir():
        return any(True for _ in _result_folders(path))
    if path.suffix.lower() in ARCHIVES:
        try:
            return any(True for _ in _result_folders(path))
        except (OSError, zipfile.BadZipFile):
            return False
    return path.name == RESULT and path.is_file()


def results_in(path: Path) -> list[Folder]:
    """The folders of the results at a path: a folder, an archive, or a result.json.

    The result of a sample is left out if results of its images are there. Raises Unusable if there
    is none.
    """
    try:
        if path.is_file() and path.suffix.lower() not in ARCHIVES:
            folders: list[Folder] = [path.parent]
        else:
            folders = [*_result_folders(path)]
    except (OSError, zipfile.BadZipFile):
        raise Unusable(f"{path.name} cannot be opened: it is damaged, or not there.") from None
    if not folders:
        raise Unusable(f"{path.name} holds no {RESULT} of DeepSegm.")
    # A sample has a result.json beside those of its images.
    image_folders = [folder for folder in folders if _is_of_one_image(folder)]
    return image_folders or folders[:1]


def _result_folders(path: Path) -> Iterator[Folder]:
    """The folders with a result.json: a folder itself and the folders in it, or all of an
    archive."""
    if not path.is_dir():
        archive = zipfile.ZipFile(path)
        names = [name for name in archive.namelist() if name.rpartition("/")[2] == RESULT]
        yield from (zipfile.Path(archive, name.removesuffix(RESULT)) for name in names)
        return
    if (path / RESULT).is_file():
        yield path
    yield from (file.parent for file in sorted(path.glob(f"*/{RESULT}")))


def _is_of_one_image(folder: Folder) -> bool:
    """Whether the result.json in a folder is that of an image, not of a sample."""
    try:
        details_of(_content(folder, RESULT))
    except Unusable:
        return False
    return True


def _content(folder: Folder, name: str) -> bytes | None:
    """The content of a file in a folder; None if there is no such file. Raises Unusable."""
    file = folder / name
    try:
        return file.read_bytes() if file.is_file() else None
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError):  # the last one: a password
        raise Unusable(f"{name} cannot be read: it is damaged or locked.") from None


def layers_of(path: Path) -> tuple[list[LayerData], list[str]]:
    """The layers of all results at a path, and sentences for the user.

    For each result these are its main numbers, its warnings, and why its image is not shown. Raises
    Unusable."""
    layers: list[LayerData] = []
    sentences: list[str] = []
    for folder in results_in(path):
        outcome = outcome_of_files(lambda name, folder=folder: _content(folder, name))  # type: ignore[misc]
        sentences += [outcome.sentence, *outcome.warnings]
        outer_folder = (path.parent if path.is_file() else Path(str(folder))).resolve()
        try:
            layers.append(image_layer(outcome, image_of(outcome, folder, outer_folder)))
        except Unusable as reason:
            sentences.append(str(reason))
        layers += labels_layers(outcome)
    return layers, sentences


def image_of(outcome: Outcome, folder: Folder, outer_folder: Path) -> NDArray[Any]:
    """The pixels (H, W) or (H, W, 3) of the image of a result.

    The file is searched in the folder of the result, in `outer_folder` and in the two folders above
    it. A file with this name but another SHA-256, rows or columns is another image. Raises Unusable
    if the image is not found.
    """
    name = Path(outcome.name.replace("\\", "/")).name
    uploaded = [file for file in folder.iterdir() if Path(file.name).stem == UPLOADED]
    directories = (outer_folder, outer_folder.parent, outer_folder.parent.parent)
    files = [folder / name, *uploaded, *(directory / name for directory in directories)]
    found_another_image = False
    for file in files:
        if not name or not file.is_file():
            continue
        content = file.read_bytes()
        if outcome.sha256 and hashlib.sha256(content).hexdigest() != outcome.sha256:
            found_another_image = True
            continue
        return _pixels(content, file, outcome.labels.shape)
    if found_another_image:
        raise Unusable(f"The image is not shown: the {name} here is another one.")
    raise Unusable(f"The image is not shown: put {name} beside the result.")


def _pixels(content: bytes, file: Folder, shape: tuple[int, ...]) -> NDArray[Any]:
    """The image in a file, which must have the shape of the labels; raises Unusable."""
    pixels = decode(content, Path(file.name).suffix)
    if pixels is not None and pixels.shape[:2] == shape:
        return pixels
    if isinstance(file, Path) and find_spec("deepsegm"):
        import deepsegm

        try:
            pixels = deepsegm.read(file).pixels
        except deepsegm.UserError as error:
            raise Unusable(f"The image is not shown: {error}") from None
        if pixels.shape[:2] == shape:
            return pixels
    if pixels is None:
        raise Unusable(f"{file.name} is not shown: only the deepsegm library may read it.")
    raise Unusable(f"{file.name} is not shown: it has other rows and columns than the outlines.")


def decode(content: bytes, suffix: str) -> NDArray[Any] | None:
    """The pixels of a TIFF or of one of PICTURES, without opacity; None for other and damaged
    files."""
    suffix = suffix.lower()
    try:
        if suffix in (".tif", ".tiff"):
            pixels: NDArray[Any] = tifffile.imread(io.BytesIO(content))
        elif suffix in PICTURES:
            import imageio.v3

            pixels = np.asarray(imageio.v3.imread(content, extension=suffix))
        else:
            return None
    except Exception:  # both libraries raise errors of many kinds for damaged files
        return None
    if pixels.ndim == 3 and pixels.shape[-1] in (3, 4):
        return pixels[..., :3]
    return pixels if pixels.ndim == 2 else None
