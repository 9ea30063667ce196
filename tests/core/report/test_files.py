"""The files beside the figure, written and read back."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
from PIL import Image

from segmentation.core.micrograph.contrast import display_picture
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report import exports
from segmentation.core.report.exports import labels, particles_csv, result, viewer
from segmentation.core.report.exports.base import FIRST
from segmentation.core.report.files import write_all
from segmentation.core.report.tables import cells
from segmentation.core.sample import SampleAnalysis
from segmentation.core.tasks import find
from tests.core.builders import analysis_of, make_analysis, renamed


def written(analysis):
    return particles_csv.as_text(SampleAnalysis.of(analysis))


def split(text):
    """The summary as a dict and the table as a list of dicts, as a reader that knows comments sees them."""
    lines = text.removeprefix("\ufeff").splitlines()
    summary = dict(line[2:].rsplit(": ", 1) for line in lines if line.startswith("#"))
    return summary, list(csv.DictReader(line for line in lines if not line.startswith("#")))


def test_csv_reads_back():
    analysis = make_analysis(20, filter=True)
    summary, rows = split(written(analysis))
    table = analysis.table
    assert list(rows[0]) == list(table.columns)
    order = np.argsort(~table.kept, kind="stable")  # those that count first
    assert [int(row["label"]) for row in rows] == table["label"][order].tolist()
    assert [row["kept"] == "TRUE" for row in rows] == sorted(table.kept.tolist(), reverse=True)
    assert [row["reason"] for row in rows] == table.reasons[order].tolist()
    for name in ("min_feret_nm", "area_nm2", "solidity", "centroid_x_px", "confidence"):
        np.testing.assert_allclose([float(row[name]) for row in rows], table[name][order], rtol=5e-6)
    assert float(summary["mean (nm)"]) == pytest.approx(analysis.statistics.mean, rel=5e-6)
    counted, aside = analysis.statistics.n_kept, analysis.statistics.n_set_aside
    assert summary["particles"] == f"{counted} counted and {aside} left out"


def test_names_are_neither_comments_nor_formulas():
    """As pandas reads a sample's table with comment="#"."""
    assert particles_csv.name_cell("Charge #3_001.tif") == "Charge %233_001.tif"
    assert particles_csv.name_cell("=1+1") == "%3D1+1"


@pytest.mark.parametrize("sign", "=+-@＝＋－＠﹦")
def test_what_follows_a_comma_is_no_formula_where_semicolons_separate_cells(sign):
    """The table with decimal commas quotes no comma, and some programs read full-width signs as the usual ones."""
    cell = particles_csv.name_cell(f"a, {sign}1,{sign}2.tif")
    assert sign not in cell and cell.startswith("a, %") and cell.endswith("2.tif")
    line = particles_csv.with_commas(f"# image: a\nimage\n{particles_csv.csv_text([[cell]])}").splitlines()[-1]
    assert not any(cells.begins_like_formula(part.strip()) for part in line.split(","))


def test_csv_begins_with_mean_median_and_sd_in_at_most_six_comments():
    lines = written(make_analysis(9)).splitlines()
    names = [line[2:].partition(":")[0] for line in lines if line.startswith("# ")]
    assert names[:3] == ["mean (nm)", "median (nm)", "SD (nm)"] and len(names) <= 6
    assert not any(line.startswith("#") for line in lines[len(names) :])


def test_csv_of_pixels():
    summary, rows = split(written(make_analysis(9, calibration=Calibration.absent())))
    assert "scale not known" in summary["image"]
    assert "min_feret_px" in rows[0] and "area_px2" in rows[0]
    assert "mean (px)" in summary
    assert not any("100 nm" in name for name in summary)


def test_csv_without_particles():
    summary, rows = split(written(make_analysis(0)))
    assert rows == []
    assert summary["particles"] == "0 counted and 0 left out"
    assert summary["mean (nm)"] == ""


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a,=1+1", 'a",=1', "a;=1", "a\n=1"])
def test_no_text_from_a_file_becomes_a_formula(start):
    calibration = Calibration(2.0, "metadata", start)
    text = written(renamed(make_analysis(9, calibration=calibration), f"{start}.tif"))
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            for cell in row:
                number = cell.lstrip("-").replace(".", "").isdigit()
                assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), row
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 10
    for line in text.splitlines():
        assert not line.startswith("#") or len(next(csv.reader([line]))) == 1


def test_the_head_of_a_csv_is_read_by_people():
    """The sample "Powder 8, lot B" stood there as "Powder 8%2C lot B"."""
    text = written(renamed(make_analysis(9), "Powder 8, lot B; the 2nd's, 1,234 \t.tif"))
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert "# image: Powder 8 - lot B - the 2nd's - 1 234 %09.tif - " in "\n".join(head)
    assert not any(sign in line for sign in ("%2C", "%3B", "%27", ",", ";") for line in head)
    assert [line for line in particles_csv.with_commas(text).splitlines() if line.startswith("#")][3:] == head[3:]


def test_csv_has_a_byte_order_mark_only_where_it_is_needed():
    analysis = make_analysis(3, (60, 80))
    assert written(analysis).isascii()
    marked = written(renamed(analysis, "Größe.tif"))
    assert marked.startswith("\ufeff# ")
    assert "# image: Größe.tif - " in marked


def test_csv_of_a_name_that_is_no_text():
    written(renamed(make_analysis(3, (60, 80)), "\udcff.tif")).encode("utf-8")


def test_csv_numbers_have_no_exponent_and_no_comma():
    text = written(make_analysis(9, calibration=Calibration(1e5, "typed")))
    cells = [cell for row in split(text)[1] for name, cell in row.items() if name.endswith(("nm", "nm2"))]
    assert all(cell.replace(".", "", 1).isdigit() for cell in cells)


def test_csv_leaves_unknown_numbers_empty():
    labels_ = np.zeros((9, 9), np.int32)
    labels_[2:7, 2:7] = 1
    analysis = analysis_of(labels_, confidence=np.array([np.nan], np.float32))
    assert split(written(analysis))[1][0]["confidence"] == ""


def test_result_is_plain_json():
    analysis = make_analysis(12, data_bar=30, filter=True)
    content = json.loads(json.dumps(result.as_dict(SampleAnalysis.of(analysis)), allow_nan=False))
    assert content["calibration"]["nm_per_pixel"] == 7.34375
    assert content["calibration"]["source"] == "metadata"
    assert content["settings"]["filter"] is True
    assert content["statistics"]["mean"] == analysis.statistics.mean
    assert content["set_aside"] == analysis.statistics.set_aside
    assert content["model"]["name"] == "particles" and content["model"]["sha256"] == "cd" * 32
    assert content["image"] | {"notes": None} == {
        "name": "sample.tif",
        "sha256": "ab" * 32,
        "width": 256,
        "height": 192,
        "data_bar": 162,
        "notes": None,
    }
    assert {"deepsegm", "python", "numpy"} <= set(content["versions"])
    assert "timings" not in content, "running times differ; the file must not"
    assert content["warnings"] and content["metadata"] == {"instrument": "ZEISS Sigma"}


def test_result_without_calibration_data_bar_and_numbers():
    analysis = make_analysis(0, calibration=Calibration.absent())
    odd = {"voltage": float("nan"), "count": np.int64(3), "when": object}
    analysis = replace(analysis, micrograph=replace(analysis.micrograph, metadata=odd))
    content = json.loads(json.dumps(result.as_dict(SampleAnalysis.of(analysis)), allow_nan=False))
    assert content["calibration"]["nm_per_pixel"] is None
    assert content["calibration"]["source"] == "none"
    assert content["image"]["data_bar"] is None
    assert content["statistics"]["mean"] is None
    assert (content["metadata"]["voltage"], content["metadata"]["count"]) == (None, 3)


def tiff(analysis, **more):
    file = io.BytesIO()
    labels.write_tiff(analysis, file, **more)
    file.seek(0)
    return file


def test_labels_are_those_of_the_kept_particles():
    analysis = make_analysis(12, data_bar=30)
    read = tifffile.imread(tiff(analysis))
    assert read.dtype == np.uint16
    assert read.shape == analysis.micrograph.shape
    counted = analysis.table["label"][analysis.table.kept]
    assert set(np.unique(read)) == {0, *counted.tolist()}
    np.testing.assert_array_equal(read > 0, np.isin(analysis.segmentation.labels, counted))
    np.testing.assert_array_equal(tifffile.imread(tiff(analysis, keep_all=True)), analysis.segmentation.labels)


@pytest.mark.parametrize("nm_per_pixel", [None, 1e-12, 1e12])
def test_labels_without_a_usable_pixel_size(nm_per_pixel):
    calibration = Calibration.absent() if nm_per_pixel is None else Calibration(nm_per_pixel, "typed")
    with tifffile.TiffFile(tiff(make_analysis(9, calibration=calibration))) as file:
        assert "unit" not in (file.imagej_metadata or {})
        assert file.asarray().max() > 0


def test_labels_of_no_particles():
    assert not tifffile.imread(tiff(make_analysis(0))).any()


def test_outlines_for_the_viewer():
    analysis = make_analysis(12, data_bar=30)
    content = json.loads(json.dumps(viewer.outlines(analysis), allow_nan=False))
    assert (content["width"], content["height"], content["rows"], content["unit"]) == (256, 192, 162, "nm")
    assert [particle["id"] for particle in content["particles"]] == analysis.table["label"].tolist()
    assert [particle["kept"] for particle in content["particles"]] == analysis.table.kept.tolist()
    assert [particle["reason"] for particle in content["particles"]] == analysis.table.reasons.tolist()
    for outline, size in zip(content["particles"], analysis.table.length("min_feret"), strict=True):
        assert outline["min_feret"] == pytest.approx(size, rel=1e-4)
        assert len(outline["outline"]) >= 8 and len(outline["outline"]) % 2 == 0
    checked = replace(analysis, segmentation=replace(analysis.segmentation, by_hand=frozenset({3})))
    assert [each["id"] for each in viewer.outlines(checked)["particles"] if each.get("by_hand")] == [3]


def test_two_thousand_outlines_are_quickly_sent():
    text = json.dumps(viewer.outlines(make_analysis(2000, (2048, 2048))), separators=(",", ":"))
    assert len(gzip.compress(text.encode())) < 300_000


# Of the rims of an object at the frame and of one that counts, of its middle, and beside both.
PLACES = ((59, 80), (80, 40), (95, 40), (70, 150))


def test_pictures_for_the_browser():
    analysis = make_analysis(12, data_bar=30)
    whole = Image.open(io.BytesIO(viewer.image_webp(analysis.micrograph)))
    assert (whole.format, whole.size) == ("WEBP", (256, 192))
    error = np.asarray(whole.convert("L"), float) - display_picture(analysis.micrograph)
    assert np.abs(error).mean() < 6
    small = Image.open(io.BytesIO(viewer.thumbnail(make_analysis(12, (600, 800)))))
    assert (small.size, small.mode) == ((320, 240), "RGB")
    framed = np.zeros((120, 160), np.int32)
    framed[0:60, 40:120] = 1  # touches the frame
    grey = analysis_of(framed, pixels=np.full((120, 160), 128, np.uint8))
    assert set(Image.open(io.BytesIO(viewer.thumbnail(grey))).convert("L").getdata()) == {128}  # what does not count
    framed[80:110, 20:60] = 2  # counts
    both = analysis_of(framed, pixels=np.full((120, 160), 128, np.uint8))
    left_out, counted, *grey = (
        np.ptp(np.asarray(Image.open(io.BytesIO(viewer.thumbnail(both))), int)[at]) for at in PLACES
    )
    assert left_out > 20 < counted and max(grey) < 20, "outlines in colour on the picture as it is"
    nothing = analysis_of(np.zeros((60, 80), np.int32), pixels=np.full((60, 80), 128, np.uint8))
    assert set(Image.open(io.BytesIO(viewer.thumbnail(nothing))).convert("L").getdata()) == {
        128
    }  # no darker than it is


def test_pictures_of_large_images_are_limited():
    flat = analysis_of(np.zeros((50, 9000), np.int32), pixels=np.zeros((50, 9000), np.uint8))
    assert Image.open(io.BytesIO(viewer.image_webp(flat.micrograph))).size == (1024, 6)
    figure = np.zeros((2700, 3600, 3), np.uint8)
    assert Image.open(io.BytesIO(viewer.webp(figure, *viewer.FIGURE_LOOK))).size == (1000, 750)


def test_tiles_hold_every_pixel_and_coarser_levels():
    pixels = np.random.default_rng(1).integers(0, 256, (700, 2100)).astype(np.uint8)
    analysis = analysis_of(np.zeros((700, 2100), np.int32), pixels=pixels)
    made = {name: np.asarray(Image.open(io.BytesIO(png))) for name, png in viewer.tiles(analysis.micrograph)}
    assert [name for name in made if name.endswith("-0.png")] == [
        *(f"0/{column}-0.png" for column in range(5)),
        *(f"1/{column}-0.png" for column in range(3)),
    ]
    rows = [np.hstack([made[f"0/{column}-{row}.png"] for column in range(5)]) for row in range(2)]
    whole = display_picture(analysis.micrograph)
    assert np.array_equal(np.vstack(rows), whole)
    assert made["1/2-0.png"].shape == (350, 26)
    assert made["1/0-0.png"][0, 0] == pytest.approx(whole[:2, :2].mean(), abs=1)


def test_a_small_picture_has_one_level_of_tiles():
    assert [name for name, _ in viewer.tiles(make_analysis(12).micrograph)] == ["0/0-0.png"]


def test_all_files_are_written_and_told(tmp_path):
    progress = []
    analysis = make_analysis(12)
    files = write_all(analysis, tmp_path / "out", progress=lambda stage, fraction: progress.append((stage, fraction)))
    assert {stage for stage, _ in progress} == {"drawing the figure", "writing the files"}
    assert [fraction for _, fraction in progress] == pytest.approx(np.arange(len(files)) / len(files))


def test_progress_can_stop_the_writing(tmp_path):
    with pytest.raises(InterruptedError):
        write_all(make_analysis(3, (60, 80)), tmp_path, progress=Mock(side_effect=InterruptedError))
    begun = {name for name, export in exports.by_file_name("image", find("particles")).items() if export.turn == FIRST}
    assert {path.name for path in tmp_path.iterdir()} <= begun
