"""What `dataset check` says of good and bad folders."""

import re
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from segmentation.core.masks.label_images import read_numbers
from segmentation.core.masks.truth import BadDataset, load_image
from segmentation.lab.training.agreement import agreement, has_shape_of_gaps
from segmentation.lab.training.check import check_folder, check_pairs, read_pair, write_pair
from segmentation.lab.training.check.pairs import has_soft_edges
from segmentation.lab.training.data import make_sources
from segmentation.lab.training.finetune import fine_tuning
from tests.core.labels.test_separate import label_discs
from tests.lab.folders import SIDE, discs, make_folder, save, tiny
from tests.shell import manage

ROOT = Path(__file__).resolve().parents[2]
PARTICLES = ROOT.parent / "shared" / "data" / "particles"


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "data", 6, count=10)


def sentences(folder, *, error):
    return [finding.sentence for finding in check_folder(folder).findings if finding.error is error]


def exchange(folder, *names):
    """Give two images the labels of each other."""
    first, second = (folder / "labels" / f"{name}.png" for name in names)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def relabel(folder, change, number=0):
    """Change the labels of one image."""
    file = folder / "labels" / f"{number}.png"
    save(file, change(np.asarray(Image.open(file))))


def test_a_good_folder_has_no_errors(folder):
    checked = check_folder(folder)
    assert not checked.findings
    assert re.search(r"\b6 images.*60 particles.*17\.9 px", checked.summary) and "binary" not in checked.summary


def test_the_command_draws_and_exits_with_zero(folder, tmp_path, capsys):
    call_command("dataset", "check", folder, "--out", tmp_path / "out")
    assert "60 particles" in capsys.readouterr().out
    for name in ("contact-sheet.png", "sizes.png"):
        picture = np.asarray(Image.open(tmp_path / "out" / name).convert("RGB"))
        assert picture.std() > 5
    sheet = np.asarray(Image.open(tmp_path / "out" / "contact-sheet.png"))
    assert (sheet == (255, 200, 0)).all(-1).sum() > 500  # outlines


def test_the_command_exits_with_one_and_a_line_for_each_fault(folder):
    (folder / "labels" / "0.png").unlink()
    save(folder / "labels" / "stray.png", np.zeros((5, 5), np.uint8))
    done = manage("dataset", "check", folder)
    assert done.returncode == 1
    unlabelled, stray = done.stdout.splitlines()[:2]
    assert unlabelled.startswith("error: 0.png") and "no labels" in unlabelled
    assert stray.startswith("error: stray.png") and "have no image" in stray
    assert "2 errors" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda labels: labels[:-1], "its labels 0 are 96 x 95"),
        (lambda labels: np.where(labels > 0, 0, 255).astype(np.uint8), "is inverted: 255 lies around"),
        (lambda labels: np.where(labels > 0, labels, 77).astype(np.uint16), "label 77 fills the whole frame"),
        (lambda labels: np.repeat(labels[..., None], 3, 2).astype(np.uint8) * np.uint8([1, 2, 3]), "a colour picture"),
        (lambda labels: labels[:, ::-1].copy(), "left and right are exchanged"),
        (lambda labels: labels[::-1].copy(), "top and bottom are exchanged"),
        (
            lambda labels: np.roll(labels, (12, -20), (0, 1)),
            "they fit their image if they are moved by 20 px right and 12 px up",
        ),
        (lambda labels: np.random.default_rng(1).integers(0, 256, labels.shape, np.uint8), "It is a grey image or"),
        (lambda labels: discs(0)[0] // 32 * 32, "It is a grey image or"),
    ],
)
def test_wrong_labels_is_an_error(folder, change, reason):
    relabel(folder, change)
    errors = sentences(folder, error=True)
    assert len(errors) == 1 and reason in errors[0] and "0.png" in errors[0]


def test_a_mask_that_was_scaled_has_soft_edges(folder):
    large = Image.fromarray(((discs(0)[1] > 0) * 255).astype(np.uint8)).resize((200, 200), Image.Resampling.BICUBIC)
    soft = np.asarray(large.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    assert has_soft_edges(soft.astype(np.int32)) and not has_soft_edges(discs(0)[1])
    relabel(folder, lambda labels: soft)
    assert "soft edges" in sentences(folder, error=True)[0]


def test_a_picture_of_nothing_is_an_error(folder):
    save(folder / "images" / "0.png", np.zeros((SIDE, SIDE), np.uint8))
    (sentence,) = sentences(folder, error=True)
    assert sentence.startswith("0.png") and "black" in sentence


@pytest.mark.parametrize("turn", [lambda p: p, np.rot90, np.fliplr, lambda p: np.rot90(np.fliplr(p), 3)])
def test_one_picture_in_two_groups_is_an_error(folder, turn):
    for kind in ("images", "labels"):
        source = np.asarray(Image.open(folder / kind / "0.png"))
        save(folder / kind / "copy.png", np.ascontiguousarray(turn(source)))
    sentence = sentences(folder, error=True)[0]
    assert sentence.startswith("0.png and copy.png") and "same picture" in sentence and "groups" in sentence
    rows = [f"{name}.png,{group}" for name, group in [("copy", "0"), *((n, n) for n in range(6))]]
    (folder / "groups.csv").write_text("image,group\n" + "\n".join(rows) + "\n")
    assert not sentences(folder, error=True)
    sentence = sentences(folder, error=False)[0]
    assert "same picture" in sentence and "groups" not in sentence


def test_binary_masks_where_particles_touch_are_worth_a_look(tmp_path):
    places = (30, 25), (30, 45), (47, 35), (75, 60), (75, 80)
    labels = label_discs(*((row, column, 10.1) for row, column in places), shape=(SIDE, SIDE))
    for number in range(6):
        save(tmp_path / "images" / f"{number}.png", discs(number)[0])
        save(tmp_path / "masks" / f"{number}_mask.png", (255 * (labels > 0)).astype(np.uint8))
    checked = check_folder(tmp_path)
    assert not checked.errors and len(checked.pairs) == 6
    assert any("several particles" in str(finding) for finding in checked.findings)
    assert "binary masks" in checked.summary


def test_a_folder_of_inverted_masks_is_an_error(folder):
    """Ragged agglomerates: none is sure to be inverted, but most of every mask is labelled."""
    for number in range(6):
        mask = np.full((SIDE, SIDE), 255, np.uint8)
        for corner in (5, 50):
            mask[corner : corner + 30, 10 + number : 15 + number] = 0
            mask[corner + 25 : corner + 30, 10 + number : 50 + number] = 0
        relabel(folder, lambda labels, mask=mask: mask, number)
    assert "6 masks look inverted" in sentences(folder, error=True)[0]


def test_separate_discs_in_binary_masks_are_fine(folder):
    for number in range(6):
        relabel(folder, lambda labels: ((labels > 0) * 255).astype(np.uint8), number)
    assert not check_folder(folder).findings


@pytest.mark.parametrize(
    ("count", "options", "reason"),
    [
        (0, {}, "holds no files of the kinds"),
        (1, {}, "One image with particles"),
        (3, {"count": 20, "radius": 6}, "3 images with particles"),
        (6, {"count": 60, "radius": 2, "side": 128}, "median particle is smaller than 6 px"),
    ],
)
def test_too_few_and_too_small_is_said(tmp_path, count, options, reason):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    make_folder(tmp_path, count, **options)
    assert any(reason in str(finding) for finding in check_folder(tmp_path).findings)


def test_shared_numbers_and_empty_labels_are_worth_a_look(folder):
    relabel(folder, lambda labels: np.where(labels == 2, 1, labels), 1)
    relabel(folder, np.zeros_like, 2)
    empty, shared = sentences(folder, error=False)
    assert "particles" in empty and "2.png" in empty
    assert shared.startswith("One label") and "separate pieces" in shared


def test_labels_of_another_image_is_an_error(folder):
    """Every image gets the next one's labels, as after a renumbering; each is told whose it has."""
    truths = [np.asarray(Image.open(folder / "labels" / f"{number}.png")) for number in range(6)]
    for number in range(6):
        save(folder / "labels" / f"{number}.png", truths[(number + 1) % 6])
    errors = sentences(folder, error=True)
    assert len(errors) >= 4
    for sentence in errors:
        image, neighbour = map(int, re.findall(r"(\d)\.png", sentence))
        assert "exchanged" in sentence and neighbour == (image + 1) % 6


def test_labels_of_two_images_that_were_exchanged_stop_a_training(folder, base):
    exchange(folder, 1, 4)
    named = [re.findall(r"\d\.png", sentence) for sentence in sentences(folder, error=True)]
    assert named == [["1.png", "4.png"], ["4.png", "1.png"]]
    assert not sentences(folder, error=False)
    with pytest.raises(BadDataset, match=r"1\.png fit 4\.png"):
        fine_tuning(folder, str(base))


def test_pairs_that_were_kept_are_judged_as_the_folder_is(folder, tmp_path):
    """Exchanged labels, too, which are compared with other images."""
    exchange(folder, 1, 4)
    relabel(folder, np.zeros_like, 2)
    checked = check_folder(folder)
    files = [tmp_path / f"{number}.npz" for number in range(len(checked.pairs))]
    for pair, file in zip(checked.pairs, files, strict=True):
        write_pair(pair, file)
    names = [pair.name for pair in checked.pairs]
    recheck = check_pairs([read_pair(file) for file in files], [], names, classes=(), task="")
    assert checked.errors and recheck.findings == checked.findings
    assert max(file.stat().st_size for file in files) < 60_000


def test_maps_of_classes_are_told_from_particles(folder, base):
    for number in range(6):
        relabel(folder, lambda labels: np.where(labels > 0, 1 + labels % 2, 0).astype(np.uint8), number)
    (sentence,) = sentences(folder, error=False)
    assert "(1, 2)" in sentence and "train phases" in sentence
    assert not check_folder(folder, classes=(0, 1, 2)).findings, "as classes they are what they should be"
    with pytest.raises(BadDataset, match="look like classes"):
        fine_tuning(folder, str(base))


def test_boundaries_of_grains_are_told_from_particles_and_are_not_inverted(folder, base):
    lines = (np.indices((SIDE, SIDE)) % 16 < 2).any(0)
    for number in range(6):
        grey = np.random.default_rng(number).normal(120, 10, (SIDE, SIDE)) - 60 * lines
        save(folder / "images" / f"{number}.png", grey.clip(0, 255).astype(np.uint8))
        save(folder / "labels" / f"{number}.png", (255 * lines).astype(np.uint8))
    text = " ".join(map(str, check_folder(folder).findings))
    assert re.search("warning: 6 masks .*lines.* Train grains", text)
    assert "inverted" not in text
    with pytest.raises(BadDataset, match="thin connected lines"):
        fine_tuning(folder, str(base))


@pytest.mark.slow
@pytest.mark.skipif(not PARTICLES.is_dir(), reason="needs ../shared/data/particles, which is not here")
def test_real_maps_of_phases_and_of_grain_boundaries_are_told():
    for name, labels, sentence in (
        ("phases/superalloy", "", "train phases"),
        ("defects/grain-boundaries", "annotations", "Train grains"),
    ):
        checked = check_folder(PARTICLES.parent / name, labels=labels)
        assert not checked.errors and sentence in checked.findings[0].sentence, name


def test_labels_in_one_image_of_four_are_not_enough(tmp_path):
    """The others are left out of training, so that nothing is left to validate on."""
    make_folder(tmp_path, 4)
    for number in (0, 1, 3):
        relabel(tmp_path, np.zeros_like, number)
    (sentence,) = sentences(tmp_path, error=True)
    assert sentence.startswith("One image") and "two at least" in sentence
    with pytest.raises(CommandError):
        call_command("dataset", "check", tmp_path)


def test_what_the_check_passes_can_be_split(tmp_path):
    """Two images with particles among twelve: each of them is held out in one fold, and never both or none."""
    make_folder(tmp_path, 12)
    for number in set(range(12)) - {4, 7}:
        relabel(tmp_path, np.zeros_like, number)
    assert not sentences(tmp_path, error=True)
    for fold in range(2):
        sources = make_sources(tiny(tmp_path, folds=5, fold=fold), tmp_path)
        assert len(sources.training[0].pairs) == len(sources.validation[0].pairs) == 1


def dense(side=200, pitch=20, shift=0, missing=0):
    """(H, W) int32: one label for discs that touch and surround pockets of background in pieces.

    missing: every so manieth disc is not there, which leaves wider pockets; 0: all are.
    """
    rows, columns = np.indices((side, side))
    labels = np.zeros((side, side), np.int32)
    for row in range(0, side + 2 * pitch, pitch):
        for column in range(0, side + 2 * pitch, pitch):
            if not missing or (2 * row + column) // pitch % missing:
                labels[(rows - row) ** 2 + (columns - column - shift) ** 2 <= (pitch / 2 + 0.6) ** 2] = 1
    return labels


def test_inverted_masks_of_a_dense_layer_is_an_error(tmp_path):
    """Their background lies in pockets between particles, none of them around everything."""
    for number in range(6):
        mask = dense(pitch=24 + 2 * number, shift=number, missing=5)
        rng = np.random.default_rng(number)
        save(tmp_path / "images" / f"{number}.png", (rng.normal(60, 10, mask.shape) + 90 * mask).astype(np.uint8))
        save(tmp_path / "masks" / f"{number}.png", (255 * (1 - mask)).astype(np.uint8))
    assert "6 masks look inverted" in sentences(tmp_path, error=True)[0]
    for number in range(6):
        relabelled = 255 - np.asarray(Image.open(tmp_path / "masks" / f"{number}.png"))
        save(tmp_path / "masks" / f"{number}.png", relabelled)
    assert not any("inverted" in str(finding) for finding in check_folder(tmp_path).findings)


@pytest.mark.skipif(not PARTICLES.is_dir(), reason="needs ../shared/data/particles, which is not here")
def test_labels_of_real_dense_images_fit_and_are_found_inverted_shifted_and_exchanged():
    powder = PARTICLES / "ampis-powder"
    truth = {file.name: file for file in (powder / "particle_labels_DERIVED").rglob("*.png")}
    files = [file for file in sorted((powder / "images").rglob("*.png")) if file.name in truth]
    pairs = [(load_image(f).pixels, read_numbers(truth[f.name])) for f in files]
    for number, (grey, raw) in enumerate(pairs):
        labels = raw.astype(np.int32)
        assert agreement(grey, labels).score > 50 and agreement(grey, labels).shift == (0, 0)
        assert not has_shape_of_gaps((labels > 0).astype(np.int32)) and has_shape_of_gaps(
            (labels == 0).astype(np.int32)
        )
        right, down = agreement(grey, np.roll(labels, 40, 1)).shift
        assert abs(right + 40) <= 3 and abs(down) <= 3
        assert agreement(grey, pairs[number - 1][1].astype(np.int32)).score < 3


def test_missing_folders_are_named(tmp_path, folder):
    with pytest.raises(CommandError, match="1 error "):
        call_command("dataset", "check", tmp_path / "nosuch")
    (folder / "labels").rename(folder / "truth")
    (sentence,) = sentences(folder, error=True)
    assert "no folder 'labels'" in sentence and str(folder) in sentence
    assert not check_folder(folder, labels="truth").findings
