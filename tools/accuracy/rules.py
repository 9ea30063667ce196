"""Counts on how many pictures each warning and note speaks: python -m tools.accuracy rules [FOLDER] [--kind KIND]

The pictures are those of KINDS in ../shared/data, analysed as particles with automatic settings. FOLDER stores the
outlines, so that a rule that changes no outlines is counted again quickly.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from segmentation.core.analysis import Analysis, AnalysisSettings
from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.micrograph.drawn.borders import BORDER
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.network.runtime import Runtime
from segmentation.core.pipeline import measure, segment

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
KINDS = {
    "EMPS": ["particles/emps-train"],
    "powder": ["particles/ampis-powder"],
    "TiO2": ["evaluation-only/tio2-sem"],
    "STEM": ["particles/stem-catalysts"],
    "nanocomposites": ["particles/nanocomposite-agglomerates"],
    "steel, alloys": ["phases/uhcs-steel", "phases/superalloy", "phases/sx-superalloy-gamma"],
    "spheroidite": ["particles/ampis-spheroidite"],
    "coatings": ["phases/coatings"],
    "grains": ["defects/grain-boundaries"],
    "bubbles": ["defects/helium-bubbles"],
    "loops": ["defects/loops-tem"],
}
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
NUMBER = re.compile(r"\d[\d,.]*")  # in a warning; it is another one in each picture


def files_of(kind: str) -> list[Path]:
    """The micrographs of a kind."""
    found = (file for folder in KINDS[kind] for file in sorted((DATA / folder / "images").iterdir()))
    return [file for file in found if file.suffix.lower() in SUFFIXES]


def analysis_of(file: Path, name: str, stored: Path | None, runtime: Runtime) -> Analysis:
    """The analysis of a micrograph; its outlines are stored as `name`, and used if they were stored."""
    micrograph, settings = read(file), AnalysisSettings.of("particles", model="auto-particles")
    outlines = stored / f"{name}.npz" if stored else None
    if outlines and outlines.exists():
        return measure(micrograph, Segmentation.load(outlines), settings)
    segmentation = segment(micrograph, settings, runtime=runtime)
    if outlines:
        segmentation.save(outlines)
    return measure(micrograph, segmentation, settings)


def spoken(analysis: Analysis) -> set[str]:
    """The warnings and notes of an analysis, without their numbers, and what was decided without a word."""
    used, flags = analysis.segmentation.used, analysis.flags
    words = {NUMBER.sub("n", flag.short or flag.text.partition(". ")[0]) for flag in flags if flag.kind != "no scale"}
    done = {"(border)": BORDER in used, "(other polarity or scale)": "instead_of" in used}
    model = analysis.segmentation.provenance.model
    return words | {name for name, is_done in done.items() if is_done} | {f"(model {model})"}


def lines(stored: Path | None, kinds: Sequence[str] = tuple(KINDS)) -> Iterator[str]:
    """A row for each warning or note: on how many pictures of each kind it speaks."""
    runtime, counts = Runtime(), {kind: Counter[str]() for kind in kinds}
    for kind, count in counts.items():
        for file in files_of(kind):
            try:
                count.update(["pictures", *spoken(analysis_of(file, f"{kind} {file.stem}", stored, runtime))])
            except UnreadableImage:
                count["unreadable"] += 1
    heads = [f"{kind} ({count['pictures']})" for kind, count in counts.items()]
    yield f"| speaks | {' | '.join(heads)} |"
    yield "|---" * (len(counts) + 1) + "|"
    total = sum(counts.values(), Counter[str]())
    for words, _ in total.most_common():
        if words != "pictures":
            yield f"| {words} | {' | '.join(str(count[words]) for count in counts.values())} |"


def main(words: list[str]) -> None:
    kinds = tuple(words[words.index("--kind") + 1 :][:1]) if "--kind" in words else tuple(KINDS)
    stored = next((Path(word) for word in words if not word.startswith("--") and word not in KINDS), None)
    print(*lines(stored, kinds), sep="\n")
