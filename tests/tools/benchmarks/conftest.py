"""The browser, and the real site with its real worker, as the tests of whole journeys have them."""

from tests.e2e.conftest import chromium, data_folder, site  # noqa: F401
