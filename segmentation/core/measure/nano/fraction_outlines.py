"""How many outlines the fraction from 1 to 100 nm depends on, and how many of all are doubtful: as
numbers, and in words for the pages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..objects.filters import without_doubtful
from ..results import FractionOutlines
from ..sizes.bins import LEAST_JUDGED
from ..sizes.distribution import is_nano, number_weights
from ..table import Table

FEW_OUTLINES = 10  # on one side of 100 nm; each is then a tenth or more of them


def fraction_outlines(tables: Sequence[Table], pieces: Sequence[Table | None] = ()) -> FractionOutlines:
    """The numbers of outlines in the judged tables of one image or of several.

    pieces: for each table the table of its possible pieces (`possible_pieces`). With them, outlines and
    pieces are summed by their probabilities, and none is called doubtful, because the fraction
    without it is not known.
    """
    all_tables = [table for table in (*tables, *pieces) if table is not None]
    weights = number_weights(all_tables, probabilities=bool(pieces))
    is_small = is_nano(np.concatenate([table.length("min_feret")[table.kept] for table in all_tables]))
    doubtful_tables = () if pieces else tables
    labels = tables[0]["label"][tables[0].kept] if len(tables) == 1 and "label" in tables[0].columns else ()
    ids = [int(label) for label, small in zip(labels, is_small, strict=False) if small]
    return FractionOutlines(
        small=round(float(weights[is_small].sum())),
        total=round(float(weights.sum())),
        doubtful=sum(int(table.kept.sum() - without_doubtful(table).kept.sum()) for table in doubtful_tables),
        ids=ids if len(ids) <= FEW_OUTLINES else [],
    )


def depends_on_few(outlines: FractionOutlines) -> bool:
    """Whether each single outline matters to the fraction: few are from 1 to 100 nm, or few are
    larger, or few are counted at all. False if all are on one side of 100 nm."""
    less = min(outlines["small"], outlines["total"] - outlines["small"])
    return less > 0 and (less <= FEW_OUTLINES or outlines["total"] < LEAST_JUDGED)


def fraction_words(outlines: FractionOutlines, share: str, without: str) -> str:
    """Words beside the fraction wherever people read it: how many outlines it depends on, such as
    "2 of 19; 6 % without the doubtful one"; "" if the fraction depends on many sure outlines.

    share, without: the digits of the fraction in per cent, with and without doubtful outlines; ""
    where it is not known.
    """
    count, doubtful = f"{outlines['small']:,} of {outlines['total']:,}", outlines["doubtful"]
    doubtful_ones = "doubtful one" if doubtful == 1 else f"{doubtful:,} doubtful ones"
    is_moved = doubtful and without not in ("", share)
    parts = (
        count if depends_on_few(outlines) else "",
        f"{without} % without the {doubtful_ones}" if is_moved else "",
    )
    return "; ".join(filter(None, parts))
