"""The reasons why an object is left out of the numbers, in one ordered list, and the one judge that gives each object
its reason. A new reason is one entry of `Reason`.

A reason is a short text, which is stored in the table, and a sentence with its limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...labels.segmentation import Segmentation
from ..table import REASON_TYPE, Table

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
    """Why an object does not count. If several reasons hold, `judge` gives the first in this order.

    group: who or what judges, one of GROUPS. definition: one sentence for the user, with the limit. holds: of a table
    in px, (n,) whether it holds for each object; None where something else than the measures of the object tells it.
    """

    group: str
    definition: str
    holds: Callable[[Table], NDArray[np.bool_]] | None

    def __new__(
        cls, text: str, group: str, definition: str, holds: Callable[[Table], NDArray[np.bool_]] | None = None
    ) -> Self:
        reason = str.__new__(cls, text)
        reason._value_, reason.group, reason.definition, reason.holds = text, group, definition, holds
        return reason

    UNLIKE = (  # unlike the pictures that the model learnt from
        "unusual picture",
        "image",
        "The image clearly shows another kind than the model knows. “Yes, measure” counts its outlines.",
    )
    IGNORED = "in a region to ignore", "region", "It lies in a region that somebody drew to be ignored."
    MARKED = (
        "writing or drawing on the picture",
        "region",
        "Letters, arrows, lines or other marks were drawn here on the picture. They are no specimen.",
    )
    FRAME = (
        "touches the frame",
        "always",
        "It reaches the edge of the analysed area, so a part of it may be outside the image.",
        lambda px: px["touches_frame"].astype(bool),
    )
    SLIP = (
        "a few pixels only",
        "always",
        f"Its area is less than {SLIP_PX} px, which is noise rather than a particle.",
        # Converting to nm and back may change the last digit, and many sizes lie exactly at a limit.
        lambda px: np.rint(px["area_px2"]) < SLIP_PX,
    )
    FAINT = (
        "much fainter than the others",
        "others",
        "It is much fainter than the other outlines, like specks of the substrate. The limit is the setting “Least"
        " contrast that counts”.",
    )
    GAP = (
        "gap between particles",
        "others",
        "Its contrast is opposite to that of the particles, so it is probably a gap.",
    )
    HIDDEN = (  # only in results of older versions
        "mostly hidden by others",
        "others",
        "Other outlines touched it along most of its rim, so a part of its particle may be hidden. Versions up to 1.0"
        " left such outlines out. They count now, with the size that can be seen.",
    )
    SMALL = (
        "smaller than the filter",
        "filter",
        f"Its area is less than {SMALL_PX} px (filter: 9 px² between the centres of its outer pixels).",
        lambda px: np.rint(px["area_px2"]) < SMALL_PX,
    )
    UNRESOLVED = (
        "below the resolution limit",
        "filter",
        f"Its minimum Feret diameter is less than {RESOLVED_PX:g} px: an outline is known to about half a"
        " pixel, so its size would be uncertain by more than 10 %.",
        lambda px: px["min_feret_px"].round(9) < RESOLVED_PX,
    )
    UNSURE = (
        "low confidence",
        "filter",
        f"Its confidence, the probability that the outline is right, is less than {100 * LEAST_CONFIDENCE:g} %.",
        lambda px: px["confidence"] < LEAST_CONFIDENCE,  # NaN, where none was measured, is not low
    )
    ODD = (
        "odd shape",
        "filter",
        f"Its solidity is less than {LEAST_SOLIDITY:g} or its aspect ratio less than {LEAST_ASPECT_RATIO:g},"
        " as is usual for several particles or a crack, not for one particle.",
        lambda px: (px["solidity"] < LEAST_SOLIDITY) | (px["aspect_ratio"] < LEAST_ASPECT_RATIO),
    )
    SHORT = (
        "not clearly a fibre",
        "elongated",
        "Its middle line was short for its area: a bead, a speck, or fibres that could not be separated. It counts as"
        " another object.",
    )
    THIN = (
        "thinner than 3 px",
        "elongated",
        "It, or most of the fibres, are under 3 px wide, which is too narrow for a diameter. Take an image at a higher"
        " magnification.",
    )
    PIECE = (
        "piece between other fibres",
        "elongated",
        "It is shorter than three typical fibre widths and shows no end. It is a piece of a fibre that others cover.",
    )

    @property
    def overrules(self) -> bool:
        """Whether it holds for an object that a person confirmed, too: the area of a region to ignore does not count,
        and part of an object at the frame is not seen."""
        return self.group in ("always", "elongated") or self is Reason.IGNORED


# The groups of reasons. "always": with the filter off, too. "filter": only with the filter on. "others": by the other
# outlines of the image. "region": by the place of the outline (`measure.regions`).
ALWAYS, FILTER_REASONS, BY_OTHERS, BY_REGION = (
    tuple(reason for reason in Reason if reason.group == group) for group in ("always", "filter", "others", "region")
)
FOR_SIZE = (Reason.SLIP, Reason.SMALL, Reason.UNRESOLVED)  # because the outline is too small
Signals = Mapping[Reason, NDArray[np.bool_]]  # (n,) whether a reason holds for each object, beside its own measures


def judge(
    table: Table,
    filter: bool,
    signals: Signals | None = None,
    *,
    person: Segmentation | None = None,
    faint_limit: float | None = None,
    too_small: Sequence[Reason] = (),
    screened: bool = True,
) -> Table:
    """The table judged: every object is counted, or left out for the first reason that holds.

    filter: whether the filter is on. signals: what others than the measures of the objects tell; of a table that was
    judged before, the reasons that no measure tells hold on. person: the segmentation with the decisions of a person,
    its ids in the order of the rows, and the setting `faint_limit`. too_small: reasons of the filter that hold even
    with the filter off. screened: otherwise an object at the frame counts, and no limit applies to its measures,
    because only a part of it is seen.

    All limits are in pixels of the upload, so the calibration changes no judgement. An object that a person left out
    stays left out. One that a person confirmed is left out only for reasons that overrule this (`Reason.overrules`).
    """
    signs = dict(signals or {})
    if person is not None:
        table, signs = (
            _decided(table, person),
            {**signs, **_judged_before(person, signs, faint_limit)},
        )
    px = table.rescaled(None)
    is_measured = np.full(len(table), True) if screened else ~px["touches_frame"].astype(bool)

    def first_of(reasons: Sequence[Reason]) -> NDArray[Any]:
        conditions = [
            (table.reasons == str(reason)) | signs.get(reason, False)
            if reason.holds is None
            else reason.holds(px) & is_measured
            for reason in reasons
        ]
        return np.select(conditions, [str(reason) for reason in reasons], "")

    asked = [reason for reason in Reason if filter or reason.group != "filter" or reason in too_small]
    reasons = first_of(asked)
    if BY_HAND in table.columns:  # NaN in a sample's images without it
        overruling = first_of([reason for reason in asked if reason.overrules])
        reasons = np.where(table[BY_HAND] == 1, overruling, reasons)
    is_by_person = ~np.isin(table.reasons, ["", *map(str, Reason)])
    return table.judged(np.where(is_by_person, table.reasons, reasons))


def _decided(table: Table, person: Segmentation) -> Table:
    """The table with the texts of a person for objects left out, and a column for objects confirmed."""
    if not person.by_hand and not person.set_aside:
        return table
    texts = [person.set_aside.get(number, why) for number, why in zip(person.ids.tolist(), table.reasons, strict=True)]
    is_by_hand = np.isin(person.ids, list(person.by_hand))
    return table.with_measures(by_hand=is_by_hand).judged(np.array(texts, REASON_TYPE))


def _judged_before(person: Segmentation, signals: Signals, faint_limit: float | None) -> Signals:
    """The reasons that depend on other outlines, as they were when the person began, so that a correction does not
    change the judgement of other outlines; {} if `faint_limit` has changed since."""
    by_others = dict(person.used.get("by_others", {}))
    # Objects that lay in a region when the person began: nobody judged them by others then.
    unjudged = np.isin(person.ids, [*chain(*(by_others.pop(str(reason), ()) for reason in BY_REGION))])
    if by_others.pop("faint_limit", None) != faint_limit:
        return {}
    return {
        reason: np.isin(person.ids, by_others[str(reason)]) | (unjudged & signals.get(reason, False))
        for reason in BY_OTHERS
        if str(reason) in by_others
    }


def judged_without(table: Table, filter: bool, *reasons: Reason) -> Table:
    """The table judged as if these reasons did not exist; the same table if no object has one of
    them."""
    if not np.isin(table.reasons, [str(reason) for reason in reasons]).any():
        return table
    return judge(with_reasons_lifted(table, reasons), filter)


def with_doubtful(table: Table, filter: bool) -> Table:
    """The table judged as if no confidence were low; other reasons still apply."""
    if not (table.reasons == Reason.UNSURE).any():
        return table
    without_confidence = table.with_measures(confidence=np.full(len(table), np.nan))
    reasons = judge(without_confidence, filter).reasons
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
