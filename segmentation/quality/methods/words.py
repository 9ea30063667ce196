"""The description of a method in words for its page, and the line about the method on the page of a result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse

from ...core.analysis import MethodUsed
from ...core.measure.quantities import number
from ...core.network import cards
from ...core.quality.method import MethodDescription, fields_in_words, source_words
from ...core.tasks import find
from ...models import ControlChart, Method, MethodVersion
from ...presenters.provenance import shown_settings

NO_MODEL = "This site no longer has the model, so no image can be analysed by this version."
OTHER_WEIGHTS = (
    "The model of this name has other weights here now, so each new result will depart from this version: save a result"
    " of the present model as the next one."
)


class MethodView:
    """The description of a version, in words."""

    def __init__(self, description: MethodDescription) -> None:
        self.description = description

    @property
    def sentence(self) -> str:
        """The method in one sentence."""
        method = self.description
        title, answer = find(method.task).title, number(method.quantity).label
        return f"{title}: the {answer}, by the model {method.model}, with a scale {source_words(method.scale_sources)}."

    @property
    def model_warning(self) -> str:
        """A warning if this site does not have the model with these weights; else ""."""
        try:
            weights = cards.find(self.description.model).sha256
        except cards.UnknownModel:
            return NO_MODEL
        return "" if weights == self.description.model_sha256 else OTHER_WEIGHTS

    @property
    def facts(self) -> Iterator[tuple[str, str]]:
        """All that the version fixes, without settings at their default: terms and their words."""
        method = self.description
        yield "Kind of analysis", find(method.task).title
        yield "Model", method.model
        yield "Weights", f"sha256 {method.model_sha256[:12]}…"
        yield from ((title, words) for title, words in fields_in_words(method).items() if words)
        yield from self._settings(changed=True)

    @property
    def more_facts(self) -> Iterator[tuple[str, str]]:
        """The settings at their default, which the version fixes, too."""
        return self._settings(changed=False)

    def _settings(self, *, changed: bool) -> Iterator[tuple[str, str]]:
        method = self.description
        for setting, value in shown_settings(method.analysis, changed):
            if not method.leaves_open(setting.name):
                yield setting.title, setting.words_for(value)


class MethodLine(NamedTuple):
    """The line about the method that a result follows. remarks: how the result departs from the method, and whether the
    method was out of control before. address: of the page of the version, "" if the caller may not see it.
    is_withdrawn: whether the version was withdrawn after the measurement."""

    title: str
    remarks: tuple[str, ...]
    address: str
    is_withdrawn: bool


def method_line(used: MethodUsed | None, version: MethodVersion | None, user: Any) -> MethodLine | None:
    """The line of a result; None without a method. version: None if deleted."""
    if used is None:
        return None
    may_see = version is not None and version.method.is_visible_to(user)
    is_withdrawn = version is not None and version.state == MethodVersion.State.WITHDRAWN != used.state
    return MethodLine(used.title, used.remarks, address_of_version(version) if may_see else "", is_withdrawn)


def address_of_version(version: MethodVersion) -> str:
    return f"{reverse('method', args=[version.method_id])}?version={version.number}"


def method_of(request: HttpRequest, pk: UUID) -> Method:
    """The method, if the caller may see it; else raises Http404."""
    return get_object_or_404(Method.objects.visible_to(request.user).select_related("group", "owner"), pk=pk)


def version_of(request: HttpRequest, pk: UUID, number: str | int) -> MethodVersion:
    """A version of a method that the caller may see; else raises Http404."""
    digits = str(number)
    if not digits.isdecimal() or len(digits) > 9:  # more digits than the database takes
        raise Http404
    versions = MethodVersion.objects.select_related("method__group", "method__owner")
    return get_object_or_404(versions, method=method_of(request, pk), number=int(digits))


def chart_of(request: HttpRequest, pk: UUID) -> ControlChart:
    """The control chart, if the caller may see its method; else raises Http404."""
    visible_charts = ControlChart.objects.filter(method__in=Method.objects.visible_to(request.user))
    return get_object_or_404(visible_charts.select_related("method"), pk=pk)
