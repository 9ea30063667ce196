"""Segmentations as they are stored: everything comes back, other files cannot be read."""

import io
import json
from dataclasses import fields, replace
from unittest.mock import Mock

import numpy as np
import pytest

from segmentation.core.labels.segmentation import Provenance, Segmentation, UnusableSegmentation

LABELS = np.array([[0, 3], [7, 7]], np.int32)
CARD = {"name": "p", "sha256": "cd" * 32}
ORIGIN = Provenance("ab" * 32, "particles", {"model": "p"}, CARD, "0.2.0", "", ({"id": 3},))
FOUND = Segmentation(
    LABELS,
    np.array([3, 7], np.int32),
    np.array([0, 1], np.int32),
    ("round", "long"),
    np.array([0.9, 0.25], np.float32),
    2,
    ORIGIN,
    {"polarity": "dark", "scale": 0.7},
    {"threshold +0.1": LABELS % 2},
    maps={"foreground": (LABELS * 30).astype(np.uint8)},
    next_id=9,
    by_hand=frozenset({7}),
    set_aside={3: "a satellite"},
)


def stored(segmentation):
    file = io.BytesIO()
    segmentation.save(file)
    file.seek(0)
    return file


def changed(**arrays):
    """The file of FOUND with other arrays in it."""
    with np.load(stored(FOUND)) as data:
        entries = {**data, **arrays}
    file = io.BytesIO()
    np.savez_compressed(file, **entries)
    file.seek(0)
    return file


def header(**entries):
    with np.load(stored(FOUND)) as data:
        written = json.loads(data["header"].tobytes())
    return np.frombuffer(json.dumps({**written, **entries}).encode(), np.uint8)


def test_everything_comes_back():
    back = Segmentation.load(stored(FOUND), ORIGIN)
    for entry in fields(Segmentation):
        np.testing.assert_equal(getattr(back, entry.name), getattr(FOUND, entry.name))
    assert stored(FOUND).read() == stored(FOUND).read()


def test_measuring_counts_the_objects_in_the_order_of_their_ids():
    assert FOUND.dense.tolist() == [[0, 1], [2, 2]]
    dense = replace(FOUND, labels=np.array([[0, 1], [2, 2]], np.int32), ids=np.array([1, 2], np.int32))
    assert dense.dense is dense.labels


@pytest.mark.parametrize("step", [1, 3, 7])
def test_any_damage_is_one_sentence(step):
    """A flipped bit in the ZIP's directory said "encrypted", one in an array's header was no Python."""
    good = stored(FOUND).read()
    for offset in range(0, len(good), step * 5):
        bad = bytearray(good)
        bad[offset] ^= 1 << (offset % 8)
        try:
            Segmentation.load(io.BytesIO(bytes(bad)), ORIGIN)
        except UnusableSegmentation:
            continue


def test_a_disk_in_trouble_is_no_damage(monkeypatch, tmp_path):
    file = tmp_path / "s.npz"
    file.write_bytes(stored(FOUND).read())
    monkeypatch.setattr(type(file), "read_bytes", Mock(side_effect=OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output"):
        Segmentation.load(file, ORIGIN)


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (lambda: io.BytesIO(b""), "damaged"),
        (lambda: io.BytesIO(stored(FOUND).read()[:200]), "damaged"),
        (lambda: changed(header=np.frombuffer(b"{", np.uint8)), "damaged"),
        (lambda: changed(labels=LABELS[:1]), "damaged"),
        (lambda: changed(labels=LABELS + 1), "damaged"),
        (lambda: changed(labels=np.where(LABELS == 7, 2**31 - 1, LABELS).astype(np.int32)), "damaged"),
        (lambda: changed(header=np.frombuffer(b"[" * 100_000, np.uint8)), "damaged"),
        (lambda: changed(labels=LABELS.astype(float)), "damaged"),
        (lambda: changed(ids=np.array([3, 8], np.int32)), "damaged"),
        (lambda: changed(classes=np.array([0, 2], np.int32)), "damaged"),
        (lambda: changed(confidence=np.ones(3, np.float32)), "damaged"),
        (lambda: changed(header=header(rows=3)), "damaged"),
        (lambda: changed(header=header(next_id=7)), "damaged"),
        (lambda: changed(header=header(by_hand=[4])), "damaged"),
        (lambda: changed(header=header(format="deepsegm-segmentation/1")), "another format"),
        (lambda: changed(header=header(format="deepsegm-segmentation/3")), "another format"),
        (lambda: changed(header=header(provenance={**ORIGIN.as_dict(), "micrograph": "ef" * 32})), "another image"),
    ],
)
def test_what_cannot_be_measured_says_so_in_one_sentence(file, sentence):
    with pytest.raises(UnusableSegmentation, match=sentence) as refused:
        Segmentation.load(file(), ORIGIN)
    assert str(refused.value).count(".") == 1 and "again" in str(refused.value)
