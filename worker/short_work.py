"""The short work, for which a person waits at a page: for each kind of row the function that works on
it. `tasks` does waiting rows in this order."""

from __future__ import annotations

from segmentation.models import (
    Attempted,
    Comparison,
    Dataset,
    ExportJob,
    Measuring,
    Sample,
)

from .attempts import Work
from .comparing import compare_results
from .datasets import prepare_dataset
from .exporting import write_export_files
from .measuring import measure_step
from .samples import pool_sample

# Of these kinds only rows with these values are short work: files that nobody asked for are idle
# work, and the worker for inspections measures small images.
FILTERS: dict[type[Attempted], dict[str, bool]] = {ExportJob: {"asked": True}, Measuring: {"large": True}}
SHORT: dict[type[Attempted], Work] = {
    Measuring: measure_step,
    ExportJob: write_export_files,
    Comparison: compare_results,
    Sample: pool_sample,
    Dataset: prepare_dataset,
}
