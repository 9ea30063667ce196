"""A finished job as its page, the API and the lists show it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from ..core.analysis import AnalysisSettings
from ..core.flags import ADVICE, TILTED, Flag, begins, from_json, warned
from ..core.labels.options import MOSTLY
from ..core.measure.bins import LEAST_BARS
from ..core.measure.filters import ALWAYS, LEAST_CONFIDENCE, MEASURANDS, Reason
from ..core.measure.quantities import Quantity, Value, column, nanometre_in, significant
from ..core.measure.results import MATERIAL, Statistics
from ..core.micrograph.crosscheck import Source
from ..core.micrograph.pages import FIGURE
from ..core.micrograph.readings import CUT_OFF
from ..core.micrograph.types import NO_SCALE
from ..core.network import cards
from ..core.report import exports
from ..core.report.entries import Aside, Entry
from ..core.report.in_words import LIKELY
from ..core.report.summary import Summary
from ..core.report.wording import capital, corrected_words, doubt_line, imported_words, per_cent
from ..core.settings import FROM_FILE, regions_text
from ..core.tasks import every, find
from ..core.typed import Setting, settings_of_task
from ..models import Job
from ..services.ground import tables
from ..services.results.models_offered import may_look_at, offered
from .charts import ChartedSummary, Lines, lines_of

HIDDEN_SETTINGS = {"model", "scale_uncertainty", "scale_uncertainty_k", "scale_uncertainty_source"}
LISTED = ("min_feret", "max_feret", "ecd", "area")  # sizes in the table of objects of every kind


@dataclass(frozen=True)
class Chip:
    """A state of particles as a button that shows or hides them; the state of kept ones is ""."""

    state: str
    title: str
    count: int
    definition: str


@dataclass(frozen=True)
class Change:
    """A button that makes a revision with one other setting: its words, the setting as it is typed, and why."""

    words: str
    setting: str
    value: str
    text: str = ""


# By reason: what is clicked, the setting and what it becomes.
COUNTED_AGAIN = {
    str(Reason.UNLIKE): Change("Yes, measure", "measure_unlike", "on"),
    **dict.fromkeys((str(Reason.FAINT), str(Reason.GAP)), Change("count them", "faint_limit", "0")),
    str(Reason.HIDDEN): Change("count them", "measurand", "all"),
    str(Reason.IGNORED): Change("count them", "ignore", ""),
}


# By what the short form of a warning begins with: the setting that answers it.
ANSWERED = {TILTED: Change("correct for the tilt", "tilt_correction", FROM_FILE)}


@dataclass(frozen=True)
class Answered(Flag):
    """A warning with the button that answers it; fields as those of `Change`."""

    words: str = ""
    setting: str = ""
    value: str = ""

    @classmethod
    def of(cls, flag: Flag, change: Change) -> Answered:
        return cls(**vars(flag), words=change.words, setting=change.setting, value=change.value)


@dataclass(frozen=True)
class AsideLine(Aside):
    """The objects left out for one reason, and the setting that counts them, if one click can change it."""

    change: Change | None = None


class Result(ChartedSummary):
    """The result page's view of a finished job."""

    all_the_same = COUNTED_AGAIN[Reason.UNLIKE]  # gives numbers of an image of another kind

    def __init__(self, job: Job) -> None:
        self.job = job
        self.summary: dict[str, Any] = job.summary
        self.used: dict[str, Any] = job.summary["used"]
        self.task = find(self.summary["task"])
        super().__init__(statistics_of(self.summary), values_of(self.summary), self.task.thing, self.task.things)
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
    def other_kinds(self) -> list[Change]:
        """A button for each other kind that has a model. The kind that the image resembles comes first."""
        models = {card.task: card.name for card in reversed(offered(self.job.owner)) if card.task != self.task.name}
        models |= {name: cards.automatic(name) for name in cards.tasks_of_several() & models.keys()}
        kinds = sorted(models, key=lambda name: (name != self.used.get("resembles", {}).get("task"), name))
        return [Change(f"Analyse as {find(name).things}", "model", models[name]) for name in kinds]

    @property
    def began_with(self) -> Change | None:
        """The model that a user's own began with, where the image is unlike the user's."""
        other = self.used.get("unlike_own", {}).get("began_with")
        other_card = next((card for card in cards.available() if card.name == other), None)
        why = "Another model may fit better."
        return Change(f"analyse with {other_card.title}", "model", other_card.name, why) if other_card else None

    @property
    def notices(self) -> list[Flag | Change]:
        """What there is to say beside the numbers: doubts, what else may fit, what counts by one click, notes."""
        if self.nothing or self.refused:
            return []
        listed: list[Flag | Change] = [self._with_answer(flag) for flag in self.notices_of(self.warnings)]
        doubts = sum(warning.doubt for warning in self.warnings)
        return [*listed[:doubts], *self.other_edges, *filter(None, [self.began_with]), *listed[doubts:]]

    @property
    def other_edges(self) -> list[Change]:
        """The edges that all outlines may follow instead, where particles show one around another, or did before."""
        chosen = (self.job.settings or {}).get("edge", "auto")
        if chosen == "auto" and not self.used.get("concentric"):
            return []
        every = {"outer": "Each whole particle, its shell included.", "inner": "The cores alone."}
        return [Change(f"all by the {edge} edge", "edge", edge, why) for edge, why in every.items() if edge != chosen]

    def _with_answer(self, flag: Flag) -> Flag:
        """A warning, with the button that answers it if there is one."""
        answers = (change for begins, change in ANSWERED.items() if flag.doubt and flag.short.startswith(begins))
        change = next(answers, None)
        return Answered.of(flag, change) if change else flag

    @property
    def asks_scale(self) -> bool:
        """Whether lengths wait for the scale: where no number is given there is none."""
        return self.in_pixels and not (self.nothing or self.refused or (self.screened and not self.kept))

    @property
    def has_curves(self) -> bool:
        """Whether there are enough particles for a histogram; of fewer the table says it all."""
        return self.kept >= LEAST_BARS

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
    def other_measurand(self) -> Change | None:
        """The numbers of the other measurand, and the button that makes them the result; None where none are known."""
        other_answer = self.statistics.other if self.statistics and self.kept else None
        if other_answer is None or self.statistics is None:
            return None
        median = Value(other_answer["median"], *(other_answer["median_ends"] or ()), unit=self.statistics.unit)
        entries = [Entry.of("median", median)]
        if other_answer["fraction_100nm"] is not None:
            entries.append(
                Entry.of(
                    "fraction_100nm", Value(other_answer["fraction_100nm"], *(other_answer["fraction_ends"] or ()))
                )
            )
        words = [f"{entry.value} {entry.unit}{f' ({entry.ends})' if entry.ends else ''}" for entry in entries]
        other = "all" if self.statistics.counted == "seen" else "seen"
        text = f"{capital(MEASURANDS[other])}: about {other_answer['n']:,}, {words[0]}"
        return Change(
            "Show these", "measurand", other, ", ".join([text, *(f"{word} from 1 to 100 nm" for word in words[1:])])
        )

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
    def imported_line(self) -> str:
        """The file of another tool that the outlines come from, else ""."""
        words = imported_words(self.used)
        return words and f"{words}."

    @property
    def corrected_line(self) -> str:
        """Where the outlines come from and what people did with them, "" if a network alone made them."""
        corrected = corrected_words(self.used)
        by_people = f"Outlines: {corrected}." if corrected else ""
        return " ".join(filter(None, (self.imported_line, by_people)))

    @property
    def calibration_detail(self) -> str:
        """How the scale was found; what was read stands beside its picture."""
        source, detail = self.calibration.source, self.calibration.detail
        if source in (Source.READ, Source.DATA_BAR):
            return ""
        return f"The file says it in: {detail}." if detail and source == Source.METADATA else detail

    @property
    def warnings(self) -> list[Flag]:
        """What is doubtful, without what stands at the scale, at the panels, in the heading of an empty result, whose
        question comes last, or in a question below."""
        panels = FIGURE.format(count=self.job.micrograph.page_count)
        heading = f"No {self.task.things} were found. "
        every = [flag for flag in from_json(self.summary) if not flag.text.startswith((panels, NO_SCALE, CUT_OFF))]
        every = [replace(flag, text=flag.text.removeprefix(heading).removesuffix(ADVICE)) for flag in every]
        return sorted(every, key=lambda flag: flag.doubt) if self.nothing else every

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
    def regions(self) -> list[list[list[float]]]:
        """The regions to ignore, as the API has them."""
        ignored: list[list[list[float]]] = self.job.get_settings().as_dict()["ignore"]
        return ignored

    @property
    def regions_json(self) -> str:
        return json.dumps(self.regions)

    @property
    def regions_taken_back(self) -> list[Change]:
        """A button for each region that takes it back and, of several, one for all."""
        regions = self.job.get_settings().measurement.ignore
        others = (regions_text(regions[:place] + regions[place + 1 :]) for place in range(len(regions)))
        every = [Change("all", "ignore", "")] if len(regions) > 1 else []
        return [Change(f"region {place}", "ignore", text) for place, text in enumerate(others, 1)] + every

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
    def aside(self) -> list[AsideLine]:
        """How many were set aside, by reason. A button that changes several of them stands beside the last one."""
        changes = {line.reason: COUNTED_AGAIN[line.reason] for line in self.set_aside if line.reason in COUNTED_AGAIN}
        setting_names, every = {setting.name for setting in settings_of_task(self.task)}, list(changes.values())
        last = {change: reason for reason, change in changes.items() if change.setting in setting_names}
        buttons = {
            reason: replace(change, words={1: change.words, 2: "count both"}.get(every.count(change), "count all"))
            for change, reason in last.items()
        }
        return [AsideLine(**vars(line), change=buttons.get(line.reason)) for line in self.set_aside]

    @property
    def may_count(self) -> bool:
        """Whether other settings may count some of what was left out."""
        return any(line.reason not in ALWAYS for line in self.set_aside)

    @property
    def confidence_line(self) -> str:
        """What the model's confidence means, as measured on held-out images; "" where that is not known, or where a
        warning says that this image is unlike them."""
        if any(flag.doubt for flag in self.warnings):
            return ""
        scores = self._card.scores if self._card else ()
        wrong = [
            f"{significant(score['wrong_over'], 2)} % on {score['data'].partition(',')[0]}"
            for score in scores
            if "wrong_over" in score
        ]
        if not wrong and self._card and (over := self._card.training.get("wrong_over_limit")) is not None:
            wrong = [f"{significant(100 * over, 2)} % on the pictures that the confidence was fitted to"]
        if not wrong:
            return ""
        return (
            "Confidence is the probability that an outline is right. Of the outlines with"
            f" {per_cent(LEAST_CONFIDENCE)} or more these were wrong: {', '.join(wrong)}."
        )

    @property
    def _card(self) -> cards.ModelCard | None:
        """The card of the weights that made this result, while they are installed."""
        model = self.summary["model"]
        try:
            card = cards.find(model.get("name", ""))
        except cards.UnknownModel:
            return None
        return card if card.sha256 == model.get("sha256") else None

    @property
    def filter_line(self) -> str:
        """What the filter did; "" where it is off, or nothing is measured at all."""
        if self.refused or not self.summary["filter"]:
            return ""
        return f"Filter on. {self.without_filter or 'It removed nothing.'}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Model, and the settings that differ from the default."""
        model, used = self.summary["model"], self.used
        name = imported_words(used) or f"{model.get('title', self.job.model_name)}, version {model.get('version', '?')}"
        if (card := self._card) and may_look_at(card.name, self.job.owner):
            name = format_html('<a href="{}">{}</a>', reverse("model", args=[card.name]), name)
        if why := used.get("chosen"):
            name = format_html("{}, automatic. {}", name, why)
        return [
            ("Kind of analysis", self.task.title),
            ("Outlines" if used.get("imported") else "Model", name),
            *self._settings(changed=True),
        ]

    @property
    def more_facts(self) -> list[tuple[str, str]]:
        """The other settings, weights and timings."""
        sha256, seconds = self.summary["model"].get("sha256", ""), sum(self.summary["timings"].values())
        earlier = ", with the outlines of the earlier result" if self.summary["reused"] else ""
        return [
            *self._settings(changed=False),
            ("Their file" if self.used.get("imported") else "Weights", f"sha256 {sha256[:12]}…"),
            ("Computing time", f"{significant(seconds, 2)} s{earlier}"),
        ]

    def _settings(self, changed: bool) -> list[tuple[str, str]]:
        listed = shown_settings(self.job.get_settings(), changed)
        return [(setting.title, self._used_text(setting, value)) for setting, value in listed]

    def _used_text(self, setting: Setting, requested: Any) -> str:
        """What counted in the end, and whether it was found by itself."""
        used = self.summary.get(setting.name)
        if setting.name == "data_bar":
            height = self.job.micrograph.height
            return "none" if used is None else f"cut off from row {used} ({height - used} rows)"
        if used is None or used == requested:
            return setting.says(requested)
        return f"{setting.says(float(f'{used:.3g}') if isinstance(used, float) else used)} (automatic)"


def shown_settings(settings: AnalysisSettings, changed: bool) -> Iterator[tuple[Setting, Any]]:
    """The settings to list, those that differ from the default or the others; empty texts are left out, and settings
    that the page shows elsewhere."""
    task, values = find(settings.task), settings.as_dict()
    for setting in settings_of_task(task):
        value = values[setting.name]
        is_listed = setting.name not in HIDDEN_SETTINGS | task.ignores and value != ""
        if is_listed and (value != setting.default) is changed:
            yield setting, value


def warning_of(job: Job) -> str:
    """The gravest warnings of a finished job with their level, "" without any."""
    return "; ".join(warned(from_json(job.summary)))


def statistics_of(summary: Mapping[str, Any]) -> Statistics | None:
    """The size distribution of a stored result."""
    statistics = summary.get("statistics")
    return Statistics.from_dict(statistics) if statistics else None


def values_of(summary: Mapping[str, Any]) -> dict[str, Value]:
    """The quantities of a stored result, in the order of its kind of analysis: PostgreSQL's JSON keeps none."""
    return {name: Value.from_dict(summary["quantities"][name]) for name in summary.get("order", ())}


def numbers_of(summary: Mapping[str, Any]) -> Summary:
    """The numbers of a stored result, for a list."""
    words = next(((task.thing, task.things) for task in every() if task.name == summary.get("task")), ())
    return Summary(statistics_of(summary), values_of(summary), *words)


def counted(numbers: Summary) -> str:
    """How many, as the sentence of the result says it, such as "273 grains"."""
    entry = None if numbers.screened else next(iter(numbers.leading), None)
    if entry and entry.kind in ("integer", "halves"):
        return f"{entry.value} {entry.term.lower()}"
    return f"{numbers.kept:,} {numbers.thing if numbers.kept == 1 else numbers.things}" if numbers.statistics else ""


def main_number(numbers: Summary) -> Entry | None:
    """The number by which a result is known: the median size, or without sizes the first known number; None without
    any."""
    numbers_known = numbers.headlines[:1] if numbers.kept else numbers.quantities
    return next((entry for entry in numbers_known if entry.number.value is not None), None)


def headline(numbers: Summary) -> str:
    """The `main_number` in the words of lists, "" without one."""
    entry = main_number(numbers)
    term = entry and ("median" if numbers.kept else entry.term)
    return " ".join(filter(None, (term, entry.value, entry.unit))) if entry else ""
