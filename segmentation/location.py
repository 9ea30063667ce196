"""Where the files of this program are: in a checkout, or installed from a wheel.

A wheel has templates/, static/ and client/ inside the package `deepsegm` (setup.py), because
folders with such common names must not be among the packages of others.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the checkout, or site-packages
IS_INSTALLED = (ROOT / "deepsegm" / "templates").is_dir()
FILES = ROOT / "deepsegm" if IS_INSTALLED else ROOT  # the folder with templates/, static/ and client/
COMMAND = "deepsegm" if IS_INSTALLED else "python manage.py"  # what people type
# The wheel has the modules for training (segmentation/lab), and its extra `lab` installs the
# packages that they need. A packager may leave these modules out: the site runs without them.
NO_LAB = "Training is not installed here: pip install 'deepsegm[lab]'."
ADD_TORCH = (
    "Install the wheel with its extra `lab` (5 GB)"
    if IS_INSTALLED
    else "Run `make gpu` once in the folder of the program (5 GB, 2 to 10 minutes)"
)


def has_lab() -> bool:
    """Whether the modules for training (segmentation/lab) are installed."""
    try:
        return find_spec("segmentation.lab") is not None
    except ModuleNotFoundError:
        return False
