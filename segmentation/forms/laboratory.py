"""What a laboratory sets once, as fields of the form: read from account or session, laid under what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..core.settings import LABORATORY
from ..models import Laboratory
from .settings import FormSetting, SettingsForm

SCALE_UNCERTAINTY = "scale_uncertainty"  # with which the names of its settings begin


def laboratory_of(user: Any, session: Mapping[str, Any] = MappingProxyType({})) -> dict[str, str]:
    """What the laboratory of an account set once, by the names of settings; without one, what this session set."""
    if user is None or not user.is_authenticated:
        return dict(session.get(LABORATORY, {}))
    return dict(Laboratory.objects.filter(owner=user).values_list("texts", flat=True).first() or {})


def with_laboratory(fields: Mapping[str, str], laboratory: Mapping[str, str]) -> dict[str, str]:
    """Sent values before those of the laboratory. An uncertainty of the scale is sent with its k and source, or as a
    standard one without a source."""
    is_sent = any(name.startswith(SCALE_UNCERTAINTY) for name in fields)
    used = {name: text for name, text in laboratory.items() if not (is_sent and name.startswith(SCALE_UNCERTAINTY))}
    return {**used, **{name: fields[name] for name in fields}}  # ** of a QueryDict would give lists


def set_once(form: SettingsForm) -> list[FormSetting]:
    """The settings of a laboratory that differ from their defaults."""
    return [
        entry for entry in form.folds[LABORATORY] if entry.value not in ("", entry.setting.write(entry.setting.default))
    ]
