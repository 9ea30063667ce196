"""What may be sent: the fields of forms, with the settings among them, and what a request may be refused with."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest

from ..core.analysis import AnalysisSettings
from ..core.micrograph.types import Calibration
from ..core.tasks import every
from ..core.typed import Setting, settings_of_task
from ..forms.settings import SettingsForm
from ..services import Refused
from . import schemas

WITH_SETTINGS = "x-settings"
LENGTH = "such as 7520 nm or 7.52 µm"
Field = tuple[str, dict[str, Any]]


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


FILE: Field = ("file", {"type": "string", "format": "binary", "description": "The image."})
SIDE: Field = (
    "side",
    {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "description": "Files that the microscope saved beside the image.",
    },
)
FILES: Field = ("file", {**SIDE[1], "description": "Images, the files beside them, and ZIP archives of them."})
WIDTH: Field = (
    "width",
    _text(f"Width of the whole image, {LENGTH}; empty: sizes in pixels; else as the file says."),
)
NAME: Field = ("name", _text("Name of the sample."))
WIDTHS: Field = ("width", _text(f"Of all images, {LENGTH}."))
PIXELS: Field = ("nm_per_pixel", _text("Of all images; send either this or width."))
OTHERWISE: Field = ("otherwise_width", _text(f"Of images without a scale of their own, {LENGTH}."))
INCLUDED: Field = ("included", {"type": "string", "enum": ["on", "off"], "description": "Whether the image counts."})

A_FILE = {"responses": {200: {"description": "The file", "content": {"application/octet-stream": {}}}}}


def form_of(*fields: Field, settings: bool = True) -> dict[str, Any]:
    """The body of a request in the OpenAPI document; the file is needed. settings: whether they may be sent, too."""
    required = [name for name, _ in fields if name in ("file", "included")]
    schema = {"type": "object", "properties": dict(fields), "required": required}
    body = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    return {"requestBody": body, **({WITH_SETTINGS: True} if settings else {})}


def settings_fields() -> dict[str, Any]:
    """Every setting of every kind of analysis, as a field of a form."""
    return {each.name: _field(each) for task in every() for each in settings_of_task(task)}


def _field(setting: Setting) -> dict[str, Any]:
    takes = f" Takes {setting.takes}." if setting.takes else ""
    older = "".join(f" Until 1.0 also named {name}." for name in setting.names[1:])
    said = {"title": setting.title, **_text(f"{setting.description}{takes}{older}")}
    said["default"] = setting.write(setting.default)
    return said if setting.number or not setting.words else {**said, "enum": list(setting.words)}


def refusals(*statuses: int) -> dict[int, Any]:
    """Those that every address may answer with, and these."""
    return dict.fromkeys(sorted({400, 401, 403, 429, 500, 503, *statuses}), schemas.Error)


def valid_settings(request: HttpRequest, *others: Field) -> AnalysisSettings:
    """The settings of a request; Refused with what is wrong with them. others: fields that may stand beside them."""
    form = SettingsForm(request.POST)
    older = {name for task in every() for each in settings_of_task(task) for name in each.names}
    if unknown := sorted(set(request.POST) - set(form.fields) - older - {name for name, _ in others}):
        raise Refused(f"There is no field named {unknown[0]}.")
    if not form.is_valid():
        raise Refused(" ".join(sentence for errors in form.errors.values() for sentence in errors))
    return form.settings()


def sent_fields(request: HttpRequest) -> dict[str, str]:
    """The fields of a request, sent as a form or as a JSON object with plain values; Refused where it is neither."""
    if request.content_type != "application/json":
        return request.POST.dict()
    try:
        sent = json.loads(request.body)
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict) or any(isinstance(value, dict | list) for value in sent.values()):
        raise Refused('Send a JSON object with plain values, such as {"filter": true, "width": "7.52 µm"}.')
    return {name: _written(value) for name, value in sent.items()}


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)


def changed_settings(old: AnalysisSettings, sent: dict[str, str], calibration: Calibration | None) -> AnalysisSettings:
    """Settings with some of them as sent, by the names of the form; Refused with what is wrong with them."""
    form = SettingsForm({**SettingsForm(stands_for=old).initial, **sent}, kept=old)
    if unknown := sorted(set(sent) - set(form.fields)):
        raise Refused(f"There is no setting named {unknown[0]}.")
    if not form.is_valid():
        raise Refused(" ".join(sentence for errors in form.errors.values() for sentence in errors))
    return form.settings(calibration)
