"""Registers the columns and numbers of arrangement and of classes of shape, which stand in the table beside this file.
The web process reads them, too: no scipy here."""

from __future__ import annotations

from .quantities import registered

registered(__file__)
