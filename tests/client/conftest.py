"""The real site with its real worker, as the tests in a browser have it."""

from tests.e2e.conftest import data_folder, discs, site  # noqa: F401
