"""A finished job as its page, the API and the lists show it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from ..core.flags import ADVICE, Flag, begins, from_json
from ..core.labels.options import MOSTLY
from ..core.measure.bins import FEWEST_IN_HISTOGRAM
from ..core.measure.filters import ALWAYS, Reason
from ..core.measure.quantities import Quantity, column, nanometre_in, significant
from ..core.measure.results import MATERIAL
from ..core.micrograph.pages import FIGURE
from ..core.micrograph.readings import CUT_OFF
from ..core.micrograph.types import NO_SCALE
from ..core.report import exports
from ..core.report.in_words import LIKELY
from ..core.report.wording import capital, doubt_line, per_cent
from ..core.tasks import find
from ..models import Job
from ..services.ground import tables
from .charts import ChartedSummary, Lines, lines_of
from .choices import COUNTED_AGAIN, AsideLine, Change, Choices, with_answer
from .provenance import Provenance
from .stored import statistics_of, values_of

LISTED = ("min_feret", "max_feret", "ecd", "area")  # sizes in the table of objects of every kind


@dataclass(frozen=True)
class Chip:
    """A state of particles as a button that shows or hides them; the state of kept ones is ""."""

    state: str
    title: str
    count: int
    definition: str


class Result(ChartedSummary):
    """The result page's view of a finished job."""

    all_the_same = COUNTED_AGAIN[Reason.UNLIKE]  # gives numbers of an image of another kind

    def __init__(self, job: Job) -> None:
        self.job = job
        self.summary: dict[str, Any] = job.summary
        self.used: dict[str, Any] = job.summary["used"]
        self.task = find(self.summary["task"])
        super().__init__(statistics_of(self.summary), values_of(self.summary), self.task.thing, self.task.things)
        self.choices, self.provenance = Choices(job), Provenance(job)
        self.calibration = job.calibration
        self.scale_doubt, self.doubt_line = self.calibration.standard_uncertainty, doubt_line(self.calibration)
        self.in_pixels = not self.calibration.is_known
        self.unsure = begins(self.warnings) or ("All panels together:" if job.micrograph.panels else "")

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to show but the image."""
        return bool(self.summary["found"] == 0)

    @property
    def refused(self) -> bool:
        """Whether no number is given because the image is of another kind."""
        return bool(self.summary["refused"]) or any(line.reason == Reason.UNLIKE for line in self.set_aside)

    @property
    def wants_proposals(self) -> bool:
        """Whether nothing, or nothing sure, was found by a network, or the other polarity shows more, so that other
        ways are worth a look."""
        used = self.used
        if not self.may_propose:
            return False
        none_kept = self.statistics is not None and not self.kept
        is_other = used.get("resembles", {}).get("recognised", False)
        shows_more = bool({"beside", "small"} & used.keys())
        is_doubtful = bool(self.unsure) or is_other or shows_more or used.get("expected", 1.0) < MOSTLY
        return self.nothing or self.refused or none_kept or is_doubtful

    @property
    def may_propose(self) -> bool:
        """Whether other ways can be tried: where a network outlined, and nobody has corrected it."""
        return not {"imported", "corrected", "reviewed"} & self.used.keys()

    @property
    def notices(self) -> list[Flag | Change]:
        """What there is to say beside the numbers: doubts, what else may fit, what counts by one click, notes."""
        if self.nothing or self.refused:
            return []
        listed: list[Flag | Change] = [with_answer(flag) for flag in self.notices_of(self.warnings)]
        doubts = sum(warning.doubt for warning in self.warnings)
        return [*listed[:doubts], *self.choices.edges, *self.choices.earlier_models, *listed[doubts:]]

    @property
    def asks_scale(self) -> bool:
        """Whether lengths wait for the scale: where no number is given there is none."""
        return self.in_pixels and not (self.nothing or self.refused or (self.screened and not self.kept))

    @property
    def has_curves(self) -> bool:
        """Whether there are enough particles for a histogram; of fewer the table says it all."""
        return self.kept >= FEWEST_IN_HISTOGRAM

    @property
    def few_sizes(self) -> list[str]:
        """The sizes of fewer particles than a median needs, in ascending order; [] of more."""
        if not self.has_few:
            return []
        assert self.statistics is not None
        stored = self.summary["statistics"]
        rows = [row for row in tables.objects_of(self.job) or [] if row["kept"] and not row.get("cut")]
        sizes = sorted(row[stored["size"]] for row in rows if row.get(stored["size"]))
        return [significant(size * nanometre_in(self.statistics.unit)) for size in sizes]

    @property
    def material_line(self) -> str:
        """What one picture or two leave open; "" where the numbers are those of the material."""
        return MATERIAL if self.statistics and self.kept and not self._by_image else ""

    @property
    def figure_words(self) -> str:
        """The figure for those who do not see it."""
        if not self.statistics or not self.screened:
            return "The image, what was found in it, and the numbers."
        return f"Four panels: the image, the {self.task.things} in colours, those counted and left out, the histogram."

    @property
    def figure_panels(self) -> list[tuple[str, str]]:
        """Letter and title of each panel of the figure; its export is called "Panel: TITLE, ..."."""
        titles = {export.panel: export.title for export in exports.listed("image", self.task).values()}
        names = (capital(titles[name].removeprefix("Panel: ").split(", ")[0]) for name in self.task.panels)
        return list(zip("ABCD", names, strict=True))

    @property
    def aside(self) -> list[AsideLine]:
        """How many were set aside, by reason, with the buttons that count them."""
        return self.choices.aside(self.set_aside)

    @property
    def other_measurand(self) -> Change | None:
        """The numbers of the other measurand, and the button that makes them the result; None where none are known."""
        return self.choices.measurand(self.statistics) if self.statistics and self.kept else None

    @property
    def warnings(self) -> list[Flag]:
        """What is doubtful, without what stands at the scale, at the panels, in the heading of an empty result, whose
        question comes last, or in a question below."""
        panels = FIGURE.format(count=self.job.micrograph.page_count)
        heading = f"No {self.task.things} were found. "
        raised = [flag for flag in from_json(self.summary) if not flag.text.startswith((panels, NO_SCALE, CUT_OFF))]
        raised = [replace(flag, text=flag.text.removeprefix(heading).removesuffix(ADVICE)) for flag in raised]
        return sorted(raised, key=lambda flag: flag.doubt) if self.nothing else raised

    @property
    def curves(self) -> list[Lines]:
        """What is drawn where there is no size distribution; nothing of results of earlier versions."""
        stored, names = () if self.statistics else self.summary.get("curves", ()), [row.name for row in self.classes]
        charts = (Lines.of(lines_of(curve, names), curve["title"], curve["across"], from_zero=True) for curve in stored)
        return [chart for chart in charts if chart]

    @property
    def own_size(self) -> Quantity | None:
        """The size of this kind of analysis, where the table of objects has no column of it for all kinds."""
        return None if self.task.size in ("", *LISTED) else column(self.task.size)

    @property
    def editor(self) -> dict[str, str]:
        """What the page's script has to know: the measure that is the size, three reasons, and how sure the model is of
        a cut that is made with others by one press."""
        size = self.task.size or "area"
        reasons = {"frame": str(Reason.FRAME), "slip": str(Reason.SLIP), "ignored": str(Reason.IGNORED)}
        return {"size": size, "title": column(size).title, "likely": f"with {per_cent(LIKELY)} or more", **reasons}

    @property
    def regions_json(self) -> str:
        return json.dumps(self.choices.regions)

    @property
    def convergence(self) -> Lines | None:
        return super().convergence if self.has_curves else None

    @property
    def chips(self) -> list[Chip]:
        """Every state that something in this result has, kept ones first."""
        if not self.statistics or not self.screened:
            return []
        counted = Chip("", "Counted", self.kept, "Counted in every number of this page.")
        others = (Chip(line.reason, capital(line.reason), line.count, line.definition) for line in self.set_aside)
        return [counted, *others]

    @property
    def may_count(self) -> bool:
        """Whether other settings may count some of what was left out."""
        return any(line.reason not in ALWAYS for line in self.set_aside)

    @property
    def confidence_line(self) -> str:
        """What the model's confidence means; "" where a warning says that this image is unlike those of the test."""
        return "" if any(flag.doubt for flag in self.warnings) else self.provenance.confidence

    @property
    def filter_line(self) -> str:
        """What the filter did; "" where it is off, or nothing is measured at all."""
        if self.refused or not self.summary["filter"]:
            return ""
        return f"Filter on. {self.without_filter or 'It removed nothing.'}"
