"""Measures a Segmentation, without a model: gives all numbers and flags of an Analysis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .. import tasks
from ..analysis import Analysis, AnalysisSettings
from ..flags import DO_NOT_USE, TWO_SCALES, Flag
from ..labels.segmentation import Segmentation
from ..learning.training_summary import overruled_limit
from ..measure.objects.filters import Reason
from ..measure.objects.regions import area_words, share_of, uncounted
from ..measure.objects.tilt import Stretch, Tilt
from ..measure.quantities import uncapital
from ..measure.table import Table
from ..micrograph.calibration.crosscheck import (
    LARGEST_DIFFERENCE,
    contradict,
    crosscheck_sources,
    factor_words,
    largest_contradiction,
)
from ..micrograph.drawn.borders import BORDER, without_border
from ..micrograph.types import NO_SCALE, Calibration, Micrograph
from ..settings import MeasurementSettings
from ..tasks.file_signals import notes_of_file
from ..tasks.judgement import result_flags
from .pace import DONE, MEASURING, Clock, Progress, quiet
from .preparation import without_coloured_marks

KEPT_SCALE = "A person has compared this scale with the bar in the image, which gives another, and kept it."
LEAST_BORDER = 0.01  # share of the picture; a smaller border, such as a line along the edge, changes no density
OFFERED_ALL_THE_SAME = "The model was offered all the same"
WRONG_SCALE = "Do not use these numbers before the scale is checked. {sources}"


def measure_objects(
    micrograph: Micrograph,
    segmentation: Segmentation,
    settings: AnalysisSettings,
    progress: Progress = quiet,
    *,
    clock: Clock,
) -> Analysis:
    """The Analysis with all numbers and flags except the arrangement of the objects (`with_arrangement` adds it), which
    takes a third of the time."""
    task = tasks.find(segmentation.provenance.task)
    progress("measuring", MEASURING)
    settings = replace(settings, measurement=task.effective(settings.measurement))
    calibration = settings.measurement.scaled(micrograph.scale).in_use
    stretch = _stretch(micrograph, settings.measurement)
    with clock.stage("measure"):
        outlines, measuring = segmentation, settings.measurement
        picture = without_border(without_coloured_marks(micrograph), segmentation.used.get(BORDER, ()))
        if stretch:
            outlines, picture = stretch.segmentation(segmentation), stretch.micrograph(picture)
            measuring = measuring.replaced(ignore=stretch.regions(measuring.ignore))
        measured = task.measure(outlines, picture, measuring, calibration)
    table, quantities = stretch.unstretched_table(measured.table) if stretch else measured.table, measured.quantities
    if not task.screened:
        from ..measure.uncertainty.figure_draws import with_outline_errors

        quantities = with_outline_errors(quantities, segmentation.provenance.card.get("scores", ()))
    progress("measured", DONE)
    return Analysis(
        micrograph,
        settings,
        calibration,
        segmentation,
        table,
        measured.statistics,
        quantities,
        clock.seconds,
        (
            *result_flags(micrograph, segmentation, table, settings.measurement, task.things, measured.flags),
            *_note_on_border(segmentation, task.things),
            *_note_on_ignored(segmentation, table, settings.measurement),
            *_flags_of_scale(micrograph, calibration),
            *_flag_of_model(segmentation),
        ),
    )


def _stretch(micrograph: Micrograph, settings: MeasurementSettings) -> Stretch | None:
    """The stretch by which the tilt of the specimen is corrected; None without a correction."""
    tilt = Tilt.to_correct(settings, micrograph.metadata)
    return None if tilt is None else Stretch.of(tilt)


def with_arrangement(analysis: Analysis, clock: Clock) -> Analysis:
    """The analysis with the arrangement of its objects: nearest neighbours in the table, and
    `Statistics.arrangement`."""
    from ..measure.arrangement.neighbours import with_neighbours
    from ..measure.arrangement.pattern import image_arrangement
    from ..measure.statistics import seed_of

    micrograph, segmentation = analysis.micrograph, analysis.segmentation
    task = tasks.find(segmentation.provenance.task)
    ignored = _border_share(segmentation) >= LEAST_BORDER or bool((analysis.table.reasons == Reason.IGNORED).any())
    # Objects that cross (`parted`) have no neighbours. Of those beside ignored ones the nearest neighbour is not known.
    if analysis.statistics is None or not len(segmentation) or task.parted or ignored:
        return analysis
    frame, table, labels = (micrograph.shape[1], segmentation.rows), analysis.table, segmentation.labels
    stretch = _stretch(micrograph, analysis.settings.measurement)
    with clock.stage("measure"):
        if stretch:
            frame, table, labels = stretch.frame(*frame), stretch.table(table), stretch.pixels(labels)
        table = with_neighbours(table, labels, frame, bounded=task.bounded, ids=segmentation.ids)
        arrangement = image_arrangement(table, frame, analysis.calibration, seed_of(micrograph.sha256), task.things)
    table = stretch.unstretched_table(table) if stretch else table
    return replace(analysis, table=table, statistics=replace(analysis.statistics, arrangement=arrangement))


def _border_share(segmentation: Segmentation) -> float:
    """The share of the analysed rows that is border, 0 to 1."""
    return share_of(uncounted(segmentation.used, ()), (segmentation.rows, segmentation.labels.shape[1]))


def _note_on_border(segmentation: Segmentation, things: str) -> Iterator[Flag]:
    """The note on a border that changes the numbers."""
    if (share := _border_share(segmentation)) >= LEAST_BORDER:
        yield Flag(
            f"{area_words(share)} of the picture has exactly one grey up to its edge, as the paper around a figure or"
            f" the empty part of a stitched map. This border is no specimen: its area does not count, and {things} that"
            " it cuts touch the frame."
        )


def _note_on_ignored(segmentation: Segmentation, table: Table, settings: MeasurementSettings) -> Iterator[Flag]:
    """The note on the regions to ignore and the objects in them; no note without regions."""
    if not (regions := settings.ignore):
        return
    task, is_one = tasks.find(segmentation.provenance.task), len(regions) == 1
    share = area_words(share_of(regions, (segmentation.rows, segmentation.labels.shape[1])))
    where = "1 region to ignore" if is_one else f"{len(regions)} regions to ignore"
    if task.semantic:
        yield Flag(f"{where} ({share} of the picture) {'does' if is_one else 'do'} not count in the shares.")
        return
    count = int((table.reasons == Reason.IGNORED).sum())
    if not count:
        yield Flag(f"No {task.thing} lies in {where} ({share} of the picture).")
        return
    verb = "does" if count == 1 else "do"
    without = "" if task.parted else f" How the {task.things} lie to each other is not given then."
    text = f"{task.count(count)} in {where} {verb} not count ({share} of the picture).{without}"
    yield Flag(text, reason=str(Reason.IGNORED))


def _flag_of_model(segmentation: Segmentation) -> Iterator[Flag]:
    """A warning, if a person offered the model although its error on held-out images did not fall."""
    if limit := overruled_limit(segmentation.provenance.card.get("limits", ())):
        yield Flag.doubtful(f"The model {segmentation.provenance.model}: {uncapital(limit)}", OFFERED_ALL_THE_SAME)


def _flags_of_scale(micrograph: Micrograph, used: Calibration) -> Iterator[Flag]:
    """Flags about the scale, then the notes of the micrograph. used: the calibration of the analysis."""
    if not used.is_known:
        yield Flag(f"{NO_SCALE} {micrograph.scale_question}".rstrip(), kind="no scale")
    readings = micrograph.calibration, micrograph.reading
    sources = [KEPT_SCALE] if used.is_kept else crosscheck_sources(*readings, used)
    if factor := largest_contradiction(used, *readings):
        short = f"{DO_NOT_USE}: scale wrong by a factor of {factor_words(factor)}?"
        text = WRONG_SCALE.format(sources=" ".join(sources))
        yield Flag.doubtful(text, short, moves="all", by=1.0, level=DO_NOT_USE, kind="scale")
    elif not used.is_kept and any(contradict(reading, used) for reading in readings):
        yield Flag.doubtful(" ".join(sources), TWO_SCALES, moves="sizes", by=LARGEST_DIFFERENCE, kind="two scales")
    else:
        yield from map(Flag, sources)
    yield from notes_of_file(micrograph)
