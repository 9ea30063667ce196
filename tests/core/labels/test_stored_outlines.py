"""Stored outlines are opened in strips, with the same answers and the same refusals as the whole file."""

from __future__ import annotations

import io
import threading
import zipfile
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from segmentation.core.labels.corrections import stored_outlines
from segmentation.core.labels.corrections.operations import Corrections, correct
from segmentation.core.labels.corrections.working import MOST_CROPPED_PX, TOO_LARGE, WorkingLabels
from segmentation.core.labels.segmentation import DAMAGED, FOREIGN, UnusableSegmentation
from segmentation.services.results.corrections import edits
from tests.core.builders import disc_labels, segmentation_of


@pytest.fixture(scope="module")
def found():
    """600 rows, more than two strips, with objects that touch both sides of the image."""
    labels = disc_labels(30, (600, 300))
    labels[250:260, :20], labels[250:260, 280:] = 40, 40
    rng = np.random.default_rng(2)
    maps = {name: rng.integers(0, 256, labels.shape).astype(np.uint8) for name in ("foreground", "inner_distance")}
    return replace(segmentation_of(disc_labels(30, (600, 300))), labels=labels, maps=maps, **of(labels))


def of(labels):
    ids = np.unique(labels[labels > 0]).astype(np.int32)
    return {
        "ids": ids,
        "classes": np.zeros(len(ids), np.int32),
        "confidence": np.linspace(0, 1, len(ids), dtype=np.float32),
        "by_hand": frozenset({1}),
        "set_aside": {2: "charging"},
        "next_id": 50,
    }


def opens(segmentation):
    file = io.BytesIO()
    segmentation.save(file)
    return lambda: io.BytesIO(file.getvalue())


def test_opened_outlines_are_those_of_the_whole_file(found):
    opened, other = stored_outlines.open_outlines(opens(found), found.provenance), WorkingLabels.of(found)
    assert (np.concatenate([*opened.label_strips()]) == found.labels).all()
    assert opened.as_dict() == other.as_dict() and (opened.rows, opened.shape) == (found.rows, (600, 300))
    for box in ((0, 0, 600, 300), (250, 280, 262, 300), (63, 5, 129, 6)):
        assert (opened.crop(box) == found.labels[box[0] : box[2], box[1] : box[3]]).all()
        for name, layer in found.maps.items():
            assert (opened.maps[name](box) == layer[box[0] : box[2], box[1] : box[3]]).all()


def test_a_map_that_was_read_ahead_is_not_read_again(found):
    reads = Mock(side_effect=opens(found))
    opened = stored_outlines.open_outlines(reads, found.provenance)
    edits.preload_maps(SimpleNamespace(original=opened))
    for thread in threading.enumerate():
        if thread.name == edits.MAPS_THREAD:
            thread.join(20)
    count = reads.call_count
    for name, layer in found.maps.items():
        assert (opened.maps[name]((0, 0, 600, 300)) == layer).all()
    assert reads.call_count == count == 1 + len(found.maps)


def test_runs_of_some_rows_are_those_rows(found):
    labels = WorkingLabels.of(found)
    for top, bottom in ((0, 600), (0, 0), (255, 257), (256, 512), (511, 600), (7, 8)):
        ids, counts = labels.every_run(top, bottom)
        assert (np.repeat(ids, counts) == found.labels[top:bottom].ravel()).all()


def test_an_object_at_both_sides_has_runs_within_rows(found):
    runs = WorkingLabels.of(found).runs_of([40])
    assert len(runs) == 20 and (runs[:, 1] == 20).all()


def test_corrections_of_opened_outlines_are_those_of_the_whole_segmentation(found):
    y, x = (int(axis.mean()) for axis in np.nonzero(found.labels == 7))
    operations = [
        {"op": "delete", "ids": [3, 4, 29]},
        {"op": "merge", "ids": [40, 12]},
        {"op": "paint", "points": [[10, 240], [290, 270]], "radius": 8},
        {"op": "undo"},
        {"op": "restore", "ids": [3]},
        {"op": "split", "id": 7, "points": [[x - 6, y], [x + 6, y]]},
        {"op": "erase", "polygon": [[0, 200], [300, 255], [300, 320]]},
    ]
    corrections = Corrections(stored_outlines.open_outlines(opens(found), found.provenance))
    for operation in operations:
        corrections.do(operation)
    after = correct(found, operations)
    assert (np.concatenate([*corrections.now.label_strips()]) == after.labels).all()
    assert corrections.now.objects.keys() == set(after.ids.tolist())


def test_files_of_other_images_and_damaged_files_are_refused(found):
    with pytest.raises(UnusableSegmentation, match=FOREIGN):
        stored_outlines.open_outlines(opens(found), replace(found.provenance, micrograph="cd" * 32))
    content = opens(found)().getvalue()
    with pytest.raises(UnusableSegmentation, match=DAMAGED):
        stored_outlines.open_outlines(lambda: io.BytesIO(content[:-2000]), found.provenance)
    for wrong in ({"ids": found.ids[1:]}, {"next_id": 3}, {"by_hand": frozenset({7, 99})}, {"rows": 601}):
        with pytest.raises(UnusableSegmentation, match=DAMAGED):
            stored_outlines.open_outlines(opens(replace(found, **wrong)), found.provenance)


@pytest.mark.parametrize("labels", [np.zeros((600, 300), np.int64), np.zeros((600, 300), np.int32, order="F"), b"no"])
def test_labels_of_another_kind_are_refused(found, labels):
    file, changed = opens(found)(), io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = io.BytesIO()
            if name == "labels.npy" and isinstance(labels, np.ndarray):
                np.save(content, labels)
            new.writestr(name, content.getvalue() or (labels if name == "labels.npy" else old.read(name)))
    with pytest.raises(UnusableSegmentation, match=DAMAGED):
        stored_outlines.open_outlines(lambda: io.BytesIO(changed.getvalue()), found.provenance)


def test_a_map_that_cannot_be_read_is_named_when_it_is_needed(found):
    labels = stored_outlines.open_outlines(opens(found), found.provenance)
    labels.maps["foreground"]._open_file = Mock(side_effect=FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        labels.maps["foreground"]((0, 0, 3, 3))


def test_no_operation_makes_an_image_of_almost_everything():
    side = int(MOST_CROPPED_PX**0.5) + 100
    labels = np.zeros((side, side), np.int32)
    labels[5:9, 5:9] = labels[-9:-5, -9:-5] = 1
    working = WorkingLabels.of(segmentation_of(labels))
    corrections = Corrections(working)
    with pytest.raises(ValueError, match=TOO_LARGE):
        corrections.do({"op": "split", "id": 1, "line": [[0, 0], [side, side]]})
    assert len(corrections.do({"op": "delete", "ids": [1]}).patch.runs) == 8
