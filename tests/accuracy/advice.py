"""What other kinds of analysis are advised where an image is analysed as particles: python -m tests.accuracy advice

Of the micrographs in ../shared/data (held-out ones of EMPS; the models of other kinds were trained on theirs), up to
MOST of a kind: how many are refused or doubtful, so that other ways are looked at, and whether the first way shown is
of the image's own kind, another setting of particles, or of another kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from segmentation.core import tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.labels.options import EVEN, MOSTLY
from segmentation.core.micrograph.reader import read
from segmentation.core.network import cards
from segmentation.core.pipeline import analyse
from segmentation.core.proposing import Part, look, ways
from segmentation.lab.training.data import held_out_pairs
from segmentation.lab.training.settings import read_recipe
from segmentation.lab.training.settings.recipe import RECIPES

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
FOLDERS = {  # task: folders of its micrographs
    "grains": ["defects/grain-boundaries/images"],
    "bubbles": ["defects/helium-bubbles/images"],
    "phases": ["phases/uhcs-steel/images", "phases/superalloy/images"],
    "layers": ["phases/coatings/images"],
}
MOST = 12


def _images() -> Iterator[tuple[str, Path]]:
    held = [pair.image for pair in held_out_pairs(read_recipe(RECIPES / "particles.toml"), ROOT)]
    yield from (("particles", image) for image in held[::2])
    for task, folders in FOLDERS.items():
        files = [file for folder in folders for file in sorted((DATA / folder).iterdir())]
        yield from ((task, file) for file in files[:: max(1, len(files) // MOST)][:MOST])


def _first_way(file: Path) -> str | None:
    """The task of the first way that is shown, "none" where nothing sure is; None where the page does not look."""
    requested = AnalysisSettings.of("particles")
    micrograph = read(file)
    analysis = analyse(micrograph, requested)
    used, counted = analysis.segmentation.used, int(analysis.table.kept.sum())
    if counted and not analysis.refused and used.get("expected", 1.0) >= MOSTLY:
        return None
    part, model = Part.of(micrograph, requested), analysis.segmentation.provenance.card["name"]
    least = EVEN if analysis.refused else max(EVEN, used.get("expected", 0.0))
    for way in ways(part, requested, used, model, cards.available(), refused=analysis.refused):
        card = cards.find(way.settings["model"])
        if look(part, requested, way, card, least=least) is not None:
            return card.task
    return "none"


def lines() -> Iterator[str]:
    """A row for each kind of image."""
    rows: dict[str, Counter[str]] = {}
    for task, file in _images():
        row, first = rows.setdefault(task, Counter()), _first_way(file)
        row.update(["images", *(["doubtful", first] if first else [])])
        row["own"] += first == task
    yield "| images of | images | refused or doubtful | first way: their kind | particles | another kind | none |"
    yield "|---|---|---|---|---|---|---|"
    for task, row in rows.items():
        elsewhere = row["doubtful"] - row["own"] - row["none"] - (row["particles"] if task != "particles" else 0)
        particles = row["particles"] if task != "particles" else 0
        cells = row["images"], row["doubtful"], row["own"], particles, elsewhere, row["none"]
        yield f"| {tasks.find(task).title.lower()} | {' | '.join(map(str, cells))} |"
