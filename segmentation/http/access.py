"""Who may open and change the row behind an address: the checks of every view, and the views that need no more.

A stranger gets "not found" (404), a visitor with only a link "not yours" (403).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from ..models import Dataset, Job, Owned, Reference, Sample, Training
from ..services.access import links
from ..services.ground import staff_log
from ..services.ground.refusal import Refused
from ..services.results.samples import include_images, replace_image

NOT_YOURS = (
    "Only the person who made this result may change it. Open it in the browser that made it, or run your own analysis."
)


Thing = TypeVar("Thing", bound=Owned)
PAGES: dict[type[Owned], str] = {
    Job: "job",
    Sample: "sample-page",
    Dataset: "dataset-page",
    Training: "training",
    Reference: "reference",
}
RELATED: dict[type[Owned], tuple[str, ...]] = {
    Job: ("micrograph", "method__method"),
    Sample: ("method__method",),
    Training: ("dataset", "owner", "overruled_by"),
}


def address_of(row: Owned) -> str:
    """The address of a row's page; "" where it has none."""
    name = PAGES.get(type(row))
    return reverse(name, args=[row.pk]) if name else ""


def row_of(kind: type[Thing], pk: UUID) -> Thing | None:
    """The row with what its page needs, None if it is gone."""
    return kind.objects.select_related(*RELATED.get(kind, (None,))).filter(pk=pk).first()


def visible(request: HttpRequest, row: Thing | None) -> Thing:
    """What the caller may see, else 404, or 410 where a link has ended. Notes on the request the link's secret that let
    the caller in, and the page to which a later refusal leads back."""
    if row is None or not links.may_open(row, request.user, request.visitor, request.links):
        raise Http404
    request.used_link = request.links and links.used_secret(row, request.links)
    request.back = address_of(row)
    return row


def changeable(request: HttpRequest, row: Thing | None, action: str = "change") -> Thing:
    """An object that its maker or staff may change; 404 for strangers, 403 for visitors with only the link. What a
    member of the staff is about to change of others, or of a training, is noted for the log (StaffLog)."""
    if not visible(request, row).is_changeable_by(request.user, request.visitor, action):
        raise PermissionDenied(NOT_YOURS)
    user: Any = request.user
    is_own = row.owner_id == user.pk if row.owner_id else row.visitor is not None and row.visitor == request.visitor
    if user.is_authenticated and user.is_staff and (not is_own or isinstance(row, Training)):
        request.staff_action = user, row, staff_log.snapshot(row)
    return row


def count_image(request: HttpRequest, sample: Sample, pk: UUID, included: str) -> None:
    """Count an image of a sample ("on"), leave it out, or count this other result of the same image ("instead"). The
    caller has made sure that the sample is `changeable`."""
    member = sample.members.filter(pk=pk).first()
    if included == "instead":
        other = member or changeable(request, row_of(Job, pk))
        request.back = address_of(sample)
        replace_image(sample=sample, job=other)
    elif member is None:
        raise Http404
    else:
        include_images(sample=sample, included={member.pk: included == "on"}, account=request.user)


def refused(request: HttpRequest, refusal: Refused, back: str = "") -> HttpResponse:
    """The page with the sentence of a refusal. back: address to go on from, "" for none."""
    context = {"sentence": refusal.sentence, "back": back, "sign_in": refusal.status == 401}
    return render(request, "refused.html", context, status=refusal.status)


def see_other(address: str) -> HttpResponse:
    """On to a page by 303, so that a reload repeats nothing."""
    return HttpResponseRedirect(address, status=303)


def change(
    request: HttpRequest, kind: type[Owned], pk: UUID, service: Callable[..., object], fragment: str = ""
) -> HttpResponse:
    """Let the maker of a row, or staff, do `service` with it, then show its page again. service: is called with the row
    under the name of its class, such as service(job=row)."""
    service(**{kind.__name__.lower(): changeable(request, row_of(kind, pk))})
    return see_other(request.back + fragment)


def button(kind: type[Owned], service: Callable[..., object], fragment: str = "") -> Callable[..., HttpResponse]:
    """The view of a button that needs no more than its row: POST."""
    return require_POST(lambda request, pk: change(request, kind, pk, service, fragment))


def ask_to_delete(
    request: HttpRequest,
    question: str,
    sentence: str,
    *,
    back: str,
    names: Sequence[str] = (),
    hidden: Sequence[tuple[str, str]] = (),
    verb: str = "Delete",
) -> HttpResponse:
    """The page that asks for confirmation before a deletion; it sends back `hidden`, which shows that it has asked."""
    context = {"question": question, "sentence": sentence, "back": back, "names": names, "hidden": hidden, "verb": verb}
    return render(request, "delete.html", context)


def deletion(
    kind: type[Owned], question: str, service: Callable[..., object], after: str
) -> Callable[[Callable[..., str]], Callable[..., HttpResponse]]:
    """A decorator that makes the view which asks, then deletes a row. The decorated function gives the sentence about
    what is deleted with it: sentence(request, row).

    service: is called with the row under the name of its class, such as service(job=row). after: the name
    of the page that follows.
    """

    def view_of(sentence: Callable[..., str]) -> Callable[..., HttpResponse]:
        @require_http_methods(["GET", "HEAD", "POST"])
        @never_cache
        @wraps(sentence)
        def answer(request: HttpRequest, pk: UUID) -> HttpResponse:
            row = changeable(request, row_of(kind, pk), "delete")
            if request.method != "POST":
                return ask_to_delete(request, question, sentence(request, row), back=address_of(row))
            service(**{kind.__name__.lower(): row})
            return redirect(after)

        return answer

    return view_of


def reload_if_gone(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view that is asked for progress: where the object was deleted, the page reloads and finds nothing."""

    @require_safe
    @never_cache
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Http404:
            if not request.htmx:
                raise
        response: HttpResponse = HttpResponseClientRefresh()
        response.status_code = 404
        return response

    return answer


def link_context(request: HttpRequest, row: Job | Sample) -> dict[str, Any]:
    """State, address and end of the link to a row."""
    link, state = links.link_of(row), links.state_of(row)
    secret = f"?link={links.secret_of(link)}" if link and link.number else ""
    address = request.build_absolute_uri(address_of(row) + secret)
    return {"state": state, "address": address if state == "open" else None, "ends": link and link.ends}
