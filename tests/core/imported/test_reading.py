"""Outlines of other tools: files as these tools and we ourselves write them, and files that nobody should send."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as packed
from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from segmentation.core import tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.imported import shapes
from segmentation.core.imported.reading import Outlines, read_outlines
from segmentation.core.imported.shapes import Frame
from segmentation.core.labels.segmentation import MASKS, Provenance, Segmentation
from segmentation.core.masks.label_images import read_array
from segmentation.core.micrograph.types import Calibration, Micrograph, UnreadableImage
from segmentation.core.pipeline import measure
from segmentation.core.report.exports import coco, labels, rois
from segmentation.core.report.figures.picture import COLOURS
from segmentation.core.report.files import write_all
from segmentation.core.report.outlines import polygons
from segmentation.core.report.wording import imported_words
from segmentation.core.stored import Used
from segmentation.core.tasks import find
from tests.conftest import as_file
from tests.core.builders import analysis_of, disc_labels
from tests.hostile import REFUSED, tiff
from tests.web import archive

FRAME, PARTICLES, PHASES = Frame(120, 160, 120), find("particles"), find("phases")
SQUARE = [(10, 20), (30, 20), (30, 50), (10, 50)]


def read(
    tmp_path, content: bytes, suffix: str, frame=FRAME, task=PARTICLES, names=("particle",), **options
) -> Outlines:
    file = tmp_path / f"outlines{suffix}"
    file.write_bytes(content)
    return read_outlines(file, frame, task, names, **options)


def rings():
    """Discs, one of them with a hole and in two pieces, and an object that touches the frame."""
    drawn = disc_labels(9, (120, 160), seed=3)
    y, x = (axis[0] for axis in np.nonzero(drawn == 5))
    drawn[drawn == 5] = 0
    drawn[y + 2 : y + 14, max(0, x - 6) : x + 6] = 5
    drawn[y + 6 : y + 9, x - 2 : x + 2] = 0
    drawn[115:119, 150:158] = 5
    drawn[:6, :9] = 10
    return drawn


def zipped(*rois_in) -> bytes:
    return archive.zipped(
        (f"{n}.roi", roi if isinstance(roi, bytes) else roi.tobytes()) for n, roi in enumerate(rois_in)
    )


def coco_of(annotations, **more) -> bytes:
    image = {"id": 1, "file_name": "a.png", "width": 160, "height": 120}
    categories = [{"id": 1, "name": "particle"}]
    return json.dumps({"images": [image], "categories": categories, "annotations": annotations, **more}).encode()


def annotation(segmentation, number=1, **more):
    return {"id": number, "image_id": 1, "category_id": 1, "segmentation": segmentation, **more}


# Our own files come back


def test_our_own_files_come_back_with_equal_ids_and_pixels(tmp_path):
    analysis = analysis_of(rings())
    segmentation = analysis.segmentation
    shapes_of = polygons(segmentation.dense, len(segmentation))
    made = {".tif": io.BytesIO(), ".zip": io.BytesIO()}
    labels.write_tiff(analysis, made[".tif"], keep_all=True)
    rois.write_rois(analysis, shapes_of, made[".zip"], keep_all=True)
    made[".json"] = io.BytesIO(json.dumps(coco.as_dict(analysis, shapes_of)).encode())
    for suffix, file in made.items():
        back = read(tmp_path, file.getvalue(), suffix)
        assert np.array_equal(back.labels, segmentation.labels), suffix
        assert sorted(back.classes) == segmentation.ids.tolist() and not back.overlapping and not back.notes
    aside = {int(i): why for i, why in zip(segmentation.ids, analysis.table.reasons, strict=True) if why}
    assert aside, "something touches the frame"
    assert back.reasons == aside == read(tmp_path, made[".zip"].getvalue(), ".zip").reasons


def test_what_we_set_aside_stays_aside_unless_its_outline_was_changed(tmp_path):
    """Of three doubtful discs one is sent as it is, one with a pixel less, and one partly under another outline."""
    confidence = np.full(10, 0.9, np.float32)
    confidence[1:4] = 0.2
    before = analysis_of(rings(), confidence=confidence, filter=True)
    segmentation = before.segmentation
    sent = before.segmentation.labels.copy()
    y, x = (axis[0] for axis in np.nonzero(sent == 3))
    sent[y, x] = 0
    y, x = (axis[-1] for axis in np.nonzero(sent == 4))
    sent[y, x] = 8
    reasons = {int(i): why for i, why in zip(segmentation.ids, before.table.reasons, strict=True) if why}
    source = {"name": "rois.zip", "sha256": "cd" * 32, "version": "1"}
    kinds = dict.fromkeys(segmentation.ids.tolist(), 0)
    back = Outlines(sent, kinds, {**reasons, 9: "charging"}, "ImageJ").segmentation(segmentation, **source)
    after = measure(before.micrograph, back, before.settings).table
    aside = {int(i): why for i, why in zip(back.ids, after.reasons, strict=True) if why}
    assert {2, 3, 4} < reasons.keys(), "they were set aside, and others at the frame"
    assert aside == {number: why for number, why in {**reasons, 9: "charging"}.items() if number != 3}
    assert not {2, 4} & back.by_hand and {1, 3} <= back.by_hand


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.int32, np.float32])
def test_label_images_keep_their_ids(tmp_path, kind):
    wanted = np.zeros((120, 160), kind)
    wanted[10:20, 10:20], wanted[40:50, 40:60], wanted[80:90, 10:30] = 3, 7, 200
    back = read(tmp_path, tiff(wanted), ".tif")
    assert np.array_equal(back.labels, wanted) and sorted(back.classes) == [3, 7, 200]
    assert back.format == "TIFF labels"


def test_a_mask_becomes_its_connected_pieces(tmp_path):
    mask = np.zeros((120, 160), np.uint8)
    mask[10:20, 10:20] = mask[40:50, 40:60] = 255
    back = read(tmp_path, as_file(mask), ".png")
    assert np.array_equal(back.labels > 0, mask > 0) and sorted(back.classes) == [1, 2] and back.notes


# ImageJ


def test_every_kind_of_roi_with_an_area(tmp_path):
    polygon = ImagejRoi.frompoints(SQUARE)
    subpixel = ImagejRoi.frompoints(np.array([(60.5, 20.0), (80.5, 20.0), (80.5, 40.0), (60.5, 40.0)], np.float32))
    rectangle = ImagejRoi(roitype=ROI_TYPE.RECT, left=100, top=10, right=120, bottom=40)
    oval = ImagejRoi(roitype=ROI_TYPE.OVAL, left=100, top=60, right=140, bottom=100)
    back = read(tmp_path, zipped(polygon, subpixel, rectangle, oval), ".zip")
    areas = np.bincount(back.labels.ravel())[1:].tolist()
    assert areas[:3] == [600, 400, 600] and abs(areas[3] - np.pi * 400) < 15
    assert back.format == "ImageJ" and back.labels[20, 10] == 1 and back.labels[49, 29] == 1


def test_a_composite_has_holes_and_curves(tmp_path):
    path = [0, 10, 10, 1, 50, 10, 1, 50, 50, 1, 10, 50, 4, 0, 20, 20, 1, 40, 20, 1, 40, 40, 1, 20, 40, 4]
    curve = [0, 100, 50, 3, 100, 77.6, 144.8, 77.6, 144.8, 50, 3, 144.8, 22.4, 100, 22.4, 100, 50, 4]
    made = []
    for words in (path, curve):
        roi = ImagejRoi(roitype=ROI_TYPE.RECT, left=0, top=0, right=150, bottom=100)
        roi.multi_coordinates, roi.shape_roi_size = np.array(words, np.float32), len(words)
        made.append(roi)
    areas = np.bincount(read(tmp_path, zipped(*made), ".zip").labels.ravel())[1:].tolist()
    assert areas[0] == 1600 - 400 and abs(areas[1] - 2 * 0.6 * 44.8 * 27.6) < 50


def test_rounded_corners_are_left_out(tmp_path):
    roi = ImagejRoi(roitype=ROI_TYPE.RECT, left=10, top=10, right=50, bottom=50)
    roi.rounded_rect_arc_size = 20
    area = int((read(tmp_path, roi.tobytes(), ".roi").labels > 0).sum())
    assert abs(area - (1600 - (400 - np.pi * 100))) < 8


def test_lines_points_and_texts_are_left_out_and_named(tmp_path):
    line = ImagejRoi.frompoints(SQUARE)
    line.roitype = ROI_TYPE.POLYLINE
    text = ImagejRoi(roitype=ROI_TYPE.RECT, left=1, top=1, right=9, bottom=9, version=217)
    text.subtype = ROI_SUBTYPE.TEXT
    back = read(tmp_path, zipped(ImagejRoi.frompoints(SQUARE), line, text), ".zip")
    assert len(back.classes) == 1 and "2" in back.notes[0]


def test_the_later_outline_is_on_top_and_the_overlap_is_counted(tmp_path):
    later = ImagejRoi(roitype=ROI_TYPE.RECT, left=20, top=20, right=60, bottom=50)
    back = read(tmp_path, zipped(ImagejRoi.frompoints(SQUARE), later), ".zip")
    assert back.overlapping == 1 and back.labels[30, 25] == 2 and back.labels[30, 15] == 1 and "1" in back.notes[0]


def test_what_lies_outside_is_cut_or_left_out(tmp_path):
    half = ImagejRoi(roitype=ROI_TYPE.RECT, left=-10, top=-10, right=10, bottom=10)
    away = ImagejRoi(roitype=ROI_TYPE.RECT, left=500, top=500, right=520, bottom=520)
    back = read(tmp_path, zipped(half, away), ".zip")
    assert (back.labels > 0).sum() == 100 and len(back.notes) == 1
    with pytest.raises(UnreadableImage, match="outside"):
        read(tmp_path, zipped(away), ".zip")


# COCO


def test_polygons_and_both_kinds_of_run_lengths(tmp_path):
    mask = np.zeros((120, 160), np.uint8)
    mask[60:80, 60:90] = mask[65:100, 100:110] = 1
    text = packed.encode(np.asfortranarray(mask))
    flat = mask.T.ravel()
    ends = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.r_[0, ends, flat.size]).tolist()
    polygon = [float(coordinate) for point in SQUARE for coordinate in point]
    entries = [
        annotation([polygon, [40, 20, 44, 20, 44, 30, 40, 30]], 11),
        annotation({"size": [120, 160], "counts": text["counts"].decode()}, 12),
    ]
    back = read(tmp_path, coco_of(entries), ".json")
    assert (back.labels == 11).sum() == 640 and np.array_equal(back.labels == 12, mask > 0)
    listed = read(tmp_path, coco_of([annotation({"size": [120, 160], "counts": counts}, 5)]), ".json")
    assert np.array_equal(listed.labels == 5, mask > 0)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_packed_run_lengths_are_those_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    mask = (rng.random((23, 31)) < rng.choice([0.02, 0.5, 0.97])).astype(np.uint8)
    if mask.any():
        runs = {"size": [23, 31], "counts": packed.encode(np.asfortranarray(mask))["counts"].decode()}
        from segmentation.core.imported.coco import _outline_of_runs

        outline = _outline_of_runs(runs, Frame(23, 31, 23), shapes.OutlineFacts())
        whole = np.zeros((23, 31), bool)
        top, left, bottom, right = outline.box
        whole[top:bottom, left:right] = outline.inside
        assert np.array_equal(whole, mask > 0)


def test_of_several_images_the_one_of_this_name_counts(tmp_path):
    images = [{"id": n, "file_name": f"{name}.png", "width": 160, "height": 120} for n, name in ((1, "a"), (2, "b"))]
    square = [10, 10, 20, 10, 20, 20, 10, 20]
    entries = [annotation([square], 1), {**annotation([[coordinate + 30 for coordinate in square]], 2), "image_id": 2}]
    content = coco_of(entries, images=images)
    assert sorted(read(tmp_path, content, ".json", image="b.tif").classes) == [2]
    with pytest.raises(UnreadableImage, match="2 images"):
        read(tmp_path, content, ".json", image="c.tif")


# Phases


def test_classes_come_as_numbers_as_our_labels_and_as_our_colours(tmp_path):
    names = ("ferrite", "pearlite", "pores")
    wanted = np.zeros((120, 160), np.uint8)
    wanted[:, 50:], wanted[:, 100:], wanted[:5, :5] = 1, 2, 255
    colours = np.r_[COLOURS[:3], [(0, 0, 0)]].astype(np.uint8)[np.where(wanted == 255, 3, wanted)]
    for content in (wanted, colours):
        back = read(tmp_path, as_file(content), ".png", task=PHASES, names=names)
        assert np.array_equal(back.labels, np.where(wanted == 255, 0, wanted.astype(int) + 1))
        assert back.classes == {1: 0, 2: 1, 3: 2}
    with pytest.raises(UnreadableImage, match="number 2"):
        read(tmp_path, as_file(wanted), ".png", task=PHASES, names=names[:2])
    with pytest.raises(UnreadableImage, match="names no classes"):
        read(tmp_path, zipped(ImagejRoi.frompoints(SQUARE)), ".zip", task=PHASES, names=names)
    with pytest.raises(UnreadableImage, match="'particle'"):
        read(tmp_path, coco_of([annotation([[0, 0, 9, 0, 9, 9]])]), ".json", task=PHASES, names=names)


# Sizes, scales, hostile files


def test_a_mask_without_the_data_bar_fits_and_any_other_size_is_told_with_both(tmp_path):
    mask = np.zeros((100, 160), np.uint8)
    mask[10:20, 10:20], mask[40:50, 40:60] = 1, 2
    back = read(tmp_path, as_file(mask), ".png", frame=Frame(120, 160, 100))
    assert back.labels.shape == (120, 160) and (back.labels == 2).sum() == 200
    with pytest.raises(UnreadableImage, match=r"160 × 100 px .* 160 × 120 px"):
        read(tmp_path, as_file(mask), ".png")


def test_outlines_of_the_file_follow_an_image_that_was_resampled(tmp_path):
    """The file has 60 x 160 px, twice as high as wide; of the 120 rows 100 are analysed."""
    frame, mask = Frame(120, 160, 100, (60, 160)), np.zeros((60, 160), np.uint8)
    mask[5:10, 10:20], mask[20:25, 40:60] = 1, 2
    wanted = mask.repeat(2, 0)
    assert np.array_equal(read(tmp_path, as_file(mask), ".png", frame=frame).labels, wanted)
    corners = [[40, 20, 60, 20, 60, 25, 40, 25]]
    counts = np.diff(np.flatnonzero(np.diff(np.r_[2, (mask == 1).T.ravel(), 2])))
    runs = {"size": [60, 160], "counts": [int(n) for n in counts]}
    images = [{"id": 1, "file_name": "a.png", "width": 160, "height": 60}]
    content = coco_of([annotation(runs, 1), annotation(corners, 2)], images=images)
    assert np.array_equal(read(tmp_path, content, ".json", frame=frame).labels, wanted)
    classes = read(tmp_path, as_file(mask), ".png", frame=frame, task=PHASES, names=("a", "b", "c")).labels
    assert np.array_equal(classes[:100], wanted[:100].astype(int) + 1)


def test_nothing_counts_in_the_data_bar(tmp_path):
    mask = np.zeros((120, 160), np.uint8)
    mask[90:115, 10:20], mask[105:110, 40:60] = 1, 2
    back = read(tmp_path, as_file(mask), ".png", frame=Frame(120, 160, 100))
    assert sorted(back.classes) == [1] and not back.labels[100:].any()


def test_another_scale_is_refused(tmp_path):
    mask = np.zeros((120, 160), np.uint16)
    mask[10:20, 10:20], mask[40:50, 40:60] = 1, 2
    content = tiff(mask, imagej=True, resolution=(0.2, 0.2), metadata={"unit": "nm"})
    assert read(tmp_path, content, ".tif", nm_per_pixel=5.04).classes
    assert read(tmp_path, content, ".tif").classes
    with pytest.raises(UnreadableImage, match=r"\b5 nm .*\b7\.344 nm"):
        read(tmp_path, content, ".tif", nm_per_pixel=7.34375)


SPLINE = ImagejRoi.frompoints(SQUARE, name="x")
SPLINE.options |= ROI_OPTIONS.SPLINE_FIT
BAD = {
    "empty": (b"", ".tif"),
    "text": (b"hello", ".tif"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(60), ".tif"),
    "no outline": (as_file(np.zeros((120, 160), np.uint8)), ".png"),
    "cut": (as_file(np.eye(160, dtype=np.uint8)[:120])[:90], ".png"),
    "no rois": (zipped(), ".zip"),
    "a broken roi": (zipped(ImagejRoi.frompoints(SQUARE).tobytes()[:70]), ".zip"),
    "no zip": (b"PK\x03\x04" + bytes(50), ".zip"),
    "no roi": (b"Iout" + bytes(10), ".roi"),
    "json": (b'{"annotations": 5}', ".json"),
    "deep json": (b"[" * 100_000, ".json"),
    "no polygon": (coco_of([annotation([[1, 2, 3]])]), ".json"),
    "words": (coco_of([annotation([["a", "b"]])]), ".json"),
    "infinite": (coco_of([annotation([[0, 0, 1e400, 0, 5, 5]])]), ".json"),
    "short runs": (coco_of([annotation({"size": [120, 160], "counts": [5, 5]})]), ".json"),
    "negative runs": (coco_of([annotation({"size": [120, 160], "counts": [-5, 19205]})]), ".json"),
    "other runs": (coco_of([annotation({"size": [9, 9], "counts": [81]})]), ".json"),
    "bad text": (coco_of([annotation({"size": [120, 160], "counts": "\x01\x02"})]), ".json"),
    "other size": (coco_of([], images=[{"id": 1, "file_name": "a", "width": 9, "height": 9}]), ".json"),
    "no annotations": (coco_of([]), ".json"),
}


@pytest.mark.parametrize("name", BAD)
def test_any_bytes_end_in_one_sentence(tmp_path, name):
    with pytest.raises(UnreadableImage) as refusal:
        read(tmp_path, *BAD[name])
    assert str(refusal.value).endswith(".") and len(str(refusal.value)) > 20


def test_too_many_outlines_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shapes, "MOST_OUTLINES", 1)
    with pytest.raises(UnreadableImage, match="split"):
        read(tmp_path, zipped(ImagejRoi.frompoints(SQUARE), ImagejRoi.frompoints(SQUARE)), ".zip")


def test_a_zip_bomb_is_refused(tmp_path):
    with pytest.raises(UnreadableImage, match="bytes"):
        read(tmp_path, zipped(b"Iout" + bytes(1 << 26)), ".zip")


@pytest.mark.parametrize("task", tasks.every(), ids=lambda task: task.name)
def test_imported_outlines_of_every_kind_are_measured_and_reported(tmp_path, task, coarse):
    golden, name = task.golden(), task.name
    shape = golden.picture.shape
    names = golden.names or task.class_names
    wanted = np.zeros(shape, np.uint8)
    wanted[:, 60:120], wanted[:, 120:] = 1, 2 if not task.semantic else 1
    back = read(tmp_path, as_file(wanted), ".png", frame=Frame(*shape, shape[0]), task=task, names=names)
    requested = AnalysisSettings.of(name)
    origin = Provenance("ab" * 32, name, requested.segmentation.model_dump(), {"name": "x", "sha256": ""})
    none = np.zeros(0, np.int32)
    parent = Segmentation(np.zeros(shape, np.int32), none, none, names, np.zeros(0, np.float32), shape[0], origin)
    parent = replace(parent, maps={"foreground": np.zeros(shape, np.uint8)})
    source = {"name": "cells, 1.png", "sha256": "cd" * 32, "version": "1"}
    segmentation = back.segmentation(parent, **source, semantic=task.semantic)
    assert segmentation.maps.keys() == {"foreground"} and len(segmentation.by_hand) == 2
    micrograph = Micrograph(golden.picture, "a.tif", "ab" * 32, Calibration.of_pixel(5.0), {"kind": "TIFF"})
    analysis = measure(micrograph, segmentation, requested)
    files = write_all(analysis, tmp_path / "out", stored_only=True, added_names=["result.json", "report.pdf"])
    result = json.loads(files["result.json"].read_text())
    assert result["used"]["imported"]["outlines"] == 2 and result["model"]["name"] == MASKS
    assert imported_words(Used.read(segmentation.used)).split(" from ") == ["2 outlines", "cells, 1.png (PNG labels)"]


@pytest.mark.parametrize("label", ["tiff_ifd_names_itself", "tiff_ifds_in_circle"])
def test_a_list_of_pages_that_runs_in_a_circle_is_refused(tmp_path, label):
    file = tmp_path / "labels.tif"
    file.write_bytes(next(case for case in REFUSED if case.label == label).build())
    with pytest.raises(UnreadableImage, match="circle"):
        read_array(file)
