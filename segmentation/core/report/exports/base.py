"""`Export`: the definition of one file that is written for a result, with its words for page,
bundle and documentation.

The web process imports exports, too. Therefore modules of exports import matplotlib, scipy,
scikit-image and libraries for office files only inside functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ...measure.quantities import MEDIAN_TERM
from ...tasks.base import Task

Subject = Literal["image", "sample"]  # the result that a file belongs to
RESULT = "result.json"
# The order in which files are written: first the files that a person wants first; then files that need the figure; all
# others; files with the checksums of earlier files; files that contain other files.
FIRST, FIGURE, NORMAL, WITH_SUMS, LAST = range(5)
# The first place of a group in the list of files -> title of the group.
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
    """The definition of one file that is written for a result.

    name: of the file. title: on the page.
    place: its position in all lists, ascending; each group of GROUPS begins at its first place.
    write(context, path): writes the file with a core.report.context.Context; raises OSError. A file
    is never empty. It names the version (wording.version) if its format has room for it.
    image, sample: one line on the content of the file for an image, or for a sample; "" if there is
    no such file. both: in place of image and sample, if the line is the same.
    image_classes: the line for an image if the kind of analysis has classes of pixels. In all these
    texts {thing}, {things} and {Things} are the word for an object, and {table} is the name of the
    task's table; `with_words` lists the other {words}.
    panel: the panel of the figure (core.report.figures.panels) that the file shows; kinds of analysis
    without this panel do not have the file.
    granulometry: whether only kinds of analysis with the form of OECD TG 125 have the file.
    judged: whether only results with a specification have the file.
    of_objects: whether only kinds of analysis that find objects have the file.
    for_the_page: whether the page shows the file, but no list offers it.
    stored: whether it is written with every result of an image; other files are made on demand.
    usual: whether the command line and the client write it if the user chooses no files.
    turn: when it is written: FIRST, FIGURE, NORMAL, WITH_SUMS or LAST.
    content_type: for HTTP, if CONTENT_TYPES does not have the suffix.
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

    def exists_for(self, subject: Subject, task: Task) -> bool:
        """Whether results of a kind of analysis have this file."""
        has_panel = not self.panel or self.panel in task.panels
        if self.of_objects and task.semantic:
            return False
        return bool(self.line(subject)) and has_panel and (task.granulometry is not None or not self.granulometry)

    @property
    def group(self) -> str:
        """The title of its group in the list of files."""
        return next(title for place, title in reversed(GROUPS.items()) if self.place >= place)

    def line(self, subject: Subject) -> str:
        """One line on the content of the file; "" if there is no such file."""
        return self.both or (self.sample if subject == "sample" else self.image)

    def with_words(self, subject: Subject, task: Task, *, keep_all: bool = False) -> Export:
        """The export for a result of one kind of analysis: all {words} are filled in, and only the
        line for an image or for a sample is kept."""
        names = {"thing": task.thing, "things": task.things, "Things": task.things.capitalize(), "table": task.table}
        names["figures"] = f"mean, {MEDIAN_TERM}, SD" if task.size else "the first numbers"
        names["chart"] = "histogram" if task.size else "chart"
        names["counted"] = f"all {task.things}" if keep_all or task.semantic else f"{task.things} that count"
        names["aside"] = "" if task.semantic else "; red: left out"
        names["uncertainty"] = "uncertainty, " if task.screened else ""
        names["points"] = "recommendation point by point, " if task.screened else ""
        line = (subject == "image" and task.semantic and self.image_classes) or self.line(subject)
        line = line.format(**names)
        filled = replace(self, name=self.name.format(**names).replace(" ", "-"), title=self.title.format(**names))
        image, sample = (line, "") if subject == "image" else ("", line)
        return replace(filled, image=image, sample=sample, both="", image_classes="")
