"""`import deepsegm`: light, without Django, and with the numbers of result.json."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from matplotlib.figure import Figure

import deepsegm
from segmentation.core import library
from segmentation.core.flags import DO_NOT_USE, Flag
from segmentation.core.library import results
from segmentation.core.library.inputs import model_for
from segmentation.core.micrograph.scale_bar.barresult import BarReading
from segmentation.core.micrograph.types import NO_SCALE, Calibration, Micrograph
from segmentation.core.network.cards import cards_for_name
from segmentation.core.report.exports.result import as_dict
from segmentation.core.report.files import write_all
from segmentation.core.tasks import every, find
from tests.core.builders import disc_labels, grey_of

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "static" / "sample" / "sem-sample.tif"
NOTEBOOK = ROOT / "docs" / "use" / "library.ipynb"
HEAVY = ("django", "celery", "torch", "matplotlib", "pandas", "openvino", "cv2")
LABELS = disc_labels(40, (400, 500))


@pytest.fixture(scope="module")
def result():
    return deepsegm.measure(LABELS, nm_per_pixel=2.0)


def alone(code: str, folder: Path) -> str:
    """What code prints in a process of its own, without a settings module."""
    environment = {name: of for name, of in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment |= {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert not done.returncode, done.stderr
    return done.stdout


def test_the_import_is_light(tmp_path):
    loaded = "print([name for name in {} if name in sys.modules])"
    of_import = loaded.format((*HEAVY, "numpy", "scipy"))
    code = f"import sys, deepsegm\n{of_import}\ndeepsegm.measure, deepsegm.read\n{loaded.format(HEAVY)}"
    assert alone(code, tmp_path).splitlines() == ["[]", "[]"]


def test_the_settings_of_a_site_load_no_library(tmp_path):
    code = "import sys, deepsegm.settings; print('segmentation.core.library' in sys.modules)"
    assert alone(code, tmp_path).splitlines() == ["False"]


def test_the_package_offers_what_the_library_does():
    assert {*library.__all__, "__version__"} == {*deepsegm.__all__} <= {*dir(deepsegm)}
    assert all(getattr(deepsegm, name).__doc__ for name in library.__all__)
    with pytest.raises(AttributeError, match="segment_all"):
        _ = deepsegm.segment_all


def test_numbers_are_those_of_result_json(result, tmp_path):
    stored = json.loads(write_all(result.analysis, tmp_path, stored_only=True)["result.json"].read_text())
    assert result.as_dict() == as_dict(result.sample) == stored
    assert result.numbers.keys() == stored["quantities"].keys()
    for name, entry in stored["quantities"].items():
        number = result.numbers[name]
        assert [number.value, number.unit] == [entry["value"], entry["unit"]]
        assert (list(number.interval) if number.interval else None) == entry["interval"]
    median = result.numbers["median"]
    assert median.unit == "nm" and median.interval[0] < median.value < median.interval[1]
    assert median.includes == "the known uncertainty" and median.definition.endswith(".")
    assert str(median).startswith("Median: ") and median.words in result.sentence.replace("\xa0", " ")


def test_the_table_has_a_row_for_each_label(result):
    assert isinstance(result.table, pd.DataFrame)
    assert set(result.table["label"]) == set(np.unique(result.labels)) - {0}
    assert result.labels.shape == LABELS.shape and result.labels.dtype == np.int32
    kept = result.table[result.table["kept"]]
    assert len(kept) == result.numbers["n_kept"].value
    row = kept.iloc[0]
    assert row["area_nm2"] == pytest.approx(4.0 * (result.labels == row["label"]).sum())


def test_the_table_without_pandas_has_the_same_columns(result, monkeypatch):
    with_pandas = result.table
    monkeypatch.setattr(results, "find_spec", lambda name: None)
    rows = results.as_frame(result.analysis.table.columns)
    assert rows.dtype.names == tuple(with_pandas.columns)
    np.testing.assert_array_equal(rows["min_feret_nm"], with_pandas["min_feret_nm"])


def test_a_notebook_shows_the_picture_and_the_sentence(result):
    page = result._repr_html_()
    assert "data:image/webp;base64," in page and result.sentence in page
    assert result.sentence in repr(result)


def test_it_saves_the_files_asked_for_and_no_others(result, tmp_path):
    paths = result.save(tmp_path / "new", ["labels.tif", "result.schema.json"])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["labels.tif", "result.schema.json"]
    assert [path.name for path in paths] == ["labels.tif", "result.schema.json"]
    kept = set(result.table["label"][result.table["kept"]])
    assert set(np.unique(tifffile.imread(paths[0]))) - {0} == kept
    with pytest.raises(deepsegm.UserError, match=r"“labels.png” is none of the files .* labels.tif"):
        result.save(tmp_path, ["labels.png"])


def test_the_figure_is_one_of_matplotlib(result):
    assert isinstance(result.figure(), Figure)


def test_masks_lie_on_their_image():
    grey = grey_of(LABELS)
    result = deepsegm.measure(LABELS, 2.0, image=grey)
    np.testing.assert_array_equal(result.analysis.micrograph.pixels, grey)
    with pytest.raises(deepsegm.UserError, match="must agree"):
        deepsegm.measure(LABELS, 2.0, image=grey[:-1])
    pieces = deepsegm.measure(LABELS > 0, values="binary", data_bar="none")
    assert pieces.numbers["median"].unit == "px"


def test_a_sample_pools_the_results(result):
    other = deepsegm.measure(disc_labels(30, (400, 500), seed=5), 2.0)
    sample = deepsegm.pool([result, other], name="Batch 7")
    counts = [one.numbers["n_kept"].value for one in (result, other)]
    assert sample.numbers["n_kept"].value == sum(counts)
    assert sample.sentence.startswith("Batch 7: 2 images")
    assert list(sample.table.columns) == ["image", *result.table.columns]
    assert len(sample.table) == len(result.table) + len(other.table)
    assert sample.table["image"].nunique() == 2 and sample.as_dict()["name"] == "Batch 7"
    assert sample.sentence in sample._repr_html_()


def test_a_result_that_must_not_be_used_is_pooled_only_if_that_is_said(result):
    wrong = Flag.doubtful("Check the scale.", "Do not use: scale wrong?", level=DO_NOT_USE, kind="scale")
    unusable = library.Result(replace(result.analysis, flags=(wrong,)))
    assert result.may_be_judged and not unusable.may_be_judged
    both = deepsegm.pool([result, unusable], count_unusable=True)
    assert deepsegm.pool([result, unusable]).numbers["n_kept"].value == result.numbers["n_kept"].value
    assert both.numbers["n_kept"].value == 2 * result.numbers["n_kept"].value and not both.may_be_judged
    with pytest.raises(deepsegm.UserError, match="No image counts"):
        deepsegm.pool([unusable])


def test_only_alike_results_are_pooled(result):
    grains = deepsegm.measure(LABELS, 2.0, "grains")
    weighted = deepsegm.measure(LABELS, 2.0, border_correction="weight")
    for others in ([grains], [weighted]):
        with pytest.raises(deepsegm.UserError, match="Only results of one kind"):
            deepsegm.pool([result, *others])
    with pytest.raises(deepsegm.UserError, match="no result"):
        deepsegm.pool([])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: deepsegm.analyse("nowhere.tif"), "There is no such file"),
        (lambda: deepsegm.analyse(np.zeros((5, 40, 40))), "shape 5 × 40 × 40"),
        (lambda: deepsegm.analyse(SAMPLE, 0), "from 0.000001 to 1000000, not 0"),
        (lambda: deepsegm.analyse(SAMPLE, float("nan")), "not nan"),
        (lambda: deepsegm.analyse(SAMPLE, "7"), "not '7'"),
        (lambda: deepsegm.analyse(SAMPLE, kind="cats"), "no kind of analysis named 'cats'"),
        (lambda: deepsegm.analyse(SAMPLE, filtr=True), "no setting filtr. Did you mean filter"),
        (lambda: deepsegm.analyse(SAMPLE, filter="perhaps"), "takes on or off, not “perhaps”"),
        (lambda: deepsegm.analyse(SAMPLE, threshold=7), "at most"),
        (lambda: deepsegm.analyse(SAMPLE, model="best"), "no model named 'best'"),
        (lambda: deepsegm.analyse(SAMPLE, kind="grains", model="particles"), "not for grains"),
        (lambda: deepsegm.measure(np.full((40, 40), 0.5)), "fractions such as 0.5"),
        (lambda: deepsegm.measure("nowhere.npy"), "nowhere.npy cannot be read"),
        (lambda: deepsegm.measure(LABELS, kind="phases"), "no single objects"),
        (lambda: deepsegm.measure(LABELS, model="particles"), "no setting model"),
    ],
)
def test_bad_input_gets_one_sentence(call, words):
    with pytest.raises(deepsegm.UserError, match=words) as refused:
        call()
    assert isinstance(refused.value, ValueError) and "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", [task.name for task in every() if task.name not in ("lines", "loops")])
def test_each_kind_has_a_model(kind):
    task = find(kind)
    assert {card.task for card in cards_for_name(model_for(task, ""))} == {kind}


def test_a_kind_without_a_model_says_so():
    with pytest.raises(deepsegm.UserError, match="loops"):
        deepsegm.analyse(grey_of(LABELS), kind="loops")


def test_numpy_numbers_are_numbers():
    result = deepsegm.measure(LABELS, np.float32(2.0), faint_limit=np.float64(10), data_bar=np.int64(0))
    assert result.analysis.calibration.nm_per_pixel == 2.0
    assert result.analysis.settings.measurement.faint_limit == 10.0


@pytest.mark.slow
def test_the_notebook_runs_without_django(tmp_path):
    """Its cells in a process of their own, as Jupyter runs them; the last line of a cell is shown."""
    shutil.copy(SAMPLE, tmp_path)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") for cell in cells)
    code = []
    for cell in cells:
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            code.append(ast.unparse(tree))
            if isinstance(tree.body[-1], ast.Expr) and isinstance(tree.body[-1].value, ast.Name):
                code.append(f"print(len({ast.unparse(tree.body[-1])}._repr_html_()))")
    code.append("import sys; assert 'django' not in sys.modules and 'celery' not in sys.modules")
    said = alone("\n".join(code), tmp_path)
    assert "particles count" in said and "Median: " in said and "mask: " in said
    names = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert names == ["figure.pdf", "labels.tif", "particles.csv"]


@pytest.mark.slow
def test_an_array_is_analysed_as_its_file(tmp_path):
    pixels = deepsegm.read(SAMPLE).pixels[:400, :400]
    tifffile.imwrite(tmp_path / "part.tif", pixels)
    of_file = deepsegm.analyse(tmp_path / "part.tif", 5.0)
    of_array = deepsegm.analyse(pixels, 5.0)
    np.testing.assert_array_equal(of_array.labels, of_file.labels)
    # Intervals are drawn at random, by the checksum of a file or an array.
    values = [{name: of.value for name, of in one.numbers.items()} for one in (of_array, of_file)]
    assert values[0] == values[1] and values[0]["n_kept"] > 20


def test_a_length_whose_line_was_not_found_is_a_note_that_asks_for_it(monkeypatch):
    asked = BarReading(0.0, 0.0, "100 nm", 100.0, None, (1, 1, 9, 9))
    monkeypatch.setattr("segmentation.core.library.inputs.read_bar", lambda micrograph: asked)
    image = deepsegm.read(np.full((200, 300), 90, np.uint8))
    assert image.notes[-1] == "“100 nm” is written in the image. Where is its line?"
    assert not image.scale.in_use.is_known


def test_a_picture_without_a_scale_says_which_line_is_looked_for():
    grey = Micrograph(grey_of(LABELS), "x.png", "0" * 64, Calibration.absent(), scale_question="Where is its line?")
    notes = [flag.text for flag in deepsegm.measure(LABELS, image=grey).analysis.flags]
    assert f"{NO_SCALE} Where is its line?" in notes
