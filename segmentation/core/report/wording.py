"""Writes numbers, names, calibrations and corrections in words. Pages and files of a result use
these functions, so their words are the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from math import exp
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import numpy as np

from segmentation import __version__

from ..measure.quantities import DOUBTFUL_FRACTIONS, FEW_DIGITS, Value, decimals, number, significant
from ..measure.quantities import uncapital as uncapital
from ..measure.results import Between, Corrected, Statistics
from ..measure.sizes.fitting import SIGNIFICANCE
from ..measure.uncertainty.figure_draws import Z95
from ..micrograph.calibration.crosscheck import factor_words
from ..micrograph.calibration.sources import Source
from ..micrograph.types import LEAST_UNCERTAINTY, Calibration
from ..names import clean_text
from ..stored import Used

LARGE_FACTOR = 1.5  # a larger difference is written as a factor, a smaller one in per cent
MEASURED_SOURCES = (Source.READ, Source.DATA_BAR, Source.DRAWN)  # a length was measured in the image
UNIFORM_COVERAGE = 3**0.5  # half the width of a uniform distribution, in its standard deviations
LEAST_SHOWN_UNCERTAINTY = 0.005  # relative standard uncertainty of a scale; a larger one is written after the scale
NOT_GIVEN = "not included"
UNKNOWN = "not known"
UNKNOWN_SCALE = "scale not known: lengths are in pixels"
WHOLE_AND_CUT = "{:,.0f} whole and {:,.0f} cut by the edge"  # counted objects; only the whole ones have a size
VERDICTS = {"above": "probably above", "below": "probably below", "undecided": "undecided"}
NANO_LIMIT = "limit 50 %"
CITATION = f"DeepSegm, version {__version__}. Software that outlines and measures what is in electron micrographs."
BIBTEX = f"""@software{{deepsegm,
  title   = {{DeepSegm: software that outlines and measures what is in electron micrographs}},
  author  = {{{{DeepSegm developers}}}},
  version = {{{__version__}}},
  note    = {{DeepSegm {__version__}, MIT licence}},
}}
"""


def version() -> str:
    """Name and version of the software."""
    return f"DeepSegm {__version__}"


def one_line(text: str, longest: int = 90) -> str:
    """The text without line ends or other control characters; if it is too long, "…" replaces its
    middle.

    longest: in letters; letters of full width, such as Chinese ones, count twice.
    """
    clean = clean_text(text)
    widths = np.array([1 + (east_asian_width(c) in "WF") for c in clean], int)
    if widths.sum() <= longest:
        return clean
    tail = longest // 3
    begin = int((np.cumsum(widths) < longest - tail).sum())
    end = int((np.cumsum(widths[::-1]) <= tail).sum())
    return f"{clean[:begin]}…{clean[len(clean) - end :]}"


def day_of(date: str) -> str:
    """The date of an instrument without the time of day: "18 Jul 2019" of "18 Jul 2019
    11:09:27"."""
    return re.split(r"[T ]+\d{1,2}:\d\d", date)[0].strip()


def short_names(names: Sequence[str], longest: int) -> list[str]:
    """The names, each on one line of `longest` letters.

    If two shortened names would be equal, all lose a part of their common beginning instead of
    their middle.
    """
    short = [one_line(name, longest) for name in names]
    if len(set(short)) == len(set(names)):
        return short
    shared = next((index for index, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1), 0)
    begin = min(shared, max(map(len, names)) - longest + 1)
    return [f"…{one_line(name[begin:], longest - 1)}" for name in names]


def per_cent_number(fraction: float, places: int | None = None, digits: int = FEW_DIGITS) -> str:
    """A fraction in per cent with `digits` significant digits, without sign: "22.4", "0.0777".

    Only exactly 50 % (the limit of the nanomaterial definition) is written as "50": other numbers
    become "49.9" or "50.1". A number just below 100 has up to two decimals: "99.97". places: most
    decimals of the fraction (not of the per cent); without it zeros at the end are left out.
    """
    hundred = 100 * fraction
    decimals_shown = max(0, decimals(hundred, digits, None if places is None else places - 2)) if hundred else 0
    if round(hundred, decimals_shown) == 50 != round(hundred, 9):
        return f"{min(hundred, 49.9) if hundred < 50 else max(hundred, 50.1):.1f}"
    while decimals_shown < 2 and round(hundred, decimals_shown) == 100 != round(hundred, 9):
        decimals_shown += 1
    text = f"{hundred:.{decimals_shown}f}"
    return "0" if float(text) == 0 else text.rstrip("0").rstrip(".") if "." in text and places is None else text


def interval_words(low: float, high: float, write: Callable[[float], str] = significant) -> str:
    """An interval such as "148–163", or "-12 to 3", because a dash before a minus sign is hard to
    read."""
    return f"{write(low)}{' to ' if low < 0 else '–'}{write(high)}"


def per_cent(fraction: float | None, places: int | None = None) -> str:
    """Such as "22.4 %" (see `per_cent_number`); a dash for None."""
    return "–" if fraction is None else f"{per_cent_number(fraction, places)} %"


def smallest_counted(nano: Mapping[str, Any] | None) -> str:
    """The smallest size that the fraction from 1 to 100 nm counts, such as "22.5 nm"; "" if no
    length limits it.

    nano: the results of the screening as a nanomaterial (`measure.results.Nano`).
    """
    least = (nano or {}).get("least_nm")
    return "" if least is None else f"{significant(least, 3)} nm"


def counted_from(nano: Mapping[str, Any] | None) -> str:
    """`smallest_counted` as a part of a sentence: " of 22.5 nm and more"; "" if no length limits
    it."""
    smallest = smallest_counted(nano)
    return f" of {smallest} and more" if smallest else ""


def verdict_words(nano: Mapping[str, Any]) -> str:
    """The verdict of the screening, such as "limit 50 %: undecided, 25 of at least 30
    particles"."""
    return f"{NANO_LIMIT}: {', '.join(filter(None, (VERDICTS[nano['verdict']], nano['reason'])))}"


def decided_words(nano: Mapping[str, Any]) -> str:
    """The verdict in one sentence; if it is undecided, a second one says what would decide it."""
    decides = f" What would decide it: {uncapital(nano['decides'])}" if nano["decides"] else ""
    return f"{verdict_words(nano)}.{decides}"


def counts_words(counts: Mapping[str, int]) -> str:
    """Reasons and numbers of left out objects, such as "touches the frame 44, mostly hidden by
    others 2"."""
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items())


def with_doubtful_words(statistics: Statistics) -> str:
    """The fraction from 1 to 100 nm if doubtful outlines counted, too, in words; "" if it does not
    differ."""
    name = "fraction_100nm_with_doubtful"
    share, usual_share = per_cent(getattr(statistics, name), 2), per_cent(statistics.fraction_100nm, 2)
    return "" if share in ("–", usual_share) else f"{DOUBTFUL_FRACTIONS[name]} {share}"


def _doubt_words(fraction: float, coverage: float = Z95) -> str:
    """The 95 % limits of a relative standard uncertainty, such as "± 2 %"; only an upper limit if
    it is negligible."""
    return f"± {significant(100 * coverage * fraction, 2)} %" if fraction >= LEAST_UNCERTAINTY else "under 0.2 %"


def instrument_words(calibration: Calibration) -> str:
    """The uncertainty of the microscope's calibration, and its source."""
    note = f" ({one_line(calibration.instrument_note)})" if calibration.instrument_note else ""
    doubt = calibration.instrument_uncertainty
    return f"{_doubt_words(doubt)}{note}" if doubt else NOT_GIVEN


def rounding_words(calibration: Calibration) -> str:
    """The uncertainty of the pixel size from reading or typing alone, such as "± 2 %"; "" if it is
    not known.

    A rounded number has a uniform error, a measured line has a normal one.
    """
    coverage = Z95 if calibration.source in MEASURED_SOURCES else UNIFORM_COVERAGE
    return _doubt_words(calibration.relative_uncertainty, coverage) if calibration.relative_uncertainty else ""


def scale_doubt(calibration: Calibration) -> str:
    """The uncertainty that is written after a scale, such as "± 2 %"; "" if it is small and
    the scale was not measured in the image."""
    is_large = (calibration.relative_uncertainty or 0.0) > LEAST_SHOWN_UNCERTAINTY
    is_shown = calibration.source in MEASURED_SOURCES or is_large
    digits = ", because the width has few digits" if calibration.source == Source.TYPED else ""
    return f"{rounding_words(calibration)}{digits}" if is_shown else ""


def doubt_line(calibration: Calibration) -> str:
    """A sentence with both parts of the uncertainty of a scale: of reading and rounding, and of the
    microscope."""
    rounding = rounding_words(calibration) or UNKNOWN
    microscope = f"calibration of the microscope: {instrument_words(calibration)}"
    return f"Uncertainty of the scale (95 %): reading and rounding: {rounding}; {microscope}."


def calibration_words(calibration: Calibration, *, detail: bool = True) -> str:
    """A scale with its source, such as "7.344 nm/px (from the file: Zeiss tag 34118, Image Pixel
    Size)".

    detail: without it the example is "7.344 nm/px (from the file)".
    """
    if calibration.nm_per_pixel is None:
        return UNKNOWN_SCALE
    how = ", ".join(filter(None, (calibration.source.words, scale_doubt(calibration))))
    more = f": {one_line(calibration.detail, 60)}" if detail and calibration.detail else ""
    return f"{pixel_size(calibration.nm_per_pixel)} ({how}{more})"


def corrections_in_effect(counts: Mapping[str, int]) -> str:
    """Such as "3 corrections, 2 confirmed". counts: as `Job.counts_in_effect` gives them.

    One correction may change several outlines.
    """
    steps, confirmed = counts.get("corrected", 0), counts.get("reviewed", 0)
    words = f"{steps:,} correction{'' if steps == 1 else 's'}" if steps else ""
    return ", ".join(filter(None, [words, f"{confirmed:,} confirmed" if confirmed else ""]))


def corrected_words(used: Used) -> str:
    """Such as "31 corrected by hand, 120 confirmed, step 153"; "" if nobody changed an outline.

    The step is the number of the last correction in the log.
    """
    counts = {"corrected by hand": used.corrected, "confirmed": used.reviewed}
    words = [f"{count:,} {what}" for what, count in counts.items() if count]
    return ", ".join([*words, *([f"step {used.step:,}"] if words and used.step is not None else [])])


def imported_words(used: Used) -> str:
    """Such as "389 outlines from cells.zip (ImageJ)"; "" if the outlines do not come from another
    tool."""
    if not (source := used.imported):
        return ""
    count = source["outlines"]
    return f"{count:,} outline{'' if count == 1 else 's'} from {one_line(source['file'], 60)} ({source['format']})"


def agreement_words(between: Between | None) -> str:
    """A sentence: whether the images of a sample differ more than by chance; "" if that is not
    known."""
    if not between or (between["share"] and "p" not in between):
        return ""
    if between.get("p", 1.0) >= SIGNIFICANCE:
        return "The images differ in their typical size no more than by chance."
    times = between.get("times", exp(between["sd"]))
    if times < 1.01:
        return "The sizes differ between images more than by chance, but the typical sizes by less than 1 %."
    difference = f"by a factor of {factor_words(times)}" if times >= LARGE_FACTOR else f"by {100 * (times - 1):.0f} %"
    return f"The typical size differs {difference} between images, more than by chance."


def corrected_images_words(corrected: Corrected | None) -> str:
    """Such as "1 of 12 images corrected by hand: 31 of 389 outlines"; "" if nobody corrected the
    sample."""
    if not corrected:
        return ""
    images = f"{corrected['images']} of {corrected['of_images']} image{'' if corrected['of_images'] == 1 else 's'}"
    reviewed = f", {corrected['reviewed']:,} confirmed" if corrected["reviewed"] else ""
    return f"{images} corrected by hand: {corrected['outlines']:,} of {corrected['of_outlines']:,} outlines{reviewed}"


def in_per_cent(name: str, value: Value) -> Value:
    """The number in per cent if the quantity is a fraction, else unchanged."""
    return value if number(name).kind != "fraction" else value.times(100, "%")


def pixel_size(nm_per_pixel: float) -> str:
    """A pixel size in words, such as "7.344 nm/px"."""
    return f"{trimmed(nm_per_pixel)} nm/px"


def trimmed(value: float) -> str:
    """A number with four digits, without zeros at the end."""
    text = significant(value, 4)
    return text.rstrip("0").rstrip(".") if "." in text else text


def scale_range(low: float | None, high: float | None) -> str:
    """The range of pixel sizes of several images, such as "5 to 7.344 nm/px". low, high: in nm,
    None without a scale."""
    if low is None or high is None:
        return UNKNOWN_SCALE
    return pixel_size(high) if high <= low * 1.001 else f"{trimmed(low)} to {pixel_size(high)}"


def sample_scale(calibration: Mapping[str, Any], common: Calibration) -> str:
    """The pixel sizes of a sample with their sources and uncertainty.

    Such as "5 nm/px (2 from the file, 1 typed in, ± 2 %)". calibration: as it is stored
    with a sample. common: the least certain calibration of its images.
    """
    counts = {Source(source).words: n for source, n in calibration["sources"].items() if source != Source.NONE}
    ways = [f"{n} {words}" for words, n in counts.items()] if len(counts) > 1 else counts
    how = ", ".join(filter(None, [*ways, scale_doubt(common)]))
    return scale_range(calibration["low"], calibration["high"]) + (f" ({how})" if how else "")


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def write_json(data: dict[str, Any], path: Path, indent: int | None = None) -> None:
    """Write JSON in ASCII; on one line if there is no indent."""
    separators = None if indent else (",", ":")
    text = json.dumps(data, indent=indent, separators=separators, ensure_ascii=True, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
