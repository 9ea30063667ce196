"""How a result was made: its model, settings, outlines and scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from ..core.analysis import AnalysisSettings
from ..core.measure.objects.filters import LEAST_CONFIDENCE
from ..core.measure.quantities import significant
from ..core.micrograph.calibration.sources import Source
from ..core.network import cards
from ..core.report.wording import corrected_words, imported_words, per_cent
from ..core.tasks import find
from ..core.typed import Setting, settings_of_task
from ..models import Job
from ..services.results.models_offered import may_look_at

# Settings that the page shows elsewhere.
HIDDEN_SETTINGS = {"model", "scale_uncertainty", "scale_uncertainty_k", "scale_uncertainty_source"}


class Provenance:
    """How a finished job was made."""

    def __init__(self, job: Job) -> None:
        self.job, self.stored = job, job.stored
        self.used, self.task = self.stored.used, find(self.stored.task)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Model, and the settings that differ from the default."""
        model, used = self.stored.model, self.used
        name = imported_words(used) or cards.full_title(model.title or self.job.model_name, model.version)
        if (card := self._card) and may_look_at(card.name, self.job.owner):
            name = format_html('<a href="{}">{}</a>', reverse("model", args=[card.name]), name)
        if reason := used.chosen:
            name = format_html("{}, automatic. {}", name, reason)
        return [
            ("Kind of analysis", self.task.title),
            ("Outlines" if self.stored.used.imported else "Model", name),
            *self._settings(changed=True),
        ]

    @property
    def more_facts(self) -> list[tuple[str, str]]:
        """The other settings, weights and timings."""
        sha256, seconds = self.stored.model.sha256, sum(self.stored.timings.values())
        earlier = ", with the outlines of the earlier result" if self.stored.reused else ""
        return [
            *self._settings(changed=False),
            ("Their file" if self.stored.used.imported else "Weights", f"sha256 {sha256[:12]}…"),
            ("Computing time", f"{significant(seconds, 2)} s{earlier}"),
        ]

    @property
    def imported_line(self) -> str:
        """The file of another tool from which the outlines were imported; "" without one."""
        words = imported_words(self.used)
        return words and f"{words}."

    @property
    def corrected_line(self) -> str:
        """Where the outlines come from and how people changed them; "" if a network alone made them."""
        corrected = corrected_words(self.used)
        by_people = f"Outlines: {corrected}." if corrected else ""
        return " ".join(filter(None, (self.imported_line, by_people)))

    @property
    def calibration_detail(self) -> str:
        """How the scale was found; "" for a scale that was read in the image, which the page shows with its picture."""
        source, detail = self.job.calibration.source, self.job.calibration.detail
        if source in (Source.READ, Source.DATA_BAR):
            return ""
        return f"The file says it in: {detail}." if detail and source == Source.METADATA else detail

    @property
    def confidence(self) -> str:
        """What the model's confidence means, as measured on held-out images; "" where that is not known."""
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
        model = self.stored.model
        try:
            card = cards.find(model.name)
        except cards.UnknownModel:
            return None
        return card if card.sha256 == model.sha256 else None

    def _settings(self, changed: bool) -> list[tuple[str, str]]:
        settings = shown_settings(self.job.get_settings(), changed)
        return [(setting.title, self._used_text(setting, value)) for setting, value in settings]

    def _used_text(self, setting: Setting, requested: Any) -> str:
        """The value that was used, in words, and whether it was chosen automatically. requested: the value in the
        settings."""
        used = self.stored.used_value(setting.name)
        if setting.name == "data_bar":
            height = self.job.micrograph.height
            return "none" if used is None else f"cut off from row {used} ({height - used} rows)"
        if used is None or used == requested:
            return setting.words_for(requested)
        return f"{setting.words_for(float(f'{used:.3g}') if isinstance(used, float) else used)} (automatic)"


def shown_settings(settings: AnalysisSettings, changed: bool) -> Iterator[tuple[Setting, Any]]:
    """(setting, value) for each setting to list. changed: whether those that differ from the default, or the others.
    Empty texts are left out, and settings that the page shows elsewhere."""
    task, values = find(settings.task), settings.as_dict()
    for setting in settings_of_task(task):
        value = values[setting.name]
        is_listed = setting.name not in HIDDEN_SETTINGS | task.ignores and value != ""
        if is_listed and (value != setting.default) is changed:
            yield setting, value
