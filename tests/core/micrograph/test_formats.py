"""What every format of image files must do, also one that a plug-in brings."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.masks.truth import image_suffixes
from segmentation.core.micrograph import formats
from segmentation.core.micrograph.formats.base import Format
from segmentation.core.micrograph.kinds import HEAD_BYTES, recognise
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import UnreadableImage
from tests.core.micrograph.instrument_files import dm, mrc, ser, velox
from tests.hostile import image, picture, tiff

OURS = {
    "TIFF": lambda: tiff(image()),
    **{name: lambda name=name: picture(image(), name) for name in ("PNG", "JPEG", "BMP")},
    "DM3": lambda: dm(image()),
    "DM4": lambda: dm(image(), 4),
    "SER": lambda: ser(image()),
    "MRC": lambda: mrc(image().astype(np.int16)),
    "EMD": lambda: velox(image()[..., np.newaxis]),
}
NAMES = [entry.name for entry in formats.every()]


@pytest.fixture(params=NAMES)
def entry(request) -> Format:
    return next(entry for entry in formats.every() if entry.name == request.param)


@pytest.fixture
def examples(entry) -> list[bytes]:
    return [OURS[entry.name]()] if entry.name in OURS else [*entry.examples()]


def test_its_examples_are_known_and_read_and_a_cut_one_is_refused(entry, examples, tmp_path):
    assert examples, "a format of a plug-in has examples"
    for content in examples:
        path = tmp_path / f"image{entry.suffixes[0]}"
        path.write_bytes(content)
        assert recognise(content[:HEAD_BYTES]) is entry
        micrograph = read(path)
        assert min(micrograph.shape) >= 16 and not [note for note in micrograph.notes if "named" in note]
        assert str(micrograph.metadata["kind"]).startswith(entry.name)
        with pytest.raises(UnreadableImage, match="too large"):
            read(path, max_pixels=100)
        path.write_bytes(content[: len(content) // 5])
        with pytest.raises(UnreadableImage) as refused:
            read(path)
        assert str(refused.value).endswith(".")


def test_each_suffix_is_one_of_a_dataset_too(entry):
    assert set(entry.suffixes) <= set(image_suffixes())
    assert all(formats.format_by_suffix()[suffix] for suffix in entry.suffixes)


def test_ours_come_first_and_all_are_listed():
    assert NAMES[: len(OURS)] == list(OURS)
    ours = "TIFF, PNG, JPEG, BMP, DM3, DM4, SER, MRC"
    assert formats.names_text().startswith(ours) and NAMES[-1] in formats.names_text(" or ").rpartition(" or ")[2]
    assert "Gatan DM3" in formats.names_text(with_titles=True)


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"suffixes": ()}, {"suffixes": ("raw",)}, {"magic": ()}, {"magic": (b"",)}]
)
def test_a_format_without_name_suffix_or_beginning_is_none(wrong):
    with pytest.raises(ValueError, match=r"is no name|a suffix of|has no magic"):
        Format(**{"name": "RAW", "suffixes": (".raw",), "magic": (b"RAW1",), "read": None, **wrong})
