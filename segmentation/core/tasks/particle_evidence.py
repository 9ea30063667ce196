"""Makes the `Conditions` of the statistics of particles from the judged outlines (`particle_judge`): the measurand, the
evidence for uncertainties, and the check that must come before the nanomaterial decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..flags import Flag
from ..labels.particles.options import CUTS
from ..labels.segmentation import MASKS
from ..measure.objects.tilt import Tilt
from ..measure.shape.descriptors import SIZES
from ..measure.sizes.distribution import WeightedSizes, known_or_one
from ..measure.table import column_name
from ..micrograph.calibration.crosscheck import factor_words, largest_contradiction
from .file_signals import tilt_signals
from .judgement import MANY_SEVERAL, check_of_outlines, missed_specks_warning, several_share

if TYPE_CHECKING:
    from ..measure.review.possible_pieces import PossiblePieces
    from ..measure.table import Table
    from ..measure.uncertainty.budget import Conditions
    from ..settings import MeasurementSettings
    from .particle_judge import Judge


@dataclass(frozen=True, eq=False)
class Tables:
    """The judged sizes of a picture.

    counted: the measurand: particles that can be seen, or all, hidden ones too. outlines: sizes of the outlines.
    pieces: sizes of the pieces into which possible cuts would divide outlines; None without cuts. alternatives: sizes
    of the outlines under other settings, by name.
    """

    counted: Literal["seen", "all"]
    outlines: Table
    pieces: Table | None
    alternatives: dict[str, Table]

    def stored_pieces(self) -> dict[str, list[float]]:
        """The sizes in px and probabilities of the counted pieces, as result.json stores them for histograms and
        samples; {} without pieces."""
        if self.pieces is None:
            return {}
        px = self.pieces.rescaled(None)
        stored = {column_name(name, "px"): px.length(name) for name in SIZES}
        stored |= {name: known_or_one([px], name) for name in ("chance", "edge_weight")}
        return {name: values[px.kept].round(4).tolist() for name, values in stored.items()}


def conditions_of(judge: Judge, tables: Tables, divided: PossiblePieces) -> Conditions:
    """The `Conditions` of the statistics of one measurand, `tables.counted`. divided: the outlines with their
    pieces."""
    from ..measure.review.possible_pieces import sampled_answers
    from ..measure.statistics import seed_of
    from ..measure.uncertainty.budget import Conditions, Evidence

    settings, card, seed = judge.settings, judge.segmentation.provenance.card, seed_of(judge.micrograph.sha256)
    options, by_network = card.get("options", {}), card.get("name") != MASKS
    spread, errors = options.get("cuts", CUTS)["spread"], options.get("outline_error")
    counted, pieces = tables.counted, tables.pieces
    tilt = Tilt.to_correct(settings, judge.micrograph.metadata)
    draws = sampled_answers(divided, tables.outlines, pieces, spread, seed) if by_network else None
    per_cent = (settings.repeatability, settings.between_operators)
    repeatability, operators = (None if share is None else share / 100 for share in per_cent)
    evidence = Evidence(
        card.get("scores", ()),
        repeatability,
        operators=operators,
        draws=draws,
        repeatability_source=settings.repeatability_source,
        outline_error=(errors[counted], errors[f"{counted}_share"]) if errors and by_network else None,
    )
    return Conditions(
        counted=counted,
        calibration=judge.calibration,
        edge=settings.border_correction,
        filter=settings.filter,
        pieces=(pieces,) if counted == "all" and pieces is not None else (),
        alternatives=tables.alternatives,
        evidence=evidence,
        obstacle=_obstacle(judge, tables.outlines),
        tilt=tilt.degrees if tilt else 0.0,
        seed=seed,
    )


def population_notes(counted: Table, settings: MeasurementSettings, things: str) -> Iterator[Flag]:
    """A note that names two populations, if the counted sizes have them."""
    from ..measure.sizes import populations

    return populations.notes(WeightedSizes.of(counted, edge=settings.border_correction), things)


def _obstacle(judge: Judge, table: Table) -> Flag | None:
    """The check that must come before the nanomaterial decision: of the scale, else the tilt, else the outlines; None
    if nothing is in doubt."""
    micrograph, segmentation = judge.micrograph, judge.segmentation
    if factor := largest_contradiction(judge.calibration, micrograph.calibration, micrograph.reading):
        text = f"A check of the scale, because two sources of it differ by a factor of {factor_words(factor)}."
        return Flag.doubtful(text, "the scale is to be checked")
    if tilt_flag := next((flag for flag in tilt_signals(micrograph, judge.settings) if flag.doubt), None):
        return Flag.doubtful(f"A look at the tilt. {tilt_flag.text}", "the tilt of the stage is to be corrected")
    if several_share(segmentation) > MANY_SEVERAL:
        text = "A picture with particles apart, because more than a third of the outlines hold several."
        return Flag.doubtful(text, "most outlines hold several particles")
    specks = missed_specks_warning(segmentation, int(table.kept.sum()))
    return specks or check_of_outlines(micrograph, segmentation, table, judge.settings)
