"""OpenVINO and torch calculate the same; a model without a graph, or an installation without torch, says what to do."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from segmentation.core import tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.network import cards, runtime
from segmentation.core.network.inference import predict
from segmentation.core.network.runtime import Runtime, load_network
from segmentation.core.pipeline import segment
from tests.core.network.test_inference import tiny_card
from tests.lazy import LazyModule

graph = LazyModule("segmentation.core.network.graph")
ENGINES = [Runtime("cpu", "float32", engine) for engine in ("torch", "openvino")]


def picture(rows: int, columns: int) -> np.ndarray:
    """Noise at several scales, as no two pixels of a micrograph are alike."""
    random = np.random.default_rng(3)
    coarse = np.kron(random.random((rows // 16 + 1, columns // 16 + 1)), np.ones((16, 16)))[:rows, :columns]
    return (0.7 * coarse + 0.3 * random.random((rows, columns))).astype(np.float32)


@pytest.mark.weights
@pytest.mark.parametrize(
    "card",
    [
        pytest.param(card, id=card.name, marks=() if card.name in ("particles", "bubbles") else pytest.mark.slow)
        for card in cards.available(cards.CARDS)
    ],
)
def test_both_engines_give_the_same_maps_of_every_shipped_model(card):
    channels = tasks.find(card.task).channels(card)
    ours, theirs = (
        predict(load_network(card, engine, len(channels)), picture(150, 203), activation=channels.activation)
        for engine in ENGINES
    )
    assert ours.shape == theirs.shape == (len(channels), 150, 203)
    assert np.abs(ours.astype(int) - theirs).max() <= 1, "of 255 levels"
    assert (ours != theirs).mean() < 1e-3


@pytest.mark.weights
def test_both_engines_give_the_same_outlines():
    micrograph = Micrograph(tasks.find("particles").golden().picture, "drawn", "0" * 64, Calibration(5.0, "metadata"))
    ours, theirs = (segment(micrograph, AnalysisSettings.of(), runtime=engine) for engine in ENGINES)
    assert len(ours) == len(theirs) > 0
    overlap = ((ours.labels > 0) & (theirs.labels > 0)).sum()
    assert 2 * overlap / ((ours.labels > 0).sum() + (theirs.labels > 0).sum()) > 0.9999


@pytest.mark.weights
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.engine)
def test_a_network_that_has_given_memory_back_calculates_the_same(engine):
    network = load_network(cards.find("particles"), engine, 2)
    before = predict(network, picture(96, 64))
    runtime.give_memory_back()
    assert np.array_equal(predict(network, picture(96, 64)), before)


def test_the_processor_is_used_by_openvino_without_torch_and_without_telemetry():
    """An analysis in a process of its own, where an import of torch would fail."""
    code = (
        "import sys; sys.modules['torch'] = sys.modules['safetensors'] = None\n"
        "import importlib.util as u; there = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'torch' else there(name, *rest)\n"
        "from segmentation.core import pipeline, tasks\n"
        "from segmentation.core.micrograph.types import Calibration, Micrograph\n"
        "grey = tasks.find('particles').golden().picture\n"
        "made = pipeline.analyse(Micrograph(grey, 'drawn', '0' * 64, Calibration(5.0, 'metadata')),"
        " pipeline.AnalysisSettings.of())\n"
        "assert len(made.segmentation) and 'openvino' in sys.modules\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_model_that_is_published_gets_its_graph(tmp_path):
    card = tiny_card(tmp_path)
    assert Runtime("cpu").engine_for(card) == "torch", "it has none yet"
    card = replace(card, graph=graph.write_graph(card, 2))
    assert Runtime("cpu").engine_for(card) == "openvino" and Runtime("cuda").engine_for(card) == "torch"
    assert cards.graph_of(card).stat().st_size < card.size
    ours, theirs = (predict(load_network(card, engine, 2), picture(96, 64)) for engine in ENGINES)
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_an_altered_graph_is_refused(tmp_path):
    card = tiny_card(tmp_path)
    card = replace(card, graph=graph.write_graph(card, 2))
    file = cards.graph_of(card)
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(cards.AlteredWeights, match="graph of the model tiny was altered"):
        load_network(card, Runtime("cpu"), 2)
    file.unlink()
    with pytest.raises(cards.AlteredWeights, match="graph of the model tiny cannot be read"):
        load_network(card, Runtime("cpu"), 2)


def test_a_network_that_is_calculated_otherwise_gets_no_graph(tmp_path, monkeypatch):
    monkeypatch.setattr("segmentation.core.network.graph.MOST_DIFFERENCE", -1)
    card = tiny_card(tmp_path)
    with pytest.raises(graph.NoGraph, match="tiny runs with torch alone"):
        graph.write_graph(card, 2)
    assert not (tmp_path / "tiny.onnx").exists()


def test_without_torch_a_sentence_says_what_to_do(tmp_path, monkeypatch):
    for module in (cards, runtime):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == "torch" else True)
    runtime.has_gpu.cache_clear()
    card = tiny_card(tmp_path)
    with pytest.raises(cards.TorchMissing, match=r"model tiny, .* without a graph .* needs torch.*`make gpu`"):
        load_network(card, Runtime("cpu"), 2)
    with pytest.raises(cards.TorchMissing, match="The device cuda needs torch"):
        Runtime("cuda").engine_for(card)
    runtime.has_gpu.cache_clear()
