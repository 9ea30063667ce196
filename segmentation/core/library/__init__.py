"""The Python library for other programs: `import deepsegm` gives these names (docs/use/library.md)."""

from ..errors import UserError
from ..micrograph.types import Calibration, Micrograph
from .calls import analyse, measure, pool
from .inputs import read
from .results import Number, Pooled, Result

__all__ = [
    "Calibration",
    "Micrograph",
    "Number",
    "Pooled",
    "Result",
    "UserError",
    "analyse",
    "measure",
    "pool",
    "read",
]
