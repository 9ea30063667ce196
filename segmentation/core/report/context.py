"""What the files of an image or a sample share, made once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..analysis import Analysis
from ..flags import warned
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
    """exports: what is to be written, by file name. keep_all: whether files include what was set aside. sums: SHA-256
    of the files written so far that can be taken away. signatures: under the result. filing: its date and address.
    beside: further files of the bundle, which are in the folder, by name, with what they hold. holds: the same of all.

    Pictures are compressed in a thread, while the next file is made; the figure is drawn when the first file needs it.
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
        self._packed: dict[str, Future[bytes]] = {}

    @cached_property
    def figure(self) -> Sheet:
        return figure.draw(self.sample, self._drawing)

    @cached_property
    def pixels(self) -> Pixels:
        return figure.rendered(self.figure)

    def pack_pictures(self, stored: Collection[str] = ()) -> None:
        """Begin to compress the figure and, of an image, its panels, as far as they are asked for and not stored."""
        if "figure.png" in self._names and "figure.png" not in stored:
            self._packed["figure.png"] = self._packing.submit(figure.as_png, self.pixels, self.figure)
        for name, panel in self._panel_of.items():
            if self.sample.analysis is not None and name not in stored:
                cut = figure.panel_pixels(panel, self.sample, self.drawing, self.figure, self.pixels)
                self._packed[name] = self._packing.submit(figure.as_png, cut)

    @property
    def analysis(self) -> Analysis:
        """The one image's; raises ValueError for several."""
        return self.drawing.analysis

    @property
    def drawing(self) -> Drawing:
        """The one image's; raises ValueError for several."""
        return self._drawing or Drawing.of(self.sample)

    @cached_property
    def report(self) -> list[Flowable]:
        """The two pages of the report, which the one with annexes has, too."""
        from .pages import two_pages

        return two_pages(self)

    @cached_property
    def distribution(self) -> Distribution | None:
        return Distribution.of(self.sample)

    def picture(self, name: str) -> bytes | None:
        """After `pack_pictures` the figure or one of its panels, by file name; None of what was not compressed."""
        return self._packed[name].result() if name in self._packed else None

    @cached_property
    def shapes(self) -> list[list[Polygon]]:
        """The polygons of each object, in the order of the ids."""
        used = self.analysis.segmentation
        return polygons(used.dense[: used.rows], len(used), self.drawing.pixel_borders)

    @property
    def description(self) -> list[str]:
        """Lines that say what was analysed."""
        sample, analysis = self.sample, self.sample.analysis
        if analysis is None:
            lines = (f"Sample {sample.name}", sample.extent, left_out_words(sample), *warned(sample.flags))
            return [line for line in lines if line]
        rows, columns = analysis.micrograph.shape
        return [
            f"{sample.task.title} in {sample.name}",
            f"{columns} x {rows} px, {calibration_words(analysis.calibration)}",
            f"SHA-256 of the image: {analysis.micrograph.sha256}",
            f"Model: {model_words(sample.members[0].record.card)}",
            *warned(sample.flags),
        ]
