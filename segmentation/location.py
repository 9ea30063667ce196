"""Where this program lies: in a checkout, or installed from a wheel.

The wheel holds templates/, static/ and client/ inside the package `deepsegm` (setup.py): folders of
such common names must not lie among the packages of others.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the checkout, or site-packages
IS_INSTALLED = (ROOT / "deepsegm" / "templates").is_dir()
FILES = ROOT / "deepsegm" if IS_INSTALLED else ROOT  # templates/, static/ and client/ lie in it
COMMAND = "deepsegm" if IS_INSTALLED else "python manage.py"  # what people type
ADD_TORCH = (
    "Install the wheel with its extra `lab` (5 GB)"
    if IS_INSTALLED
    else "Run `make gpu` once in the folder of the program (5 GB, 2 to 10 minutes)"
)
