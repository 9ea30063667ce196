"""Files as instruments write them, built from their published layouts: Gatan, TIA, MRC, SIS, JEOL, EMD."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Micrograph
from tests.hostile import raw_tiff, tiff

_DM_TYPES = {"<i2": 2, "<i4": 3, "<u2": 4, "<u4": 5, "<f4": 6, "<f8": 7, "|u1": 10, "|i1": 9}
_DM_PIXELS = {"<i2": 1, "<f4": 2, "|u1": 6, "<i4": 7, "|i1": 9, "<u2": 10, "<u4": 11, "<f8": 12, "<c8": 3}


def written(folder: Path, content: bytes, file: str = "image", **options: Any) -> Micrograph:
    """A file of this content in the folder, read; options as of `read`."""
    (folder / file).write_bytes(content)
    return read(folder / file, **options)


class Dm:
    """A writer of DM3 (version 3) or DM4 (version 4) files; `order` is that of the values, headers are big-endian."""

    def __init__(self, version: int = 3, order: str = "<") -> None:
        self.version, self.order = version, order
        self.long = ">Q" if version == 4 else ">I"

    def number(self, value: int) -> bytes:
        return struct.pack(self.long, value)

    def value(self, value: Any) -> bytes:
        if isinstance(value, str):
            info, raw = [20, 4, len(value)], value.encode("utf-16-le" if self.order == "<" else "utf-16-be")
        elif isinstance(value, np.ndarray):
            kind = value.dtype.newbyteorder("<").str
            code = [15, 0, 2, 0, 6, 0, 6] if kind == "<c8" else [_DM_TYPES[kind]]
            info = [20, *code, value.size]
            raw = value.astype(value.dtype.newbyteorder(self.order)).tobytes()
        elif isinstance(value, tuple):
            info, raw = [15, 0, 2, 0, 6, 0, 6], struct.pack(self.order + "ff", *value)
        elif isinstance(value, float):
            info, raw = [6], struct.pack(self.order + "f", value)
        else:
            info, raw = [5], struct.pack(self.order + "I", value)
        return b"%%%%" + self.number(len(info)) + b"".join(map(self.number, info)) + raw

    def entry(self, name: str, value: Any) -> bytes:
        body = self.group(value) if isinstance(value, (dict, list)) else self.value(value)
        size = self.number(len(body)) if self.version == 4 else b""
        kind = 20 if isinstance(value, (dict, list)) else 21
        return struct.pack(">BH", kind, len(name)) + name.encode() + size + body

    def group(self, tags: dict[str, Any] | list[Any]) -> bytes:
        pairs = list(tags.items()) if isinstance(tags, dict) else [("", value) for value in tags]
        return b"\1\0" + self.number(len(pairs)) + b"".join(self.entry(*pair) for pair in pairs)

    def file(self, tags: dict[str, Any]) -> bytes:
        body = self.group(tags)
        head = struct.pack(">I", self.version) + self.number(len(body)) + struct.pack(">I", self.order == "<")
        return head + body + b"\0" * 8


def dm_tags(pixels: np.ndarray, scale: float = 0.5, unit: str = "nm", down: float | None = None) -> dict[str, Any]:
    """The tags of a DM file with a thumbnail in colour, then `pixels` (H, W) or (planes, H, W)."""
    kind = pixels.dtype.newbyteorder("<").str
    axes = [{"Origin": 0.0, "Scale": step, "Units": unit} for step in (scale, scale if down is None else down)]
    thumbnail = {
        "ImageData": {
            "Calibrations": {"Dimension": axes},
            "Data": np.zeros(64, np.uint32),
            "DataType": 23,
            "Dimensions": [8, 8],
            "PixelDepth": 4,
        }
    }
    image = {
        "ImageData": {
            "Calibrations": {"Dimension": axes},
            "Data": pixels.ravel(),
            "DataType": _DM_PIXELS[kind],
            "Dimensions": list(pixels.shape[::-1]),
            "PixelDepth": pixels.dtype.itemsize,
        },
        "ImageTags": {
            "Microscope Info": {"Voltage": 200000.0, "Indicated Magnification": 50000.0, "Microscope": "JEM-2100"},
            "DataBar": {"Acquisition Date": "20/11/2026", "Acquisition Time": "09:30:00", "Device Name": "Orius"},
        },
    }
    return {"ApplicationBounds": (1.0, 2.0), "ImageList": [thumbnail, image], "InImageMode": 1}


def dm(pixels: np.ndarray, version: int = 3, order: str = "<", **options: Any) -> bytes:
    return Dm(version, order).file(dm_tags(pixels, **options))


_SER_TYPES = {"|u1": 1, "<u2": 2, "<u4": 3, "|i1": 4, "<i2": 5, "<i4": 6, "<f4": 7, "<f8": 8}


def ser(
    pixels: np.ndarray,
    metres: tuple[float, float] = (2e-9, 2e-9),
    version: int = 0x210,
    seconds: int = 1_600_000_000,
    images: int = 1,
    kind: int = 0x4122,
) -> bytes:
    """A SER file of `images` times `pixels` (H, W), stored from the bottom row up."""
    long = "<Q" if version >= 0x220 else "<I"
    rows, columns = pixels.shape
    across, down = metres
    element = struct.pack("<ddiddi", 0.0, across, 0, 0.0, down, 0)
    element += struct.pack("<hii", _SER_TYPES[pixels.dtype.str], columns, rows) + pixels[::-1].tobytes()
    head = struct.pack("<HHHIIII", 0x4949, 0x0197, version, kind, 0x4152, images, images)
    step = struct.calcsize(long)
    where = len(head) + step + 4
    first = where + 2 * images * step
    tags = first + images * len(element)
    offsets = [first + i * len(element) for i in range(images)] + [tags + 8 * i for i in range(images)]
    table = b"".join(struct.pack(long, offset) for offset in offsets)
    head += struct.pack(long, where) + struct.pack("<I", 0)
    return head + table + element * images + struct.pack("<HHI", 0x4152, 0, seconds) * images


EMI_XML = (
    "<ObjectInfo><Uuid>1</Uuid><AcquireDate>Fri Nov 20 09:30:00 2026</AcquireDate><ExperimentalDescription><Root>"
    "<Data><Label>Microscope</Label><Value>Titan 300 kV</Value><Unit></Unit></Data>"
    "<Data><Label>High tension</Label><Value>300</Value><Unit>kV</Unit></Data>"
    "<Data><Label>Magnification</Label><Value>225000</Value><Unit>x</Unit></Data>"
    "</Root></ExperimentalDescription></ObjectInfo>"
)


def emi(xml: str = EMI_XML) -> bytes:
    return b"JK\0\2" + b"\7" * 300 + xml.encode() + b"\0" * 300


def mrc(pixels: np.ndarray, angstroms: float = 25.0, down: float | None = None, order: str = "<") -> bytes:
    """An MRC2014 file with one section, `angstroms` a pixel."""
    modes = {"i1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12}
    rows, columns = pixels.shape
    head = bytearray(1024)
    struct.pack_into(order + "4i", head, 0, columns, rows, 1, modes[pixels.dtype.str[1:]])
    struct.pack_into(order + "3i", head, 28, columns, rows, 1)
    struct.pack_into(order + "3f", head, 40, columns * angstroms, rows * (down or angstroms), angstroms)
    head[208:216] = b"MAP " + (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0")
    return bytes(head) + pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()


def thermo_header(metres: float, order: str = "<") -> bytes:
    """The first record of an extended MRC header of Thermo Fisher (FEI1)."""
    raw = bytearray(768)
    struct.pack_into(order + "ii", raw, 0, 768, 0)
    raw[20:30] = b"Talos F200"
    struct.pack_into(order + "d", raw, 84, 200_000.0)
    struct.pack_into(order + "dd", raw, 156, metres, metres)
    struct.pack_into(order + "d", raw, 289, 73_000.0)
    return bytes(raw)


def with_extended(content: bytes, kind: bytes, extended: bytes, order: str = "<") -> bytes:
    """An MRC file with an extended header between header and pixels."""
    head = bytearray(content[:1024])
    struct.pack_into(order + "i", head, 92, len(extended))
    head[104:108] = kind
    return bytes(head) + extended + content[1024:]


def exif_tiff(note: bytes) -> bytes:
    """The 64 x 48 TIFF with a MakerNote in its Exif directory."""
    start = len(raw_tiff({34665: (4, 1, 0)}))
    entry = struct.pack("<HHII", 37500, 7, len(note), start + 2 + 12 + 4)
    return raw_tiff({34665: (4, 1, start)}) + struct.pack("<H", 1) + entry + struct.pack("<I", 0) + note


def noted_tiff(pixels: np.ndarray, note: bytes, **options: Any) -> bytes:
    """Pixels (H, W) as TIFF with a MakerNote in an Exif directory at its end; options as of tifffile.imwrite."""
    content = tiff(pixels, extratags=[(34664, 4, 1, 0, True)], **options)  # tifffile writes no tag 34665
    start = len(content)
    pointer = struct.pack("<HHII", 34665, 4, 1, start)
    exif = struct.pack("<HHHIII", 1, 37500, 7, len(note), start + 2 + 12 + 4, 0)
    return content.replace(struct.pack("<HHII", 34664, 4, 1, 0), pointer, 1) + exif + note


def sis_tiff(exponent: int, width: float, height: float | None = None, offset: int | None = None) -> bytes:
    """The 64 x 48 TIFF with an Olympus SIS block, which its tag points to; lengths in 10^exponent metres."""
    start = len(raw_tiff({33560: (4, 1, 0)}))
    block = struct.pack("<4s6xhhhhh6x32sH", b"SIS0", 30, 9, 20, 10, 126, b"iTEM", 1)
    block += struct.pack("<hhI", 1, 1, start + 68 if offset is None else offset)
    general = struct.pack("<10xhdd8xd2x34s32s", exponent, width, height or width, 20_000.0, b"Veleta", b"TEM image")
    return raw_tiff({33560: (4, 1, start)}) + block + general


def hdf5(fill: Callable[[Any], None]) -> bytes:
    """The bytes of an HDF5 file that `fill` fills."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        fill(file)
    return made.getvalue()


def velox_json(columns: int, rows: int, detector: str = "BM-Ceta", **result: Any) -> dict[str, Any]:
    return {
        "Instrument": {"InstrumentClass": "Titan", "InstrumentModel": "Titan 80-300"},
        "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1600000000"}},
        "Optics": {"AccelerationVoltage": "300000", "NominalMagnification": "58000.5"},
        "BinaryResult": {
            "AcquisitionUnit": "CameraImage",
            "Detector": detector,
            "ImageSize": {"width": str(columns), "height": str(rows)},
            "PixelSize": {"width": "2.5e-10", "height": "2.5e-10"},
            "PixelUnitX": "m",
            "PixelUnitY": "m",
            **result,
        },
    }


def velox(*stacks: np.ndarray, metadata: bytes | None = None, detectors: Sequence[str] = (), **stored: Any) -> bytes:
    """An EMD file as Velox writes it: images (H, W, frames), each with its metadata."""

    def fill(file: Any) -> None:
        for number, stack in enumerate(stacks):
            group = file.create_group(f"Data/Image/{number:032x}")
            group.create_dataset("Data", data=stack, **stored)
            named = detectors[number] if number < len(detectors) else "BM-Ceta"
            raw = metadata or json.dumps(velox_json(stack.shape[1], stack.shape[0], named)).encode()
            column = np.frombuffer(raw.ljust(2000, b"\0"), np.uint8)
            group.create_dataset("Metadata", data=np.repeat(column[:, None], stack.shape[2], axis=1))

    return hdf5(fill)


def berkeley(pixels: np.ndarray, unit: str = "[n_m]", step: float = 0.5, coordinates: int | None = None) -> bytes:
    """An EMD file of NCEM; coordinates: how many of each axis are written, all of them if None."""

    def fill(file: Any) -> None:
        file.attrs["version_major"] = 0
        group = file.create_group("data/micrograph")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", data=pixels)
        for axis, size in enumerate(pixels.shape, 1):
            dim = group.create_dataset(f"dim{axis}", data=7 + step * np.arange(coordinates or size))
            dim.attrs["name"], dim.attrs["units"] = "zyx"[-pixels.ndim :][axis - 1], unit

    return hdf5(fill)
