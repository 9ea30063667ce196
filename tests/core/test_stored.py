"""A stored result as everybody asks it: of an image, of a sample, of result.json, and of earlier versions."""

from __future__ import annotations

import json
import sqlite3
import tarfile
from datetime import datetime
from pathlib import Path

import pytest

from segmentation.core.combine import combine
from segmentation.core.flags import DO_NOT_USE, DOUBTFUL, REFUSED, Flag, as_json
from segmentation.core.measure.quantities import Value
from segmentation.core.report.exports.result import as_dict
from segmentation.core.sample import Member, SampleAnalysis
from segmentation.core.stored import StoredResult
from tests.core.builders import make_analysis
from worker.analysis.results import summarise

OLD = Path(__file__).parents[1] / "data" / "data-folder-1.0.0.tar.xz"


def image(**fields):
    """The summary of an image of particles."""
    return StoredResult.read({**summarise(make_analysis(30, (200, 260)), reused=False, unread=False), **fields})


def sample():
    analysis = make_analysis(30, (200, 260))
    return combine("lot", [Member.of(analysis), Member.of(make_analysis(12, (200, 260)))])


def flagged(*flags):
    return image(**as_json(flags))


def test_each_form_of_a_result_gives_the_same_numbers():
    """A sample of particles stores its statistics alone; result.json has its numbers apart."""
    pooled = sample()
    row = StoredResult.read({**pooled.as_dict(), "of": ["a", "b"]}, sample_task="particles")
    document = StoredResult.read(as_dict(pooled))
    analysis = make_analysis(30, (200, 260))
    one, its_document = image(), StoredResult.read(as_dict(SampleAnalysis.of(analysis)))
    for first, second in ((row, document), (one, its_document)):
        for name in ("median", "d50", "fraction_100nm", "n_kept"):
            assert first.value(name) == second.value(name) and first.value(name).value is not None, name
    assert row.value("d50") == pooled.pooled.value("d50") and "median" in row.values
    assert one.value("no such number") == one.value("porosity") == Value(None)
    assert [(image.pk, bool(image.excluded)) for image in row.images] == [("a", False), ("b", False)]


@pytest.mark.parametrize(
    ("stored", "doubt"),
    [
        (flagged(), ""),
        (flagged(Flag.doubtful("Look.", "Few and very large outlines")), ""),
        (flagged(Flag("A figure.", kind="panels")), ""),
        (flagged(Flag.doubtful("Each panel.", "A figure", kind="panels")), DOUBTFUL),
        (flagged(Flag.doubtful("Wrong.", "Most are wrong", kind="wrong outlines")), DOUBTFUL),
        (flagged(Flag.doubtful("Check.", "Do not use: scale", level=DO_NOT_USE, kind="scale")), DOUBTFUL),
        (image(refused=True), REFUSED),
    ],
)  # fmt: skip
def test_what_may_be_judged_is_asked_in_one_place(stored, doubt):
    assert (stored.doubt, stored.may_be_judged) == (doubt, not doubt)
    assert bool(stored.values) == (doubt != REFUSED)


def test_before_there_are_numbers_nothing_may_be_judged():
    for empty in (StoredResult.read({}), StoredResult.read({"of": [], "images": []}, sample_task="particles")):
        assert not empty.may_be_judged and not empty.has_numbers and empty.values == {} and empty.warning == ""


def test_warnings_of_versions_up_to_1_1_get_level_and_kind_when_they_are_read():
    entries = [
        ("Do not use these numbers.", "Do not use: scale wrong by a factor of 2?", True),
        ("Only about 34 %.", "Most outlines are probably wrong, about 34 % are right", True),
        ("The stage was tilted.", "Tilted by 52°: vertical lengths are 62 % of the true ones", True),
        ("The scale of this image is not known, so sizes are in pixels.", "", False),
        ("They are 29 % apart.", "Two sources of the scale contradict each other", True),
        ("This is a figure of 4 panels. Panels 1 and 2 are pictures.", "", False),
        ("Other.", "Few and very large outlines", True),
    ]
    stored = [{"text": text, "short": short, "doubt": doubt, "ids": [], "reason": ""} for text, short, doubt in entries]
    flags = StoredResult.read({"flags": stored}).flags
    assert [flag.kind for flag in flags] == ["scale", "wrong outlines", "tilt", "no scale", "two scales", "panels", ""]
    assert [flag.level == DO_NOT_USE for flag in flags] == [True, *[False] * 6]
    assert StoredResult.read(as_json(flags)).flags == flags, "stored anew, they keep both"
    assert Flag.read({**as_json(flags[:1])["flags"][0], "of a later version": 1}) == flags[0]


def test_the_day_of_acquisition_is_told_where_every_file_tells_it():
    def acquired(*dates):
        return StoredResult.read({}, lambda: dates)

    one = acquired("2026/11/03 09:15:00")
    assert one.acquired == (datetime(2026, 11, 3, 9, 15),) * 2 and one.day == "2026-11-03"
    assert acquired("2026-11-05", "03 Nov 2026 08:00:00").day == "2026-11-03 to 2026-11-05"
    for unknown in ((), ("",), (None,), ("07/08/2019",), ("2026-11-05", "")):
        assert acquired(*unknown).acquired is None and acquired(*unknown).day == ""


def test_results_of_version_1_0_are_read(tmp_path):
    with tarfile.open(OLD) as archive:
        (name,) = (name for name in archive.getnames() if name.endswith(".sqlite3"))
        (tmp_path / "rows").write_bytes(archive.extractfile(name).read())
    rows = sqlite3.connect(tmp_path / "rows").execute("select summary from segmentation_job where state = 'done'")
    results = [StoredResult.read(json.loads(summary)) for (summary,) in rows]
    assert results
    for result in results:
        assert result.may_be_judged and result.task == "particles" and result.model.sha256 and result.frame[0] > 0
        assert result.value("d50") == result.statistics.value("d50") and result.value("median").unit == "nm"
        assert result.calibration.is_known and result.method is None
    assert [result.is_hand_made for result in results].count(True) == 1, (
        "the outlines of one were drawn by another tool"
    )
