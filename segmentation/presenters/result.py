"""A finished job as its page, the API and the lists show it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from ..core.flags import ADVICE, Flag, opening_words
from ..core.labels.particles.options import LEAST_EXPECTED
from ..core.measure.objects.filters import ALWAYS, Reason
from ..core.measure.quantities import Quantity, column, nanometre_in, significant
from ..core.measure.sizes.bins import FEWEST_IN_HISTOGRAM
from ..core.report import exports
from ..core.report.corrected.in_words import LIKELY_CUT
from ..core.report.wording import capital, doubt_line, per_cent
from ..core.tasks import find
from ..models import Job
from ..services.ground import tables
from .choices import COUNT_BUTTONS, Choices, LeftOutLine, SettingButton, add_button
from .drawings import ChartedSummary, Lines, lines_of
from .provenance import Provenance

COMMON_SIZES = ("min_feret", "max_feret", "ecd", "area")  # the sizes in the table of objects of every kind


@dataclass(frozen=True)
class Chip:
    """A button that shows or hides the particles of one state. state: the reason why they are left out, "" for counted
    ones."""

    state: str
    title: str
    count: int
    definition: str


class Result(ChartedSummary):
    """A finished job as its page shows it."""

    measure_anyway = COUNT_BUTTONS[Reason.UNLIKE]  # on a result without numbers because its image is unlike others

    def __init__(self, job: Job) -> None:
        self.job = job
        stored = self.stored = job.stored
        self.task = find(stored.task)
        super().__init__(stored.statistics, stored.quantities, self.task.thing, self.task.things)
        self.choices, self.provenance = Choices(job), Provenance(job)
        self.calibration = job.calibration
        self.scale_doubt, self.doubt_line = self.calibration.standard_uncertainty, doubt_line(self.calibration)
        self.in_pixels = not self.calibration.is_known
        self.unsure = opening_words(self.warnings) or ("All panels together:" if job.micrograph.panels else "")

    @property
    def is_empty(self) -> bool:
        """Whether no outline was found."""
        return self.stored.found == 0

    @property
    def is_refused(self) -> bool:
        """Whether no number is given because the image does not look like one of this kind of analysis."""
        return self.stored.is_refused

    @property
    def needs_proposals(self) -> bool:
        """Whether the page tries other settings automatically: a network found nothing, or nothing sure, or other
        settings would show more."""
        used = self.stored.used
        if not self.may_propose:
            return False
        none_kept = self.statistics is not None and not self.kept
        shows_more = bool(used.resembles.get("recognised") or used.beside or used.small)
        is_doubtful = bool(self.unsure) or shows_more or used.expected < LEAST_EXPECTED
        return self.is_empty or self.is_refused or none_kept or is_doubtful

    @property
    def may_propose(self) -> bool:
        """Whether other settings can be tried."""
        return self.stored.used.is_by_network_alone

    @property
    def notices(self) -> list[Flag | SettingButton]:
        """Warnings, then buttons for other settings, then notes."""
        if self.is_empty or self.is_refused:
            return []
        flags: list[Flag | SettingButton] = [add_button(flag) for flag in self.notices_of(self.warnings)]
        doubts = sum(warning.doubt for warning in self.warnings)  # these come first among the flags
        return [*flags[:doubts], *self.choices.edge_buttons, *self.choices.earlier_model_buttons, *flags[doubts:]]

    @property
    def needs_scale(self) -> bool:
        """Whether the page asks for the scale: if it has lengths, and they are in pixels."""
        return self.in_pixels and not (self.is_empty or self.is_refused or (self.screened and not self.kept))

    @property
    def has_curves(self) -> bool:
        """Whether there are enough particles for a histogram."""
        return self.kept >= FEWEST_IN_HISTOGRAM

    @property
    def few_sizes(self) -> list[str]:
        """The sizes in ascending order, if there are fewer particles than a median needs; otherwise []."""
        if not self.has_few:
            return []
        assert self.statistics is not None
        size = self.stored.size
        rows = [row for row in tables.objects_of(self.job) or [] if row["kept"] and not row.get("cut")]
        values = sorted(row[size] for row in rows if row.get(size))
        return [significant(value * nanometre_in(self.statistics.unit)) for value in values]

    @property
    def figure_words(self) -> str:
        """The alternative text of the figure."""
        if not self.statistics or not self.screened:
            return "The image, what was found in it, and the numbers."
        return f"Four panels: the image, the {self.task.things} in colours, those counted and left out, the histogram."

    @property
    def figure_panels(self) -> list[tuple[str, str]]:
        """Letter and title of each panel of the figure, from the title of its export, "Panel: TITLE, ..."."""
        titles = {export.panel: export.title for export in exports.by_file_name("image", self.task).values()}
        names = (capital(titles[name].removeprefix("Panel: ").split(", ")[0]) for name in self.task.panels)
        return list(zip("ABCD", names, strict=True))

    @property
    def left_out_lines(self) -> list[LeftOutLine]:
        """How many objects were left out, by reason, with the buttons that count them."""
        return self.choices.left_out_lines(self.set_aside)

    @property
    def measurand_button(self) -> SettingButton | None:
        """A button that shows the numbers of the other measurand and makes them the result; None if they are not
        known."""
        return self.choices.measurand_button(self.statistics) if self.statistics and self.kept else None

    @property
    def warnings(self) -> list[Flag]:
        """The warnings, without those that the page shows elsewhere: at the scale, at the panels of a figure, and in
        the heading of an empty result. In an empty result notes come first."""
        heading = f"No {self.task.things} were found. "
        raised = [flag for flag in self.stored.flags if flag.doubt or flag.kind not in ("panels", "no scale", "bar")]
        raised = [replace(flag, text=flag.text.removeprefix(heading).removesuffix(ADVICE)) for flag in raised]
        return sorted(raised, key=lambda flag: flag.doubt) if self.is_empty else raised

    @property
    def curves(self) -> list[Lines]:
        """The curves of a kind without a size distribution; [] for results of versions that stored none."""
        curves, names = () if self.statistics else self.stored.curves, [row.name for row in self.classes]
        charts = (Lines.of(lines_of(curve, names), curve.title, curve.across, from_zero=True) for curve in curves)
        return [chart for chart in charts if chart]

    @property
    def own_size(self) -> Quantity | None:
        """The size of this kind of analysis, if it is not among COMMON_SIZES; else None."""
        return None if self.task.size in ("", *COMMON_SIZES) else column(self.task.size)

    @property
    def editor(self) -> dict[str, str]:
        """Texts for the page's script, the editor of outlines. size, title: name and title of the size. frame, slip,
        ignored: the reasons why an object is left out. likely: how probable possible cuts must be, in words, so that
        one button makes all of them."""
        size = self.task.size or "area"
        reasons = {"frame": str(Reason.FRAME), "slip": str(Reason.SLIP), "ignored": str(Reason.IGNORED)}
        return {"size": size, "title": column(size).title, "likely": f"with {per_cent(LIKELY_CUT)} or more", **reasons}

    @property
    def regions_json(self) -> str:
        return json.dumps(self.choices.regions)

    @property
    def convergence(self) -> Lines | None:
        return super().convergence if self.has_curves else None

    @property
    def chips(self) -> list[Chip]:
        """A chip for each state that objects of this result have, the counted ones first."""
        if not self.statistics or not self.screened:
            return []
        counted = Chip("", "Counted", self.kept, "Counted in every number of this page.")
        others = (Chip(line.reason, capital(line.reason), line.count, line.definition) for line in self.set_aside)
        return [counted, *others]

    @property
    def may_count(self) -> bool:
        """Whether other settings may count some of the objects that were left out."""
        return any(line.reason not in ALWAYS for line in self.set_aside)

    @property
    def confidence_line(self) -> str:
        """What the model's confidence means; "" if there is a warning, as the image may be unlike those of the test."""
        return "" if any(flag.doubt for flag in self.warnings) else self.provenance.confidence

    @property
    def filter_line(self) -> str:
        """What the filter of probably wrong outlines removed; "" if it is off, or if no number is given."""
        if self.is_refused or not self.stored.used_value("filter"):
            return ""
        return f"Filter on. {self.without_filter or 'It removed nothing.'}"
