"""What the makers of microscopes and software write into TIFF files: one module for each."""

from __future__ import annotations

from . import fei, fibics, imagej, ome, tescan, zeiss
from .facts import Facts, Tags

READERS = (zeiss.read, fei.read, tescan.read, fibics.read, ome.read, imagej.read)


def facts(tags: Tags) -> Facts:
    """What the first vendor that gives a pixel size says; else what any vendor says; else nothing.

    A malformed header counts as none: a picture must not be lost because of it.
    """
    silent = Facts()
    for reader in READERS:
        try:
            found = reader(tags)
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, RecursionError):
            continue
        if found is None:
            continue
        checked = found.checked(tags.columns)
        if checked.nm_per_pixel:
            return checked
        if not silent.metadata and not silent.notes:
            silent = checked
    return silent
