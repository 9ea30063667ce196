"""A program that a server of forks runs in tests: it does what its argument says, as code."""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence

DEED = "tests.core.micrograph.deed"


def main(arguments: Sequence[str]) -> int:
    exec(arguments[0], {"os": os, "resource": resource, "arguments": arguments})
    return 0
