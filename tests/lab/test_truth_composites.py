"""Composites whose truth is exact: their labels show what is visible, and one seed gives one picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tools.accuracy.real.composites import Ranges, stock, visible, write_composites

ROWS, COLUMNS = np.mgrid[:300, :300]


@pytest.fixture
def emps(tmp_path):
    """Two micrographs of two publications: bright free discs on a dark ground."""
    folder = tmp_path / "emps"
    for part in ("images", "segmaps"):
        (folder / part).mkdir(parents=True)
    for number in (1, 2):
        labels = np.zeros((300, 300), np.uint8)
        for place, radius in enumerate((16, 24, 32, 20), 1):
            row, column = 50 + 70 * ((place - 1) // 2), 60 + 90 * ((place - 1) % 2)
            labels[(ROWS - row) ** 2 + (COLUMNS - column) ** 2 < radius**2] = place
        grey = np.random.default_rng(number).normal(40, 5, labels.shape) + 140 * (labels > 0)
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(labels).save(folder / "segmaps" / f"{number}.png")
    (folder / "sources.csv").write_text("image,doi,figure\n1.png,10.1/a,gr1\n2.png,10.1/b,gr2\n")
    return folder


def test_only_the_named_images_are_cut(emps):
    cut_outs, grounds = stock(emps, {"2.png"})
    assert {each.publication for each in cut_outs} == {"10.1/b"} and len(cut_outs) == 4 and len(grounds) == 1
    assert [round(each.diameter) for each in cut_outs] == [64, 48, 40, 32]


@pytest.mark.parametrize("ranges", [Ranges(size=(30, 40)), Ranges(bed=0.3, size=(30, 34), spread=(0.1, 0.15))])
def test_a_picture_is_brighter_where_its_labels_are_and_the_same_again(emps, tmp_path, ranges):
    for name in ("one", "two"):
        write_composites(emps, {"1.png", "2.png"}, tmp_path / name, 1, 7, ranges)
    pictures, labels = (
        [np.asarray(Image.open(tmp_path / name / part / "00000.png")) for name in ("one", "two")]
        for part in ("images", "labels")
    )
    assert (pictures[0] == pictures[1]).all() and (labels[0] == labels[1]).all()
    assert labels[0].max() > 20 and np.unique(labels[0]).size == labels[0].max() + 1
    if not ranges.bed:
        assert np.median(pictures[0][labels[0] > 0]) > np.median(pictures[0][labels[0] == 0]) + 30


def test_a_sliver_goes_to_its_neighbour_and_a_piece_stands_alone():
    labels = np.zeros((40, 60), np.int32)
    labels[5:35, 5:25], labels[5:35, 25:26], labels[5:35, 40:55] = 1, 2, 1
    pieces = visible(labels, np.array([0, 1050, 400]))
    assert sorted(np.unique(pieces)) == [0, 1, 2] and (pieces[5:35, 5:26] == 1).all()
