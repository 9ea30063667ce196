"""The registry of quantities, tables of any columns, and the numbers that an analysis answers with."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import openpyxl
import pytest

from segmentation.core.measure.quantities import COLUMNS, NUMBERS, Quantity, UnknownQuantity, Value, add, readable
from segmentation.core.measure.results import Statistics
from segmentation.core.measure.shape.descriptors import DESCRIPTORS, descriptor
from segmentation.core.measure.statistics import summarise
from segmentation.core.measure.table import Table, with_equal_columns
from segmentation.core.report import schema
from segmentation.core.report.entries import quantity_entries
from segmentation.core.report.exports import particles_csv, result, workbooks
from segmentation.core.report.summary import Summary
from segmentation.core.sample import SampleAnalysis
from segmentation.core.tasks import particles
from segmentation.services.ground import tables as stored
from tests.core.builders import make_analysis
from tests.core.measure.particle_tables import log_normal, table_of
from tools.accuracy.__main__ import definitions

PHASES = {
    "label": np.array([1, 2]),
    "class": np.array([0, 1]),
    "kept": np.array([True, False]),
    "reason": np.array(["", "odd shape"]),
    "area": np.array([400.0, 100.0]),
    "area_fraction": np.array([0.8, 0.2]),
}


ROUGH = "How rough the outline is."


@pytest.fixture
def roughness():
    """A descriptor of shape that is not in the house: one function."""

    @descriptor(ROUGH, source="this test")
    def roughness(of):
        return of.perimeter / of.hull_perimeter - 1

    yield "roughness"
    del COLUMNS["roughness"], DESCRIPTORS["roughness"]


def test_a_new_descriptor_is_one_function(roughness):
    analysis = make_analysis.__wrapped__(12)  # anew, as it is kept, and before there was none
    values = analysis.table["roughness"]
    assert values.shape == (12,) and np.isfinite(values).all()
    assert ",roughness," in particles_csv.as_text(SampleAnalysis.of(analysis))
    file = io.BytesIO()
    workbooks.write_xlsx(SampleAnalysis.of(analysis), file)
    book = openpyxl.load_workbook(io.BytesIO(file.getvalue()))
    assert "Roughness" in [cell.value for cell in book["Particles"][1]]
    assert "roughness, median" in [line[1] for line in book["Details"].iter_rows(values_only=True)]
    statistics = result.as_dict(SampleAnalysis.of(analysis))["statistics"]
    assert statistics["shape"]["roughness"]["median"] == pytest.approx(np.median(values[analysis.table.kept]))
    properties = schema.schema()["$defs"]["Statistics"]["properties"]["shape"]["properties"]
    assert properties["roughness"]["description"] == ROUGH
    assert any("`roughness`" in line for line in definitions(COLUMNS))
    meanings = {row.term: row.definition for row in Summary(Statistics.from_dict(statistics), {}).shape}
    assert meanings["Roughness"] == ROUGH


@pytest.mark.parametrize("registry", [COLUMNS, NUMBERS])
def test_every_quantity_is_said_in_whole_sentences(registry):
    for name, quantity in registry.items():
        assert name == quantity.name and quantity.title and quantity.definition.endswith("."), name


def test_one_name_has_one_definition():
    with pytest.raises(ValueError, match=r"two definitions.* 'area'"):
        add(COLUMNS, Quantity("area", "Area", "Something else."))
    add(COLUMNS, COLUMNS["area"])


@pytest.mark.parametrize(
    ("power", "column", "unit"),
    [(0, "q", ""), (1, "q_nm", "nm"), (2, "q_nm2", "nm²"), (-1, "q_per_nm", "nm⁻¹"), (-2, "q_per_nm2", "nm⁻²")],
)
def test_units_follow_the_power(power, column, unit):
    quantity = Quantity("q", "Q", "A quantity.", power)
    assert (quantity.column("nm"), quantity.unit("nm")) == (column, unit)


def test_a_table_has_what_its_task_measures():
    table = Table.of_pixels(PHASES, 2.0)
    assert list(table.columns) == ["label", "class", "kept", "reason", "area_nm2", "area_fraction"]
    assert table["area_nm2"].tolist() == [1600, 400]
    assert table["area_fraction"].tolist() == [0.8, 0.2]
    assert np.isnan(table.length("min_feret")).all(), "it was not measured"
    assert [quantity.name for quantity in table.rescaled(None).quantities] == list(PHASES)


@pytest.mark.parametrize("name", ["colour", "area_nm2", "area_px"])
def test_an_unknown_column_is_refused(name):
    with pytest.raises(UnknownQuantity, match=f"No column {name}"):
        Table({**Table.of_pixels(PHASES, None).columns, name: np.ones(2)})
    with pytest.raises(UnknownQuantity):
        Table.of_pixels(PHASES, None)[name]


@pytest.mark.parametrize("gone", ["kept", "reason"])
def test_a_table_says_what_is_kept_and_why(gone):
    with pytest.raises(ValueError, match="kept and reason"):
        Table({name: values for name, values in Table.of_pixels(PHASES, None).columns.items() if name != gone})


def test_columns_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        Table.of_pixels({**PHASES, "area": np.ones(3)}, None)


def test_a_table_stored_before_there_was_a_descriptor_is_pooled(roughness, tmp_path):
    old = table_of(log_normal(40), nm_per_pixel=2.0)
    del old.columns["roughness"]
    with stored.save(old, 1.0, tmp_path / "table.npz").open("rb") as file:
        old, _ = stored.load(file)
    new = table_of(log_normal(40, seed=1), roughness=np.full(40, 0.25))
    table, other = with_equal_columns([old, new])
    assert [quantity.name for quantity in table.quantities] == [quantity.name for quantity in other.quantities]
    assert np.isnan(table["roughness"]).all() and (other["roughness"] == 0.25).all()
    assert "roughness" not in summarise(old).shape
    assert summarise(new).shape["roughness"]["median"] == 0.25


def test_a_table_stored_by_a_later_version_is_refused(tmp_path):
    path = stored.save(table_of([5.0, 6.0]), 1.0, tmp_path / "table.npz")
    with np.load(path) as read:
        more = {**read, "column colour": np.ones(2)}
    np.savez_compressed(path, **more)
    with path.open("rb") as file, pytest.raises(ValueError, match="No column colour"):
        stored.load(file)


def test_the_result_answers_with_the_quantities_of_its_task():
    analysis = make_analysis(12)
    quantities = result.as_dict(SampleAnalysis.of(analysis))["quantities"]
    assert list(quantities) == list(particles.TASK.quantities)
    statistics = analysis.statistics
    low, high = statistics.intervals["median"]
    total = statistics.budget["median"]["ends"]
    assert total[0] < low < high < total[1] and quantities["d10"]["interval"] is quantities["d10"]["low"] is None
    assert quantities["median"] == {
        "value": statistics.median,
        "interval": total,
        "low": low,
        "high": high,
        "unit": "nm",
    }
    nano = quantities["fraction_100nm"]
    assert nano == {
        "value": statistics.fraction_100nm,
        "low": pytest.approx(statistics.fraction_low),
        "high": pytest.approx(statistics.fraction_high),
        "unit": "",
        "interval": statistics.budget["fraction_100nm"]["ends"],
    }


def test_the_page_says_the_answers():
    quantities = SampleAnalysis.of(make_analysis(40, (300, 400))).quantities
    entries = {entry.term: entry for entry in quantity_entries(quantities)}
    assert list(entries) == [NUMBERS[name].title for name in particles.TASK.quantities]
    assert entries["Median"].unit == "nm" and entries["Median"].definition == NUMBERS["median"].definition
    assert entries["Share 1–100 nm"].unit == "%"


def test_the_page_says_the_answers_of_a_task_that_it_does_not_know():
    (entry,) = quantity_entries({"flake_density": Value(2.5e-4, unit="nm⁻²")})
    assert (entry.term, entry.value, entry.unit) == ("Flake density", "250", "µm⁻²")
    assert readable(Value(0.033, unit="nm⁻²")).unit == "µm⁻²", "dense or not, the same unit"


def test_a_task_without_sizes_has_a_result():
    analysis = replace(make_analysis(12), statistics=None)
    contents = result.as_dict(SampleAnalysis.of(analysis))
    assert contents["statistics"] is None
    assert sum(contents["set_aside"].values()) == (~analysis.table.kept).sum()
