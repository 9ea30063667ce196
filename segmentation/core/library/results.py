"""The results of the Python library: table, labels, numbers with intervals, sentence, figure and files."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..analysis import Analysis
from ..flags import judging_doubt
from ..measure.table import with_equal_columns
from ..report.entries import Entry, known_number
from ..report.exports.base import Subject
from ..report.exports.result import as_dict, json_value
from ..report.exports.viewer import thumbnail
from ..report.summary import Summary
from ..sample import SampleAnalysis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOTEBOOK_SIDE = 900  # px of the longer side of a picture in a Jupyter notebook


@dataclass(frozen=True)
class Number:
    """One number of a result.

    value: in `unit`; a fraction is from 0 to 1. None if it is not defined.
    interval: the ends of its 95 % interval, with the total uncertainty if that is known; None
        without an interval. includes: what the interval includes, such as "counting".
    unit: such as "nm", "nm²" and "px", or "". title: its name for people. definition: one sentence.
    source: of the definition, "" if it is our own. words: number and interval in words, as pages
        show them: "85 nm (80–90)".
    """

    name: str
    value: float | None
    interval: tuple[float, float] | None
    includes: str
    unit: str
    title: str
    definition: str
    source: str
    words: str

    @classmethod
    def of(cls, entry: Entry) -> Number:
        """The number of an entry, with the values that result.json has."""
        written, quantity = json_value(entry.number.as_dict()), known_number(entry.name)
        ends = written["interval"]
        return cls(
            name=entry.name,
            value=written["value"],
            interval=None if ends is None or None in ends else (ends[0], ends[1]),
            includes=entry.includes,
            unit=written["unit"],
            title=quantity.title,
            definition=quantity.definition,
            source=quantity.source,
            words=entry.words,
        )

    def __str__(self) -> str:
        return f"{self.title}: {self.words}"


class BaseResult:
    """The common part of a Result (of one image) and of Pooled ones.

    sample: the SampleAnalysis with all details. file: the file of the image, None without one.
    """

    def __init__(self, sample: SampleAnalysis, file: Path | None = None) -> None:
        self.sample, self.file = sample, file

    @cached_property
    def numbers(self) -> Mapping[str, Number]:
        """The numbers of this kind of analysis by name, with the values of `quantities` in
        result.json."""
        summary = Summary.of(self.sample, readable=False)
        entries = (Entry.of(name, value) for name, value in self.sample.quantities.items())
        return {entry.name: Number.of(summary.with_basis(entry)) for entry in entries}

    @cached_property
    def sentence(self) -> str:
        """The main numbers in words: the caption of the figure."""
        from ..report.figures.caption import caption_of  # imports matplotlib

        return caption_of(self.sample)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings and notes about the numbers, the gravest first; () without any."""
        ranked = sorted(self.sample.flags, key=lambda flag: flag.rank_key)
        return tuple(flag.text for flag in ranked)

    @property
    def may_be_judged(self) -> bool:
        """Whether something may be decided by the numbers; False without numbers, and if a warning says
        that they are probably wrong."""
        refused = self.sample.analysis is not None and self.sample.analysis.refused
        return not judging_doubt(self.sample.flags, is_refused=refused)

    def as_dict(self) -> dict[str, Any]:
        """All details in plain JSON types, as in result.json (described by result.schema.json)."""
        return as_dict(self.sample)

    def figure(self) -> Figure:
        """The figure of the result with its panels and caption, 170 mm wide."""
        from ..report.figures.figure import draw  # imports matplotlib

        return draw(self.sample)

    def save(
        self, folder: str | Path, files: str | Collection[str] | None = None, *, all_objects: bool = False
    ) -> list[Path]:
        """Write files of the result into a folder, and return their paths. The folder is made if it
        does not exist.

        files: their names or patterns, such as ["particles.csv", "*.pdf"] (docs/use/exports.md), or
            "all"; None for those that `deepsegm analyse` writes.
        all_objects: whether labels.tif and rois.zip have the objects that are left out, too.
        Raises UserError for a name that no file of this result has, OSError for a fault of the disk.
        """
        from ..report.choice import offered_exports, read_choice
        from ..report.files import write_chosen
        from ..report.filing import Filing

        subject: Subject = "image" if self.sample.analysis is not None else "sample"
        names = [files] if isinstance(files, str) else files or []
        patterns = read_choice(",".join(names), offered_exports(subject, self.sample.task))
        filing, folder = Filing(datetime.now(UTC), image=self.file), Path(folder)
        written = write_chosen(self.sample, folder, patterns, keep_all=all_objects, filing=filing)
        return [folder / name for name in written]

    def _repr_html_(self) -> str:
        lines = [f"<p><b>{escape(self.sentence)}</b></p>"]
        lines += [f"<p>{escape(warning)}</p>" for warning in self.warnings]
        return f"<div>{self._picture()}{''.join(lines)}</div>"

    def _picture(self) -> str:
        """An HTML image; "" unless a subclass has one."""
        return ""

    def __repr__(self) -> str:
        return f"<deepsegm.{type(self).__name__}: {self.sentence}>"


class Result(BaseResult):
    """The result of one image.

    analysis: all details, with `micrograph`, `settings`, `calibration`, `segmentation`, `table`,
        `statistics`.
    """

    def __init__(self, analysis: Analysis, file: Path | None = None) -> None:
        super().__init__(SampleAnalysis.of(analysis), file)
        self.analysis = analysis

    @cached_property
    def table(self) -> Any:
        """One row for each object, also for those left out (columns `kept`, `reason`). Phases have
        one row for each class.

        A pandas DataFrame if pandas is installed, else a structured numpy array (n,) with the same
        columns. They are those of particles.csv, and their names end with the units;
        docs/method/accuracy.md defines them.
        """
        return as_frame(self.analysis.table.columns)

    @property
    def labels(self) -> NDArray[np.int32]:
        """The labels (H, W) int32 in the pixels of the image: 0 is background, other numbers are
        those in the column `label` of the table. Phases: 1, 2, ... for the classes of the table."""
        return self.analysis.segmentation.labels

    def _picture(self) -> str:
        picture = base64.b64encode(thumbnail(self.analysis, NOTEBOOK_SIDE)).decode()
        return f'<img alt="The image and its outlines" src="data:image/webp;base64,{picture}">'


class Pooled(BaseResult):
    """The result of several images of one material. results: those of the single images."""

    def __init__(self, sample: SampleAnalysis, results: tuple[Result, ...]) -> None:
        super().__init__(sample)
        self.results = results

    @cached_property
    def table(self) -> Any:
        """The rows of all images that count, as in `Result.table`. The first column `image` has the
        name of the image."""
        counted = [(image.name, member.table) for image, member in self.sample.counted]
        columns: dict[str, NDArray[Any]] = {}
        if counted:
            tables = with_equal_columns([table for _, table in counted])
            names = [np.full(len(table), name) for name, table in counted]
            columns = {"image": np.concatenate(names)} | {
                column: np.concatenate([table[column] for table in tables]) for column in tables[0].columns
            }
        return as_frame(columns)


def as_frame(columns: Mapping[str, NDArray[Any]]) -> Any:
    """Columns (n,) as a pandas DataFrame if pandas is installed, else as a structured numpy array
    (n,)."""
    if find_spec("pandas"):
        import pandas as pd

        return pd.DataFrame({name: values.copy() for name, values in columns.items()})
    count = len(next(iter(columns.values()), ()))
    rows = np.empty(count, [(name, values.dtype) for name, values in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    return rows
