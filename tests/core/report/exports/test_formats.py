"""Every exchange format, opened by a reader that is not ours."""

from __future__ import annotations

import errno
import io
import json
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import jsonschema
import numpy as np
import openpyxl
import pandas
import pytest
import roifile
import tifffile
from pycocotools.coco import COCO

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.measure.quantities import Value
from segmentation.core.measure.table import Table
from segmentation.core.micrograph.types import Calibration
from segmentation.core.pipeline import measure
from segmentation.core.report import facts, schema
from segmentation.core.report.entries import Entry
from segmentation.core.report.exports import coco, geojson, particles_csv, result, rois, workbooks
from segmentation.core.report.facts import MIRRORED
from segmentation.core.report.filing import Filing
from segmentation.core.report.outlines import polygons
from segmentation.core.report.wording import per_cent_number, write_json
from segmentation.core.sample import SampleAnalysis
from segmentation.core.settings import TEXTS, MeasurementSettings
from tests.core.builders import analysis_of, make_analysis, refound, renamed, segmentation_of

shapely = pytest.importorskip("shapely")
NAMES = [
    "Größe 粒子 😀.tif", "=1+1.tif", "＝1+1.tif", "+1.tif", "-1.tif", "@SUM(A1).tif",
    "a\nb\x07.tif", "\udcff.tif", "<b>&amp;.tif",
]  # fmt: skip


def holed(**options):
    """A ring, two squares that meet at a corner, and one square at the frame."""
    labels = np.zeros((40, 60), np.int32)
    labels[5:20, 5:20] = 1
    labels[10:14, 10:14] = 0
    labels[24:29, 5:10] = labels[29:34, 10:15] = 2
    labels[0:6, 40:50] = 3
    return analysis_of(labels, **options)


CASES = {
    "many": lambda: make_analysis(40, (300, 400), filter=True),
    "holes": holed,
    "none": lambda: make_analysis(0),
    "one": lambda: make_analysis(1, (40, 50)),
    "pixels": lambda: make_analysis(12, calibration=Calibration.absent()),
    "data bar": lambda: make_analysis(12, data_bar=30),
}


@pytest.fixture(params=CASES)
def analysis(request):
    return CASES[request.param]()


def shapes(analysis):
    return polygons(analysis.segmentation.dense, len(analysis.table))


def workbook(analysis):
    file = io.BytesIO()
    workbooks.write_xlsx(SampleAnalysis.of(analysis), file)
    return openpyxl.load_workbook(io.BytesIO(file.getvalue()))


def test_xlsx_holds_what_counts_and_what_was_left_out_under_heads_for_people(analysis):
    book, table = workbook(analysis), analysis.table
    for title, mask in (("Particles", table.kept), ("Left out", ~table.kept)):
        if title not in book.sheetnames:
            assert title == "Left out" and not mask.any()
            continue
        head, *lines = book[title].iter_rows(values_only=True)
        assert len(lines) == mask.sum()
        assert ("Reason" in head) == (title == "Left out")
        column = head.index(f"Minimum Feret diameter ({table.unit})")
        sizes = table[f"min_feret_{table.unit}"][mask].tolist()
        assert [line[column] for line in lines] == [float(f"{size:.4g}") for size in sizes]


def grains():
    """The particles of CASES["many"] as grains, two of them at the frame."""
    made = make_analysis(40, (300, 400))
    provenance = replace(made.segmentation.provenance, task="grains")
    outlines = replace(made.segmentation, provenance=provenance)
    return measure(made.micrograph, outlines, AnalysisSettings.of("grains"))


@pytest.mark.parametrize(
    "analysis, sheet, column, others",
    [
        (CASES["many"], "Particles", "Minimum Feret diameter (nm)", "Left out"),
        (grains, "Grains", "Equivalent circular diameter (nm)", "Left out"),
    ],
)
def test_the_mean_of_a_column_in_a_spreadsheet_is_the_mean_of_the_page(analysis, sheet, column, others):
    analysis, file = analysis(), io.BytesIO()
    workbooks.write_xlsx(SampleAnalysis.of(analysis), file)
    sheets = pandas.read_excel(file, sheet_name=[sheet, others])
    assert list(sheets[sheet])[1] == column  # the size comes first
    assert sheets[sheet][column].mean() == pytest.approx(analysis.statistics.mean, rel=1e-4)
    assert "touches the frame" in sheets[others]["Reason"].tolist()


def test_xlsx_begins_with_the_numbers_of_the_page_and_their_histogram():
    analysis = CASES["many"]()
    filing = Filing(datetime(2026, 11, 25, 9, 30, tzinfo=UTC), "https://deepsegm.example/jobs/1/")
    file = io.BytesIO()
    workbooks.write_xlsx(SampleAnalysis.of(analysis), file, filing)
    sheet = openpyxl.load_workbook(file)["Summary"]
    lines = {line[0]: line[1:6] for line in sheet.iter_rows(values_only=True) if line[0]}
    assert lines["Analysed (UTC)"][0] == datetime(2026, 11, 25, 9, 30)
    assert lines["Particles counted"][0] == analysis.statistics.n_kept
    statistics = analysis.statistics
    for name, number, ends, holds in (
        ("Median", statistics.median, statistics.budget["median"]["ends"], "interval: the known uncertainty"),
        ("Mean", statistics.mean, (None, None), None),
    ):
        value, unit, low, high, what = lines[name]
        assert (unit, what, value) == ("nm", holds, pytest.approx(number, rel=1e-3))
        assert (low, high) == (pytest.approx(tuple(ends), rel=1e-3) if holds else ends)
    counts = [line[8] for line in sheet.iter_rows(min_row=3, values_only=True) if line[8] is not None]
    assert sum(counts) == analysis.statistics.n_kept and len(sheet._charts) == 1


def test_xlsx_details_have_every_interval():
    analysis = CASES["many"]()
    lines = list(workbook(analysis)["Details"].iter_rows(values_only=True))[1:]
    rows = {(line[0], line[1]): line[2:6] for line in lines}
    by_number, by_area = (analysis.statistics.weighted[way] for way in ("number", "area"))
    value, unit, low, high = rows["minimum Feret diameter by number", "mean"]
    assert unit == "nm"
    assert [value, low, high] == [float(f"{of:.6g}") for of in (by_number["mean"], *by_number["intervals"]["mean"])]
    assert by_area["intervals"]["mean"] is None  # few particles carry the area
    mean = pytest.approx(by_area["mean"], rel=1e-5)
    assert rows["minimum Feret diameter by area", "mean"] == (mean, "nm", None, None)
    assert rows["particles", "counted"][0] == analysis.statistics.n_kept


@pytest.mark.parametrize("edge", ["exclude", "weight"])
def test_xlsx_details_have_every_setting_that_changes_the_numbers(edge):
    analysis = refound(CASES["many"](), settings={"flips": True})
    analysis = replace(analysis, statistics=replace(analysis.statistics, edge=edge))
    values = {(line[0], line[1]): line[2] for line in workbook(analysis)["Details"].iter_rows(values_only=True)}
    assert values["settings", "edges"] == {"exclude": "excluded", "weight": "weighted"}[edge]
    assert values["settings", MIRRORED] == "on"
    assert "Median, share 1–100 nm: the interval includes the known" in values["statistics", "95 % intervals"]
    names = ("filter", "threshold", "polarity", "working scale", "data bar")
    assert all(values["settings", name] for name in names)


def test_each_setting_of_measuring_is_in_the_details_or_changes_no_number():
    elsewhere = {"filter", "border_correction", "calibration", *TEXTS}
    elsewhere |= {"scale_uncertainty", "scale_uncertainty_k", "scale_uncertainty_source"}
    missing = MeasurementSettings.model_fields.keys() - elsewhere - facts.NAMES.keys()
    assert not missing, f"name it in core/report/facts.py (NAMES): {missing}"
    analysis = refound(CASES["many"](), settings={"faint_limit": 0.0, "measure_unlike": True})
    values = {(line[0], line[1]): line[2] for line in workbook(analysis)["Details"].iter_rows(values_only=True)}
    assert values["settings", "faint outlines (%)"] == 0 and values["settings", "unusual pictures measured"] == "on"


@pytest.mark.parametrize("name", NAMES)
def test_no_text_in_xlsx_is_a_formula(name):
    detail = name.removesuffix(".tif")
    analysis = make_analysis(3, (60, 80), calibration=Calibration(2.0, "metadata", detail), name=name)
    for sheet in workbook(analysis):
        for line in sheet.iter_rows():
            for cell in line:
                assert cell.data_type != "f"
                if isinstance(cell.value, str) and cell.value.startswith(("=", "+", "-", "@", "＝")):
                    assert cell.quotePrefix


def test_xlsx_that_cannot_be_written_is_an_error_of_the_disk(tmp_path):
    with pytest.raises(OSError) as caught:
        workbooks.write_xlsx(SampleAnalysis.of(CASES["one"]()), tmp_path / "nowhere" / "particles.xlsx")
    assert caught.value.errno == errno.ENOENT


def test_csv_is_read_by_pandas(analysis, tmp_path):
    text = particles_csv.as_text(SampleAnalysis.of(analysis))
    (tmp_path / "particles.csv").write_text(text, encoding="utf-8", newline="")
    frame = pandas.read_csv(tmp_path / "particles.csv", comment="#", encoding="utf-8-sig")
    assert list(frame.columns) == list(analysis.table.columns)
    diameters = frame["ecd_" + analysis.table.unit].astype(float)
    order = np.argsort(~analysis.table.kept, kind="stable")
    np.testing.assert_allclose(diameters, analysis.table.length("ecd")[order], rtol=1e-5)
    assert frame["kept"].tolist() == analysis.table.kept[order].tolist()
    with_commas = io.StringIO(particles_csv.with_commas(text).removeprefix("\ufeff"))
    pandas.testing.assert_frame_equal(pandas.read_csv(with_commas, comment="#", sep=";", decimal=","), frame)
    assert re.match(r"\ufeff?# mean \(\w+\): (\d+(,\d+)?)?\n", particles_csv.with_commas(text))


@pytest.mark.parametrize("all_", [False, True])
def test_rois_cover_the_pixels_of_their_label(analysis, tmp_path, all_):
    path = tmp_path / "rois.zip"
    rois.write_rois(analysis, shapes(analysis), path, all_)
    chosen = np.flatnonzero(analysis.table.kept | all_)
    outlines = roifile.roiread(path) if len(chosen) else []
    assert len(outlines) == len(chosen)
    for roi, i in zip(outlines, chosen, strict=True):
        assert int(roi.name[:4]) == analysis.table["label"][i]
        paths = roi.coordinates(multi=True) if roi.composite else [roi.coordinates()]
        covered = shapely.Polygon()
        for ring in paths:
            covered = covered.symmetric_difference(shapely.Polygon(ring))
        assert covered.area == pytest.approx(analysis.table.rescaled(None)["area_px2"][i])
        assert (roi.left, roi.top) == (analysis.table["bbox_left_px"][i], analysis.table["bbox_top_px"][i])
        assert roi.right == analysis.table["bbox_right_px"][i]


def test_rois_say_why_a_particle_was_set_aside(tmp_path):
    analysis = CASES["many"]()
    rois.write_rois(analysis, shapes(analysis), tmp_path / "all.zip", keep_all=True)
    names = {roi.name: roi for roi in roifile.roiread(tmp_path / "all.zip")}
    aside = np.flatnonzero(~analysis.table.kept)
    for i in aside:
        roi = names[f"{analysis.table['label'][i]:04d} {analysis.table.reasons[i]}"]
        assert roi.stroke_color == rois.OPAQUE + bytes.fromhex(rois.LEFT_OUT_COLOUR[1:])


def test_rois_beyond_16_bits_are_sub_pixel(tmp_path):
    labels = np.zeros((4, 40000), np.int32)
    labels[1:3, 39000:39010] = 1
    analysis = analysis_of(labels)
    rois.write_rois(analysis, shapes(analysis), tmp_path / "r.zip")
    roi = roifile.roiread(tmp_path / "r.zip")[0]
    assert roi.subpixel_coordinates.max(0).tolist() == [39010, 3]


def test_coco_masks_are_the_pixels(analysis, tmp_path, capsys):
    path = tmp_path / "coco.json"
    write_json(coco.as_dict(analysis, shapes(analysis)), path)
    read = COCO(str(path))
    assert len(read.anns) == len(analysis.table)
    for label, annotation in read.anns.items():
        mask = analysis.segmentation.labels == label
        counted = bool(analysis.table.kept[label - 1])
        assert read.cats[annotation["category_id"]]["name"] == ("particle" if counted else "possibly wrong")
        assert annotation["area"] == mask.sum()
        np.testing.assert_array_equal(read.annToMask(annotation).astype(bool), mask)
        x, y, width, height = annotation["bbox"]
        assert mask[y : y + height, x : x + width].sum() == mask.sum()


def test_geojson_obeys_the_right_hand_rule(analysis):
    read = json.loads(json.dumps(geojson.as_dict(analysis, shapes(analysis)), allow_nan=False))
    assert read["type"] == "FeatureCollection"
    for feature, size in zip(read["features"], analysis.table.rescaled(None)["area_px2"], strict=True):
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.is_valid and shape.area == pytest.approx(size)
        pieces = shape.geoms if shape.geom_type == "MultiPolygon" else [shape]
        for piece in pieces:
            assert piece.exterior.is_ccw and not any(hole.is_ccw for hole in piece.interiors)
        assert feature["properties"]["label"] == feature["id"]
        assert f"min_feret_{analysis.table.unit}" in feature["properties"]


@pytest.fixture(scope="module")
def validator():
    definition = json.loads(result.SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(definition)
    return jsonschema.Draft202012Validator(definition)


def test_result_obeys_its_schema(analysis, validator):
    content = json.loads(json.dumps(result.as_dict(SampleAnalysis.of(analysis)), allow_nan=False))
    validator.validate(content)
    broken = {**content, "statistics": {**content["statistics"], "unit": "inch"}}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(broken)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_in_json_and_zip(name, tmp_path):
    analysis = renamed(holed(), name)
    write_json(coco.as_dict(analysis, shapes(analysis)), tmp_path / "coco.json")
    write_json(geojson.as_dict(analysis, shapes(analysis)), tmp_path / "geo.json")
    write_json(result.as_dict(SampleAnalysis.of(analysis)), tmp_path / "result.json")
    assert json.loads((tmp_path / "coco.json").read_bytes())["images"][0]["file_name"] == name
    rois.write_rois(analysis, shapes(analysis), tmp_path / "rois.zip", keep_all=True)
    assert all(
        entry.endswith(".roi") and "/" not in entry for entry in zipfile.ZipFile(tmp_path / "rois.zip").namelist()
    )


def single_pixels(n):
    """The analysis of n particles of one pixel each, the last of them set aside; measures do not matter here."""
    from types import SimpleNamespace

    side = 2 * int(np.ceil(np.sqrt(n)))
    labels = np.zeros((side, side), np.int32)
    places = labels[::2, ::2].ravel()
    places[:n] = np.arange(1, n + 1)
    labels[::2, ::2] = places.reshape(side // 2, -1)
    counted = np.arange(n) < n - 1

    table = Table({"label": np.arange(1, n + 1), "kept": counted, "reason": np.where(counted, "", "small")})
    return SimpleNamespace(table=table, segmentation=segmentation_of(labels), calibration=Calibration(2.5, "typed"))


@pytest.mark.parametrize(("n", "dtype"), [(65_535, np.uint16), (65_536, np.float32), (70_000, np.float32)])
@pytest.mark.parametrize("all_", [False, True])
def test_labels_of_any_number_are_an_imagej_tiff_with_its_scale(n, dtype, all_, tmp_path):
    from segmentation.core.report.exports import labels

    analysis = single_pixels(n)
    labels.write_tiff(analysis, tmp_path / "labels.tif", keep_all=all_)
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        assert file.is_imagej and file.imagej_metadata["unit"] == "nm"
        across, over = file.pages[0].tags["XResolution"].value
        assert across / over == pytest.approx(1 / 2.5)
        assert file.pages[0].compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        pixels = file.asarray()
    expected = analysis.segmentation.labels.copy()
    if not all_:
        expected[expected == n] = 0
    assert pixels.dtype == dtype
    np.testing.assert_array_equal(pixels, expected)


def test_labels_that_a_float_cannot_hold_stay_whole(tmp_path, monkeypatch):
    from segmentation.core.report.exports import labels

    monkeypatch.setattr(labels, "LARGEST_EXACT", 66_000)
    labels.write_tiff(single_pixels(66_001), tmp_path / "labels.tif", keep_all=True)
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        assert file.asarray().dtype == np.uint32 and file.asarray().max() == 66_001
        assert file.pages[0].tags["ResolutionUnit"].value == 3


def test_the_schema_is_that_of_the_types():
    assert result.SCHEMA.read_text(encoding="utf-8") == schema.schema_text(), (
        "run python -m segmentation.core.report.schema"
    )


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.0, "0"), (0.000777, "0.0777"), (0.05, "5"), (0.2242, "22.4"), (1.0, "100"), (0.5, "50"), (0.49996, "49.9"),
     (0.50004, "50.1"),
     (0.9997, "99.97")],
)  # fmt: skip
def test_per_cents_do_not_round_a_result_away(fraction, text):
    assert per_cent_number(fraction) == text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (Value(165.2, 81.7, 231.0, "nm"), "165 nm (82–231)"),
        (Value(13.92, 9.91, 19.1, "nm"), "13.9 nm (9.9–19.1)"),
        (Value(1652.0, 817.0, 2311.0, "nm"), "1650 nm (820–2310)"),
        (Value(1652.0, 1651.0, 1653.0, "nm"), "1652 nm (1651–1653)"),
        (Value(0.0811, 0.0, 0.184), "0.081 (0–0.184)"),
        (Value(5.0, 5.0, 5.0, "nm"), "5.00 nm (5.00–5.00)"),
        (Value(116.2, 8.26, 1631.0, "nm"), "120 nm (8–1630)"),
        (Value(1250.0, 30.0, 90_000.0, "nm"), "1200 nm (30–90,000)"),
        (Value(14.1, 7.54, 19.7, "µm"), "14.1 µm (7.5–19.7)"),
        (Value(9.95, 9.5, 10.4, "nm"), "9.95 nm (9.50–10.40)"),
        (Value(17.0, 0.03, 35.0, "nm"), "17 nm (0.03–35)"),
    ],
)
def test_digits_follow_the_uncertainty(number, words):
    """Two digits of half the interval, or one where a number has three digits then; both ends have the decimals of the
    number, but none becomes nothing."""
    assert Entry("size", "Size", number).words == words


@pytest.mark.parametrize(
    ("fraction", "words"),
    [
        ((0.062, 0.0017, 0.234), "6 % (0–23)"),
        ((0.034, 0.0, 0.552), "3 % (0–55)"),
        ((0.0201, 0.0072, 0.0321), "2.0 % (0.7–3.2)"),
        ((0.00065, 0.0, 0.18022), "0.1 % (0–18.0)"),
        ((0.0004, 0.0, 0.09), "0.04 % (0–9.00)"),
        ((0.0, 0.0, 0.032), "0 % (0–3.2)"),
        ((0.998, 0.51, 1.0), "99.8 % (51.0–100.0)"),
    ],
)
def test_both_ends_of_a_percentage_have_its_decimals(fraction, words):
    assert Entry.of("fraction_100nm", Value(*fraction)).words == words


def test_a_fraction_never_rounds_to_the_limit():
    entry = Entry.of("fraction_100nm", Value(0.167, 0.0333, 0.4966))
    assert entry.words == "17 % (3–49.7)"


def test_fractions_are_per_cents_for_people_and_numbers_for_programs():
    entry = Entry.of("fraction_100nm", Value(0.000777, 0.0005, 0.001))
    assert (entry.words, entry.number.value) == ("0.078 % (0.050–0.100)", 0.000777)
