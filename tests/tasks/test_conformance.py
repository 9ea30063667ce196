"""What every kind of analysis must do, run over each there is and over one that exists in these tests alone."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import tifffile
from PIL import Image
from pydantic import ValidationError

from segmentation.core import pipeline, tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.learning.suggesting import expected_wrong
from segmentation.core.measure import quantities
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.sizes.bins import FEWEST_IN_HISTOGRAM
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report import exports
from segmentation.core.report.exports import geojson, viewer, workbooks
from segmentation.core.report.exports.viewer import outlines
from segmentation.core.report.figures import figure
from segmentation.core.report.figures.panels import PANELS
from segmentation.core.report.files import write_all
from segmentation.core.sample import SampleAnalysis
from segmentation.lab.training import tasks as taught
from tests.core.builders import micrograph_of

from ..core.builders import drawn_under
from . import brightness, taught_brightness
from .kinds import kinds

ODD = {
    "black": np.zeros((40, 50), np.uint8),
    "of one grey": np.full((40, 50), 128, np.uint8),
    "one column": np.linspace(0, 255, 60).astype(np.uint8)[:, None],
    "one row": np.linspace(0, 255, 60).astype(np.uint8)[None],
    "one pixel": np.full((1, 1), 9, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8),
    "one bright pixel": np.pad(np.full((1, 1), 255, np.uint8), 20),
}


def test_the_contract_is_whole(kind):
    task = kind.task
    channels = task.channels(kind.card)
    assert len(channels) and channels.activation in ("sigmoid", "softmax")
    assert channels.names == (taught.find(task.name).channels or task.golden().names)
    assert all(name in quantities.NUMBERS for name in task.quantities) and task.quantities
    assert all(panel in PANELS for panel in task.panels) and len(set(task.panels)) == 4
    assert task.title[0].isupper() and task.summary.endswith(".") and task.thing != task.things
    case = task.golden()
    assert case.maps.shape == (len(channels), *case.picture.shape) and case.maps.dtype == np.uint8
    assert case.answers and set(kinds(case.answers)) <= set(task.quantities)


def test_the_golden_case_gives_its_answers(kind, golden):
    case = kind.task.golden()
    assert len(golden.segmentation) == case.count
    for name, answer in case.answers.items():
        assert golden.quantities[name].value == pytest.approx(answer, rel=case.tolerance)
    assert kinds(golden.quantities) == list(kind.task.quantities)
    assert golden.segmentation.class_names == kind.task.classes_of(kind.card)
    assert golden.segmentation.provenance.task == kind.task.name
    assert golden.segmentation.provenance.card == kind.card.entries()


def test_a_tilt_is_corrected_for_every_kind(kind, golden):
    settings = golden.settings.replaced(tilt_correction=60.0)
    tilted = pipeline.measure(golden.micrograph, golden.segmentation, settings)
    assert tilted.quantities.keys() == golden.quantities.keys()
    rows, columns = golden.micrograph.shape
    if "bbox_top_px" in tilted.table.columns:
        np.testing.assert_array_equal(tilted.table["bbox_top_px"], golden.table["bbox_top_px"])
        np.testing.assert_array_equal(tilted.table["bbox_bottom_px"], golden.table["bbox_bottom_px"])
        assert np.median(tilted.table.length("area")) == pytest.approx(
            2 * np.median(golden.table.length("area")), rel=0.02
        )
        assert (tilted.table["centroid_y_px"] < rows).all() and (tilted.table["centroid_x_px"] < columns).all()
    assert any("tilt of 60°" in flag.text for flag in tilted.flags)


def test_letters_of_the_figure_lie_over_no_line_and_no_other_panel(golden):
    sheet = figure.draw(SampleAnalysis.of(golden))
    figure.pixels_of(sheet)
    for ax in sheet.axes:
        title, legend = ax._left_title.get_window_extent(), ax.get_legend()
        assert not [other for other in sheet.axes if other.axison and other.bbox.padded(-2).overlaps(title)], title
        boxes = [text.get_window_extent() for text in ax.texts]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
        assert sheet.bbox.contains(title.x0, title.y0) and sheet.bbox.contains(title.x1, title.y1)
        assert not legend or not drawn_under(ax, legend)


def test_the_page_draws_what_has_no_size_distribution(kind, golden):
    curves = kind.task.curves(golden.segmentation, golden.calibration, golden.settings.measurement)
    assert bool(curves) == kind.task.semantic or not kind.is_ours
    for curve in curves:
        assert {len(curve.x) - len(y) for y in curve.lines.values()} <= {0, 1}
        assert set(curve.lines) <= set(golden.segmentation.class_names)
        assert np.isfinite(curve.x).all() and curve.across.endswith("(px)")


def test_what_was_found_is_stored_and_measured_again(golden, tmp_path):
    original, file = golden.segmentation, tmp_path / "segmentation.npz"
    original.save(file)
    loaded = Segmentation.load(file, Provenance(original.provenance.micrograph, original.provenance.task))
    for name in ("labels", "ids", "classes", "confidence"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(original, name))
        assert getattr(loaded, name).dtype == getattr(original, name).dtype
    assert (loaded.class_names, loaded.rows, loaded.used) == (original.class_names, original.rows, original.used)
    assert loaded.provenance.as_dict() == original.provenance.as_dict()
    assert list(loaded.alternatives) == list(original.alternatives) and list(loaded.layers) == list(original.layers)
    loaded.save(tmp_path / "twice.npz")
    assert (tmp_path / "twice.npz").read_bytes() == file.read_bytes()
    measured = pipeline.measure(golden.micrograph, loaded, golden.settings)
    assert measured.quantities == golden.quantities and measured.flags == golden.flags
    for name, values in golden.table.columns.items():
        np.testing.assert_array_equal(measured.table[name], values)


def test_another_width_changes_lengths_and_no_shares(kind, golden):
    calibration = Calibration.of_pixel(2.0, typed="2.0")
    other = pipeline.measure(golden.micrograph, golden.segmentation, golden.settings.replaced(calibration=calibration))
    for name, value in golden.quantities.items():
        if value.value and not name.startswith("fraction_"):  # which counts in nm
            power = quantities.number(name).power
            assert other.quantities[name].value == pytest.approx(2.0**power * value.value), name
    np.testing.assert_allclose(other.table.length("area"), 4 * golden.table.length("area"))


def test_the_page_and_geojson_tell_its_size(kind, golden):
    if not kind.task.semantic:
        assert all(particle[kind.task.size] > 0 for particle in outlines(golden)["particles"] if particle["kept"])
        shapes = [[] for _ in golden.segmentation.ids]
        name = quantities.column(kind.task.size).column("px")
        assert all(name in feature["properties"] for feature in geojson.as_dict(golden, shapes)["features"])


def test_what_the_viewer_has_says_how_much_is_probably_wrong(kind, golden):
    """From which results are named to be corrected next."""
    columns = [golden.table.columns.get(name, np.zeros(0)) for name in ("confidence", "certainty")]
    wrong = expected_wrong(outlines(golden)["particles"])
    assert (wrong is not None) == any(np.isfinite(column).any() for column in columns)
    assert wrong is None or (wrong.share == kind.task.semantic and 0 <= wrong.expected <= wrong.total)


def test_the_viewer_has_every_piece_and_hole_of_a_class(kind, golden, monkeypatch):
    if kind.task.parted:
        assert all(
            "rings" in particle and ("colour" in particle) == particle["kept"]
            for particle in outlines(golden)["particles"]
        )
        return
    if not kind.task.semantic:
        assert all("rings" not in particle and "colour" not in particle for particle in outlines(golden)["particles"])
        return
    used, content = golden.segmentation, outlines(golden)
    assert content["left_out"] == 0 and len({particle["colour"] for particle in content["particles"]}) == len(used)
    for label, outline in enumerate(content["particles"], 1):
        rings = [np.reshape(ring, (-1, 2)) for ring in (outline["outline"], *outline["rings"])]
        area = sum((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2 for x, y in (ring.T for ring in rings))
        assert area == pytest.approx((used.dense == label).sum(), rel=0.02)
    monkeypatch.setattr(viewer, "MOST_COORDINATES", 8)
    fewer = outlines(golden)
    assert (fewer["left_out"] > 0) == any(particle["rings"] for particle in content["particles"])
    assert all(particle["outline"] for particle in fewer["particles"])


def test_settings_that_it_ignores_change_nothing(kind, golden):
    touched = {
        "filter": True,
        "border_correction": "weight",
        "measurand": "all",
        "repeatability": 5.0,
        "repeatability_source": "study",
        "between_operators": 5.0,
        "faint_limit": 50.0,
        "ignore": [[[0, 0], [60, 60]]],
    }
    assert touched.keys() >= kind.task.ignores, "a new setting that this kind ignores needs a value here"
    settings = golden.settings.replaced(**{name: touched[name] for name in kind.task.ignores})
    other = pipeline.measure(golden.micrograph, golden.segmentation, settings)
    assert other.quantities == golden.quantities and other.settings == golden.settings
    np.testing.assert_array_equal(other.table.reasons, golden.table.reasons)


def test_what_lies_in_a_region_to_ignore_counts_in_no_number(kind, golden):
    rows, columns = golden.micrograph.shape
    if "ignore" in kind.task.ignores:
        return
    left = [[[0, 0], [columns / 2, rows]]]
    half = pipeline.measure(golden.micrograph, golden.segmentation, golden.settings.replaced(ignore=left))
    (note,) = [flag for flag in half.flags if "to ignore" in flag.text]
    assert "(50 % of the picture)" in note.text and not note.doubt
    if not kind.task.semantic:
        aside = half.table.reasons == str(Reason.IGNORED)
        assert 0 < aside.sum() < len(aside) and note.reason == Reason.IGNORED
        assert not half.table.kept[aside].any() and half.statistics.arrangement is None
    for name, value in golden.quantities.items():  # the right half looks like the whole
        if value.value and ("density" in name or name.startswith(("area_fraction", "bubble_area", "thickness_mean"))):
            assert half.quantities[name].value == pytest.approx(value.value, rel=0.35), name
    everything = golden.settings.replaced(ignore=[[[0, 0], [columns, rows]]])
    nothing = pipeline.measure(golden.micrograph, golden.segmentation, everything)
    assert not nothing.table.kept.any()
    assert not any(value.value for name, value in nothing.quantities.items()), "no number without a ground"


def test_without_a_scale_no_number_has_an_interval_that_it_lacks_with_a_scale(golden):
    scaled = golden.settings.replaced(calibration=Calibration.of_pixel(2.0, typed="2.0"))
    measured = pipeline.measure(golden.micrograph, golden.segmentation, scaled).quantities
    for name, value in golden.quantities.items():
        if value.value is not None and measured[name].value is not None:
            has_one = value.low is not None and value.low <= value.value <= value.high
            assert value.low is None or (has_one and measured[name].low is not None), name


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize(
    "picture", [pytest.param(name, marks=() if name == "black" else pytest.mark.slow) for name in ODD]
)
def test_odd_images_are_analysed_and_reported(kind, picture, tmp_path):
    micrograph = micrograph_of(ODD[picture])
    made = pipeline.analyse(micrograph, kind.settings(data_bar=0))
    assert made.segmentation.labels.shape == ODD[picture].shape and kinds(made.quantities) == list(kind.task.quantities)
    if picture in ("black", "of one grey"):
        assert len(made.segmentation) == 0 and made.flags
        assert all(value.value is None for value in made.quantities.values())
    files = write_all(made, tmp_path / "files")
    assert not [name for name, path in files.items() if not path.stat().st_size]


def test_every_export_applies_or_declines_and_the_figure_is_whole(kind, golden, tmp_path):
    files = write_all(golden, tmp_path / "files")
    listed = exports.by_file_name("image", kind.task)
    assert set(files) == set(listed) and not [name for name, path in files.items() if not path.stat().st_size]
    left_out = [
        export
        for export in exports.every()
        if export.image and export.with_words("image", kind.task).name not in listed
    ]
    assert all(
        (export.panel and export.panel not in kind.task.panels)
        or (export.granulometry and kind.task.granulometry is None)
        or (export.of_objects and kind.task.semantic)
        for export in left_out
    )
    assert {"labels.tif", "result.json", "report.pdf", "figure.png", "bundle.zip", "coco.json"} <= set(files)
    labels, used = tifffile.imread(files["labels.tif"]), golden.segmentation
    if kind.task.semantic:  # the place in the card's list
        np.testing.assert_array_equal(labels, used.classes[used.labels - 1])
        assert labels.dtype == np.uint8 and "classes.csv" in files
    else:
        np.testing.assert_array_equal(labels > 0, np.isin(used.labels, used.ids[golden.table.kept]))
    # The figure has its four panels.
    with Image.open(files["figure.png"]) as figure:
        grey = np.asarray(figure.convert("L"))
    height, width = grey.shape
    quarters = [grey[y : y + height // 2, x : x + width // 2] for y in (0, height // 2) for x in (0, width // 2)]
    assert all((quarter < 200).mean() > 0.002 for quarter in quarters)
    alone = [name for name in files if name.startswith("panel-")]
    assert len(alone) == 4 and all(np.asarray(Image.open(files[name])).std() > 1 for name in alone)


def test_a_workbook_has_distinct_heads_a_note_on_each_interval_and_a_chart(kind, golden):
    file = io.BytesIO()
    workbooks.write_xlsx(SampleAnalysis.of(golden), file)
    book = openpyxl.load_workbook(file)
    for sheet in (sheet for sheet in book if sheet.title != "Arrangement"):
        heads = [cell for cell in next(sheet.iter_rows(values_only=True)) if cell]
        assert len(set(heads)) == len(heads), sheet.title
    lines = list(book["Summary"].iter_rows(min_row=2, values_only=True))
    assert all((line[3] is None) == ("interval: " not in (line[5] or "")) for line in lines)
    few = golden.statistics is not None and golden.statistics.n_kept < FEWEST_IN_HISTOGRAM
    assert bool(book["Summary"]._charts) == (not few) or not kind.is_ours
    if golden.statistics is not None and not few:
        assert {"Standard deviation", "D10", "D90"} <= {line[0] for line in lines}


def test_bad_settings_are_refused(kind):
    for name, field in kind.task.settings.model_fields.items():
        with pytest.raises(ValidationError):
            AnalysisSettings.of(kind.task.name, **{name: object()})
        assert field.title and field.description
    with pytest.raises(ValidationError):
        kind.settings(nosuch=1)


def test_a_model_of_another_kind_is_refused_in_a_sentence(kind):
    other = replace(kind.card, task="another")
    with pytest.raises(pipeline.WrongTask, match=r"for another, not for .*another model"):
        pipeline.segment(micrograph_of(ODD["noise"]), kind.settings(), card=other)


def test_two_files_are_enough(tmp_path, monkeypatch):
    """The files lie in the two folders, and nothing else was touched."""
    monkeypatch.setattr(quantities, "NUMBERS", dict(quantities.NUMBERS))
    for registry, source in ((tasks, brightness), (taught, taught_brightness)):
        text = Path(source.__file__).read_text().replace("from .brightness", "from tests.tasks.brightness")
        folder = tmp_path / registry.__name__
        folder.mkdir()
        (folder / "brightness.py").write_text(text)
        monkeypatch.setattr(registry, "__path__", [*registry.__path__, str(folder)])
        monkeypatch.setattr(registry, "catalogue", registry.catalogue.__wrapped__)
        monkeypatch.setitem(sys.modules, f"{registry.__name__}.brightness", None)
        monkeypatch.delitem(sys.modules, f"{registry.__name__}.brightness")
        assert registry.find("brightness").name == "brightness"
    names = [task.name for task in tasks.every()]
    assert names[0] == "particles" and "brightness" in names
