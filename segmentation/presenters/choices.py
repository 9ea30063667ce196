"""The buttons beside a result. Each makes a revision, that is a new analysis, with one setting changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.flags import Flag
from ..core.measure.objects.filters import MEASURANDS, Reason
from ..core.measure.quantities import Value
from ..core.measure.results import Statistics
from ..core.network import cards
from ..core.report.entries import Entry, LeftOut
from ..core.report.wording import capital
from ..core.settings import FROM_FILE
from ..core.tasks import find
from ..core.typed import settings_of_task
from ..models import Job
from ..services.results.models_offered import offered_models


@dataclass(frozen=True)
class SettingButton:
    """A button that makes a revision with one setting changed. words: on the button. setting: its name. value: as a
    person would type it. text: the reason for the change, or the numbers that it would give."""

    words: str
    setting: str
    value: str
    text: str = ""


# Reason for which objects are left out -> the button that counts them.
COUNT_BUTTONS = {
    str(Reason.UNLIKE): SettingButton("Yes, measure", "measure_unlike", "on"),
    **dict.fromkeys((str(Reason.FAINT), str(Reason.GAP)), SettingButton("count them", "faint_limit", "0")),
    str(Reason.HIDDEN): SettingButton("count them", "measurand", "all"),
}


# Kind of a warning -> the button that removes its cause.
BUTTON_OF_WARNING = {"tilt": SettingButton("correct for the tilt", "tilt_correction", FROM_FILE)}


@dataclass(frozen=True)
class WarningWithButton(Flag):
    """A warning with the button that removes its cause; the fields are those of `SettingButton`."""

    words: str = ""
    setting: str = ""
    value: str = ""

    @classmethod
    def of(cls, flag: Flag, button: SettingButton) -> WarningWithButton:
        return cls(**vars(flag), words=button.words, setting=button.setting, value=button.value)


@dataclass(frozen=True)
class LeftOutLine(LeftOut):
    """The objects left out for one reason. button: counts them; None if no single setting does."""

    button: SettingButton | None = None


def add_button(flag: Flag) -> Flag:
    """A warning, with the button that removes its cause if there is one."""
    button = BUTTON_OF_WARNING.get(flag.kind) if flag.doubt else None
    return WarningWithButton.of(flag, button) if button else flag


class Choices:
    """The buttons beside the result of a finished job."""

    def __init__(self, job: Job) -> None:
        self.job, self.used = job, job.stored.used
        self.task = find(job.stored.task)

    @property
    def kind_buttons(self) -> list[SettingButton]:
        """A button for each other kind that has a model. The kind that the image resembles comes first."""
        models = {
            card.task: card.name for card in reversed(offered_models(self.job.owner)) if card.task != self.task.name
        }
        models |= {name: cards.automatic_name(name) for name in cards.tasks_of_several() & models.keys()}
        kinds = sorted(models, key=lambda name: (name != self.used.resembles.get("task"), name))
        return [SettingButton(f"Analyse as {find(name).things}", "model", models[name]) for name in kinds]

    @property
    def earlier_model_buttons(self) -> list[SettingButton]:
        """A button for the model from which the user's own model was trained further, if the image is unlike the
        images of that training; otherwise []."""
        name = self.used.unlike_own.get("began_with")
        reason = "Another model may fit better."
        return [
            SettingButton(f"analyse with {card.title}", "model", card.name, reason)
            for card in cards.available()
            if card.name == name
        ]

    @property
    def edge_buttons(self) -> list[SettingButton]:
        """A button for each other edge that all outlines may follow, if particles show two edges, one around the
        other, or if an edge was chosen before."""
        current_edge = (self.job.settings or {}).get("edge", "auto")
        if current_edge == "auto" and not self.used.concentric:
            return []
        reasons = {"outer": "Each whole particle, its shell included.", "inner": "The cores alone."}
        return [
            SettingButton(f"all by the {edge} edge", "edge", edge, reason)
            for edge, reason in reasons.items()
            if edge != current_edge
        ]

    @property
    def regions(self) -> list[list[list[float]]]:
        """The regions to ignore, as lists of corners [x, y] in px."""
        ignored: list[list[list[float]]] = self.job.get_settings().as_dict()["ignore"]
        return ignored

    def measurand_button(self, statistics: Statistics) -> SettingButton | None:
        """A button that shows the numbers of the other measurand and makes them the result; None if they are not
        known."""
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
        return SettingButton("Show these", "measurand", measurand, ", ".join(parts))

    def left_out_lines(self, set_aside: Sequence[LeftOut]) -> list[LeftOutLine]:
        """How many objects were left out, by reason. A button that counts objects of several reasons is only beside the
        last of these reasons."""
        button_of_reason = {
            line.reason: COUNT_BUTTONS[line.reason] for line in set_aside if line.reason in COUNT_BUTTONS
        }
        setting_names = {setting.name for setting in settings_of_task(self.task)}
        every_button = list(button_of_reason.values())
        last_reason = {button: reason for reason, button in button_of_reason.items() if button.setting in setting_names}
        buttons = {
            reason: replace(
                button, words={1: button.words, 2: "count both"}.get(every_button.count(button), "count all")
            )
            for button, reason in last_reason.items()
        }
        return [LeftOutLine(**vars(line), button=buttons.get(line.reason)) for line in set_aside]
