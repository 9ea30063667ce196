"""EMD files of Velox and of Berkeley's NCEM: read as they were written; nothing in them leads out of the file."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from segmentation.core.micrograph import vendors
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import UnreadableImage
from tests.core.micrograph.instrument_files import berkeley, hdf5, velox, velox_json, written
from tests.core.micrograph.test_instruments import same
from tests.hostile import image

REAL = Path(__file__).parents[4] / "shared" / "data" / "cases" / "velox_stack.emd"
ONE = image(40, 72, np.int16, 100)[..., np.newaxis]
BLOCKS = np.kron(np.random.default_rng(1).normal(size=(16, 24)), np.ones((4, 4)))
PACKED: list[dict[str, Any]] = [
    {},
    {"chunks": (40, 72, 1), "compression": "gzip", "shuffle": True, "fletcher32": True},
    {"chunks": (7, 72, 2)},
]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.uint32, np.float32])
def test_velox(tmp_path: Path, dtype: Any) -> None:
    pixels = image(40, 72, dtype, 100)
    micrograph = written(tmp_path, velox(pixels[..., np.newaxis]), "a.emd")
    assert same(micrograph, pixels)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(0.25)
    assert micrograph.calibration.detail == "Velox EMD, BinaryResult/PixelSize"
    facts = dict(micrograph.metadata)
    assert facts.pop("kind").startswith("EMD, ")
    assert facts == {
        "instrument": "Titan 80-300",
        "detector": "BM-Ceta",
        "voltage_kv": 300.0,
        "magnification": 58000.5,
        "date": "2020-09-13 12:26:40 UTC",
    }
    assert all("negative" in note for note in micrograph.notes)


@pytest.mark.parametrize("stored", PACKED)
def test_the_average_of_frames_that_lie_over_each_other(tmp_path: Path, stored: dict[str, Any]) -> None:
    stack = np.concatenate([ONE, ONE + 20, ONE + 10], axis=2)
    micrograph = written(tmp_path, velox(stack, **stored))
    assert np.array_equal(micrograph.pixels, stack.mean(axis=2, dtype=np.float32))
    assert micrograph.notes == ("The file is a stack of 3 frames; the average of all is used.",)
    assert micrograph.metadata["kind"] == "EMD, 16 bit signed, average of 3 frames"
    few = written(tmp_path, velox(stack, **stored), max_pixels=2 * ONE.size)
    assert np.array_equal(few.pixels, stack[..., :2].mean(axis=2, dtype=np.float32))
    assert "first 2" in few.notes[0]
    alone = written(tmp_path, velox(stack, **stored), max_pixels=ONE.size)
    assert same(alone, stack[..., 0]) and alone.notes[0].endswith("3 frames; the first is used.")


@pytest.mark.parametrize("noise", [0, 100])
@pytest.mark.parametrize("moved", [0, 1, 3])
def test_frames_that_drift_are_not_averaged(tmp_path: Path, moved: int, noise: int) -> None:
    rng = np.random.default_rng(0)
    frames = [np.roll(BLOCKS, (0, shift), (0, 1)) * 100 + noise * rng.normal(size=BLOCKS.shape) for shift in (0, moved)]
    stack = np.stack([frames[0], frames[0], frames[1]], axis=2).astype(np.float32)
    micrograph = written(tmp_path, velox(stack))
    if moved < 2:
        assert np.allclose(micrograph.pixels, stack.mean(axis=2), atol=1e-3)
    else:
        assert np.array_equal(micrograph.pixels, stack[..., 0])
        assert "drift" in micrograph.notes[0]


def test_velox_chooses_one_of_several_images(tmp_path: Path) -> None:
    micrograph = written(tmp_path, velox(ONE[:20], ONE, ONE + 1, detectors=("HAADF", "BF", "HAADF-S")))
    assert same(micrograph, ONE[..., 0] + 1)
    assert micrograph.notes == ("The file holds 3 images (BF, HAADF, HAADF-S); one is used: HAADF-S.",)


@pytest.mark.parametrize(
    ("changes", "nm"),
    [({"PixelUnitX": "nm", "PixelSize": {"width": 0.5, "height": 5e-10}}, 0.5), ({"PixelUnitX": "1/m"}, None),
     ({"PixelSize": {"width": "0"}}, None), ({"PixelSize": []}, None), ({"PixelSize": {"width": "nan"}}, None),
     ({"PixelSize": {"width": "1" * 5000}}, None), ({"PixelSize": {"width": "2e-9", "height": "1e-9"}}, 1)],
)  # fmt: skip
def test_velox_units(tmp_path: Path, changes: dict[str, Any], nm: float | None) -> None:
    metadata = json.dumps(velox_json(72, 40, **changes)).encode()
    micrograph = written(tmp_path, velox(ONE, metadata=metadata[:1] + metadata[1:].ljust(1999)))
    assert micrograph.calibration.nm_per_pixel == nm
    assert sum("square pixels" in note for note in micrograph.notes) == (nm == 1)
    assert ("diffraction" in " ".join(micrograph.notes)) == (changes.get("PixelUnitX") == "1/m")


@pytest.mark.parametrize("metadata", [b"{", b"[" * 1999, b"[]", b"null", b"\xff", b'{"BinaryResult": 5}', b"9" * 1999])
def test_velox_metadata_that_is_none_never_loses_the_image(tmp_path: Path, metadata: bytes) -> None:
    micrograph = written(tmp_path, velox(ONE, metadata=metadata))
    assert same(micrograph, ONE[..., 0]) and micrograph.calibration.nm_per_pixel is None


def test_an_image_smaller_than_velox_says_has_no_scale(tmp_path: Path) -> None:
    micrograph = written(tmp_path, velox(ONE, metadata=json.dumps(velox_json(144, 80)).encode()))
    assert micrograph.calibration.nm_per_pixel is None
    assert "144 px wide" in micrograph.notes[0]


@pytest.mark.skipif(not REAL.exists(), reason="the file is not part of the project")
def test_a_real_velox_file() -> None:
    """Its pixels were cut down to 3 x 3, so only what is said about them can be read."""
    with pytest.raises(UnreadableImage, match=r"too small to analyse \(3 x 3 px\)"):
        read(REAL)
    with h5py.File(REAL) as file:
        (group,) = file["Data/Image"].values()
        facts = vendors.facts_or_none(vendors.velox.read, bytes(group["Metadata"][:, 0]))
    assert facts.nm_per_pixel == pytest.approx(0.00817288)
    assert (facts.columns, facts.stored_rows) == (4096, 4096)
    assert facts.metadata == {
        "instrument": "Titan",
        "detector": "BM-Ceta",
        "voltage_kv": 300.0,
        "magnification": 1271519.155,
        "date": "2019-12-05 10:03:44 UTC",
    }


@pytest.mark.parametrize(
    ("unit", "step", "nm"),
    [("[n_m]", 0.5, 0.5), ("nm", 0.5, 0.5), ("[u_m]", 0.002, 2), ("[m]", 1e-9, 1), ("A", 5.0, 0.5), ("Å", -5.0, 0.5),
     ("[n_m^-1]", 0.5, None), ("pixels", 1.0, None), ("", 1.0, None), ("nm", 0.0, None)],
)  # fmt: skip
@pytest.mark.parametrize("coordinates", [None, 2])
def test_berkeley(tmp_path: Path, unit: str, step: float, nm: float | None, coordinates: int | None) -> None:
    pixels = image(40, 72, np.uint16, 100)
    micrograph = written(tmp_path, berkeley(pixels, unit, step, coordinates), "a.emd")
    assert same(micrograph, pixels)
    assert micrograph.calibration.nm_per_pixel == (None if nm is None else pytest.approx(nm, rel=1e-6))
    assert ("diffraction" in " ".join(micrograph.notes)) == ("^-1" in unit)


def test_hdf5_by_another_name_is_noted(tmp_path: Path) -> None:
    (note,) = written(tmp_path, berkeley(image()), "a.h5").notes
    assert note == "The file is named .h5 but its content is EMD; it was read as EMD."


def test_berkeley_stack_and_more_axes(tmp_path: Path) -> None:
    stack = np.stack([image(), image()[::-1]])
    micrograph = written(tmp_path, berkeley(stack))
    assert same(micrograph, stack[0]) and micrograph.calibration.nm_per_pixel == pytest.approx(0.5)
    assert micrograph.notes == ("The file is a stack of 2 frames; the first is used.",)
    with pytest.raises(UnreadableImage, match="data of 4 axes"):
        written(tmp_path, hdf5(lambda file: array(file, np.zeros((2, 2, 20, 20)))))
    with pytest.raises(UnreadableImage, match="too small"):  # one coordinate makes no step
        written(tmp_path, berkeley(image()[:, :1]))


def array(file: Any, pixels: Any, **stored: Any) -> None:
    file.attrs["emd_group_type"] = 1
    file.create_dataset("data", data=pixels, **stored)


def uneven(file: Any) -> None:
    array(file, image())
    for name, size in (("dim1", 48), ("dim2", 64)):
        file[name] = np.arange(size) ** 2.0
        file[name].attrs["units"] = "nm"


def test_uneven_coordinates_are_no_scale(tmp_path: Path) -> None:
    assert written(tmp_path, hdf5(uneven)).calibration.nm_per_pixel is None


def elsewhere(file: Any, target: Any) -> None:
    file.attrs["emd_group_type"] = 1
    file["data"] = target


def virtual(file: Any, path: Path) -> None:
    layout = h5py.VirtualLayout((48, 64), "u1")
    layout[:] = h5py.VirtualSource(path, "data", (48, 64))
    file.attrs["emd_group_type"] = 1
    file.create_virtual_dataset("data", layout)


@pytest.mark.parametrize("way", ["external link", "soft link", "external storage", "virtual"])
def test_nothing_leads_out_of_the_file(tmp_path: Path, way: str) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["data"] = image()
    raw = [(str(tmp_path / "secret.h5"), 0, h5py.h5f.UNLIMITED)]
    content = {
        "external link": lambda file: elsewhere(file, h5py.ExternalLink(str(secret), "data")),
        "soft link": lambda file: elsewhere(file, h5py.SoftLink("/data")),
        "external storage": lambda file: array(file, None, shape=(48, 64), dtype="u1", external=raw),
        "virtual": lambda file: virtual(file, secret),
    }[way]
    with pytest.raises(UnreadableImage, match="no image" if "link" in way else "another file"):
        written(tmp_path, hdf5(content))


def bomb(file: Any) -> None:
    """A chunk of 3 kB that unpacks to 100 MB."""
    array(file, None, shape=(48, 64), dtype="u1", chunks=(48, 64), compression="gzip")
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(2**20)) for _ in range(100)) + packer.flush()
    file["data"].id.write_direct_chunk((0, 0), packed[: 2 * 48 * 64])


def short(content: bytes, filters: int = 0, **stored: Any) -> Any:
    """Its first chunk is not as long as it says: HDF5 would show the memory behind it. filters: those not applied."""

    def fill(file: Any) -> None:
        array(file, None, shape=(512, 64), dtype="u2", chunks=(256, 64), **stored)
        file["data"][256:] = 1
        file["data"].id.write_direct_chunk((0, 0), content, filters)

    return fill


@pytest.mark.parametrize(
    ("says", "fill"),
    [
        ("too large", lambda file: array(file, None, shape=(2**31, 2**31), dtype="u1", chunks=(64, 64))),
        ("pieces that are too large", lambda file: array(file, None, shape=(48, 64), maxshape=(None, None),
                                                         dtype="u1", chunks=(2**14, 2**15))),
        ("incomplete", lambda file: array(file, None, shape=(48, 64), dtype="u1", chunks=(48, 64))),
        ("incomplete", lambda file: array(file, None, shape=(48, 64), dtype="u1")),
        ("not as large as it says", bomb),
        ("not as large as it says", short(zlib.compress(bytes(7)), compression="gzip")),
        ("not as large as it says", short(zlib.compress(bytes(7)), compression="gzip", shuffle=True)),
        ("not as large as it says", short(zlib.compress(bytes(256 * 64 * 2)), 2, compression="gzip", shuffle=True)),
        ("not as large as it says", short(bytes(7), 1, compression="gzip")),
        ("not as large as it says", short(bytes(7), 1, shuffle=True)),
        ("not as large as it says", short(bytes(11), fletcher32=True)),
        ("not as large as it says", short(bytes(3), fletcher32=True)),
        ("not as large as it says", short(bytes(7))),
        ("compressed", lambda file: array(file, image(), compression="lzf")),
        ("no image", lambda file: file.create_dataset("data", data=image())),
        ("no image", lambda file: array(file, np.array([b"a"]))),
    ],
)  # fmt: skip
def test_traps_are_refused_before_anything_is_read(tmp_path: Path, says: str, fill: Any) -> None:
    with pytest.raises(UnreadableImage, match=says):
        written(tmp_path, hdf5(fill), max_pixels=2_000_000)


@pytest.mark.parametrize("size", [0, 8, 2**63])
def test_a_heap_of_texts_without_an_end_only_loses_the_scale(tmp_path: Path, size: int) -> None:
    """HDF5 2.0.0 would never come back from the first of these."""
    content = bytearray(berkeley(image()))
    heap = content.index(b"GCOL\1")
    at = heap + 16
    while index := int.from_bytes(content[at : at + 2], "little"):
        at += 16 + (int.from_bytes(content[at + 8 : at + 16], "little") + 7) // 8 * 8
    assert index == 0 and at < heap + 4096
    content[at + 8 : at + 16] = size.to_bytes(8, "little")
    micrograph = written(tmp_path, bytes(content))
    assert same(micrograph, image()) and micrograph.calibration.nm_per_pixel is None


def test_groups_in_circles_end(tmp_path: Path) -> None:
    def circle(file: Any) -> None:
        for name in ("a", "b", "c"):
            file[f"x/{name}"] = file
        file["x/x"] = file["x"]

    with pytest.raises(UnreadableImage, match="no image"):
        written(tmp_path, hdf5(circle))
