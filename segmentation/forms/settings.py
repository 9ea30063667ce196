"""Reads the settings of an analysis: `SettingsForm` from a page, `read_sent_settings` from a script or a button. The
form has the settings of every kind of analysis that has a model on this site."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from ..core.analysis import AnalysisSettings
from ..core.micrograph.types import Calibration
from ..core.network import cards
from ..core.settings import DEFAULT_MODEL, MeasurementSettings, SegmentationSettings
from ..core.tasks import every, find
from ..core.tasks.base import Task
from ..core.typed import FIELD_SIGN, SIZE_WORD, BadSetting, Setting, number_of, read_settings, settings_of
from ..plain import storable
from ..services.ground.requested import with_site_uncertainty
from ..services.results.models_offered import BY_IMAGE, chosen_defaults, offered_models

NO_MODEL = "There is no such model here; choose one from the list."

ModelsByTask = list[tuple[Task, list[tuple[str, str]]]]  # kinds of analysis, each with (name, title) of its models


def models_by_task(user: Any = None) -> ModelsByTask:
    """The models that a person can choose, for each kind of analysis. The first one is the default that the person or
    the site has set, if any; otherwise "chosen by the image" (BY_IMAGE), if a kind has several released models."""
    models: dict[str, list[tuple[str, str]]] = {}
    by_image = cards.tasks_of_several()
    for card in offered_models(user):
        if card.task not in models and card.task in by_image:
            models[card.task] = [(cards.automatic_name(card.task), BY_IMAGE)]
        models.setdefault(card.task, []).append((card.name, card.title))
    for task_name, default in chosen_defaults(user).items():
        models.get(task_name, []).sort(key=lambda choice: choice[0] != default)
    choices = [(task, models[task.name]) for task in every() if task.name in models]
    first_task = every()[0]
    return choices or [(first_task, [(DEFAULT_MODEL, first_task.title)])]


def _default_model(models: ModelsByTask) -> str:
    """The name of the first model of the first kind."""
    return models[0][1][0][0]


def _add_model_of(settings: AnalysisSettings | None, models: ModelsByTask) -> ModelsByTask:
    """These models, and the model of the settings if it is missing, because it is no longer installed."""
    names = {name for _, choices in models for name, _ in choices}
    if settings is None or settings.segmentation.model in names:
        return models
    missing = (settings.segmentation.model, f"{settings.segmentation.model} (no longer here)")
    tasks = {task.name: (task, choices) for task, choices in models}
    task, choices = tasks.get(settings.task, (find(settings.task), []))
    return list({**tasks, task.name: (task, [*choices, missing])}.values())


def read_sent_settings(
    sent: Mapping[str, Any], user: Any, earlier: AnalysisSettings | None = None, *, by_method: bool = False
) -> AnalysisSettings:
    """The settings that a script or a button sends. sent: values by the names in `core.settings`.

    earlier: settings of a result or a method, used where nothing is sent; if the sent model belongs to another kind of
    analysis, only settings that every kind has are taken from it. by_method: whether the result follows a method, so
    that the site's usual uncertainty of the scale is not added. Raises ValueError with a sentence.
    """
    models = _add_model_of(earlier, models_by_task(user))
    model = sent.get("model") or (earlier.segmentation.model if earlier else _default_model(models))
    task = next((task for task, choices in models if model in dict(choices)), None)
    if task is None:
        raise ValueError(NO_MODEL)
    values = earlier.as_dict() if earlier else {}
    if earlier and task.name != earlier.task:
        shared_names = {*SegmentationSettings.model_fields, *MeasurementSettings.model_fields}
        values = {name: value for name, value in values.items() if name in shared_names}
    values |= {name: storable(value) if isinstance(value, str) else value for name, value in sent.items()}
    return with_site_uncertainty(read_settings(task, {**values, "model": model}), by_method=by_method)


class SettingField(forms.CharField):
    """The field of one setting. A choice with a gap for a number, such as "at least … px", is cleaned to its word; the
    form then replaces the word by the number (`SettingsForm._fill_gap`)."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(required=False)
        self.setting = setting

    def clean(self, value: Any) -> Any:
        text = str(value or "")
        return text if text in self.setting.words_with_field else _validate(lambda: self.setting.read(text))


@dataclass(frozen=True)
class FormSetting:
    """A setting as templates show it in the form. name: the name of its field. task: the kind of analysis that has the
    setting; None if all kinds have it."""

    form: SettingsForm
    setting: Setting
    name: str
    task: Task | None = None

    @property
    def ignored_by(self) -> str:
        """Names of the kinds of analysis that ignore this setting."""
        return " ".join(task.name for task, _ in self.form.models if self.setting.name in task.ignores)

    @property
    def kind(self) -> str:
        """The widget for the setting; "gaps": choices with gaps for numbers."""
        if self.setting.is_switch:
            return "switch"
        if self.setting.words_with_field:
            return "gaps"
        return "choice" if self.setting.words and not self.setting.number else "text"

    @property
    def value(self) -> str:
        """The text in the field; for a number at its default the field is empty."""
        value = str(self.form[self.name].value() or "")
        default = self.setting.write(self.setting.default)
        if self.kind != "text":
            return value or default
        return "" if value == default else value

    @property
    def default(self) -> str:
        """The default in words."""
        return self.setting.words_for(self.setting.default)

    @property
    def options(self) -> list[dict[str, Any]]:
        """The choices of the setting, each with its word and its label. A label with a gap is split at the gap into
        "before" and "after"; "number" is then the form's field in the gap."""
        options = []
        for word in dict.fromkeys((*self.setting.words, *self.setting.labels)):
            before, gap, after = self.setting.labels.get(word, word).partition(FIELD_SIGN)
            number = self.form[self.gap_field(word)] if gap else None
            options.append({"word": word, "before": before.strip(), "after": after.strip(), "number": number})
        return options

    @property
    def errors(self) -> list[str]:
        fields = [self.name, *map(self.gap_field, self.setting.words_with_field)]
        return [error for field in fields for error in self.form.errors.get(field, [])]

    def gap_field(self, word: str) -> str:
        """The name of the field in the gap of a choice. word: the stored word of the choice."""
        return f"{self.task.thing}_px" if word == SIZE_WORD and self.task else f"{self.name}_{word}"


class SettingsForm(forms.Form):
    """All settings except the calibration, which belongs to one image.

    A field has the name of its setting. Fields of settings that only one kind of analysis has begin with the name of
    that kind, such as "phases."; only those of the first kind do not.
    """

    model = forms.ChoiceField(required=False, error_messages={"invalid_choice": NO_MODEL})

    def __init__(
        self,
        data: Mapping[str, str] | None = None,
        earlier: AnalysisSettings | None = None,
        user: Any = None,
        models: ModelsByTask | None = None,
        by_method: bool = False,
    ) -> None:
        """data: the sent fields. earlier: settings that the fields show before anything is sent; their model can be
        chosen even if it is no longer installed, because its outlines can still be measured. user: whose models can be
        chosen. models: `models_by_task(user)`, if the caller has it. by_method: see `read_sent_settings`."""
        super().__init__()
        self.by_method = by_method
        self.models = _add_model_of(earlier, models or models_by_task(user))
        self.fields["model"].choices = [choice for _, choices in self.models for choice in choices]
        tasks = [task for task, _ in self.models]
        self._model_if_none_is_sent = earlier.segmentation.model if earlier else _default_model(self.models)
        model = (data or {}).get("model") or self._model_if_none_is_sent
        self.task = next((task for task, choices in self.models if model in dict(choices)), tasks[0])
        common = (*settings_of(SegmentationSettings), *settings_of(MeasurementSettings))
        shared_names = {setting.name for setting in common}
        self.entries = [
            FormSetting(self, setting, setting.name if task is tasks[0] else f"{task.name}.{setting.name}", task)
            for task in tasks
            for setting in settings_of(task.settings)
            if setting.name not in shared_names
        ]
        self.entries += [FormSetting(self, setting, setting.name) for setting in common if setting.name != "model"]
        for entry in self.entries:
            is_read = entry.task in (None, self.task)
            self.fields[entry.name] = SettingField(entry.setting) if is_read else forms.CharField(required=False)
            for word in entry.setting.words_with_field:
                self.fields[entry.gap_field(word)] = forms.CharField(required=False)
        if data is not None:
            self.is_bound, self.data = True, data
        elif earlier:
            self.initial = self.texts_of(earlier)

    @property
    def task_settings(self) -> list[FormSetting]:
        """The settings of the chosen model's kind of analysis."""
        return [entry for entry in self.entries if entry.task in (None, self.task)]

    @property
    def main(self) -> list[FormSetting]:
        """The settings that the page always shows."""
        return [entry for entry in self.entries if entry.setting.main]

    @property
    def more(self) -> list[tuple[Task | None, list[FormSetting]]]:
        """The settings in the closed section "more": those of each kind of analysis, then (None) those of all kinds."""
        shown = (entry for entry in self.entries if not entry.setting.scripts)
        others = [entry for entry in shown if not (entry.setting.main or entry.setting.group)]
        tasks = dict.fromkeys(entry.task for entry in others)
        return [(task, [entry for entry in others if entry.task is task]) for task in tasks]

    @property
    def groups(self) -> dict[str, list[FormSetting]]:
        """The settings with a `Setting.group`, by the title of the group; each group is a closed section."""
        titles = dict.fromkeys(entry.setting.group for entry in self.entries if entry.setting.group)
        return {title: [entry for entry in self.entries if entry.setting.group == title] for title in titles}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for entry in self.task_settings:
            word = data.get(entry.name)
            if isinstance(word, str) and word in entry.setting.words_with_field:
                self._fill_gap(entry, word)
        if not self.errors:
            values = {entry.setting.name: data[entry.name] for entry in self.task_settings}
            try:
                self._settings = read_settings(
                    self.task, {**values, "model": data["model"] or self._model_if_none_is_sent}
                )
            except BadSetting as error:
                self.add_error(
                    next(entry.name for entry in self.task_settings if entry.setting == error.setting), str(error)
                )
            except ValueError as error:
                self.add_error(None, str(error))
        return data

    def _fill_gap(self, entry: FormSetting, word: str) -> None:
        """Replace the word of a choice with a gap by the number typed in the gap; errors go to the gap's field."""
        field = entry.gap_field(word)
        text = self.cleaned_data.get(field, "")
        read = self._factor_of_size if word == SIZE_WORD else entry.setting.read_number
        try:
            self.cleaned_data[entry.name] = _validate(lambda: read(text))
        except forms.ValidationError as error:
            self.add_error(field, error)

    def _factor_of_size(self, text: str) -> float:
        """The factor of enlargement at which objects of the typed size (px) have the model's best size."""
        scale = next(entry.setting for entry in self.task_settings if SIZE_WORD in entry.setting.words_with_field)
        try:
            card = cards.cards_for_name(self.cleaned_data.get("model") or self._model_if_none_is_sent)[0]
        except cards.UnknownModel as unknown:
            raise ValueError(str(unknown)) from None
        best_size: float = self.task.options.of(card).diameter
        least, greatest = math.ceil(best_size / scale.greatest), math.floor(best_size / scale.least)
        size = number_of(text)
        if not least <= size <= greatest:
            raise ValueError(
                f"The typical size of a {self.task.thing} is a number of pixels from {least} to {greatest}."
            )
        return round(best_size / size, 4)

    def settings(self, calibration: Calibration | None = None) -> AnalysisSettings:
        """The settings of a valid form."""
        return with_site_uncertainty(self._settings.replaced(calibration=calibration), by_method=self.by_method)

    def texts_of(self, settings: AnalysisSettings) -> dict[str, str]:
        """The texts of the fields that show these settings; fields of other kinds of analysis show defaults."""
        values, texts = settings.as_dict(), {"model": settings.segmentation.model}
        for entry in self.entries:
            setting, is_of_task = entry.setting, entry.task is None or entry.task.name == settings.task
            value = values.get(setting.name, setting.default) if is_of_task else setting.default
            texts[entry.name] = setting.write(value)
            if texts[entry.name] not in setting.words and setting.words_with_field:
                word = setting.words_with_field[-1]  # the number itself, not a size that it is computed from
                texts |= {entry.name: word, entry.gap_field(word): texts[entry.name]}
        return texts

    @classmethod
    def from_query(cls, query: Mapping[str, str], user: Any = None) -> SettingsForm:
        """The form of a page that is opened for the first time; `?model=NAME` in its address chooses a model."""
        model_name = query.get("model", "")
        models = models_by_task(user)
        task_of_model = {name: task for task, choices in models for name, _ in choices}
        model = model_name if model_name in task_of_model else _default_model(models)
        settings = with_site_uncertainty(AnalysisSettings.of(task_of_model[model].name, model=model))
        return cls(earlier=settings, user=user, models=models)


def _validate(read: Callable[[], Any]) -> Any:
    """What `read` returns; its ValueError becomes a ValidationError of the form."""
    try:
        return read()
    except ValueError as error:
        raise forms.ValidationError(str(error)) from None
