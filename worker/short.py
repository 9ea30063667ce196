"""Short work, for which somebody waits at a page, by the rows that ask for it, in the order in which it is done."""

from __future__ import annotations

from segmentation.models import (
    Attempted,
    ChartReport,
    Comparison,
    Dataset,
    ExportJob,
    Measuring,
    Sample,
    Study,
)

from .attempts import Work
from .comparing import compare_results
from .control import write_month
from .datasets import prepare_dataset
from .exporting import write_further
from .measuring import measure_step
from .samples import pool_sample
from .studying import make_study

# Of these an idle or another worker does the rest.
ONLY: dict[type[Attempted], dict[str, bool]] = {ExportJob: {"asked": True}, Measuring: {"large": True}}
SHORT: dict[type[Attempted], Work] = {
    Measuring: measure_step,
    ExportJob: write_further,
    Comparison: compare_results,
    Study: make_study,
    ChartReport: write_month,
    Sample: pool_sample,
    Dataset: prepare_dataset,
}
