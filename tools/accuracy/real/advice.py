"""Counts which other kinds of analysis are advised if an image is analysed as particles: python -m
tools.accuracy advice

The images are up to MOST micrographs of each kind in ../shared/data (held-out images of EMPS; the models of other kinds
were trained on their images), and mats of fibres by two renderers, with seeds that no training has used. The table
shows how many images are refused or doubtful, so that other ways are tried, and whether the first proposed way is
of the kind of the image, of particles, or of another kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from segmentation.core import tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.particles.options import EVEN_PROBABILITY, LEAST_EXPECTED
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Micrograph
from segmentation.core.network import cards
from segmentation.core.pipeline import analyse
from segmentation.core.stages.proposing import Part, try_way, ways
from segmentation.lab.training.data import held_out_pairs
from segmentation.lab.training.settings import read_recipe
from segmentation.lab.training.settings.recipe import RECIPES
from segmentation.lab.training.synthesis.render import random_rendering
from tests.core.builders import micrograph_of
from tests.fibre_mats import mat
from tools.accuracy.drawn.fibres import PLAIN, SHAPE

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data"
FOLDERS = {  # task: folders of its micrographs
    "grains": ["defects/grain-boundaries/images"],
    "bubbles": ["defects/helium-bubbles/images"],
    "phases": ["phases/uhcs-steel/images", "phases/superalloy/images"],
    "layers": ["phases/coatings/images"],
}
MOST = 12  # micrographs of a kind
FIBRE_DIAMETERS_PX = 8, 12, 20, 30


def _images() -> Iterator[tuple[str, Micrograph]]:
    held = [pair.image for pair in held_out_pairs(read_recipe(RECIPES / "particles.toml"), ROOT)]
    yield from (("particles", read(image)) for image in held[::2])
    for task, folders in FOLDERS.items():
        files = [file for folder in folders for file in sorted((DATA / folder).iterdir())]
        yield from ((task, read(file)) for file in files[:: max(1, len(files) // MOST)][:MOST])
    yield from (("fibres", image) for image in mats())


def mats() -> Iterator[Micrograph]:
    """Two mats of each diameter by each renderer, a bright and a dark one."""
    for diameter in FIBRE_DIAMETERS_PX:
        for seed, kind in enumerate(("sem", "transmission")):
            drawn = mat(SHAPE, diameter, 0.25, np.random.default_rng((53, seed)), dark=seed == 1)
            fixed = {"family": "fibre", "kind": kind, "diameter": float(diameter), "cover": 0.25, **PLAIN}
            rendered = random_rendering(SHAPE, np.random.default_rng((5353, seed)), fixed)
            yield from (micrograph_of(drawn.grey), micrograph_of(rendered.grey))


def first_way(micrograph: Micrograph) -> str | None:
    """The task of the first way that the page shows; "none" if it shows no way; None if it does not try other ways."""
    requested = AnalysisSettings.of("particles")
    analysis = analyse(micrograph, requested)
    used, counted = analysis.segmentation.used, int(analysis.table.kept.sum())
    is_other = used.get("resembles", {}).get("recognised", False)
    if counted and not analysis.refused and not is_other and used.get("expected", 1.0) >= LEAST_EXPECTED:
        return None
    part, model = Part.of(micrograph, requested), analysis.segmentation.provenance.card["name"]
    least = EVEN_PROBABILITY if analysis.refused else max(EVEN_PROBABILITY, used.get("expected", 0.0))
    for way in ways(part, requested, used, model, cards.available(), refused=analysis.refused):
        card = cards.find(way.settings["model"])
        if try_way(part, requested, way, card, least=least) is not None:
            return card.task
    return "none"


def lines() -> Iterator[str]:
    """A row for each kind of image."""
    rows: dict[str, Counter[str]] = {}
    for task, micrograph in _images():
        row, first = rows.setdefault(task, Counter()), first_way(micrograph)
        row.update(["images", *(["doubtful", first] if first else [])])
        row["own"] += first == task
    yield "| images of | images | refused or doubtful | first way: their kind | particles | another kind | none |"
    yield "|---|---|---|---|---|---|---|"
    for task, row in rows.items():
        elsewhere = row["doubtful"] - row["own"] - row["none"] - (row["particles"] if task != "particles" else 0)
        particles = row["particles"] if task != "particles" else 0
        cells = row["images"], row["doubtful"], row["own"], particles, elsewhere, row["none"]
        yield f"| {tasks.find(task).title.lower()} | {' | '.join(map(str, cells))} |"
