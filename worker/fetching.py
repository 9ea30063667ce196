"""Reads files from the storage, which may be remote, for the work of this worker: as local files, or
as images with their pixels."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from django.core.files.storage import default_storage

from segmentation.core.micrograph import types
from segmentation.core.micrograph.calibration import square
from segmentation.core.micrograph.scale_bar.readings import with_stored_reading
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.names import file_name
from segmentation.models import Micrograph
from segmentation.services.results import publishing

from .reading import answers, decoding
from .scratch import kept_file_path

NOT_SQUARE = (
    "The pixels of this image are not square, and an earlier version of DeepSegm left them so: upload it again."
)
GONE = "The stored file of this image is gone: upload it again."


def fetch(name: str, folder: Path) -> Path:
    """The local path of a file in the storage: of the file itself, or of a copy in `folder`. Raises
    UnreadableImage if the file is missing, OSError if the whole storage is."""
    try:
        with suppress(NotImplementedError):
            local = Path(default_storage.path(name))
            local.stat()
            return local
        copy = folder / PurePosixPath(name).name
        with default_storage.open(name, "rb") as source, copy.open("wb") as file:
            shutil.copyfileobj(source, file, 2**20)
    except (FileNotFoundError, NotADirectoryError):
        # If other recent uploads are missing, too, the storage itself is missing, such as an
        # unmounted disk.
        recent = Micrograph.objects.exclude(file__in=("", name)).order_by("-created").values_list("file", flat=True)[:3]
        if recent and not any(map(default_storage.exists, recent)):
            raise OSError(errno.EIO, "Nothing that should lie in the storage is there: is it the right one?") from None
        raise UnreadableImage(GONE) from None
    return copy


def fetch_side_files(micrograph: Micrograph, folder: Path) -> list[tuple[str, Path]]:
    """(name, local path) of each side file of an image: a file of the microscope that was sent with
    the image."""
    return [(side["name"], fetch(side["file"], folder)) for side in micrograph.side]


def store_tiles(row: Micrograph, micrograph: types.Micrograph, folder: Path) -> None:
    """Store the picture and the tiles of an image that its page shows, unless they are stored
    already. folder: for temporary files."""
    from segmentation.core.report.exports import viewer

    if row.viewer_tiles:
        return
    picture, tiles = folder / viewer.PICTURE, folder / viewer.TILES
    picture.write_bytes(viewer.image_webp(micrograph))
    viewer.write_tiles(micrograph, tiles)
    publishing.store_picture(micrograph=row, picture=picture, tiles=tiles)


def load_micrograph(
    micrograph: Micrograph, folder: Path, report_alive: Callable[[], None] = lambda: None
) -> types.Micrograph:
    """An image with its pixels, its metadata and the scale from its data bar; raises
    UnreadableImage. report_alive: as in `decoding.inspect`.

    Pixels that this machine decoded some minutes ago, at the upload, are not decoded again, only
    checked.
    """
    image = _decoded_at_upload(micrograph)
    if image is None:
        path, side = fetch(micrograph.file.name, folder), fetch_side_files(micrograph, folder)
        image = decoding.read_micrograph(path, name=micrograph.name, side=side, report_alive=report_alive)
        if image.shape != (micrograph.height, micrograph.width) and square.stored_shape(image.metadata):
            raise UnreadableImage(NOT_SQUARE)
    return with_stored_reading(image, micrograph.reading)


def _decoded_at_upload(micrograph: Micrograph) -> types.Micrograph | None:
    """An image from the file of pixels that the inspection of its upload kept (`scratch.keep_file`);
    None without such a file."""
    try:
        pixels = answers.read_array(
            kept_file_path(str(micrograph.pk)), answers.PIXELS, (micrograph.height, micrograph.width)
        )
    except ValueError:
        return None
    name, sha256, calibration = file_name(micrograph.name), micrograph.sha256, micrograph.scale.file
    metadata = {**micrograph.metadata, "kind": micrograph.kind}
    return types.Micrograph(pixels, name, sha256, calibration, metadata, tuple(micrograph.notes))
