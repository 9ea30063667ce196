"""Where this program lies: in a checkout, or installed from a wheel.

The wheel holds templates/, static/ and client/ inside the package `deepsegm` (setup.py): folders of
such common names must not lie among the packages of others.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # the checkout, or site-packages
IS_INSTALLED = (ROOT / "deepsegm" / "templates").is_dir()
FILES = ROOT / "deepsegm" if IS_INSTALLED else ROOT  # templates/, static/ and client/ lie in it
COMMAND = "deepsegm" if IS_INSTALLED else "python manage.py"  # what people type
# The wheel holds the modules of the laboratory, too; its extra `lab` brings the packages that they
# need. Whoever packs the program may leave segmentation/lab out: the site runs without it.
NO_LAB = "Training is not installed here: pip install 'deepsegm[lab]'."
ADD_TORCH = (
    "Install the wheel with its extra `lab` (5 GB)"
    if IS_INSTALLED
    else "Run `make gpu` once in the folder of the program (5 GB, 2 to 10 minutes)"
)


def has_lab() -> bool:
    """Whether the modules that check training data and train models are there."""
    try:
        return find_spec("segmentation.lab") is not None
    except ModuleNotFoundError:
        return False
