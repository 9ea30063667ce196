"""An analysis without a network, for tests of what happens around one."""

from __future__ import annotations

import sys
from dataclasses import make_dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.flags import Flag
from segmentation.core.labels.segmentation import Provenance, Segmentation
from segmentation.core.measure.shape.shapes import measure
from segmentation.core.micrograph.types import NO_SCALE
from segmentation.core.network.cards import ModelCard

FILES = ("particles.csv", "outlines.json")  # stored with every result
FURTHER = ("figure-small.webp", "figure.png", "report.pdf")
NAMES = (*FILES, "segmentation.npz")

CARD = ModelCard("particles", "Particles", "Finds particles.", "1", {"name": "none"}, "a" * 64, Path("none"))


def outlines(sha256: str = "b" * 64, weights: str = "a" * 64) -> Segmentation:
    labels = np.zeros((48, 64), np.int32)
    labels[12:24, 16:32] = 1
    card = {"name": "particles", "title": "Particles", "version": "1", "sha256": weights}
    return Segmentation(
        labels,
        np.ones(1, np.int32),
        np.zeros(1, np.int32),
        ("particle",),
        np.ones(1, np.float32),
        48,
        Provenance(sha256, "particles", AnalysisSettings.of().segmentation.model_dump(), card),
        {"polarity": "bright", "scale": 1.0, "threshold": 0.5},
    )


def analysis(micrograph, recipe, segmentation):
    """What the worker reads of an Analysis; one number is not finite, as JSON must survive that."""
    numbers = {"n_kept": 1, "median": np.float64(12.5), "sd": float("nan")}
    sizes = {"size": "min_feret", "unit": "px", "edge": "exclude", "counted": "seen", "pieces": {}}
    statistics = SimpleNamespace(as_dict=lambda: numbers, budget=None, **sizes)
    fields = {
        "micrograph": micrograph,
        "settings": recipe,
        "calibration": recipe.measurement.calibration or micrograph.calibration,
        "segmentation": segmentation,
        "table": measure(segmentation.labels, micrograph.pixels, segmentation.confidence, None, 48),
        "refused": False,
        "statistics": statistics,
        "quantities": {},
        "timings": {"network": 0.1},
        "flags": (Flag(NO_SCALE),),
        "method": None,
    }
    return make_dataclass("Analysis", fields)(**fields)


def segment(micrograph, recipe, progress, *, runtime=None, clock=None, show=None):
    progress("segmenting", 0.2)
    made = outlines(micrograph.sha256)
    if show:
        show(made.labels[::2, ::2], made.confidence)
    return made


def measure_again(micrograph, segmentation, recipe, progress=lambda *arguments: None, *, clock=None):
    progress("measuring", 0.7)
    return analysis(micrograph, recipe, segmentation)


def write_all(
    outcome, folder: Path, *, progress=None, stored_only=False, added_names=(), existing_names=(), **more
) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    names = (*FILES, *(name for name in FURTHER if name in added_names or not stored_only))
    for number, name in enumerate(names):
        progress("drawing the figure", number / len(names))
        if name not in existing_names:
            (folder / name).write_bytes(b"content of " + name.encode())
    return {name: folder / name for name in names}


def modules() -> dict[str, ModuleType]:
    """Stand-ins for the pipeline and the report room, by module name."""
    pipeline, report = ModuleType("segmentation.core.pipeline"), ModuleType("segmentation.core.report.files")
    pipeline.segment, pipeline.measure, pipeline.Clock = segment, measure_again, SimpleNamespace
    pipeline.measure_objects, pipeline.with_arrangement = measure_again, lambda analysis, clock: analysis
    report.write_all = write_all
    return {module.__name__: module for module in (pipeline, report)}


def install(put=sys.modules.__setitem__, put_attribute=setattr) -> dict[str, ModuleType]:
    """Put the stand-ins where imports find them."""
    made = modules()
    for name, module in made.items():
        put(name, module)
        room, _, attribute = name.rpartition(".")
        put_attribute(import_module(room), attribute, module)
    return made
