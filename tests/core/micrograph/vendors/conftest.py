"""A test of real vendors' files is skipped only where the licence keeps its files out of the project."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
    report = yield
    if report.skipped and "licence" not in str(report.longrepr):
        report.outcome, report.longrepr = "failed", f"A test of real files is skipped: {report.longrepr}"
    return report
