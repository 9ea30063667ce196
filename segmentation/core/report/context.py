"""What the files of an image or a sample share, made once."""

from __future__ import annotations

from concurrent.futures import Executor
from functools import cached_property

from ..analysis import Analysis
from ..sample import Sample
from . import figure
from .charts import Distribution
from .exports.base import LAST, Export
from .facts import model_words
from .method import left_out_words
from .panels import Scene
from .png import Deflated
from .rings import Polygon, polygons
from .wording import calibration_words


class Context:
    """exports: what is to be written, by file name. keep_all: whether files hold what was set aside, too. sums: SHA-256
    of the files written so far that can be taken away.

    Pictures are compressed in a thread, while the next file is made.
    """

    def __init__(self, sample: Sample, exports: dict[str, Export], packing: Executor, *, keep_all: bool = False):
        self.sample, self.keep_all = sample, keep_all
        self.sums: dict[str, str] = {}
        taken = {name: each for name, each in exports.items() if not each.for_the_page and each.turn != LAST}
        self.holds = {name: each.image or each.sample for name, each in taken.items()}
        self.figure = figure.draw(sample, None if sample.analysis is None else self.scene)
        self.pixels = figure.rendered(self.figure)
        # Cut before the thread begins: writing a vector file changes the figure's resolution for a while.
        pictures = {"figure.png": self.pixels}
        if sample.analysis is not None:
            panels = figure.panels(sample, self.scene, self.figure, self.pixels)
            pictures |= {name: panels[each.panel] for name, each in exports.items() if each.panel}
        self._pictures = packing.submit(lambda: {name: figure.packed(each) for name, each in pictures.items()})

    @property
    def analysis(self) -> Analysis:
        """Of the one image; raises ValueError for several."""
        return self.scene.analysis

    @cached_property
    def scene(self) -> Scene:
        return Scene.of(self.sample)

    @cached_property
    def distribution(self) -> Distribution | None:
        return Distribution.of(self.sample)

    @property
    def pictures(self) -> dict[str, Deflated]:
        """Figure and panels by file name."""
        return self._pictures.result()

    @cached_property
    def shapes(self) -> list[list[Polygon]]:
        """The polygons of each object, in the order of the ids."""
        used = self.analysis.segmentation
        return polygons(used.dense[: used.rows], len(used), self.scene.cracks)

    @property
    def about(self) -> list[str]:
        """Lines that say what was analysed."""
        sample, analysis = self.sample, self.sample.analysis
        if analysis is None:
            kept = sum(image.n or 0 for image, _ in sample.counted)
            counts = f"{len(sample.counted)} images, {kept} {sample.task.things} kept"
            return [each for each in (f"Sample {sample.name}", counts, left_out_words(sample)) if each]
        rows, columns = analysis.micrograph.shape
        return [
            f"{sample.task.things.capitalize()} in {sample.name}",
            f"{columns} x {rows} px, {calibration_words(analysis.calibration)}",
            f"SHA-256 of the image: {analysis.micrograph.sha256}",
            f"Model: {model_words(sample.members[0].found.card)}",
        ]
