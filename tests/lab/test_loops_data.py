"""The data of loops: no field on both sides of a split, and ellipses within boxes."""

import numpy as np
import pytest
from PIL import Image

from segmentation.core.measure.matching import RIGHT, match, overlap_of
from segmentation.core.truth import BadDataset
from segmentation.lab.loops import CUT, GAP, box_overlaps, boxes_of, ellipses, lay_out


def test_an_ellipse_fills_its_box():
    inside = ellipses(np.array([[10.0, 20.0, 50.0, 40.0]]), (80, 80)) > 0
    rows, columns = np.nonzero(inside)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 50, 20, 40)
    assert inside.sum() == pytest.approx(np.pi * 20 * 10, rel=0.03)


def test_the_crops_part_of_the_frame_is_left_out(tmp_path):
    data = tmp_path / "data"
    for folder in ("loops-tem/images", "loops-tem/masks", "loops-stem-boxes/images", "loops-stem-boxes/boxes"):
        (data / folder).mkdir(parents=True)
    frame = np.zeros((400, 256), np.uint8)
    frame[CUT + GAP :] = 200
    for name, picture in (("full_3", frame), ("crop_1", frame[:64, :64])):
        Image.fromarray(picture).save(data / f"loops-tem/images/{name}.png")
        Image.fromarray((picture > 0).astype(np.uint16)).save(data / f"loops-tem/masks/{name}.png")
    Image.fromarray(frame).save(data / "loops-stem-boxes/images/a.jpg")
    (data / "loops-stem-boxes/boxes/a.csv").write_text("y0,x0,y1,x1\n5,5,25,25\n")
    lay_out(data, tmp_path / "out")
    strip = np.asarray(Image.open(tmp_path / "out/tem/images/full_3_0_x2.png"))
    assert strip.shape == (2 * (400 - CUT - GAP), 512) and strip.min() == 200
    assert np.asarray(Image.open(tmp_path / "out/stem/labels/a.png")).sum() > 300
    assert (tmp_path / "out/tem-held-out/labels/crop_1.png").exists()
    with pytest.raises(BadDataset, match="no folder"):
        lay_out(tmp_path / "nowhere", tmp_path / "out")


def test_matches_are_one_to_one():
    true = np.array([[0.0, 0, 10, 10], [20, 20, 40, 40]])
    found = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 28, 40]])
    overlap = box_overlaps(true, found)
    assert overlap[0, 1] == pytest.approx(90 / 110) and overlap[1, 2] == pytest.approx(0.4)
    assert match(overlap, RIGHT) == (1, 2, 1)
    labels = np.zeros((50, 50), np.int32)
    labels[:10, :10], labels[20:40, 20:40] = 1, 2
    np.testing.assert_array_equal(boxes_of(labels), true)
    assert match(overlap_of(labels, labels).iou, RIGHT) == (2, 0, 0)
    assert match(overlap_of(labels * 0, labels).iou, RIGHT) == (0, 0, 2)
