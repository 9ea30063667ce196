"""What one outline weighs, in the sentence of the page and wherever else the share from 1 to 100 nm is said."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import openpyxl
import pypdf
import pytest

from segmentation.core.micrograph.types import Calibration
from segmentation.core.report import exports
from segmentation.core.report.context import Context
from segmentation.core.report.corrected.quick_numbers import quick_numbers_of
from segmentation.core.report.documents import pages
from segmentation.core.report.exports.viewer import outlines
from segmentation.core.report.exports.workbooks import write_xlsx
from segmentation.core.report.figures.caption import caption_of
from segmentation.core.sample import SampleAnalysis
from segmentation.core.stored import StoredResult
from segmentation.core.tasks import find
from segmentation.presenters.stored import numbers_of
from tests.core.builders import analysis_of, disc_labels
from tests.web.finished import FILES, SUMMARY, VISITOR, visible

WORDS = "2 of 19; 6 % without the doubtful one"


@pytest.fixture(scope="module")
def analysis():
    """Nineteen discs of which two are small and one of these is doubtful."""
    labels = disc_labels(19, (400, 500), seed=3)
    diameters = 2 * np.sqrt(np.bincount(labels.ravel())[1:] / np.pi)
    scale = 100 / np.sort(diameters)[1:3].mean()
    confidence = np.full(19, 0.95, np.float32)
    confidence[np.argmin(diameters)] = 0.3
    made = analysis_of(labels, confidence=confidence, calibration=Calibration(float(scale), "typed"))
    return replace(made, flags=())


def report_of(sample):
    with ThreadPoolExecutor(1) as packing:
        context = Context(sample, exports.by_file_name("image", find("particles")), packing)
        context.compress_pictures()
    context.checksums = context.contents = ()
    pages.write_report(context, file := io.BytesIO(), annex=False)
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(file).pages).split())


@pytest.mark.django_db
def test_page_and_api_say_the_same(analysis, maker, make_job):
    statistics = json.loads(json.dumps(analysis.statistics.as_dict()))
    job = make_job(visitor=VISITOR, state="done", summary={**SUMMARY, "statistics": statistics}, files=FILES, attempt=1)
    page = " ".join(visible(maker.get(f"/jobs/{job.pk}/")).split())
    assert f"11 % 1–33 {WORDS}" in page
    _, small = numbers_of(StoredResult.read(maker.get(f"/api/v1/jobs/{job.pk}").json()["result"])).headlines
    assert small.outlines_note == WORDS and small.words.endswith(f"; {WORDS})")


def test_report_workbook_caption_and_first_answer_say_the_same(analysis):
    sample = SampleAnalysis.of(analysis)
    assert WORDS in report_of(sample)
    assert WORDS in caption_of(sample).replace("\xa0", " ")
    write_xlsx(sample, book := io.BytesIO())
    cells = openpyxl.load_workbook(book)["Summary"].iter_rows(values_only=True)
    assert any(WORDS in str(cell) for row in cells for cell in row)
    content = json.loads(json.dumps(outlines(analysis)))
    assert quick_numbers_of(analysis, content, "particles").numbers["fraction_outlines"] == WORDS
