"""Helpers by which views read the sent forms: settings, method, scale and ids, and errors of fields."""

from __future__ import annotations

from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest

from ..core.analysis import AnalysisSettings
from ..core.micrograph import formats
from ..core.micrograph.calibration.sources import Source
from ..core.micrograph.calibration.stated import StatedScale
from ..core.micrograph.calibration.width import parse_width
from ..core.micrograph.pairing import SIDE_SUFFIXES
from ..core.names import clean_text
from ..forms.laboratory import laboratory_of, with_laboratory
from ..forms.settings import SettingsForm
from ..models import MethodVersion
from ..quality.methods.services import find_version, settings_from_version

WRONG_FIELDS = "Please correct the marked fields."
LONGEST_TEXT = 500  # characters of a text field; the rest is cut off
MOST_NOTES = 5  # at the top of a page


def accept_attribute() -> str:
    """The suffixes of all files that can be sent, as the attribute `accept` of a file field has them."""
    return ",".join((*formats.format_by_suffix(), *SIDE_SUFFIXES, ".zip"))


def to_uuid(text: str) -> UUID | None:
    """A sent text as an id; None if it is not one."""
    try:
        return UUID(text)
    except ValueError:
        return None


def show_notes(request: HttpRequest, notes: list[str], others: str) -> None:
    """Show the first MOST_NOTES notes at the top of the next page. others: the words after the number of further
    notes."""
    for note in notes[:MOST_NOTES]:
        messages.warning(request, note)
    if len(notes) > MOST_NOTES:
        messages.warning(request, f"{len(notes) - MOST_NOTES} more {others}")


def token_of(request: HttpRequest) -> str:
    """The token of a sent form, by which a form that is sent twice makes one job; a new token if the form has none."""
    return (to_uuid(request.POST.get("token", "")) or uuid4()).hex


def sent_form(
    request: HttpRequest, earlier: AnalysisSettings | None = None, method: MethodVersion | None = None
) -> SettingsForm:
    """The form with the sent settings; settings that were not sent come from the method, or from the laboratory.
    earlier: the settings of an earlier job, as in `SettingsForm`."""
    if method is not None:
        form = method_form(request, method, earlier)
        fields = {**form.initial, **{name: request.POST[name] for name in request.POST}}
        return SettingsForm(fields, earlier=earlier, user=request.user, models=form.models, by_method=True)
    fields = with_laboratory(request.POST, laboratory_of(request.user, request.session))
    return SettingsForm(fields, earlier=earlier, user=request.user)


def method_form(request: HttpRequest, method: MethodVersion, earlier: AnalysisSettings | None = None) -> SettingsForm:
    """The form with the settings of a method, and with the laboratory's settings where the method leaves one open.
    earlier: settings of a job that follows the method; if given, the form shows these instead. Raises Refused."""
    settings = earlier or settings_from_version(method, laboratory_of(request.user, request.session))
    return SettingsForm(earlier=settings, user=request.user, by_method=True)


def sent_method(request: HttpRequest) -> MethodVersion | None:
    """The version of a method that a form or an address names; None without one. Raises Refused."""
    text = clean_text((request.POST or request.GET).get("method", ""), LONGEST_TEXT)
    return find_version(text, request.user) if text else None


def sent_scale(request: HttpRequest) -> StatedScale:
    """The scale that the form's field "width" states: a typed width, or nothing if the field is empty."""
    width = clean_text(request.POST.get("width", ""), LONGEST_TEXT)
    return StatedScale(width, Source.TYPED) if width.strip() else StatedScale("")


def field_errors(form: SettingsForm, stated: StatedScale) -> dict[str, str]:
    """Context of the page, with "width_error", if a field is wrong; {} if all fields are right."""
    try:
        parse_width(stated.width or "")
    except ValueError as error:
        return {"width_error": str(error)}
    return {} if form.is_valid() else {"width_error": ""}
