"""The exports `particles.xlsx` of an image and `sample.xlsx` of a sample.

Their sheets have a summary, the counted objects, the left out objects, and all details.
`report/tables/sheets.py` writes the cells; `report/tables/detail_lines.py` has the lines of the sheet "Details".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...measure.quantities import COLUMNS, OF, Unit, nanometre_in, number, quantity_of_column
from ...measure.table import Table
from ..filing import UNFILED, Filing
from ..summary import Summary
from ..tables.detail_lines import HEAD, WIDTHS, detail_lines
from ..tables.images_table import columns_of_images, contents_of_intervals
from ..tables.sheets import DETAIL_DIGITS, Cells, add_sheet, rounded_cell, workbook
from ..wording import agreement_words, calibration_words, in_per_cent, sample_scale
from .base import Export

if TYPE_CHECKING:
    from xlsxwriter import Workbook

    from ...measure.results import Arrangement
    from ...sample import SampleAnalysis

MOST_ROWS = 1_048_575  # Excel's limit, without the head
# Widths of the columns of two sheets, in characters.
SUMMARY_WIDTHS = (44, 16, 10, 14, 14, 36, 24, 12, 12)
ARRANGEMENT_WIDTHS = (44, 12, 10, 12, 12, 34, 4, 14, 18, 16, 20, 10)
Tables = Sequence[tuple[str, Table]]  # names of images and their objects


def write_xlsx(sample: SampleAnalysis, file: Path | BinaryIO, filing: Filing = UNFILED) -> None:
    """Write the workbook of an image or a sample.

    Its sheets: "Summary" (main numbers with 95 % intervals, and a chart); for a sample "Images";
    one with the counted objects; "Left out" (with the reasons; its title is "Without a size" if
    objects are left out only because they touch the frame); "Arrangement", if it is known;
    "Details" (all numbers, the uncertainty budget, settings, model).
    """
    things = sample.task.things.capitalize()
    with workbook(file) as book:
        _add_summary(book, sample, filing)
        if sample.analysis is None:
            _add_images(book, sample)
        has_left_out = any(not member.table.kept.all() for _, member in sample.counted)
        tables = [("" if sample.analysis else image.name, member.sized) for image, member in sample.counted]
        if tables:
            _add_objects(book, things, tables, sample, kept=True)
        if any(not table.kept.all() for _, table in tables):
            _add_objects(book, "Left out" if has_left_out else "Without a size", tables, sample, kept=False)
        if sample.pooled is not None and sample.pooled.arrangement:
            _add_arrangement(book, sample, sample.pooled.arrangement)
        details = ([rounded_cell(cell, DETAIL_DIGITS) for cell in line] for line in detail_lines(sample))
        add_sheet(book, "Details", HEAD, details, WIDTHS)


def _add_summary(book: Workbook, sample: SampleAnalysis, filing: Filing) -> None:
    """Add the sheet "Summary": the lines of `_summary_lines`, and right of them a chart with its
    data."""
    lines, (title, heads, *columns) = list(_summary_lines(sample, filing)), _chart_content(sample)
    chart_cells = [heads, *zip(*columns, strict=False)]
    pairs = zip_longest(lines, chart_cells, fillvalue=())
    rows = ([*line, *[None] * (6 - len(line)), *cells] for line, cells in pairs)
    head = ("Name", "Value", "Unit", "95 % from", "to", "Note")
    sheet = add_sheet(book, "Summary", head, rows, SUMMARY_WIDTHS, filters=False)
    if len(chart_cells) > 1:
        last, column = len(chart_cells), 5 + len(chart_cells[0])
        chart = book.add_chart({"type": "column"})
        series = {"categories": ["Summary", 2, 6, last, 6], "values": ["Summary", 2, column, last, column]}
        chart.add_series({**series, "gap": 5 if len(chart_cells[0]) > 2 else 60})
        chart.set_title({"name": title, "name_font": {"size": 11}})
        chart.set_x_axis({"name": chart_cells[0][0]})
        chart.set_y_axis({"name": chart_cells[0][-1]})
        chart.set_legend({"none": True})
        sheet.insert_chart(1, 10, chart, {"x_scale": 1.3, "y_scale": 1.3})


def _chart_content(sample: SampleAnalysis) -> tuple[Any, ...]:
    """The data of the chart in the sheet "Summary": (title, heads of the columns, *columns).

    The first column names the bars, the last one has their heights. The chart shows the histogram
    of sizes; without sizes the shares of classes; without classes the main number of each image of
    a sample, or a curve of the kind of analysis such as the thickness of a layer. There are no
    columns if the result has none of these.
    """
    from ..figures.charts import Distribution

    sizes, entries = Distribution.of(sample), Summary.of(sample).known_quantities
    if sizes is not None and sizes.bars is not None and not sizes.has_few_sizes:
        unit, edges, things = sizes.statistics.unit, sizes.bars.edges.tolist(), sample.task.things.capitalize()
        weighted = ", edge-weighted" if sizes.statistics.edge == "weight" else ""
        heads = (f"From ({unit})", f"to ({unit})", f"{things}{weighted}")
        return f"{sizes.statistics.title}, {unit}", heads, edges, edges[1:], sizes.bars.heights.tolist()
    if entries and entries[0].kind == "fraction":
        prefix, title = entries[0].name.partition(OF)[0] + OF, number(entries[0].name.partition(OF)[0]).title
        shares = {
            entry.name.removeprefix(prefix): entry.number.value for entry in entries if entry.name.startswith(prefix)
        }
        names = (sample.task.thing.capitalize(), f"{title} (%)")
        return title, names, shares, (rounded_cell(100 * (share or 0.0)) for share in shares.values())
    if entries and sample.analysis is None:
        main = next((entry for entry in entries if entry.kind != "integer"), entries[0])
        values = (in_per_cent(main.name, value).value for value in sample.in_readable_unit().by_image(main.name))
        title = f"{main.term} ({main.unit})"
        return title, ("Image", title), (image.name for image in sample.images), map(rounded_cell, values)
    if entries and (analysis := sample.analysis):
        measurement = analysis.settings.measurement
        for curve in sample.task.curves(analysis.segmentation, analysis.calibration, measurement)[-1:]:
            heads = (f"{curve.across}, from", "to", curve.title)
            columns = (map(rounded_cell, column) for column in (curve.x, curve.x[1:], *curve.lines.values()))
            return curve.across, heads, *columns
    return "", ()


def _add_images(book: Workbook, sample: SampleAnalysis) -> None:
    """Add the sheet "Images": a line for each image of the sample."""
    columns: dict[str, Cells] = {}
    names = ["median"] if sample.task.screened else sample.quantities
    for head, entries in columns_of_images(sample.in_readable_unit(), names):
        columns[head] = [entry.text or rounded_cell(entry.number.value) for entry in entries]
        if any(entry.number.low is not None for entry in entries):
            columns[f"{head}, 95 % from"] = [rounded_cell(entry.reported.low) for entry in entries]
            columns[f"{head}, to"] = [rounded_cell(entry.reported.high) for entry in entries]
            if includes := contents_of_intervals(sample):
                columns["The interval includes"] = includes
    widths = [50 if head == "Remark" else max(12, len(head) + 3) for head in columns]
    add_sheet(book, "Images", list(columns), zip(*columns.values(), strict=True), widths)


def _add_arrangement(book: Workbook, sample: SampleAnalysis, arrangement: Arrangement) -> None:
    """Add the sheet "Arrangement": distances between objects, and the pair correlation with a
    chart."""
    summary = Summary.of(sample)
    unit = next((entry.unit for entry in summary.arrangement if entry.name.startswith("neighbour")), "")
    lines: list[Cells] = [(arrangement["sentence"],), ()]
    for entry in (*summary.arrangement, *summary.shape_classes, *summary.rods):
        cells = entry.in_cells
        lines.append((entry.term, *map(rounded_cell, (cells.value, cells.unit, cells.low, cells.high)), entry.note))
    curves: list[Cells] = []
    if pairs := arrangement["pairs"]:
        columns = [nanometre_in(unit) * r for r in pairs["r"]], pairs["g"], pairs["chance"], pairs["low"], pairs["high"]
        curves = list(zip(*(map(rounded_cell, column) for column in columns), strict=True))
    titles = (f"Distance ({unit})", "Pair correlation g", "Mean at random", "95 % of random from", "to")
    pairs_of_cells = zip_longest(lines, curves, fillvalue=())
    rows = ([*line, *[None] * (7 - len(line)), *curve] for line, curve in pairs_of_cells)
    head = ("Name", "Value", "Unit", "95 % from", "to", "Note", "", *(titles if curves else ()))
    sheet = add_sheet(book, "Arrangement", head, rows, ARRANGEMENT_WIDTHS, filters=False)
    if not curves:
        return
    chart = book.add_chart({"type": "scatter", "subtype": "smooth"})
    for column in range(8, 12):
        series = {"categories": ["Arrangement", 1, 7, len(curves), 7], "name": ["Arrangement", 0, column]}
        chart.add_series({**series, "values": ["Arrangement", 1, column, len(curves), column]})
    chart.set_title({"name": "Pair correlation", "name_font": {"size": 11}})
    chart.set_x_axis({"name": titles[0]})
    sheet.insert_chart(1, 13, chart, {"x_scale": 1.3, "y_scale": 1.3})


def _summary_lines(sample: SampleAnalysis, filing: Filing) -> Iterator[Cells]:
    """The lines of the sheet "Summary": where the numbers come from, the gravest warnings,
    `Summary.main_numbers`."""
    summary = Summary.of(sample)
    yield ("Sample" if sample.analysis is None else "Image"), sample.name
    if sample.analysis is None:
        yield "Images", sample.extent
        yield "Scale", sample_scale(sample.calibration, sample.common_calibration)
    else:
        yield "Scale", calibration_words(sample.analysis.calibration)
    if filing.created:
        yield "Analysed (UTC)", filing.created.astimezone(UTC).replace(tzinfo=None)
    if filing.address:
        yield "Result", filing.address
    for notice in summary.first_notices(sample.flags, pooled=sample.analysis is None):
        yield notice.level, notice.headline
    yield ()
    if summary.screened:
        yield f"{sample.task.things.capitalize()} counted", summary.kept
    if summary.screened or summary.set_aside_count:
        yield "Left out", summary.set_aside_count
    for entry in summary.main_numbers:
        value, low, high = map(rounded_cell, (entry.in_cells.value, entry.in_cells.low, entry.in_cells.high))
        value = float(entry.share) if entry.share else value
        note = f"interval: {entry.includes}" if entry.includes else entry.caution
        remarks = "; ".join(filter(None, (note, entry.outlines_note, entry.note)))
        yield entry.term, entry.text or value, entry.unit, low, high, remarks
    if agreement := agreement_words(sample.between):
        yield "Between images", agreement
    if reason := summary.no_interval or summary.interval_note:
        yield "Intervals", reason
    if summary.screened and summary.verdict:
        yield "Nanomaterial by 2022/C 229/01 (limit 50 %)", summary.verdict
        if summary.nano and summary.nano["decides"]:
            yield "What would decide it", summary.nano["decides"]


def _add_objects(book: Workbook, title: str, tables: Tables, sample: SampleAnalysis, *, kept: bool) -> None:
    """Add a sheet with a line for each counted object (`kept`), or for each left out object.

    For a sample the first column has the name of the image. The size comes before other measures.
    Only left out objects have the column of reasons. Units are those of the sheet "Summary".
    """
    has_names = len(tables) > 1 or bool(tables and tables[0][0])
    hidden = {"kept", "reason"} if kept else {"kept"}
    example = tables[0][1] if tables else None
    names = [] if example is None else [name for name in example.columns if name not in hidden]
    if example is not None and sample.task.size:
        first_names = ("label", "reason", COLUMNS[sample.task.size].column(example.unit))
        names.sort(key=lambda name: name not in first_names)
    units = {entry.name.partition(OF)[0]: entry.number.unit for entry in Summary.of(sample).quantities}
    is_long = sample.pooled is not None and sample.pooled.readable_unit != sample.pooled.unit
    heads = {name: _head(example, name, units, sample.task.semantic, is_long) for name in names if example is not None}

    def rows() -> Iterator[Cells]:
        for image, table in tables:
            cells = {name: table.columns[name][table.kept == kept] for name in names}
            columns = (
                (values if heads[name][1] == 1 else values * heads[name][1]).tolist() for name, values in cells.items()
            )
            for line in zip(*columns, strict=True):
                yield (*([image] if has_names else []), *map(rounded_cell, line))

    add_sheet(
        book,
        title,
        [*(["Image"] if has_names else []), *(head for head, _ in heads.values())],
        islice(rows(), MOST_ROWS),
    )


def _head(table: Table, name: str, units: Mapping[str, str], semantic: bool, is_long: bool) -> tuple[str, float]:
    """The head of a column, such as "Minimum Feret diameter (nm)", and the factor from stored
    numbers to its unit."""
    quantity = quantity_of_column(name, table.unit)
    is_long = is_long or (semantic and (quantity.power != 1 or "µm" in units.values()))
    length: Unit = "µm" if is_long and table.unit == "nm" else table.unit
    unit = units.get(quantity.name) or ("%" if quantity.kind == "fraction" else quantity.unit(length))
    times = 100.0 if unit == "%" else 1e-3**quantity.power if unit.startswith("µm") else 1.0
    return f"{quantity.title} ({unit})" if unit else quantity.title, times


EXPORTS = (
    Export(
        "{table}.xlsx",
        "{Things}, XLSX",
        place=70,
        write=lambda context, path: write_xlsx(context.sample, path, context.filing),
        image="for Excel: summary with a chart, every {thing}, all details",
        usual=True,
    ),
    Export(
        "sample.xlsx",
        "Images and numbers, XLSX",
        place=75,
        write=lambda context, path: write_xlsx(context.sample, path, context.filing),
        sample="for Excel: summary with a chart, images, every {thing}, all details",
        usual=True,
    ),
)
