"""Images with truth: which labels belong to which image, and which images belong together."""

import numpy as np
import pytest

from segmentation.core.errors import UserError
from segmentation.core.learning.dataset_files import read_table
from segmentation.core.masks.truth import BadDataset, find_pairs, load_labels
from tests.lab.folders import save


def folder_of(tmp_path, names=("a", "b"), suffix="_m", shape=(40, 50)):
    for name in names:
        save(tmp_path / "images" / f"{name}.png", np.full((40, 50), 90, np.uint8))
        save(tmp_path / "masks" / f"{name}{suffix}.tif", np.zeros(shape, np.uint8))
    return tmp_path


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy"])
def test_masks_and_instances_are_read(tmp_path, name):
    mask = np.zeros((20, 30), np.uint8)
    mask[2:8, 2:8] = mask[8:14, 8:14] = 255  # they touch at a corner only
    labels = load_labels(save(tmp_path / name, mask))
    assert labels.dtype == np.int32 and labels.max() == 2
    instances = mask.astype(np.uint16)
    instances[2:8, 8:14] = 900
    assert np.unique(load_labels(save(tmp_path / name, instances))).tolist() == [0, 1, 2]
    assert load_labels(save(tmp_path / name, np.full((9, 9), 7, np.uint8))).min() == 1


@pytest.mark.parametrize("array", [np.full((4, 4), 0.5), np.zeros((4, 4, 7), np.uint8), np.array(["a"])])
def test_labels_that_are_none_are_refused_by_name(tmp_path, array):
    with pytest.raises(BadDataset, match=r"bad\.npy"):
        load_labels(save(tmp_path / "bad.npy", array))


def test_labels_belong_to_the_image_whose_name_they_continue(tmp_path):
    folder = folder_of(tmp_path, names=("a", "a_b", "c"))
    (folder / "masks" / "c_m.tif").unlink()
    (folder / "images" / "README").write_text("no image")
    (folder / "groups.csv").write_text("image,doi\na.png,10.1000/1\n")
    matches = find_pairs(folder, groups=folder / "groups.csv")
    pairs = matches.complete(only_labelled=True)
    assert [(p.name, p.group) for p in pairs] == [("a_b_m", "a_b"), ("a_m", "10.1000/1")]
    assert [image.name for image in matches.unlabelled] == ["c.png"]
    with pytest.raises(BadDataset, match=r"c\.png .*no labels"):
        matches.complete()
    with pytest.raises(BadDataset, match="No image"):
        find_pairs(folder, suffix="_other").complete(only_labelled=True)
    assert len(find_pairs(folder, labels="none").pairs) == 3
    assert not find_pairs(folder, labels="none").pairs[0].load()[1].any()


@pytest.mark.parametrize(
    ("suffix", "option", "expected"),
    [("mask", "", (1, 0)), ("_m", "_m", (1, 0)), ("2", "", (0, 1)), ("x_m", "_m", (0, 1)), ("", "_m", (0, 0))],
)
def test_a_name_is_continued_by_a_new_word_or_by_the_suffix_that_is_said(tmp_path, suffix, option, expected):
    matches = find_pairs(folder_of(tmp_path, names=("im1",), suffix=suffix), suffix=option)
    assert (len(matches.pairs), len(matches.unmatched)) == expected


def test_a_group_may_be_named_by_stem_or_by_a_pattern(tmp_path):
    folder = folder_of(tmp_path, names=("s1-a", "s1-b", "s2-a"))
    (folder / "groups.csv").write_text("s1-a,one\ns1-b.png,one\n")
    assert [p.group for p in find_pairs(folder, groups=folder / "groups.csv").pairs] == ["one", "one", "s2-a"]
    assert [p.group for p in find_pairs(folder, pattern=r"(s\d)").pairs] == ["s1", "s1", "s2"]


def test_a_table_that_is_not_read_to_its_end_is_refused(tmp_path):
    (tmp_path / "groups.csv").write_text("s1-a,one\n" * 300_000)
    with pytest.raises(UserError, match="too long"):
        read_table(tmp_path / "groups.csv", "groups.csv", ("image", "group"))


def test_what_cannot_be_paired_is_explained(tmp_path):
    with pytest.raises(BadDataset, match="no folder"):
        find_pairs(tmp_path / "nosuch")
    folder = folder_of(tmp_path, shape=(40, 49))
    with pytest.raises(BadDataset, match=r"50 x 40 .* a_m .* 49 x 40"):
        find_pairs(folder).pairs[0].load()
    save(folder / "masks" / "z.tif", np.zeros((4, 4), np.uint8))
    with pytest.raises(BadDataset, match=r"z\.tif .*no image"):
        find_pairs(folder).complete()
    with pytest.raises(BadDataset, match=r"groups"):
        find_pairs(folder, labels="none", groups=folder / "nosuch.csv")
    (folder / "images" / "a.png").write_bytes(b"nothing")
    with pytest.raises(BadDataset, match=r"a\.png: "):
        find_pairs(folder).pairs[0].load()
    save(folder / "masks" / "a-2.png", np.zeros((40, 50), np.uint8))
    with pytest.raises(BadDataset, match=r"several files .*a\.png: a-2\.png, a_m\.tif"):
        find_pairs(folder)


def test_labels_may_be_shorter_when_only_some_rows_count(tmp_path):
    pair = find_pairs(folder_of(tmp_path, shape=(30, 50))).pairs[0]
    assert pair.load(30)[1].shape == (30, 50)
    with pytest.raises(BadDataset):
        pair.load(35)


def test_of_an_image_checked_in_part_only_that_part_is_read(tmp_path):
    folder = folder_of(tmp_path)
    grey, labels = np.arange(2000, dtype=np.uint16).reshape(40, 50), np.zeros((40, 50), np.uint8)
    labels[12:15, 22:25], labels[30:35, 30:35] = 1, 2
    save(folder / "images" / "a.png", grey)
    save(folder / "masks" / "a_m.tif", labels)
    (folder / "regions.csv").write_text("image,top,left,bottom,right\na.png,10,20,20,45\n")
    a, b = find_pairs(folder).pairs
    micrograph, mask = a.load()
    assert micrograph.shape == mask.shape == (10, 25) and (micrograph.pixels == grey[10:20, 20:45]).all()
    assert mask.max() == 1 and mask.sum() == 9, "the other object lies outside"
    assert b.load()[1].shape == (40, 50)
    assert find_pairs(folder, labels="none").pairs[0].load()[1].shape == (10, 25)
    assert find_pairs(folder, count=2).pairs[0].classes == (0, 1), "numbers outside are not seen"


@pytest.mark.parametrize("row", ["a.png,0,0,41,9", "a.png,5,5,5,9", "a.png,1,2,x,4", "a.png,1,2", "no.png,0,0,9,9"])
def test_a_region_that_cannot_be_is_refused(tmp_path, row):
    folder = folder_of(tmp_path)
    (folder / "regions.csv").write_text(f"image,top,left,bottom,right\n{row}\n")
    with pytest.raises(BadDataset, match=r"regions\.csv"):
        find_pairs(folder).pairs[0].load()
