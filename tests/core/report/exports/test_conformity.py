"""The one page on a specification: what it says, what its code opens, and who gets it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pypdf
import pytest

from segmentation.core.quality.conformity import MOST_LIMITS, number_words
from segmentation.core.quality.specification import Specification
from segmentation.core.report import exports
from segmentation.core.report.exports.conformity import CONFORMITY
from segmentation.core.report.files import write_all
from segmentation.core.report.filing import Filing
from segmentation.core.report.signatures import PrintedSignature
from segmentation.core.tasks import find
from tests.core.builders import make_analysis

pytestmark = pytest.mark.usefixtures("coarse")
LINK = "https://deepsegm.example/jobs/1/?link=0123456789abcdef"
SIGNED = [PrintedSignature("approved", "Ada L.", "ada", "2026-11-30 12:00:00 UTC", (("result.json", "a" * 64),))]
MET = {"quantity": "n_kept", "lower": 1.0}


@pytest.fixture(scope="module")
def analysis():
    return make_analysis()


def written(analysis, folder, signatures=(), **fields):
    """The text of the page with a specification; its name in the file is fixed."""
    specification = Specification.read({"title": "TiO2 grade A", "limits": fields.pop("limits", [MET])})
    filing = Filing(datetime(2026, 11, 30, tzinfo=UTC), specification=specification, **fields)
    return write_all(analysis, folder, only=[CONFORMITY], filing=filing, signatures=signatures)[CONFORMITY]


def text_of(file):
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(file).pages)


def pages(file):
    return len(pypdf.PdfReader(file).pages)


def black_rectangles(file):
    """A picture (H, W, 3), uint8, of the black rectangles of the first page, which are the code: 4 px a point."""
    page = pypdf.PdfReader(file).pages[0]
    picture = np.full((4 * int(page.mediabox.height), 4 * int(page.mediabox.width), 3), 255, np.uint8)
    colours, rectangles = [], []

    def draw(operator, operands, matrix, _text_matrix):
        if operator == b"rg":
            colours.append(operands)
        elif operator == b"re":
            rectangles.append(operands)
        elif operator == b"f*" and not any(colours[-1]):  # fills what was outlined last
            left, bottom, width, height = (4 * float(value) for value in rectangles[-1])
            left, bottom = left + 4 * matrix[4], bottom + 4 * matrix[5]
            top, down, right = (round(edge) for edge in (bottom + height, bottom, left + width))
            picture[len(picture) - top : len(picture) - down, round(left) : right] = 0

    page.extract_text(visitor_operand_before=draw)
    return picture


def test_the_page_says_decision_limits_numbers_and_method(analysis, tmp_path):
    limits = [MET, {"quantity": "median", "upper": 1.0}]
    file = written(analysis, tmp_path, limits=limits, method="TiO2 by SEM, version 3")
    words = " ".join(text_of(file).split())
    assert "FAILS" in words and "1 of 2 requirements of “TiO2 grade A” is not met (median)." in words
    assert "TiO2 by SEM, version 3" in words and "JCGM 106:2012" in words
    median = number_words("median", analysis.quantities["median"])
    assert f"{median}, fails" in words and "Median at most 1" in words and "needs three pictures" in words
    assert pages(file) == 1


def test_as_many_limits_as_there_may_be_stay_on_one_page(analysis, tmp_path):
    names = list(analysis.quantities)[:MOST_LIMITS]
    limits = [{"quantity": name, "lower": 0.0, "upper": 1e6} for name in names]
    file = written(analysis, tmp_path, SIGNED, limits=limits, link=LINK)
    assert pages(file) == 1 and "Ada L." in text_of(file)


@pytest.mark.parametrize("signatures", [(), SIGNED])
def test_the_code_opens_the_link_and_is_there_only_with_one(analysis, tmp_path, signatures):
    with_link = written(analysis, tmp_path / "with", signatures, link=LINK, link_ends=datetime(2027, 1, 2, tzinfo=UTC))
    without = written(analysis, tmp_path / "without", signatures)
    assert "This code opens the result until 2027-01-02" in text_of(with_link)
    assert "This code" not in text_of(without)
    cv2 = pytest.importorskip("cv2")
    assert cv2.QRCodeDetector().detectAndDecode(black_rectangles(with_link))[0] == LINK


def test_a_picture_of_an_unknown_kind_is_not_decided(analysis, tmp_path, monkeypatch):
    monkeypatch.setattr(type(analysis), "refused", True)
    words = " ".join(text_of(written(analysis, tmp_path)).split())
    assert "UNDECIDED" in words and "no numbers are given for this image" in words


@pytest.mark.parametrize("unit", ["image", "sample"])
def test_only_results_with_limits_have_the_file(analysis, tmp_path, unit):
    assert CONFORMITY not in exports.by_file_name(unit, find("particles"))
    assert CONFORMITY in exports.by_file_name(unit, find("particles"), judged=True)
    assert CONFORMITY not in write_all(analysis, tmp_path, only=[CONFORMITY])
