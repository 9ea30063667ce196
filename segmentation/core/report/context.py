"""`Context`: what all files of a result need, such as its figure and polygons. Each part is made
once, when needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..analysis import Analysis
from ..flags import warning_texts
from ..sample import SampleAnalysis
from . import figure
from .charts import Distribution, Sheet
from .exports.base import LAST, Export
from .facts import model_words
from .figure import Pixels
from .filing import UNFILED, Filing
from .method import left_out_words
from .outlines import Polygon, polygons
from .panels import Drawing
from .signatures import PrintedSignature
from .wording import calibration_words

if TYPE_CHECKING:
    from reportlab.platypus import Flowable


class Context:
    """What `Export.write` functions get.

    Arguments:
    exports: the files to write, by name.
    packing: runs the compression of pictures in a thread, while the next file is made.
    keep_all: whether files include left out objects.
    signatures: of the result.
    filing: its date, address and so on.
    beside: further files of the bundle, which are in the folder already: name -> what it holds.

    Attributes:
    contents: the files that a user may take away: name -> what it holds.
    checksums: SHA-256 of those of them that are written so far.
    """

    def __init__(
        self,
        sample: SampleAnalysis,
        exports: dict[str, Export],
        packing: Executor,
        *,
        keep_all: bool = False,
        signatures: Sequence[PrintedSignature] = (),
        filing: Filing = UNFILED,
        beside: Mapping[str, str] = MappingProxyType({}),
    ):
        self.sample, self.keep_all, self.signatures, self.filing = sample, keep_all, signatures, filing
        self.checksums: dict[str, str] = {}
        bundled = {name: export for name, export in exports.items() if not export.for_the_page and export.turn != LAST}
        self.contents = {**{name: export.image or export.sample for name, export in bundled.items()}, **beside}
        self._drawing = None if sample.analysis is None else Drawing.of(sample)
        self._panel_of = {name: export.panel for name, export in exports.items() if export.panel}
        self._packing, self._names = packing, exports.keys()
        self._compressed: dict[str, Future[bytes]] = {}

    @cached_property
    def figure(self) -> Sheet:
        """The figure of the result."""
        return figure.draw(self.sample, self._drawing)

    @cached_property
    def pixels(self) -> Pixels:
        """The figure as (h, w, 3) uint8."""
        return figure.pixels_of(self.figure)

    def pack_pictures(self, stored: Collection[str] = ()) -> None:
        """Begin to compress the figure and the panels of an image in the thread.

        Only those that are among the exports; stored: names of files that exist already.
        """
        if "figure.png" in self._names and "figure.png" not in stored:
            self._compressed["figure.png"] = self._packing.submit(figure.as_png, self.pixels, self.figure)
        for name, panel in self._panel_of.items():
            if self.sample.analysis is not None and name not in stored:
                panel_pixels = figure.panel_pixels(panel, self.sample, self.drawing, self.figure, self.pixels)
                self._compressed[name] = self._packing.submit(figure.as_png, panel_pixels)

    @property
    def analysis(self) -> Analysis:
        """The analysis of the image; raises ValueError for several images."""
        return self.drawing.analysis

    @property
    def drawing(self) -> Drawing:
        """What the panels of the image share; raises ValueError for several images."""
        return self._drawing or Drawing.of(self.sample)

    @cached_property
    def report(self) -> list[Flowable]:
        """The two pages of the report, with and without an annex."""
        from .pages import two_pages

        return two_pages(self)

    @cached_property
    def distribution(self) -> Distribution | None:
        """The size distribution; None if the result has none."""
        return Distribution.of(self.sample)

    def picture(self, name: str) -> bytes | None:
        """The figure or a panel as a PNG file, by file name; None if `pack_pictures` did not
        compress it."""
        return self._compressed[name].result() if name in self._compressed else None

    @cached_property
    def shapes(self) -> list[list[Polygon]]:
        """The polygons of each object, in the order of the ids."""
        segmentation = self.analysis.segmentation
        return polygons(segmentation.dense[: segmentation.rows], len(segmentation), self.drawing.pixel_borders)

    @property
    def description(self) -> list[str]:
        """Lines of text that say what was analysed, with the gravest warnings."""
        sample, analysis = self.sample, self.sample.analysis
        if analysis is None:
            lines = (f"Sample {sample.name}", sample.extent, left_out_words(sample), *warning_texts(sample.flags))
            return [line for line in lines if line]
        rows, columns = analysis.micrograph.shape
        return [
            f"{sample.task.title} in {sample.name}",
            f"{columns} x {rows} px, {calibration_words(analysis.calibration)}",
            f"SHA-256 of the image: {analysis.micrograph.sha256}",
            f"Model: {model_words(sample.members[0].record.card)}",
            *warning_texts(sample.flags),
        ]
