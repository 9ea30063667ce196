"""Makes the tables of docs/method/accuracy.md and fibres.md: python -m tools.accuracy NAME ..., or all TABLES. A
table that has a mark on a page is written into the page, others are printed.

Other names: metamorphic (pictures changed in ways that must not change the result); contacts, confidence, recall, aside
(images of kinds that most fits have not used); advice (images of other kinds, analysed as particles); touching (grey
levels at contacts); doubts (how often warnings are right); rules (how often each warning and note speaks); clicks
(splitting by two clicks); alike (finding similar outlines); methods (how soon control charts and limits decide); edges
(sizes of drawn shapes); overlaps (drawn particles that lie on each other)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from segmentation.core.measure.quantities import COLUMNS, NUMBERS, Registry
from segmentation.core.tasks import every

from .drawn import arrangement, coverage, fibres, golden, metamorphic, outlines, shapes
from .real import reference

METHOD = Path(__file__).resolve().parents[2] / "docs" / "method"
PAGE = METHOD / "accuracy.md"
PAGES = PAGE, METHOD / "fibres.md"
# Random samples for each line of these tables: one image, several images, weighted figures, fractions.
SAMPLES, IMAGE_SAMPLES, WEIGHTED_SAMPLES, FRACTION_SAMPLES = 250, 300, 250, 200


def definitions(registry: Registry, beside: Registry | None = None) -> Iterator[str]:
    """A line with the definition of each quantity of a registry, for all kinds of analysis, without positions in px and
    without the quantities of `beside`. With `beside` they are numbers, by name and unit; else columns, as in files."""
    every()
    for name, quantity in registry.items():
        if (beside and name in beside) or name.endswith("_px"):
            continue
        unit = f", {quantity.unit('nm')}" if beside and quantity.unit("nm") else ""
        source = f" ({quantity.source})" if quantity.source else ""
        yield f"- `{name if beside else quantity.column('nm')}`{unit}: {quantity.definition}{source}"


def join_similar_lines(lines: Iterable[str]) -> Iterator[str]:
    """Lines of definitions; neighbouring lines that differ only in their name and in one other word are
    replace_table into one line with all names and all these words."""
    group: list[list[str]] = []
    for words in [*(line.split(" ") for line in lines), []]:
        columns_of_words = enumerate(zip(*group, words, strict=False))
        differing = [position for position, column in columns_of_words if len(set(column)) > 1]
        if group and (len(words) != len(group[0]) or len(differing) > 2):
            columns = list(zip(*group, strict=True))
            names = ", ".join(name[:-1] for name in columns[1]) + group[0][1][-1]  # a colon or comma ends each
            yield " ".join(["-", names, *("/".join(dict.fromkeys(column)) for column in columns[2:])])
            group = []
        group.append(words)


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "columns": lambda: join_similar_lines(definitions(COLUMNS)),
    "numbers": lambda: join_similar_lines(definitions(NUMBERS, COLUMNS)),
    "shapes": lambda: chain(
        (line.replace(" %", "") for line in shapes.lines(200, sizes=(20,), columns=shapes.SHOWN)),
        [""],
        outlines.lines(),
    ),
    "arrangement": lambda: chain(arrangement.lines(), [""], arrangement.sample_lines()),
    "reference": reference.lines,
    "coverage": lambda: coverage.lines(SAMPLES),
    "calibration": lambda: coverage.calibration_lines(SAMPLES),
    "laws": lambda: coverage.law_lines(SAMPLES),
    "weighted": lambda: coverage.weighted_lines(WEIGHTED_SAMPLES),
    "images": lambda: coverage.image_lines(IMAGE_SAMPLES),
    "fractions": lambda: chain(coverage.fraction_lines(FRACTION_SAMPLES), [""], coverage.alike_lines(FRACTION_SAMPLES)),
    "golden": golden.lines,
    "fibres": fibres.lines,
    "kinds": golden.lines_of_two_kinds,
}


def replace_table(page: str, name: str, lines: list[str]) -> str:
    """The text of a page, in which the lines replace the table between the two marks of this name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    head, rest = page.split(begin)
    return head + begin + "".join(f"{line}\n" for line in lines) + end + rest.split(end)[1]


def main() -> None:
    if sys.argv[1:2] == ["metamorphic"]:
        metamorphic.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["advice"]:
        from .real import advice  # reads the models and their data

        print(*advice.lines(), sep="\n")
        return
    if sys.argv[1:2] in (["doubts"], ["clicks"], ["alike"]):
        from .real import alike, clicks, doubts  # read the models and their data

        table = {"doubts": doubts, "clicks": clicks, "alike": alike}[sys.argv[1]]
        with TemporaryDirectory() as other:
            print(
                *table.lines(Path(next((name for name in sys.argv[2:] if not name.startswith("--")), other))), sep="\n"
            )
        return
    if sys.argv[1:2] in (["touching"], ["methods"], ["edges"], ["overlaps"]):
        from .drawn import edges, overlaps
        from .real import methods, touching  # read the models and their data

        table = {"touching": touching, "methods": methods, "edges": edges, "overlaps": overlaps}[sys.argv[1]]
        for line in table.lines():
            print(line, flush=True)
        return
    if sys.argv[1:2] == ["rules"]:
        from . import rules  # reads the models and their data

        rules.main(sys.argv[2:])
        return
    if sys.argv[1:2] in (["contacts"], ["confidence"], ["recall"], ["aside"]):
        from .real import unseen  # reads the models and their data

        unseen.main(sys.argv[1:])
        return
    for name in sys.argv[1:] or TABLES:
        lines = list(TABLES[name]())
        for page in PAGES:
            if f"<!-- {name} -->" in (text := page.read_text(encoding="utf-8")):
                page.write_text(replace_table(text, name, lines), encoding="utf-8")
                print(f"{name}: {len(lines)} lines written to {page.name}")
                break
        else:
            print(name, *lines, sep="\n")


if __name__ == "__main__":
    main()
