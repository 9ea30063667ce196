"""Every number of a result once: its words, value, unit, 95 % interval and definition, for page, PDF, CSV and XLSX.

The web process reads it too: nothing here needs scipy, matplotlib or pixels.

Each file holds the numbers of some screens; `Summary` has them all.
"""

from .main_list import MAIN
from .whole import Summary

__all__ = ["MAIN", "Summary"]
