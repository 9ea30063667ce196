"""The micrographs of a sample in its report, each with what was found."""

from __future__ import annotations

from collections.abc import Iterator

from reportlab.platypus import Flowable

from ..sample import SampleAnalysis
from .document import SMALL, WIDTH, abreast, heading, picture, space, together, words
from .wording import one_line

ABREAST = 3
TALLEST = 130.0  # points
MOST = 48  # more would make a file too large to send


def micrographs(sample: SampleAnalysis, *, few: bool = False) -> Iterator[Flowable]:
    """Rows of small pictures under their names; nothing where there is none. few: two rows, without a heading."""
    pictures = [(image, image.member.picture) for image in sample.images if image.member and image.member.picture]
    if not pictures:
        return
    most = 2 * ABREAST if few else MOST
    some = f" The first {most} of {len(pictures)} images." if len(pictures) > most else ""
    counted = ", counted objects in colours" if sample.counted else ""
    title = words(f"Each image as analysed{counted}.{some}", SMALL)
    first: list[Flowable] = [*([] if few else [heading("Micrographs")]), title, space(3)]
    width = WIDTH / ABREAST - 8
    for begin in range(0, min(len(pictures), most), ABREAST):
        cells: list[Flowable | list[Flowable]] = []
        for image, content in pictures[begin : min(begin + ABREAST, most)]:
            remark = " (not counted)" if image.excluded else ""
            cells.append(
                [picture(content, width, TALLEST), space(3), words(one_line(image.name, 45) + remark, SMALL), space(5)]
            )
        cells += [[] for _ in range(ABREAST - len(cells))]
        row = (*first, abreast(*cells))
        yield from row if few else [together(*row)]
        first = []
