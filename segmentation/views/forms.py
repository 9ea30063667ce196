"""Forms of pages, as views read them: the sent fields as settings, scale and ids, and what is wrong with them."""

from __future__ import annotations

from uuid import UUID, uuid4

from django.contrib import messages
from django.http import HttpRequest

from ..core.analysis import AnalysisSettings
from ..core.micrograph import formats
from ..core.micrograph.pairing import SIDE_SUFFIXES
from ..core.micrograph.sources import Source
from ..core.micrograph.stated import StatedScale
from ..core.micrograph.width import parse_width
from ..core.names import clean_text
from ..forms.laboratory import laboratory_of, with_laboratory
from ..forms.settings import SettingsForm
from ..models import MethodVersion
from ..services.results.methods import resolve, settings_by

MARKED = "Please correct the marked fields."
LONGEST = 500  # characters of a field
MOST_NOTES = 5  # that are shown at the top


def accept_attribute() -> str:
    """The suffixes of all files that can be sent, as the attribute `accept` of a file field has them."""
    return ",".join((*formats.suffixes(), *SIDE_SUFFIXES, ".zip"))


def to_uuid(text: str) -> UUID | None:
    """The id that a page sent back, None where it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def warn(request: HttpRequest, notes: list[str], others: str) -> None:
    """Show the first notes at the top of the next page. others: what is said of how many more there are."""
    for note in notes[:MOST_NOTES]:
        messages.warning(request, note)
    if len(notes) > MOST_NOTES:
        messages.warning(request, f"{len(notes) - MOST_NOTES} more {others}")


def token_of(request: HttpRequest) -> str:
    """By which a form sent twice is known; a new one where the form has none."""
    return (to_uuid(request.POST.get("token", "")) or uuid4()).hex


def sent_form(
    request: HttpRequest, earlier: AnalysisSettings | None = None, method: MethodVersion | None = None
) -> SettingsForm:
    """The form with the sent settings, before those of the method, or of the laboratory. earlier: as of the form."""
    if method is not None:
        form = method_form(request, method, earlier)
        fields = {**form.initial, **{name: request.POST[name] for name in request.POST}}
        return SettingsForm(fields, earlier=earlier, user=request.user, models=form.models, by_method=True)
    fields = with_laboratory(request.POST, laboratory_of(request.user, request.session))
    return SettingsForm(fields, earlier=earlier, user=request.user)


def method_form(request: HttpRequest, method: MethodVersion, earlier: AnalysisSettings | None = None) -> SettingsForm:
    """The form with the settings of a method, and those of the laboratory that it leaves open; or with `earlier` ones,
    of a job that follows it. Raises Refused."""
    settings = earlier or settings_by(method, laboratory_of(request.user, request.session))
    return SettingsForm(earlier=settings, user=request.user, by_method=True)


def method_in(request: HttpRequest) -> MethodVersion | None:
    """The version of a method that a form or an address names; None without one. Raises Refused."""
    text = clean_text((request.POST or request.GET).get("method", ""), LONGEST)
    return resolve(text, request.user) if text else None


def stated_in(request: HttpRequest) -> StatedScale:
    """What the field states of a scale: a width is typed, an empty field states nothing."""
    width = clean_text(request.POST.get("width", ""), LONGEST)
    return StatedScale(width, Source.TYPED) if width.strip() else StatedScale("")


def wrong_fields(form: SettingsForm, stated: StatedScale) -> dict[str, str]:
    """What the page adds where a field is wrong; {} where none is."""
    try:
        parse_width(stated.width or "")
    except ValueError as error:
        return {"width_error": str(error)}
    return {} if form.is_valid() else {"width_error": ""}
