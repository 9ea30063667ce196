"""Answers to requests that went wrong: a page for people, one line of JSON for scripts."""

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
from ..services.access.links import Ended
from ..services.ground.refusal import FULL, LOCKED_OUT, Refused, trouble
from .access import refused

logger = logging.getLogger(__name__)
API = "/api/"
NOT_UNDERSTOOD = "The request could not be understood."
TOO_LARGE = "The request is larger than this site accepts; send one image at a time."
NOTHING = (
    "Nothing was found here: the address may be wrong, the result may be deleted, or you may need another account."
)
BROKEN = "Something went wrong in our software. Try again; if it happens again, tell the administrator."


def error(sentence: str, status: int) -> JsonResponse:
    """The answer to a script."""
    return JsonResponse({"error": sentence}, status=status)


class Trouble(Middleware):
    """A page that says what a view refused, and from where (`request.back`) to go on; or that disk, storage or database
    are in trouble, or that a kind of analysis is not here."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        if isinstance(problem, Refused):
            return refused(request, problem, getattr(request, "back", ""))
        return in_trouble(request, problem)


def in_trouble(request: HttpRequest, problem: BaseException) -> HttpResponse | None:
    """The answer where it is no fault of our software; None where it is."""
    why = trouble(problem)
    if isinstance(problem, UnknownTask):
        sentence, status = str(problem), 501
    elif why:
        sentence = f"{why}: {'delete what is not needed, or ' if why == FULL else ''}try again later."
        status = 507 if why == FULL else 503
    else:
        return None
    logger.warning("%s %s: %s (%s)", request.method, request.path, sentence, problem)
    if request.path.startswith(API):
        return error(sentence, status)
    return render(None, "refused.html", {"sentence": sentence}, status=status)  # asks the database nothing


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: what was too large says so."""
    is_too_large = isinstance(exception, RequestDataTooBig | TooManyFilesSent)
    if request.path.startswith(API):
        return error(TOO_LARGE, 413) if is_too_large else error(NOT_UNDERSTOOD, 400)
    return render(None, "413.html", status=413) if is_too_large else render(None, "400.html", status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404, with 410 where a link has ended. Scripts get the 410 from the API itself."""
    if isinstance(exception, Ended):
        return render(request, "refused.html", {"sentence": str(exception)}, status=410)
    return error(NOTHING, 404) if request.path.startswith(API) else page_not_found(request, exception)


def broken(request: HttpRequest) -> HttpResponse:
    """handler500; the disk may be full before a view begins, while a form is taken apart."""
    problem = sys.exc_info()[1]
    if problem is not None and (answer := in_trouble(request, problem)) is not None:
        return answer
    return error(BROKEN, 500) if request.path.startswith(API) else server_error(request)


def locked_out(request: HttpRequest, response: Any, credentials: Any) -> HttpResponse:
    """After too many wrong passwords."""
    if request.path.startswith(API):
        answer: HttpResponse = error(LOCKED_OUT, 429)
    else:
        answer = render(request, "refused.html", {"sentence": LOCKED_OUT}, status=429)
    answer["Retry-After"] = str(int(settings.AXES_COOLOFF_TIME.total_seconds()))
    return answer
