"""Fixtures of the browser and of a real site with a real worker, from tests/e2e."""

from tests.e2e.conftest import chromium, data_folder, site  # noqa: F401
