"""Fixtures of the browser and of a real site with a real worker, from tests/e2e, and those of every test."""

from tests.conftest import quick, static_files_once  # noqa: F401
from tests.e2e.conftest import chromium, data_folder, site  # noqa: F401
