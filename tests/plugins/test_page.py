"""Checks that the page about plug-ins shows the files of the three tested plug-ins word for word, and that the
page about scales names all formats."""

from __future__ import annotations

from pathlib import Path

from segmentation.core.micrograph import formats
from segmentation.location import ROOT

HERE = Path(__file__).parent
PAGE = (ROOT / "docs/development/plug-ins.md").read_text(encoding="utf-8")
FILES = [*HERE.glob("*/*.toml"), *HERE.glob("*/*.py"), *HERE.glob("cracks/deepsegm_cracks/[!_]*.py")]


def test_the_page_shows_the_files_of_the_plugins():
    assert len(FILES) == 7
    for file in FILES:
        assert file.read_text(encoding="utf-8") in PAGE, file.name


def test_every_format_of_ours_has_a_row_in_the_page_of_scales():
    scales = (ROOT / "docs/method/calibration.md").read_text(encoding="utf-8")
    assert [entry.name for entry in formats.every() if entry.name not in scales and not entry.is_picture] == []
