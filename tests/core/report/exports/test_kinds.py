"""Files of a kind of analysis that has classes and no size distribution; and the registry of exports."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pypdf
import pytest
import roifile
import tifffile
from PIL import Image

from segmentation.core import tasks
from segmentation.core.measure.quantities import Value
from segmentation.core.measure.table import Table
from segmentation.core.report import exports
from segmentation.core.report.exports.base import Export
from segmentation.core.report.exports.particles_csv import as_text
from segmentation.core.report.figures import figure
from segmentation.core.report.files import write_all
from segmentation.core.sample import SampleAnalysis
from segmentation.core.tasks.judgement import without_numbers
from tests.core.builders import make_analysis, refound

ROOT = Path(__file__).resolve().parents[4]
CARD = {"name": "two", "title": "Two phases", "version": "2.1", "sha256": "ef" * 32, "summary": "Tells two apart."}

pytestmark = pytest.mark.usefixtures("coarse")


@pytest.fixture
def phases(monkeypatch):
    """An analysis of two classes under ids with gaps, by a task that is nowhere else."""
    task = replace(
        tasks.find("particles"),
        name="toy phases",
        title="Phases",
        thing="phase",
        things="phases",
        class_names=("ferrite", "cementite"),
        table="objects",
        quantities=("mean",),
        panels=("image", "classes", "doubts", "quantities"),
        method="Pixels were told apart by {way}.",
        screened=False,
        ignores=frozenset({"measurand"}),
        granulometry=None,
    )
    monkeypatch.setitem(tasks.catalogue(), task.name, task)
    made = refound(make_analysis(6), card=CARD, way="brightness")
    outlines = made.segmentation
    ids = np.array([2, 3, 5, 8, 13, 21], np.int32)
    segmentation = replace(
        outlines,
        labels=np.r_[0, ids].astype(np.int32)[outlines.labels],
        ids=ids,
        classes=np.array([0, 1, 0, 1, 1, 0], np.int32),
        class_names=task.class_names,
        provenance=replace(outlines.provenance, task=task.name),
    )
    table = Table({"class": np.array([0, 1]), "kept": np.ones(2, bool), "reason": np.array(["", ""])})
    quantities = {"mean": Value(12.5, 11.0, 14.25, "nm")}
    return replace(made, segmentation=segmentation, table=table, statistics=None, quantities=quantities)


def written(analysis, folder, *names):
    """These files and what is stored with every result."""
    return write_all(analysis, folder, stored_only=True, added_names=names)


def test_every_file_is_written_without_a_word_of_particles(phases, tmp_path):
    files = write_all(phases, tmp_path)
    assert {"objects.csv", "objects.xlsx", "objects.geojson", "panel-classes.png", "panel-quantities.png"} <= set(files)
    assert not {"particles.csv", "panel-histogram.png", "panel-outlines.png"} & set(files)
    assert Image.open(files["panel-quantities.png"]).size[0] == int(figure.WIDTH * figure.DPI), "no cut of the figure"
    pages = pypdf.PdfReader(files["report-annex.pdf"]).pages
    report = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert "12.5 nm (11.0–14.2)" in report and "told apart by" in report
    assert "Tells two apart." in report and "two 2.1" in report and "ef" * 32 in report
    csv = files["objects.csv"].read_text()
    assert "12.5 nm (11 to 14.25)" in csv and "class,kept,reason" in csv
    assert "Phases" in openpyxl.load_workbook(files["objects.xlsx"]).sheetnames
    readme = zipfile.ZipFile(files["bundle.zip"]).read("README.txt").decode()
    for text in (report.replace("measures particles", ""), csv, readme):  # the citation names the programme's use
        assert "particle" not in text.lower()
    assert json.loads(files["result.json"].read_text())["statistics"] is None


def test_csv_names_every_class_in_its_front_lines(phases):
    shares, lengths = {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}, {"a": 4.0, "b": 3.0, "c": None, "d": 1.0}
    quantities = {f"area_fraction of {name}": Value(share) for name, share in shares.items()}
    quantities |= {f"mean_intercept of {name}": Value(length, unit="nm") for name, length in lengths.items()}
    made = SampleAnalysis.of(replace(phases, quantities=quantities))
    front = [line for line in as_text(made).splitlines() if line.startswith("#")]
    assert front[0] == "# Area fraction: a 0.4 - b 0.3 - c 0.2 - d 0.1" and len(front) <= 6
    assert front[1] == "# Mean intercept: a 4 nm - b 3 nm - d 1 nm"


def test_ids_are_those_of_the_segmentation_everywhere(phases, tmp_path):
    files = written(phases, tmp_path, "labels.tif", "coco.json", "objects.geojson", "rois.zip")
    ids = phases.segmentation.ids.tolist()
    np.testing.assert_array_equal(tifffile.imread(files["labels.tif"]), phases.segmentation.labels)
    coco = json.loads(files["coco.json"].read_text())
    assert [annotation["id"] for annotation in coco["annotations"]] == ids
    assert [category["name"] for category in coco["categories"]] == ["ferrite", "cementite", "possibly wrong"]
    assert [annotation["category_id"] for annotation in coco["annotations"]] == [1, 2, 1, 2, 2, 1]
    features = json.loads(files["objects.geojson"].read_text())["features"]
    assert [(feature["id"], feature["properties"]["label"]) for feature in features] == [
        (number, number) for number in ids
    ]
    assert features[1]["properties"]["class"] == "cementite"
    assert [roi.name for roi in roifile.roiread(files["rois.zip"])] == [f"{number:04d}" for number in ids]
    assert [particle["id"] for particle in json.loads(files["outlines.json"].read_text())["particles"]] == ids


def test_ids_of_particles_may_have_gaps(tmp_path):
    made = make_analysis(12)
    ids = made.segmentation.ids * 3
    segmentation = replace(made.segmentation, ids=ids, labels=made.segmentation.labels * 3)
    made = replace(made, segmentation=segmentation, table=made.table.with_ids(ids))
    files = written(made, tmp_path, "labels.tif", "rois.zip")
    counted = set(ids[made.table.kept].tolist())
    assert set(np.unique(tifffile.imread(files["labels.tif"])).tolist()) == {0, *counted}
    assert {int(roi.name) for roi in roifile.roiread(files["rois.zip"])} == counted


def test_the_legend_says_how_much_each_class_covers(phases):
    shares = {"area_fraction of ferrite": Value(0.12345), "area_fraction of cementite": Value(0.87655)}
    for quantities, words in ((shares, ["ferrite: 12.3 %", "cementite: 87.7 %"]), ({}, ["ferrite", "cementite"])):
        drawn = figure.draw(SampleAnalysis.of(replace(phases, quantities=quantities)))
        assert [text.get_text() for text in drawn.axes[1].get_legend().get_texts()] == words
        assert [ax.get_title(loc="left")[0] for ax in drawn.axes] == list("ABCD")


def test_the_model_is_the_one_that_was_kept_whatever_is_installed(tmp_path):
    card = {**CARD, "name": "particles", "version": "0.0.1"}
    files = written(refound(make_analysis(6), card=card), tmp_path, "report-annex.pdf")
    pages = pypdf.PdfReader(files["report-annex.pdf"]).pages
    report = " ".join(" ".join(page.extract_text() for page in pages).split())
    assert "particles 0.0.1, sha256 efefefef" in report and "Tells two apart." in report
    model = json.loads(files["result.json"].read_text())["model"]
    assert model == {"name": "particles", "version": "0.0.1", "sha256": "ef" * 32}


def test_a_new_export_is_one_definition(tmp_path, monkeypatch):
    new = Export(
        "{things}.txt",
        "{Things}, text",
        64,
        lambda context, path: path.write_text(f"{len(context.object_polygons)}"),
        image="how many {things} there are",
    )
    definitions = (*exports.every(), new)
    monkeypatch.setattr(exports, "every", lambda: definitions)
    files = written(make_analysis(5), tmp_path, "particles.txt", "bundle.zip")
    assert files["particles.txt"].read_text() == "5"
    with zipfile.ZipFile(files["bundle.zip"]) as archive:
        assert archive.read("particles.txt") == b"5"
        assert new.image.format(things="particles") in archive.read("README.txt").decode()
    listed = exports.by_file_name("image", tasks.find("particles"))
    assert listed["particles.txt"].title == "Particles, text"


def test_names_are_unlike_and_documented():
    page = (ROOT / "docs" / "use" / "exports.md").read_text()
    for of in ("image", "sample"):
        listed = exports.by_file_name(of, tasks.find("particles"), judged=True)
        assert len({export.place for export in listed.values()}) == len(listed)
        for name, kind in listed.items():
            row = f"| `{name}` | {kind.line(of)} |"
            assert kind.for_the_page or row in page, f"add to docs/use/exports.md: {row}"


def test_the_registry_needs_nothing_heavy():
    code = (
        "import sys; from segmentation.core.report import exports; assert len(exports.every()) > 20;"
        "heavy = ('matplotlib', 'scipy', 'skimage', 'torch', 'xlsxwriter', 'reportlab', 'roifile');"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_of_a_refused_image_no_panel_is_coloured_and_no_number_is_a_dash(phases, tmp_path):
    def coloured(picture):
        return np.ptp(np.asarray(Image.open(picture).convert("RGB")).astype(int), axis=2).max() > 20

    refused = replace(phases, table=without_numbers(phases.table), quantities={"mean": Value(None)})
    listed = exports.by_file_name("image", tasks.find(phases.segmentation.provenance.task))
    pictures = [name for name in listed if name.startswith(("panel-", "thumbnail")) and "svg" not in name]
    files = {
        analysis: written(analysis, tmp_path / str(analysis.refused), *pictures, "report.pdf")
        for analysis in (phases, refused)
    }
    assert [sum(coloured(contents[name]) for name in pictures) for contents in files.values()] == [3, 1]
    assert coloured(files[refused]["thumbnail.webp"]), "a person judges its outlines by it"
    words = [page.extract_text() for page in pypdf.PdfReader(files[refused]["report.pdf"]).pages]
    assert "Numbers" not in words[0] and "–" not in words[0]
