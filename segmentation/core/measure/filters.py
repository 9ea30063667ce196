"""The reasons for setting a particle aside: each is a word and a sentence with its limit."""

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

BY_HAND = "by_hand"  # the column of objects that a person confirmed
SLIP_PX = 9
SMALL_PX = 16
RESOLVED_PX = 5.0
LEAST_CONFIDENCE = 0.5
SURE_CONFIDENCE = 0.9  # from which on a single outline is shown as an example
LEAST_SOLIDITY = 0.75
LEAST_ASPECT_RATIO = 0.15
# The measurand in words, by the setting `measurand`.
MEASURANDS = {"seen": "particles whose outline can be seen", "all": "all particles, hidden ones too", "": ""}


class Reason(StrEnum):
    """The reasons in the order of judging: a particle gets the first one that holds, but a faint gap is a gap."""

    UNLIKE = "unusual picture"
    IGNORED = "in a region to ignore"
    MARKED = "writing or drawing on the picture"
    FRAME = "touches the frame"
    SLIP = "a few pixels only"
    FAINT = "much fainter than the others"
    GAP = "gap between particles"
    HIDDEN = "mostly hidden by others"  # of stored results
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


ALWAYS = (Reason.FRAME, Reason.SLIP)
OF_FIBRES = (Reason.SHORT, Reason.THIN, Reason.PIECE)  # given after `set_aside`, which would take them off
FILTERED = (Reason.SMALL, Reason.UNRESOLVED, Reason.UNSURE, Reason.ODD)
BY_OTHERS = (Reason.FAINT, Reason.GAP, Reason.HIDDEN)  # judged by the other outlines of the image
BY_REGION = (Reason.IGNORED, Reason.MARKED)  # judged by where it lies (measure.regions)
BY_IMAGE = (Reason.UNLIKE, *BY_REGION, *BY_OTHERS)  # judged before the filter, by the whole image
FOR_SIZE = (Reason.SLIP, Reason.SMALL, Reason.UNRESOLVED)

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
        "Other outlines touched it along most of its rim, so a part of its particle may be hidden. Versions up to 1.1"
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
    """The table with every particle kept or given the first reason that holds.

    The reasons in `ALWAYS`, and those of the filter in `always`, apply with the filter off, too. All limits are in
    pixels of the upload, so the calibration changes no judgement. A NaN confidence (none was measured)
    is not low. Particles that a person set aside stay so, and those with a reason of BY_IMAGE, unless a person
    confirmed them: for these only ALWAYS holds, and that they lie in a region that somebody drew, whose area does not
    count either.
    """
    px = table.rescaled(None)
    # Going to nanometres and back may cost the last digit, and limits are often met exactly.
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

    reasons = first_reason((Reason.UNLIKE, *BY_REGION, *ALWAYS, *BY_OTHERS, *(FILTERED if filter else always)))
    if BY_HAND in table.columns:  # NaN in a sample's images without it
        reasons = np.where(table[BY_HAND] == 1, first_reason((Reason.IGNORED, *ALWAYS)), reasons)
    is_given = ~np.isin(table.reasons, ["", *map(str, Reason)])
    return table.judged(np.where(is_given, table.reasons, reasons).astype(REASON_TYPE))


def corrected(table: Table, segmentation: Segmentation, faint_limit: float | None) -> Table:
    """The table with a person's decisions; rows in the order of the segmentation's ids. Some reasons depend on other
    outlines: they stay as they were when the person began, unless the faint limit has changed since."""
    ids, reasons = segmentation.ids, table.reasons
    by_others = dict(segmentation.used.get("by_others", {}))
    unjudged = [*chain(*(by_others.pop(str(reason), ()) for reason in BY_REGION))]  # by others, when the person began
    if by_others.pop("faint_limit", None) == faint_limit:
        stands = ~np.isin(reasons, list(by_others)) | np.isin(ids, unjudged)
        by_place = [str(Reason.UNLIKE), *map(str, BY_REGION)]
        for reason, numbers in by_others.items():
            reasons = np.where(np.isin(ids, numbers) & ~np.isin(reasons, by_place), reason, reasons)
        reasons = np.where(stands | np.isin(ids, [*chain(*by_others.values())]), reasons, "")
    if not segmentation.by_hand and not segmentation.set_aside:
        return table.judged(reasons.astype(REASON_TYPE))
    decided = [segmentation.set_aside.get(number, why) for number, why in zip(ids.tolist(), reasons, strict=True)]
    by_hand = np.isin(ids, list(segmentation.by_hand))
    return table.with_measures(by_hand=by_hand).judged(np.array(decided, REASON_TYPE))


def set_faint_aside(table: Table, limit: float, gap: NDArray[np.bool_]) -> Table:
    """The table without objects of a relative contrast under `limit` (0: none), and gaps (n,) between particles: these
    are set aside."""
    holds = gap, (table["relative_contrast"] < limit) & (limit > 0)
    return table.judged(np.select(holds, [str(Reason.GAP), str(Reason.FAINT)], table.reasons))


def judged_without(table: Table, filter: bool, *reasons: Reason) -> Table:
    """The table judged as if these reasons held of no outline; the same one where they hold of none."""
    lifted = np.isin(table.reasons, [str(reason) for reason in reasons])
    return set_aside(table.judged(np.where(lifted, "", table.reasons)), filter) if lifted.any() else table


def with_doubtful(table: Table, filter: bool) -> Table:
    """The table judged as if no confidence were low; other reasons of the filter stay."""
    if not (table.reasons == Reason.UNSURE).any():
        return table
    sure = table.with_measures(confidence=np.full(len(table), np.nan))
    judged = set_aside(sure, filter).reasons
    return table.judged(np.where(table.reasons == Reason.UNSURE, judged, table.reasons).astype(REASON_TYPE))


def without_doubtful(table: Table, least: float = LEAST_CONFIDENCE) -> Table:
    """The table with kept outlines of a confidence under `least` set aside. Those that a person confirmed stay, and
    those of an unknown confidence."""
    doubtful = table.kept & (table["confidence"].round(6) < least) & (table.columns.get(BY_HAND, 0) != 1)
    return table.judged(np.where(doubtful, str(Reason.UNSURE), table.reasons).astype(REASON_TYPE))


def with_reasons_lifted(table: Table, reasons: Sequence[Reason]) -> Table:
    """The table with all objects kept that were set aside for one of `reasons`."""
    lifted = np.isin(table.reasons, [str(reason) for reason in reasons])
    return table.judged(np.where(lifted, "", table.reasons).astype(REASON_TYPE))


def whole_only(table: Table) -> Table:
    """The table with all objects that touch the frame set aside."""
    return table.judged(np.where(table.kept & ~table.whole, str(Reason.FRAME), table.reasons))


def sized(table: Table, *, screened: bool) -> Table:
    """The table in which only the objects of the size distribution are kept: those that touch the frame are among them
    where objects are screened as nanomaterials, or where nobody looked."""
    return table if screened or "touches_frame" not in table.columns else whole_only(table)


def by_reason(tables: Sequence[Table]) -> dict[str, int]:
    """How many particles were set aside, by reason, in the order of judging."""
    counts = Counter(reason for table in tables for reason in table.reasons[~table.kept].tolist())
    ordered = [str(reason) for reason in Reason if reason in counts]
    return {reason: counts[reason] for reason in [*ordered, *sorted(set(counts) - set(ordered))]}
