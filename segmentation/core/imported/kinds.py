"""Recognises files of outlines by their first bytes. The web process uses this, because it decodes no file."""

from __future__ import annotations

from ..micrograph.types import UnreadableImage

HEAD_BYTES = 64  # at the start of a file, enough to recognise it
IMAGES, ROI, ROIS, COCO = "label image", "ImageJ ROI", "ImageJ", "COCO"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
EMPTY = "The file of outlines is empty: export it again."
UNKNOWN = (
    "This is no file of outlines: send a label image or mask (TIFF, PNG, BMP or npy), an ImageJ ROI or ROI ZIP, or COCO"
    " JSON."
)
LOSSY = "JPEG and WebP change the values of a mask: save it as PNG or TIFF."
# First bytes -> the suffix under which the file is stored, and its kind.
SIGNATURES: dict[tuple[bytes, ...], tuple[str, str]] = {
    (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"): (".tif", IMAGES),
    (b"\x89PNG\r\n\x1a\n",): (".png", IMAGES),
    (b"BM",): (".bmp", IMAGES),
    (b"\x93NUMPY",): (".npy", IMAGES),
    (b"Iout",): (".roi", ROI),
    ZIP: (".zip", ROIS),
}


def suffix_and_kind(head: bytes) -> tuple[str, str]:
    """The suffix to store a file under, and its kind. head: the first HEAD_BYTES of the file. Raises UnreadableImage if
    the file holds no outlines."""
    if not head:
        raise UnreadableImage(EMPTY)
    for signatures, answer in SIGNATURES.items():
        if head.startswith(signatures):
            return answer
    if head.startswith(b"\xff\xd8\xff") or head[8:12] == b"WEBP":
        raise UnreadableImage(LOSSY)
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")):
        return ".json", COCO
    raise UnreadableImage(UNKNOWN)
