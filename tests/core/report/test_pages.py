"""The PDF report, read by pypdf: what it says, how long it is, and that its numbers are those of result.json."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pypdf
import pytest

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.flags import DO_NOT_USE, LOOK, NOTE, Flag
from segmentation.core.labels.segmentation import MASKS
from segmentation.core.measure.quantities import Value, significant
from segmentation.core.measure.results import FIGURES
from segmentation.core.measure.uncertainty.figure_draws import FigureDraws
from segmentation.core.micrograph.types import NO_SCALE, Calibration
from segmentation.core.pipeline import measure
from segmentation.core.report import exports
from segmentation.core.report.context import Context
from segmentation.core.report.documents import document, pages, sections
from segmentation.core.report.entries import Entry
from segmentation.core.report.exports import result
from segmentation.core.report.exports.particles_csv import as_text
from segmentation.core.report.exports.workbooks import _summary_lines
from segmentation.core.report.figures import figure
from segmentation.core.report.figures.caption import caption_of
from segmentation.core.report.figures.fonts import font_runs, with_unbroken_units
from segmentation.core.report.files import write_all
from segmentation.core.report.filing import Filing
from segmentation.core.report.method import methods_paragraph as method_of
from segmentation.core.report.summary import Summary
from segmentation.core.report.wording import CITATION, calibration_words, short_names
from segmentation.core.sample import SampleAnalysis
from segmentation.core.tasks import every, find
from tests.core.builders import analysis_of, disc_labels, make_analysis, refound, renamed

CASES = {
    "many": lambda: make_analysis(150, (400, 500), filter=True),
    "thousands": lambda: make_analysis(1500, (900, 1200)),
    "none": lambda: make_analysis(0),
    "one": lambda: make_analysis(1, (24, 32)),
    "all set aside": lambda: analysis_of(np.ones((20, 30), np.int32)),
    "pixels": lambda: make_analysis(40, calibration=Calibration.absent()),
    "long": lambda: make_analysis(150, (400, 500), calibration=Calibration(400.0, "metadata")),
    "data bar": lambda: make_analysis(12, data_bar=30),
    "wide": lambda: make_analysis(10, (40, 900)),
    "tall": lambda: make_analysis(10, (900, 60)),
}
LEVELS = (NOTE, LOOK, DO_NOT_USE)
USUAL = ("many", "none")
EARLIER = "set aside|kept|whole budget|chosen by the image|unlike the data|revision|outlining"  # words of before
pytestmark = pytest.mark.usefixtures("coarse")
FILES = {f"file-{i}.csv": f"{i:064x}" for i in range(18)}


@cache
def context_of(analysis, **how):
    with ThreadPoolExecutor(1) as packing:
        context = Context(
            SampleAnalysis.of(analysis),
            exports.by_file_name("image", find(analysis.segmentation.provenance.task)),
            packing,
            **how,
        )
        context.compress_pictures()
    context.checksums = context.contents = FILES
    return context


@cache
def made(case):
    return CASES[case]()


@cache
def written(analysis, annex=True):
    """The bytes of its report."""
    file = io.BytesIO()
    pages.write_report(context_of(analysis), file, annex=annex)
    return file.getvalue()


def method(analysis):
    return method_of(SampleAnalysis.of(analysis))


@cache
def said(data):
    """All words of a PDF on one line."""
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages))


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=() if name in USUAL else pytest.mark.slow) for name in CASES]
)
def test_every_case_takes_two_pages_and_some_more_with_the_annex(case):
    for annex in (False, True):
        data = written(made(case), annex)
        count = len(pypdf.PdfReader(io.BytesIO(data)).pages)
        assert 3 <= count <= 12 if annex else count == 2
        assert f"page {count} of {count}" in said(data)


def test_the_first_page_is_the_answer_and_the_second_what_it_rests_on():
    analysis, summary = made("many"), Summary.of(SampleAnalysis.of(made("many")))
    first, second = (page.extract_text() for page in pypdf.PdfReader(io.BytesIO(written(analysis, False))).pages)
    for entry in summary.headlines:
        assert f"{entry.value} {entry.unit}" in first and f"95 % interval {entry.interval} {entry.unit}" in first
    assert f"{summary.kept}" in first and f"{summary.set_aside_count} left out" in first and "Particles" in first
    for title in ("Method", "Settings that differ from the default", "Uncertainty", "Signature"):
        assert title in second and title not in first
    assert summary.verdict in " ".join(first.split()) and "Leave out doubtful objects on" in " ".join(second.split())
    assert "SHA-256 of the weights" not in first + second
    kept = np.sort(analysis.table.length("min_feret")[analysis.table.kept])
    assert (
        f"Smallest counted: {significant(kept[0])} nm" in second
        and f"Largest counted: {significant(kept[-1])} nm" in second
    )


@pytest.mark.parametrize(
    ("flags", "notice"),
    [
        ((Flag("A note."), Flag.doubtful("Look at these.", "They are few")), "Look at the picture: They are few"),
        ((Flag.doubtful("Wrong.", "Do not use: scale wrong", level=DO_NOT_USE),), "Do not use: scale wrong"),
        ((Flag(NO_SCALE), Flag("A note.")), "Note: A note."),
    ],
)
def test_report_and_workbook_have_the_one_notice_of_the_page_in_its_words(flags, notice):
    analysis = replace(made("many"), flags=flags)
    rows = list(_summary_lines(SampleAnalysis.of(analysis), Filing()))
    assert tuple(notice.split(": ", 1)) in rows
    text = said(written(analysis, False)) if notice.startswith(DO_NOT_USE) else notice
    assert notice in text and "95 % interval " not in text
    assert sum(row[0] in LEVELS for row in rows if row) == 1


@cache
def grains(count=60):
    """Some particles as grains, two of them at the frame."""
    made = analysis_of(np.pad(disc_labels(count, (250, 320)), 1)[8:, 8:])
    outlines = replace(made.segmentation, provenance=replace(made.segmentation.provenance, task="grains"))
    return measure(made.micrograph, outlines, AnalysisSettings.of("grains"))


def test_the_report_on_grains_says_how_many_have_a_size_and_warns_of_no_interval_that_it_does_not_print():
    analysis, words = grains(), said(written(grains(), False))
    count, sized = int(analysis.quantities["grains"].value), analysis.statistics.n_kept
    rest = f"{sized} whole and {count - sized} cut by the edge"
    assert sized < count and f"Grains · {rest}" in words
    caption = caption_of(SampleAnalysis.of(analysis))
    assert f"{count} grains ({rest}), median grain diameter" in caption and "ASTM" not in caption
    assert f"N = {sized}," in words and "grey" not in words and "In colours: counted." in words
    assert "geometric SD" in " ".join(analysis.statistics.cautions) and "geometric SD" not in words
    assert all(f"{name} " in words for name in ("Standard deviation", "D10", "D90"))
    assert "geometric SD" in said(written(grains()))  # with its interval in the annex
    part = " ".join(Summary.of(SampleAnalysis.of(analysis)).interval_line.split())
    assert part.startswith("The intervals are at 95 %.")


def test_a_caption_says_how_what_was_left_out_is_shown_only_where_something_was():
    assert re.search(r"Cyan: counted; red: left out \(.* \d+\)\.", said(written(made("many"), False)))
    assert "left out" not in said(written(make_analysis(4), False)).partition("counted.")[0]


def test_a_figure_without_interval_says_why_where_others_have_one():
    statistics = made("many").statistics
    few = replace(statistics, intervals=statistics.intervals | {"d10": None})
    entries = {entry.name: entry for entry in Summary(few, {}, "fibre", "fibres").sizes}
    assert entries["d10"].interval == "too few fibres" and entries["d90"].interval != "too few fibres"
    without = replace(few, interval_note="95 % intervals need at least 8 sizes; there are 3.")
    assert {entry.name: entry.interval for entry in Summary(without, {}, "fibre", "fibres").sizes}["d10"] == ""


def test_sample_and_width_of_the_image_are_told_also_where_they_are_not_known():
    words = said(written(made("many"), False))
    assert "not provided" not in words and "The image is" in words and " wide." in words
    assert "wide." not in said(written(made("pixels"), False))


def pictures_on(page):
    """The matrices that place them, in points."""
    matrices = []
    page.extract_text(visitor_operand_before=lambda name, _, matrix, __: name == b"Do" and matrices.append(matrix))
    return matrices


def test_the_picture_is_whole_and_takes_the_room_of_the_first_page():
    inches = {}
    for case in ("many", "wide"):
        (placed,) = pictures_on(pypdf.PdfReader(io.BytesIO(written(made(case), False))).pages[0])
        wide, high = placed[0] / 72, placed[3] / 72
        rows, columns = made(case).micrograph.shape
        assert high / wide == pytest.approx(rows / columns, rel=0.02)
        inches[case] = wide, high
    assert inches["wide"][0] == pytest.approx(document.WIDTH / 72, abs=0.01) and inches["many"][1] > 4.5


def test_what_fills_a_page_takes_what_the_other_parts_leave():
    offered = []

    def filling(high):
        offered.append(high)
        return [document.space(min(high, 300))]

    rooms = [document.FlexiblePart(filling, 100.0), document.FlexiblePart(filling, 80.0, 200.0)]
    whole = document.page(document.space(150), *rooms)
    assert offered == [pytest.approx(document.PAGE_HEIGHT - 150 - 80, abs=0.1), 200.0]
    assert whole.wrapOn(None, document.WIDTH, document.PAGE_HEIGHT)[1] == pytest.approx(150 + 300 + 200, abs=0.1)


@pytest.mark.parametrize(("names", "short"), [
    (["a.tif", "b.tif"], ["a.tif", "b.tif"]),
    (["lot_of_17_tile_001-001.png", "lot_of_17_tile_002-001.png"], ["…_001-001.png", "…_002-001.png"]),
    ([f"lot_of_images_{i}_of_a_long_series.png" for i in (1, 2)], ["…1_of_a_….png", "…2_of_a_….png"]),
])  # fmt: skip
def test_names_that_are_cut_keep_what_tells_them_apart(names, short):
    assert short_names(names, 13) == short


def test_no_line_ends_between_a_number_and_its_unit():
    assert with_unbroken_units("read, ± 2 %: 10 nm, 3 particles") == "read, ±\xa02\xa0%: 10\xa0nm, 3 particles"


def test_it_says_what_a_regulator_asks_for():
    analysis = made("many")
    words, statistics = said(written(analysis)), analysis.statistics
    for expected in (
        analysis.micrograph.name,
        calibration_words(analysis.calibration),
        statistics.nano["sentence"],
        CITATION,
        "ab" * 32,
        *FILES.values(),
        *statistics.set_aside,
        *map(str, analysis.flags),
        "ZEISS Sigma",
        "numpy ",
        "2 %",
    ):
        assert re.sub(r"\s+", " ", expected) in words, expected
    assert re.sub(r"\s+", " ", method(analysis)) in words


def test_it_says_when_it_was_made_where_it_is_and_who_took_the_image():
    analysis, made_at = make_analysis(12), datetime(2026, 11, 25, 6, 40, 5, tzinfo=UTC)
    settings = analysis.settings.replaced(operator="A. Example")
    micrograph = replace(analysis.micrograph, metadata={**analysis.micrograph.metadata, "date": "2024-05-06 07:08"})
    context = context_of(
        replace(analysis, settings=settings, micrograph=micrograph),
        filing=Filing(made_at, "https://sem.example/jobs/1/", "lot 7"),
    )
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        pages.write_report(context, file)
    assert files[0].getvalue() == files[1].getvalue()
    assert pypdf.PdfReader(files[0]).metadata.creation_date == made_at
    words = said(files[0].getvalue())
    for line in ("2026-11-25 06:40:05 UTC", "6 May 2024, 07:08", "A. Example", "https://sem.example/jobs/1/", "lot 7"):
        assert line in words


def test_for_the_report_alone_no_figure_is_drawn(monkeypatch, tmp_path):
    monkeypatch.setattr(figure, "pixels_of", lambda sheet: pytest.fail("it was drawn"))
    write_all(make_analysis(12), tmp_path, for_the_page=False, stored_only=True, added_names={"report.pdf"})


def test_report_and_annex_share_their_pages_and_are_the_same_as_alone():
    analysis = make_analysis(30, (200, 240))
    shared, files = context_of(analysis), [io.BytesIO() for _ in range(4)]
    for file, annex in zip(files[:3], (True, False, True), strict=True):
        pages.write_report(shared, file, annex=annex)
    pages.write_report(context_of(analysis), files[3])
    with_annex, alone, again, anew = (file.getvalue() for file in files)
    assert with_annex == again and alone == anew and with_annex != alone


def test_its_numbers_are_those_of_the_result():
    analysis = made("many")
    words, numbers = said(written(analysis)), result.as_dict(SampleAnalysis.of(analysis))["statistics"]
    for weighting in ("number", "area", "volume"):
        figures = numbers["weighted"][weighting]
        for name in FIGURES:
            limits = figures["intervals"][name]
            if (weighting, name) == ("number", "d50"):  # the median, with all that is known of it
                limits = numbers["budget"]["median"]["ends"]
            entry = Entry.of(name, Value(figures[name], *(limits or (None, None))))
            assert entry.value in words and entry.ends in words, (weighting, name)
        assert re.sub(r"\s+", " ", figures["note"]) in words
    for line in numbers["nano"]["sensitivity"]:
        assert f"{line['name']} {100 * line['fraction']:.1f} %" in words
    drawn = "\n".join(
        text.get_text() for text in context_of(analysis).figure.findobj(lambda artist: hasattr(artist, "get_text"))
    )
    for name in ("mean", "median"):
        assert f"{name} {significant(numbers[name])}" in drawn
    assert f"N = {numbers['n_kept']:,}" in drawn and f"{numbers['n_kept']:,} counted" in drawn


def test_no_file_has_a_word_that_the_glossary_replaces():
    analysis = made("many")
    texts = context_of(analysis).figure.findobj(lambda artist: hasattr(artist, "get_text"))
    lists = [
        export for task in every() for of in ("image", "sample") for export in exports.by_file_name(of, task).values()
    ]
    words = "\n".join(
        [
            said(written(analysis)),
            *(text.get_text() for text in texts),
            *(f"{export.title} {export.image} {export.sample}" for export in lists),
            as_text(SampleAnalysis.of(analysis)).partition("\nlabel")[0],
        ]
    )
    assert re.findall(rf"\b({EARLIER})\b", words, re.IGNORECASE) == []


def test_without_calibration_nothing_is_in_nanometres():
    words = said(written(made("pixels")))
    assert "scale not known" in words and "diameter (px)" in words
    # The definition speaks of 100 nm; no measure does.
    assert not re.search(r"\d nm", re.sub(r"(to|about) 100 nm", "", words))


def test_one_particle_has_no_interval():
    words, caption = said(written(made("one"))), caption_of(SampleAnalysis.of(made("one")))
    assert "Minimum Feret diameters (nm): " in caption and "edian" not in caption, "one size has no median"
    assert made("one").statistics.interval_note in words and "nan" not in words.lower().replace("nano", "")


@pytest.mark.parametrize(
    "name", ["Größe µ.tif", "粒子.tif", "<b>&amp;<para>.tif", "\udcff.tif", "x" * 300 + ".tif", "$^{.tif"]
)
@pytest.mark.slow
def test_any_name(name):
    analysis = renamed(make_analysis(12), name)
    data = written(analysis)
    assert len(pypdf.PdfReader(io.BytesIO(written(analysis, False))).pages) == 2
    if name.startswith(("Größe", "<b>", "$")):
        assert name in said(data)
    if name == "粒子.tif":
        assert "粒子" in re.sub(r"\s", "", said(data)) and "□" not in said(data)
        fonts = pypdf.PdfReader(io.BytesIO(data)).pages[0]["/Resources"]["/Font"].values()
        assert sum("NotoSansCJK" in str(font.get_object()["/BaseFont"]) for font in fonts) == 2
        assert len(data) - len(written(make_analysis(12))) < 20_000


def test_letters_from_right_to_left_are_joined_and_in_their_order():
    assert font_runs("نان 1.tif") == [("DejaVuSans", "tif.1 \u0646\ufe8e\ufee7")]


def test_an_interval_that_tells_nothing_is_left_out_and_it_is_said():
    wild = FigureDraws(np.log(100) + 8 * np.random.default_rng(0).standard_normal(2000))
    assert wild.limits(0) is None
    assert FigureDraws(wild.draws / 8).limits(0) is not None
    words = said(written(make_analysis(14, (200, 260))))
    assert "Too few particles for an interval: " in words and "solidity, median" in words.lower()


@pytest.mark.slow
def test_the_last_page_is_not_the_rest_of_the_checksums():
    for n in (12, 40, 90, 150):
        pages = pypdf.PdfReader(io.BytesIO(written(make_analysis(n, (400, 500))))).pages
        counts = [sum(name in page.extract_text() for name in FILES) for page in pages]
        assert [count for count in counts if count][-1] > 1


@pytest.mark.parametrize("above", range(480, 725, 70))
def test_no_page_ends_with_a_heading_or_within_a_table(above):
    for count, whole in ((20, True), (100, False)):
        rows = [(f"name {i}", f"value {i}") for i in range(count)]
        for made in (document.table(("Head", "Head"), rows, (1, 1)), document.facts_in_two_halves(rows)):
            file = io.BytesIO()
            document.write(file, "", [document.space(above), document.heading("Above it"), made])
            first, *rest = (page.extract_text() for page in pypdf.PdfReader(file).pages)
            assert ("Above it" in first) == ("name 0" in first)
            assert not whole or any(f"name {count - 1}" in page and "name 0" in page for page in (first, *rest))


def test_endless_notes_and_metadata_are_cut():
    analysis = make_analysis(12)
    metadata = {f"entry {i}": "word " * 200 for i in range(100)}
    micrograph = replace(analysis.micrograph, metadata=metadata, notes=tuple("A note. " * 60 for _ in range(50)))
    assert len(pypdf.PdfReader(io.BytesIO(written(replace(analysis, micrograph=micrograph)))).pages) <= 10


@pytest.mark.parametrize(
    ("flips", "second", "said_of_it"),
    [
        (False, 1.0, ""),
        (False, 1.4, r"the second time mirrored and 1\.4 times"),
        (True, 1.0, r"all four mirrored forms of the image;"),
        (True, 1.4, r"all four mirrored forms of the image, also 1\.4 times"),
    ],
)
def test_what_the_maps_were_averaged_over_is_said(flips, second, said_of_it):
    words = method(refound(make_analysis(4), settings={"flips": flips}, second_scale=second))
    assert re.search(said_of_it, words) and ("the mean of its answers" in words) == bool(said_of_it)


@pytest.mark.parametrize(
    ("dropped", "expected", "pattern"),
    [
        (0, 0.9, ""),
        (1, 0.9, r"\b1 outline was removed[^.]* 10 %\."),
        (1204, 0.3, r"\b1,204 outlines were removed[^.]* 50 % \(in images with"),
    ],
)
def test_how_many_outlines_were_dropped_is_said(dropped, expected, pattern):
    words = method(refound(make_analysis(4), dropped=dropped, expected=expected))
    assert re.search(pattern, words) and bool(re.search("outlines? (was|were) removed", words)) == bool(pattern)


def test_a_model_of_faint_things_says_the_limit_that_it_used():
    analysis = make_analysis(4)
    card = {**analysis.segmentation.provenance.card, "options": {"noise": 0.0}}
    words = method(refound(analysis, dropped=7, expected=0.3, card=card))
    assert re.search(r"\b7 outlines were removed.* 10 %\.", words)


def test_masks_of_other_tools_have_no_model():
    words = said(written(refound(make_analysis(12), card={"name": MASKS})))
    assert "another tool" in words
    assert "convolutional" not in words and "of the weights" not in words and "polarity" not in words


@pytest.mark.parametrize(("smallest", "shown"), [(0.56, False), (0.95, True), (np.nan, True)])
def test_single_outlines_are_shown_of_surely_right_ones_alone(monkeypatch, smallest, shown):
    """A gap of a confidence of 0.56 is no example of the smallest particle."""
    confidence = np.full(20, 0.95, np.float32)
    made = analysis_of(disc_labels(20, (200, 240)), confidence=confidence)
    least = int(made.table["label"][np.argmin(np.where(made.table.kept, made.table.length("min_feret"), np.inf))])
    confidence[least - 1] = smallest
    made, seen = analysis_of(disc_labels(20, (200, 240)), confidence=confidence), []
    monkeypatch.setattr(
        sections, "magnified_object", lambda _, label, side: seen.append(label) or np.zeros((9, 9), np.uint8)
    )
    head, *pictures = sections.examples(SampleAnalysis.of(made), 300.0)
    assert head.text.endswith("largest particle of a confidence of 90\u00a0% or more") and pictures
    assert (seen[0] == least) is shown and len(seen) == 3
    doubtful = analysis_of(disc_labels(20, (200, 240)), confidence=np.full(20, 0.7, np.float32))
    assert not sections.examples(SampleAnalysis.of(doubtful), 300.0)


def test_a_confirmed_outline_is_shown_as_one_that_is_right_and_said_so(monkeypatch):
    """It has been looked at, whatever its confidence."""
    confidence = np.full(20, 0.95, np.float32)
    made = analysis_of(disc_labels(20, (200, 240)), confidence=confidence)
    least = int(np.argmin(np.where(made.table.kept, made.table.length("min_feret"), np.inf)))
    probabilities = np.where(np.arange(len(made.table)) == least, 0.4, made.table["confidence"])
    by_hand = np.arange(len(made.table)) == least
    made, seen = replace(made, table=made.table.with_measures(confidence=probabilities, by_hand=by_hand)), []
    monkeypatch.setattr(
        sections, "magnified_object", lambda _, label, side: seen.append(label) or np.zeros((9, 9), np.uint8)
    )
    head, *_ = sections.examples(SampleAnalysis.of(made), 300.0)
    assert head.text.endswith("of a confidence of 90\u00a0% or more, or confirmed")
    assert seen[0] == int(made.table["label"][least])
