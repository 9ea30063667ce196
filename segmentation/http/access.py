"""Checks whether the caller may see or change the row (a result, a dataset, ...) that an address names, and ready-made
views for buttons and deletions. Every view that opens a row uses these checks.

A caller without access gets 404; a caller who may only look, by a private link, gets 403 for a change.
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


Row = TypeVar("Row", bound=Owned)
# Names of the views that show a row.
PAGES: dict[type[Owned], str] = {
    Job: "job",
    Sample: "sample-page",
    Dataset: "dataset-page",
    Training: "training",
    Reference: "reference",
}
# Related rows that the page of a row needs, too (for `select_related`).
RELATED: dict[type[Owned], tuple[str, ...]] = {
    Job: ("micrograph", "method__method"),
    Sample: ("method__method",),
    Training: ("dataset", "owner", "overruled_by"),
}


def address_of(row: Owned) -> str:
    """The address of a row's page; "" for a row without a page."""
    name = PAGES.get(type(row))
    return reverse(name, args=[row.pk]) if name else ""


def row_of(model: type[Row], pk: UUID) -> Row | None:
    """The row of a table with this id, loaded with the related rows that its page needs; None if there is none."""
    return model.objects.select_related(*RELATED.get(model, (None,))).filter(pk=pk).first()


def visible(request: HttpRequest, row: Row | None) -> Row:
    """The row, if the caller may see it; otherwise raises 404, or 410 if the caller's private link has ended.

    Sets on the request: `used_link`, the secret of the link that let the caller in, and `back`, the page to which a
    later refusal leads back.
    """
    if row is None or not links.may_open(row, request.user, request.visitor, request.links):
        raise Http404
    request.used_link = request.links and links.used_secret(row, request.links)
    request.back = address_of(row)
    return row


def changeable(request: HttpRequest, row: Row | None, action: str = "change") -> Row:
    """The row, if the caller made it or is staff with the right for `action`; otherwise raises 404 or 403.

    If staff change a row of somebody else, or any training, `request.staff_action` holds the values before the change,
    for the log of staff's changes (middleware StaffLog).
    """
    if not visible(request, row).is_changeable_by(request.user, request.visitor, action):
        raise PermissionDenied(NOT_YOURS)
    user: Any = request.user
    is_own = row.owner_id == user.pk if row.owner_id else row.visitor is not None and row.visitor == request.visitor
    if user.is_authenticated and user.is_staff and (not is_own or isinstance(row, Training)):
        request.staff_action = user, row, staff_log.snapshot(row)
    return row


def count_image(request: HttpRequest, sample: Sample, pk: UUID, included: str) -> None:
    """Change whether a sample counts an image. pk: a result. included: "on" counts it, "instead" counts this result in
    place of another one of the same image, anything else leaves it out. The caller has checked `changeable`."""
    member = sample.members.filter(pk=pk).first()
    if included == "instead":
        other = member or changeable(request, row_of(Job, pk))
        request.back = address_of(sample)
        replace_image(sample=sample, job=other, account=request.user)
    elif member is None:
        raise Http404
    else:
        include_images(sample=sample, included={member.pk: included == "on"}, account=request.user)
    request.staff_action = None  # the services have noted it


def refusal_page(request: HttpRequest, refusal: Refused, back: str = "") -> HttpResponse:
    """The page with the sentence of a refusal. back: address to which the page links; "" for no link."""
    context = {"sentence": refusal.sentence, "back": back, "sign_in": refusal.status == 401}
    return render(request, "refused.html", context, status=refusal.status)


def see_other(address: str) -> HttpResponse:
    """A redirect to a page (303), so that reloading the page does not send the form again."""
    return HttpResponseRedirect(address, status=303)


def change(
    request: HttpRequest, model: type[Owned], pk: UUID, service: Callable[..., object], fragment: str = ""
) -> HttpResponse:
    """Call `service` with a row that the caller may change, then redirect to the row's page.

    service: is called with the row under the name of its class, such as service(job=row).
    fragment: place on the page, such as "#versions".
    """
    service(**{model.__name__.lower(): changeable(request, row_of(model, pk))})
    return see_other(request.back + fragment)


def button_view(model: type[Owned], service: Callable[..., object], fragment: str = "") -> Callable[..., HttpResponse]:
    """The view (POST) of a button that changes a row without any further fields; see `change`."""
    return require_POST(lambda request, pk: change(request, model, pk, service, fragment))


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
    """The page that asks for confirmation before a deletion.

    names: of the rows that will be deleted. hidden: (name, value) of hidden fields, sent back with the confirmation.
    """
    context = {"question": question, "sentence": sentence, "back": back, "names": names, "hidden": hidden, "verb": verb}
    return render(request, "delete.html", context)


def deletion_view(
    model: type[Owned], question: str, service: Callable[..., object], after: str, *, is_noted: bool = False
) -> Callable[[Callable[..., str]], Callable[..., HttpResponse]]:
    """A decorator that makes a view which asks for confirmation (GET) and deletes a row (POST).

    The decorated function, sentence(request, row), gives the sentence that says what is deleted together with the row.
    service: is called with the row under the name of its class, such as service(job=row). after: the name of the view
    that is shown after the deletion. is_noted: whether the service takes `account`, and notes the deletion in the log.
    """

    def view_of(sentence: Callable[..., str]) -> Callable[..., HttpResponse]:
        @require_http_methods(["GET", "HEAD", "POST"])
        @never_cache
        @wraps(sentence)
        def answer(request: HttpRequest, pk: UUID) -> HttpResponse:
            row = changeable(request, row_of(model, pk), "delete")
            if request.method != "POST":
                return ask_to_delete(request, question, sentence(request, row), back=address_of(row))
            service(**{model.__name__.lower(): row}, **({"account": request.user} if is_noted else {}))
            request.staff_action = None if is_noted else getattr(request, "staff_action", None)
            return redirect(after)

        return answer

    return view_of


def reload_if_gone(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A decorator for views that a page calls again and again to show progress: if the row was deleted meanwhile, the
    whole page is reloaded, and says that nothing is there."""

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
    """The private link to a row, for templates: "state", "address" (None unless it is open) and "ends", a time."""
    link, state = links.link_of(row), links.state_of(row)
    secret = f"?link={links.secret_of(link)}" if link and link.number else ""
    address = request.build_absolute_uri(address_of(row) + secret)
    return {"state": state, "address": address if state == "open" else None, "ends": link and link.ends}
