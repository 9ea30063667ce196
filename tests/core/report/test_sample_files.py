"""The files of a sample of several images."""

from __future__ import annotations

import io
import json
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import jsonschema
import numpy as np
import openpyxl
import pandas
import pypdf
import pytest
from matplotlib.text import Text
from PIL import Image

from segmentation.core.combine import combine
from segmentation.core.errors import UserError
from segmentation.core.flags import DO_NOT_USE, TWO_SCALES, WRONG, Flag, warning_texts
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.measure.pooling import NO_PIXEL_SIZE, WHY_LEFT_OUT
from segmentation.core.measure.quantities import Value
from segmentation.core.measure.uncertainty.budget_table import ANSWERS, ends_words, uncertainty_words
from segmentation.core.micrograph.types import Calibration
from segmentation.core.network.cards import find
from segmentation.core.report import exports
from segmentation.core.report.context import Context
from segmentation.core.report.documents import pages, sections
from segmentation.core.report.documents.document import WIDTH
from segmentation.core.report.entries import Entry
from segmentation.core.report.exports.result import SCHEMA, as_dict
from segmentation.core.report.facts import acquisition_dates
from segmentation.core.report.figures import figure
from segmentation.core.report.figures.caption import caption_of
from segmentation.core.report.figures.charts import WARNED, Sheet
from segmentation.core.report.figures.images import draw_by_image, interval_sentence
from segmentation.core.report.files import write_all
from segmentation.core.report.method import left_out_words, methods_paragraph
from segmentation.core.report.summary import Summary
from segmentation.core.sample import BY_USER, NOT_TO_USE, Member, SampleImage
from tests.core.builders import make_analysis, refound


def three(**options):
    """What the images of a sample are made of, again and again."""
    return [make_analysis(30 + 10 * i, (200, 260), **options) for i in range(3)]


def members(count, **options):
    drawn = [Member.of(analysis) for analysis in three(**options)[:count]]
    return [replace(drawn[i % 3], name=f"=image {i} Größe.tif", sha256=f"{i:064x}", flags=()) for i in range(count)]


def seen(count, **used):
    """Members of which everything is known, each an image of its own instrument's settings."""
    made, drawn = [], three()
    for i in range(count):
        values = {name: column[i] for name, column in used.items()}
        card = find("particles").entries()
        analysis = refound(drawn[i % 3], card=card, **values)
        facts = {"instrument": "Zeiss SUPRA 40", "detector": "InLens", "voltage_kv": 20.0, "date": f"{i + 1} Jul 2019"}
        micrograph = replace(analysis.micrograph, name=f"{i}.tif", sha256=f"{i:064x}", metadata=facts)
        made.append(Member.of(replace(analysis, micrograph=micrograph)))
    return made


DAMAGED = "The file is damaged: export it again."


@pytest.mark.usefixtures("coarse")
def test_the_report_shows_the_micrographs(tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (320, 240), "#804020").save(picture, "PNG")
    images = [replace(image, picture=picture.getvalue()) for image in seen(4)]
    sample = combine("lot", images[:3], left_out=[SampleImage.by_user(images[3])])
    pages = pypdf.PdfReader(written(sample, tmp_path, "report-annex.pdf")["report-annex.pdf"]).pages
    assert "3.tif: not counted" in " ".join(page.extract_text() for page in pages)
    forms = [form.get_object() for page in pages for form in page["/Resources"].get("/XObject", {}).values()]
    assert {(form["/Width"], form["/Height"]) for form in forms if form["/Subtype"] == "/Image"} == {(320, 240)}
    assert "Micrographs" not in report_words(combine("lot", seen(2)))


@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (3, 3), (4, 2), (6, 3), (8, 3)])
def test_pictures_of_the_first_page_are_as_large_as_it_allows(count, columns, tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (240, 240), "#804020").save(picture, "PNG")
    sample = combine("lot", [replace(image, picture=picture.getvalue()) for image in members(count)])
    *_, room = sections.first_micrographs(sample)
    rows = room.fill(360.0)
    assert sum(part.wrapOn(None, WIDTH, 1000)[1] for part in rows) <= 360
    assert columns == 1 or [len(row._cellvalues[0]) for row in rows] == [columns] * -(-min(count, 6) // columns)


def lines_of(sample):
    """The intervals that a chart of the images draws: (low, high) of each image."""
    ax = Sheet((4, 2)).subplots()
    draw_by_image(ax, sample, "median")
    lines = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2 and len(set(line.get_ydata())) == 1]
    return [tuple(map(float, line)) for line in lines]


def test_the_median_of_each_image_has_the_interval_of_its_own_page_and_the_word_for_it(tmp_path):
    sample = combine("lot", members(3))
    medians = sample.by_image("median")
    assert all(of.total and of.low > of.total[0] for of in medians)
    assert lines_of(sample) == [of.total for of in medians] == [(row["low"], row["high"]) for row in sample.rows]
    words = "95 % interval of each image (the known uncertainty)"
    assert interval_sentence(sample, "median") == f"Lines: {words}."
    assert words in caption_of(sample).replace("\u00a0", " ")
    files = written(sample, tmp_path, "sample.xlsx", "images.csv")
    assert set(pandas.read_csv(files["images.csv"], encoding="utf-8-sig")["interval_includes"]) == {
        "the known uncertainty"
    }
    sheet = pandas.read_excel(files["sample.xlsx"], sheet_name="Images")
    assert list(sheet)[4:7] == ["Median (nm), 95 % from", "Median (nm), to", "The interval includes"]
    assert set(sheet["The interval includes"]) == {"the known uncertainty"}


@pytest.mark.usefixtures("coarse")
def test_the_report_says_which_interval_the_median_of_each_image_has():
    sample = combine("lot", members(3))
    words = report_words(sample)
    first = Entry("", "", sample.by_image("median")[0]).ends
    assert first and first in words
    assert words.count("95 % interval of each image (the known uncertainty)") == 2, "chart and table"


def test_where_images_have_other_intervals_each_is_named():
    """One without a budget, as the only image whose outlines another tool made; and of a picture that is probably wrong
    no interval stands."""
    first, second, third = members(3)
    bare = replace(second, statistics=replace(second.statistics, budget=None))
    wrong = replace(third, flags=(Flag.doubtful("Most are wrong.", WRONG, moves="all", kind="wrong outlines"),))
    sample = combine("lot", [first, bare, wrong])
    assert interval_sentence(sample, "median") == (
        "Lines: 95 % interval of each image (the known uncertainty: 1; counting only: 2)."
    )
    assert len(lines_of(sample)) == 2


@pytest.mark.usefixtures("coarse")
@pytest.mark.slow
def test_no_byte_of_any_file_hangs_on_the_order_of_the_images(tmp_path):
    images, absent = seen(12), [SampleImage.failed(name, "It is empty.") for name in ("10.png", "9.png")]
    for name, order in (("forwards", 1), ("backwards", -1)):
        write_all(combine("lot", images[::order], left_out=absent[::order]), tmp_path / name)
    forwards, backwards = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("forwards", "backwards")
    )
    assert [name for name in forwards if forwards[name] != backwards[name]] == [] and len(forwards) > 8
    listed = [image["name"] for image in json.loads(forwards["result.json"])["images"]]
    assert listed == [*(f"{number}.tif" for number in range(12)), "9.png", "10.png"]


def written(sample, folder, *names):
    """These files and what is stored with every sample."""
    return write_all(sample, folder, stored_only=True, added_names=names)


def with_left_out():
    *images, other = seen(4)
    return combine("lot", images, left_out=[SampleImage.by_user(other), SampleImage.failed("0.tif", DAMAGED, "f" * 64)])


def report_words(sample, annex=True):
    """All words of the report, which is written alone, on one line."""
    file = io.BytesIO()
    with ThreadPoolExecutor(1) as packing:
        context = Context(sample, exports.by_file_name("sample", sample.task), packing)
        context.compress_pictures()
        pages.write_report(context, file, annex=annex)
    return " ".join(" ".join(page.extract_text().split()) for page in pypdf.PdfReader(file).pages)


WRITTEN = {
    "report.pdf", "report-annex.pdf", "figure.png", "caption-and-method.txt", "figure.svg", "figure.pdf",
    "particles.csv", "images.csv", "particles-comma.csv", "sample.xlsx", "result.json", "result.schema.json",
    "oecd-tg125.json", "endpoint-record.json", "citation.bib", "notebook.eln", "bundle.zip",
}  # fmt: skip
CASES = {
    "four": lambda: combine("TiO2, lot 7", members(4)),
    "one": lambda: combine("=1+1", members(1)),
    "pixels": lambda: combine("粒子 $^{", members(2, calibration=Calibration.absent())),
    "mixed": lambda: combine("mixed", [*members(2), *members(1, calibration=Calibration.absent())]),
    "empty": lambda: combine("empty", [Member.of(make_analysis(0)), Member.of(make_analysis(0))]),
    "sixty": lambda: combine("sixty", members(60)),
    "left out": with_left_out,
    "left out alone": lambda: combine("-1", seen(1), left_out=[SampleImage.failed("=1.tif", "=2+2 is\nno image.")]),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in ("pixels", "left out") else pytest.mark.slow) for case in CASES]
)
def test_every_file_is_written_and_agrees(case, tmp_path, request):
    if case != "pixels":  # whose name is the hardest to draw
        request.getfixturevalue("coarse")
    sample = CASES[case]()
    fractions = []
    files = write_all(sample, tmp_path / "out", progress=lambda stage, done: fractions.append(done))
    assert set(files) == WRITTEN | {"figure-small.webp"}
    assert fractions == sorted(fractions) and len(fractions) == len(files)
    content = json.loads(files["result.json"].read_text())
    jsonschema.validate(content, json.loads(SCHEMA.read_text()))
    assert content["statistics"]["n_kept"] == sample.pooled.n_kept
    images = pandas.read_csv(files["images.csv"], encoding="utf-8-sig")
    assert list(images["image"].str.replace("%3D", "=")) == [image.name for image in sample.images]
    assert len(content["images"]) == len(sample.images) >= len(sample.members)
    assert int(images["n"][images["excluded"].isna()].sum()) == sample.pooled.n_kept
    particles = pandas.read_csv(files["particles.csv"], comment="#", encoding="utf-8-sig")
    assert int(particles["kept"].astype(bool).sum()) == sample.pooled.n_kept
    assert set(particles["image"]) <= set(images["image"])
    assert len(pypdf.PdfReader(files["report.pdf"]).pages) == 2
    assert set(zipfile.ZipFile(files["bundle.zip"]).namelist()) == {
        "README.txt",
        "SHA256SUMS",
        *WRITTEN - {"bundle.zip", "notebook.eln"},
    }


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """The files of the first case."""
    return write_all(CASES["four"](), tmp_path_factory.mktemp("four"))


def test_no_cell_begins_like_a_formula(four):
    for name in ("images.csv", "particles.csv"):
        lines = four[name].read_text(encoding="utf-8-sig").splitlines()[1:]
        assert not any(line.startswith(("=", "+", "-", "@", '"=')) for line in lines)
    for sheet in openpyxl.load_workbook(four["sample.xlsx"]):
        assert all(cell.data_type != "f" for line in sheet.iter_rows() for cell in line)


@pytest.mark.usefixtures("coarse")
def test_images_left_out_are_named_with_the_reason_and_count_nothing(tmp_path):
    sample = with_left_out()
    files = written(sample, tmp_path, "sample.xlsx", "images.csv")
    reasons = ["", "", "", f"Not analysed: {DAMAGED}", BY_USER]
    names = ["0.tif", "1.tif", "2.tif", "0.tif (2)", "3.tif"]
    table = pandas.read_csv(files["images.csv"], encoding="utf-8-sig", keep_default_na=False)
    assert list(table["image"]) == names and list(table["excluded"]) == reasons
    assert list(table["n"])[3:] == ["", "0"] and table["sha256"][3] == "f" * 64
    images = json.loads(files["result.json"].read_text())["images"]
    assert [image["excluded"] for image in images] == reasons
    assert images[4]["n"] == 0 and images[4]["median"] and images[3]["n"] is images[3]["model"] is None
    images = pandas.read_excel(files["sample.xlsx"], sheet_name="Images", keep_default_na=False)
    assert list(images["Image"]) == names and list(images["Counted"])[3:] == ["", 0]
    assert all(remark.startswith(reason) for remark, reason in zip(images["Remark"], reasons, strict=True))
    assert sample.pooled.n_kept == sum(image.counts[0] or 0 for image in sample.images)
    assert set(pandas.read_csv(files["particles.csv"], comment="#", encoding="utf-8-sig")["image"]) == set(names[:3])
    alone = combine("lot", [image.member for image in sample.images[:3]])
    assert alone.pooled.as_dict() == sample.pooled.as_dict()


def test_the_counts_of_the_images_add_up_to_those_of_the_sample(tmp_path):
    """Of an image without a scale, too, whose particles were counted on its own page."""
    sample = CASES["mixed"]()
    assert any(image.excluded and image.member.table.kept.any() for image in sample.images)
    files = written(sample, tmp_path, "sample.xlsx", "images.csv")
    csv = pandas.read_csv(files["images.csv"], encoding="utf-8-sig")
    images = pandas.read_excel(files["sample.xlsx"], sheet_name="Images")
    rows = json.loads(files["result.json"].read_text())["images"]
    assert rows == [row | entry for row, entry in zip(rows, sample.as_dict()["images"], strict=True)]
    assert [row["n"] for row in rows] == list(csv["n"]) and 0 in list(csv["n"])
    assert [row["low"] or np.nan for row in rows] == pytest.approx(list(csv["low_nm"]), rel=1e-5, nan_ok=True)
    whole = [sample.pooled.n_kept, sample.pooled.n_set_aside]
    assert [csv["n"].sum(), csv["n_set_aside"].sum()] == [images["Counted"].sum(), images["Left out"].sum()] == whole
    head = "Median (nm)"
    assert list(images)[:6] == ["Image", "Counted", "Left out", head, f"{head}, 95 % from", f"{head}, to"]
    median = sample.members[0].statistics.value("median")
    assert images[head][0] == float(f"{median.value:.4g}") != median.value, "rounded"
    assert (csv["low_nm"][0], csv["high_nm"][0]) == pytest.approx(median.total, rel=5e-6), "as on the page"


def test_few_particles_are_numbers_in_the_figure_and_the_report_warns_of_no_interval_that_it_does_not_print():
    few = combine("few", [Member.of(make_analysis(4, (200, 260))), Member.of(make_analysis(5, (260, 200)))])
    drawn = figure.draw(few)
    assert not any(ax.containers for ax in drawn.axes) and "diameters (nm): " in drawn.axes[1].texts[0].get_text()
    some = combine("some", [Member.of(make_analysis(14, (200, 260)))])
    assert Summary.of(some).sizes[0].total and "D90" in Summary.of(some).without_interval
    assert "intervals of the mean" in " ".join(some.pooled.cautions) and "of the mean" not in methods_paragraph(some)
    assert "for an interval" not in report_words(some, annex=False) and "too narrow" in methods_paragraph(some)


def test_charts_show_no_image_without_a_number_and_say_what_red_is():
    def texts(sample):
        return [text.get_text() for text in figure.draw(sample).findobj(lambda artist: hasattr(artist, "get_text"))]

    unscaled, by_user = CASES["mixed"](), with_left_out()
    (excluded,) = [image.name for image in unscaled.images if image.excluded]
    words = texts(unscaled)
    assert not any(excluded in text or "unlike others" in text for text in words)
    assert any("; red: left out or unlike others" in text for text in texts(by_user))
    assert not any("!" in text for text in (*words, *texts(by_user)))


def test_a_figure_of_a_sample_is_read_at_column_width_and_says_its_median():
    sample = CASES["four"]()
    drawn = figure.draw(sample)
    titles = {text.get_text(): text for ax in drawn.axes for text in (ax.title, ax._left_title)}
    assert [title[0] for title in titles if title[1:3] == "  " and title[0].isalpha()] == ["A", "B", "C"]
    small = [title for title in titles if re.fullmatch(r"\d  N \d+", title)]
    assert len(small) == 4
    figure.pixels_of(drawn)  # which sets the marks of the axes
    texts = [*drawn.texts, *(text for ax in drawn.axes if ax.axison for text in ax.findobj(Text))]
    assert {text.get_fontsize() for text in texts if text.get_text() and text.get_visible()} == {12.0}
    caption = " ".join(text.get_text() for text in drawn.texts)
    median = Summary.of(sample).headlines[0]
    assert f"{sample.extent} (12 left out), median size {median.words}" in caption


def test_the_report_says_how_many_images_are_left_out():
    sample = with_left_out()
    words = report_words(sample)
    sentence = "left out: 1 by the user, 1 not analysed"
    assert "3 of 5 electron micrographs" in words and "3 of 5 images counted" in words
    assert words.count(sentence) == 2 and sentence in methods_paragraph(sample), "the method and the form"
    assert BY_USER in words and f"Not analysed: {DAMAGED}" in words
    assert left_out_words(combine("all", seen(2))) == ""
    assert left_out_words(CASES["mixed"]()).endswith(f": 1 {WHY_LEFT_OUT[NO_PIXEL_SIZE]}")


def test_sizes_in_pixels_do_not_stand_among_nanometres():
    sample = CASES["mixed"]()
    (row,) = (image for image in sample.images if image.excluded)
    (excluded,) = (line for line in sample.rows if line["excluded"])
    assert row.member.table.kept.any() and excluded["median"] is excluded["low"] is excluded["high"] is None


def test_what_all_images_share_is_said_once_and_the_rest_with_each():
    sample = combine("lot", seen(3, threshold=[0.5, 0.4, 0.5], polarity=["bright"] * 3, scale=[1.0, 1.0, 0.71]))
    card, content = find("particles"), as_dict(sample)
    assert content["model"] == {"name": "particles", "version": card.version, "sha256": card.sha256}
    assert (content["used"], content["settings_differ"]) == ({"polarity": "bright"}, ["scale", "threshold"])
    assert content["settings"]["edge"] == "exclude" and content["settings"]["filter"] is False
    assert [image["used"]["threshold"] for image in content["images"]] == [0.5, 0.4, 0.5]
    assert [image["metadata"]["date"][:1] for image in content["images"]] == ["1", "2", "3"]
    words = report_words(sample)
    for expected in (card.sha256, card.summary, f"particles {card.version}", "Zeiss SUPRA 40", "InLens", "7.34375"):
        assert expected in words, expected
    assert re.search("threshold 0.4;.* date 2 Jul 2019", words)
    assert words.count("bright particles") == 1


def test_the_workbook_says_how_the_particles_were_found(tmp_path):
    sample = combine("lot", seen(3, threshold=[0.5, 0.4, 0.4]), edge="weight", filter=True)
    sheet = openpyxl.load_workbook(written(sample, tmp_path, "sample.xlsx")["sample.xlsx"])["Details"]
    lines = {(line[0], line[1], line[6] or ""): line[2] for line in sheet.iter_rows(values_only=True)}
    assert lines["settings", "edges", ""] == "weighted"
    assert "ifferences between images" in lines["statistics", "95 % intervals", ""]
    assert lines["model", "sha256 of the weights", ""] == find("particles").sha256
    assert lines["calibration", "detail", ""] == "Zeiss tag 34118, Image Pixel Size"
    assert (lines["instrument", "voltage_kv", ""], lines["instrument", "date", "1.tif"]) == (20, "2 Jul 2019")
    assert (lines["settings", "threshold", "0.tif"], lines["settings", "threshold", "1.tif"]) == (0.5, 0.4)
    assert lines["image", "sha256", "1.tif"] == f"{1:064x}"


def test_two_models_are_both_described():
    image, other = seen(2)
    sample = combine(
        "lot", [image, replace(other, record=replace(other.record, card={"name": "old", "sha256": "e" * 64}))]
    )
    words = report_words(sample)
    assert as_dict(sample)["model"] is None
    assert find("particles").sha256 in words and "e" * 64 in words and "old, sha256 eeeeeeee" in words


def test_the_method_adds_up_the_outlines_that_were_dropped():
    words = methods_paragraph(combine("lot", seen(4, dropped=(3, 0, 9, 2), expected=(0.9, 0.8, 0.3, 0.7))))
    assert re.search(r"2 images, 5 outlines were removed[^.]* 10 %\.", words)
    assert re.search(r"one image, 9 outlines were removed[^.]* 50 % \(in images with", words)
    excluded = seen(2, dropped=(0, 7))
    assert "were removed" not in methods_paragraph(
        combine("lot", excluded[:1], left_out=[SampleImage.by_user(excluded[1])])
    )


def test_the_filter_is_in_the_method_even_where_it_removes_nothing():
    assert Reason.SMALL not in methods_paragraph(combine("off", seen(2)))
    assert Reason.SMALL in methods_paragraph(combine("on", seen(2), filter=True))


@pytest.mark.parametrize(
    ("dates", "words"),
    [(["", ""], ""), (["07/18/2019", ""], "07/18/2019"), (["2019-11-27T16:11:26.6205405+09:00"], "27 Nov 2019, 16:11"),
     (["27 Nov 2019", ""], "27 Nov 2019 (1 of 2 images)"),
     (["07/08/2019", "08/07/2019", ""], "07/08/2019 and 1 more times"),
     (["18 Jul 2019 11:09:27", "18 Jul 2019 09:40:42"], "18 Jul 2019, 09:40 to 11:09"),
     (["2019-07-18T11:09:27", "2019/07/19 09:40:42"], "18 Jul 2019, 11:09 to 19 Jul 2019, 09:40")],
)  # fmt: skip
def test_several_dates_are_a_range_where_their_order_is_sure(dates, words):
    members = [(None, SimpleNamespace(record=SimpleNamespace(instrument={"date": date}))) for date in dates]
    assert acquisition_dates(SimpleNamespace(counted=members)) == words


def unscaled(name):
    """An image without a scale, in doubt."""
    drawn = make_analysis(30, (200, 260), calibration=Calibration.absent())
    return replace(
        Member.of(drawn), name=name, flags=(Flag.doubtful("It is blank.", "Do not use: blank", level=DO_NOT_USE),)
    )


def test_where_one_image_counts_the_sample_has_its_numbers(tmp_path):
    (image,) = seen(1)
    sample = combine("lot", [image, unscaled("a.tif"), unscaled("b.tif")])
    statistics = image.statistics
    unlike = {"nano": None, "convergence": None}  # no advice to count more objects in one image
    assert sample.quantities == image.quantities and sample.pooled.convergence is None
    assert {**sample.pooled.as_dict(), **unlike}.items() >= {**statistics.as_dict(), **unlike}.items()
    assert (
        sample.pooled.nano["fraction"] == statistics.nano["fraction"] and sample.pooled.nano["verdict"] == "undecided"
    )
    rows = json.loads(written(sample, tmp_path)["result.json"].read_text())["images"]
    assert [row["n"] for row in rows] == [statistics.n_kept, 0, 0]


def test_a_scale_that_is_probably_wrong_stands_before_the_verdict_and_each_image_says_its_doubt():
    wrong = Flag.doubtful("Do not use these numbers.", "Do not use: scale wrong by a factor of 2.5?", level=DO_NOT_USE)
    images = [replace(member, flags=()) for member in seen(4)]
    less = Flag.doubtful("They are 29 % apart.", TWO_SCALES, kind="two scales")
    images = [replace(images[0], flags=(wrong,)), replace(images[1], flags=(less,)), *images[2:]]
    sample = combine("lot", images, count_unusable=True)
    assert sample.pooled.nano["verdict"] == "undecided"
    assert sample.pooled.nano["reason"] == "the scale of 2 images is to be checked"
    assert sample.pooled.nano["decides"].startswith("A check of the scale of 2 images")
    (of_image,) = (flag for flag in sample.flags if "0.tif: Do not use" in flag.text)
    assert of_image.doubt and of_image.short == wrong.short
    assert warning_texts(sample.flags) == ["Do not use: scale of 1 image wrong?"]


def test_an_image_that_must_not_be_used_counts_only_if_a_person_says_so(tmp_path):
    wrong = Flag.doubtful("Check the scale.", "Do not use: scale wrong by a factor of 2?", level=DO_NOT_USE)
    *good, bad = (replace(member, flags=()) for member in seen(4))
    images = [*good, replace(bad, flags=(wrong,))]
    sample, agreed = combine("lot", images), combine("lot", images, count_unusable=True)
    assert sample.pooled.n_kept == combine("lot", good).pooled.n_kept < agreed.pooled.n_kept
    assert not any(flag.level == DO_NOT_USE for flag in sample.flags)
    rows = json.loads(written(sample, tmp_path)["result.json"].read_text())["images"]
    assert [row["excluded"] for row in rows][3:] == [f"It waits for a yes: {NOT_TO_USE}."]
    assert left_out_words(sample) == "left out: 1 waiting for a yes"
    with pytest.raises(UserError, match="No image counts"):
        combine("lot", images[3:])


def test_a_fraction_has_one_unit_and_one_interval_in_the_workbook(tmp_path):
    sample = combine("lot", seen(4))
    sheet = openpyxl.load_workbook(written(sample, tmp_path, "sample.xlsx")["sample.xlsx"])["Details"]
    lines = [line for line in sheet.iter_rows(values_only=True) if line[1]]
    shares = [line for line in lines if line[1].startswith(("fraction by number", "number 1"))]
    nano = sample.pooled.value("fraction_100nm").reported
    assert [line[3] for line in shares] == ["%"]
    assert [shares[0][2], *shares[0][4:6]] == pytest.approx([100 * n for n in (nano.value, nano.low, nano.high)], 1e-5)
    assert not any("xpanded" in line[1] for line in lines)
    assert {line[3] for line in lines if "of the fraction" in line[1] and line[2] != "not known"} == {"points"}


@pytest.mark.parametrize("task", ["particles", "bubbles"])
def test_images_left_out_put_no_number_in_doubt_and_the_warning_says_how_many_they_are(task):
    images = [*seen(1), unscaled("a.tif"), unscaled("b.tif")]
    images = [replace(image, record=replace(image.record, task=task)) for image in images]
    images[0] = replace(images[0], flags=())
    sample = combine("lot", images, count_unusable=True)
    assert not any(flag.doubt for flag in sample.flags)
    assert warning_texts(sample.flags) == [f"Note: 2 images {WHY_LEFT_OUT[NO_PIXEL_SIZE]} do not count"]
    caption, *_, note = (drawn := figure.draw(sample)).texts
    assert note.get_text().startswith("Note: ") and note.get_color() == caption.get_color() != WARNED
    assert "Overlap" not in caption.get_text() and "Each image" not in str([ax._left_title for ax in drawn.axes])
    assert "Overlap does not" not in report_words(sample)


def test_of_images_that_count_the_doubtful_ones_are_named():
    flags = combine("lot", [unscaled("a.tif"), unscaled("b.tif")], count_unusable=True).flags
    assert any(flag.doubt for flag in flags) and flags[-1].text == "b.tif: It is blank."


def test_why_one_end_of_the_median_is_further_away():
    def said(*ends, answer="median"):
        return ends_words({answer: {"value": 2.0, "ends": ends or None}}, answer)

    assert said() == said(1.0, 3.0) == said(0.5, 2.5, answer="fraction_100nm") == ""
    assert said(0.5, 2.5).startswith("The lower end") and said(0.5, 2.5).endswith("sizes differ more on that side.")
    assert said(1.0, 4.0).endswith("its uncertainties are factors.")
    assert said(1.0, 9.0).startswith("The upper end") and said(1.0, 9.0).endswith("sizes differ more on that side.")
    assert [uncertainty_words(0.1, answer) for answer in ANSWERS] == ["10.0 %", "10.0 points"]


def test_a_number_of_three_images_without_an_interval_says_why():
    statistics = replace(combine("lot", seen(3)).pooled, screened=False)
    entries = Summary(
        statistics, {"porosity": Value(0.5), "fibres": Value(9.0), "pore_diameter": Value(3.0, 2.0, 4.0)}
    ).known_quantities
    assert [entry.interval for entry in entries] == ["too few or too different images", "", "2.0–4.0"]
