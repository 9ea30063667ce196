"""Analysis -> the files a user takes away."""

from .files import write_all, write_chief

__all__ = ["write_all", "write_chief"]
