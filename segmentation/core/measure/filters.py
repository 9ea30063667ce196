"""The reasons why an object is left out of the numbers, and the rules that give each object its
reason.

A reason is a short text, which is stored in the table, and a sentence with its limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..labels.segmentation import Segmentation
from .table import REASON_TYPE, Table

BY_HAND = "by_hand"  # name of the column that is 1 for objects that a person confirmed
SLIP_PX = 9  # area; a smaller outline is a slip, not an object
SMALL_PX = 16  # area
RESOLVED_PX = 5.0  # minimum Feret diameter
LEAST_CONFIDENCE = 0.5
SURE_CONFIDENCE = 0.9  # least confidence of an outline that is shown as an example
LEAST_SOLIDITY = 0.75
LEAST_ASPECT_RATIO = 0.15
# The value of the setting `measurand`: the measurand in words.
MEASURANDS = {"seen": "particles whose outline can be seen", "all": "all particles, hidden ones too", "": ""}


class Reason(StrEnum):
    """The reasons. If several apply, `set_aside` gives the first in this order (but GAP before
    FAINT)."""

    UNLIKE = "unusual picture"  # unlike the pictures that the model learnt from
    IGNORED = "in a region to ignore"
    MARKED = "writing or drawing on the picture"
    FRAME = "touches the frame"
    SLIP = "a few pixels only"
    FAINT = "much fainter than the others"
    GAP = "gap between particles"
    HIDDEN = "mostly hidden by others"  # only in results of older versions
    SMALL = "smaller than the filter"
    UNRESOLVED = "below the resolution limit"
    UNSURE = "low confidence"
    ODD = "odd shape"
    SHORT = "not clearly a fibre"
    THIN = "thinner than 3 px"
    PIECE = "piece between other fibres"

    @property
    def definition(self) -> str:
        """One sentence for the user, with the limit."""
        return _DEFINITIONS[self]


# Groups of reasons. ALWAYS apply even with the filter off; FILTER_REASONS only with the filter on.
ALWAYS = (Reason.FRAME, Reason.SLIP)
FILTER_REASONS = (Reason.SMALL, Reason.UNRESOLVED, Reason.UNSURE, Reason.ODD)
BY_OTHERS = (Reason.FAINT, Reason.GAP, Reason.HIDDEN)  # judged by the other outlines of the image
BY_REGION = (Reason.IGNORED, Reason.MARKED)  # judged by the place of the outline (measure.regions)
BY_IMAGE = (Reason.UNLIKE, *BY_REGION, *BY_OTHERS)  # judged before the filter, by the whole image
FOR_SIZE = (Reason.SLIP, Reason.SMALL, Reason.UNRESOLVED)  # because the outline is too small

_DEFINITIONS = {
    Reason.UNLIKE: "The image clearly shows another kind than the model knows. “Yes, measure” counts its outlines.",
    Reason.IGNORED: "It lies in a region that somebody drew to be ignored.",
    Reason.MARKED: "Letters, arrows, lines or other marks were drawn here on the picture. They are no specimen.",
    Reason.FAINT: (
        "It is much fainter than the other outlines, like specks of the substrate. The limit is the setting “Least"
        " contrast that counts”."
    ),
    Reason.GAP: "Its contrast is opposite to that of the particles, so it is probably a gap.",
    Reason.HIDDEN: (
        "Other outlines touched it along most of its rim, so a part of its particle may be hidden. Versions up to 1.0"
        " left such outlines out. They count now, with the size that can be seen."
    ),
    Reason.FRAME: "It reaches the edge of the analysed area, so a part of it may be outside the image.",
    Reason.SLIP: f"Its area is less than {SLIP_PX} px, which is noise rather than a particle.",
    Reason.SMALL: f"Its area is less than {SMALL_PX} px (filter: 9 px² between the centres of its outer pixels).",
    Reason.UNRESOLVED: (
        f"Its minimum Feret diameter is less than {RESOLVED_PX:g} px: an outline is known to about half a"
        " pixel, so its size would be uncertain by more than 10 %."
    ),
    Reason.UNSURE: (
        f"Its confidence, the probability that the outline is right, is less than {100 * LEAST_CONFIDENCE:g} %."
    ),
    Reason.ODD: (
        f"Its solidity is less than {LEAST_SOLIDITY:g} or its aspect ratio less than {LEAST_ASPECT_RATIO:g},"
        " as is usual for several particles or a crack, not for one particle."
    ),
    Reason.SHORT: (
        "Its middle line was short for its area: a bead, a speck, or fibres that could not be separated. It counts as"
        " another object."
    ),
    Reason.PIECE: (
        "It is shorter than three typical fibre widths and shows no end. It is a piece of a fibre that others cover."
    ),
    Reason.THIN: (
        "It, or most of the fibres, are under 3 px wide, which is too narrow for a diameter. Take an image at a higher"
        " magnification."
    ),
}


def set_aside(table: Table, filter: bool, always: Sequence[Reason] = ()) -> Table:
    """The table judged: every object is counted, or left out for the first reason that applies.

    filter: whether the filter is on. always: reasons of the filter that apply even with the filter
    off. All limits are in pixels of the upload, so the calibration changes no judgement. A NaN
    confidence (none was measured) is not low. An object that a person left out stays left out, and
    so does one with a reason of BY_IMAGE. An object that a person confirmed is left
    out only for the reasons ALWAYS, or if it lies in a region to ignore, because the area of that
    region does not count.
    """
    px = table.rescaled(None)
    # Converting to nm and back may change the last digit, and many sizes lie exactly at a limit.
    area, width = np.rint(px["area_px2"]), px["min_feret_px"].round(9)
    holds = {
        **{reason: table.reasons == reason for reason in BY_IMAGE},
        Reason.FRAME: px["touches_frame"].astype(bool),
        Reason.SLIP: area < SLIP_PX,
        Reason.SMALL: area < SMALL_PX,
        Reason.UNRESOLVED: width < RESOLVED_PX,
        Reason.UNSURE: px["confidence"] < LEAST_CONFIDENCE,
        Reason.ODD: (px["solidity"] < LEAST_SOLIDITY) | (px["aspect_ratio"] < LEAST_ASPECT_RATIO),
    }

    def first_reason(judges: Sequence[Reason]) -> NDArray[Any]:
        return np.select([holds[reason] for reason in judges], [str(reason) for reason in judges], "")

    reasons = first_reason((Reason.UNLIKE, *BY_REGION, *ALWAYS, *BY_OTHERS, *(FILTER_REASONS if filter else always)))
    if BY_HAND in table.columns:  # NaN in a sample's images without it
        reasons = np.where(table[BY_HAND] == 1, first_reason((Reason.IGNORED, *ALWAYS)), reasons)
    is_by_person = ~np.isin(table.reasons, ["", *map(str, Reason)])
    return table.judged(np.where(is_by_person, table.reasons, reasons).astype(REASON_TYPE))


def with_decisions(table: Table, segmentation: Segmentation, faint_limit: float | None) -> Table:
    """The table with the decisions of a person who corrected the segmentation: objects left out,
    and objects confirmed. The table's rows are in the order of the segmentation's ids.

    The reasons BY_OTHERS depend on other outlines. They stay as they were when the person began, so
    that a correction does not change the judgement of other outlines, unless `faint_limit` has
    changed since.
    """
    ids, reasons = segmentation.ids, table.reasons
    by_others = dict(segmentation.used.get("by_others", {}))
    # Objects that lay in a region when the person began: nobody judged them by others then.
    unjudged = [*chain(*(by_others.pop(str(reason), ()) for reason in BY_REGION))]
    if by_others.pop("faint_limit", None) == faint_limit:
        is_unchanged = ~np.isin(reasons, list(by_others)) | np.isin(ids, unjudged)
        by_place = [str(Reason.UNLIKE), *map(str, BY_REGION)]
        for reason, numbers in by_others.items():
            reasons = np.where(np.isin(ids, numbers) & ~np.isin(reasons, by_place), reason, reasons)
        reasons = np.where(is_unchanged | np.isin(ids, [*chain(*by_others.values())]), reasons, "")
    if not segmentation.by_hand and not segmentation.set_aside:
        return table.judged(reasons.astype(REASON_TYPE))
    decided = [segmentation.set_aside.get(number, why) for number, why in zip(ids.tolist(), reasons, strict=True)]
    by_hand = np.isin(ids, list(segmentation.by_hand))
    return table.with_measures(by_hand=by_hand).judged(np.array(decided, REASON_TYPE))


def set_faint_aside(table: Table, limit: float, gap: NDArray[np.bool_]) -> Table:
    """The table in which gaps between particles are left out, and objects with a relative contrast
    under `limit` (0: no limit). gap: (n,) whether each object is a gap."""
    holds = gap, (table["relative_contrast"] < limit) & (limit > 0)
    return table.judged(np.select(holds, [str(Reason.GAP), str(Reason.FAINT)], table.reasons))


def judged_without(table: Table, filter: bool, *reasons: Reason) -> Table:
    """The table judged as if these reasons did not exist; the same table if no object has one of
    them."""
    is_lifted = np.isin(table.reasons, [str(reason) for reason in reasons])
    if not is_lifted.any():
        return table
    return set_aside(table.judged(np.where(is_lifted, "", table.reasons)), filter)


def with_doubtful(table: Table, filter: bool) -> Table:
    """The table judged as if no confidence were low; other reasons still apply."""
    if not (table.reasons == Reason.UNSURE).any():
        return table
    without_confidence = table.with_measures(confidence=np.full(len(table), np.nan))
    reasons = set_aside(without_confidence, filter).reasons
    return table.judged(np.where(table.reasons == Reason.UNSURE, reasons, table.reasons).astype(REASON_TYPE))


def without_doubtful(table: Table, least: float = LEAST_CONFIDENCE) -> Table:
    """The table in which counted outlines with a confidence under `least` are left out. Outlines
    that a person confirmed still count, and those without a confidence."""
    is_doubtful = table.kept & (table["confidence"].round(6) < least) & (table.columns.get(BY_HAND, 0) != 1)
    return table.judged(np.where(is_doubtful, str(Reason.UNSURE), table.reasons).astype(REASON_TYPE))


def with_reasons_lifted(table: Table, reasons: Sequence[Reason]) -> Table:
    """The table in which objects that were left out for one of `reasons` are counted."""
    is_lifted = np.isin(table.reasons, [str(reason) for reason in reasons])
    return table.judged(np.where(is_lifted, "", table.reasons).astype(REASON_TYPE))


def whole_only(table: Table) -> Table:
    """The table in which all objects that touch the frame are left out."""
    return table.judged(np.where(table.kept & ~table.whole, str(Reason.FRAME), table.reasons))


def only_sized(table: Table, *, screened: bool) -> Table:
    """The table in which only the objects of the size distribution are counted. Objects that touch the
    frame are left out. screened: the objects were judged as nanomaterials, so these are left out
    already. A table without the column touches_frame is unchanged."""
    return table if screened or "touches_frame" not in table.columns else whole_only(table)


def by_reason(tables: Sequence[Table]) -> dict[str, int]:
    """How many objects of the tables were left out, by reason, in the order of `Reason`."""
    counts = Counter(reason for table in tables for reason in table.reasons[~table.kept].tolist())
    ordered = [str(reason) for reason in Reason if reason in counts]
    return {reason: counts[reason] for reason in [*ordered, *sorted(set(counts) - set(ordered))]}
