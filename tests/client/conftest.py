"""The real site with its real worker, as the tests in a browser have it."""

from tests.e2e.conftest import discs, site  # noqa: F401
