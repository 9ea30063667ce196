"""Writes `conformity.pdf`: the decision on a specification in a sentence, a picture and a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import BinaryIO

from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.colors import HexColor
from reportlab.platypus import Flowable

from ...flags import judging_doubt
from ...measure.results import value_of
from ..context import Context
from ..facts import typed_texts
from ..figures.charts import MEDIAN
from ..figures.fonts import REGULAR
from ..figures.pdf import draw_words
from ..summary import Summary
from ..wording import calibration_words, one_line, sample_scale
from . import sections
from .certificate import ConformityStatement
from .document import (
    FAINT,
    INK,
    LEAD,
    NUMBER,
    RULE,
    SMALL,
    SMALLEST_FONT,
    TITLE,
    WARNING,
    WIDTH,
    facts_table,
    heading,
    page,
    paragraph,
    space,
    table,
    write,
)
from .ruler import Ruler

# Settings with texts that the laboratory typed -> their titles on the page.
TEXT_TITLES = {"material": "Material", "preparation": "Preparation", "laboratory": "Laboratory", "operator": "Operator"}
QR_SIDE = 92.0  # points: side of the QR code
BAND_HEIGHT, TEXT_HEIGHT = 14.0, 13.0  # points: of the coloured band of a ruler, and of the texts below it
# Colours of the band of a ruler: inside the limits, where a number passes, and elsewhere.
INSIDE, ACCEPTED, BACKGROUND = HexColor("#d6e6f2"), HexColor("#9fc6e0"), HexColor("#f2f4f6")


def write_page(context: Context, file: Path | BinaryIO) -> None:
    """Write the PDF of a result; raises ValueError if it has no specification."""
    sample, summary = context.sample, Summary.of(context.sample, readable=False)
    certificate = statement_of(context, summary)
    if certificate is None:
        raise ValueError("This result has no limits.")
    title = f"{certificate.specification.title or 'Conformity with the specification'}: {one_line(sample.name, 70)}"
    write(
        file,
        title,
        [page(*_parts(context, certificate, summary, title))],
        context.filing.created,
        context.filing.number,
    )


def statement_of(context: Context, summary: Summary) -> ConformityStatement | None:
    """The decision on the limits of a result; None without limits. summary: in the unit of result.json."""
    specification, sample = context.filing.specification, context.sample
    if specification is None:
        return None
    doubt = judging_doubt(sample.flags, is_refused=sample.analysis is not None and sample.analysis.refused)
    names = (limit.quantity for limit in specification.limits)
    values = {name: value_of(name, sample.quantities, sample.pooled) for name in names}
    return ConformityStatement.of(specification, values, summary, doubt, sample.method)


def _parts(context: Context, certificate: ConformityStatement, summary: Summary, title: str) -> Iterator[Flowable]:
    sample = context.sample
    yield paragraph(title, TITLE)
    yield space(4)
    yield paragraph(certificate.verdict.upper(), NUMBER)
    yield space(3)
    yield paragraph(f"{certificate.headline} {certificate.explanation}", LEAD)
    for sentence in certificate.reservations:
        yield paragraph(sentence, WARNING)
    if certificate.specification.agreement:
        yield paragraph(certificate.specification.agreement, SMALL)
    for notice in summary.first_notices(sample.flags, pooled=sample.analysis is None):
        if notice.doubt:
            yield paragraph(f"{notice.level}: {notice.headline}", WARNING)
    yield space(4)
    yield facts_table(list(_origin(context)))
    yield heading("Numbers beside their limits")
    for row in certificate.rows:
        if row.ruler is not None:
            yield paragraph(f"{row.requirement}: {row.measured}, {row.verdict.lower()}", SMALL)
            yield RulerDrawing(row.ruler)
            yield space(4)
    yield paragraph(
        "Dot and line: the number with its interval. Dashed: the limits. Darker: where a number passes.", SMALL
    )
    yield heading("Decision on each requirement")
    lines = [[row.requirement, row.measured or "–", row.probability or "–", row.verdict] for row in certificate.rows]
    yield table(("Asked", "Measured (95 % interval)", "Probability", "Decision"), lines, (2.3, 1.9, 1.5, 1))
    unknown = [row.sentence for row in certificate.rows if not row.probability]
    yield paragraph(" ".join([*unknown, certificate.rule, certificate.basis]), SMALL)
    yield heading("Signature")
    yield from sections.signatures(context.signatures)
    if context.filing.link:
        yield from _link_code(context)


def _origin(context: Context) -> Iterator[tuple[str, str]]:
    """Names and values: method, typed texts, scale, image or images, date, address of the
    result."""
    sample, filing = context.sample, context.filing
    if filing.method:
        yield "Method", filing.method
    texts = typed_texts(sample)
    yield from ((title, one_line(texts[name], 200)) for name, title in TEXT_TITLES.items() if texts.get(name))
    if sample.analysis is None:
        yield "Images", sample.extent
        yield "Scale", sample_scale(sample.calibration, sample.common_calibration)
    else:
        if filing.sample:
            yield "Sample", one_line(filing.sample, 60)
        yield "Scale", calibration_words(sample.analysis.calibration)
        yield "SHA-256 of the image", sample.analysis.micrograph.sha256
    if filing.date:
        yield "Analysed", filing.date
    if filing.address:
        yield "Result", filing.address


def _link_code(context: Context) -> list[Flowable]:
    """The QR code of the link to the result, and when the link expires."""
    ends = context.filing.link_ends
    end_words = f" until {ends.astimezone(UTC):%Y-%m-%d}" if ends else ""
    return [
        space(8),
        _qr(context.filing.link),
        paragraph(f"This code opens the result{end_words}: whoever has it can look.", SMALL),
    ]


def _qr(address: str) -> Drawing:
    code = QrCodeWidget(address, barWidth=QR_SIDE, barHeight=QR_SIDE, barLevel="M", barBorder=2)
    drawing = Drawing(QR_SIDE, QR_SIDE)
    drawing.add(code)
    return drawing


class RulerDrawing(Flowable):  # type: ignore[misc]
    """Draws a `Ruler` as wide as the page: the limits, the number and its interval."""

    def __init__(self, ruler: Ruler) -> None:
        super().__init__()
        self.ruler, self.width, self.height = ruler, WIDTH, BAND_HEIGHT + TEXT_HEIGHT + 4

    def draw(self) -> None:
        paper, ruler, base = self.canv, self.ruler, TEXT_HEIGHT
        middle = base + BAND_HEIGHT / 2

        def x_of(per_cent: float) -> float:
            return float(self.width) * per_cent / 100

        for ends, colour in (((0.0, 100.0), BACKGROUND), (ruler.inside, INSIDE), (ruler.accepted, ACCEPTED)):
            if ends:
                paper.setFillColor(colour)
                paper.rect(x_of(ends[0]), base, x_of(ends[1] - ends[0]), BAND_HEIGHT, stroke=0, fill=1)
        paper.setStrokeColor(RULE)
        paper.rect(0, base, self.width, BAND_HEIGHT, stroke=1, fill=0)
        paper.setStrokeColor(INK)
        paper.setLineWidth(1.2)
        if ruler.interval:
            paper.line(x_of(ruler.interval[0]), middle, x_of(ruler.interval[1]), middle)
            for end in ruler.interval:
                paper.line(x_of(end), middle - 3.5, x_of(end), middle + 3.5)
        paper.setFillColor(HexColor(MEDIAN))
        paper.circle(x_of(ruler.position), middle, 3.2, stroke=0, fill=1)
        paper.setDash(4, 3)
        for mark in ruler.limits:
            paper.line(x_of(mark.position), base - 2, x_of(mark.position), base + BAND_HEIGHT + 3)
        paper.setDash()
        paper.setFillColor(FAINT)
        for mark in ruler.limits:
            text_width = paper.stringWidth(mark.text, REGULAR, SMALLEST_FONT)
            left = x_of(mark.position) - text_width * {"start": 0.0, "middle": 0.5, "end": 1.0}[mark.side]
            draw_words(paper, mark.text, REGULAR, SMALLEST_FONT, min(max(left, 0.0), self.width - text_width), 1)
