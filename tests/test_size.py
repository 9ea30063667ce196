"""The house does not grow by accident: whoever adds lines raises the number here, and says why in the commit."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Lines of Python outside tests; the aim is 56,000. Version 1.1.0 bought fibres, arrangement and shapes (2,700), the
# dossier and notebooks (850), analyses without torch and models for other programs (650), limits of the doors of the
# site and whole backups (750), composites (430), possible particles (220), quotas and upkeep (140); since then what
# comes is paid by what goes. What is still double are pairs of a few lines: lines go only with what they do.
MOST = 69_991
MOST_OF_TESTS = 54_590  # the aim is 42,000


@pytest.mark.parametrize(
    ("rooms", "most"), [(("deepsegm", "segmentation", "worker"), MOST), (("tests",), MOST_OF_TESTS)]
)
def test_lines_stay_below_the_number_reached(rooms, most):
    lines = sum(len(file.read_bytes().splitlines()) for room in rooms for file in (ROOT / room).rglob("*.py"))
    assert lines <= most, f"{lines:,} lines, {lines - most:,} too many: delete some, or raise the number and say why"
    assert lines > most - 1_000, f"{lines:,} lines: lower the number, so that they stay away"
