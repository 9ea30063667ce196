"""Tests with files that fuzzing found: in each case a reader let an error of a library through; now it refuses the file
with a sentence."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from struct import pack, unpack_from

import pytest

from segmentation.core.labels.corrections.stored_outlines import open_outlines
from segmentation.core.labels.segmentation import Provenance, UnusableSegmentation
from tests.hostile import raw_tiff
from tests.web.archive import zipped
from tools.fuzz.targets import TARGETS, coco

pytestmark = pytest.mark.django_db


def refused(name: str, content: bytes, folder: Path) -> str:
    target = TARGETS[name]()
    with pytest.raises(target.refusals) as caught:
        target.run(content, folder)
    return str(caught.value)


def garbled(content: bytes, method: int) -> bytes:
    """The first member packed by this method, with the bytes in its middle replaced."""
    from tests.web.archive import zipped as packed

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        whole = bytearray(packed([(member, archive.read(member)) for member in archive.namelist()], method))
    name, extra = unpack_from("<HH", whole, 26)
    start, size = 30 + name + extra, unpack_from("<I", whole, 18)[0]
    whole[start + size // 4 : start + size // 2] = b"\xff" * (size // 2 - size // 4)
    return bytes(whole)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["rois", "datasets", "backups", "logs"])
def test_members_that_cannot_be_unpacked(name, method, tmp_path):
    seed = max(TARGETS[name]().seeds(), key=lambda content: content.startswith(b"PK"))
    assert refused(name, garbled(seed, method), tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_outlines_that_cannot_be_unpacked(method):
    content = garbled(TARGETS["segmentations"]().seeds()[0], method)
    with pytest.raises(UnusableSegmentation):
        open_outlines(lambda: io.BytesIO(content), Provenance("", ""))


def test_an_entry_of_an_archive_that_cannot_be_unpacked_is_noted(tmp_path):
    TARGETS["archives"]().run(garbled(TARGETS["archives"]().seeds()[0], zipfile.ZIP_LZMA), tmp_path)


def test_an_entry_without_a_name(tmp_path):
    """Names end at their first NUL."""
    TARGETS["archives"]().run(zipped({"qq": b"x", "a.png": b"x"}).replace(b"qq", b"\0q"), tmp_path)


def test_an_archive_whose_directory_breaks_off(tmp_path):
    """zipfile raises IndexError for an extra field of a ZIP64 entry that is too short."""
    whole = bytearray(TARGETS["archives"]().seeds()[1])
    entry = whole.index(b"PK\x01\x02")
    name = unpack_from("<H", whole, entry + 28)[0]
    whole[entry + 24 : entry + 28] = b"\xff" * 4
    whole[entry + 30 : entry + 32] = pack("<H", 4)
    whole[entry + 46 + name : entry + 46 + name] = pack("<HH", 1, 0)
    end = whole.rindex(b"PK\x05\x06")
    whole[end + 12 : end + 16] = pack("<I", unpack_from("<I", whole, end + 12)[0] + 4)
    for name in ("archives", "datasets", "backups", "rois"):
        assert refused(name, bytes(whole), tmp_path)


def test_a_label_image_that_declares_more_than_memory_has(tmp_path):
    huge = raw_tiff({256: (4, 1, 100_000), 257: (4, 1, 100_000), 278: (4, 1, 100_000)})
    assert "limit" in refused("labels", huge, tmp_path)


def test_a_coco_file_of_an_infinite_size(tmp_path):
    document = json.loads(coco()[0])
    document["images"][0]["width"] = float("inf")
    assert refused("coco", json.dumps(document).encode(), tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"members": []}, {"members": {"secret-key": None}}, {"migrations": 1}, {"migrations": [["a"]]}, {"format": []}],
)
def test_a_backup_with_another_manifest(change, tmp_path):
    with zipfile.ZipFile(io.BytesIO(TARGETS["backups"]().seeds()[0])) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), **change}).encode()
    assert refused("backups", zipped(files), tmp_path) != "It is whole."


def test_the_seeds_are_read(tmp_path, settings):
    """Each target begins with files that its reader takes, or refuses with a sentence."""
    settings.MIGRATION_MODULES = {}  # the real ones, which a backup names
    for name, made in TARGETS.items():
        target, taken = made(), 0
        for seed in target.seeds():
            try:
                target.run(seed, tmp_path)
                taken += 1
            except target.refusals as refusal:
                taken += str(refusal) == "It is whole."
        assert taken, name
