"""The rooms of the services have no front door: whoever needs a module names it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from segmentation import learning, quality, services
from segmentation.services import access, ground, results, upkeep


@pytest.mark.parametrize("package", [services, ground, access, results, upkeep, quality, learning])
def test_a_package_offers_its_modules_alone(package):
    (docstring,) = ast.parse(Path(package.__file__).read_text(encoding="utf-8")).body
    assert isinstance(docstring, ast.Expr), f"{package.__name__} holds more than its description"
