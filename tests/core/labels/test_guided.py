"""Corrections by clicks: the network's maps say where touching objects part, and where a missed one ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segmentation.core.labels.corrections import edges, geometry, guided
from segmentation.core.labels.corrections.edges import EDGES, edge_map
from segmentation.core.labels.corrections.operations import correct
from segmentation.core.labels.corrections.patches import BadEdit, apply_patches
from segmentation.core.labels.corrections.working import WorkingLabels
from tests.core.builders import segmentation_of

working = WorkingLabels.of
ROWS, COLUMNS = np.mgrid[:80, :120]


def disc(x, y, radius):
    return np.hypot(COLUMNS + 0.5 - x, ROWS + 0.5 - y) <= radius


def distance(*discs):
    """As the network's inner distance: 1 in the middle of each disc, 0 at its rim."""
    cones = [np.clip(1 - np.hypot(COLUMNS + 0.5 - x, ROWS + 0.5 - y) / radius, 0, 1) for x, y, radius in discs]
    return np.round(255 * np.max(cones, axis=0)).astype(np.uint8)


LARGE, SMALL, MISSED = (40, 40, 20), (66, 40, 12), (100, 40, 10)


@pytest.fixture
def found():
    """Two touching discs as one object, and a third one that was missed."""
    joined = disc(*LARGE) | disc(*SMALL)
    maps = {
        "foreground": np.where(joined, 230, np.where(disc(*MISSED), 90, 10)).astype(np.uint8),
        "inner_distance": distance(LARGE, SMALL, MISSED),
    }
    return replace(segmentation_of(joined.astype(np.int32)), maps=maps, next_id=2)


def iou(mask, other):
    return (mask & other).sum() / (mask | other).sum()


def test_two_clicks_part_touching_objects_where_the_map_has_its_valley(found):
    after = apply_patches(found, [guided.split_at(working(found), 1, [[40, 40], [66, 40]])])
    assert after.ids.tolist() == [1, 2] and after.by_hand == {1, 2}
    assert iou(after.labels == 1, disc(*LARGE)) > 0.95 and iou(after.labels == 2, disc(*SMALL)) > 0.85
    assert ((after.labels > 0) == (found.labels > 0)).all()


@pytest.mark.parametrize(
    ("change", "columns", "end"),
    [({"maps": {}}, (30, 70), 78), ({"labels": disc(*LARGE).astype(np.int32)}, (38, 50), 59)],
)
def test_without_maps_or_a_valley_each_pixel_goes_to_the_nearest_click(found, change, columns, end):
    bare = replace(found, **change)
    after = apply_patches(bare, [guided.split_at(working(bare), 1, [[column, 40] for column in columns])])
    border = sum(columns) // 2
    assert (after.labels[40, 21:border] == 1).all() and (after.labels[40, border + 1 : end] == 2).all()


def test_three_clicks_make_three_objects(found):
    after = apply_patches(found, [guided.split_at(working(found), 1, [[30, 40], [45, 40], [66, 40]])])
    assert after.ids.tolist() == [1, 2, 3] and (after.labels > 0).sum() == (found.labels > 0).sum()


def test_a_piece_without_a_click_stays_with_the_first(found):
    labels = found.labels.copy()
    labels[2:8, 2:8] = 1
    apart = replace(found, labels=labels)
    after = apply_patches(apart, [guided.split_at(working(apart), 1, [[40, 40], [66, 40]])])
    assert (after.labels[2:8, 2:8] == 1).all()


@pytest.mark.parametrize(
    ("points", "sentence"),
    [([[40, 40]], "It takes 2"), ([[40, 40], [40.4, 40.2]], "the same pixel"),
     ([[40, 40], [3, 3]], "Point 2 lies outside object 1"), ([[40, 40], [1e5, -3]], "Point 2 lies outside object 1"),
     ([[40, 40], [float("nan"), 3]], "points")],
)  # fmt: skip
def test_clicks_that_split_nothing_are_refused(found, points, sentence):
    with pytest.raises(BadEdit, match=sentence):
        guided.split_at(working(found), 1, points)


def test_a_click_adds_what_was_missed_and_takes_nothing_from_others(found):
    after = apply_patches(found, [guided.add_object(working(found), [100, 40])])
    assert iou(after.labels == 2, disc(*MISSED)) == 1 and (after.labels == 1).sum() == (found.labels == 1).sum()
    assert after.by_hand == {2}


def test_of_touching_objects_a_click_adds_the_one_around_it(found):
    none = replace(segmentation_of(np.zeros_like(found.labels)), maps=found.maps, next_id=2)
    added = apply_patches(none, [guided.add_object(working(none), [40, 40])]).labels == 2
    assert iou(added, disc(*LARGE)) > 0.95
    # Two tops of one object, with a valley of 0.06 between them: it parts only what somebody deleted.
    alone = np.where(disc(*LARGE), 200, 0).astype(np.uint8)
    flat = replace(
        none, maps={"foreground": alone, "inner_distance": np.where(abs(COLUMNS - 40) < 3, alone // 200 * 185, alone)}
    )
    assert iou(apply_patches(flat, [guided.add_object(working(flat), [32, 40])]).labels == 2, disc(*LARGE)) > 0.95
    before = replace(found, maps=flat.maps)
    half = correct(before, [{"op": "delete", "ids": [1]}, {"op": "add", "point": [32, 40]}]).labels == 2
    assert half[40, 32] and not half[40, 50]


def test_a_click_outside_shrinks_it(found):
    """The level rises until the second point is left out."""
    missed = np.where(disc(*MISSED), 140 + distance(MISSED) // 3, 0).astype(np.uint8)
    maps = {**found.maps, "foreground": np.maximum(found.maps["foreground"], missed)}
    grown = replace(found, maps=maps)
    whole = apply_patches(grown, [guided.add_object(working(grown), [100, 40])]).labels == 2
    inner = apply_patches(grown, [guided.add_object(working(grown), [100, 40], [[106.5, 40.5]])]).labels == 2
    assert whole[40, 106] and not inner[40, 106] and inner[40, 100] and 9 <= inner.sum() < whole.sum()


def test_a_large_object_is_followed_to_its_edge():
    labels, foreground = np.zeros((600, 700), np.int32), np.zeros((600, 700), np.uint8)
    foreground[100:300, 100:600], labels[500:510, 10:20] = 200, 1
    segmentation = replace(segmentation_of(labels), maps={"foreground": foreground}, next_id=2)
    after = apply_patches(segmentation, [guided.add_object(working(segmentation), [110, 110])])
    assert ((after.labels == 2) == (foreground > 0)).all()


@pytest.mark.parametrize(
    ("point", "outside", "sentence"),
    [([40, 40], [], "Object 1 is there already"), ([500, 40], [], "outside the image"),
     ([5, 5], [], "No outline was recognised"), ([100, 40], [[100.2, 40.2]], "leaves out these points"),
     (["a", 4], [], "list of points")],
)  # fmt: skip
def test_clicks_that_add_nothing_are_refused(found, point, outside, sentence):
    with pytest.raises(BadEdit, match=sentence):
        guided.add_object(working(found), point, outside)


def test_a_click_on_what_has_no_end_is_refused_before_all_of_it_is_looked_at(found):
    wide = replace(
        segmentation_of(np.zeros((16, 6000), np.int32)), maps={"foreground": np.full((16, 6000), 90, np.uint8)}
    )
    with pytest.raises(BadEdit, match="was recognised"):
        guided.add_object(working(wide), [3000, 8])
    with pytest.raises(BadEdit, match="these points"):
        guided.add_object(working(wide), [3000, 8], [[10, 8]])


def test_without_maps_nothing_is_added_by_a_click(found):
    with pytest.raises(BadEdit, match="draw the outline"):
        guided.add_object(working(replace(found, maps={})), [100, 40])


def test_smoothing_takes_teeth_and_notches_and_no_pixel_of_others():
    labels = np.zeros((40, 40), np.int32)
    labels[10:20, 10:20], labels[10:20, 20:30] = 1, 2
    labels[9, 14], labels[19, 14], labels[9, 24] = 1, 0, 2
    segmentation = segmentation_of(labels)
    after = apply_patches(segmentation, [guided.smooth_outlines(working(segmentation), [1])])
    assert after.labels[9, 14] == 0 and after.labels[19, 14] == 1
    assert ((after.labels == 2) == (labels == 2)).all()
    with pytest.raises(BadEdit, match="smooth already"):
        smoothed = apply_patches(after, [guided.smooth_outlines(working(after), [2])])
        guided.smooth_outlines(working(smoothed), [2])


def test_a_line_is_too_thin_to_be_smoothed():
    labels = np.zeros((20, 20), np.int32)
    labels[10, 2:18] = 1
    with pytest.raises(BadEdit, match="too thin"):
        guided.smooth_outlines(working(segmentation_of(labels)), [1])


def test_a_flood_leaves_pixels_without_a_seed():
    inside = np.array([[1, 1, 0, 1]], bool)
    parts = geometry.watershed_parts(np.array([[5, 0, 0, 0]], np.int32), np.full((1, 4), 9, np.uint8), inside)
    assert parts.tolist() == [[5, 5, 0, 0]]


def test_they_are_written_as_json(found):
    operations = [
        {"op": "split", "id": 1, "points": [[40, 40], [66, 40]]},
        {"op": "add", "point": [100, 40]},
        {"op": "draw", "polygon": [[40, 18], [41, 18], [41, 25], [40, 25]], "id": 1},
        {"op": "smooth", "ids": [1, 2]},
        {"op": "undo"},
    ]
    after = correct(found, operations)
    assert after.ids.tolist() == [1, 2, 3] and after.used["corrected"] == 3
    for wrong in ({"id": 1}, {"id": 1, "line": [[1, 2], [3, 4]], "points": [[1, 2], [3, 4]]}):
        with pytest.raises(BadEdit, match="a line, cuts or points"):
            correct(found, [{"op": "split", **wrong}])
    with pytest.raises(BadEdit, match="needs id with points"):
        correct(found, [{"op": "split", "points": [[40, 40], [66, 40]]}])


def test_further_clicks_make_what_was_added_wider_or_narrower(found):
    """Two touching objects: the basin of one, then both; a point that no level leaves out goes to its own click."""
    none = replace(segmentation_of(np.zeros_like(found.labels)), maps=found.maps, next_id=2)
    wide = apply_patches(none, [guided.add_object(working(none), [40, 40], wider=1)]).labels == 2
    assert iou(wide, disc(*LARGE) | disc(*SMALL)) > 0.95
    narrow = apply_patches(none, [guided.add_object(working(none), [40, 40], [[52, 40]])]).labels == 2
    assert narrow[40, 40] and not narrow[40, 52] and narrow.sum() > 400
    with pytest.raises(BadEdit, match="cannot grow"):
        guided.add_object(working(none), [40, 40], wider=9)


def test_a_map_of_boundaries_guides_clicks_on_grains():
    """Three grains in a row; the boundary of the last two was weak."""
    lines = np.where(abs(COLUMNS - 80) < 2, 120, 5).astype(np.uint8)
    lines[(abs(COLUMNS - 40) < 2) | ((abs(ROWS - 50) < 2) & (COLUMNS < 40))] = 250
    labels = np.zeros(lines.shape, np.int32)
    labels[:, :38], labels[:, 43:] = 1, 2
    grains = replace(segmentation_of(labels), maps={"boundary": lines}, next_id=3)
    two = working(grains).after([guided.split_at(working(grains), 2, [[60, 40], [110, 40]], boundary=True)])
    row = two.crop((40, 0, 41, 120))[0]
    assert (row[43:77] == 2).all() and not row[78:81].any() and (row[83:] == 3).all()
    gone = replace(grains, labels=np.where(labels == 1, 0, labels))
    added = working(gone).after([guided.add_object(working(gone), [20, 40])]).crop((0, 0, 80, 120))
    assert abs(int((added == 3).sum()) - 38 * 49) <= 60


def pictured(found, grey):
    """The same result with the edges of a picture, as an analysis keeps them."""
    return replace(found, maps={**found.maps, EDGES: edge_map(grey, found.maps["foreground"])})


def test_two_clicks_part_along_an_edge_of_the_picture_where_the_map_has_no_valley():
    box, edge = (slice(20, 60), slice(20, 100)), 75
    labels, grey = np.zeros(ROWS.shape, np.int32), np.full(ROWS.shape, 40, np.uint8)
    labels[box], grey[box] = 1, 150
    grey[20:60, edge:100] = 180
    maps = {"foreground": np.where(labels, 230, 0).astype(np.uint8), "inner_distance": np.where(labels, 120, 0)}
    flat = replace(segmentation_of(labels), maps={name: values.astype(np.uint8) for name, values in maps.items()})
    clicks = [[35, 40], [85, 40]]
    halved, parted = (
        apply_patches(result, [guided.split_at(working(result), 1, clicks)]).labels
        for result in (flat, pictured(flat, grey))
    )
    assert (halved[40] == 1).sum() == pytest.approx(40, abs=1), "half way between the clicks"
    assert (parted[40] == 1).sum() == pytest.approx(edge - 20, abs=2)
    assert ((parted > 0) == (labels > 0)).all()


def test_the_valley_of_the_map_counts_as_much_as_an_edge(found):
    plain = pictured(found, np.where(found.labels > 0, 150, 40).astype(np.uint8))
    after = apply_patches(plain, [guided.split_at(working(plain), 1, [[40, 40], [66, 40]])])
    assert iou(after.labels == 1, disc(*LARGE)) > 0.9 and iou(after.labels == 2, disc(*SMALL)) > 0.8


def test_clicks_in_neighbouring_pixels_and_at_the_rim_are_parted(found):
    plain = pictured(found, np.random.default_rng(3).integers(0, 255, found.labels.shape, np.uint8))
    for clicks in ([[40, 40], [41, 40]], [[21, 40], [77, 40]]):
        try:
            after = apply_patches(plain, [guided.split_at(working(plain), 1, clicks)]).labels
        except BadEdit as refused:
            assert "too close together" in str(refused)
            continue
        assert set(np.unique(after)) == {0, 1, 2} and ((after > 0) == (found.labels > 0)).all()


def test_edges_are_the_same_in_bands_and_nothing_where_the_map_shows_no_object():
    rng = np.random.default_rng(5)
    grey, foreground = (
        rng.integers(0, 255, (edges.BAND + 90, 40), np.uint8),
        np.full((edges.BAND + 90, 40), 200, np.uint8),
    )
    foreground[:, 30:] = edges.FAINT - 1
    whole = edge_map(grey, foreground)
    lower = edge_map(grey[edges.BAND - 60 :], foreground[edges.BAND - 60 :])
    assert (whole[edges.BAND - 20 :] == lower[40:]).all() and not whole[:, 30:].any() and whole[:, :30].any()
    assert not edge_map(np.full((50, 40), 9, np.uint8), foreground[:50]).any()
