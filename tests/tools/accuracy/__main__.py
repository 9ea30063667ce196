"""The tables behind docs/method/accuracy.md and fibres.md: python -m tests.tools.accuracy NAME ..., or all of
TABLES. Those
with a mark on a page are written into it, the others printed. python -m tests.tools.accuracy metamorphic changes
pictures in
ways that must not change the answer; contacts, confidence, recall and aside look at kinds of images that most fits have
not seen; advice at images of other kinds that are analysed as particles; touching at greys where particles touch;
doubts says how often each warning is right, clicks how well two clicks split an outline, alike how well three find
all of their sort, and methods how soon control charts and limits decide."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from segmentation.core.measure.quantities import COLUMNS, NUMBERS, Registry
from segmentation.core.tasks import every

from . import arrangement, coverage, fibres, golden, metamorphic, outlines, reference, shapes

METHOD = Path(__file__).resolve().parents[3] / "docs" / "method"
PAGE = METHOD / "accuracy.md"
PAGES = PAGE, METHOD / "fibres.md"
SAMPLES, OF_IMAGES, OF_AMOUNTS, OF_FIELDS = 250, 300, 250, 200


def definitions(registry: Registry, beside: Registry | None = None) -> Iterator[str]:
    """What each quantity of the registry is, those of every kind of analysis, but for places in px and those that
    `beside` has: numbers by name and unit, columns (without `beside`) as files name them."""
    every()
    for name, quantity in registry.items():
        if (beside and name in beside) or name.endswith("_px"):
            continue
        unit = f", {quantity.unit('nm')}" if beside and quantity.unit("nm") else ""
        source = f" ({quantity.source})" if quantity.source else ""
        yield f"- `{name if beside else quantity.column('nm')}`{unit}: {quantity.definition}{source}"


def together(lines: Iterable[str]) -> Iterator[str]:
    """Lines of definitions; neighbours that differ in their name and in one more word are one line, with all names and
    all of these words."""
    group: list[list[str]] = []
    for words in [*(line.split(" ") for line in lines), []]:
        differing = [at for at, ones in enumerate(zip(*group, words, strict=False)) if len(set(ones)) > 1]
        if group and (len(words) != len(group[0]) or len(differing) > 2):
            columns = list(zip(*group, strict=True))
            names = ", ".join(name[:-1] for name in columns[1]) + group[0][1][-1]  # a colon or comma ends each
            yield " ".join(["-", names, *("/".join(dict.fromkeys(ones)) for ones in columns[2:])])
            group = []
        group.append(words)


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "columns": lambda: together(definitions(COLUMNS)),
    "numbers": lambda: together(definitions(NUMBERS, COLUMNS)),
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
    "weighted": lambda: coverage.weighted_lines(OF_AMOUNTS),
    "images": lambda: coverage.image_lines(OF_IMAGES),
    "fractions": lambda: chain(coverage.fraction_lines(OF_FIELDS), [""], coverage.alike_lines(OF_FIELDS)),
    "golden": golden.lines,
    "fibres": fibres.lines,
    "kinds": golden.lines_of_two_kinds,
}


def put(page: str, name: str, lines: list[str]) -> str:
    """The page with the table between its two marks replaced."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    head, rest = page.split(begin)
    return head + begin + "".join(f"{line}\n" for line in lines) + end + rest.split(end)[1]


def main() -> None:
    if sys.argv[1:2] == ["metamorphic"]:
        metamorphic.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["advice"]:
        from . import advice  # reads the models and their data

        print(*advice.lines(), sep="\n")
        return
    if sys.argv[1:2] in (["doubts"], ["clicks"], ["alike"]):
        from . import alike, clicks, doubts  # read the models and their data

        table = {"doubts": doubts, "clicks": clicks, "alike": alike}[sys.argv[1]]
        with TemporaryDirectory() as other:
            print(
                *table.lines(Path(next((name for name in sys.argv[2:] if not name.startswith("--")), other))), sep="\n"
            )
        return
    if sys.argv[1:2] in (["touching"], ["methods"]):
        from . import methods, touching  # read the models' data

        print(*{"touching": touching, "methods": methods}[sys.argv[1]].lines(), sep="\n")
        return
    if sys.argv[1:2] in (["contacts"], ["confidence"], ["recall"], ["aside"]):
        from . import unseen  # reads the models and their data

        unseen.main(sys.argv[1:])
        return
    for name in sys.argv[1:] or TABLES:
        lines = list(TABLES[name]())
        for page in PAGES:
            if f"<!-- {name} -->" in (text := page.read_text(encoding="utf-8")):
                page.write_text(put(text, name, lines), encoding="utf-8")
                print(f"{name}: {len(lines)} lines written to {page.name}")
                break
        else:
            print(name, *lines, sep="\n")


if __name__ == "__main__":
    main()
