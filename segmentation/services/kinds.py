"""What a worker can be asked to do: one entry for each kind of row that workers take."""

from __future__ import annotations

from typing import NamedTuple

from ..models import Attempted, Comparison, Dataset, Delivery, ExportJob, Job, Micrograph, Sample, Training

ANALYSES, INSPECTIONS, TRAINING = "analyses", "inspections", "training"
ASK = "ask the administrator."
_DIED = "stopped {deaths} times without finishing, most likely because the computer ran out of memory:"
_LONG = "took longer than is allowed and could not be stopped:"


class Kind(NamedTuple):
    """task: of Celery; "" where no message names a row. queue: of the broker. noun: for the sentences on faults.
    gave_up, too_long: sentences for a row whose child died too often, and whose child had to be killed."""

    task: str
    queue: str
    noun: str
    gave_up: str = ""
    too_long: str = ""


KINDS: dict[type[Attempted], Kind] = {
    Job: Kind(
        "worker.run_job",
        ANALYSES,
        "analysis",
        f"The analysis {_DIED} try a smaller or cropped image, or {ASK}",
        f"The analysis {_LONG} crop the image, or {ASK}",
    ),
    Micrograph: Kind("", INSPECTIONS, "upload"),
    Sample: Kind(
        "worker.run_sample",
        ANALYSES,
        "sample",
        f"The pooling {_DIED} exclude images, or {ASK}",
        f"The pooling {_LONG} exclude images, or make two samples.",
    ),
    ExportJob: Kind(
        "worker.write_files",
        ANALYSES,
        "writing of files",
        f"Writing the files {_DIED} crop the image, or {ASK}",
        f"Writing the files {_LONG} crop the image, or {ASK}",
    ),
    Comparison: Kind(
        "worker.compare",
        ANALYSES,
        "comparison",
        f"The comparison {_DIED} {ASK}",
        f"The comparison {_LONG} {ASK}",
    ),
    Dataset: Kind(
        "worker.prepare_dataset",
        ANALYSES,
        "dataset",
        f"The check of the dataset {_DIED} remove its largest images, or {ASK}",
        f"The check of the dataset {_LONG} remove its largest images, or {ASK}",
    ),
    Training: Kind(
        "worker.train",
        TRAINING,
        "training",
        f"The training {_DIED} {ASK}",
        f"The training {_LONG} {ASK}",
    ),
    Delivery: Kind("worker.deliver", INSPECTIONS, "delivery of a message"),
}
