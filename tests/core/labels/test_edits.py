"""Corrections: every operation does what it says, a patch and its inverse leave no trace, and ids never come back."""

import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from skimage.measure import label as measure_label

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.corrections import edits, guided
from segmentation.core.labels.corrections.patches import BadEdit, Patch, apply_patches
from segmentation.core.labels.corrections.runs import piece_numbers, pixels_and_ids, runs_in
from segmentation.core.labels.corrections.shape_pixels import stroke_spans
from segmentation.core.labels.corrections.working import WorkingLabels
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.pipeline import measure
from tests.core.builders import grey_of, segmentation_of
from tests.core.labels.test_separate import label_discs

SHAPE = (40, 50)


def drawn(shape=SHAPE):
    """Three objects: 2 with a hole, 5 and 9 side by side."""
    labels = np.zeros(shape, np.int32)
    labels[4:14, 4:14] = 2
    labels[8:10, 8:10] = 0
    labels[20:30, 10:20] = 5
    labels[20:30, 20:25] = 9
    return Segmentation(
        labels,
        np.array([2, 5, 9], np.int32),
        np.array([0, 1, 0], np.int32),
        ("round", "long"),
        np.array([0.9, 0.25, 0.5], np.float32),
        36,
        Provenance("ab" * 32, "particles"),
        alternatives={"threshold +0.1": labels},
        maps={"foreground": np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)},
        next_id=12,
    )


FOUND = drawn()
working = WorkingLabels.of


def area(segmentation, number):
    return int((segmentation.labels == number).sum())


def test_deleting_takes_the_object_and_nothing_else():
    after = apply_patches(FOUND, [edits.delete(working(FOUND), [5])])
    assert after.ids.tolist() == [2, 9]
    assert after.confidence.tolist() == [pytest.approx(0.9), 0.5]
    assert area(after, 9) == 50
    assert not after.alternatives
    assert after.maps.keys() == FOUND.maps.keys()
    assert (FOUND.labels == drawn().labels).all()


def test_deleted_objects_come_back_where_there_is_room():
    gone = apply_patches(FOUND, [edits.delete(working(FOUND), [5])])
    over = apply_patches(gone, [edits.draw(working(gone), [(10, 20), (14, 20), (14, 30), (10, 30)])])
    back = apply_patches(over, [edits.restore(working(over), [5], working(FOUND))])
    assert (area(back, 5), area(back, 12), area(back, 9)) == (60, 40, 50)
    assert back.confidence[1] == 0.25
    full = apply_patches(gone, [edits.draw(working(gone), [(0, 15), (50, 15), (50, 35), (0, 35)])])
    with pytest.raises(BadEdit, match="5 can be restored"):
        edits.restore(working(full), [5], working(FOUND))


def test_what_a_person_sets_aside_and_takes_back_is_remembered():
    aside = apply_patches(FOUND, [edits.set_aside(working(FOUND), [2, 9], "a satellite")])
    assert aside.set_aside == {2: "a satellite", 9: "a satellite"}
    back = apply_patches(aside, [edits.restore(working(aside), [9], working(FOUND))])
    assert back.set_aside == {2: "a satellite"}
    assert back.by_hand == {9}
    assert np.isnan(back.confidence[2])


def test_merged_objects_are_one_under_the_id_of_the_largest():
    after = apply_patches(FOUND, [edits.merge(working(FOUND), [9, 5])])
    assert after.ids.tolist() == [2, 5]
    assert area(after, 5) == 150
    assert after.by_hand == {5}
    assert np.isnan(after.confidence[1])


def test_a_line_splits_an_object_and_the_largest_part_keeps_its_id():
    after = apply_patches(FOUND, [edits.split(working(FOUND), 5, [(9, 26.5), (22, 26.5)])])
    assert after.ids.tolist() == [2, 5, 9, 12]
    assert (area(after, 5), area(after, 12)) == (70, 30) or (area(after, 5), area(after, 12)) == (60, 40)
    assert area(after, 5) + area(after, 12) == 100
    assert after.classes.tolist() == [0, 1, 0, 1]
    assert after.next_id == 13


def test_a_line_that_ends_three_pixels_from_the_edge_splits_too():
    after = apply_patches(FOUND, [edits.split(working(FOUND), 5, [(12.5, 25.5), (17.4, 25.5)])])
    assert (area(after, 5), area(after, 12)) == (50, 50)
    with pytest.raises(BadEdit, match="not split object 5"):
        edits.split(working(FOUND), 5, [(13.5, 25.5), (17.4, 25.5)])


@pytest.mark.parametrize("line", [[(9, 18), (22, 18)], [(10, 25), (15, 25)], [(10.5, 19), (10.5, 31)]])
def test_a_line_that_splits_nothing_is_refused(line):
    split = drawn()
    split.labels[20:30, 10] = 0
    split.labels[20:24, 10] = 5
    with pytest.raises(BadEdit, match="not split object 5"):
        edits.split(working(split), 5, line)


def test_a_line_from_far_outside_cuts_what_it_crosses():
    far = apply_patches(FOUND, [edits.split(working(FOUND), 5, [(-999_999, 25), (999_999, 25.001)])])
    near = apply_patches(FOUND, [edits.split(working(FOUND), 5, [(0, 25), (49, 25)])])
    assert (far.labels == near.labels).all()
    with pytest.raises(BadEdit, match="does not split"):
        edits.split(working(FOUND), 5, [(-999_999, 900), (999_999, 900)])


def test_only_the_piece_under_the_line_is_split():
    labels = FOUND.labels.copy()
    labels[20:30, 30:36] = 5
    segmentation = replace(FOUND, labels=labels)
    after = apply_patches(segmentation, [edits.split(working(segmentation), 5, [(15.5, 18), (15.5, 32)])])
    assert area(after, 5) + area(after, 12) == 160
    assert (after.labels[20:30, 30:36] == 5).all()


def test_a_polygon_takes_the_pixels_whose_centres_it_holds():
    after = apply_patches(FOUND, [edits.draw(working(FOUND), [(30, 2), (40, 2), (40, 7), (30, 7)], name="long")])
    assert area(after, 12) == 50
    assert (after.labels[2:7, 30:40] == 12).all()
    assert after.classes.tolist() == [0, 1, 0, 1]
    assert after.by_hand == {12}
    triangle = apply_patches(FOUND, [edits.draw(working(FOUND), [(30, 2), (40, 2), (30, 12)])])
    assert area(triangle, 12) == 45


def test_drawing_takes_from_others_or_from_the_ground_alone():
    square = [(15, 22), (30, 22), (30, 28), (15, 28)]
    over = apply_patches(FOUND, [edits.draw(working(FOUND), square)])
    assert (area(over, 5), area(over, 9), area(over, 12)) == (70, 20, 90)
    assert over.by_hand == {5, 9, 12}
    ground = apply_patches(FOUND, [edits.draw(working(FOUND), square, ground=True)])
    assert (area(ground, 5), area(ground, 9), area(ground, 12)) == (100, 50, 30)
    grown = apply_patches(FOUND, [edits.draw(working(FOUND), square, 9, ground=True)])
    assert (area(grown, 9), grown.next_id) == (80, 12)
    all_of_it = apply_patches(FOUND, [edits.draw(working(FOUND), [(20, 20), (25, 20), (25, 30), (20, 30)])])
    assert all_of_it.ids.tolist() == [2, 5, 12]


def test_nothing_is_drawn_on_the_data_bar():
    after = apply_patches(FOUND, [edits.draw(working(FOUND), [(30, 30), (40, 30), (40, 45), (30, 45)])])
    assert area(after, 12) == 60
    with pytest.raises(BadEdit, match="outside the image"):
        edits.draw(working(FOUND), [(30, 36), (40, 36), (40, 40)])


def test_erasing_filling_reclassifying_and_reviewing():
    erased = apply_patches(FOUND, [edits.erase(working(FOUND), [(10, 20), (20, 20), (20, 25), (10, 25)])])
    assert (area(erased, 5), area(erased, 9)) == (50, 50)
    filled = apply_patches(FOUND, [edits.fill(working(FOUND), [2, 5])])
    assert (area(filled, 2), filled.by_hand) == (100, {2})
    other = apply_patches(FOUND, [edits.reclassify(working(FOUND), [9], "long")])
    assert (other.classes.tolist(), other.by_hand) == ([0, 1, 1], {9})
    assert apply_patches(FOUND, [edits.review(working(FOUND), [2])]).by_hand == {2}


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        (lambda: edits.delete(working(FOUND), [3]), "no object 3"),
        (lambda: edits.delete(working(FOUND), []), "at least one"),
        (lambda: edits.merge(working(FOUND), [2, 2]), "at least two"),
        (lambda: edits.set_aside(working(FOUND), [2], " "), "1 to 40"),
        (lambda: edits.reclassify(working(FOUND), [2], "flat"), "no class flat"),
        (lambda: edits.draw(working(FOUND), [(1, 1), (9, 9)]), "3 to 2000 points"),
        (lambda: edits.draw(working(FOUND), [(1, 1), (9, 9), "no"]), "list of points"),
        (lambda: edits.draw(working(FOUND), [(0, 0), (9, 9), (9, 0), (0, 9)]), "crosses itself"),
        (lambda: edits.draw(working(FOUND), [(10, 20), (20, 20), (20, 30)], ground=True), "no pixel that can be taken"),
        (lambda: edits.draw(working(FOUND), [(60, 2), (70, 2), (70, 9)]), "outside the image"),
        (lambda: edits.erase(working(FOUND), [(40, 0), (49, 0), (49, 9)]), "nothing to erase"),
        (lambda: edits.erase(working(FOUND), points=[(45, 5)], radius=2, number=5), "nothing to erase"),
        (lambda: edits.erase(working(FOUND)), "needs a polygon, or points"),
        (lambda: edits.erase(working(FOUND), points=[(45, 5)], radius=2, number=3), "no object 3"),
        (lambda: edits.paint(working(FOUND), [(1, 1)], 0.4), "0.5 to 500 pixels"),
        (lambda: edits.paint(working(FOUND), [], 3), "1 to 2000 points"),
        (lambda: edits.paint(working(FOUND), [(-30, 1)], 3), "no pixel of the image"),
        (lambda: edits.paint(working(FOUND), [(15, 25)], 3, ground=True), "no pixel that can be taken"),
        (lambda: edits.fill(working(FOUND), [5]), "no holes"),
    ],
)
def test_what_cannot_be_done_says_why(operation, sentence):
    with pytest.raises(BadEdit, match=sentence) as caught:
        operation()
    assert str(caught.value).count(". ") == 0


def runs(*rows):
    return np.array(rows, np.int32).reshape(-1, 3)


@pytest.mark.parametrize(
    "wrong",
    [runs((0, 0, 1)), runs((-1, 2, 1)), runs((1999, 2, 1)), runs((48, 4, 1)), runs((5, 1, 1), (4, 1, 1)),
     runs((4, 2, 1), (5, 1, 1)), runs((0, 4, 12)), runs((0, 4, -1))],
)  # fmt: skip
def test_patches_that_do_not_fit_are_refused(wrong):
    with pytest.raises(BadEdit):
        apply_patches(FOUND, [Patch(wrong, {}, 12)])
    with pytest.raises(BadEdit):
        working(FOUND).after([Patch(wrong, {}, 12)])


@pytest.mark.parametrize(
    "patch",
    [{}, 7, {"runs": [[1, 2]], "objects": {}, "next": 1}, {"runs": [[1, 2, 2**31]], "objects": {}, "next": 1},
     {"runs": [[1, 2, 0.5]], "objects": {}, "next": 1}, {"runs": [[1, 2, 3], [1]], "objects": {}, "next": 1},
     {"runs": [], "objects": {"x": 1}, "next": 1}],
)  # fmt: skip
def test_what_is_no_patch_is_refused(patch):
    with pytest.raises(BadEdit):
        Patch.from_dict(patch)


def test_a_patch_holds_the_pixels_that_change_and_nothing_else():
    patch = edits.merge(working(FOUND), [5, 9])
    assert patch.runs.tolist() == [[row * 50 + 20, 5, 5] for row in range(20, 30)]
    over = edits.draw(working(FOUND), [(18, 20), (22, 20), (22, 22), (18, 22)], 5)
    assert over.runs.tolist() == [[1020, 2, 5], [1070, 2, 5]]
    far = replace(FOUND, labels=FOUND.labels.copy())
    far.labels[0, 0] = far.labels[35, 49] = 5
    assert edits.delete(working(far), [5]).runs.tolist()[::11] == [[0, 1, 0], [1799, 1, 0]]


def test_the_checksum_is_that_of_the_runs_as_little_endian_words():
    patch = Patch(runs((3, 2, 7), (60, 1, 0)))
    assert patch.check == zlib.crc32(struct.pack("<6i", 3, 2, 7, 60, 1, 0))
    assert Patch().check == 0


def from_line(points, rows, width):
    """How far the centre of each pixel is from a line."""
    least = np.full((rows, width), np.inf)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(rows) + 0.5)
    for (ax, ay), (bx, by) in zip(points, points[1:] or points, strict=False):
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / length, 0, 1) if length > 0 else 0.0
        ex, ey = x - (ax + t * dx), y - (ay + t * dy)
        least = np.minimum(least, np.hypot(ex, ey))
    return least


@pytest.mark.parametrize("step", [0.5, 1.0, 0.001, 1e-9])
def test_a_brush_paints_the_pixels_within_its_radius(step):
    """On and off the grid of pixels; exactly at the rim, where rounding decides, a pixel may lie on either side."""
    rng = np.random.default_rng(5)
    for _ in range(150):
        points = (np.round(rng.uniform(-10, 60, (rng.integers(1, 5), 2)) / step) * step).tolist()
        if rng.random() < 0.3:
            points[-1][1] = points[0][1]
        radius = float(max(0.5, np.round(rng.uniform(0.5, 15) / step) * step))
        starts, ends = stroke_spans(np.array(points), radius, 40, 50)
        pixels = np.zeros(40 * 50, bool)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            pixels[start:end] = True
        distance = from_line(points, 40, 50)
        clear = np.abs(distance - radius) > 1e-9
        np.testing.assert_array_equal(pixels.reshape(40, 50)[clear], (distance <= radius)[clear])


def test_a_brush_wider_than_the_image_paints_whole_rows():
    patch = edits.paint(working(FOUND), [(-5, 10), (60, 10)], 4)
    assert patch.runs[:2].tolist() == [[300, 50, 12], [350, 50, 12]] and len(patch.runs) == 8
    assert area(apply_patches(FOUND, [patch]), 12) == 400


def test_painting_and_erasing_with_a_brush():
    after = apply_patches(FOUND, [edits.paint(working(FOUND), [(33, 10)], 3, name="long")])
    assert area(after, 12) == (from_line([(33, 10)], 36, 50) <= 3).sum() and after.classes.tolist() == [0, 1, 0, 1]
    grown = apply_patches(FOUND, [edits.paint(working(FOUND), [(24, 25), (30, 25)], 2, 9, ground=True)])
    assert area(grown, 5) == 100 and area(grown, 9) > 50 and grown.next_id == 12
    line = [(5, 25), (45, 25)]
    both = apply_patches(FOUND, [edits.erase(working(FOUND), points=line, radius=0.5)])
    assert (area(both, 5), area(both, 9)) == (80, 40)
    erased = apply_patches(FOUND, [edits.erase(working(FOUND), points=line, radius=0.5, number=9)])
    assert (area(erased, 5), area(erased, 9)) == (100, 40)
    square = [(15, 20), (25, 20), (25, 30), (15, 30)]
    assert area(apply_patches(FOUND, [edits.erase(working(FOUND), square, number=5)]), 9) == 50


def test_what_a_person_set_aside_stays_so_where_others_take_its_pixels():
    aside = apply_patches(FOUND, [edits.set_aside(working(FOUND), [9], "charging")])
    for patch in (
        edits.draw(working(aside), [(18, 20), (22, 20), (22, 30), (18, 30)], 5),
        edits.erase(working(aside), points=[(24, 25)], radius=2),
    ):
        after = apply_patches(aside, [patch])
        assert area(after, 9) < 50 and 9 in after.by_hand and after.set_aside == {9: "charging"}


SQUARE = [(30, 2), (40, 2), (40, 7), (30, 7)]


@pytest.mark.parametrize(
    ("outline", "pixels"),
    [
        ([(30, 2), (35, 2), (35, 7), (40, 7), (40, 12), (35, 12), (35, 7), (30, 7)], 50),  # two squares at a corner
        ([(30, 2), (40, 2), (40, 12), (30, 12), (30, 7), (35, 7), (30, 7)], 100),  # there and back along an edge
        ([(30, 2), (35, 7), (40, 2), (40, 12), (35, 7), (30, 12)], 50),  # an hourglass that crosses in a corner
        ([*SQUARE, SQUARE[0]], 50),
    ],
)
def test_an_outline_may_touch_itself(outline, pixels):
    assert area(apply_patches(FOUND, [edits.draw(working(FOUND), outline)]), 12) == pixels


@pytest.mark.parametrize("outline", [SQUARE * 2, [*SQUARE, (30, 2), (45, 2), (45, 9), (30, 9)]])
def test_an_outline_twice_around_the_same_place_is_refused(outline):
    with pytest.raises(BadEdit, match="twice"):
        edits.draw(working(FOUND), outline)


def operations(segmentation, rng):
    """One operation drawn at random; None where the draw gives one that is refused."""
    ids = segmentation.ids.tolist()
    selection = rng.choice(ids, min(len(ids), int(rng.integers(1, 4))), replace=False).tolist() if ids else [1]
    x, y, w, h = rng.integers(0, 45), rng.integers(0, 35), rng.integers(2, 12), rng.integers(2, 12)
    square = [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
    ways = [
        lambda: edits.delete(working(segmentation), selection[:1]),
        lambda: edits.restore(working(segmentation), selection, working(FOUND)),
        lambda: edits.restore(working(segmentation), [2, 5, 9], working(FOUND)),
        lambda: edits.set_aside(working(segmentation), selection, "odd"),
        lambda: edits.merge(working(segmentation), selection),
        lambda: edits.split(working(segmentation), selection[0], rng.uniform(0, 50, (3, 2)).tolist()),
        lambda: edits.draw(working(segmentation), square),
        lambda: edits.draw(working(segmentation), square, ground=True),
        lambda: edits.draw(working(segmentation), square, selection[0]),
        lambda: edits.erase(working(segmentation), square),
        lambda: edits.fill(working(segmentation), selection),
        lambda: edits.reclassify(working(segmentation), selection, "long"),
        lambda: edits.review(working(segmentation), selection),
        lambda: edits.paint(working(segmentation), rng.uniform(-5, 50, (2, 2)).tolist(), rng.uniform(0.5, 6)),
        lambda: edits.paint(working(segmentation), [(x, y)], 3, selection[0], ground=True),
        lambda: edits.erase(working(segmentation), points=[(x, y), (y, x)], radius=2),
        lambda: edits.erase(working(segmentation), square, number=selection[0]),
        lambda: guided.split_at(working(segmentation), selection[0], rng.uniform(0, 40, (2, 2)).tolist()),
        lambda: guided.add_object(working(segmentation), rng.uniform(0, 36, 2).tolist()),
        lambda: guided.smooth_outlines(working(segmentation), selection),
    ]
    try:
        return ways[rng.integers(len(ways))]()
    except BadEdit:
        return None


def same(segmentation, other):
    for name in ("labels", "ids", "classes", "confidence", "by_hand", "set_aside"):
        np.testing.assert_equal(getattr(segmentation, name), getattr(other, name))


@pytest.mark.parametrize("seed", range(2))
def test_many_operations_and_their_inverses_leave_no_trace(seed, tmp_path):
    rng, state, done, backwards = np.random.default_rng(seed), FOUND, [], []
    labels = working(state)
    highest = state.next_id
    while len(done) < 300:
        patch = operations(state, rng)
        if patch is None:
            continue
        patch = Patch.from_dict(json.loads(json.dumps(patch.as_dict())))
        new = set(patch.objects) - set(state.ids.tolist()) - {2, 5, 9}
        assert all(number >= highest for number in new)
        backwards.append(working(state).inverse(patch))
        labels = labels.after([patch])
        done.append(patch)
        state, before = apply_patches(state, [patch]), state
        assert state.next_id >= before.next_id > int(before.ids.max(initial=0))
        assert not state.labels[state.rows :].any()
        assert state.ids.tolist() == np.unique(state.labels[state.labels > 0]).tolist()
        highest = state.next_id
        assert (labels.crop((0, 0, *SHAPE)) == state.labels).all() and labels.objects.keys() == set(state.ids.tolist())
    state.save(tmp_path / "now.npz")
    same(Segmentation.load(tmp_path / "now.npz"), state)
    same(apply_patches(FOUND, done), state)
    first = apply_patches(state, backwards[::-1])
    same(first, FOUND)
    assert first.next_id == highest


@pytest.mark.parametrize("corners", [False, True])
def test_pieces_of_runs_are_those_of_the_image(corners):
    rng = np.random.default_rng(3)
    for share in (0.0, 0.3, 0.6, 1.0):
        labels = (rng.integers(1, 3, (37, 53)) * (rng.random((37, 53)) < share)).astype(np.int32)
        runs = runs_in(labels, labels > 0, (0, 0, 37, 53), 53)
        pixels, pieces = pixels_and_ids(np.column_stack([runs[:, :2], piece_numbers(runs, 53, corners=corners)]))
        true, many = measure_label(labels, connectivity=1 + corners, return_num=True)
        assert len(set(pieces.tolist())) == many
        pairs = set(zip(pieces.tolist(), true.ravel()[pixels].tolist(), strict=True))
        assert len(pairs) == many  # the same pixels hang together, under other numbers


def test_what_a_person_decided_is_what_is_measured():
    labels = label_discs((30, 30, 12), (30, 80, 12), (30, 130, 12), (85, 40, 12), (85, 110, 12))
    segmentation = segmentation_of(labels, np.array([0.9, 0.2, 0.9, 0.9, 0.9], np.float32))
    micrograph = Micrograph(grey_of(labels), "a.tif", "ab" * 32, Calibration(None, "none"))
    settings = AnalysisSettings.of(filter=True)
    assert measure(micrograph, segmentation, settings).table.reasons.tolist()[1] == "low confidence"
    patched = apply_patches(
        segmentation,
        [edits.set_aside(working(segmentation), [5], "a satellite"), edits.review(working(segmentation), [2])],
    )
    table = measure(micrograph, patched, settings).table
    assert table.reasons.tolist() == ["", "", "", "", "a satellite"]
    assert table["by_hand"].tolist() == [False, True, False, False, False]
    split = apply_patches(patched, [edits.split(working(patched), 1, [(30.5, 0), (30.5, 60)])])
    assert measure(micrograph, split, settings).table["label"].tolist() == [1, 2, 3, 4, 5, 6]


def grains():
    """Four grains of 20 px, 5 px apart; a small hole in the first stays no boundary."""
    labels = np.zeros((50, 50), np.int32)
    for number, (row, column) in enumerate([(2, 2), (2, 27), (27, 2), (27, 27)], 1):
        labels[row : row + 20, column : column + 20] = number
    return working(segmentation_of(labels))


def test_merged_grains_have_no_boundary_between_them_and_keep_those_to_others():
    after = grains().after([edits.merge(grains(), [1, 2], boundary=True)]).crop((0, 0, 50, 50))
    assert (after[2:22, 2:47] == 1).all() and not after[22:27].any() and set(after[27:].ravel()) == {0, 3, 4}
    apart = edits.merge(grains(), [1, 2])
    assert not grains().after([apart]).crop((2, 22, 22, 27)).any()
    all_four = grains().after([edits.merge(grains(), [1, 2, 3, 4], boundary=True)]).crop((0, 0, 50, 50))
    assert (all_four[2:47, 2:22] == 1).all() and (all_four[2:47, 27:47] == 1).all()


def test_a_drawn_boundary_parts_every_grain_that_it_crosses():
    patch = edits.split(grains(), None, [(0, 12), (49, 12)], boundary=True)
    after = grains().after([patch]).crop((0, 0, 50, 50))
    assert patch.ids_left == [1, 5, 2, 6] and patch.next_id == 7
    columns = after[2:22, 10]
    assert (columns > 0).sum() == 15 and len(set(columns.tolist()) - {0}) == 2  # the boundary is 5 px wide
    merged = grains().after([patch, edits.merge(grains().after([patch]), [1, 5], boundary=True)])
    assert (merged.crop((2, 2, 22, 22)) > 0).all()
    with pytest.raises(BadEdit, match="crosses no object"):
        edits.split(grains(), None, [(22.5, 0), (22.5, 49)], boundary=True)


def test_a_connected_area_takes_another_class():
    labels = np.ones((30, 40), np.int32)
    labels[5:10, 5:10] = labels[20:25, 30:35] = labels[25, 35] = 2
    phases = working(replace(segmentation_of(labels), class_names=("ferrite", "cementite"), next_id=3))
    after = phases.after([edits.draw_area(phases, (7, 7), 1)]).crop((0, 0, 30, 40))
    assert (after[:20] == 1).all() and (after == 2).sum() == 26
    corner = phases.after([edits.draw_area(phases, (35.5, 25.5), name="cementite")])
    assert (corner.crop((0, 0, 30, 40)) == 3).sum() == 1 and corner.objects[3].class_index == 1
    with pytest.raises(BadEdit, match="outside the image"):
        edits.draw_area(phases, (40, 3), 1)


def test_a_line_without_an_id_is_led_on_in_the_object_that_it_is_for_alone():
    """It begins 2 px inside object 1 and ends in object 2, 2 px from the far edge of that."""
    labels = np.zeros((30, 60), np.int32)
    labels[5:25, 5:35], labels[5:25, 35:45] = 1, 2
    now = working(segmentation_of(labels))
    patch = edits.split(now, None, [(7.5, 15.5), (42.5, 15.5)])
    assert patch.ids_left == [1, 3] and (now.after([patch]).crop((0, 35, 30, 45))[5:25] == 2).all()
    with pytest.raises(BadEdit, match="not split any object"):
        edits.split(now, None, [(20.5, 15.5), (42.5, 15.5)])
    with pytest.raises(BadEdit, match="not split object 1"):
        edits.split(now, None, [(15.5, 15.5), (20.5, 15.5)])


def test_a_line_without_an_id_does_not_cut_what_its_ends_stick_out_into():
    """Its end passes through a corner of object 2; a line that is as long in both cuts both."""
    labels = np.zeros((40, 60), np.int32)
    labels[5:35, 5:35], labels[5:35, 35:55] = 1, 2
    now = working(segmentation_of(labels))
    assert edits.split(now, None, [(2, 20), (35, 29), (44, 37)]).ids_left == [1, 3]
    assert edits.split(now, 2, [(2, 20), (35, 29), (44, 37)]).ids_left == [2, 3]
    assert edits.split(now, None, [(2, 20), (57, 20)]).ids_left == [1, 3, 2, 4]


@pytest.mark.parametrize(
    ("points", "ids"),
    [
        ([(24.5, 10)], {1, 2}),
        ([(18, 12), (30, 12)], {1, 2}),  # across
        ([(24.5, 3), (24.5, 45)], {1, 2, 3, 4}),  # along two boundaries
        ([(24.5, 3), (24.5, 21)], {1, 2}),  # along one, brushing against others at its end
        ([(-40, 24.5), (90, 24.5)], {1, 2, 3, 4}),
    ],
)
def test_a_line_merges_what_lies_on_both_sides_of_its_boundaries(points, ids):
    patch = edits.merge(grains(), points=points, boundary=True)
    after = grains().after([patch])
    assert set(after.objects) == {1, 2, 3, 4} - ids | {min(ids)}
    assert after.pieces_of([min(ids)]) == {min(ids): 1}


@pytest.mark.parametrize("points", [[(12, 12)], [(3, 12), (9, 12)], [(-5, -5)], [(60, 60), (90, 60)]])
def test_where_no_boundary_is_near_nothing_is_merged(points):
    with pytest.raises(BadEdit, match="No boundary is near"):
        edits.merge(grains(), points=points)


def test_cuts_are_made_one_after_another_and_those_that_divide_nothing_are_passed_over():
    """The third and fourth lines cut a part that the first made; two of the others lie where nothing is."""
    now = grains()
    cross = [[(12, 0), (12, 24)], [(24, 0), (24, 24)], [(0, 12), (12, 12)], [(12, 12), (24, 12)], [(40, 23), (45, 23)]]
    patch = edits.split_along(now, cross)
    after = now.after([patch])
    assert set(after.objects) == {1, 2, 3, 4, 5, 6, 7} and patch.next_id == 8
    assert set(np.unique(after.crop((2, 2, 22, 22)))) == {1, 5, 6, 7}
    areas = after.areas()
    assert [areas[number] for number in (2, 3, 4)] == [400] * 3
    assert sum(areas[number] for number in (1, 5, 6, 7)) == 400
    same_labels = after.after([now.inverse(patch)]).crop((0, 0, 50, 50)) == now.crop((0, 0, 50, 50))
    assert same_labels.all()
    with pytest.raises(BadEdit, match="No line splits"):
        edits.split_along(now, cross[-1:])


BESIDE, FAR = [(25, 20), (29, 20), (29, 24), (25, 24)], [(32, 4), (36, 4), (36, 8), (32, 8)]


def test_a_stroke_far_from_the_selected_object_is_a_new_one_of_its_class():
    now = working(FOUND)
    assert edits.draw(now, BESIDE, 9, touching=True).ids_left == [9]
    assert edits.draw(now, [(x + 1, y) for x, y in BESIDE], 9, touching=True).ids_left == [12]  # a pixel between them
    assert edits.paint(now, [(25.5, 30.5)], 0.5, 9, touching=True).ids_left == [9]  # a corner
    far = edits.draw(now, FAR, 5, touching=True)
    assert far.ids_left == [12] and far.objects[12].class_index == 1
    assert edits.draw(now, FAR, 5, name="round", touching=True).objects[12].class_index == 0
    assert edits.draw(now, FAR, 5, replace=True, touching=True).objects == far.objects
    assert edits.paint(now, [(34, 6)], 2, 77, touching=True).ids_left == [12]  # that object is gone
    assert edits.draw(now, FAR, 5).ids_left == [5]


def test_an_eraser_far_from_the_selected_object_takes_what_lies_there():
    now = working(FOUND)
    assert edits.erase(now, points=[(7, 7)], radius=2, number=5, touching=True).ids_left == [2]
    assert edits.erase(now, points=[(20, 25)], radius=2, number=5, touching=True).ids_left == [5]
    assert edits.erase(now, points=[(7, 7)], radius=2, number=77, touching=True).ids_left == [2]
    beside = [(20, 22), (22, 22), (22, 24), (20, 24)]
    assert edits.erase(now, beside, number=5, touching=True).ids_left == [
        9
    ]  # it touches object 5, and holds none of it
