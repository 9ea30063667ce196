"""Other ways to have an analysis, each a button that makes a revision with one other setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.flags import TILTED, Flag
from ..core.measure.filters import MEASURANDS, Reason
from ..core.measure.quantities import Value
from ..core.measure.results import Statistics
from ..core.network import cards
from ..core.report.entries import Entry, LeftOut
from ..core.report.wording import capital
from ..core.settings import FROM_FILE, regions_text
from ..core.tasks import find
from ..core.typed import settings_of_task
from ..models import Job
from ..services.results.models_offered import offered


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
class AsideLine(LeftOut):
    """The objects left out for one reason, and the setting that counts them, if one click can change it."""

    change: Change | None = None


def with_answer(flag: Flag) -> Flag:
    """A warning, with the button that answers it if there is one."""
    answers = (change for begins, change in ANSWERED.items() if flag.doubt and flag.short.startswith(begins))
    change = next(answers, None)
    return Answered.of(flag, change) if change else flag


class Choices:
    """What may be chosen otherwise in a finished job."""

    def __init__(self, job: Job) -> None:
        self.job, self.used = job, job.summary["used"]
        self.task = find(job.summary["task"])

    @property
    def kinds(self) -> list[Change]:
        """A button for each other kind that has a model. The kind that the image resembles comes first."""
        models = {card.task: card.name for card in reversed(offered(self.job.owner)) if card.task != self.task.name}
        models |= {name: cards.automatic(name) for name in cards.tasks_of_several() & models.keys()}
        kinds = sorted(models, key=lambda name: (name != self.used.get("resembles", {}).get("task"), name))
        return [Change(f"Analyse as {find(name).things}", "model", models[name]) for name in kinds]

    @property
    def earlier_models(self) -> list[Change]:
        """The model that a user's own began with, where the image is unlike the user's; [] elsewhere."""
        name = self.used.get("unlike_own", {}).get("began_with")
        why = "Another model may fit better."
        return [
            Change(f"analyse with {card.title}", "model", card.name, why)
            for card in cards.available()
            if card.name == name
        ]

    @property
    def edges(self) -> list[Change]:
        """The edges that all outlines may follow instead, where particles show one around another, or did before."""
        chosen = (self.job.settings or {}).get("edge", "auto")
        if chosen == "auto" and not self.used.get("concentric"):
            return []
        outlined = {"outer": "Each whole particle, its shell included.", "inner": "The cores alone."}
        others = ((edge, why) for edge, why in outlined.items() if edge != chosen)
        return [Change(f"all by the {edge} edge", "edge", edge, why) for edge, why in others]

    @property
    def regions(self) -> list[list[list[float]]]:
        """The regions to ignore, as the API has them."""
        ignored: list[list[list[float]]] = self.job.get_settings().as_dict()["ignore"]
        return ignored

    @property
    def regions_taken_back(self) -> list[Change]:
        """A button for each region that takes it back and, of several, one for all."""
        regions = self.job.get_settings().measurement.ignore
        remaining = (regions_text(regions[:index] + regions[index + 1 :]) for index in range(len(regions)))
        one_by_one = [Change(f"region {number}", "ignore", text) for number, text in enumerate(remaining, 1)]
        return [*one_by_one, Change("all", "ignore", "")] if len(regions) > 1 else one_by_one

    def measurand(self, statistics: Statistics) -> Change | None:
        """The numbers of the other measurand, and the button that makes them the result; None where none are known."""
        if (answer := statistics.other) is None:
            return None
        entries = [Entry.of("median", Value(answer["median"], *(answer["median_ends"] or ()), unit=statistics.unit))]
        if answer["fraction_100nm"] is not None:
            fraction = Value(answer["fraction_100nm"], *(answer["fraction_ends"] or ()))
            entries.append(Entry.of("fraction_100nm", fraction))
        median, *fractions = [
            f"{entry.value} {entry.unit}{f' ({entry.ends})' if entry.ends else ''}" for entry in entries
        ]
        measurand = "all" if statistics.counted == "seen" else "seen"
        text = f"{capital(MEASURANDS[measurand])}: about {answer['n']:,}, {median}"
        parts = [text, *(f"{words} from 1 to 100 nm" for words in fractions)]
        return Change("Show these", "measurand", measurand, ", ".join(parts))

    def aside(self, set_aside: Sequence[LeftOut]) -> list[AsideLine]:
        """How many were set aside, by reason. A button that changes several of them stands beside the last one."""
        changes = {line.reason: COUNTED_AGAIN[line.reason] for line in set_aside if line.reason in COUNTED_AGAIN}
        setting_names, listed = {setting.name for setting in settings_of_task(self.task)}, list(changes.values())
        last = {change: reason for reason, change in changes.items() if change.setting in setting_names}
        buttons = {
            reason: replace(change, words={1: change.words, 2: "count both"}.get(listed.count(change), "count all"))
            for change, reason in last.items()
        }
        return [AsideLine(**vars(line), change=buttons.get(line.reason)) for line in set_aside]
