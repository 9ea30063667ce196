"""What a worker can be asked to do: one entry for each kind of row that workers take."""

from __future__ import annotations

from typing import NamedTuple

from ... import models

ANALYSES, INSPECTIONS, TRAINING = "analyses", "inspections", "training"
ASK = "ask the administrator."
GOES_ON = "and it goes on where it stopped."


class Kind(NamedTuple):
    """task: of Celery; "" where no message names a row. queue: of the broker. noun: for the sentences on faults.

    subject: begins a sentence on the work. smaller: what people can do where it needs less memory; quicker: where it
    needs more time than it has, as `smaller` if "".
    """

    task: str
    queue: str
    noun: str
    subject: str = ""
    smaller: str = ASK
    quicker: str = ""

    def gave_up(self, deaths: int) -> str:
        """Its child died too often."""
        why = "most likely because the computer ran out of memory"
        return f"{self.subject} stopped {deaths} times without finishing, {why}: {self.smaller}"

    def needs_memory(self) -> str:
        return f"{self.subject} needs more memory than it may have here: {self.smaller}"

    def too_long(self, time: str = "") -> str:
        """time: that is allowed, where it is known."""
        allowed = f"the {time} allowed" if time else "is allowed"
        return f"{self.subject} took longer than {allowed}: {self.quicker or self.smaller}"


KINDS: dict[type[models.Attempted], Kind] = {
    models.Job: Kind("worker.run_job", ANALYSES, "analysis", "The analysis", f"crop the image, or {ASK}"),
    models.Micrograph: Kind("", INSPECTIONS, "upload"),
    models.Sample: Kind(
        "worker.run_sample", ANALYSES, "sample", "The pooling", "exclude images, or make two samples of them."
    ),
    models.ExportJob: Kind(
        "worker.write_files", ANALYSES, "writing of files", "Writing the files", f"crop the image, or {ASK}"
    ),
    models.Comparison: Kind("worker.compare", ANALYSES, "comparison", "The comparison"),
    models.OutlinePreview: Kind("worker.preview", ANALYSES, "preview", "The preview"),
    models.Proposals: Kind("worker.propose", ANALYSES, "look at other ways", "The look at other ways"),
    models.Dataset: Kind(
        "worker.prepare_dataset",
        ANALYSES,
        "dataset",
        "Preparing the dataset",
        f"remove its largest images, send smaller archives, or {ASK}",
        f"press Check again, {GOES_ON}",
    ),
    models.Training: Kind("worker.train", TRAINING, "training", "The training", ASK, f"try again, {GOES_ON}"),
    models.Delivery: Kind("worker.deliver", INSPECTIONS, "delivery of a message"),
}
