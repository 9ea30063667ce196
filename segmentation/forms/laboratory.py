"""The settings that a laboratory sets once (group `core.settings.LABORATORY`), such as the operator. They are stored
with an account or a session, and apply to each analysis whose request does not send them. With them is stored whether
the laboratory has switched Quality on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..core.settings import LABORATORY, SAMPLE
from ..models import Laboratory, Method, Reference
from .settings import FormSetting, SettingsForm

QUALITY = "quality"  # "on" or "off" among the texts; nothing where nobody has chosen
SCALE_UNCERTAINTY = "scale_uncertainty"  # the beginning of the names of three settings: uncertainty, k and source


def laboratory_of(user: Any, session: Mapping[str, Any] = MappingProxyType({})) -> dict[str, str]:
    """The stored texts of the laboratory's settings, by name: those of the account, or without an account those of the
    session."""
    if user is None or not user.is_authenticated:
        return dict(session.get(LABORATORY, {}))
    return dict(Laboratory.objects.filter(owner=user).values_list("texts", flat=True).first() or {})


def has_quality(request: Any) -> bool:
    """Whether pages offer methods, limits, charts, reference materials and signatures: as the laboratory has chosen;
    else whether it has a method or a reference material already, of its own or of a group."""
    chosen = laboratory_of(request.user, request.session).get(QUALITY)
    if chosen:
        return chosen == "on"
    methods = Method.objects.visible_to(request.user)
    visitor = getattr(request, "visitor", None)  # a request that is refused before may have none
    return methods.exists() or Reference.objects.listed_for(request.user, visitor).exists()


def with_laboratory(fields: Mapping[str, str], laboratory: Mapping[str, str]) -> dict[str, str]:
    """The sent fields, and the settings of the laboratory that were not sent.

    The three settings of the scale's uncertainty belong together: if one is sent, the laboratory's do not apply.
    """
    is_sent = any(name.startswith(SCALE_UNCERTAINTY) for name in fields)
    unused = (QUALITY, SCALE_UNCERTAINTY) if is_sent else QUALITY
    used = {name: text for name, text in laboratory.items() if not name.startswith(unused)}
    return {**used, **{name: fields[name] for name in fields}}  # ** of a QueryDict would give lists


def changed_settings(form: SettingsForm) -> list[FormSetting]:
    """The settings in a form of a laboratory whose value is not the default."""
    return [
        entry for entry in settings_of_page(form) if entry.value not in ("", entry.setting.write(entry.setting.default))
    ]


def settings_of_page(form: SettingsForm) -> list[FormSetting]:
    """The settings that a laboratory sets once; and those of a sample that it has set here before version 1.1."""
    return [*form.groups[LABORATORY], *(entry for entry in form.groups[SAMPLE] if entry.name in form.data)]
