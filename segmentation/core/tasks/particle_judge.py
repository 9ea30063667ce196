"""Which outlines of particles count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..labels.bands import whole_image
from ..measure.filters import Reason, set_aside, set_faint_aside
from ..measure.regions import are_inside, mask_of, with_reason
from ..micrograph.contrast import clip_outliers
from ..micrograph.types import Calibration, Micrograph
from ..micrograph.vendors.facts import MARKS
from ..network.scale_search import as_shown
from ..settings import MeasurementSettings
from . import shared
from .judgement import withheld, without_numbers

if TYPE_CHECKING:
    from ..labels.bands import Ids
    from ..labels.contrast import Contrasts
    from ..labels.segmentation import Segmentation
    from ..measure.possible import PossiblePieces
    from ..measure.table import Table

Floats = NDArray[np.float64] | NDArray[np.float32]


class OutlineSignals(NamedTuple):
    """(n,) of each outline: confidence, contrast with its surroundings, and whether it is a gap (1 or 0)."""

    confidence: Floats
    contrast: Floats
    gap: Floats


@dataclass(frozen=True, eq=False)
class Judge:
    """Measures objects of one picture, and decides which of them count."""

    segmentation: Segmentation
    micrograph: Micrograph
    settings: MeasurementSettings
    calibration: Calibration

    @cached_property
    def is_withheld(self) -> bool:
        """Whether no numbers are given for this picture."""
        return withheld(self.micrograph, self.segmentation, self.settings)

    @cached_property
    def contrasts(self) -> Contrasts:
        """The contrast of the outlines with their surroundings."""
        from ..labels.contrast import contrasts

        labels = self.segmentation.labels[: self.segmentation.rows]
        return contrasts(self.grey, labels, shared.erased(self.segmentation), self.segmentation.ids)

    @cached_property
    def regions(self) -> dict[str, NDArray[np.bool_]]:
        """(H, W) by the reason for which nothing in them counts: writing or drawing, and regions to ignore."""
        regions = {Reason.MARKED: self.segmentation.used.get(MARKS, ()), Reason.IGNORED: self.settings.ignore}
        return {
            str(why): mask_of(its_regions, self.micrograph.shape) for why, its_regions in regions.items() if its_regions
        }

    @cached_property
    def grey(self) -> NDArray[np.uint8]:
        """(R, W) the analysed rows of the picture, as it is."""
        pixels = self.micrograph.pixels[: self.segmentation.rows]
        return whole_image("grey", pixels, lambda: as_shown(clip_outliers(pixels), "bright"))

    @cached_property
    def signals(self) -> OutlineSignals:
        """Of each outline. A gap is darker than the particles around it, or has the contrast of a gap, where there is
        ground to judge that by."""
        from ..labels.ringed import ringed_darker

        contrasts, labels = self.contrasts, self.segmentation.labels[: self.segmentation.rows]
        gap = np.zeros(len(contrasts.gap), bool)
        if shared.faint_limit(self.segmentation, self.settings):
            polarity = self.segmentation.used.get("polarity", "dark" if contrasts.dark else "bright")
            gap = ringed_darker(255 - self.grey if polarity == "dark" else self.grey, labels, self.segmentation.ids)
            gap |= contrasts.gap & self.has_contrast_rule
        return OutlineSignals(self.segmentation.confidence, contrasts.relative, gap.astype(float))

    @cached_property
    def has_contrast_rule(self) -> bool:
        """Whether the contrast decides which outlines count: where there is ground to judge it by, or a person set the
        limit."""
        return self.contrasts.has_ground or self.settings.faint_limit is not None

    @cached_property
    def faint_limit(self) -> float:
        """The least contrast that counts, 0 where none is judged."""
        return shared.faint_limit(self.segmentation, self.settings) if self.has_contrast_rule else 0.0

    def _with_reasons(self, sizes: Table, inside: dict[str, NDArray[np.bool_]], contrast: Floats, gap: Floats) -> Table:
        """The sizes of k objects, with the first reason to leave each out. inside: (k,) whether each lies in `regions`,
        by their reason. contrast, gap: (k,)."""
        sizes = sizes.with_measures(relative_contrast=contrast.astype(np.float64))
        if self.is_withheld:
            return without_numbers(sizes)
        sizes = set_faint_aside(sizes, self.faint_limit, gap > 0.5)
        for reason, is_inside in inside.items():
            sizes = with_reason(sizes, is_inside, reason)
        return set_aside(sizes, self.settings.filter)

    def measured(
        self, labels: NDArray[np.int32], signals: OutlineSignals, only_sizes: bool = False, ids: Ids | None = None
    ) -> Table:
        """Judged sizes of the objects of labels (H, W), of these ids (k,) or 1..k. signals: theirs, (k,). only_sizes:
        without shapes."""
        from ..measure.shapes import measure

        confidence, contrast, gap = signals
        size, rows = self.calibration.nm_per_pixel, self.segmentation.rows
        probabilities = confidence.astype(np.float32)
        sizes = measure(labels, self.micrograph.pixels, probabilities, size, rows, only_sizes=only_sizes, ids=ids)
        inside = {why: are_inside(labels, mask, len(sizes), ids) for why, mask in self.regions.items()}
        return self._with_reasons(sizes, inside, contrast, gap)

    def pieces(self, divided: PossiblePieces) -> Table | None:
        """Judged sizes of what the outlines may be instead, with their probabilities; None without any."""
        from ..measure.possible import sizes_of_pieces

        count, frame = divided.count, (self.segmentation.rows, self.segmentation.labels.shape[1])
        table = sizes_of_pieces(divided, self.calibration.nm_per_pixel, frame)
        if table is None:
            return None
        confidence, contrast, gap = (values[divided.owners[count:]] for values in self.signals)
        table = table.with_measures(confidence=confidence.astype(float), chance=divided.probabilities()[count:])
        inside = {why: divided.pieces_inside(mask) for why, mask in self.regions.items()}
        return self._with_reasons(table, inside, contrast, gap)

    def alternatives(self, outlines: Table) -> dict[str, Table]:
        """Judged sizes under other settings, by name; none where no numbers are given."""
        from ..measure.shapes import means_of_overlapping, without_corners

        if self.is_withheld:
            return {}
        labels, ids = self.segmentation.labels, self.segmentation.ids
        tables = {
            name: self.measured(
                other,
                OutlineSignals(*means_of_overlapping(other, self.segmentation.dense, *self.signals)),
                only_sizes=True,
            )
            for name, other in self.segmentation.alternatives.items()
        }
        return {**tables, "Feret without pixel corners": without_corners(outlines, labels, ids)}
