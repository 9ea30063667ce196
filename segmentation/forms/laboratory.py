"""The settings that a laboratory sets once (`core.settings.LABORATORY`), kept in an account or a session: they apply
to every analysis whose request does not send them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..core.settings import LABORATORY
from ..models import Laboratory
from .settings import FormSetting, SettingsForm

SCALE_UNCERTAINTY = "scale_uncertainty"  # the beginning of the names of three settings: uncertainty, k and source


def laboratory_of(user: Any, session: Mapping[str, Any] = MappingProxyType({})) -> dict[str, str]:
    """The texts that the laboratory of an account has set, by the names of settings; without an account those of the
    session."""
    if user is None or not user.is_authenticated:
        return dict(session.get(LABORATORY, {}))
    return dict(Laboratory.objects.filter(owner=user).values_list("texts", flat=True).first() or {})


def with_laboratory(fields: Mapping[str, str], laboratory: Mapping[str, str]) -> dict[str, str]:
    """The sent fields, and those of the laboratory that were not sent.

    The three settings of the scale's uncertainty belong together: if one is sent, the laboratory's do not apply.
    """
    is_sent = any(name.startswith(SCALE_UNCERTAINTY) for name in fields)
    used = {name: text for name, text in laboratory.items() if not (is_sent and name.startswith(SCALE_UNCERTAINTY))}
    return {**used, **{name: fields[name] for name in fields}}  # ** of a QueryDict would give lists


def changed_settings(form: SettingsForm) -> list[FormSetting]:
    """The settings of the laboratory's fold whose value is not the default."""
    return [
        entry for entry in form.folds[LABORATORY] if entry.value not in ("", entry.setting.write(entry.setting.default))
    ]
