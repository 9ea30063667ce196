"""A program that a server of forks runs in tests: it does what its argument says, as code."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Sequence

DEED = "tests.core.micrograph.deed"


def main(arguments: Sequence[str]) -> int:
    exec(arguments[0], {"os": os, "resource": resource, "arguments": arguments})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
