"""Several images as one sample, of kinds of analysis whose numbers are no size distribution."""

from __future__ import annotations

import csv
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jsonschema
import numpy as np
import openpyxl
import pypdf
import pytest
from scipy import stats

from segmentation.core import tasks
from segmentation.core.combine import combine
from segmentation.core.measure.kinds.mats import FIGURES_BY_LENGTH
from segmentation.core.measure.pooling import NO_PIXEL_SIZE, WHY_LEFT_OUT
from segmentation.core.measure.quantities import Quantity, Value
from segmentation.core.measure.table import Table
from segmentation.core.measure.uncertainty.pooled_fields import (
    NO_NUMBER,
    OTHER_NUMBERS,
    FieldOfView,
    by_area,
    pooled_quantities,
    reason_and_warning,
    with_ordered_ends,
)
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report import exports
from segmentation.core.report.context import Context
from segmentation.core.report.documents.pages import write_report
from segmentation.core.report.figures.figure import draw
from segmentation.core.report.files import write_all
from segmentation.core.report.method import left_out_words, methods_paragraph
from segmentation.core.report.summary import Summary
from segmentation.core.sample import BY_USER, AnalysisRecord, Member, SampleImage
from segmentation.core.stored import Used

CLASSES = ("matrix", "carbide")
CARD = {"name": "steel", "version": "1", "sha256": "a" * 64, "maps": list(CLASSES)}
USED = {"scale": 1.0, "mirrored": "on"}


def member(
    share: float | None,
    boundary: float = 0.1,
    side: int = 100,
    nm: float | None = None,
    name: str = "a.tif",
    classes: tuple[str, ...] = CLASSES,
) -> Member:
    """An image of two classes, `share` of whose area is the second one's; None: the image gave no number."""
    size = nm or 1.0
    shares = [0.5, 0.5] if share is None else [1 - share, share]
    values = {}
    for figure in tasks.find("phases").quantities:
        for class_name, part in zip(classes, shares, strict=True):
            length = {"area_fraction": part, "boundary_density": boundary / size, "mean_intercept": np.pi * part * size}
            length["mean_intercept"] /= boundary
            length["mean_free_path"] = np.pi * (1 - part) * size / boundary
            value = None if share is None else length[figure]
            unit = {"area_fraction": "", "boundary_density": "⁻¹"}.get(figure, "")
            lengths = "" if figure == "area_fraction" else ("px" if nm is None else "nm") + unit
            values[f"{figure} of {class_name}"] = Value(value, unit=lengths if value is not None else "")
    columns = {
        "label": np.arange(1, 3),
        "class": np.arange(2),
        "name": np.array(classes),
        "kept": np.full(2, share is not None),
        "reason": np.full(2, "" if share is not None else "unlike", "U40"),
        "area": side**2 * np.array(shares),
        "area_fraction": np.array(shares),
    }
    record = AnalysisRecord("phases", {"model": "steel", **USED}, CARD, Used.read(USED), side, side)
    calibration = Calibration.absent() if nm is None else Calibration.of_pixel(nm, typed=f"{nm}")
    table = Table.of_pixels(columns, nm)
    return Member(name, table, calibration, sha256="b" * 64, record=record, quantities=values)


def test_equal_images_have_the_interval_of_astm_e562():
    shares = np.array([0.20, 0.26, 0.23, 0.31])
    pooled = combine("Steel", [member(share) for share in shares]).quantities["area_fraction of carbide"]
    half = stats.t.ppf(0.975, 3) * shares.std(ddof=1) / 2
    assert pooled.value == pytest.approx(shares.mean())
    assert (pooled.low, pooled.high) == pytest.approx((shares.mean() - half, shares.mean() + half), rel=1e-3)


def test_each_image_weighs_as_its_area_and_intercepts_follow_from_the_totals():
    """Three quarters of the area are at 40 %, one quarter at 20 %; boundaries likewise."""
    made = combine("Steel", [member(0.4, 0.30, side=300), member(0.2, 0.10, side=100), member(0.2, 0.10, side=100)])
    area = np.array([9, 1, 1]) / 11
    share, rim = area @ [0.4, 0.2, 0.2], area @ [0.3, 0.1, 0.1]
    assert made.quantities["area_fraction of carbide"].value == pytest.approx(share)
    assert made.quantities["boundary_density of carbide"].value == pytest.approx(rim)
    assert made.quantities["mean_intercept of carbide"].value == pytest.approx(np.pi * share / rim)


def test_images_of_other_magnification_are_weighted_by_what_they_show_of_the_specimen():
    made = combine("Steel", [member(0.4, nm=2.0), member(0.2, nm=1.0)])
    assert made.quantities["area_fraction of carbide"].value == pytest.approx((4 * 0.4 + 0.2) / 5)
    assert made.quantities["mean_intercept of carbide"].unit == "nm"
    assert any("differ by up to 2 times between images, from 1 to 2 nm" in flag.text for flag in made.flags)


def test_the_scale_widens_lengths_and_leaves_fractions():
    both = [member(0.2, 0.1, nm=2.0), member(0.3, 0.12, nm=2.0), member(0.25, 0.11, nm=2.0)]
    doubtful = [
        replace(image, calibration=replace(image.calibration, instrument_uncertainty=0.2, relative_uncertainty=0.0))
        for image in both
    ]
    plain, wide = combine("Steel", both).quantities, combine("Steel", doubtful).quantities
    assert wide["area_fraction of carbide"] == plain["area_fraction of carbide"]
    name = "boundary_density of carbide"
    half, wider = (np.log(quantities[name].high / quantities[name].low) / 2 for quantities in (plain, wide))
    assert wider == pytest.approx(np.hypot(half, 1.96 * 0.2), rel=0.01)


def test_intervals_by_image_hold_the_truth_nineteen_times_in_twenty():
    rng, held = np.random.default_rng(5), 0
    for _ in range(400):
        shares = rng.beta(6, 14, 5)  # 30 %
        fields = [FieldOfView(member(0.3).table, {"area_fraction of x": share}, 1.0) for share in shares]
        fraction = pooled_quantities(fields, by_area, "px", 0.0)["area_fraction of x"]
        held += fraction.low <= 0.3 <= fraction.high
    assert 0.925 <= held / 400 <= 0.98


def test_an_image_without_a_scale_does_not_say_what_the_others_must_tell_apart():
    other = member(0.5, name="a.tif", classes=("x", "y"))
    made = combine("Steel", [other, member(0.2, nm=2.0, name="b.tif"), member(0.3, nm=2.0, name="c.tif")])
    assert [bool(image.excluded) for image in made.images] == [True, False, False]
    assert made.quantities["area_fraction of carbide"].value == pytest.approx(0.25)


def test_a_number_that_one_image_alone_has_is_named():
    image, other = (member(0.3, nm=2.0, name=name) for name in ("a.tif", "b.tif"))
    other = replace(other, quantities={**other.quantities, "mean_intercept of carbide": Value(None)})
    sample = combine("Steel", [image, other])
    (note,), pooled = sample.flags, sample.quantities["mean_intercept of carbide"].value
    only = "Only a.tif gives a value of mean intercept of carbide"
    assert (note.text, note.ids, pooled is None) == (f"{only}.", (1,), False)
    short = {**image.quantities, "mean_intercept of carbide": Value(pooled / 2, unit="nm")}
    sample = combine("Steel", [replace(image, quantities=short), other])
    assert sample.quantities["mean_intercept of carbide"].value is None and not sample.flags
    assert not combine("Steel", [image, image]).flags


def test_of_two_images_numbers_have_the_intervals_of_both():
    images = [member(0.2 + n / 20, nm=2.0, name=f"{n}.tif") for n in range(2)]
    name = "area_fraction of carbide"
    ends = [
        replace(image, quantities={**image.quantities, name: Value(value, value - 0.03, value + 0.04)})
        for image, value in zip(images, (0.2, 0.25), strict=True)
    ]
    both = combine("Steel", ends).quantities[name]
    assert both.value - both.low == pytest.approx(0.03)
    assert both.high - both.value == pytest.approx(0.04)
    bare = [replace(image, quantities={**image.quantities, name: Value(0.2)}) for image in images]
    assert combine("Steel", bare).quantities[name].low is None


def test_what_does_not_belong_is_left_out_and_named():
    members = [
        member(0.2, nm=2.0, name="a.tif"),
        member(0.3, nm=2.0, name="b.tif"),
        member(None, nm=2.0, name="unlike.tif"),
        member(0.9, nm=2.0, name="other.tif", classes=("matrix", "graphite")),
        member(0.9, name="unscaled.tif"),
    ]
    made = combine("Steel", members, left_out=[SampleImage.failed("gone.tif", "It is no image.")])
    why = {image.name: image.excluded for image in made.images}
    assert why["a.tif"] == why["b.tif"] == "" and why["unlike.tif"] == NO_NUMBER and why["other.tif"] == OTHER_NUMBERS
    assert why["unscaled.tif"] == NO_PIXEL_SIZE and why["gone.tif"].startswith("Not analysed")
    assert made.quantities["area_fraction of carbide"].value == pytest.approx(0.25)
    shares = [value.value for value in made.by_image("area_fraction of carbide")]
    assert dict(zip((image.name for image in made.images), shares, strict=True))["unscaled.tif"] is None
    assert made.extent.startswith("2 of 6 images counted")
    _, _, reasons = left_out_words(made).partition(": ")
    assert reasons.split(", ") == [
        "1 not analysed",
        *(f"1 {WHY_LEFT_OUT[reason]}" for reason in (OTHER_NUMBERS, NO_NUMBER, NO_PIXEL_SIZE)),
    ]
    sentences = [flag.text for flag in made.flags if flag.text.startswith("1 image ")]
    assert len(sentences) == 3
    assert all(any(words in text for text in sentences) for words in WHY_LEFT_OUT.values())


def test_nothing_left_gives_no_number():
    made = combine("Steel", [member(None), member(None)])
    assert all(quantity.value is None for quantity in made.quantities.values()) and made.quantities
    assert made.flags[0].text.startswith("There are no numbers, because no image counts") and made.flags[0].doubt
    assert not any("in doubt" in flag.text or "too high" in flag.text for flag in made.flags)
    file = io.BytesIO()
    with ThreadPoolExecutor(1) as packing:
        write_report(Context(made, exports.by_file_name("sample", made.task), packing), file, annex=True)
    words = " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(file).pages).split())
    assert made.flags[0].text in words
    assert not any(phrase in words for phrase in ("0 electron micrographs", "of each image, with", "in colours"))
    assert not draw(made).axes
    unscaled = combine("Steel", [member(0.3, name="a.tif"), member(None, nm=2.0, name="refused.tif")])
    assert unscaled.quantities["area_fraction of carbide"].value == pytest.approx(0.3)
    assert [image.name for image, _ in unscaled.counted] == ["a.tif"]


def test_an_image_of_an_earlier_version_without_a_figure_is_joined():
    old, new = member(0.2, name="a.tif"), member(0.4, name="b.tif")
    quantities = {name: value for name, value in old.quantities.items() if not name.startswith("mean_free_path")}
    made = combine("s", [replace(old, quantities=quantities), new])
    assert len(made.counted) == 2 and made.quantities["area_fraction of carbide"].value == pytest.approx(0.3)
    assert "mean_free_path of carbide" not in made.quantities


def test_one_image_keeps_its_own_interval():
    alone = member(0.2)
    quantities = {name: replace(value, low=0.0, high=1.0) for name, value in alone.quantities.items()}
    made = combine("Steel", [replace(alone, quantities=quantities), member(None)])
    assert made.quantities == quantities


def test_where_all_images_say_the_same_there_is_no_interval():
    fraction = combine("Steel", [member(0.0), member(0.0), member(0.0)]).quantities["area_fraction of carbide"]
    assert fraction == Value(0.0)


def test_grains_of_all_images_are_counted_and_measured_together():
    def grains(sizes: list[float], intercept: float, whole: int) -> FieldOfView:
        count = len(sizes)
        table = Table(
            {
                "ecd_nm": np.array(sizes, float),
                "convex": np.ones(count, bool),
                "touches_frame": np.arange(count) >= whole,
                "kept": np.ones(count, bool),
                "reason": np.full(count, "", "U40"),
            },
            1.0,
        )
        values = {"grains": float(count), "grain_intercept": intercept, "grain_density": count / 1e6}
        return FieldOfView(table, values, 1e6)

    fields = [grains([10, 20, 90], 20.0, 2), grains([30, 40, 50, 60, 90], 10.0, 4)]
    numbers = tasks.find("grains").pool_fields(fields)
    assert numbers["grains"] == 8
    assert numbers["grain_intercept"] == pytest.approx(2 / (1 / 20 + 1 / 10))  # equal lengths of lines over all grains
    density = 4e-6 * 1e12
    assert numbers["grain_number"] == pytest.approx(3.321928 * np.log10(density) - 2.954)


@pytest.mark.parametrize(
    ("densities", "useless"), [((5e-5, 7e-5, 8e-5), False), ((1e-5, 1e-3), True), ((5e-5, 9e-5), True)]
)
def test_a_density_and_the_grain_size_number_that_follows_from_it_have_intervals_that_agree(densities, useless):
    def field(density: float) -> FieldOfView:
        empty = {"ecd_nm": np.ones(1), "convex": np.zeros(1), "touches_frame": np.zeros(1), "kept": np.ones(1, bool)}
        values = {"grains": 1.0, "grain_intercept": 20.0, "grain_density": density}
        return FieldOfView(Table({**empty, "reason": np.full(1, "")}, 1.0), values, 1e6)

    numbers = pooled_quantities([*map(field, densities)], tasks.find("grains").pool_fields, "nm", 0.1)
    density, number = numbers["grain_density"], numbers["grain_number"]
    assert (density.low is None) == useless, "an end a hundred times the number says nothing"
    assert useless or 0 < density.low < density.value < density.high
    for end, of_number in ((density.low, number.low), (density.high, number.high)):
        assert useless or of_number == pytest.approx(3.321928 * np.log10(end * 1e12) - 2.954)
    assert numbers["grain_intercept"].low is None, "the same in all images"


def test_intervals_of_densities_that_differ_widely_hold_the_truth():
    rng, held = np.random.default_rng(5), 0
    for _ in range(400):
        fields = [FieldOfView(member(0.3).table, {"crossing_density": of}, 1.0) for of in rng.gamma(2, 0.5, 4)]
        density = pooled_quantities(fields, by_area, "nm", 0.0)["crossing_density"]
        held += density.low is None or density.low <= 1.0 <= density.high
    assert 0.92 <= held / 400 <= 0.98, "of plain Student's t 0.91"


def test_swelling_is_that_of_all_volumes_together():
    """Also where foils are not equally thick."""
    fields = []
    for gas, area, thickness in ((10.0, 1.0, 100.0), (30.0, 4.0, 200.0)):
        ecd = np.array([(6 * gas / np.pi) ** (1 / 3)])
        columns = {"ecd_nm": ecd, "touches_frame": np.zeros(1), "kept": np.ones(1, bool), "reason": np.array([""])}
        values = {"bubbles": 1.0, "swelling": gas / (thickness * area - gas)}
        fields.append(FieldOfView(Table(columns, 1.0), values, area, settings={"thickness": thickness}))
    assert tasks.find("bubbles").pool_fields(fields)["swelling"] == pytest.approx(40 / (900 - 40))


def test_the_scale_reaches_what_has_no_unit_of_length():
    """Swelling V / (A t - V) goes with the length of a pixel, the grain size number with its logarithm."""
    fields = []
    for size in (9.0, 10.0, 11.0):
        columns = {"ecd_nm": np.full(8, size), "touches_frame": np.zeros(8), "kept": np.ones(8, bool)}
        values = {"bubbles": 8.0, "bubble_area": 0.05, "swelling": 0.1}
        table = Table({**columns, "reason": np.full(8, "")}, 1.0)
        fields.append(FieldOfView(table, values, 1e3, settings={"thickness": 100.0}))
    plain, wide = (pooled_quantities(fields, tasks.find("bubbles").pool_fields, "nm", u) for u in (0.0, 0.1))
    swelling = wide["swelling"]
    part = 1.96 * 0.1 * (1 + swelling.value) * swelling.value
    assert swelling.value == plain["swelling"].value
    assert swelling.high - swelling.value == pytest.approx(
        np.hypot(plain["swelling"].high - swelling.value, part), rel=0.01
    )
    assert wide["bubble_area"] == plain["bubble_area"]


def test_fibres_of_all_images_are_joined_by_their_lengths_and_directions():
    """A long thin fibre across one image outweighs two short thick ones upright in another; means of images do not."""

    def image(diameters: list[float], lengths: list[float], cosine: float, order: float) -> FieldOfView:
        count = len(diameters)
        columns = {
            "fibre_diameter_nm": np.array(diameters),
            "visible_length_nm": np.array(lengths),
            "fibre_length_nm": np.array(lengths),
            "mean_cos": np.full(count, cosine),
            "mean_sin": np.zeros(count),
            "kept": np.ones(count, bool),
            "reason": np.full(count, "", "U40"),
        }
        names = (*FIGURES_BY_LENGTH, "fibre_length_mean")
        values = {**dict.fromkeys(names, 1e3), "order_parameter": order, "who_fibres": 1.5}
        return FieldOfView(Table(columns, 1.0), values, 1e6)

    fields = [image([10.0], [8000.0], 1.0, 1.0), image([100.0, 200.0], [1000.0, 1000.0], -1.0, 1.0)]
    pooled = pooled_quantities(fields, tasks.find("fibres").pool_fields, "nm", 0.0)
    assert pooled["fibre_diameter_by_length"].value == pytest.approx((8000 * 10 + 1000 * 300) / 10_000)
    assert pooled["fibre_length_mean"].value == pytest.approx(10_000 / 3)
    assert pooled["order_parameter"].value == pytest.approx((8000 - 2000) / 10_000)
    assert (pooled["fibre_d10_by_length"].value, pooled["fibre_d90_by_length"].value) == (10, 100)
    assert pooled["who_fibres"] == Value(3.0)


def test_intervals_of_percentiles_keep_their_order():
    tenths = list(FIGURES_BY_LENGTH)[1:]
    ends = zip(tenths, ((0.5, 9.0), (0.1, 3.0), (0.2, 8.0)), strict=True)
    numbers = with_ordered_ends({name: Value(1.0, *pair) for name, pair in ends} | {"porosity": Value(0.5, 0.4, 0.6)})
    assert [(numbers[name].low, numbers[name].high) for name in tenths] == [(0.1, 9.0), (0.1, 9.0), (0.2, 9.0)]
    assert numbers["porosity"] == Value(0.5, 0.4, 0.6)


def test_a_pooled_count_of_poisson_has_its_interval():
    """Also of images that say the same, in which nothing differs."""
    columns = {"kept": np.zeros(1, bool), "reason": np.full(1, "thin", "U40"), "touches_frame": np.zeros(1)}
    calibration = Calibration.of_pixel(1.0, typed="1.000")
    image = Member(
        "a.tif",
        Table(columns, 1.0),
        calibration,
        record=AnalysisRecord("fibres", width=10, height=10),
        quantities={"who_fibres": Value(2.0, 0.2, 7.2)},
    )
    members = [replace(image, name=f"{n}.tif") for n in range(3)]
    count = combine("Mat", members).quantities["who_fibres"]
    assert (count.value, count.low, count.high) == (6.0, *(stats.chi2.ppf((0.025, 0.975), (12, 14)) / 2))
    two = combine("Mat", members[:2]).quantities["who_fibres"]
    assert (two.value, two.low, two.high) == (4.0, *(stats.chi2.ppf((0.025, 0.975), (8, 10)) / 2))


class TestFiles:
    @pytest.fixture(scope="class")
    def made(self):
        members = [member(share, nm=2.0, name=f"{n}.tif") for n, share in enumerate((0.2, 0.3, 0.26))]
        return combine("Steel", members, left_out=[SampleImage.by_user(member(0.9, nm=2.0, name="out.tif"))])

    @pytest.fixture(scope="class")
    def files(self, made, tmp_path_factory):
        return write_all(made, tmp_path_factory.mktemp("files"))

    def test_every_number_of_every_image_is_in_the_tables(self, made, files):
        rows = list(csv.DictReader(io.StringIO(files["images.csv"].read_text())))
        assert [row["image"] for row in rows] == ["0.tif", "1.tif", "2.tif", "out.tif"]
        assert [float(row["area_fraction of carbide"]) for row in rows] == [0.2, 0.3, 0.26, 0.9]
        assert float(rows[0]["mean_intercept_nm of carbide"]) == pytest.approx(np.pi * 0.2 / 0.05, rel=5e-6)
        assert rows[0]["n"] == "" and rows[3]["excluded"] == BY_USER
        book = openpyxl.load_workbook(files["sample.xlsx"])
        heads, *lines = book["Images"].iter_rows(values_only=True)
        assert lines[1][heads.index("Area fraction of carbide (%)")] == 30
        assert "Mean intercept of carbide (nm)" in heads and not any("_" in head for head in heads)
        assert all(any(line[column] is not None for line in lines) for column in range(len(heads)))
        assert [line[heads.index("Remark")] for line in lines] == [None, None, None, BY_USER]
        heads, *lines = book["Phases"].iter_rows(values_only=True)
        assert [line[heads.index("Area fraction (%)")] for line in lines if line[0] == "1.tif"][-1] == 30
        shares = [row[6:8] for row in book["Summary"].iter_rows(min_row=2, max_row=4, values_only=True)]
        assert shares[0] == ("Phase", "Area fraction (%)") and [name for name, _ in shares[1:]] == list(CLASSES)
        assert len(book["Summary"]._charts) == 1
        details = {row[1]: row[2:6] for row in book["Details"].iter_rows(values_only=True)}
        whole = made.quantities["area_fraction of carbide"]
        value, unit, *ends = details["Area fraction of carbide"]
        numbers = [100 * number for number in (whole.value, whole.low, whole.high)]
        assert unit == "%" and [value, *ends] == pytest.approx(numbers, rel=1e-5)

    def test_files_hold_what_the_page_says_of_them(self, made, files):
        csv_begins = files["classes.csv"].read_text().partition("name")[0]
        assert f"# phases: {len(CLASSES)}\n# sample: Steel - 3 of 4 images counted\n" in csv_begins
        listed = {name: export.sample for name, export in exports.by_file_name("sample", made.task).items()}
        assert listed["classes.csv"].startswith("the first numbers, then one row per phase")
        assert not re.search("histogram|uncertainty|recommendation|median|object", " ".join(listed.values()))
        of_grains = " ".join(export.sample for export in exports.by_file_name("sample", tasks.find("grains")).values())
        assert "mean, median, SD" in of_grains and "histogram" in of_grains and "recommendation" not in of_grains
        details = openpyxl.load_workbook(files["sample.xlsx"])["Details"]
        assert "2022/C 229/01" not in [row[0] for row in details.iter_rows(values_only=True)]

    def test_the_result_obeys_its_schema(self, made, files):
        result = json.loads(files["result.json"].read_text())
        jsonschema.validate(result, json.loads(files["result.schema.json"].read_text()))
        assert result["statistics"] is None and len(result["images"]) == 4
        quantities = {row["name"]: row for row in result["quantities"]}
        assert quantities["area_fraction of carbide"]["low"] == made.quantities["area_fraction of carbide"].low
        assert {row["name"] for row in result["images"][0]["quantities"]} == set(quantities)

    def test_the_method_says_what_the_intervals_are(self, made):
        text = methods_paragraph(made)
        assert "jackknife" in text and "ASTM E562" in text and "1 by the user" in text
        assert "The intervals are at 95 %." in text and "other" not in text.lower()
        assert "(mean over the image" in text  # how maps became phases, the same for all

    def test_workbook_and_method_say_what_the_page_says_of_each_interval(self, made, files):
        summary = Summary.of(made)
        lines = openpyxl.load_workbook(files["sample.xlsx"])["Summary"].iter_rows(2, values_only=True)
        notes = {line[0]: line[5] for line in lines if line[3] is not None}
        assert notes == {entry.term: f"interval: {entry.includes}" for entry in summary.main_numbers if entry.includes}
        fraction, *_, path = summary.known_quantities
        assert fraction.includes == "differences between images" and path.includes.startswith("scale and ")
        assert summary.contents_of(summary.leading) in methods_paragraph(made)


@pytest.mark.parametrize(("signed", "values", "low"), [(True, (-1.0, -3.0, -2.0), -4.5), (False, (9.0, 0.0, 0.0), 0.0)])
def test_a_quantity_below_nothing_is_only_what_can_be_negative(monkeypatch, signed, values, low):
    from segmentation.core.measure import quantities

    monkeypatch.setitem(quantities.NUMBERS, "level", Quantity("level", "Level", "A number.", signed=signed))
    fields = [FieldOfView(member(0.2).table, {"level": value}, 1.0) for value in values]
    pooled = pooled_quantities(fields, by_area, "px", 0.0)["level"]
    assert pooled.value == sum(values) / 3 and pooled.low == pytest.approx(low, abs=0.1) and pooled.high > pooled.value


def test_an_image_without_numbers_says_once_why():
    assert reason_and_warning(NO_NUMBER, "No numbers: unusual picture") == ("No numbers: unusual picture", "")
    assert reason_and_warning(NO_NUMBER, "") == (NO_NUMBER, "")
    assert reason_and_warning("Without a scale.", "Two kinds")[1] == "Two kinds"
