"""The targets of fuzzing: for each reader of files its first test files (seeds), and the errors that it may raise."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

from segmentation.core.micrograph import formats
from segmentation.core.micrograph.formats.base import Format
from tests.web.archive import zipped

Run = Callable[[bytes, Path], object]
MOST_PIXELS = 2_000_000
SMALL = 60_000  # bytes: larger files only make a step slower


@dataclass(frozen=True)
class Target:
    """A reader to test.

    seeds: returns the contents of the first files. run: reads the content of a file; may write in a folder.
    refusals: the exceptions that it may raise. steps: number of files in CI.
    """

    seeds: Callable[[], list[bytes]]
    run: Run
    refusals: tuple[type[Exception], ...]
    steps: int


def micrographs(files: Callable[[], list[bytes]] | None = None, page: int = 0) -> Target:
    """The reader of micrographs. files: seeds; by default files of every vendor, without HDF5. page: the page of a
    stack that is read and then written as a file; 0: no stack."""
    from segmentation.core.micrograph import inspect
    from segmentation.core.micrograph.contrast import preview
    from segmentation.core.micrograph.pages import write_page
    from segmentation.core.micrograph.reader import read
    from segmentation.core.micrograph.types import UnreadableImage
    from tests.core.micrograph import instrument_files as made
    from tests.core.micrograph.vendors import test_headers as vendors
    from tests.hostile import HOSTILE, image, tiff

    def run(content: bytes, folder: Path) -> None:
        path = folder / "image"
        path.write_bytes(content)
        micrograph = read(path, max_pixels=MOST_PIXELS, page=page)
        if page:
            write_page(micrograph, path)
            micrograph = read(path, max_pixels=MOST_PIXELS)
        preview(micrograph)
        json.dumps(inspect._report(micrograph, inspect.first_bar_row(micrograph)), allow_nan=False)

    def seeds() -> list[bytes]:
        noted = [tiff(image(), extratags=[(code, 2, len(text) + 1, text + b"\0", True)]) for code, text in headers()]
        small = image(24, 32)
        instruments = [
            made.dm(small), made.dm(small.astype(np.float32), 4, ">"), made.ser(small), made.ser(small, version=0x220),
            made.mrc(small.astype(np.int16)), made.mrc(small.astype(np.float32), order=">"),
            made.with_extended(made.mrc(small.astype(np.int16)), b"FEI1", made.thermo_header(1e-9)),
            made.sis_tiff(-6, 1.0), made.noted_tiff(image(), side_files()[0]),
            tiff(image(), description="ImageJ=1.53\nunit=nm\nimages=1\n", resolution=(2, 2)),
        ]  # fmt: skip
        cameras = [
            tiff(image(), extratags=vendors.GATAN), tiff(image(), description=vendors.JEOL_TEM),
            vendors.pointing(vendors.tvips(0.5)),
        ]  # fmt: skip
        return [*(case.build() for case in HOSTILE), *noted, *instruments, *cameras]

    return Target(files or seeds, run, (UnreadableImage,), 5_000)


def of_examples(entry: Format) -> Callable[[], Target]:
    """The target of a format that brings its own examples, as those of plug-ins do."""
    return lambda: micrographs(lambda: [*entry.examples()])


def stacks() -> list[bytes]:
    """A stack for every reader, and a page that was taken out of a stack."""
    from segmentation.core.micrograph.vendors.page import BEGINNING
    from tests.core.micrograph.test_pages import STACKS
    from tests.hostile import image, tiff

    scale = {"nm_per_pixel": 0.5, "source": "metadata", "detail": "MRC", "relative_uncertainty": 0.01}
    facts = {"calibration": scale, "metadata": {"page": 2, "pages": 3, "image_rows": 20.0}, "notes": ["A note."]}
    taken = tiff(image(24, 32), description=f"{BEGINNING}, {json.dumps(facts)[1:]}")
    return [taken, *(build() for build, _ in STACKS.values())]


def emd_files() -> list[bytes]:
    """EMD files of both vendors, with and without compression, with one frame and several."""
    from tests.core.micrograph import instrument_files as made
    from tests.hostile import image

    small = image(24, 32)
    stack = np.stack([small, small, small], axis=2)
    return [
        made.velox(stack.astype(np.int16)), made.velox(stack, chunks=(24, 32, 1), compression="gzip", shuffle=True),
        made.velox(stack[..., :1], stack[..., :1], detectors=("BF", "HAADF")), made.berkeley(small),
        made.berkeley(np.moveaxis(stack, 2, 0).astype(np.float32), coordinates=2),
    ]  # fmt: skip


def headers() -> list[tuple[int, bytes]]:
    from tests.core.micrograph.vendors import test_headers as vendors

    zeiss = vendors.zeiss(AP_IMAGE_PIXEL_SIZE="Image Pixel Size = 12.33 nm", **vendors.FULL)
    fei = b"[Beam]\r\nHV=5000\r\n[Scan]\r\nPixelWidth=1e-09\r\nPixelHeight=1e-09\r\n[Image]\r\nResolutionX=64\r\n"
    fibics = b"<?xml version='1.0'?><Fibics><Scan><Ux>0.01</Ux><FOV_X units='um'>5</FOV_X></Scan></Fibics>"
    tescan = b"[MAIN]\r\nPixelSizeX=1e-9\r\n[SEM]\r\nHV=20000\r\n"
    codes = (vendors.ZEISS, vendors.FEI, vendors.FEI_XML, vendors.TESCAN, vendors.FIBICS)
    return list(zip(codes, (zeiss, fei, vendors.XML, tescan, fibics), strict=True))


def side_files() -> list[bytes]:
    from tests.core.micrograph.instrument_files import emi
    from tests.core.micrograph.vendors import test_side_files as vendors

    texts = (vendors.JEOL, vendors.HITACHI, vendors.TESCAN)
    return [*(text.encode() for text in texts), *(text.encode("utf-16") for text in texts), emi()]


def sides() -> Target:
    from segmentation.core.micrograph.reader import read
    from tests.hostile import image, tiff

    def run(content: bytes, folder: Path) -> None:
        (folder / "image").write_bytes(tiff(image()))
        (folder / "side").write_bytes(content)
        json.dumps(read(folder / "image", side=[("side", folder / "side")]).metadata, allow_nan=False)

    return Target(side_files, run, (), 3_000)  # they reach 99 % of the code that 12,000 files reach


def outlines(seeds: Callable[[], list[bytes]], steps: int) -> Target:
    from segmentation.core.imported.kinds import HEAD_BYTES, suffix_and_kind
    from segmentation.core.imported.reading import OUTLINES_JSON, read_outlines, read_truth
    from segmentation.core.imported.shapes import Frame
    from segmentation.core.masks import label_images
    from segmentation.core.micrograph.types import UnreadableImage
    from segmentation.core.tasks import find

    frame, particles, phases, names = Frame(48, 64, 40), find("particles"), find("phases"), ("one", "two")

    def run(content: bytes, folder: Path) -> None:
        path = folder / f"outlines{suffix_and_kind(content[:HEAD_BYTES])[0]}"
        path.write_bytes(content)
        task, truth = (particles, phases)[zlib.crc32(content) % 2], zlib.crc32(content) & 2
        with mock.patch.object(label_images, "MAX_PIXELS", MOST_PIXELS):
            if truth:
                read_truth(path, frame, task, names, "a.png")
            else:
                record = read_outlines(path, frame, task, names, image="a.png", nm_per_pixel=1.0)
                json.dumps(OUTLINES_JSON.dump_python(record, mode="json"), allow_nan=False)

    return Target(seeds, run, (UnreadableImage,), steps)


def label_files() -> list[bytes]:
    import tifffile

    from tests.core.builders import disc_labels

    labels, files = disc_labels(4, (48, 64)), []
    for kind in (np.uint8, np.uint16, np.int32, np.float32):
        file = io.BytesIO()
        tifffile.imwrite(file, labels.astype(kind), compression="zlib" if kind == np.int32 else None)
        files.append(file.getvalue())
    for suffix, pixels in (("PNG", labels.astype(np.uint8)), ("BMP", labels.astype(np.uint8) * 255)):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, suffix)
        files.append(file.getvalue())
    file = io.BytesIO()
    np.save(file, labels)
    return [*files, file.getvalue()]


def rois() -> list[bytes]:
    from roifile import ROI_TYPE, ImagejRoi

    corners = [(10, 20), (30, 20), (30, 40), (10, 40)]
    made = [ImagejRoi.frompoints(points, name="one") for points in (corners, np.array(corners) + 0.5)]
    for kind in (ROI_TYPE.RECT, ROI_TYPE.OVAL, ROI_TYPE.TRACED, ROI_TYPE.FREEHAND):
        made.append(ImagejRoi.frompoints(corners, name="one"))
        made[-1].roitype = kind
    files = [roi.tobytes() for roi in made]
    return [*files, zipped({f"{number:04} why.roi": content for number, content in enumerate(files)})]


def coco() -> list[bytes]:
    ring, counts = [10, 20, 30, 20, 30, 40, 10, 40], [100, 50, 48 * 64 - 150]
    shapes = [[ring], {"size": [48, 64], "counts": counts}, {"size": [48, 64], "counts": "d35g2"}]
    return [
        json.dumps({
            "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
            "categories": [{"id": 1, "name": "one"}],
            "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "segmentation": shape, "reason": "frame"}],
        }).encode()
        for shape in shapes
    ]  # fmt: skip


def archives() -> Target:
    from segmentation.core.micrograph.types import UnreadableImage
    from segmentation.core.micrograph.unpacking import UnpackingLimits, unpack
    from tests.web.archive import picture

    def run(content: bytes, folder: Path) -> None:
        path = folder / "archive.zip"
        path.write_bytes(content)
        for images in (500, 0):
            unpack(path, folder, UnpackingLimits(200, 4000, images))

    def seeds() -> list[bytes]:
        files = {
            "a/1.png": picture(),
            "a/1.txt": side_files()[0],
            "2.png": picture(1),
            ".DS_Store": b"x",
            "notes.doc": b"x",
        }
        return [zipped(files), zipped({"a.png": picture()}), zipped({"b.zip": zipped(files)})]

    return Target(seeds, run, (UnreadableImage,), 4_000)


def datasets() -> Target:
    from segmentation.core.errors import UserError
    from segmentation.core.micrograph.types import UnreadableImage
    from segmentation.core.micrograph.unpacking import UnpackingLimits, unpack
    from segmentation.models import Dataset
    from segmentation.services.ground.refusal import Refused
    from tests.web.archive import picture
    from worker.learning.dataset_archives import _adopt_classes, _contents

    def run(content: bytes, folder: Path) -> None:
        path = folder / "dataset.zip"
        path.write_bytes(content)
        files = unpack(path, folder, UnpackingLimits(200, 4000)).files
        contents = _contents({name: folder / unpacked for [(name, unpacked)] in files}, [])
        with mock.patch.object(Dataset, "change", lambda self, **fields: None):
            _adopt_classes(Dataset(task=("particles", "phases")[zlib.crc32(content) % 2], name="a"), contents)

    def seeds() -> list[bytes]:
        tables = {
            "groups.csv": b"image,group\na.png,one\n",
            "regions.csv": b"image,top,left,bottom,right\na.png,0,0,10,10\n",
            "dataset.toml": b'[dataset]\ntask = "phases"\nclass_names = ["a", "b"]\n\n'
            b'[[images]]\nname = "a.png"\nnm_per_pixel = 1.5\n',
        }
        pair = {"images/a.png": picture(), "labels/a.png": picture()}
        return [zipped(pair | tables), zipped(pair), *(zipped(pair | {name: text}) for name, text in tables.items())]

    return Target(seeds, run, (Refused, UserError, UnreadableImage), 4_000)


def backups() -> Target:
    from segmentation.services.ground.refusal import Refused
    from worker import backup

    original = backup._tables

    def tables(manifest: dict[str, object]) -> None:
        original(manifest)
        raise Refused("It is whole.", 422)  # nothing is restored

    def run(content: bytes, folder: Path) -> None:
        path = folder / "backup.zip"
        path.write_bytes(content)
        with mock.patch.multiple(backup, _tables=tables, _check_empty=lambda archive: None):
            backup.restore_backup(path, say=str)

    def seeds() -> list[bytes]:
        rows = b'["id"]\n[1]\n'
        tables = ("user", "group", "permission", "group_permissions", "user_groups", "user_user_permissions")
        names = [*(f"auth.{table}" for table in tables), "contenttypes.contenttype"]
        members = {backup.KEY: b"k" * 50, "files/a/b.png": b"x", "models/m.toml": b"x"}
        members |= {f"rows/{name}.jsonl": rows for name in names}
        applied = [["auth", "0001_initial"]]
        manifest = {"format": backup.FORMAT, "version": "1.0.0", "migrations": applied, "members": list(members)}
        return [zipped(members | {backup.MANIFEST: json.dumps(manifest).encode()})]

    return Target(seeds, run, (Refused,), 1_500)


def cards() -> Target:
    from segmentation.core import tasks  # its checks of a card, too
    from segmentation.core.network.cards import read_card

    folder_of_cards = Path(tasks.__file__).parents[2] / "cards"

    def run(content: bytes, folder: Path) -> None:
        path = folder / "particles.toml"
        path.write_bytes(content)
        json.dumps(read_card(path).entries(), default=str)

    return Target(
        lambda: [file.read_bytes() for file in sorted(folder_of_cards.glob("*.toml"))], run, (ValueError,), 3_000
    )


def segmentations() -> Target:
    from segmentation.core.labels.corrections.stored_outlines import open_outlines
    from segmentation.core.labels.segmentation import Segmentation, UnusableSegmentation
    from tests.core.builders import disc_labels, segmentation_of

    made = io.BytesIO()
    segmentation_of(disc_labels(4, (48, 64))).save(made)
    provenance = Segmentation.load(io.BytesIO(made.getvalue())).provenance

    def run(content: bytes, folder: Path) -> None:
        if zlib.crc32(content) % 2:
            Segmentation.load(io.BytesIO(content), provenance)
        else:
            open_outlines(lambda: io.BytesIO(content), provenance)

    return Target(lambda: [made.getvalue()], run, (UnusableSegmentation,), 6_000)


def logs() -> Target:
    from segmentation.core.report.exports.bundle import CHECKSUMS
    from segmentation.services.results.corrections.logs import BEFORE, LOG, NotRepeated, differences_when_repeated
    from segmentation.services.results.publishing import SEGMENTATION_FILE

    def run(content: bytes, folder: Path) -> None:
        path = folder / "bundle.zip"
        path.write_bytes(content)
        differences_when_repeated(path)

    def seeds() -> list[bytes]:
        stored = segmentations().seeds()[0]
        operation = {"operation": "set aside", "ids": [1], "reason": "drift"}
        row = {
            "job": "6a2f41a3-c54c-fce8-32d2-0324e1c32e22", "sequence": 1, "author": "alice", "visitor": None,
            "time": "2026-11-23T10:00:00+00:00", "operation": operation, "patch": None, "before": "a" * 64,
            "undoes": None, "previous": "", "hash": "b" * 64,
        }  # fmt: skip
        files = {BEFORE: stored, SEGMENTATION_FILE: stored, LOG: json.dumps([row]).encode()}
        sums = "".join(f"{sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
        return [zipped(files), zipped(files | {CHECKSUMS: sums.encode()})]

    return Target(seeds, run, (NotRepeated,), 2_000)


TARGETS: dict[str, Callable[[], Target]] = {
    "micrographs": micrographs,
    "emd": lambda: micrographs(emd_files),
    "pages": lambda: micrographs(stacks, page=2),
    "sides": sides,
    "labels": lambda: outlines(label_files, 1_000),
    "rois": lambda: outlines(rois, 6_000),
    "coco": lambda: outlines(coco, 6_000),
    "archives": archives,
    "datasets": datasets,
    "backups": backups,
    "cards": cards,
    "segmentations": segmentations,
    "logs": logs,
    # Formats that bring no examples are in `micrographs`.
    **{entry.name.lower(): of_examples(entry) for entry in formats.every() if [*entry.examples()]},
}
