"""Data, splits, targets, losses and scores."""

import numpy as np
import pytest
import torch

from segmentation.core.masks.truth import BadDataset, load_image
from segmentation.core.micrograph.contrast import clip_outliers
from segmentation.lab.training.data import (
    Crops,
    DrawnSource,
    FolderSource,
    are_dark,
    augment,
    load_folder,
    rendering_function,
    resample,
    split_sources,
    validation_groups,
)
from segmentation.lab.training.instances.targets import inner_distance, near_contacts, targets
from segmentation.lab.training.losses.instances import InstanceLoss
from segmentation.lab.training.settings import Augmentation, FolderEntry, RenderedEntry
from tests.lab.folders import SIDE, discs, make_folder, save, squares, tiny
from tests.lab.scores import score

PLAIN = {"exposure": 0.0, "focus": 0.0, "noise": 0.0, "gradient": 0.0}


def test_inner_distance_is_one_at_the_core_and_small_at_contacts():
    labels = squares((5, 5, 35, 30), (5, 30, 35, 55), shape=(40, 60))
    distance = inner_distance(labels)
    assert distance[labels == 0].max() == 0
    assert distance[labels == 1].max() == distance[labels == 2].max() == 1
    assert distance[20, 29] < 0.2 and distance[20, 30] < 0.2 and distance[20, 17] > 0.9


def test_dark_particles_are_told():
    grey = np.full((10, 10), 200, np.uint8)
    labels = squares((3, 3, 6, 6), shape=(10, 10))
    grey[labels > 0] = 20
    assert are_dark(grey, labels) and not are_dark(255 - grey, labels) and not are_dark(grey, 0 * labels)


def test_groups_never_straddle_the_split():
    groups = [f"10.1000/{i}" for i in range(2000)]
    held_out = validation_groups(groups, 0.15)
    assert 0.12 < len(held_out) / 2000 < 0.18
    assert held_out == validation_groups(groups[::-1], 0.15) != validation_groups(groups, 0.15, fold=1)


def test_resampling_moves_picture_and_labels_together():
    labels = squares((16, 16, 48, 48), shape=(64, 64))
    grey = (labels * 255).astype(np.uint8)
    for side in (32, 96):
        small, where = resample(grey, labels, side)
        assert small.shape == where.shape == (side, side)
        assert ((small > 127) == (where > 0)).mean() > 0.98


def test_a_sample_depends_on_seed_and_number_alone():
    source = DrawnSource(3, 80, 1, rendering_function(RenderedEntry()))
    crops = Crops([source], [1.0], 64, seed=5, targets=targets)
    first, second = crops[7], Crops([source], [1.0], 64, seed=5, targets=targets)[7]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    picture, target = first
    assert picture.shape == (1, 64, 64) and target.shape == (3, 64, 64)
    assert picture.min() >= -1 and picture.max() <= 1


def test_the_densest_of_some_crops_is_taken():
    entry = RenderedEntry(
        settings={"kind": "sem", "layout": "random", "cover": 0.5, "overlap": 0.5}, diameters=[8.0, 20.0]
    )
    source = DrawnSource(3, 96, 1, rendering_function(entry), blank=0.5)
    plain, dense = (Crops([source], [1.0], 64, seed=5, targets=targets, densest=n) for n in (1, 4))
    contacts = [np.mean([near_contacts(crops.with_labels(n)[1]).mean() for n in range(12)]) for crops in (plain, dense)]
    assert contacts[1] > 1.5 * contacts[0]
    assert np.array_equal(dense.with_labels(3)[1], dense.with_labels(3)[1])


def test_a_folder_is_read_with_its_groups(tmp_path):
    folder = make_folder(tmp_path, 2)
    (folder / "groups.csv").write_text("image,doi\n0.png,10.1000/1\n")
    first, second = load_folder(folder, FolderEntry(path="", groups="groups.csv"))
    assert (first.pair.group, second.pair.group) == ("10.1000/1", "1")
    assert first.labels.max() == 8 and 17 < first.diameter < 19


def test_binary_masks_become_particles_whatever_the_background(tmp_path):
    grey, labels = discs(0)
    save(tmp_path / "images" / "a.png", grey)
    save(tmp_path / "labels" / "a.png", np.where(labels > 0, 0, 255).astype(np.uint8))
    (pair,) = load_folder(tmp_path, FolderEntry(path="", background=255))
    assert pair.labels.max() == 8 and ((pair.labels > 0) == (labels > 0)).all()


def test_sixteen_bit_images_keep_their_contrast(tmp_path):
    grey, _ = discs(0)
    save(tmp_path / "a.tif", grey.astype(np.uint16) * 200)
    save(tmp_path / "a.npy", grey.astype(np.float32) / 3)
    for name in ("a.tif", "a.npy"):
        assert np.corrcoef(load_image(tmp_path / name).pixels.ravel(), grey.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    ("name", "labels", "reason"),
    [
        ("0.npy", np.full((SIDE, SIDE), -1), "holds no particles"),
        ("0.png", np.zeros((SIDE, SIDE), np.uint8), "holds no particles"),
        ("0.jpg", np.zeros((SIDE, SIDE), np.uint8), "JPEG and WebP change the values"),
    ],
)
def test_bad_labels_are_named(tmp_path, name, labels, reason):
    save(tmp_path / "images" / "0.png", discs(0)[0])
    save(tmp_path / "labels" / name, labels)
    with pytest.raises(BadDataset, match=reason):
        load_folder(tmp_path, FolderEntry(path=""))


def test_damaged_files_are_named(tmp_path):
    folder = make_folder(tmp_path, 1)
    (folder / "labels" / "0.png").write_bytes(b"\x89PNG damaged")
    with pytest.raises(BadDataset, match=r"labels/0\.png: .*damaged"):
        load_folder(folder, FolderEntry(path=""))
    (folder / "images" / "0.png").write_bytes(b"")
    with pytest.raises(BadDataset, match=r"images/0\.png: .*empty"):
        load_folder(folder, FolderEntry(path=""))


@pytest.mark.parametrize("change", [{}, {"invert": 1.0}])
def test_augmentation_moves_picture_and_labels_together(change):
    grey, labels = discs(3)
    how = Augmentation(focus=0, noise=0, gradient=0, exposure=0, **change)
    changed, where = augment(grey, labels, np.random.default_rng(1), how)
    brighter = changed[where > 0].mean() - changed[where == 0].mean()
    assert abs(brighter) > 80 and (brighter < 0) == bool(how.invert)


def test_folds_part_the_groups():
    groups = [f"10.1000/{i}" for i in range(23)]
    folds = [validation_groups(groups, 0.15, fold, 5) for fold in range(5)]
    assert sorted(g for fold in folds for g in fold) == sorted(groups)
    assert {len(fold) for fold in folds} == {4, 5}


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_of_two_groups_one_is_held_out(fraction):
    for fold in range(10):
        assert len(validation_groups(["a", "a", "b"], fraction, fold)) == 1


def test_a_perfect_prediction_costs_less_than_any_other():
    target = torch.zeros(1, 3, 8, 8)
    target[:, :2, 2:6, 2:6] = 1
    target[:, 2] = 1
    right = (target[:, :2] - 0.5) * 40
    usual = InstanceLoss()
    assert usual(right, target) < usual(right * 0, target) < usual(-right, target)
    for changes in ({"balance": True}, {"dice": 0}):
        loss = InstanceLoss(**changes)
        assert loss(right, target) < loss(-right, target)


def test_the_default_loss_is_the_published_one():
    """The shipped model's: weighted cross-entropy + Dice + 2 x soft cross-entropy of the inner distance."""
    torch.manual_seed(0)
    logits, target = torch.randn(2, 2, 16, 16), torch.rand(2, 3, 16, 16)
    target[:, 0] = (target[:, 0] > 0.5).float()
    pixels = torch.nn.functional.binary_cross_entropy_with_logits
    probability = logits[:, 0].sigmoid()
    dice = 1 - (2 * (probability * target[:, 0]).sum() + 1) / (probability.sum() + target[:, 0].sum() + 1)
    expected = pixels(logits[:, 0], target[:, 0], weight=1 + 4 * target[:, 2]) + dice
    expected = expected + 2 * pixels(logits[:, 1], target[:, 1], weight=1 + 2 * target[:, 0])
    assert InstanceLoss()(logits, target) == pytest.approx(float(expected), rel=1e-5)


def test_a_map_of_contacts_has_a_target_and_a_loss():
    labels = squares((20, 20, 60, 50), (20, 50, 60, 70), shape=(SIDE, SIDE))
    target = torch.from_numpy(targets(labels, ("foreground", "inner_distance", "touching")))[None]
    assert target.shape == (1, 4, SIDE, SIDE)
    assert target[0, 2, 40, 48:52].all() and not target[0, 2, 40, 20:46].any() and not target[0, 2, :16].any()
    right = (target[:, :3] - 0.5) * 20
    wrong = torch.cat([right[:, :2], -right[:, 2:]], 1)
    assert InstanceLoss()(right, target) < InstanceLoss()(wrong, target)


def test_scores_of_known_cases():
    truth = squares((2, 2, 12, 12), (2, 20, 12, 30), shape=(20, 40))
    perfect = score([(truth, truth)])
    assert perfect.dice == perfect.ap50 == perfect.f75 == perfect.count_ratio == 1
    merged = np.where(truth > 0, 1, 0).astype(np.int32)
    one_missed = np.where(truth == 1, 1, 0).astype(np.int32)
    # A merged pair overlaps each true particle with IoU exactly 0.5.
    assert score([(merged, truth)]).ap75 == 0
    half = score([(one_missed, truth)])
    assert (half.ap50, half.ap75, half.f50, half.f75, half.count_ratio) == pytest.approx((0.5, 0.5, 2 / 3, 2 / 3, 0.5))
    assert score([(np.zeros_like(truth), truth)]).ap50 == 0


def test_a_whole_picture_is_normalised_as_for_an_analysis(tmp_path):
    """A dim crop of a bright picture stays dim, as it is when the picture is analysed."""
    grey, labels = discs(0)
    grey[:, SIDE // 2 :] //= 4
    save(tmp_path / "images" / "a.png", grey)
    save(tmp_path / "labels" / "a.png", labels.astype(np.uint16))
    (entry,) = load_folder(tmp_path, FolderEntry(path=""))
    assert np.abs(entry.grey / 255 - clip_outliers(grey)).max() <= 0.5 / 255
    crops = Crops([FolderSource([entry])], [1.0], SIDE, seed=1, targets=targets, augmentation=Augmentation(**PLAIN))
    assert min(float(crops[number][0].max()) for number in range(20)) < 0.9


def sourced(folder, *sources, **changes):
    """The names of the images of each source to train on and of those held out."""
    entries = [{"kind": "folder", "path": str(folder), **source} for source in sources]
    sides_of = split_sources(tiny(folder, sources=entries, **changes), folder)
    return [tuple(sorted(entry.pair.name for entry in side) for side in sides) for sides in sides_of]


@pytest.fixture
def two_sorts(tmp_path):
    """Images 0 to 3 with bright objects, 4 to 7 with dark ones; publication n has n and n + 4."""
    for number in range(8):
        grey, labels = discs(number)
        save(tmp_path / "images" / f"{number}.png", 255 - grey if number > 3 else grey)
        save(tmp_path / "labels" / f"{number}.png", labels.astype(np.uint16))
    lines = [f"{number}.png,{number % 4}" for number in range(8)]
    (tmp_path / "groups.csv").write_text("\n".join(["image,doi", *lines]))
    return tmp_path


def test_images_are_taken_by_polarity_and_their_groups_kept_apart(two_sorts):
    """What one source holds out, no other of the same folder trains on."""
    grouped = {"groups": "groups.csv"}
    dark, bright = ({"polarity": polarity, **grouped} for polarity in ("dark", "bright"))
    ((training, out),) = sourced(two_sorts, dark, folds=2)
    assert sorted(training + out) == ["4", "5", "6", "7"] and len(out) == 2
    first, (other, nothing) = sourced(two_sorts, dark, {**bright, "use": "training"}, folds=2)
    assert first == (training, out) and nothing == []
    assert other == [str(int(name) - 4) for name in training]
    (held, (other, _)) = sourced(two_sorts, {**dark, "use": "held-out"}, {**bright, "use": "training"}, folds=2)
    assert held == ([], out) and other == [str(int(name) - 4) for name in training]


@pytest.mark.parametrize("named", [{}, {"path": "images/../"}, {"groups": ""}])
def test_a_folder_named_otherwise_is_the_same_folder(two_sorts, named):
    held, same_folder = {"groups": "groups.csv", "use": "held-out"}, {"groups": "groups.csv", "use": "training"}
    same_folder |= {name: f"{two_sorts}/{text}" if name == "path" else text for name, text in named.items()}
    ((_, out), (training, _)) = sourced(two_sorts, held, same_folder, folds=2)
    assert len(out) == 4 and not set(out) & set(training)


def test_as_many_images_are_trained_on_as_count_says(two_sorts):
    ((all_images, out),) = sourced(two_sorts, {})
    drawn = {tuple(sourced(two_sorts, {"count": 3}, seed=seed)[0][0]) for seed in range(6)}
    assert all(len(selection) == 3 and set(selection) <= set(all_images) for selection in drawn) and len(drawn) > 1
    assert sourced(two_sorts, {"count": 3})[0][1] == out
    with pytest.raises(BadDataset, match=r"\d images.*count .* 9\."):
        sourced(two_sorts, {"count": 9})
    save(two_sorts / "few" / "images" / "0.png", discs(0)[0])
    save(two_sorts / "few" / "labels" / "0.png", discs(0)[1].astype(np.uint16))
    with pytest.raises(BadDataset, match="no dark particles"):
        sourced(two_sorts / "few", {"polarity": "dark"})
