"""Touching particles: cut where a cut is likely, whole where it is not, and nothing lost."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.labels.corrections.operations import Corrections, correct
from segmentation.core.labels.corrections.working import WorkingLabels
from segmentation.core.labels.particles.options import BORDER_FEATURES, INTERCEPT, MERGE_LIMIT, ParticleOptions
from segmentation.core.labels.particles.outline import outline_twice, particle_labels
from segmentation.core.labels.particles.region_graph import AREA, RegionGraph, merged_graph, noise_of, oversegment
from segmentation.core.labels.particles.region_merging import border_features, merge, merge_regions
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.labels.separate import separate
from segmentation.lab.training.instances.targets import inner_distance
from tests.core.labels.test_separate import label_discs
from tests.core.network.test_inference import tiny_card

# A cut is as likely as not where the saddle is 0.2 below the lower peak.
WEIGHTS = {"saddle": -20.0, "lower": 20.0, INTERCEPT: -4.0, MERGE_LIMIT: 0.5}
WHOLE = {"threshold": 0.5, "scale": 1.0, "diameter": 36.0}


def maps_of(truth, blur=0.0):
    """What a network might predict for a label image; blurred, the dip between particles becomes shallow."""
    distance = ndimage.gaussian_filter(inner_distance(truth), blur) if blur else inner_distance(truth)
    return np.stack([(truth > 0) * 255, np.round(255 * distance)]).astype(np.uint8)


def even(maps):
    """A picture that shows nothing."""
    return np.full(maps.shape[1:], 128, np.uint8)


def test_a_shallow_dip_is_a_cut_where_cores_run_together():
    truth = label_discs((60, 50, 20), (60, 80, 20))
    maps = maps_of(truth, blur=4.0)
    maps[1] = np.where(truth > 0, 110 + 0.57 * maps[1], 0)  # the dip stays above the height of cores
    assert separate(*maps, threshold=0.5, seed_threshold=0.5).max() == 1
    labels = merge_regions(maps, even(maps), **WHOLE, weights=WEIGHTS)
    assert labels.max() == 2 and np.array_equal(labels > 0, truth > 0)
    assert (labels[60, 45], labels[60, 90]) == (1, 2)


def test_ripples_do_not_cut_a_particle():
    truth = label_discs((60, 60, 40))
    maps = maps_of(truth)
    rows, columns = np.indices(truth.shape)
    maps[1] = np.minimum(maps[1], 180) * (1 + 0.1 * np.cos(rows / 4) * np.cos(columns / 4))  # a flat top with ripples
    _, _, regions = oversegment(maps, even(maps), threshold=0.5, scale=1.0)
    assert len(regions.sums) > 3
    labels = merge_regions(maps, even(maps), **WHOLE, weights=WEIGHTS)
    assert labels.max() == 1 and np.array_equal(labels > 0, truth > 0)


def test_every_pixel_of_foreground_belongs_to_a_particle():
    truth = label_discs((30, 30, 14), (30, 55, 13), (70, 60, 25), (0, 120, 12), (119, 120, 9), (60, 130, 3))
    maps = maps_of(truth, blur=2.0)
    labels = merge_regions(maps, even(maps), **WHOLE, weights=WEIGHTS)
    assert np.array_equal(labels > 0, truth > 0)
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    flat = np.full((30, 30), 30, np.uint8)  # foreground without any maximum
    lump = np.stack([np.pad(np.full((10, 10), 255, np.uint8), 10), flat])
    assert merge_regions(lump, even(lump), **WHOLE, weights=WEIGHTS).max() == 1


@pytest.mark.parametrize("threshold", [0.0001, 0.5, 0.999])
def test_an_empty_map_gives_no_particles(threshold):
    empty = np.zeros((2, 40, 60), np.uint8)
    labels = merge_regions(empty, even(empty), threshold=threshold, scale=1.0, diameter=36.0, weights=WEIGHTS)
    assert labels.max() == 0 and labels.shape == (40, 60)


def chain(**more):
    """Regions 1 - 2 - 3 in a row and 4, which touches 1 and 3."""
    sums = np.zeros((5, 7))
    sums[:, 0] = 0, 100, 50, 400, 100
    sums[:, 3:5] = 10 * sums[:, :1]  # as long as wide
    pairs, lines = np.array([[1, 2], [2, 3], [1, 4], [3, 4]]), np.array([[4.0, 8, 0], [6, -6, 0], [5, 0, 1], [5, 5, 5]])
    saddles = np.array([0.79, 0.7, 0.1, 0.2])
    peaks = np.array([0, 0.9, 0.8, 0.9, 0.5])
    given = {"sums": sums, "peaks": peaks, "pairs": pairs, "saddles": saddles, "lines": lines, "noise": 2.0}
    return RegionGraph(**given | more)


def test_the_least_likely_cut_is_joined_first_and_changes_the_others():
    """2 joins 1 at a dip of 0.01; then the lower peak beside 3 is 0.9, which makes the dip of 0.1 one of 0.2."""
    weights = WEIGHTS | {INTERCEPT: -3.0}  # as likely as not at a dip of 0.15
    ends = merge(chain(), weights, 36.0).ends()
    assert ends[1] == ends[2] and len({ends[1], ends[3], ends[4]}) == 3
    assert len(set(merge(chain(), weights | {INTERCEPT: -4.5}, 36.0).ends()[1:4])) == 1
    assert len(set(merge(chain(), weights | {MERGE_LIMIT: 0.001}, 36.0).ends())) == 5
    assert len(set(merge(chain(), weights | {MERGE_LIMIT: 0.999999}, 36.0).ends()[1:])) == 1


def test_joined_pieces_have_the_sums_and_the_highest_saddles():
    """Joined as 1 + 2 and 3 + 4, the borders 2 - 3 and 1 - 4 are one."""
    regions = merged_graph(chain(), np.array([0, 1, 1, 3, 3]))
    assert regions.sums[:, AREA].tolist() == [0, 150, 0, 500, 0]
    assert regions.peaks.tolist() == [0, 0.9, 0, 0.9, 0]
    assert regions.pairs.tolist() == [[1, 3]] and regions.saddles == pytest.approx([0.7])
    assert regions.lines.tolist() == [[11, -6, 1]]


def features_of(regions, *borders):
    at = np.array(borders)
    return border_features(regions, *regions.pairs[at].T, at, 10.0)


def test_features_of_a_border():
    sums = chain().sums
    sums[:, 6] = 0, 100 * 90, 50 * 100, 400 * 90, 100 * 90  # mean grey 90, 100, 90, 90
    features = features_of(chain(sums=sums), 0, 2)
    assert set(features) == set(BORDER_FEATURES)
    assert {name: values[0] for name, values in features.items()} == pytest.approx(
        {
            "saddle": 0.79,
            "lower": 0.8,
            "higher": 0.9,
            "size": np.log(np.sqrt(200 / np.pi) / 10),
            "ratio": np.log(2),
            "border_darkness": np.arcsinh(8 / 4 / 2),
            "step": np.log(1 + 10 / 2),
            "roundness": 1,
            "touching": 0,
        }
    )
    assert features["touching"][1] == 0.2 and features["step"][1] == features["border_darkness"][1] == 0


def test_two_discs_side_by_side_are_not_round():
    maps = maps_of(label_discs((60, 50, 20), (60, 89, 20)))
    _, _, regions = oversegment(maps, even(maps), threshold=0.5, scale=1.0)
    assert features_of(regions, 0)["roundness"] == pytest.approx(0.46, abs=0.02)


@pytest.mark.parametrize(("dark", "step"), [(90, 0), (150, 0), (120, 40)])
def test_a_dark_border_and_a_step_are_read_off_the_picture(dark, step):
    """A line of another grey where two discs touch, and discs of unlike grey."""
    truth = label_discs((60, 50, 20), (60, 89, 20))
    rng = np.random.default_rng(1)
    grey = np.where(truth == 2, 120 - step, 120.0) + rng.normal(0, 2, truth.shape)
    grey[:, 68:72] = dark
    maps = maps_of(truth)
    _, _, regions = oversegment(maps, np.clip(grey, 0, 255).astype(np.uint8), threshold=0.5, scale=1.0)
    features = features_of(regions, 0)
    assert np.sinh(features["border_darkness"][0]) * regions.noise == pytest.approx(120 - step / 2 - dark, abs=5)
    assert np.expm1(features["step"][0]) * regions.noise == pytest.approx(step, abs=3)


def test_what_the_picture_shows_can_cut():
    """The same maps, cut where the picture has a dark border and whole where it has none."""
    maps = maps_of(label_discs((60, 50, 20), (60, 89, 20)), blur=2.0)
    dark = even(maps)
    dark[:, 68:72] = 20
    weights = {"border_darkness": 1.0, INTERCEPT: -1.0, MERGE_LIMIT: 0.5}
    assert [merge_regions(maps, grey, **WHOLE, weights=weights).max() for grey in (even(maps), dark)] == [1, 2]


def test_where_particles_touch_can_be_a_map():
    maps = maps_of(label_discs((60, 50, 20), (60, 89, 20)), blur=2.0)
    touching = np.zeros(maps.shape[1:], np.uint8)
    touching[:, 68:73] = 255
    weights = {"touching": 4.0, INTERCEPT: -2.0, MERGE_LIMIT: 0.5}
    for third, count in ((touching, 2), (0 * touching, 1)):
        assert merge_regions(np.stack([*maps, third]), even(maps), **WHOLE, weights=weights).max() == count


@pytest.mark.parametrize("noise", [2.0, 8.0])
def test_the_noise_of_a_picture_with_edges(noise):
    grey = (
        80 + 60 * (label_discs((60, 50, 20), (60, 80, 20)) > 0) + np.random.default_rng(0).normal(0, noise, (120, 160))
    )
    assert noise_of(np.clip(np.rint(grey), 0, 255).astype(np.uint8)) == pytest.approx(noise, rel=0.1)
    assert noise_of(np.full((4, 4), 7, np.uint8)) == noise_of(np.zeros((1, 1), np.uint8)) == 0.5


def test_pieces_are_what_the_maps_show():
    truth = label_discs((60, 50, 20), (60, 89, 20))
    maps = maps_of(truth)
    labels, first, regions = oversegment(maps, even(maps), threshold=0.5, scale=1.0)
    assert len(regions.peaks) == 3 and regions.pairs.tolist() == [[1, 2]]
    assert regions.sums[1:, AREA].sum() == (truth > 0).sum() == (labels >= first).sum()
    assert regions.peaks[1:] == pytest.approx([1, 1], abs=0.05) and regions.saddles[0] < 0.2


def test_size_is_told_in_the_pixels_that_the_network_saw():
    """Small regions are merged here: seen at half the scale, the same pixels are regions half as large."""
    small = ParticleOptions(diameter=30.0, region_merging={"size": 10.0, INTERCEPT: 0.0, MERGE_LIMIT: 0.5})
    maps = maps_of(label_discs((60, 50, 20), (60, 89, 20)))
    assert particle_labels(maps, even(maps), 1.0, 0.5, small).max() == 2
    assert particle_labels(maps, even(maps), 0.5, 0.5, small).max() == 1


@pytest.mark.parametrize(
    "change", [{"limit": 1.0}, {"limit": None}, {"neck": 0.5}, {"saddle": "steep"}, {"touching": 1.0}]
)
def test_a_card_with_other_cuts_is_refused(tmp_path, change):
    region_merging = {name: value for name, value in (WEIGHTS | change).items() if value is not None}
    with pytest.raises(ValueError, match="region_merging"):
        ParticleOptions.of(replace(tiny_card(tmp_path), options={"region_merging": region_merging}))


def cut_of(truth, intercept, limit):
    """The outlines of a label image by merging up to a limit, with their possible cuts; and made cuts."""
    maps = maps_of(truth, blur=3.0)
    weights = WEIGHTS | {INTERCEPT: intercept, MERGE_LIMIT: limit}
    outlines, _ = outline_twice(maps, even(maps), 1.0, 0.5, ParticleOptions(diameter=36.0, region_merging=weights))
    ids = np.arange(1, len(outlines.confidence) + 1, dtype=np.int32)
    segmentation = Segmentation(
        *(outlines.labels, ids, 0 * ids, ("particle",), outlines.confidence, len(truth), Provenance("ab", "particles")),
        cuts=outlines.cuts,
    )
    made = Corrections(WorkingLabels.of(segmentation)).followed_by([])
    return segmentation, [
        made.do({"op": "split", "id": number, "line": cut.line}).operation
        for cut in segmentation.cuts
        if (number := cut.divides(made.now.crop))
    ]


def test_a_border_that_was_given_up_is_a_possible_cut_along_the_contact():
    truth = label_discs((60, 50, 20), (60, 89, 20))
    outlines, operations = cut_of(truth, -14.0, 0.8)
    [cut] = outlines.cuts
    assert len(outlines) == 1 and cut.probability == pytest.approx(0.18, abs=0.02)
    x, y = np.array(cut.line).T
    assert np.abs(x - 69.5).max() <= 1 and (y.min(), y.max()) == (54, 67)  # the discs share rows 54 to 66
    after = correct(outlines, operations)
    assert len(after) == 2 and [number["op"] for number in operations] == ["split"]
    shares = np.bincount(after.labels[truth > 0] * 3 + truth[truth > 0], minlength=9).reshape(3, 3)[1:, 1:]
    assert shares.max(axis=1).sum() >= (truth > 0).sum() - 10
    assert cut.divides(WorkingLabels.of(after).crop) == 0


def test_cuts_that_end_at_others_come_after_them_and_all_give_what_a_lower_limit_gives():
    """Three discs around a point: the first cut frees one of them, the second ends at it."""
    truth = label_discs((45, 55, 19), (45, 88, 19), (73, 71, 19))
    maps = maps_of(truth, blur=3.0)
    outlines, operations = cut_of(truth, -13.0, 0.9)
    assert len(outlines) == 1 and [cut.after for cut in outlines.cuts] == [[], [0]]
    assert outlines.cuts[0].probability >= outlines.cuts[1].probability
    after = correct(outlines, operations)
    weights = WEIGHTS | {INTERCEPT: -13.0, MERGE_LIMIT: 0.01}
    finer = merge_regions(maps, even(maps), **WHOLE, weights=weights)
    assert len(after) == finer.max() == 3
    pairs = np.stack([after.labels.ravel(), finer.ravel()])[:, truth.ravel() > 0]
    counts = np.unique(pairs, axis=1, return_counts=True)[1]
    assert np.sort(counts)[-3:].sum() >= 0.98 * (truth > 0).sum()


@pytest.mark.parametrize("limit", [0.7, 0.5, 0.2, 0.05])
def test_merging_up_to_a_lower_limit_is_part_of_merging_up_to_a_higher_one(limit):
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.normal(size=(200, 250)), 4)
    field = (field - field.min()) / np.ptp(field)
    maps = np.stack([np.where(field > 0.3, 255, 0), 255 * field]).astype(np.uint8)
    _, _, regions = oversegment(maps, even(maps), threshold=0.5, scale=1.0)
    all_of_it = merge(regions, WEIGHTS | {INTERCEPT: 1.0, MERGE_LIMIT: 0.8}, 36.0)
    less = merge(regions, WEIGHTS | {INTERCEPT: 1.0, MERGE_LIMIT: limit}, 36.0).ends()
    pairs = {*zip(all_of_it.ends(limit).tolist(), less.tolist(), strict=True)}
    assert len(pairs) == len(set(less)) == len(set(all_of_it.ends(limit)))
