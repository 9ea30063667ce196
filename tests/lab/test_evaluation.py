"""Figures against truth: known cases, other people's implementations, and the independent scorer."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats

from segmentation.core.labels.particles.options import ParticleOptions
from segmentation.core.masks.truth import load_labels
from segmentation.core.measure.objects.matching import Kind, overlap_of, without_specks
from segmentation.core.measure.shape.shapes import measure
from segmentation.core.network.cards import find
from segmentation.lab.research.report import shown_ranks
from segmentation.lab.training.evaluation.scores import (
    THRESHOLDS,
    choose_threshold,
    pixel_sweep,
    pooled_curve,
    threshold_report,
)
from segmentation.lab.training.evaluation.scores import summarise as summarised
from segmentation.lab.training.instances.confidence import reliability
from segmentation.lab.training.instances.counts import (
    SizeSample,
    by_size,
    count_image,
    min_ferets,
    mostly_hidden,
    usual_gap,
)
from segmentation.lab.training.instances.examine import CHOOSING, CURVES, published_postprocessing, sweep_image
from segmentation.lab.training.instances.metrics import ap_by_iou, tally
from segmentation.lab.training.instances.targets import inner_distance
from segmentation.lab.training.publish import set_entries
from segmentation.lab.training.tasks.particles import SCORING, rank
from tests.core.builders import disc_labels
from tests.lab.folders import save, squares

OPTIONS = ParticleOptions.of(find("particles-multires"))
SCORER = Path(__file__).resolve().parents[2].parent / "shared" / "tools" / "score.py"


def summarise(images, *, nm, groups=()):
    return summarised(SCORING, images, nm=nm, groups=groups)


def spoiled(truth, seed):
    """What a mediocre network might find: shifted, some particles lost, merged, cut in two or invented, and specks."""
    rng = np.random.default_rng(seed)
    predicted = np.roll(truth, (int(rng.integers(3)), int(rng.integers(3))), (0, 1))
    ids = rng.permutation(np.arange(1, truth.max() + 1))
    predicted[np.isin(predicted, ids[:4])] = 0
    predicted[predicted == ids[4]] = ids[5]
    for number in ids[6:9]:
        rows = np.nonzero(predicted == number)[0]
        if len(rows):
            middle = int(rows.mean())
            predicted[middle:][predicted[middle:] == number] = truth.max() + number
    inside = ndimage.binary_erosion(predicted > 0, iterations=int(rng.integers(1, 3)))
    predicted = np.where(inside, predicted, 0).astype(np.int32)
    for _ in range(6):
        y, x = rng.integers(0, truth.shape[0] - 8), rng.integers(0, truth.shape[1] - 8)
        predicted[y : y + rng.integers(1, 7), x : x + rng.integers(1, 7)] = predicted.max() + 1
    return predicted


def test_overlaps_are_counted_for_labels_with_gaps():
    truth, predicted = squares((0, 0, 10, 10), (20, 0, 30, 10)), squares((5, 0, 15, 10))
    predicted[predicted == 1] = 7
    overlap = overlap_of(predicted, truth)
    assert overlap.true_ids.tolist() == [1, 2] and overlap.found_ids.tolist() == [7]
    assert overlap.common.tolist() == [[50], [0]] and overlap.iou[0, 0] == pytest.approx(1 / 3)
    assert overlap_of(np.zeros_like(predicted), truth).iou.shape == (2, 0)
    assert overlap_of(predicted, np.ones_like(truth)).iou.shape == (1, 1)


def test_specks_become_background():
    labels = squares((0, 0, 2, 4), (10, 10, 13, 13))
    assert np.unique(without_specks(labels)).tolist() == [0, 2]


def test_perfect_labels_have_perfect_figures():
    truth = disc_labels(20, (200, 240))
    figures = summarise([count_image(truth, truth, 2.0)] * 6, nm=True)
    ones = "iou iou_mean dice precision recall accuracy youden ap50 ap75 ap f50 f75 pq boundary_f1 count_ratio"
    assert all(figures[name].value == pytest.approx(1) for name in ones.split())
    assert all(figures[name].value == 0 for name in ("median_error", "mean_error", "nano_error", "ks", "wasserstein"))
    assert figures["dice"].low == figures["dice"].high == 1


def disc(labels, number, y, x, radius=10):
    rows, columns = np.mgrid[: labels.shape[0], : labels.shape[1]]
    labels[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = number


def discs(groups=4, hidden=0, gap=0):
    """Groups of three discs around a place, and in the first `hidden` groups a disc behind the three; a person's mask
    leaves `gap` px between them."""
    labels = np.zeros((60, groups * 60), np.int32)
    for number in range(groups):
        middle = 30 + 60 * number
        if number < hidden:
            disc(labels, 3 * groups + number + 1, 30, middle)
        for corner, angle in enumerate(np.radians([90, 210, 330])):
            y, x = 30 + (12 + gap) * np.sin(angle), middle + (12 + gap) * np.cos(angle)
            disc(labels, 0, y, x, 10 + gap)
            disc(labels, 3 * number + corner + 1, y, x)
    return labels


def table_of(labels):
    return measure(labels, labels.astype(np.uint8), np.ones(int(labels.max()), np.float32), None, len(labels))


@pytest.mark.parametrize("gap", [0, 2, 3])
def test_the_rest_of_a_particle_behind_others_is_mostly_hidden_whatever_gap_the_mask_leaves(gap):
    labels = discs(4, hidden=3, gap=gap)
    assert usual_gap(labels) == pytest.approx(gap, abs=1)
    assert mostly_hidden(labels, table_of(labels)).tolist() == [False] * 12 + [True] * 3
    assert len(min_ferets(labels)) == 15 and len(min_ferets(labels, seen=True)) == 12


@pytest.mark.parametrize("labels", [discs(1), discs(4)])
def test_whole_outlines_can_be_seen(labels):
    assert not mostly_hidden(labels, table_of(labels)).any()


@pytest.mark.parametrize("radius", range(4, 8))
def test_a_round_particle_of_8_px_on_a_large_one_can_be_seen(radius):
    labels = discs(4)
    disc(labels, 13, 42, 30, radius)
    assert not mostly_hidden(labels, table_of(labels))[12]


def test_intervals_need_five_images_and_hold_the_value():
    truths = [disc_labels(15, (160, 200), seed) for seed in range(8)]
    images = [count_image(spoiled(truth, seed), truth) for seed, truth in enumerate(truths)]
    figure = summarise(images, nm=False)["ap50"]
    assert 0 < figure.low < figure.value < figure.high < 1
    assert summarise(images, nm=False) == summarise(images, nm=False)
    assert summarise(images[:4], nm=False)["ap50"].low is None
    assert summarise(images, nm=False)["nano_true"].value is None


def test_forms_of_one_image_are_drawn_together():
    """Eight forms of two images tell no more than two images, and those of six as much as six."""
    truths = [disc_labels(15, (160, 200), seed) for seed in range(6)]
    images = [count_image(spoiled(truth, seed), truth) for seed, truth in enumerate(truths)]
    forms = [image for image in images for _ in range(8)]
    groups = [str(number) for number in range(6) for _ in range(8)]
    assert summarise(forms[:16], nm=False, groups=groups[:16])["ap50"].low is None
    assert summarise(forms, nm=False, groups=groups)["ap50"] == pytest.approx(summarise(images, nm=False)["ap50"])


def test_blank_images_have_no_particle_figures_but_count_inventions():
    blank = np.zeros((60, 80), np.int32)
    image = count_image(squares((5, 5, 15, 15)), blank)
    figures = summarise([image], nm=False)
    assert figures["ap50"].value == 0 and figures["recall"].value is None and figures["ks"].value is None
    assert image.kinds[Kind.FALSE_POSITIVE] == 1
    assert summarise([count_image(blank, blank)], nm=False)["ap50"].value is None


def test_boundaries_agree_within_two_pixels():
    truth = squares((10, 10, 40, 40))
    for shift, expected in ((1, 1.0), (2, 0.93), (5, 0.0)):
        predicted = squares((10 - shift, 10 - shift, 40 + shift, 40 + shift))
        value = summarise([count_image(predicted, truth)], nm=False)["boundary_f1"].value
        assert value == pytest.approx(expected, abs=0.03)
    assert summarise([count_image(truth * 0, truth)], nm=False)["boundary_f1"].value == 0
    assert summarise([count_image(truth * 0, truth * 0)], nm=False)["boundary_f1"].value is None


def test_size_distances_are_scipys():
    rng = np.random.default_rng(3)
    true = [rng.lognormal(4, 0.4, 50).round(1), rng.lognormal(4.2, 0.3, 31).round(1)]
    predicted = [rng.lognormal(4.1, 0.4, 40).round(1), rng.lognormal(4.2, 0.5, 20).round(1)]
    figures = SizeSample.of(true, predicted).figures(np.ones(2), nm=True)
    a, b = np.concatenate(true), np.concatenate(predicted)
    assert figures["ks"] == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert figures["wasserstein"] == pytest.approx(stats.wasserstein_distance(a, b))
    assert figures["median_true"] == np.median(a) and figures["median_found"] == np.median(b)
    assert figures["mean_error"] == pytest.approx(100 * (b.mean() / a.mean() - 1))
    assert figures["nano_error"] == pytest.approx(100 * ((b <= 100).mean() - (a <= 100).mean()))


def test_a_weight_is_a_repetition():
    rng = np.random.default_rng(5)
    true, predicted = [rng.random(9), rng.random(8)], [rng.random(7), rng.random(6)]
    weighted = SizeSample.of(true, predicted).figures(np.array([2.0, 1.0]), nm=False)
    repeated = SizeSample.of([true[0], *true], [predicted[0], *predicted]).figures(np.ones(3), nm=False)
    assert weighted == pytest.approx(repeated, nan_ok=True)


def test_sizes_leave_out_the_frame_and_specks():
    labels = squares((0, 0, 10, 10), (20, 20, 30, 26), (40, 1, 50, 11), (40, 40, 42, 44))
    assert min_ferets(labels, 2.0).tolist() == pytest.approx([12.0], rel=0.03)


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ([(10, 10, 30, 30)], [(10, 10, 30, 30)], {"correct": 1}),
        ([(10, 10, 30, 24)], [(10, 10, 30, 30)], {"low IoU": 1}),
        ([(10, 10, 30, 17)], [(10, 10, 30, 30)], {"low IoU": 1}),
        ([(10, 10, 30, 50)], [(10, 10, 30, 30), (10, 30, 30, 50)], {"merged": 1, "low IoU": 1}),
        ([(10, 10, 30, 46)], [(10, 10, 30, 22), (10, 22, 30, 34), (10, 34, 30, 46)], {"merged": 3}),
        ([(10, 10, 30, 18), (10, 18, 30, 25), (10, 25, 30, 32)], [(10, 10, 30, 32)], {"split": 3}),
        ([(10, 10, 30, 27), (10, 27, 30, 32)], [(10, 10, 30, 32)], {"correct": 1, "split": 1}),
        ([(40, 40, 50, 50)], [], {"false positive": 1}),
        ([], [(40, 40, 50, 50)], {"false negative": 1}),
        ([(40, 40, 50, 50)], [(10, 10, 20, 20)], {"false positive": 1, "false negative": 1}),
    ],
)
def test_errors_have_kinds(predicted, truth, expected):
    image = count_image(squares(*predicted), squares(*truth))
    assert {str(kind): n for kind, n in image.kinds.items() if n} == expected


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ([(10, 10, 30, 30)], [(10, 10, 30, 30)], {"true": 1, "right": 1, "found": 1}),
        ([], [(40, 40, 50, 50)], {"true": 1, "background": 1}),
        ([(40, 40, 50, 50)], [], {"found": 1, "false": 1, "bare": 1}),
        # the larger of two merged ones is right, and the smaller one swallowed
        ([(10, 10, 30, 50)], [(10, 10, 30, 38), (10, 38, 30, 50)], {"true": 2, "right": 1, "swallowed": 1, "found": 1}),
        # thirds: no piece is half of it
        (
            [(10, 10, 30, 18), (10, 18, 30, 25), (10, 25, 30, 32)],
            [(10, 10, 30, 32)],
            {"true": 1, "split": 1, "found": 3, "false": 3},
        ),
    ],
)
def test_what_became_of_each_particle_by_size(predicted, truth, expected):
    total = by_size([count_image(squares(*predicted), squares(*truth)).by_size])["rows"][-1]
    counted = {name: n for name, n in total.items() if n and name not in ("diameter", "recall")}
    assert counted == expected
    assert total["recall"] == (expected.get("right", 0) / expected["true"] if "true" in expected else None)


def test_size_classes_are_of_the_diameter_of_equal_area():
    """20 x 20 px are 22.6 px wide as a disc; found a little smaller it is 21.4."""
    rows = by_size([count_image(squares((10, 10, 30, 28)), squares((10, 10, 30, 30))).by_size])["rows"]
    assert [row["diameter"] for row in rows if row["true"]] == ["22 to 30", "all"]
    assert [row["diameter"] for row in rows if row["found"]] == ["16 to 22", "all"]


def test_every_particle_has_one_fate_and_one_kind():
    truth = disc_labels(40, (300, 300))
    image = count_image(spoiled(truth, 2), truth)
    rows = by_size([image.by_size, image.by_size])["rows"]
    assert rows[-1]["true"] == 2 * image.sums.particles[0] and rows[-1]["found"] == 2 * image.sums.particles[1]
    for row in rows:
        assert row["true"] == row["right"] + row["background"] + row["swallowed"] + row["split"]
        assert row["found"] >= row["false"] >= row["bare"]
    assert rows[-1]["found"] - rows[-1]["false"] == rows[-1]["right"]
    kinds, of_true = image.kinds, (Kind.CORRECT, Kind.LOW_IOU, Kind.MERGED, Kind.FALSE_NEGATIVE)
    assert sum(kinds[kind] for kind in of_true) <= image.sums.particles[0]
    assert kinds[Kind.SPLIT] and kinds[Kind.FALSE_POSITIVE]
    assert tally([image, image])["errors"]["split"] == 2 * kinds[Kind.SPLIT]


def test_precision_falls_and_recall_rises_where_the_threshold_falls():
    truth = disc_labels(12, (160, 200))
    outside = ndimage.distance_transform_edt(truth == 0)
    foreground = np.clip(250 - 12 * outside, 0, 255).astype(np.uint8)  # halos that a low threshold takes in
    maps = np.stack([foreground, (255 * inner_distance(truth)).astype(np.uint8)])
    points = pooled_curve([sweep_image(maps, maps[0], truth, 1.0, OPTIONS)] * 2, list(CURVES))
    assert [p["threshold"] for p in points] == list(THRESHOLDS)
    assert points[0]["f1_75"] < points[-1]["f1_75"] == 1
    precision = [p["precision_pixels"] for p in points]
    assert precision == sorted(precision) and all(p["recall_pixels"] == 1 for p in points)
    nothing = pooled_curve([sweep_image(np.zeros_like(maps), maps[0], truth, 1.0, OPTIONS)], list(CURVES))
    assert choose_threshold(nothing, CHOOSING) is None


def test_the_chosen_threshold_is_the_best_nearest_to_a_half():
    merit = {0.3: 0.9, 0.4: 0.895, 0.6: 0.8995, 0.7: 0.8999}
    points = [{"threshold": t, "f1_50": value + 0.05, "f1_75": value - 0.05} for t, value in merit.items()]
    assert choose_threshold(points, CHOOSING) == 0.6
    candidates = [{"threshold": 0.2, "f1_50": 0.5, "f1_75": None}, {"threshold": 0.5, "f1_50": 0, "f1_75": 0}]
    assert choose_threshold(candidates, CHOOSING) == 0.2


def test_pixels_are_swept_as_a_direct_count_tells():
    rng = np.random.default_rng(2)
    values, truth = rng.integers(0, 256, 500).astype(np.uint8), rng.random(500) < 0.3
    sweep = pixel_sweep(values, truth)
    for row, threshold in zip(sweep, THRESHOLDS, strict=True):
        taken = values >= round(255 * threshold)
        assert row.tolist() == [(taken & truth).sum(), (taken & ~truth).sum(), (~taken & truth).sum()]
    entry = threshold_report([sweep, sweep], {"pixels": "pixels"}, "rule", ["pixels"], 0.4)
    point = entry["points"][7]
    assert point["threshold"] == 0.4 and point["precision_pixels"] == sweep[7, 0] / sweep[7, :2].sum()
    assert entry["used"] == 0.4 and entry["best"] is not None
    assert threshold_report([sweep], {"pixels": "pixels"}, "rule")["best"] is None, "where nothing is chosen"


def test_reliability_of_a_calibrated_and_of_a_boastful_model():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 4000).astype(np.float32)
    honest = reliability(confidence, rng.random(4000) < confidence)
    assert honest["error"] < 0.05 and sum(b["n"] for b in honest["bins"]) == 4000
    assert all(b["low"] <= b["right"] <= b["high"] for b in honest["bins"])
    assert reliability(np.full(100, 1.0, np.float32), np.zeros(100, bool))["error"] == pytest.approx(1)
    nothing = reliability(np.zeros(0, np.float32), np.zeros(0, bool))
    assert nothing["bins"] == [] and nothing["error"] is None and nothing["under"]["wrong"] is None


def test_the_published_chain_loses_small_neighbours():
    truth = squares((10, 10, 40, 40), (24, 41, 30, 47), (2, 70, 8, 76))
    image = count_image(published_postprocessing(np.where(truth > 0, 255, 0).astype(np.uint8)), truth)
    assert image.kinds[Kind.FALSE_NEGATIVE] == 2 and image.kinds[Kind.CORRECT] == 1


def test_ranking_and_choice_of_pictures():
    def image(ap50, particles=5, n_found=5):
        return {"figures": {"ap50": ap50, "iou": 0.5}, "particles": particles, "found": n_found}

    images = [image(0.2), image(0.9), image(None, 0, 0), image(0, 0, 4)]
    assert sorted(range(4), key=lambda index: rank(images[index])) == [2, 1, 0, 3]
    assert shown_ranks(9, 1) == {0: "best", 4: "median", 8: "worst"}
    assert shown_ranks(1, 2) == {0: "best"}


def test_a_threshold_is_written_where_it_belongs(tmp_path):
    card = tmp_path / "card.toml"
    card.write_text('# mine\nname = "a"\n\n[training]\nthreshold = 3\n\n[[data]]\ntitle = "x"\n')
    set_entries(card, {"threshold": 0.35, "training": {"threshold_data": "my data"}})
    lines = card.read_text().splitlines()
    assert lines[:4] == ["# mine", 'name = "a"', "threshold = 0.35", ""]
    assert lines[5] == "threshold = 3" and lines[6] == 'threshold_data = "my data"'
    set_entries(card, {"threshold": 0.4, "training": {"threshold_data": "other"}})
    assert card.read_text().count("threshold_data") == 1 and "threshold = 0.4" in card.read_text()
    for value in ("c", "d"):
        set_entries(card, {"new": {"b": {"e": value}}})
    assert card.read_text().endswith('\n[new.b]\ne = "d"\n') and card.read_text().count("[new.b]") == 1


def numbers(pattern, text):
    match = re.search(pattern, text)
    assert match, pattern
    return [float(value) for value in match.groups()]


@pytest.mark.skipif(not SCORER.exists(), reason=f"the independent scorer is not at {SCORER.name} beside the checkout")
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.slow
def test_figures_agree_with_the_independent_scorer(tmp_path, binary):
    images, rows, nm = [], 200, 4.0
    for seed in range(5):
        truth = disc_labels(30 + 5 * seed, (220, 260), seed)
        if not binary:
            truth = truth.astype(np.int32) * 3  # instances that touch, numbered with gaps
            truth[50:60, :] = np.where(truth[50:60, :] == 0, 200 + seed, truth[50:60, :])
        predicted = spoiled(disc_labels(30 + 5 * seed, (220, 260), seed), seed)
        stored = np.where(truth > 0, 255, 0).astype(np.uint8) if binary else truth.astype(np.uint16)
        save(tmp_path / "truth" / f"{seed}.tif", stored)
        save(tmp_path / "found" / f"{seed}.tif", predicted.astype(np.uint16))
        truth = load_labels(tmp_path / "truth" / f"{seed}.tif")
        images.append(count_image(predicted[:rows], truth[:rows], nm))
    command = [sys.executable, str(SCORER), str(tmp_path / "found"), str(tmp_path / "truth")]
    output = subprocess.run(
        [*command, "--rows", str(rows), "--nm", str(nm)], capture_output=True, text=True, check=True
    ).stdout
    figures = {name: figure.value for name, figure in summarise(images, nm=True).items()}
    theirs = numbers(r"pooled ([\d.]+) mean ([\d.]+) min [\d.]+  Dice ([\d.]+)  Youden ([\d.]+)", output)
    theirs += numbers(r"AP50 ([\d.]+) AP75 ([\d.]+) AP\[.5:.95\] ([\d.]+)  F1@50 ([\d.]+) F1@75 ([\d.]+)", output)
    theirs += numbers(r"PQ ([\d.]+)  instIoU pred ([\d.]+) truth ([\d.]+)", output)
    names = [
        "iou", "iou_mean", "dice", "youden", "ap50", "ap75", "ap", "f50", "f75", "pq", "instance_iou_found",
        "instance_iou_true",
    ]  # fmt: skip
    assert [figures[name] for name in names] == pytest.approx(theirs, abs=6e-5)
    pattern = r"minFeret: truth n (\d+) median ([\d.]+) mean [\d.]+ \| pred n (\d+) median ([\d.]+)"
    true_n, true_median, found_n, found_median = numbers(pattern, output)
    assert (true_n, found_n) == (sum(len(i.true_sizes) for i in images), sum(len(i.found_sizes) for i in images))
    assert (figures["median_true"], figures["median_found"]) == pytest.approx((true_median, found_median), abs=0.006)
    d_median, d_nano = numbers(r"dMedian ([\d.]+) dNano ([\d.]+)", output)
    assert abs(figures["median_error"]) == pytest.approx(d_median, abs=6e-4)
    assert abs(figures["nano_error"]) == pytest.approx(d_nano, abs=6e-4)
    assert ap_by_iou(images)[5]["ap"] == figures["ap75"]
