"""A model as a package of the BioImage Model Zoo: its description is valid, another engine gives its test output, and
`models add` takes it back."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from scipy.special import expit, softmax

from segmentation.core.archive import write_zip
from segmentation.core.network import cards
from segmentation.core.network.package import BadPackage, package_files, unpack
from segmentation.core.tasks import find
from tests.web.archive import zipped

RELEASED = [card.name for card in cards.available()]


def packed(name):
    card = cards.find(name)
    channels = find(card.task).channels(card)
    return card, dict(package_files(card, channels.names, channels.activation))


@pytest.mark.parametrize("name", RELEASED)
def test_onnx_runtime_gives_the_test_output(name, tmp_path):
    card, files = packed(name)
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    session = onnxruntime.InferenceSession(tmp_path / f"{name}.onnx")
    picture, expected = np.load(tmp_path / "test_input.npy"), np.load(tmp_path / "test_output.npy")
    (logits,) = session.run(None, {"picture": picture.astype(np.float32) * np.float32(2 / 255) - 1})
    is_softmax = find(card.task).channels(card).activation == "softmax"
    assert expected.std() > 0.01
    assert np.abs((softmax(logits, axis=1) if is_softmax else expit(logits)) - expected).max() < 2e-3


@pytest.mark.parametrize("name", ["particles", "superalloy"])
def test_the_description_is_valid(name, tmp_path):
    import bioimageio.spec  # takes three seconds, which every process that collects tests would spend

    _, files = packed(name)
    write_zip(tmp_path / "model.zip", files.items())
    description = bioimageio.spec.load_description(tmp_path / "model.zip", format_version="latest")
    summary = description.validation_summary
    assert summary.status != "failed", [error for detail in summary.details for error in detail.errors]
    assert description.inputs[0].axes[1].channel_names == ["grey"]


def test_a_package_becomes_the_same_model_again(tmp_path):
    card, files = packed("particles")
    write_zip(tmp_path / "model.zip", files.items())
    unpacked = cards.read_card(unpack(tmp_path / "model.zip", tmp_path))
    cards.check_weights(unpacked)
    assert unpacked.entries() == card.entries()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cannot be read as a ZIP file"),
        (b"PK\x03\x04 nonsense", "cannot be read as a ZIP file"),
        (zipped({"rdf.yaml": "{}"}), "no package that DeepSegm wrote"),
        (zipped({"card.toml": "", "../x-weight.data": ""}), "no package that DeepSegm wrote"),
        (zipped({"card.toml": "", "a-weight.data": "", "b-weight.data": ""}), "no package that DeepSegm wrote"),
    ],
)
def test_other_files_are_refused(content, sentence, tmp_path):
    (tmp_path / "model.zip").write_bytes(content)
    with pytest.raises(BadPackage, match=sentence):
        unpack(tmp_path / "model.zip", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.zip"]
