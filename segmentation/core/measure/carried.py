"""On how many outlines the fraction from 1 to 100 nm rests, and how many of all are doubtful."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .bins import LEAST_JUDGED
from .distribution import is_nano, number_weights
from .filters import without_doubtful
from .results import FractionOutlines
from .table import Table

FEW = 10  # on one side of 100 nm: each of them carries a tenth and more of what lies there


def fraction_outlines(tables: Sequence[Table], pieces: Sequence[Table | None] = ()) -> FractionOutlines:
    """Of the judged tables of one image or of several. pieces: of each table, what its outlines may be instead; with
    them all weigh as much as their probability, and none is called doubtful: what is left without it is not known."""
    known = [table for table in (*tables, *pieces) if table is not None]
    weights = number_weights(known, probabilities=bool(pieces))
    is_small = is_nano(np.concatenate([table.length("min_feret")[table.kept] for table in known]))
    left = () if pieces else tables
    labels = tables[0]["label"][tables[0].kept] if len(tables) == 1 and "label" in tables[0].columns else ()
    ids = [int(label) for label, small in zip(labels, is_small, strict=False) if small]
    return FractionOutlines(
        small=round(float(weights[is_small].sum())),
        total=round(float(weights.sum())),
        doubtful=sum(int(table.kept.sum() - without_doubtful(table).kept.sum()) for table in left),
        ids=ids if len(ids) <= FEW else [],
    )


def is_carried_by_few(outlines: FractionOutlines) -> bool:
    """Whether each single outline matters to the fraction: few are on one side of 100 nm, or few count at all. Where
    all are on one side, their number says it."""
    less = min(outlines["small"], outlines["total"] - outlines["small"])
    return less > 0 and (less <= FEW or outlines["total"] < LEAST_JUDGED)


def carried_words(outlines: FractionOutlines, share: str, without: str) -> str:
    """What one outline weighs, such as "2 of 19; 6 % without the doubtful one"; "" where there is nothing to say.

    share, without: the fraction in per cent with and without doubtful outlines as it is written; "" where it is not
    known. It stands beside the fraction wherever people read it.
    """
    count, doubtful = f"{outlines['small']:,} of {outlines['total']:,}", outlines["doubtful"]
    ones = "doubtful one" if doubtful == 1 else f"{doubtful:,} doubtful ones"
    is_moved = doubtful and without not in ("", share)
    parts = (
        count if is_carried_by_few(outlines) else "",
        f"{without} % without the {ones}" if is_moved else "",
    )
    return "; ".join(filter(None, parts))
