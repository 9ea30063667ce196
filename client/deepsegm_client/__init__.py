"""The Python client of a DeepSegm site: send micrographs, wait, and read the results. README.md shows how."""

from __future__ import annotations

from ._client import AsyncClient, Client
from ._errors import DeepSegmError, Failed, Outdated, Refused, TimedOut, Unreachable
from ._jobs import Job, Result
from ._learning import Dataset, Training
from ._methods import Method, Study
from ._samples import Sample, SampleResult
from ._steps import Async, Sync

__all__ = [
    "Async",
    "AsyncClient",
    "Client",
    "Dataset",
    "DeepSegmError",
    "Failed",
    "Job",
    "Method",
    "Outdated",
    "Refused",
    "Result",
    "Sample",
    "SampleResult",
    "Study",
    "Sync",
    "TimedOut",
    "Training",
    "Unreachable",
]
