"""The settings that a laboratory sets once (group `core.settings.LABORATORY`), such as the operator. They are stored
with an account or a session, and apply to each analysis whose request does not send them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..core.settings import LABORATORY
from ..models import Laboratory
from .settings import FormSetting, SettingsForm

SCALE_UNCERTAINTY = "scale_uncertainty"  # the beginning of the names of three settings: uncertainty, k and source


def laboratory_of(user: Any, session: Mapping[str, Any] = MappingProxyType({})) -> dict[str, str]:
    """The stored texts of the laboratory's settings, by name: those of the account, or without an account those of the
    session."""
    if user is None or not user.is_authenticated:
        return dict(session.get(LABORATORY, {}))
    return dict(Laboratory.objects.filter(owner=user).values_list("texts", flat=True).first() or {})


def with_laboratory(fields: Mapping[str, str], laboratory: Mapping[str, str]) -> dict[str, str]:
    """The sent fields, and the settings of the laboratory that were not sent.

    The three settings of the scale's uncertainty belong together: if one is sent, the laboratory's do not apply.
    """
    is_sent = any(name.startswith(SCALE_UNCERTAINTY) for name in fields)
    used = {name: text for name, text in laboratory.items() if not (is_sent and name.startswith(SCALE_UNCERTAINTY))}
    return {**used, **{name: fields[name] for name in fields}}  # ** of a QueryDict would give lists


def changed_settings(form: SettingsForm) -> list[FormSetting]:
    """The settings of the laboratory in a form whose value is not the default."""
    return [
        entry
        for entry in form.groups[LABORATORY]
        if entry.value not in ("", entry.setting.write(entry.setting.default))
    ]
