"""Analysis -> the files a user takes away."""

from .files import write_all

__all__ = ["write_all"]
