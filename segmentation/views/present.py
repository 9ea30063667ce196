"""What the job and result pages say, from the rows that the worker filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.measure.filters import Reason
from ..core.micrograph.types import Calibration
from ..core.recipe import Recipe
from ..forms import own_calibration
from ..models import Job, Upload
from .words import about, capital, per_cent, significant

DEFINITIONS = {
    "size": "the smallest distance between two parallel lines that touch a particle.",
    "mean": "The sum of the sizes divided by their number; large particles pull it up.",
    "median": "Half of the particles, by number, are smaller and half are larger. The same as D50.",
    "sd": "Sample standard deviation (divided by n − 1) of the sizes: how widely they spread around the mean.",
    "tenths": "10 %, 50 % and 90 % of the particles, by number, are smaller than these sizes.",
    "nano": (
        "Share by number of particles whose minimum Feret diameter is at most 100 nm, with its 95 % Wilson interval."
        " The EU recommendation 2022/C 229/01 calls a material a nanomaterial from 50 % on."
    ),
    "ecd": "Median of the equivalent circular diameter: of the disc with the particle's area.",
}
OTHER_REASON = "Set aside by the analysis."


@dataclass(frozen=True)
class Measure:
    """One line of numbers: a term, its value and unit, its definition, and a line below."""

    term: str
    value: str
    unit: str = ""
    definition: str = ""
    below: str = ""
    indent: bool = False


@dataclass(frozen=True)
class Status:
    """What a waiting page says."""

    title: str
    line: str
    per_cent: int = 0


def status_of(job: Job) -> Status:
    """The state of a job in words."""
    if job.state == Job.State.QUEUED:
        return Status("Waiting for its turn", _waiting(job))
    if job.state == Job.State.RUNNING:
        done = round(100 * job.progress)
        return Status(capital(job.stage or "starting"), _line(f"{done} % done", job), done)
    if job.state == Job.State.FAILED:
        return Status("The analysis failed", job.error)
    if job.state == Job.State.CANCELLED:
        return Status("Cancelled", "The analysis was stopped before its end; the image is kept for another try.")
    return Status("Done", "The result is ready.", 100)


def _waiting(job: Job) -> str:
    position = job.position()
    place = "next in the queue" if position in (None, 1) else f"number {position} in the queue"
    return _line(place, job)


def _line(now: str, job: Job) -> str:
    seconds = job.expected_seconds()
    return capital(now if seconds is None else f"{now}, {about(seconds)} left")


def used_calibration(job: Job) -> Calibration:
    """What a job measured with, or will."""
    stored = job.summary.get("calibration")
    if stored:
        return Calibration(**stored)
    return recipe_calibration(job)


def recipe_calibration(job: Job) -> Calibration:
    """What a job's settings lead to."""
    return led_to(job.get_recipe(), job.upload)


def led_to(recipe: Recipe, upload: Upload) -> Calibration:
    """The calibration of an upload under a recipe: the recipe's, else the file's own, else none."""
    return recipe.calibration or own_calibration(upload) or Calibration.absent()


class Result:
    """The result page's view of a finished job."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.summary: dict[str, Any] = job.summary
        self.statistics: dict[str, Any] = self.summary["statistics"]
        self.unit: str = self.statistics["unit"]
        self.calibration = used_calibration(job)

    @property
    def kept(self) -> int:
        return self.statistics["n_kept"]

    @property
    def kept_words(self) -> str:
        return "particle kept" if self.kept == 1 else "particles kept"

    @property
    def empty(self) -> str:
        """What to try where nothing was kept."""
        if self.kept:
            return ""
        if self.statistics["n_set_aside"]:
            return "All particles were set aside; the reasons are below."
        return "No particle was found. Try another polarity or a lower threshold under “Re-run with other settings”."

    @property
    def please_check(self) -> bool:
        return self.calibration.source == "default"

    @property
    def calibration_detail(self) -> str:
        return self.calibration.detail

    @property
    def warnings(self) -> list[str]:
        return self.summary.get("warnings", [])

    @property
    def sizes(self) -> list[Measure]:
        """The size distribution, none where nothing was kept."""
        if not self.kept:
            return []
        get, unit = self.statistics.get, self.unit
        tenths = " / ".join(significant(get(name)) for name in ("d10", "d50", "d90"))
        found = [
            Measure("Median", significant(get("median")), unit, DEFINITIONS["median"]),
            Measure("Mean", significant(get("mean")), unit, DEFINITIONS["mean"]),
            Measure("SD (sample)", significant(get("sd")), unit if get("sd") is not None else "", DEFINITIONS["sd"]),
            Measure("D10 / D50 / D90", tenths, unit, DEFINITIONS["tenths"]),
            Measure("Median ECD", significant(get("ecd_median")), unit, DEFINITIONS["ecd"]),
        ]
        return [*found, *self._nano()]

    def _nano(self) -> list[Measure]:
        fraction, low, high = (self.statistics.get(f"fraction_{end}") for end in ("100nm", "low", "high"))
        if fraction is None or low is None or high is None:
            return []
        verdict = "above" if low >= 0.5 else "below" if high < 0.5 else "undecided"
        value = f"{per_cent(fraction)} % ({per_cent(low)}–{per_cent(high)} %)"
        return [Measure("Number ≤ 100 nm", value, "", DEFINITIONS["nano"], f"Threshold 50 %: {verdict}")]

    @property
    def size_definition(self) -> str:
        return DEFINITIONS["size"]

    @property
    def aside_title(self) -> str:
        return f"{self.statistics['n_set_aside'] or 'None'} set aside"

    @property
    def aside(self) -> list[Measure]:
        """How many particles were set aside, by reason."""
        reasons = {str(reason): reason.definition for reason in Reason}
        counts = self.statistics["set_aside"]
        return [
            Measure(capital(name), str(count), "", reasons.get(name, OTHER_REASON)) for name, count in counts.items()
        ]

    @property
    def filter_line(self) -> str:
        """What the filter did, or would leave alone."""
        if not self.summary.get("filter"):
            return "Filter off: only what touches the frame and slips of a few pixels are set aside."
        other = self.statistics.get("without_filter")
        if not other:
            return "Filter on: it removed nothing."
        median = f"median {significant(other['median'])} {self.unit}"
        share = other.get("fraction_100nm")
        nano = "" if share is None else f", {per_cent(share)} % ≤ 100 nm"
        return f"Filter on. Without it: {other['n']} kept, {median}{nano}."

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Model, settings and timings."""
        said, recipe, upload = self.summary, self.job.get_recipe(), self.job.upload
        model = said.get("model", {})
        chosen = "found" if recipe.polarity == "auto" else "chosen"
        threshold = "the model's own" if recipe.threshold is None else "chosen"
        facts = [
            ("Model", f"{model.get('title', self.job.model_name)}, version {model.get('version', '?')}"),
            ("Weights", f"sha256 {model.get('sha256', '')[:12]}…"),
            ("Segmentation filter", "ON" if said.get("filter") else "OFF"),
            ("Threshold", f"{significant(said.get('threshold'), 2)} ({threshold})"),
            ("Particles are", f"{said.get('polarity', '?')} ({chosen})"),
            ("Data bar", _data_bar(said.get("data_bar"), upload)),
            ("Working scale", f"{significant(said.get('scale'), 2)} ×"),
            ("Computing time", _seconds(said.get("timings", {}), said.get("reused", False))),
        ]
        return facts + [(capital(name.replace("_", " ")), str(value)) for name, value in _short(upload.metadata)]


def _short(metadata: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in metadata.items() if len(str(value)) <= 80][:8]


def _data_bar(first: int | None, upload: Upload) -> str:
    if first is None:
        return "none"
    return f"cut off from row {first} ({upload.height - first} rows)"


def _seconds(timings: dict[str, float], reused: bool) -> str:
    total = f"{significant(sum(timings.values()), 2)} s"
    return f"{total}, with the outlines of the earlier result" if reused else total
