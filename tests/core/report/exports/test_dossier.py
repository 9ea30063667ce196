"""Files for regulators and notebooks, read by pyambit and rocrate, and the version in every file."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from pyambit.datamodel import Substances
from rocrate.rocrate import ROCrate

from segmentation import __version__
from segmentation.core.combine import combine
from segmentation.core.measure.quantities import Value
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report import exports
from segmentation.core.report.documents.endpoint import record
from segmentation.core.report.documents.guideline import NONE_COUNTED, form_of
from segmentation.core.report.exports import content_type_of, notebook, workbooks
from segmentation.core.report.exports.result import json_value
from segmentation.core.report.figures import figure
from segmentation.core.report.files import write_all
from segmentation.core.report.filing import UNFILED, Filing
from segmentation.core.report.signatures import PrintedSignature
from segmentation.core.report.summary import Summary
from segmentation.core.report.wording import BIBTEX, CITATION, decided_words
from segmentation.core.sample import Member, SampleAnalysis
from segmentation.core.tasks import find
from segmentation.core.typed import read_settings
from tests.core.builders import make_analysis, refound, renamed
from tests.core.tasks.test_fibres import analysed, bars

pytestmark = pytest.mark.usefixtures("coarse")
WRITE = figure.write
ROOT = Path(__file__).resolve().parents[4]
FILING = Filing(datetime(2026, 11, 25, 12, 0, tzinfo=UTC), "https://deepsegm.example/jobs/1", "TiO2, lot 7")
TYPED = {
    "laboratory": "Laboratory <1>, Musterstadt",
    "operator": "A. Muster",
    "orcid": "0000-0002-1825-0097",
    "licence": "CC-BY-4.0",
    "material": "Titanium dioxide, batch 7",
    "microscope": "Talos F200, TEM",
    "deviations": "none",
}


def typed(analysis, **texts):
    """The same analysis by a laboratory that typed these texts."""
    measurement = analysis.settings.measurement.replaced(**(texts or TYPED))
    return replace(analysis, settings=replace(analysis.settings, measurement=measurement))


def entries(sample, filing=FILING, signatures=()):
    return {item.title: item for _, items in form_of(sample, filing, signatures) for item in items}


def written(made, folder):
    """All files to take away, with whole figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure, "write", WRITE)
        return write_all(made, folder, for_the_page=False, filing=FILING)


@pytest.fixture(scope="module")
def analysis():
    return typed(make_analysis(60, (240, 300), filter=True))


@pytest.fixture(scope="module")
def files(analysis, tmp_path_factory):
    return written(analysis, tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def pooled(analysis, tmp_path_factory):
    sample = combine("lot 7", [Member.of(analysis), Member.of(renamed(analysis, "b.tif"))])
    return written(sample, tmp_path_factory.mktemp("pooled"))


class TestForm:
    def test_each_entry_has_a_value_or_is_the_laboratorys_to_give(self, analysis):
        for sample in (
            SampleAnalysis.of(analysis),
            SampleAnalysis.of(make_analysis(0)),
            SampleAnalysis.of(make_analysis(1, (24, 32))),
            SampleAnalysis.of(make_analysis(9, calibration=Calibration.absent())),
            combine("lot", [Member.of(analysis), Member.of(renamed(analysis, "b.tif"))]),
        ):
            for item in entries(sample, UNFILED).values():
                assert item.value or item.source == "laboratory" or item.title == "Images analysed", item

    def test_what_the_laboratory_typed_is_in_it_and_what_it_did_not_is_null(self, files):
        form = json.loads(files["oecd-tg125.json"].read_text())
        answers = {entry["title"]: entry for part in form["sections"] for entry in part["entries"]}
        assert answers["Laboratory"]["value"] == TYPED["laboratory"]
        assert answers["Operator"]["value"] == "A. Muster, ORCID 0000-0002-1825-0097"
        assert answers["Deviations"]["value"] == "none"
        missing = form["to_be_given_by_the_laboratory"]
        assert missing == [title for title, entry in answers.items() if entry["value"] is None]
        assert {"Preparation", "Statement of the method and of its compliance", "Signature"} <= set(missing)
        assert "fills in by hand" in form["note"] and form["cite"] == CITATION

    def test_its_numbers_are_those_of_the_result(self, analysis):
        answers, statistics = entries(SampleAnalysis.of(analysis)), analysis.statistics
        assert answers["Particles counted"].value.startswith(f"{statistics.n_kept}; {statistics.n_set_aside} left out")
        for name, title in (("d10", "D10"), ("median", "D50"), ("d90", "D90")):
            low, high = statistics.intervals[name] or ("", "")
            number, unit = answers[f"{title} (95 % interval)"].value.split()[:2]
            assert float(number) == pytest.approx(getattr(statistics, name), rel=0.01) and unit == "nm"
            assert not low or low < float(number) < high
        page = {entry.name: entry for entry in Summary.of(SampleAnalysis.of(analysis)).headlines}
        assert answers["D50 (95 % interval)"].value == page["median"].words and page["median"].total
        assert answers["Fraction from 1 to 100 nm"].value.startswith(page["fraction_100nm"].words)
        assert answers["Median: uncertainty"].value == statistics.budget["median"]["sentence"]
        assert decided_words(statistics.nano).removeprefix("l") in answers["Screening after 2022/C 229/01"].value

    def test_a_certificate_and_a_signature_are_no_longer_to_be_given(self, analysis):
        title = "Uncertainty (95 %) of the magnification and its certificate"
        before = entries(SampleAnalysis.of(analysis))
        calibration = Calibration(7.34375, "metadata", "", 0.001, 0.004, "grating 1234")
        signed = [
            PrintedSignature("reviewed", "B. Beispiel", "bb", "2026-11-25 13:00 UTC", (("result.json", "ab" * 32),))
        ]
        after = entries(SampleAnalysis.of(make_analysis(20, calibration=calibration)), FILING, signed)
        assert (before[title].value, before["Signature"].value) == ("", "")
        assert after[title].value == "± 0.78 % (grating 1234)" and "B. Beispiel" in after["Signature"].value

    def test_without_particles_no_number_is_made_up(self):
        answers = entries(SampleAnalysis.of(make_analysis(0)))
        assert answers["D50 (95 % interval)"].value == NONE_COUNTED
        assert "Fraction from 1 to 100 nm" not in answers

    def test_different_images_are_listed(self, analysis):
        def dated(day, name):
            other = renamed(analysis, name)
            facts = {**other.micrograph.metadata, "date": f"2026-01-{day:02d}"}
            return Member.of(replace(other, micrograph=replace(other.micrograph, metadata=facts)))

        few = combine("lot", [dated(day, f"{day}.tif") for day in (1, 2)])
        many = combine("lot", [dated(day, f"{day}.tif") for day in range(1, 9)])
        assert entries(few)["Images acquired"].value == "2026-01-01; 2026-01-02"
        assert entries(many)["Images acquired"].value.startswith("not the same for all images")


class TestEndpointRecord:
    def test_pyambit_reads_it_and_writes_the_same_again(self, files):
        written = json.loads(files["endpoint-record.json"].read_text())
        read = Substances(**written)
        assert Substances(**json.loads(json.dumps(read.model_dump()))).substance == read.substance
        (study,) = read.substance[0].study
        assert study.protocol.category.code == "PC_GRANULOMETRY_SECTION" and study.citation.year == 2026
        assert read.substance[0].name == TYPED["material"] and study.owner.company.name == TYPED["laboratory"]
        assert study.parameters["SOFTWARE"] == f"DeepSegm {__version__}"

    def test_the_numbers_are_those_of_result_json(self, files):
        (study,) = Substances(**json.loads(files["endpoint-record.json"].read_text())).substance[0].study
        statistics = json.loads(files["result.json"].read_text())["statistics"]
        effects = {entry.endpoint: entry for entry in study.effects}
        for name in ("d10", "d50", "d90", "mean", "sd"):
            effect = effects[f"PARTICLE SIZE.{name.upper()}"]
            assert effect.result.loValue == statistics[name] and effect.result.unit == "nm"
            ends = effect.conditions.get("INTERVAL_95")
            of_page = statistics["budget"]["median"]["ends"] if name == "d50" else statistics["intervals"][name]
            assert (ends and [ends.loValue, ends.upValue]) == of_page
        share = effects["FRACTION FROM 1 TO 100 NM"]
        assert share.result.loValue == pytest.approx(100 * statistics["fraction_100nm"]) and share.result.unit == "%"
        ends = share.conditions["INTERVAL_95"]
        total = [100 * end for end in statistics["budget"]["fraction_100nm"]["ends"]]
        assert [ends.loValue, ends.upValue] == pytest.approx(total)
        assert {effect.result.errorValue for effect in study.effects} == {None}, "ends are seldom as far away"
        assert study.parameters["PARTICLES_COUNTED"].loValue == statistics["n_kept"]
        assert study.interpretationResult == decided_words(statistics["nano"])

    @pytest.mark.parametrize("count", [0, 1, 9])
    def test_of_few_particles_and_of_pixels(self, count):
        sample = SampleAnalysis.of(make_analysis(count, calibration=Calibration.absent()))
        (study,) = Substances(**json_value(record(sample, UNFILED))).substance[0].study
        assert {effect.result.unit for effect in study.effects} <= {"px"} and bool(study.effects) == bool(count)
        assert study.interpretationResult == "" and "PIXEL_SIZE" not in study.parameters

    def test_corrections_and_settings_make_another_study_of_the_same_substance(self, analysis):
        others = [refound(analysis, corrected=3), typed(analysis, repeatability=10.0), analysis]
        substances = [record(SampleAnalysis.of(variant), UNFILED)["substance"][0] for variant in others]
        assert len({substance["i5uuid"] for substance in substances}) == 1
        assert len({substance["study"][0]["uuid"] for substance in substances}) == 3

    def test_the_same_images_have_the_same_identifiers(self, analysis):
        study, other = (
            record(SampleAnalysis.of(variant), UNFILED) for variant in (analysis, renamed(analysis, "b.tif"))
        )
        assert study == record(SampleAnalysis.of(analysis), UNFILED)
        assert study["substance"][0]["i5uuid"] != other["substance"][0]["i5uuid"]


def crate_of(file, folder):
    """The notebook entry unpacked, as rocrate reads it, and its graph by id."""
    with zipfile.ZipFile(file) as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"notebook"}
        archive.extractall(folder)
    read = json.loads((folder / "notebook" / "ro-crate-metadata.json").read_text())
    assert read["@context"] == "https://w3id.org/ro/crate/1.1/context"
    counts = Counter(node["@id"] for node in read["@graph"])
    assert set(counts.values()) == {1}
    return ROCrate(folder / "notebook"), {node["@id"]: node for node in read["@graph"]}


def entry(analysis, folder, filing=FILING):
    """The notebook entry of an analysis, with the files that are stored with every result."""
    return write_all(analysis, folder, stored_only=True, added_names={"notebook.eln"}, filing=filing)["notebook.eln"]


class TestNotebookEntry:
    def test_rocrate_reads_it_and_every_checksum_is_right(self, files, tmp_path):
        crate, graph = crate_of(files["notebook.eln"], tmp_path)
        assert crate.root_dataset.get("license").id == "https://spdx.org/licenses/CC-BY-4.0"
        parts = [piece["@id"] for piece in graph["./result/"]["hasPart"]]
        assert {"./result/result.json", "./result/oecd-tg125.json", "./result/report-annex.pdf"} <= set(parts)
        on_disk = {f"./result/{path.name}" for path in (tmp_path / "notebook" / "result").iterdir()}
        assert set(parts) == on_disk
        for part in parts:
            node, content = graph[part], (tmp_path / "notebook" / part).read_bytes()
            assert node["@type"] == "File" and node["contentSize"] == str(len(content))
            assert node["sha256"] == hashlib.sha256(content).hexdigest()
            assert content == files[node["name"]].read_bytes() and node["encodingFormat"] and node["description"]

    def test_the_image_is_in_it_as_it_was_uploaded(self, analysis, tmp_path, monkeypatch):
        image = tmp_path / "Name with ü.TIF"
        image.write_bytes(b"as uploaded")
        crate, graph = crate_of(entry(analysis, tmp_path / "out", FILING._replace(image=image)), tmp_path / "entry")
        node, sha256 = graph["./result/micrograph.tif"], hashlib.sha256(image.read_bytes()).hexdigest()
        assert {"@id": node["@id"]} in graph["./result/"]["hasPart"]
        assert (node["name"], node["sha256"], node["contentSize"]) == (analysis.micrograph.name, sha256, "11")
        assert (tmp_path / "entry" / "notebook" / crate.get(node["@id"]).id).read_bytes() == image.read_bytes()
        monkeypatch.setattr(notebook, "MOST_BYTES", 10)
        few = entry(analysis, tmp_path / "few", FILING._replace(image=image))
        assert "./result/micrograph.tif" not in crate_of(few, tmp_path / "without")[1]

    def test_it_obeys_the_rules_of_the_consortium(self, files, tmp_path):
        """SPECIFICATION.md and the checks of TheELNConsortium/TheELNFileFormat, September 2026."""
        _, graph = crate_of(files["notebook.eln"], tmp_path)
        about = graph["ro-crate-metadata.json"]
        assert about["version"] and graph[about["sdPublisher"]["@id"]]["@type"] == "Organization"
        assert graph["./"]["hasPart"] == [{"@id": "./result/"}] and graph["./result/"]["name"]
        for node in graph.values():
            assert all(str(value).strip() and value not in ({}, []) for value in node.values()), node
            for value in node.values():
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, dict):  # nothing is nested, and what is named is there
                        assert set(item) == {"@id"} and (item["@id"] in graph or "w3id.org" in item["@id"])
        entry = graph["./result/"]
        assert isinstance(entry["keywords"], str) and isinstance(entry["identifier"], str)
        assert "&lt;" not in entry["text"] and "<p>Cite: DeepSegm" in entry["text"]

    def test_author_laboratory_microscope_and_numbers(self, files, analysis, tmp_path):
        _, graph = crate_of(files["notebook.eln"], tmp_path)
        person = graph[graph["./result/"]["author"]["@id"]]
        assert person["@id"] == "https://orcid.org/0000-0002-1825-0097" and person["name"] == "A. Muster"
        assert graph[person["affiliation"]["@id"]]["name"] == TYPED["laboratory"]
        assert graph["#microscope"]["name"] == TYPED["microscope"]
        median = graph["#number-median"]
        assert [median["minValue"], median["maxValue"]] == analysis.statistics.budget["median"]["ends"]
        assert median["value"] == analysis.statistics.median
        assert Summary.of(SampleAnalysis.of(analysis)).headlines[0].words in graph["./result/"]["text"]
        assert graph["./"]["datePublished"] == "2026-11-25T12:00:00+00:00"
        assert graph["#image-1"]["description"].endswith(analysis.micrograph.sha256)

    def test_without_a_word_of_the_laboratory(self, tmp_path):
        """Nobody is made up, and no licence."""
        made = renamed(make_analysis(3, (60, 80)), "a<b>\udcff&.tif")
        crate, graph = crate_of(entry(made, tmp_path / "out"), tmp_path / "entry")
        assert "author" not in graph["./result/"] and "ask the laboratory" in graph["#licence"]["description"]
        assert "<b>" not in graph["./result/"]["text"] and crate.root_dataset["name"]

    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("MIT", "https://spdx.org/licenses/MIT"),
            ("https://example.org/l", "https://example.org/l"),
            ("only inside the institute", "#licence"),
        ],
    )
    def test_licences(self, text, address):
        node = notebook.licence_of(text)
        assert (node["@id"], node["name"]) == (address, text)

    def test_numbers_of_other_kinds(self, tmp_path):
        """Which numpy may have made, and which may be undefined."""
        made = find("grains").golden().answers
        numbers = {name: Value(np.float64(value), unit="nm") for name, value in made.items()}
        numbers |= {"grain_count": Value(np.int64(3)), "astm_number": Value(float("nan"))}
        analysis = replace(make_analysis(3, (60, 80)), quantities=numbers)
        _, graph = crate_of(entry(analysis, tmp_path / "out"), tmp_path / "entry")
        assert graph["#number-grain_count"]["value"] == 3 and "value" not in graph.get("#number-astm_number", {})
        assert all(graph[f"#number-{name}"]["value"] == value for name, value in made.items())

    def test_of_a_sample(self, pooled, tmp_path):
        _, graph = crate_of(pooled["notebook.eln"], tmp_path)
        assert "./result/images.csv" in graph and {"#image-1", "#image-2"} <= set(graph)
        (study,) = Substances(**json.loads(pooled["endpoint-record.json"].read_text())).substance[0].study
        assert study.parameters["IMAGES"].loValue == 2


@pytest.mark.parametrize("count", [20, 60])
def test_the_workbook_says_the_verdict_in_words_and_what_would_decide_it(count, tmp_path):
    made = make_analysis(count, (240, 300))
    workbooks.write_xlsx(SampleAnalysis.of(made), tmp_path / "particles.xlsx")
    book, nano = openpyxl.load_workbook(tmp_path / "particles.xlsx"), made.statistics.nano
    first = {line[0]: line[1] for line in book["Summary"].iter_rows(values_only=True)}
    assert first.get("What would decide it") == (nano["decides"] or None)
    details = {line[1]: line[2] for line in book["Details"].iter_rows(values_only=True) if line[0] == "2022/C 229/01"}
    assert details["verdict"] == {"below": "probably below", "undecided": "undecided"}[nano["verdict"]]
    assert bool(nano["decides"]) == (count == 20)


def said_by(path: Path) -> bytes:
    """All that a file says, also within archives."""
    content = path.read_bytes()
    if path.suffix in (".xlsx", ".zip", ".eln"):
        with zipfile.ZipFile(path) as archive:
            content = archive.comment + b"".join(map(archive.read, archive.namelist()))
    return content


@pytest.mark.parametrize("of", ["files", "pooled"])
def test_every_file_names_the_version(of, request):
    written = request.getfixturevalue(of)
    words = re.compile(rb"DeepSegm " + re.escape(__version__.encode()) + rb'|"deepsegm": "' + __version__.encode())
    silent = {name for name, path in written.items() if not words.search(said_by(path))}
    assert silent == {"result.schema.json"}


@pytest.fixture(scope="module")
def fibres():
    """Nine fibres at 500 nm a pixel, of which eight have both ends in view."""
    labels = bars(*((4 + 16 * k, 8 + 16 * k + k % 3, 10, 60 + 10 * k) for k in range(8)), (150, 160, 0, 220))
    return typed(analysed(labels, nm_per_pixel=500.0))


class TestFibres:
    """TG 125 asks for diameter and length of each fibre."""

    def test_the_form_has_diameters_and_lengths(self, fibres):
        answers = entries(SampleAnalysis.of(fibres))
        assert answers["Fibres counted"].value == "9; 0 left out"
        assert answers["Particles spherical, or fibres (the guideline has methods for these)"].value == "Fibres"
        assert float(answers["D50 (95 % interval)"].value.split()[0]) == pytest.approx(
            fibres.statistics.median / 1000, rel=0.01
        )
        numbers = {entry.name: entry for entry in Summary.of(SampleAnalysis.of(fibres)).quantities}
        assert answers["Mean length (95 % interval)"].value == numbers["fibre_length_mean"].words
        assert answers["WHO fibres (95 % interval)"].value == numbers["who_fibres"].words != "0"
        assert fibres.quantities["who_fibres"].value > 0
        assert answers["Fibres with both ends in view"].value == "8"
        assert "objects.csv" in answers["Also measured"].value and "Fibre length" in answers["Also measured"].value
        assert not any("nano" in title or "1 to 100 nm" in title for title in answers)
        assert all(item.value or item.source == "laboratory" for item in answers.values())

    def test_without_scale_and_without_lengths_nothing_is_made_up(self):
        answers = entries(SampleAnalysis.of(analysed(bars((20, 30, 0, 220), (60, 70, 0, 220)), nm_per_pixel=None)))
        assert answers["WHO fibres"].value == answers["Mean length"].value == "not known: see the warnings"
        assert answers["Median: uncertainty"].value == "not known: there is no budget for fibres"

    def test_pyambit_reads_the_record_and_writes_the_same_again(self, fibres):
        read = Substances(**json.loads(json.dumps(json_value(record(SampleAnalysis.of(fibres), FILING)))))
        assert Substances(**json.loads(json.dumps(read.model_dump()))).substance == read.substance
        (study,) = read.substance[0].study
        effects = {entry.endpoint: entry for entry in study.effects}
        assert effects["PARTICLE SIZE.D50"].result.loValue == fibres.statistics.median
        for endpoint, name in (("MEAN LENGTH", "fibre_length_mean"), ("WHO FIBRES", "who_fibres")):
            number, effect = fibres.quantities[name], effects[endpoint]
            ends = effect.conditions["INTERVAL_95"]
            assert (effect.result.loValue, ends.loValue, ends.upValue) == (number.value, number.low, number.high)
        assert effects["MEAN LENGTH"].result.unit == "nm" and "FRACTION FROM 1 TO 100 NM" not in effects
        assert study.parameters["FIBRES_COUNTED"].loValue == 9 and study.interpretationResult == ""

    def test_several_images_are_one_study(self, fibres):
        sample = combine("lot", [Member.of(fibres), Member.of(renamed(fibres, "b.tif"))])
        answers = entries(sample)
        assert (
            answers["Fibres counted"].value == "18; 0 left out"
            and "µm (" in answers["Mean length (95 % interval)"].value
        )
        (study,) = Substances(**json_value(record(sample, FILING))).substance[0].study
        assert {"PARTICLE SIZE.MEAN", "WHO FIBRES"} <= {effect.endpoint for effect in study.effects}


def test_only_particles_and_fibres_have_a_dossier():
    for name in ("oecd-tg125.json", "endpoint-record.json"):
        assert all(name in exports.by_file_name("image", find(kind)) for kind in ("particles", "fibres"))
        assert name not in exports.by_file_name("image", find("grains"))
    assert "notebook.eln" in exports.by_file_name("sample", find("grains"))
    assert content_type_of("notebook.eln") == "application/vnd.eln+zip"


def test_what_programs_cite_has_the_version_of_the_software():
    codemeta = json.loads((ROOT / "codemeta.json").read_text())
    citation = (ROOT / "CITATION.cff").read_text()
    assert codemeta["version"] == __version__ and f"version: {__version__}\n" in citation
    assert codemeta["description"] in citation and f"version = {{{__version__}}}" in BIBTEX


@pytest.mark.parametrize("text", ["", "0000-0002-1694-233X", "https://orcid.org/0000-0002-1825-0097"])
def test_an_orcid_is_taken_with_or_without_its_address(text):
    assert read_settings(find("particles"), {"orcid": text}).measurement.orcid == text.rpartition("/")[2]


@pytest.mark.parametrize("text", ["0000-0002-1825-0098", "0000000218250097", "A. Muster", "٠000-0002-1825-0097"])
def test_a_wrong_orcid_is_a_sentence(text):
    with pytest.raises(
        ValueError, match="“ORCID” is an ORCID iD with its check digit, such as 0000-0002-1825-0097, not"
    ):
        read_settings(find("particles"), {"orcid": text})
