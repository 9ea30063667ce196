"""Writes the table of bounds into docs/operate/security.md: python -m tools.bounds."""

from __future__ import annotations

import os
import re
from pathlib import Path

import django

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/operate/security.md"
HEAD = "| what | whose | at most | what ends it |\n|---|---|---|---|\n"


def table() -> str:
    """The table: a line for each kind of row, in the order of `bounds.BOUNDS`."""
    from segmentation.services.ground.bounds import BOUNDS

    lines = [
        f"| {bound.noun} | {bound.whose} | {bound.limit.format(most=f'{bound.most:,}')} | {bound.ends} |"
        for bound in BOUNDS.values()
    ]
    return HEAD + "\n".join(lines) + "\n"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deepsegm.settings")
    django.setup()
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(re.sub(re.escape(HEAD) + r"(\|.*\n)*", lambda _: table(), text), encoding="utf-8")


if __name__ == "__main__":
    main()
