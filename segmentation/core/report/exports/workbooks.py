"""`particles.xlsx` of an image, `sample.xlsx` of several: what a person reads first, the objects that count, those that
were left out, and all the rest, as sheets with typed cells.

No text can act as a formula: every text cell is stored as a text, and one that begins like a formula is also marked
as such (Excel's leading apostrophe). Written again, the file is the same: its only date is that of the result.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

from ...measure import budget_table
from ...measure.quantities import COLUMNS, OF, Unit, nanometre_in, number, of_column
from ...measure.table import Table
from ..cells import begins_like_formula
from ..facts import common_facts, differing_facts
from ..images_table import columns_of_images, contents_of_intervals
from ..signatures import UNFILED, Filing
from ..summary import Summary
from ..wording import VERDICTS, agreement_words, calibration_words, capital, in_hundredths, sample_scale, version
from .base import Export
from .result import versions

if TYPE_CHECKING:
    from xlsxwriter import Workbook

    from ...measure.results import Arrangement
    from ...sample import SampleAnalysis

MOST_CHARACTERS = 32767
MOST_ROWS = 1_048_575
DIGITS, IN_DETAIL = 4, 6  # of measured numbers: an outline is not more certain
SUMMARY = (44, 16, 10, 14, 14, 36, 24, 12, 12)  # widths in characters
ARRANGEMENT = (44, 12, 10, 12, 12, 34, 4, 14, 18, 16, 20, 10)
DETAILS = (30, 44, 50, 10, 18, 16, 36, 24)
EARLIEST = datetime(1980, 1, 1)
Cells = Sequence[Any]
Tables = Sequence[tuple[str, Table]]  # by the names of images


def write_xlsx(sample: SampleAnalysis, file: Path | BinaryIO, filing: Filing = UNFILED) -> None:
    """Write the sheets "Summary" (what is said first, with 95 % intervals, and a chart), the counted objects, "Left
    out" (with the reason; "Without a size" if that is the only one), "Arrangement" where it is known, and "Details"
    (every number, the budget, settings, model); of several images also "Images"."""
    things = sample.task.things.capitalize()
    with _workbook(file) as book:
        _add_summary(book, sample, filing)
        if sample.analysis is None:
            _add_images(book, sample)
        left_out = any(not member.table.kept.all() for _, member in sample.counted)
        tables = [("" if sample.analysis else image.name, member.sized) for image, member in sample.counted]
        if tables:
            _add_objects(book, things, tables, sample, kept=True)
        if any(not table.kept.all() for _, table in tables):
            _add_objects(book, "Left out" if left_out else "Without a size", tables, sample, kept=False)
        if sample.pooled is not None and sample.pooled.arrangement:
            _add_arrangement(book, sample, sample.pooled.arrangement)
        details = ([_rounded_cell(cell, IN_DETAIL) for cell in line] for line in _details(sample))
        _add_sheet(book, "Details", DETAILS_HEAD, details, DETAILS)


DETAILS_HEAD = ("Group", "Name", "Value", "Unit", "95 % from", "to", "Image", "The interval includes")


def _add_summary(book: Workbook, sample: SampleAnalysis, filing: Filing) -> None:
    """The answer on one screen; `_first` with a chart beside it."""
    lines, (title, heads, *columns) = list(_first(sample, filing)), _chart_content(sample)
    beside = [heads, *zip(*columns, strict=False)]
    whole = ([*line, *[None] * (6 - len(line)), *cells] for line, cells in zip_longest(lines, beside, fillvalue=()))
    head = ("Name", "Value", "Unit", "95 % from", "to", "Note")
    sheet = _add_sheet(book, "Summary", head, whole, SUMMARY, filters=False)
    if len(beside) > 1:
        last, column = len(beside), 5 + len(beside[0])
        chart = book.add_chart({"type": "column"})
        series = {"categories": ["Summary", 2, 6, last, 6], "values": ["Summary", 2, column, last, column]}
        chart.add_series({**series, "gap": 5 if len(beside[0]) > 2 else 60})
        chart.set_title({"name": title, "name_font": {"size": 11}})
        chart.set_x_axis({"name": beside[0][0]})
        chart.set_y_axis({"name": beside[0][-1]})
        chart.set_legend({"none": True})
        sheet.insert_chart(1, 10, chart, {"x_scale": 1.3, "y_scale": 1.3})


def _chart_content(sample: SampleAnalysis) -> tuple[Any, ...]:
    """What the chart beside the numbers shows: its title and the heads of its cells, then their columns, the first what
    each bar is, the last its height. Sizes, whose bars are those of the page with all digits, else shares of classes,
    else the main number of each image or the thickness of a layer; no columns where there is none of these."""
    from ..charts import Distribution

    drawn, entries = Distribution.of(sample), Summary.of(sample).known_quantities
    if drawn is not None and drawn.bars is not None and not drawn.has_few_sizes:
        unit, edges, things = drawn.statistics.unit, drawn.bars.edges.tolist(), sample.task.things.capitalize()
        weighted = ", edge-weighted" if drawn.statistics.edge == "weight" else ""
        heads = (f"From ({unit})", f"to ({unit})", f"{things}{weighted}")
        return f"{drawn.statistics.title}, {unit}", heads, edges, edges[1:], drawn.bars.heights.tolist()
    if entries and entries[0].kind == "fraction":
        prefix, title = entries[0].name.partition(OF)[0] + OF, number(entries[0].name.partition(OF)[0]).title
        shares = {
            entry.name.removeprefix(prefix): entry.number.value for entry in entries if entry.name.startswith(prefix)
        }
        names = (sample.task.thing.capitalize(), f"{title} (%)")
        return title, names, shares, (_rounded_cell(100 * (share or 0.0)) for share in shares.values())
    if entries and sample.analysis is None:
        main = next((entry for entry in entries if entry.kind != "integer"), entries[0])
        values = (in_hundredths(main.name, value).value for value in sample.in_readable_unit().by_image(main.name))
        title = f"{main.term} ({main.unit})"
        return title, ("Image", title), (image.name for image in sample.images), map(_rounded_cell, values)
    if entries and (one := sample.analysis):
        for curve in sample.task.curves(one.segmentation, one.calibration, one.settings.measurement)[-1:]:
            heads = (f"{curve.across}, from", "to", curve.title)
            columns = (map(_rounded_cell, column) for column in (curve.x, curve.x[1:], *curve.lines.values()))
            return curve.across, heads, *columns
    return "", ()


def _add_images(book: Workbook, sample: SampleAnalysis) -> None:
    """A line for each image of the sample."""
    columns: dict[str, Cells] = {}
    names = ["median"] if sample.task.screened else sample.quantities
    for head, entries in columns_of_images(sample.in_readable_unit(), names):
        columns[head] = [entry.text or _rounded_cell(entry.number.value) for entry in entries]
        if any(entry.number.low is not None for entry in entries):
            columns[f"{head}, 95 % from"] = [_rounded_cell(entry.reported.low) for entry in entries]
            columns[f"{head}, to"] = [_rounded_cell(entry.reported.high) for entry in entries]
            if includes := contents_of_intervals(sample):
                columns["The interval includes"] = includes
    widths = [50 if head == "Remark" else max(12, len(head) + 3) for head in columns]
    _add_sheet(book, "Images", list(columns), zip(*columns.values(), strict=True), widths)


def _add_arrangement(book: Workbook, sample: SampleAnalysis, arrangement: Arrangement) -> None:
    """How the objects lie to each other: numbers, and the pair correlation as cells and as a chart."""
    summary = Summary.of(sample)
    unit = next((entry.unit for entry in summary.arrangement if entry.name.startswith("neighbour")), "")
    lines: list[Cells] = [(arrangement["sentence"],), ()]
    for entry in (*summary.arrangement, *summary.shape_classes, *summary.rods):
        cells = entry.in_cells
        lines.append((entry.term, *map(_rounded_cell, (cells.value, cells.unit, cells.low, cells.high)), entry.below))
    curves: list[Cells] = []
    if pairs := arrangement["pairs"]:
        columns = [nanometre_in(unit) * r for r in pairs["r"]], pairs["g"], pairs["chance"], pairs["low"], pairs["high"]
        curves = list(zip(*(map(_rounded_cell, column) for column in columns), strict=True))
    titles = (f"Distance ({unit})", "Pair correlation g", "Mean at random", "95 % of random from", "to")
    whole = ([*line, *[None] * (7 - len(line)), *curve] for line, curve in zip_longest(lines, curves, fillvalue=()))
    head = ("Name", "Value", "Unit", "95 % from", "to", "Note", "", *(titles if curves else ()))
    sheet = _add_sheet(book, "Arrangement", head, whole, ARRANGEMENT, filters=False)
    if not curves:
        return
    chart = book.add_chart({"type": "scatter", "subtype": "smooth"})
    for column in range(8, 12):
        series = {"categories": ["Arrangement", 1, 7, len(curves), 7], "name": ["Arrangement", 0, column]}
        chart.add_series({**series, "values": ["Arrangement", 1, column, len(curves), column]})
    chart.set_title({"name": "Pair correlation", "name_font": {"size": 11}})
    chart.set_x_axis({"name": titles[0]})
    sheet.insert_chart(1, 13, chart, {"x_scale": 1.3, "y_scale": 1.3})


def _first(sample: SampleAnalysis, filing: Filing) -> Iterator[Cells]:
    """Where the numbers come from, a warning, and the numbers of `Summary.main_numbers`, with the intervals of the
    first screen."""
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
        value, low, high = map(_rounded_cell, (entry.in_cells.value, entry.in_cells.low, entry.in_cells.high))
        value = float(entry.share) if entry.share else value
        note = f"interval: {entry.includes}" if entry.includes else entry.caution
        remarks = "; ".join(filter(None, (note, entry.carried, entry.below)))
        yield entry.term, entry.text or value, entry.unit, low, high, remarks
    if agreement := agreement_words(sample.between):
        yield "Between images", agreement
    if reason := summary.no_interval or summary.interval_note:
        yield "Intervals", reason
    if summary.screened and summary.verdict:
        yield "Nanomaterial by 2022/C 229/01 (limit 50 %)", summary.verdict
        if summary.nano and summary.nano["decides"]:
            yield "What would decide it", summary.nano["decides"]


def _rounded_cell(value: Any, digits: int = DIGITS) -> Any:
    """A measured number with as many digits as it deserves; anything else as it is."""
    if not isinstance(value, float) or not math.isfinite(value):
        return value
    return float(f"{value:.{digits}g}")


def _add_objects(book: Workbook, title: str, tables: Tables, sample: SampleAnalysis, *, kept: bool) -> None:
    """A line for each object that counts, or does not; the first column has the image's name where there are several.

    The measure that is the size comes first. Whoever was left out has its reason; of the others it would be empty.
    Units are those of "Summary".
    """
    several = len(tables) > 1 or bool(tables and tables[0][0])
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
                yield (*([image] if several else []), *map(_rounded_cell, line))

    _add_sheet(
        book, title, [*(["Image"] if several else []), *(head for head, _ in heads.values())], islice(rows(), MOST_ROWS)
    )


def _head(table: Table, name: str, units: Mapping[str, str], semantic: bool, is_long: bool) -> tuple[str, float]:
    """The head of a column, such as "Minimum Feret diameter (nm)", and by what its numbers are multiplied."""
    quantity = of_column(name, table.unit)
    is_long = is_long or (semantic and (quantity.power != 1 or "µm" in units.values()))
    length: Unit = "µm" if is_long and table.unit == "nm" else table.unit
    unit = units.get(quantity.name) or ("%" if quantity.kind == "fraction" else quantity.unit(length))
    times = 100.0 if unit == "%" else 1e-3**quantity.power if unit.startswith("µm") else 1.0
    return f"{quantity.title} ({unit})" if unit else quantity.title, times


@contextmanager
def _workbook(file: Path | BinaryIO) -> Iterator[Workbook]:
    """A workbook without the date of writing, in `file` once the block ends; rows wait on the disk beside it."""
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    with TemporaryDirectory(dir=file.parent if isinstance(file, Path) else None) as folder:
        book = Workbook(file, {"constant_memory": True, "tmpdir": folder})
        book.set_properties({"created": EARLIEST})
        yield book
        try:
            book.close()
        except FileCreateError as error:
            raise error.args[0] from None  # the OSError by which a full disk is known


def _add_sheet(
    book: Workbook,
    title: str,
    head: Sequence[str],
    lines: Iterable[Cells],
    widths: Sequence[int] = (),
    *,
    filters: bool = True,
) -> Any:
    """A sheet with a bold first line that stays in view, with filters; numbers, truths and texts as themselves.

    None, the empty text and what is no finite number leave a cell empty.
    """
    sheet = book.add_worksheet(title)
    sheet.freeze_panes(1, 0)
    for column, width in enumerate(widths or [max(10, len(name) + 3) for name in head]):
        sheet.set_column(column, column, width)
    sheet.write_row(0, 0, head, book.add_format({"bold": True}))
    quoted, date = book.add_format({"quote_prefix": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
    row = 0
    for row, line in enumerate(lines, 1):
        for column, value in enumerate(line):
            if value is None or value == "":
                continue
            if isinstance(value, bool):
                sheet.write_boolean(row, column, value)
            elif isinstance(value, str):
                text = value.encode("utf-8", "replace").decode()[:MOST_CHARACTERS]
                sheet.write_string(row, column, text, quoted if begins_like_formula(text) else None)
            elif isinstance(value, datetime):
                sheet.write_datetime(row, column, value, date)
            elif math.isfinite(value):
                sheet.write_number(row, column, value)
    if filters:
        sheet.autofilter(0, 0, row, len(head) - 1)
    return sheet


def _details(sample: SampleAnalysis) -> Iterator[Cells]:
    """Every number, the uncertainty budget, then all that the numbers depend on."""
    from ..method import left_out_words

    summary = Summary.of(sample, readable=False)
    for entry in summary.all_numbers():
        cells = entry.in_cells
        if entry.text or cells.value is not None:
            includes = entry.includes if cells.low is not None else None
            yield entry.group, entry.term, entry.text or cells.value, cells.unit, cells.low, cells.high, None, includes
    yield from _budget(summary)
    for group, name, value, image in _metadata(sample):
        yield group, name, value, None, None, None, image
    for sentence in filter(None, (left_out_words(sample), *map(str, sample.flags)) if sample.analysis is None else ()):
        yield "notes", "note", capital(sentence)


def _budget(summary: Summary) -> Iterator[Cells]:
    """The contributions in the units that people read; the intervals that they make stand with the numbers."""
    budget: Mapping[str, Any] | None = summary.statistics.budget if summary.statistics else None
    if not budget:
        return
    for title, source, *uncertainties in budget_table.lines(budget):
        for measure, unit, uncertainty in zip(
            ("median", "fraction 1-100 nm"), ("%", "points"), uncertainties, strict=True
        ):
            cells = (uncertainty, "") if isinstance(uncertainty, str) else (100 * uncertainty, unit)
            yield "uncertainty", f"{title}, of the {measure}", *cells
        yield "uncertainty", f"{title}, source", source
    ends = dict.fromkeys(entry.ends_line for entry in summary.headlines)
    sentences = (*ends, *(budget[answer]["sentence"] for answer in budget_table.answers_of(summary.nano)))
    for sentence in filter(None, sentences):
        yield "uncertainty", "", sentence


def _metadata(sample: SampleAnalysis) -> Iterator[tuple[str, str, Any, str]]:
    """What all pooled images share, without an image's name, and then what each has of its own."""
    yield "software", "version", version(), ""
    for name, value in versions().items():
        yield "software", name, value, ""
    if sample.pooled is not None:
        yield "statistics", "95 % intervals", Summary.of(sample).interval_line, ""
        nano: Mapping[str, Any] = sample.pooled.nano or {}
        for name in ("verdict", "reason", "sentence", "decides", "asked") if nano else ():
            yield "2022/C 229/01", name, VERDICTS.get(nano[name], nano[name]), ""
        for point in sample.pooled.recommendation["points"] if sample.pooled.recommendation else ():
            yield "2022/C 229/01", point["title"], point["said"], ""
    for (group, name), value in common_facts(sample).items():
        yield group, name, value, ""
    for image, facts in differing_facts(sample):
        for (group, name), value in facts.items():
            yield group, name, value, image.name
    for image in sample.images:
        yield "image", "sha256", image.sha256, image.name
    if sample.analysis is not None:
        yield "image", "name", sample.name, ""
        for flag in sample.flags:
            yield "notes", "warning", flag.text, ""


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
