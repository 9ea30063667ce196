"""Images analysed by the description of a method, from the shell."""

from __future__ import annotations

import json

import pytest

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.calibration.sources import Source
from segmentation.core.network import cards
from segmentation.core.quality.method import MethodDescription
from segmentation.core.quality.method_file import ALTERED, FORMAT, NO_METHOD, WrittenMethod
from tests.cli.test_analyse import SAMPLE
from tests.shell import manage


@pytest.fixture
def written():
    settings = AnalysisSettings.of(threshold=0.4, border_correction="weight")
    weights = cards.find("particles").sha256
    said = MethodDescription.of_result(settings, weights, Source.METADATA)
    return WrittenMethod("Powder", 2, "approved", said.as_dict(), said.checksum)


def write(folder, data):
    file = folder / "powder.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    return file


def test_its_settings_hold_and_the_result_names_it(tmp_path, written, no_text, one_core):
    file, out = write(tmp_path, written.as_dict()), tmp_path / "out"
    done = manage("analyse", SAMPLE, "--out", out, "--files", "result.json", "--method", file, "--threshold", "0.5")
    assert done.returncode == 0, done.stderr
    result = json.loads((out / "sem-sample" / "result.json").read_text())
    assert (result["settings"]["threshold"], result["settings"]["border_correction"]) == (0.5, "weight")
    method = result["method"]
    assert (method["name"], method["version"], method["state"]) == ("Powder", 2, "approved")
    assert len(method["departures"]) == 1 and "0.5; the method asks for 0.4" in method["departures"][0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": "other"}, NO_METHOD),
        ({"state": "accredited"}, ALTERED),
        ({"checksum": "0" * 64}, ALTERED),
        ({"version": "2"}, NO_METHOD),
        ({"description": []}, NO_METHOD),
    ],
)
def test_a_file_that_was_altered_is_refused(tmp_path, written, change, sentence):
    file = write(tmp_path, {**written.as_dict(), **change})
    with pytest.raises(ValueError, match=sentence.format(name="powder.json").split(":")[0]):
        WrittenMethod.of_file(file)


def test_what_is_read_is_what_was_written(tmp_path, written):
    assert WrittenMethod.of_file(write(tmp_path, written.as_dict())) == written
    assert written.as_dict()["format"] == FORMAT


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', "\x00"])
def test_a_file_that_is_none_ends_the_command_with_a_sentence(tmp_path, text):
    done = manage("analyse", SAMPLE, "--out", tmp_path / "out", "--method", write(tmp_path, text))
    assert done.returncode == 2 and "powder.json is no description of a method" in done.stderr
    gone = manage("analyse", SAMPLE, "--out", tmp_path / "out", "--method", tmp_path / "gone.json")
    assert gone.returncode == 2 and "--method: There is no such file." in gone.stderr
