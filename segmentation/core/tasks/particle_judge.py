"""Measures the outlines of particles, and decides which of them count and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..labels.bands import numbered, whole_image
from ..measure.filters import Reason, judge
from ..measure.outlines.polygons import Shifts
from ..measure.regions import are_inside, framed, framed_by_border, masks_by_reason
from ..micrograph.borders import BORDER, cut_by_border
from ..micrograph.contrast import clip_outliers
from ..micrograph.types import Calibration, Micrograph
from ..network.scale_search import as_shown
from ..settings import MeasurementSettings
from . import shared
from .judgement import are_numbers_withheld

if TYPE_CHECKING:
    from ..labels.bands import Ids
    from ..labels.contrast import Contrasts
    from ..labels.segmentation import Segmentation
    from ..measure.possible_pieces import PossiblePieces
    from ..measure.table import Table

Floats = NDArray[np.float64] | NDArray[np.float32]


class OutlineSignals(NamedTuple):
    """(n,) each: confidence of the outlines, their contrast with the surroundings, and whether each is a gap between
    particles (1 or 0)."""

    confidence: Floats
    contrast: Floats
    gap: Floats


@dataclass(frozen=True, eq=False)
class Judge:
    """Measures the objects of one picture, and decides which of them count. Its methods give tables in which each row
    has the reason why its object is left out, if any."""

    segmentation: Segmentation
    micrograph: Micrograph
    settings: MeasurementSettings
    calibration: Calibration

    @cached_property
    def is_withheld(self) -> bool:
        """Whether no numbers are given for this picture."""
        return are_numbers_withheld(self.micrograph, self.segmentation, self.settings)

    @cached_property
    def contrasts(self) -> Contrasts:
        """The contrast of the outlines with their surroundings."""
        from ..labels.contrast import contrasts

        labels = self.segmentation.labels[: self.segmentation.rows]
        foreground = shared.foreground_if_corrected(self.segmentation)
        return contrasts(self.grey, labels, foreground, self.segmentation.ids)

    @cached_property
    def regions(self) -> dict[Reason, NDArray[np.bool_]]:
        """Masks (H, W) in which no object counts, by the reason."""
        return masks_by_reason(self.segmentation, self.settings.ignore)

    @cached_property
    def grey(self) -> NDArray[np.uint8]:
        """(R, W) uint8: the analysed rows of the picture, not inverted."""
        pixels = self.micrograph.pixels[: self.segmentation.rows]
        return whole_image("grey", pixels, lambda: as_shown(clip_outliers(pixels), "bright"))

    @cached_property
    def signals(self) -> OutlineSignals:
        """The signals of each outline. An outline is a gap if it is darker than the particles around it, or if it has
        the contrast of a gap and there is enough background to compare with."""
        from ..labels.enclosed_gaps import are_enclosed_gaps

        contrasts, labels = self.contrasts, self.segmentation.labels[: self.segmentation.rows]
        gap = np.zeros(len(contrasts.gap), bool)
        if shared.faint_limit(self.segmentation, self.settings):
            polarity = self.segmentation.used.get("polarity", "dark" if contrasts.dark else "bright")
            gap = are_enclosed_gaps(255 - self.grey if polarity == "dark" else self.grey, labels, self.segmentation.ids)
            gap |= contrasts.gap & self.has_contrast_rule
        return OutlineSignals(self.segmentation.confidence, contrasts.relative, gap.astype(float))

    @cached_property
    def has_contrast_rule(self) -> bool:
        """Whether the contrast decides which outlines count: if there is enough background to compare with, or if a
        person has set the limit."""
        return self.contrasts.has_ground or self.settings.faint_limit is not None

    @cached_property
    def faint_limit(self) -> float:
        """The least relative contrast of outlines that count; 0 if contrast does not decide."""
        return shared.faint_limit(self.segmentation, self.settings) if self.has_contrast_rule else 0.0

    def _judged(
        self,
        sizes: Table,
        inside: dict[Reason, NDArray[np.bool_]],
        contrast: Floats,
        gap: Floats,
        person: Segmentation | None = None,
    ) -> Table:
        """The judged sizes of k objects. inside: by the reason of the masks in `regions`, (k,) whether each object lies
        in the mask. contrast, gap: (k,) as in OutlineSignals. person: with the decisions of a person about them."""
        sizes, is_gap = sizes.with_measures(relative_contrast=contrast.astype(np.float64)), gap > 0.5
        is_faint = (sizes["relative_contrast"] < self.faint_limit) & (self.faint_limit > 0) & ~is_gap
        of_image = {Reason.UNLIKE: np.full(len(sizes), self.is_withheld), Reason.FAINT: is_faint, Reason.GAP: is_gap}
        limits = self.settings.filter, {**of_image, **inside}
        return judge(sizes, *limits, person=person, faint_limit=self.settings.faint_limit)

    @cached_property
    def shifts(self) -> Shifts:
        """Where the picture shows the edges of the outlines."""
        return Shifts.of(self.segmentation.maps)

    def judged_sizes(
        self,
        labels: NDArray[np.int32],
        signals: OutlineSignals,
        shifts: Shifts,
        only_sizes: bool = False,
        ids: Ids | None = None,
        completes: bool = True,
        person: Segmentation | None = None,
    ) -> Table:
        """The judged sizes of the objects in labels (H, W) with these ids (k,), or 1..k. signals, shifts: of these
        objects. only_sizes: whether shapes are not measured. completes: whether what others cover is completed. person:
        with the decisions of a person about them."""
        from ..measure.shapes import measure, with_completed

        confidence, contrast, gap = signals
        size, rows = self.calibration.nm_per_pixel, self.segmentation.rows
        probabilities = confidence.astype(np.float32)
        inputs = labels, self.micrograph.pixels, probabilities, size, rows
        sizes = measure(*inputs, only_sizes=only_sizes, ids=ids, shifts=shifts)
        if completes:
            dense = labels if ids is None else numbered(labels, ids)
            sizes = with_completed(sizes, dense, shifts, only_sizes)
        sizes = framed_by_border(sizes, self.segmentation.used, labels, ids)
        inside = {reason: are_inside(labels, mask, len(sizes), ids) for reason, mask in self.regions.items()}
        return self._judged(sizes, inside, contrast, gap, person)

    def pieces(self, divided: PossiblePieces) -> Table | None:
        """The judged sizes of the pieces into which possible cuts would divide outlines, with their probabilities (the
        column "chance"); None without any."""
        from ..measure.possible_pieces import sizes_of_pieces

        count, frame = divided.count, (self.segmentation.rows, self.segmentation.labels.shape[1])
        table = sizes_of_pieces(divided, self.calibration.nm_per_pixel, frame, self.shifts)
        if table is None:
            return None
        confidence, contrast, gap = (values[divided.owners[count:]] for values in self.signals)
        table = table.with_measures(confidence=confidence.astype(float), chance=divided.probabilities()[count:])
        if BORDER in self.segmentation.used:
            cut = cut_by_border(self.segmentation.labels, self.segmentation.used[BORDER])
            table = framed(table, np.isin(self.segmentation.ids, cut)[divided.owners[count:]])
        inside = {reason: divided.pieces_inside(mask) for reason, mask in self.regions.items()}
        return self._judged(table, inside, contrast, gap)

    def alternatives(self, outlines: Table) -> dict[str, Table]:
        """The judged sizes under other settings, by name; {} if no numbers are given for this picture. outlines: those
        under the settings in use; where none of them is completed, none is here."""
        from ..measure.shapes import means_of_overlapping

        if self.is_withheld:
            return {}
        tables: dict[str, Table] = {}
        for name, labels in self.segmentation.alternatives.items():
            signals = OutlineSignals(*means_of_overlapping(labels, self.segmentation.dense, *self.signals))
            # Under another threshold no rim is where the map of shifts knows one.
            shifts = self.shifts.elsewhere if name.startswith("threshold") else self.shifts
            completes = bool((outlines["completed"] == 1).any())
            tables[name] = self.judged_sizes(labels, signals, shifts, only_sizes=True, completes=completes)
        return tables
