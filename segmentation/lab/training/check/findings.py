"""The findings of a check of images and labels: errors, which must be corrected before a training, and warnings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ....core.masks.truth import BadDataset
from ..contract import Floats, table_beside
from ..settings import FolderEntry

if TYPE_CHECKING:
    from .pairs import CheckedPair

MOST_ALIKE = 9  # findings that differ only in names and numbers; of more only the first is kept
FINDINGS = table_beside(__file__)  # the content of findings.toml


def sentence_of(rule: str, **words: Any) -> str:
    """The sentence of a rule of findings.toml, filled with the words."""
    text: str = FINDINGS[rule]["sentence"]
    return text.format(**words)


@dataclass(frozen=True)
class Finding:
    """One thing that a check found, by a rule of findings.toml.

    error: no training should start before it is corrected; otherwise it is a warning. words: they fill the
    sentence of the rule. alike: names of further files for which the sentence is also true.
    alike_count: number of further findings that this one replaces.
    """

    error: bool
    rule: str
    words: dict[str, Any]
    alike: str = ""
    alike_count: int = 0

    @property
    def sentence(self) -> str:
        """The sentence for the shell, which may name options of commands."""
        return self._worded("sentence")

    @property
    def on_page(self) -> str:
        """The sentence for a page, whose readers have no shell."""
        return self._worded("on_page" if "on_page" in FINDINGS[self.rule] else "sentence")

    def _worded(self, which: str) -> str:
        """The filled sentence. which: its key in findings.toml."""
        sentence: str = FINDINGS[self.rule][which].format(**self.words)
        more = f" The same is true {self.alike_count} more times: {self.alike}."
        return sentence + more if self.alike_count else sentence

    def __str__(self) -> str:
        return f"{'error' if self.error else 'warning'}: {self.sentence}"


@dataclass
class CheckedFolder:
    """The result of a check.

    entry: how to read the folder. classes: numbers of the classes in the labels, empty for objects (see `Pair`).
    task: the task to train, if it is known. pairs: all readable pairs. findings: in the order of the files.
    """

    entry: FolderEntry
    classes: tuple[int, ...] = ()
    task: str = ""
    pairs: list[CheckedPair] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.error]

    @property
    def binary(self) -> bool:
        """Whether no file of labels has more than one number besides the background."""
        return bool(self.pairs) and all(pair.labels_used <= 1 for pair in self.pairs)

    @property
    def diameters(self) -> Floats:
        """ECD in px of all particles."""
        return np.concatenate([np.zeros(0), *(pair.diameters for pair in self.pairs)])

    @property
    def summary(self) -> str:
        """What the folder holds, in a line; for classes with the table below it."""
        if self.classes:
            images = f"{len(self.pairs)} images with labels ({len(self.classes)} classes)."
            return "\n".join([images, *self.table])
        kind = "binary masks" if self.binary else "one number per particle"
        median = f", median diameter {np.median(self.diameters):.1f} px" if len(self.diameters) else ""
        return f"{len(self.pairs)} images with labels ({kind}), {len(self.diameters)} particles{median}."

    @property
    def table(self) -> list[str]:
        """A heading, and a line for each class: its share of the labelled pixels, and how many images have it."""
        shares = np.array([pair.shares for pair in self.pairs], float).reshape(-1, len(self.classes))
        if not len(shares):
            return []
        figures = zip(self.classes, shares.mean(0), shares.min(0), shares.max(0), (shares > 0).sum(0), strict=True)
        rows = [
            f"{position:5d} {number:6d} {mean:8.2%} {low:8.2%} {high:8.2%} {images:6d}"
            for position, (number, mean, low, high, images) in enumerate(figures)
        ]
        return ["class number     mean   lowest  highest images", *rows]

    def refuse(self, where: str, advice: str = "", *, advice_on_page: str = "") -> None:
        """Raise BadDataset if there are errors. Its message is the first error, how many more there are, and the
        advice.

        where: the name of the folder. advice: a sentence for the shell. advice_on_page: one for a page.
        """
        if not (errors := self.errors):
            return
        others = len(errors) - 1
        more = (
            f"There {'is' if others == 1 else 'are'} {others} more error{'' if others == 1 else 's'}." if others else ""
        )
        shell = " ".join(filter(None, (errors[0].sentence, more, advice)))
        page = " ".join(filter(None, (errors[0].on_page, more, advice_on_page)))
        raise BadDataset(f"{where}: {shell}", on_page=page)

    def add(self, rule: str, is_error: bool | None = None, /, **words: Any) -> None:
        """Add a finding by a rule of findings.toml. is_error: None for the entry in findings.toml."""
        is_error = FINDINGS[rule].get("error", False) if is_error is None else is_error
        self.findings.append(Finding(is_error, rule, words))

    def shorten(self, names: Iterable[str]) -> None:
        """Replace findings that differ only in numbers and names of files by the first of them, if there are more than
        MOST_ALIKE. names: of all files."""
        longest_first = map(re.escape, sorted(set(names), key=len, reverse=True))
        names_and_numbers = re.compile("|".join([*longest_first, r"\d+(?:\.\d+)?"]))
        groups: dict[tuple[bool, str], list[Finding]] = {}
        for finding in self.findings:
            groups.setdefault((finding.error, names_and_numbers.sub("#", finding.sentence)), []).append(finding)
        self.findings = []
        for group in groups.values():
            self.findings += group if len(group) <= MOST_ALIKE else group[:1]
            if len(group) > MOST_ALIKE:
                files = [match[0] for finding in group[1:] if (match := names_and_numbers.search(finding.sentence))]
                self.findings[-1] = replace(group[0], alike=some_of(files), alike_count=len(group) - 1)


def some_of(names: Sequence[str], limit: int = 3, more: str = "more") -> str:
    """The first names and the number of the others, such as "a.png, b.png, c.png and 2 more"."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} {more}" if len(names) > limit else "")
