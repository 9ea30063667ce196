"""Answers to requests that failed: a page for people, one line of JSON for scripts (addresses that begin with API)."""

from __future__ import annotations

import logging
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.defaults import page_not_found, server_error

from ..core.tasks import UnknownTask
from ..middleware import Middleware
from ..services.access.links import LinkEnded
from ..services.ground.refusal import FULL, LOCKED_OUT, Refused, machine_fault
from .access import refusal_page

logger = logging.getLogger(__name__)
API = "/api/"
NOT_UNDERSTOOD = "The request could not be understood."
TOO_LARGE = "The request is larger than this site accepts; send one image at a time."
NOT_FOUND = (
    "Nothing was found here: the address may be wrong, the result may be deleted, or you may need another account."
)
BROKEN = "Something went wrong in our software. Try again; if it happens again, tell the administrator."


def error(sentence: str, status: int) -> JsonResponse:
    """The answer to a script: JSON with one sentence."""
    return JsonResponse({"error": sentence}, status=status)


class FailureMiddleware(Middleware):
    """Turns two sorts of exceptions of views into pages: a refusal (`Refused`), with a link to `request.back`, and
    failures outside of our software (`outside_failure`)."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        if isinstance(problem, Refused):
            return refusal_page(request, problem, getattr(request, "back", ""))
        return outside_failure(request, problem)


def outside_failure(request: HttpRequest, problem: BaseException) -> HttpResponse | None:
    """The answer if disk, storage or database fail, or if a kind of analysis is not installed; None for any other
    exception, which is a fault of our software."""
    clause = machine_fault(problem)  # such as FULL; "" for a fault of our software
    if isinstance(problem, UnknownTask):
        sentence, status = str(problem), 501
    elif clause:
        sentence = f"{clause}: {'delete what is not needed, or ' if clause == FULL else ''}try again later."
        status = 507 if clause == FULL else 503
    else:
        return None
    logger.warning("%s %s: %s (%s)", request.method, request.path, sentence, problem)
    if request.path.startswith(API):
        return error(sentence, status)
    return render(None, "refused.html", {"sentence": sentence}, status=status)  # None: no query to the database


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: a request that was too large, or that could not be understood."""
    is_too_large = isinstance(exception, RequestDataTooBig | TooManyFilesSent)
    if request.path.startswith(API):
        return error(TOO_LARGE, 413) if is_too_large else error(NOT_UNDERSTOOD, 400)
    return render(None, "413.html", status=413) if is_too_large else render(None, "400.html", status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404; 410 if a private link has ended. (For scripts the API itself answers 410.)"""
    if isinstance(exception, LinkEnded):
        return render(request, "refused.html", {"sentence": str(exception)}, status=410)
    return error(NOT_FOUND, 404) if request.path.startswith(API) else page_not_found(request, exception)


def broken(request: HttpRequest) -> HttpResponse:
    """Django's handler500. It also answers if the disk becomes full while a form is read, before a view begins."""
    problem = sys.exc_info()[1]
    if problem is not None and (answer := outside_failure(request, problem)) is not None:
        return answer
    return error(BROKEN, 500) if request.path.startswith(API) else server_error(request)


def locked_out(request: HttpRequest, response: Any, credentials: Any) -> HttpResponse:
    """The answer after too many wrong passwords (axes calls it)."""
    if request.path.startswith(API):
        answer: HttpResponse = error(LOCKED_OUT, 429)
    else:
        answer = render(request, "refused.html", {"sentence": LOCKED_OUT}, status=429)
    answer["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME.total_seconds()))
    return answer
