"""Warnings that come from the file and its picture, not from outlines: a tilted stage, a figure of several panels, or
colours instead of grey."""

from __future__ import annotations

from collections.abc import Iterator

from ..flags import TILTED, Flag, Kind
from ..measure.objects.tilt import HORIZONTAL, MOST_DEGREES, VERTICAL, Tilt
from ..micrograph.colours import CHANNEL, CHANNEL_HERE, COLOURS, RAINBOW
from ..micrograph.pages import PANELS, panels_note
from ..micrograph.scale_bar.readings import CUT_OFF
from ..micrograph.types import Micrograph
from ..settings import FROM_FILE, MeasurementSettings

COLOUR_SHARE = 0.5  # share of the numbers in doubt because of colours; an assumption, because it is not known
LEAST_TILT = 10.0  # degrees; a larger tilt is a warning (cos 10° is 0.985)
DIRECTIONS = {VERTICAL: "vertical", HORIZONTAL: "horizontal", "": "some"}
NO_TILT = "The settings ask for a correction of the tilt in the file, but the file states none. Nothing was corrected."
TILT_CORRECTED = "The microscope corrected for the tilt of the stage, so nothing more was corrected."


def file_signals(micrograph: Micrograph, settings: MeasurementSettings, signs_of_panels: str = "") -> Iterator[Flag]:
    """All warnings that come from the file, its header (`Micrograph.metadata`) and its picture."""
    yield from tilt_signals(micrograph, settings)
    yield from picture_signals(micrograph, signs_of_panels)


def notes_of_file(micrograph: Micrograph) -> Iterator[Flag]:
    """The notes of the micrograph."""
    kinds: dict[str, Kind] = {CUT_OFF: "bar", panels_note(micrograph.metadata): "panels"}
    yield from (Flag(note, kind=kinds.get(note, "")) for note in micrograph.notes)


def picture_signals(micrograph: Micrograph, signs_of_panels: str) -> Iterator[Flag]:
    """Warnings about a figure of several panels, and about colours that do not stand for the microscope's grey."""
    if signs_of_panels and PANELS not in micrograph.metadata:
        yield Flag.doubtful(
            f"This picture has {signs_of_panels}, so it is probably a figure whose panels touch. They may have"
            " different scales, and sizes of all together mean nothing. Cut it into its panels, and analyse each as an"
            " image.",
            "Probably a figure of panels, whose scales may differ",
            kind="panels",
            moves="sizes",
            by=1.0,
        )
    if PANELS in micrograph.metadata:
        yield Flag.doubtful(
            "The panels of this figure may have different scales, and sizes of all together mean nothing. Analyse each"
            " panel as an image.",
            "A figure of several panels, whose scales may differ",
            kind="panels",
            moves="sizes",
            by=1.0,
        )
    kind = micrograph.metadata.get(COLOURS)
    if kind == CHANNEL:
        yield Flag.doubtful(
            f"This is the channel {micrograph.metadata.get(CHANNEL_HERE, '')} of a map of elements. Single counts are"
            " no particles, and edges are as blurred as the map. Compare the outlines with the micrograph.",
            "One channel of a map of elements",
            by=COLOUR_SHARE,
        )
    if kind == RAINBOW:
        yield Flag.doubtful(
            "The brightness of the colours in this picture does not follow the grey of the microscope, so edges may lie"
            " elsewhere. Export the picture in grey.",
            "The colours do not follow the grey of the microscope",
            moves="sizes",
            by=COLOUR_SHARE,
        )


def tilt_signals(micrograph: Micrograph, settings: MeasurementSettings) -> Iterator[Flag]:
    """A warning about a tilt that nobody has corrected for, or a note about the correction."""
    stated, corrected = Tilt.of_file(micrograph.metadata), Tilt.to_correct(settings, micrograph.metadata)
    if corrected:
        yield from _corrected_tilt(corrected, stated)
        return
    if settings.tilt_correction == FROM_FILE and not (stated and stated.degrees and not stated.corrected):
        yield Flag(TILT_CORRECTED if stated and stated.corrected else NO_TILT)
    if stated is None or stated.corrected or stated.degrees < LEAST_TILT:
        return
    correction = "did not correct for it" if stated.corrected is False else "is not known to have corrected for it"
    beginning = f"The stage was tilted by {stated.degrees:.3g}°, and the microscope {correction}"
    share, direction = f"{100 * stated.shortening:.0f} %", DIRECTIONS[stated.direction]
    short = f"{TILTED} {stated.degrees:.0f}°: {direction} lengths are {share} of the true ones"
    advice = "Correct for it what lies flat. A ball looks the same from all sides."
    is_correctable = stated.degrees <= MOST_DEGREES and bool(stated.direction)
    if not is_correctable:
        short = f"Stage tilted by {stated.degrees:.0f}°: lengths down to {share} of the true ones"
        advice = "The scan was turned, so choose which lengths to correct for it."
    if stated.degrees > MOST_DEGREES:
        advice = "So steep a view cannot be corrected."
    yield Flag.doubtful(
        f"{beginning}: {direction} lengths are {share} of the true ones on a flat specimen. {advice}",
        short,
        moves="sizes",
        by=round(1 - stated.shortening, 3),
        kind="tilt" if is_correctable else "",
    )


def _corrected_tilt(tilt: Tilt, stated: Tilt | None) -> Iterator[Flag]:
    """A note about the correction of a tilt by the settings; a warning if the microscope has already corrected.

    tilt: the tilt that the settings correct. stated: the tilt in the file, None if there is none.
    """
    length, degrees = f"{DIRECTIONS[tilt.direction]} lengths", f"{tilt.degrees:.3g}°"
    if stated and stated.corrected:
        yield Flag.doubtful(
            f"The microscope corrected for a tilt of {stated.degrees:.3g}°, and the settings correct for one of"
            f" {degrees} again: {length} were divided by {tilt.shortening:.2f}. One of the two is too much.",
            f"Corrected for a tilt of {tilt.degrees:.0f}°, perhaps twice",
            moves="sizes",
            by=min(1.0, round(1 / tilt.shortening - 1, 3)),
        )
        return
    yield Flag(
        f"Corrected for a tilt of {degrees}: {length} were divided by its cosine, {tilt.shortening:.3f}, for a flat"
        " specimen. How exactly the angle is known is not in the intervals."
    )
