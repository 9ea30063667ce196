"""Measures the outlines of particles, and decides which of them count and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..labels.bands import whole_image
from ..measure.objects.filters import Reason, judge
from ..measure.objects.regions import are_inside, framed, framed_by_border, masks_by_reason
from ..measure.outlines.polygons import ObjectOutlines, Shifts
from ..micrograph.contrast import clip_outliers
from ..micrograph.drawn.borders import BORDER, cut_by_border
from ..micrograph.types import Calibration, Micrograph
from ..network.scale_search import as_shown
from ..settings import MeasurementSettings
from . import shared
from .judgement import are_numbers_withheld

if TYPE_CHECKING:
    from ..labels.bands import Ids
    from ..labels.particles.contrast import Contrasts
    from ..labels.segmentation import Segmentation
    from ..measure.review.possible_pieces import PossiblePieces
    from ..measure.table import Table

GROWING = ("min_feret", "max_feret", "ecd", "area", "aspect_ratio", "solidity")  # columns that completing changes

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
        from ..labels.particles.contrast import contrasts

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
        from ..labels.particles.enclosed_gaps import are_enclosed_gaps

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

    def _with_reasons(
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
    def outlines(self) -> ObjectOutlines:
        """The outlines, where the picture shows their edges."""
        return ObjectOutlines(self.segmentation.dense, Shifts.of(self.segmentation.maps))

    @cached_property
    def seen_sizes(self) -> Table:
        """The sizes and shapes of what is seen of each object, before any is left out."""
        labels, ids = self.segmentation.labels, self.segmentation.ids
        return self._measured(labels, self.signals.confidence, self.outlines, ids=ids)

    @cached_property
    def sizes(self) -> Table:
        """The judged sizes of the objects, those of the whole where others cover a part; as a person decided, if one
        corrected them."""
        from ..measure.outlines.completion import completion_of
        from ..measure.shape.shapes import with_completed

        sizes = with_completed(self.seen_sizes, completion_of(self.outlines, len(self.segmentation)))
        segmentation = self.segmentation
        return self._judged(sizes, segmentation.labels, self.signals, segmentation.ids, segmentation)

    def _measured(
        self, labels: NDArray[np.int32], confidence: Floats, outlines: ObjectOutlines, **options: Any
    ) -> Table:
        """The sizes of the objects in labels (H, W). options: of `shapes.measure`."""
        from ..measure.shape.shapes import measure

        inputs = labels, self.micrograph.pixels, confidence.astype(np.float32), self.calibration.nm_per_pixel
        return measure(*inputs, self.segmentation.rows, outlines=outlines, **options)

    def _judged(
        self,
        sizes: Table,
        labels: NDArray[np.int32],
        signals: OutlineSignals,
        ids: Ids | None = None,
        person: Segmentation | None = None,
    ) -> Table:
        """The sizes of the objects in labels (H, W) with these ids (k,), or 1..k, and with these signals, judged.
        person: with the decisions of a person about them."""
        sizes = framed_by_border(sizes, self.segmentation.used, labels, ids)
        inside = {reason: are_inside(labels, mask, len(sizes), ids) for reason, mask in self.regions.items()}
        return self._with_reasons(sizes, inside, signals.contrast, signals.gap, person)

    def pieces(self, divided: PossiblePieces) -> Table | None:
        """The judged sizes of the pieces into which possible cuts would divide outlines, with their probabilities (the
        column "chance"); None without any."""
        from ..measure.review.possible_pieces import sizes_of_pieces

        count, frame = divided.count, (self.segmentation.rows, self.segmentation.labels.shape[1])
        table = sizes_of_pieces(divided, self.calibration.nm_per_pixel, frame, self.outlines.shifts)
        if table is None:
            return None
        confidence, contrast, gap = (values[divided.owners[count:]] for values in self.signals)
        table = table.with_measures(confidence=confidence.astype(float), chance=divided.probabilities()[count:])
        if BORDER in self.segmentation.used:
            cut = cut_by_border(self.segmentation.labels, self.segmentation.used[BORDER])
            table = framed(table, np.isin(self.segmentation.ids, cut)[divided.owners[count:]])
        inside = {reason: divided.pieces_inside(mask) for reason, mask in self.regions.items()}
        return self._with_reasons(table, inside, contrast, gap)

    def alternatives(self) -> dict[str, Table]:
        """The judged sizes under other settings, by name; {} if no numbers are given for this picture. An object is
        larger than what is seen of it by as much as the objects in its place are under the settings in use."""
        from ..measure.shape.shapes import means_of_overlapping

        if self.is_withheld:
            return {}
        tables: dict[str, Table] = {}
        growths = [self.sizes.length(name) / self.seen_sizes.length(name) for name in GROWING]
        for name, labels in self.segmentation.alternatives.items():
            means = means_of_overlapping(labels, self.segmentation.dense, *self.signals, *growths)
            signals = OutlineSignals(*means[: len(self.signals)])
            # Under another threshold no rim is where the map of shifts knows one.
            shifts = self.outlines.shifts.elsewhere if name.startswith("threshold") else self.outlines.shifts
            sizes = self._measured(labels, signals.confidence, ObjectOutlines(labels, shifts), only_sizes=True)
            px, growing = sizes.rescaled(None), zip(GROWING, means[len(self.signals) :], strict=True)
            whole = {size: px.length(size) * np.where(np.isnan(by), 1, by) for size, by in growing}
            tables[name] = self._judged(sizes.with_measures(**whole), labels, signals)
        return tables
