"""`Context`: the data from which the files of a result are written, such as its figure and its
polygons. Each is computed once, when a file needs it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..analysis import Analysis
from ..flags import warning_texts
from ..sample import SampleAnalysis
from .exports.base import LAST, Export
from .facts import model_words
from .figures import figure
from .figures.charts import Distribution, Sheet
from .figures.figure import Pixels
from .figures.panels import Drawing
from .filing import UNFILED, Filing
from .method import left_out_words
from .outlines import Points, Polygon, polygons
from .signatures import PrintedSignature
from .wording import calibration_words

if TYPE_CHECKING:
    from reportlab.platypus import Flowable


class Context:
    """The data that each `Export.write` function takes.

    Arguments:
    exports: the files to write, by name.
    compressor: a thread that compresses pictures while the next file is written.
    keep_all: whether files include left out objects.
    signatures: of the result.
    filing: its date, address and so on.
    extra_files: further files of the bundle that are in the folder already: name -> its content in
    a line.

    Attributes:
    contents: the files that the bundle includes: name -> its content in a line.
    checksums: name -> SHA-256, of the files in `contents` that are written already.
    """

    def __init__(
        self,
        sample: SampleAnalysis,
        exports: dict[str, Export],
        compressor: Executor,
        *,
        keep_all: bool = False,
        signatures: Sequence[PrintedSignature] = (),
        filing: Filing = UNFILED,
        extra_files: Mapping[str, str] = MappingProxyType({}),
    ):
        self.sample, self.keep_all, self.signatures, self.filing = sample, keep_all, signatures, filing
        self.checksums: dict[str, str] = {}
        bundled = {name: export for name, export in exports.items() if not export.for_the_page and export.turn != LAST}
        self.contents = {**{name: export.image or export.sample for name, export in bundled.items()}, **extra_files}
        self._drawing = None if sample.analysis is None else Drawing.of(sample)
        self._panel_of = {name: export.panel for name, export in exports.items() if export.panel}
        self._compressor, self._names = compressor, exports.keys()
        self._compressed: dict[str, Future[bytes]] = {}

    @cached_property
    def figure(self) -> Sheet:
        """The figure of the result."""
        return figure.draw(self.sample, self._drawing)

    @cached_property
    def pixels(self) -> Pixels:
        """The figure as (h, w, 3) uint8."""
        return figure.pixels_of(self.figure)

    def compress_pictures(self, existing_names: Collection[str] = ()) -> None:
        """Start to compress the figure and the panels of an image in the thread, if they are among
        the exports. existing_names: files that need not be written again."""
        if "figure.png" in self._names and "figure.png" not in existing_names:
            self._compressed["figure.png"] = self._compressor.submit(figure.as_png, self.pixels, self.figure)
        for name, panel in self._panel_of.items():
            if self.sample.analysis is not None and name not in existing_names:
                panel_pixels = figure.panel_pixels(panel, self.sample, self.drawing, self.figure, self.pixels)
                self._compressed[name] = self._compressor.submit(figure.as_png, panel_pixels)

    @property
    def analysis(self) -> Analysis:
        """The analysis of the image; raises ValueError for several images."""
        return self.drawing.analysis

    @property
    def drawing(self) -> Drawing:
        """The data that the panels of the image share; raises ValueError for several images."""
        return self._drawing or Drawing.of(self.sample)

    @cached_property
    def report(self) -> list[Flowable]:
        """The first two pages of the report, which are the same with and without its annex."""
        from .documents.pages import two_pages

        return two_pages(self)

    @cached_property
    def distribution(self) -> Distribution | None:
        """The size distribution; None if the result has none."""
        return Distribution.of(self.sample)

    def compressed_picture(self, name: str) -> bytes | None:
        """The figure or a panel as a PNG file, by file name; None if `compress_pictures` did not
        compress it."""
        return self._compressed[name].result() if name in self._compressed else None

    @cached_property
    def object_polygons(self) -> list[list[Polygon]]:
        """The polygons of each object, in the order of the ids."""
        segmentation = self.analysis.segmentation
        return polygons(segmentation.dense[: segmentation.rows], len(segmentation), self.drawing.pixel_borders)

    @property
    def wholes(self) -> dict[int, Points]:
        """The outlines (k, 2) of completed objects, by their index."""
        return self.drawing.wholes

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
