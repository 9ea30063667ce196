"""The figure, drawn and opened again; what it says is read from the drawn text."""

from __future__ import annotations

import io
import re
import warnings
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pypdf
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.patches import Polygon
from PIL import Image

from segmentation.core.measure.histograms import Bars
from segmentation.core.measure.quantities import significant
from segmentation.core.measure.sizes.bins import bin_numbers
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.figures import figure
from segmentation.core.report.figures.charts import Distribution, Sheet, draw_histogram
from segmentation.core.report.figures.embedded import EmbeddedPicture
from segmentation.core.report.figures.panels import Drawing
from segmentation.core.report.figures.pdf import marks_of
from segmentation.core.report.figures.picture import before_and_after, colour_numbers
from segmentation.core.report.figures.scalebar import free_corner, length_words, round_length
from segmentation.core.report.summary import Summary
from segmentation.core.report.wording import calibration_words
from segmentation.core.sample import SampleAnalysis
from segmentation.core.tasks.judgement import NONE_FOUND
from tests.core.builders import analysis_of, disc_labels, drawn_under, make_analysis, renamed

pytestmark = pytest.mark.usefixtures("printed")
CASES = {
    "fifteen": lambda: make_analysis(15),
    "fifteen hundred": lambda: make_analysis(1500, (900, 1200)),
    "none": lambda: make_analysis(0),
    "one": lambda: make_analysis(1, (24, 32)),
    "all set aside": lambda: analysis_of(np.ones((20, 30), np.int32)),
    "pixels": lambda: make_analysis(12, calibration=Calibration.absent()),
    "data bar": lambda: make_analysis(12, data_bar=30),
    "wide": lambda: make_analysis(10, (40, 900)),
    "tall": lambda: make_analysis(10, (900, 60)),
    "one pixel": lambda: make_analysis(0, (1, 1)),
    "tiny pixels": lambda: make_analysis(9, calibration=Calibration(1e-3, "typed")),
    "huge pixels": lambda: make_analysis(9, calibration=Calibration(1e5, "typed")),
    "flat image": lambda: analysis_of(np.zeros((30, 40), np.int32), pixels=np.full((30, 40), 7, np.uint8)),
}
USUAL = ("fifteen", "none", "pixels", "wide")  # fifteen hundred are written in every format below


def draw(analysis):
    return figure.draw(SampleAnalysis.of(analysis))


def panels(analysis):
    """The figure's panels alone, by file name."""
    sample = SampleAnalysis.of(analysis)
    scene = Drawing.of(sample)
    drawn = figure.draw(sample, scene)
    pixels = figure.pixels_of(drawn)
    return {name: figure.panel_pixels(name, sample, scene, drawn, pixels) for name in sample.task.panels}


def said(drawn):
    texts = [text.get_text() for text in drawn.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(texts)


def png(analysis):
    drawn = draw(analysis)
    return figure.as_png(figure.pixels_of(drawn), drawn)


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=() if name in USUAL else pytest.mark.slow) for name in CASES]
)
def test_every_case_is_drawn_without_a_warning(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = Image.open(io.BytesIO(png(CASES[case]())))
    assert picture.width == 2409 and picture.info["dpi"] == pytest.approx((360, 360), abs=0.1)
    assert np.asarray(picture.convert("L")).std() > 5


def test_numbers_are_those_of_the_statistics():
    analysis = make_analysis(60, (300, 400), filter=True)
    drawn, statistics = draw(analysis), analysis.statistics
    words, (median, *_) = said(drawn), Summary.of(SampleAnalysis.of(analysis)).headlines
    assert f"N = {statistics.n_kept}, SD {significant(statistics.sd)} nm" in words
    assert f"mean {significant(statistics.mean)}" in words and f"median {significant(statistics.median)}" in words
    assert f"{statistics.n_kept} counted" in words and (aside := f"{statistics.n_set_aside} left out") in words
    caption = " ".join(text.get_text() for text in drawn.texts)
    assert f": {statistics.n_kept} particles ({aside}), median size {median.value} nm ({median.interval})" in caption
    assert "1 µm" in words or "500 nm" in words
    assert calibration_words(analysis.calibration) in drawn.description and "tag 34118" in drawn.description
    assert "filter on" in drawn.description


@pytest.mark.parametrize("case", ["fifteen", "wide", "tall", "none"])
def test_letters_are_6_points_high_in_one_column_and_panels_are_aligned(case):
    drawn = draw(CASES[case]())
    small = 85 / 25.4 / drawn.get_figwidth()
    assert drawn.texts[-1].get_fontsize() * small == pytest.approx(6)
    boxes = [ax.get_position() for ax in drawn.axes]
    assert len({(round(box.width, 3), round(box.height, 3)) for box in boxes[:3]}) == 1
    line = drawn.texts[-1].get_window_extent(FigureCanvasAgg(drawn).get_renderer())
    assert line.x1 <= drawn.bbox.x1 and "\n" not in drawn.texts[-1].get_text()


def test_one_panel_larger_letters_and_no_colours():
    sample = SampleAnalysis.of(CASES["fifteen"]())
    panel = figure.draw(sample, options=figure.FigureOptions("C", 8, True))
    assert len(panel.axes) == 1 and panel.axes[0].get_position().width > 0.98
    assert panel.texts[-1].get_fontsize() == 16 and not panel.axes[0].get_title(loc="left")
    pixels = figure.pixels_of(panel)
    assert (pixels == pixels[..., :1]).all()


def test_mean_median_and_100_nm_are_lines_in_their_place():
    analysis = make_analysis(80, (300, 400))
    lines = {line.get_xdata()[0] for line in draw(analysis).axes[3].lines if len(line.get_xdata()) == 2}
    assert lines == {analysis.statistics.mean, analysis.statistics.median, 100.0}


def test_bars_count_every_kept_particle_once():
    analysis = make_analysis(80, (300, 400))
    bars = draw(analysis).axes[3].patches
    assert sum(bar.get_height() for bar in bars) == analysis.statistics.n_kept


def test_without_calibration_everything_is_in_pixels():
    words = said(draw(CASES["pixels"]()))
    assert "diameter (px)" in words
    assert not re.search(r"^\d+ [nµ]m$", words, re.MULTILINE)  # no scale bar
    assert " nm" not in words and "µm" not in words


def test_no_particles_is_said():
    assert NONE_FOUND.format(things="particles").partition(".")[0] in said(draw(CASES["none"]()))
    assert "only particle" in said(draw(CASES["all set aside"]()))


def test_data_bar_is_left_out():
    analysis = CASES["data bar"]()
    drawn = draw(analysis)
    assert "row 162" in drawn.description
    assert drawn.axes[0].get_ylim() == (162, 0)


@pytest.mark.parametrize(
    ("name", "printed"),
    [("$\\frac{1}{$x.tif", "$\\frac{1}{$x.tif"), ("two\nlines\t.tif", "two lines .tif"),
     ("粒子Ａ나\U00016e40.tif", "粒子Ａ나□.tif"), ("\udcff.tif", " .tif"), ("Größe µ.tif", "Größe µ.tif"),
     ("x" * 300 + ".tif", "…")],
)  # fmt: skip
@pytest.mark.slow
def test_any_file_name(name, printed, tmp_path):
    analysis = renamed(make_analysis(3, (60, 80)), name)
    drawn = draw(analysis)
    assert printed in said(drawn)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for form in ("png", "svg", "pdf"):
            figure.write(drawn, tmp_path / f"figure.{form}")


def test_set_aside_is_dashed_and_kept_is_solid():
    analysis = make_analysis(12)
    lines = [collection for collection in draw(analysis).axes[2].collections if isinstance(collection, LineCollection)]
    dashed = [line for line in lines if line.get_linestyles()[0][1] is not None]
    assert [len(line.get_segments()) for line in dashed] == [analysis.statistics.n_set_aside]
    solid = {len(line.get_segments()) for line in lines if line not in dashed}
    assert solid == {analysis.statistics.n_kept, analysis.statistics.n_set_aside}


def test_outlines_are_thinner_where_particles_are_small_on_the_page():
    def width(analysis):
        return draw(analysis).axes[2].collections[1].get_linewidths()[0]

    assert width(make_analysis(500, (900, 1200))) < width(make_analysis(15, (900, 1200)))


@pytest.mark.slow
def test_one_drawing_serves_all_formats_and_stays_small(tmp_path):
    drawn = draw(CASES["fifteen hundred"]())
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for form, start in starts.items():
        file = tmp_path / f"figure.{form}"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure.write(drawn, file)
        assert file.read_bytes().startswith(start)
        assert form == "png" or file.stat().st_size < 5_000_000


def test_files_of_lines_hold_the_pictures_in_their_own_pixels_and_the_same_bytes_again(tmp_path):
    drawn, files = draw(make_analysis(15, (450, 600))), []
    for name in ("a.pdf", "b.pdf", "a.svg", "b.svg"):
        figure.write(drawn, tmp_path / name)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1] and files[2] == files[3]
    (page,) = pypdf.PdfReader(io.BytesIO(files[0])).pages
    within = re.findall(rb'xlink:href="data:image/jpeg;base64,([^"]+)"', files[2])
    pictures = [Image.open(io.BytesIO(b64decode(content))) for content in within]
    assert [picture.size for picture in pictures] == [(600, 450)] * 3
    assert {shown.image.size for shown in page.images} == {(600, 450)}
    shown = np.asarray(pictures[0]).astype(int) - drawn.axes[0].images[0].pixels
    assert np.median(np.abs(shown)) <= 1 and "Helvetica" not in str(page["/Resources"]["/Font"])


def test_single_pixels_stay_squares_and_ignored_regions_are_hatched_in_a_pdf(tmp_path):
    sheet = Sheet((3, 3))
    ax = sheet.add_axes((0, 0, 1, 1))
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    placed = EmbeddedPicture(ax, pixels, (0, 4, 3, 0), squares=True)
    enlarged = np.asarray(Image.open(io.BytesIO(placed.content)))
    assert enlarged.shape == (750, 1000) and (enlarged[::250, ::250] == pixels).all()
    plain = len(marks_of(sheet))
    ax.add_patch(Polygon([(1, 1), (3, 1), (3, 2)], hatch="////", facecolor="none", edgecolor="red"))
    figure.write(sheet, tmp_path / "hatched.pdf")
    assert len(marks_of(sheet)) == plain + 2  # the region, and the lines over it
    (page,) = pypdf.PdfReader(tmp_path / "hatched.pdf").pages
    assert page.get_contents().get_data().count(b"W n") >= 1


def test_large_images_are_drawn_small():
    labels = np.zeros((3000, 2500), np.int32)
    labels[100:400, 200:600] = 1
    drawn = draw(analysis_of(labels, pixels=(labels * 200).astype(np.uint8)))
    image = drawn.axes[0].images[0]
    assert max(image.get_array().shape) <= 1100
    assert (drawn.axes[0].get_xlim(), drawn.axes[0].get_ylim()) == ((0, 2500), (3000, 0))


def test_neighbours_differ_in_colour():
    rng = np.random.default_rng(3)
    seeds = rng.uniform(0, 120, (60, 2))
    y, x = np.mgrid[:120, :120]
    labels = 1 + np.argmin((y[..., None] - seeds[:, 0]) ** 2 + (x[..., None] - seeds[:, 1]) ** 2, axis=-1)
    number = colour_numbers(labels.astype(np.int32))[labels]
    for a, b, ca, cb in (
        (labels[1:], labels[:-1], number[1:], number[:-1]),
        (labels[:, 1:], labels[:, :-1], number[:, 1:], number[:, :-1]),
    ):
        assert (ca != cb)[a != b].all()


@pytest.mark.parametrize(
    ("longest", "expected"), [(1, 1), (1.9, 1), (2, 2), (4.99, 2), (7, 5), (999, 500), (0.03, 0.02)]
)
def test_round_lengths(longest, expected):
    assert round_length(longest) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("nm", "expected"), [(200, "200 nm"), (1000, "1 µm"), (5e6, "5 mm"), (0.5, "500 pm"), (2e4, "20 µm")]
)
def test_length_words(nm, expected):
    assert length_words(nm) == expected


@pytest.mark.parametrize("n", [12, 2])
def test_scale_bar_has_its_length(n):
    drawn = draw(make_analysis(n, (300, 400), calibration=Calibration(10.0, "typed")))
    ax = drawn.axes[0]
    bar = ax.patches[1].get_width() * drawn.dpi / ax.bbox.width * 400 * 10
    assert [text.get_text() for text in ax.texts] == [length_words(round(bar, 6))]


@pytest.mark.parametrize(
    ("clearing", "corner"), [((0, 0), (0, 0)), ((1, 0), (1, 0)), ((0, 1), (0, 1)), ((1, 1), (1, 1))]
)
def test_the_scale_bar_stands_where_no_particle_is(clearing, corner):
    labels = np.zeros((300, 400), np.int32)
    labels[10:290:2, 10:390:2] = 1
    rows, columns = slice(0, 100) if clearing[1] else slice(200, 300), slice(240, 400) if clearing[0] else slice(0, 160)
    labels[rows, columns] = 0
    assert free_corner((labels * 90).astype(np.uint8), labels > 0, 0.3, 0.2) == corner


def test_the_scale_bar_keeps_off_the_one_of_the_image():
    rng = np.random.default_rng(0)
    picture, nothing = rng.normal(90, 5, (300, 400)).astype(np.uint8), np.zeros((300, 400), bool)
    picture[:, 330:] = rng.normal(90, 15, (300, 70))
    assert free_corner(picture, nothing, 0.3, 0.15)[0] == 0
    picture[280:284, 20:90] = 255
    assert free_corner(picture, nothing, 0.3, 0.15) == (0, 1)


def test_the_scale_bar_covers_objects_rather_than_printed_text():
    picture, objects = np.full((300, 400), 90, np.uint8), np.ones((300, 400), bool)
    picture[270:274, 20:90] = 255
    objects[240:, :130] = False
    assert free_corner(picture, objects, 0.3, 0.15) != (0, 0)


def test_few_sizes_are_numbers_and_not_bars():
    analysis = make_analysis(6, (120, 160))
    ax = draw(analysis).axes[3]
    assert not ax.patches and not ax.lines
    text = ax.texts[0].get_text()
    assert all(significant(size) in text for size in analysis.table.length("min_feret"))


def test_the_law_is_drawn_where_it_fits_and_else_it_is_said():
    labels = disc_labels(120, (600, 800))
    fits = analysis_of(labels)
    poor = replace(fits, statistics=replace(fits.statistics, fit={**fits.statistics.fit, "word": "poor", "p": 0.0004}))
    good = replace(fits, statistics=replace(fits.statistics, fit={**fits.statistics.fit, "word": "good", "p": 0.3}))
    fair = replace(fits, statistics=replace(fits.statistics, fit={**fits.statistics.fit, "word": "fair", "p": 0.0004}))
    for fit in (good, fair):
        assert "log-normal" in said(draw(fit)) and "poor fit" not in said(draw(fit))
    assert "log-normal: poor fit" in said(draw(poor))


def test_outlines_are_lines_unless_they_are_many():
    for n in (590, 620):
        drawn = draw(make_analysis(n, (600, 800)))
        assert bool(drawn.axes[2].collections) == (n < 600)
        picture = drawn.axes[2].images[0].get_array()
        assert (picture.ndim == 3) == (n > 600)


def test_panels_are_what_the_figure_shows():
    cut = panels(make_analysis(15, (300, 400)))
    assert list(cut) == ["image", "segmentation", "doubts", "histogram"]
    assert cut.pop("histogram").std() > 5
    for name in ("segmentation", "doubts"):
        panel = cut[name]
        assert panel.shape[1] / panel.shape[0] == pytest.approx(400 / 300, rel=0.01)
    image = Image.open(io.BytesIO(figure.as_png(cut["image"])))
    assert image.mode == "L" and image.info["dpi"] == pytest.approx((360, 360), abs=0.1)
    decoded = np.asarray(Image.open(io.BytesIO(figure.as_png(cut["segmentation"]))))
    np.testing.assert_array_equal(decoded, cut["segmentation"])
    assert (decoded.std(axis=(0, 1)) > 5).all()


def test_the_image_lies_under_the_outlines_to_a_pixel():
    labels = np.zeros((200, 300), np.int32)
    labels[60:120, 80:200] = 1
    panel = panels(analysis_of(labels, pixels=(labels * 255).astype(np.uint8)))["image"][..., 0]
    scale = panel.shape[1] / 300
    bright = panel > 127
    bright[int(165 * scale) :] = False  # the scale bar
    rows, columns = np.flatnonzero(bright.any(1)) / scale, np.flatnonzero(bright.any(0)) / scale
    assert (rows[0], rows[-1], columns[0], columns[-1]) == pytest.approx((60, 120, 80, 200), abs=0.7)


@pytest.mark.parametrize("font", [6, 10])
@pytest.mark.parametrize("top", [[9, 1, 1, 1], [1, 1, 1, 9], [9, 1, 1, 9], [1, 9, 9, 1], [9, 9, 9, 9]])
def test_the_legend_of_a_histogram_lies_over_no_bar_and_no_line(top, font):
    """Wide bins, wherever the tallest of them are."""
    sizes = np.repeat(np.linspace(60, 240, 8), np.repeat(top, 2))
    sample = SampleAnalysis.of(make_analysis(40))
    distribution = Distribution.of(sample)
    certain, edges = np.ones(len(sizes)), np.linspace(60, 240, 9)
    of_bins, none = bin_numbers(edges, sizes), np.zeros(len(sizes), int)
    bars = Bars(edges, sizes, of_bins, certain, certain, certain, certain > 0, none)
    middle = replace(distribution.statistics, median=float(np.median(sizes)), mean=float(sizes.mean()))
    for inches in ((2.2, 2.6), (3.4, 1.4), (7, 2.5)):
        sheet = Sheet(inches, font=1.2 * font)
        ax = sheet.add_axes((0.1, 0.2, 0.85, 0.7))
        draw_histogram(ax, replace(distribution, bars=bars, statistics=middle))
        FigureCanvasAgg(sheet)
        sheet.draw_without_rendering()  # where everything lies, without its pixels
        assert not drawn_under(ax, ax.get_legend())
        assert max(bar.get_window_extent().y1 for bar in ax.patches) < ax.bbox.y1


def test_colours_of_a_small_picture_lie_on_their_objects_above_a_data_bar():
    analysis = make_analysis(12, data_bar=60)
    labels = analysis.segmentation.dense[: analysis.segmentation.rows]
    kept = np.r_[False, analysis.table.kept]
    plain, coloured = before_and_after(analysis, max(labels.shape))
    assert plain.shape == coloured.shape == (*labels.shape, 3)
    assert np.array_equal(np.ptp(coloured.astype(int), axis=2) > 0, kept[labels])
