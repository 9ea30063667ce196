"""What an export is to the page, the bundle and the documentation.

The web process also reads exports: what needs matplotlib, scipy, scikit-image or an office library is imported inside
functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ...tasks.base import Task

Of = Literal["image", "sample"]
RESULT = "result.json"
FIRST, FIGURE, NORMAL, WITH_SUMS, LAST = range(5)  # turns of writing
GROUPS = {0: "Most used", 100: "The figure in other forms", 110: "For other programs", 180: "For records and citations"}

CONTENT_TYPES = {
    ".bib": "application/x-bibtex",
    ".csv": "text/csv",
    ".eln": "application/vnd.eln+zip",
    ".geojson": "application/geo+json",
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff",
    ".txt": "text/plain; charset=utf-8",
    ".webp": "image/webp",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".zip": "application/zip",
}
UNKNOWN_CONTENT = "application/octet-stream"


@dataclass(frozen=True)
class Export:
    """One file.

    name: of the file. title: on the page. place: in every list, ascending; a
    group of GROUPS begins at each of these places.
    image, sample: one line that says what it holds, "" where there is no such file; both: the line of both, where it is
    the same. image_classes: the line where each pixel belongs to a class. In all of them {thing}, {things} and {Things}
    are what is looked for, {table} the name of the task's table; the other {words} of `worded` say what the file holds
    of this kind of analysis.
    write(context, path): writes the file of a core.report.context.Context; raises what the disk raises. No file is
    empty, each names the version (wording.version) where its format has room for it.
    panel: of the figure (core.report.panels) that it shows: only kinds of analysis with that panel have the file.
    granulometry: whether only kinds of analysis with the form of OECD TG 125 have the file.
    judged: whether only results with a specification have the file.
    of_objects: whether only kinds of analysis that find objects have the file.
    for_the_page: whether it is only shown on the page, not to be taken away. stored: whether it is written with every
    result of an image; the others are written when one of them is asked for. usual: whether the command line and the
    client write it where nobody says which files. turn: FIRST for what answers the question,
    FIGURE for what of it waits until a picture is compressed, NORMAL, WITH_SUMS of all before, or LAST.
    content_type: as HTTP has it, where CONTENT_TYPES lacks the suffix.
    """

    name: str
    title: str
    place: int
    write: Callable[[Any, Path], object]
    image: str = ""
    sample: str = ""
    both: str = ""
    image_classes: str = ""
    panel: str = ""
    granulometry: bool = False
    judged: bool = False
    for_the_page: bool = False
    of_objects: bool = False
    stored: bool = False
    usual: bool = False
    turn: int = NORMAL
    content_type: str = ""

    def is_of(self, unit: Of, task: Task) -> bool:
        """Whether a kind of analysis has this file of an image or of a sample."""
        has_panel = not self.panel or self.panel in task.panels
        if self.of_objects and task.semantic:
            return False
        return bool(self.holds(unit)) and has_panel and (task.granulometry is not None or not self.granulometry)

    @property
    def group(self) -> str:
        return next(title for place, title in reversed(GROUPS.items()) if self.place >= place)

    def holds(self, unit: Of) -> str:
        return self.both or (self.sample if unit == "sample" else self.image)

    def worded(self, unit: Of, task: Task, *, keep_all: bool = False) -> Export:
        """The same in the words of a kind of analysis, for an image or a sample alone."""
        names = {"thing": task.thing, "things": task.things, "Things": task.things.capitalize(), "table": task.table}
        names["figures"] = "mean, median, SD" if task.size else "the first numbers"
        names["chart"] = "histogram" if task.size else "chart"
        names["counted"] = f"all {task.things}" if keep_all or task.semantic else f"{task.things} that count"
        names["aside"] = "" if task.semantic else "; red: left out"
        names["uncertainty"] = "uncertainty, " if task.screened else ""
        names["points"] = "recommendation point by point, " if task.screened else ""
        line = ((unit == "image" and task.semantic and self.image_classes) or self.holds(unit)).format(**names)
        worded = replace(self, name=self.name.format(**names).replace(" ", "-"), title=self.title.format(**names))
        image, sample = (line, "") if unit == "image" else ("", line)
        return replace(worded, image=image, sample=sample, both="", image_classes="")
