"""Figure, report, workbook, page, API, cards and samples show the same bars, to the last digit."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import openpyxl
import pytest

from segmentation.core import tasks
from segmentation.core.combine import combine
from segmentation.core.measure.results import Statistics
from segmentation.core.report.exports import result, viewer, workbooks
from segmentation.core.report.figures import figure
from segmentation.core.report.figures.charts import Distribution, Sheet, draw_histogram
from segmentation.core.sample import Member, SampleAnalysis
from segmentation.presenters.histogram import histogram_content
from segmentation.services.ground import tables
from segmentation.views.job.histogram import StoredObjects, pooled_population
from tests.core.builders import make_analysis
from tests.core.measure.test_possible_pieces import measured, outlines
from worker.analysis.results import summarise

PARTICLES = tasks.find("particles")
KINDS = {
    "seen": {},
    "all": {"measurand": "all"},
    "edges weighted": {"border_correction": "weight"},
    "all, edges weighted": {"measurand": "all", "border_correction": "weight"},
}


def analysed(kind):
    return measured(outlines(), **KINDS[kind])


def drawn(sample):
    """Edges and heights as figure and report draw them."""
    ax = Sheet((5, 4)).add_axes((0.1, 0.1, 0.8, 0.8))
    draw_histogram(ax, Distribution.of(sample))
    figure.pixels_of(ax.figure)
    bars = ax.containers[0]
    return [*(bar.get_x() for bar in bars), bars[-1].get_x() + bars[-1].get_width()], [bar.get_height() for bar in bars]


def in_cells(*columns):
    """Numbers as cells of a workbook have them: with 16 digits."""
    return tuple([float(f"{value:.16g}") for value in column] for column in columns)


def in_workbook(sample):
    file = io.BytesIO()
    workbooks.write_xlsx(sample, file)
    rows = list(openpyxl.load_workbook(file)["Summary"].iter_rows(min_row=3, min_col=7, max_col=9, values_only=True))
    bars = [row for row in rows if row[0] is not None]
    return [*(low for low, *_ in bars), bars[-1][1]], [height for *_, height in bars]


def page(analysis, pieces="stored", **chosen):
    """The answer to the page of one image, from what is stored with its result."""
    statistics = json.loads(json.dumps(summarise(analysis, reused=False, unread=False)))["statistics"]
    file = io.BytesIO(json.dumps(viewer.outlines(analysis), separators=(",", ":")).encode())
    stored = statistics["pieces"] if statistics["counted"] == "all" and pieces == "stored" else None
    return histogram_content(StoredObjects.read(file, statistics["size"]).population(stored), chosen, PARTICLES)


def page_of_sample(sample, tmp_path):
    """The answer to the page of a sample, from the tables that are stored with its images."""
    loaded, pieces = [], []
    for member in reversed(sample.members):  # in whatever order the rows come
        path = tables.save(member.table, 1.0, tmp_path / f"{member.name}.npz")
        with path.open("rb") as file:
            loaded.append(tables.load(file)[0])
        pieces.append(member.statistics.pieces if member.statistics.counted == "all" else None)
    return histogram_content(pooled_population(loaded, sample.pooled, pieces), {}, PARTICLES)


@pytest.mark.parametrize("kind", KINDS)
def test_every_place_has_the_bars_of_one_image(kind):
    analysis = analysed(kind)
    sample, chart = SampleAnalysis.of(analysis), page(analysed(kind))
    edges, heights = chart["edges"], chart["heights"]
    api = summarise(analysis, reused=False, unread=False)["histogram"]
    assert (api["edges"], api["counts"]) == (edges, [heights])  # of which cards are drawn, too
    assert in_workbook(sample) == in_cells(edges, heights)
    of_figure = drawn(sample)
    assert of_figure[0] == pytest.approx(edges, rel=1e-12) and of_figure[1] == heights  # the last by x and width
    expected = 11.36 if kind.startswith("all") else 11
    assert (sum(heights), sum(chart["counts"]), chart["n"]) == (pytest.approx(expected), pytest.approx(expected), 11)


def test_eleven_objects_of_which_one_has_two_possible_cuts():
    seen, every = page(analysed("seen")), page(analysed("all"))
    assert (seen["edges"][0], seen["heights"]) == (60, [1, 1, 1, 1, 2, 1, 1, 1, 1, 1])
    assert (every["edges"][0], every["doubtful"][0]) == (50, 0.12)
    assert every["heights"] == [0.12, 1, 1, 1, pytest.approx(1.3), pytest.approx(1.94), 1, 1, 1, 1, 1]
    assert seen["counts"] == seen["heights"] and every["counts"] == every["heights"]
    words = "50 to 60 nm: about 0.1 particles, 1 % by number; 1 % up to here; pale: perhaps several"
    assert every["words"][0] == words


def test_edge_weights_share_out_the_number_of_objects():
    analysis = analysed("edges weighted")
    chart, weights = page(analysis), analysis.table["edge_weight"]
    size = analysis.table.length("min_feret")
    mean = weights.sum() / len(weights)
    inside = [(size >= low) & (size < high) for low, high in zip(chart["edges"], chart["edges"][1:], strict=False)]
    assert chart["heights"] == pytest.approx([weights[some].sum() / mean for some in inside])
    assert chart["counts"] == [int(some.sum()) for some in inside]


@pytest.mark.parametrize("measure", ["max_feret", "ecd", "area"])
@pytest.mark.parametrize("weighting", ["number", "area", "volume"])
def test_every_size_of_a_piece_is_known_and_no_shape(measure, weighting):
    chosen = {"measure": measure, "weighting": weighting}
    assert sum(page(analysed("all"), **chosen)["counts"]) == pytest.approx(11.36)
    assert sum(page(analysed("all"), **{**chosen, "measure": "circularity"})["counts"]) == pytest.approx(10.7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_two_images_has_the_same_bars_everywhere(kind, tmp_path):
    first, second = Member.of(analysed(kind)), Member.of(make_analysis(14))
    second = Member.of(measured(outlines(cuts=()), **KINDS[kind])) if kind != "seen" else second
    second = replace(second, calibration=first.calibration, name="b.tif")
    sample = combine("TiO2", [replace(first, name="a.tif"), second], edge=first.statistics.edge)
    chart = page_of_sample(sample, tmp_path)
    api = json.loads(json.dumps(result.as_dict(sample)))["histogram"]
    pooled = sample.as_dict()["histogram"]
    assert api == pooled and api["edges"] == chart["edges"] and len(api["counts"]) == 2
    assert np.sum(api["counts"], axis=0) == pytest.approx(chart["heights"], rel=1e-12)
    assert in_workbook(sample) == in_cells(chart["edges"], chart["heights"])
    of_figure = drawn(sample)
    assert of_figure[0] == pytest.approx(chart["edges"], rel=1e-12) and of_figure[1] == chart["heights"]
    assert sum(chart["counts"]) == pytest.approx(sum(chart["heights"]))


def test_bars_of_an_older_result_have_no_pieces():
    analysis = analysed("all")
    content = viewer.outlines(analysis)
    for particle in content["particles"]:
        particle.pop("chance")
    file = io.BytesIO(json.dumps(content, separators=(",", ":")).encode())
    statistics = Statistics.from_dict({**analysis.statistics.as_dict(), "pieces": {}})
    population = StoredObjects.read(file, statistics.size).population(statistics.pieces)
    older = histogram_content(population, {}, PARTICLES)
    assert older["heights"] == page(analysed("seen"))["heights"] and not any(older["doubtful"])
    with_few = {name: analysis.statistics.pieces[name] for name in ("min_feret_px", "ecd_px", "chance")}
    stored = StoredObjects.read(io.BytesIO(json.dumps(viewer.outlines(analysis)).encode())).population(with_few)
    assert histogram_content(stored, {}, PARTICLES)["heights"] == page(analysis)["heights"]
    assert sum(histogram_content(stored, {"measure": "max_feret"}, PARTICLES)["counts"]) == pytest.approx(10.7)


def test_sizes_in_micrometres_have_the_bars_of_nanometres():
    long = measured(outlines(), measurand="all")
    scale = replace(long.calibration, nm_per_pixel=500.0)
    table = long.table.rescaled(500.0)
    member = Member.of(long)
    sample = combine("rods", [replace(member, name=n, table=table, calibration=scale) for n in ("a.tif", "b.tif")])
    assert sample.pooled.unit == "nm" and sample.in_readable_unit().pooled.unit == "µm"
    readable = sample.in_readable_unit()
    distribution = Distribution.of(sample)
    assert readable.histogram["edges"] == distribution.bars.edges.tolist()
    assert in_workbook(sample) == in_cells(distribution.bars.edges, distribution.bars.heights)
    assert np.sum(sample.histogram["counts"], axis=0) == pytest.approx(distribution.bars.heights)
