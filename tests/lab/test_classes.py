"""Folders of class maps: numbers, groups and tiles; what is rare counts in the loss; likeness; outlines of classes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from django.core.management import call_command
from PIL import Image

from segmentation.core.masks.truth import ANY_NUMBER, BadDataset, find_pairs
from segmentation.core.network.likeness import describe, distance, likeness_entry
from segmentation.lab.research.tiles import dihedral_forms, write_tiles
from segmentation.lab.training.check import check_folder
from segmentation.lab.training.classes import TOLERANCE_PX, ClassExaminer, confusion, metrics
from segmentation.lab.training.data import load_folder, validation_groups
from segmentation.lab.training.evaluation.predictions import Options
from segmentation.lab.training.losses import losses
from segmentation.lab.training.settings import FolderEntry
from tests.core.network.test_textures import grain
from tests.lab.folders import save
from tests.lab.test_dataset_check import exchange


def drawn(folder: Path, values=(0, 1, 2), images: int = 4, side: int = 64) -> Path:
    """Noise with classes in bands, the labels holding `values`."""
    for number in range(images):
        rng = np.random.default_rng(number)
        bands = np.indices((side, side))[number % 2] * len(values) // side
        grey = (40 + 80 * bands + rng.normal(0, 12, bands.shape)).clip(0, 255).astype(np.uint8)
        save(folder / "images" / f"m{number}.png", grey)
        save(folder / "labels" / f"m{number}.png", np.array(values, np.uint8)[bands])
    return folder


@pytest.mark.parametrize(
    ("values", "count", "classes"),
    [
        ((0, 1, 2), 3, (0, 1, 2)),
        ((1, 2, 3), 3, (1, 2, 3)),
        ((0, 255), 2, (0, 255)),
        ((10, 20, 40), 3, (10, 20, 40)),
        ((0, 1, 2), 2, (1, 2)),  # 0 is not labelled
        ((0, 1, 255), 2, (0, 1)),  # 255 is not labelled
        ((0, 2), 4, (0, 1, 2, 3)),  # a class does not occur
        ((0, 1, 2, 255), ANY_NUMBER, (0, 1, 2)),
        ((0, 255), ANY_NUMBER, (0, 255)),
    ],
)
def test_numbers_become_contiguous_classes(tmp_path, values, count, classes):
    pairs = find_pairs(drawn(tmp_path, values), count=count).pairs
    assert {pair.classes for pair in pairs} == {classes}
    _, labels = pairs[0].load()
    expected = [classes.index(value) + 1 if value in classes else 0 for value in values]
    assert np.unique(labels).tolist() == sorted(expected)


def test_numbers_that_fit_no_classes_are_named(tmp_path):
    with pytest.raises(BadDataset, match=r"3, 7, 9,.* 2 classes.*heads"):
        load_folder(drawn(tmp_path, (3, 7, 9)), FolderEntry(path=""), 2)


def test_a_number_that_stands_for_no_class_is_an_error(tmp_path):
    folder = drawn(tmp_path)
    labels = np.zeros((64, 64), np.uint8)
    labels[:2, :3], labels[5] = 77, 1
    save(folder / "labels" / "m0.png", labels)
    checked = check_folder(folder, classes=(0, 1, 2))
    assert any(re.search(r"\b77\b.* 6 pixels", error.sentence) for error in checked.errors)
    assert "m0.png (6)" in " ".join(error.sentence for error in checked.errors)


def test_the_share_of_each_class_is_told(tmp_path, capsys):
    folder = drawn(tmp_path / "data", (0, 1, 255))
    call_command("dataset", "check", str(folder), "--classes", "0", "1", "--out", str(tmp_path / "out"))
    output = capsys.readouterr().out
    assert re.search(r"\b255\b.* no class", output) and re.search(r"\b4 images.*2 classes", output)
    row = next(line.split() for line in output.splitlines() if line.split()[:2] == ["1", "1"])
    assert float(row[2].rstrip("%")) == pytest.approx(100 * 21 / 43, abs=1.5) and row[-1] == "4"
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"contact-sheet.png", "fractions.png"}


class TestTiles:
    def test_their_names_are_those_of_the_seed_and_their_forms_all_differ(self, tmp_path):
        folder = drawn(tmp_path / "data", images=1)
        assert write_tiles(find_pairs(folder).pairs, tmp_path / "tiles", 32, variants=True) == 4 * 8
        names = {file.stem for file in (tmp_path / "tiles" / "images").iterdir()}
        assert {"m0_block_1", "m0_block_4_flipped", "m0_block_2_rotated_270", "m0_block_3_rotated_90_flipped"} <= names
        picture = np.arange(6).reshape(2, 3)
        assert len({form.tobytes() + bytes(form.shape) for _, form in dihedral_forms(picture)}) == 8

    def test_labels_go_with_their_image_and_none_is_on_both_sides(self, tmp_path):
        write_tiles(find_pairs(drawn(tmp_path / "data")).pairs, tmp_path / "tiles", 32, variants=True)
        for tile in load_folder(tmp_path / "tiles", FolderEntry(path="", classes=[0, 1, 2]), 3):
            means = [tile.grey[tile.labels == number].mean() for number in np.unique(tile.labels)]
            assert means == sorted(means)  # brighter classes have higher numbers, whatever the form
        pairs = find_pairs(tmp_path / "tiles", count=3).pairs
        assert {pair.group for pair in pairs} == {"m0", "m1", "m2", "m3"}
        apart = validation_groups([pair.group for pair in pairs], 0.3)
        held = {pair.image.stem.split("_")[0] for pair in pairs if pair.group in apart}
        taught = {pair.image.stem.split("_")[0] for pair in pairs if pair.group not in apart}
        assert held and taught and not held & taught
        assert not check_folder(tmp_path / "tiles", count=3).errors

    def test_a_planted_leak_is_caught(self, tmp_path):
        write_tiles(find_pairs(drawn(tmp_path / "data")).pairs, tmp_path / "tiles", 32)
        rows = ["image,group"]
        for pair in find_pairs(tmp_path / "tiles", count=3).pairs:
            block = int(pair.image.stem[-1])
            rows.append(f"{pair.image.name},{'leak' if pair.group == 'm2' and block > 2 else pair.group}")
        (tmp_path / "tiles" / "groups.csv").write_text("\n".join(rows))
        errors = check_folder(tmp_path / "tiles", count=3).errors
        (leak,) = [each.sentence for each in errors if "Pieces of" in each.sentence]
        assert "m2" in leak and "several groups" in leak


def spotted(folder: Path, images: int = 4) -> Path:
    """Bright discs, class 2, on noise, class 1."""
    for number in range(images):
        rng = np.random.default_rng(number)
        rows, columns = np.mgrid[:160, :160]
        inside = np.zeros((160, 160), bool)
        for row, column in rng.uniform(10, 150, (12, 2)):
            inside |= np.hypot(rows - row, columns - column) < rng.uniform(6, 14)
        grey = (60 + 80 * inside + rng.normal(0, 12, inside.shape)).clip(0, 255).astype(np.uint8)
        save(folder / "images" / f"s{number}.png", grey)
        save(folder / "labels" / f"s{number}.png", inside.astype(np.uint8))
    return folder


class TestSlipsOfClasses:
    def test_exchanged_masks_are_told(self, tmp_path):
        folder = spotted(tmp_path)
        assert not check_folder(folder, classes=(0, 1)).errors
        exchange(folder, "s0", "s2")
        sentences = [error.sentence for error in check_folder(folder, classes=(0, 1)).errors]
        assert len(sentences) == 2 and all("exchanged" in sentence for sentence in sentences)
        assert "s0.png fit s2.png" in sentences[0] and "s2.png fit s0.png" in sentences[1]

    def test_moved_masks_are_told(self, tmp_path):
        folder = spotted(tmp_path)
        labels = np.roll(np.asarray(Image.open(folder / "labels" / "s1.png")), (0, 30), (0, 1))
        save(folder / "labels" / "s1.png", labels)
        (sentence,) = [error.sentence for error in check_folder(folder, classes=(0, 1)).errors]
        assert "s1.png are shifted" in sentence and "30 px left" in sentence

    def test_one_wrong_table_is_one_finding(self, tmp_path):
        """Eight forms of four tiles, each a group of its own."""
        write_tiles(find_pairs(spotted(tmp_path / "data", 2)).pairs, tmp_path / "tiles", 80, variants=True)
        names = [file.name for file in (tmp_path / "tiles" / "images").iterdir()]
        (tmp_path / "tiles" / "groups.csv").write_text("\n".join(["image,group", *(f"{n},{n}" for n in names)]))
        sentences = [error.sentence for error in check_folder(tmp_path / "tiles", classes=(0, 1)).errors]
        (copies,) = [sentence for sentence in sentences if "show the same picture" in sentence]
        assert len(sentences) == 2 and "223 more times" in copies  # 8 tiles with 28 pairs of forms each


class TestBoundaries:
    def square(self, move: int) -> np.ndarray:
        classes = np.ones((40, 40), np.int32)
        classes[10:30, 10 + move : 30 + move] = 2
        return classes

    def f1(self, predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        figures = metrics(("one", "two"), [confusion(predicted, truth, 2)], np.ones((1, 1)))
        return {name: float(values[0]) for name, values in figures.items()}

    def test_outlines_may_differ_by_the_tolerance_and_no_more(self):
        assert self.f1(self.square(0), self.square(0))["boundary_f1"] == 1
        assert self.f1(self.square(TOLERANCE_PX), self.square(0))["boundary_f1"] == 1
        moved = self.f1(self.square(TOLERANCE_PX + 1), self.square(0))["two_boundary_f1"]
        # Of 76 px of outline those of the two sides across the move are wrong but for their ends.
        assert moved == pytest.approx(1 - 2 * (20 - 2 * TOLERANCE_PX) / 76, abs=0.06)

    def test_an_invented_class_scores_nothing_and_one_that_never_occurs_does_not_count(self):
        plain = np.ones((40, 40), np.int32)
        assert self.f1(self.square(0), plain)["two_boundary_f1"] == 0
        assert np.isnan(self.f1(plain, plain)["two_boundary_f1"])

    def test_the_edge_of_what_is_labelled_is_no_outline(self):
        truth, predicted = self.square(0), self.square(0)
        truth[:, :20] = 0
        assert self.f1(predicted, truth)["two_boundary_f1"] == 1


def test_the_figures_of_images_are_told_with_their_spread():
    truth = np.repeat([[1] * 10, [2] * 10], 5, axis=0).astype(np.int32)
    wrong = truth.copy()
    wrong[5] = 1
    report = ClassExaminer(("one", "two"), None, Options()).report(
        [confusion(truth, truth, 2), confusion(wrong, truth, 2)], ["a", "b"], False
    )
    iou = (50 / 60 + 40 / 50) / 2
    assert report["spread"]["iou"] == pytest.approx(
        {"mean": (1 + iou) / 2, "sd": (1 - iou) / np.sqrt(2), "min": iou, "max": 1.0}
    )
    assert report["spread"]["fraction_error"]["max"] == pytest.approx(10)
    assert report["confusion"]["shares"][1] == pytest.approx([0.1, 0.9, 0])
    assert [point["frequency"] for point in report["frequency"]] == [0.5, 0.5]


def test_rare_classes_weigh_more_where_they_are_to():
    target = torch.zeros(1, 3, 10, 10)
    target[0, 0], target[0, 2] = 1, 1
    target[0, 0, 0, :4], target[0, 1, 0, :4] = 0, 1
    maps = torch.full((1, 2, 10, 10), 0.0)
    maps[0, 0] = 3.0  # all taken for the common class

    def entropy(rarity: float) -> float:
        return float(losses()["classes"](name="classes", dice=0, rarity=rarity)(maps, target))

    right, wrong = np.log1p(np.exp(-3)), np.log1p(np.exp(3))
    assert entropy(0) == pytest.approx(0.96 * right + 0.04 * wrong, rel=1e-4)
    assert entropy(1) == pytest.approx((right + wrong) / 2, rel=1e-4)
    assert entropy(0) < entropy(0.5) < entropy(1)


def test_an_image_of_another_kind_is_far_from_those_that_were_taught():
    smooth, coarse, noise = (
        [describe((255 * grain(seed, reach)).astype(np.uint8)) for seed in range(7)] for reach in (3, 12, 0)
    )
    entry = likeness_entry(smooth[1:], list("abcdef"))["likeness"]
    assert distance(smooth[0], entry["taught"]) < entry["limit"]
    assert distance(coarse[0], entry["taught"]) > entry["limit"]
    assert distance(noise[0], entry["taught"]) > entry["limit"]
