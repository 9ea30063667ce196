"""`Summary`: all numbers of a result in words, the same for page, PDF, CSV and XLSX.

Each module defines a class with the numbers of some sections of a page; `Summary` inherits from all
of them. The
web process imports this package, so nothing in it needs scipy, matplotlib or pixels.
"""

from .main_list import MAIN
from .whole import Summary

__all__ = ["MAIN", "Summary"]
